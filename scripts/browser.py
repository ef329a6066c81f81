"""Headless Chromium, as Debian packages it, that asks no one outside the machine.

The pictures of the documentation are taken with it, and the tests of the sandbox's
page look through it.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def why_missing() -> str | None:
    """Tell why there is no browser; None when there is one."""
    if shutil.which("chromium") is None:
        return "there is no chromium here; Debian's package of that name brings it"
    try:
        import playwright.sync_api  # noqa: F401, PLC0415 - is it there?
    except ImportError as error:
        return f"Playwright can't be imported: {error}"
    return None


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser; its profile is new and empty, and goes with it."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be missing

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=_ARGUMENTS
        )
        try:
            yield browser
        finally:
            browser.close()
