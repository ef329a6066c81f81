"""The picture of the sandbox's page, after the demo's two loads.

The customers are the demo's, and so is the stream map; PostgreSQL and Meltano are left
out, for the page shows nothing of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from browser import chromium

from demo.erp import Customer, customers
from demo.run import ADDED, CUSTOMERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from playwright.sync_api import ViewportSize

ROOT = Path(__file__).resolve().parents[1]
STREAM = "erp-customers"
_SIZE: ViewportSize = {"width": 1280, "height": 800}
_CHANGED = 250
"""One customer in so many changes between the loads."""


def draw(path: Path) -> None:
    """Load the customers twice and take the picture.

    Args:
        path: The PNG file to write.
    """
    first = [*customers(CUSTOMERS)]
    changed = [replace(row, credit_limit="75500.00") for row in first[2::_CHANGED]]
    new = customers(ADDED, start=CUSTOMERS)
    with _sandbox() as root:
        _load(root, first)
        _load(root, [*changed, *new])
        with chromium() as browser:
            page = browser.new_page(
                viewport=_SIZE, device_scale_factor=2, color_scheme="light"
            )
            page.goto(f"{root}/")
            page.screenshot(path=path)


@contextmanager
def _sandbox() -> Iterator[str]:
    """Run a sandbox with an empty account; gives its address."""
    command = [*_command("upwell-sandbox"), "serve", "--port", "0"]
    with subprocess.Popen(  # noqa: S603 - our own words
        command, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if process.stdout is None:
                raise AssertionError
            yield process.stdout.readline().split()[-1].removesuffix("/api/rest")
        finally:
            process.terminate()


def _load(root: str, rows: Iterable[Customer]) -> None:
    project = yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8"))
    (loader,) = project["plugins"]["loaders"]
    others = {name: value for name, value in os.environ.items() if "UPWELL" not in name}
    settings = {
        "TARGET_UPWELL_API_URL": f"{root}/api/rest",
        "TARGET_UPWELL_API_KEY": "sandbox-key",
        "TARGET_UPWELL_SOURCE_SYSTEM": "SANDBOX",
        "TARGET_UPWELL_STREAM_MAPS": json.dumps(loader["config"]["stream_maps"]),
    }
    subprocess.run(  # noqa: S603 - our own words
        [*_command("target-upwell"), "--config=ENV"],
        check=True,
        env=others | settings,
        input="".join(f"{json.dumps(message)}\n" for message in _messages(rows)),
        stdout=subprocess.DEVNULL,
        text=True,
    )


def _messages(rows: Iterable[Customer]) -> Iterator[dict[str, Any]]:
    """Say rows in Singer, as a tap does."""
    records = [asdict(row) for row in rows]
    yield {
        "type": "SCHEMA",
        "stream": STREAM,
        "key_properties": ["customer_no"],
        "schema": {"properties": {name: {} for name in records[0]}},
    }
    for record in records:
        record["updated_at"] = record["updated_at"].isoformat()
        yield {"type": "RECORD", "stream": STREAM, "record": record}


def _command(name: str) -> list[str]:
    return [str(Path(sys.executable).with_name(name))]
