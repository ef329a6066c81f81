"""Reads the end of a JSON Lines file, a page at a time and at bounded cost."""

from __future__ import annotations

import os
import stat
from typing import Any

from target_upwell.sandbox.account.customer import decode
from target_upwell.sandbox.page.catalog import PAGE_ROWS, Page

MOST_BYTES = 1_000_000
MOST_LINE_BYTES = 20_000


def read(path: str, page: int) -> dict[str, Any]:
    """Read lines of a file, the last first.

    Args:
        path: The file.
        page: Which page; one beyond the end stands for the last.

    Returns:
        `path`; `why` it can't be read, or None; `cut`, whether only its last
        megabyte was read; and `page` with a record a line: `content`, what its JSON
        stands for, or `text`, where it is not valid JSON or too long.
    """
    try:
        tail, cut = _tail(path)
    except OSError as error:
        return {"path": path, "why": error.strerror, "cut": False, "page": None}
    lines = tail.splitlines()[::-1]
    last = Page([], len(lines), 1).last
    number = min(max(page, 1), last)
    first = (number - 1) * PAGE_ROWS
    rows = [_row(line) for line in lines[first : first + PAGE_ROWS]]
    shown = Page(rows, len(lines), number)
    return {"path": path, "why": None, "cut": cut, "page": shown}


def _tail(path: str) -> tuple[bytes, bool]:
    with open(path, "rb", opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a regular file")
        start = max(status.st_size - MOST_BYTES, 0)
        file.seek(start)
        tail = file.read(MOST_BYTES)
    # The first line begins somewhere before.
    return (tail.partition(b"\n")[2] if start else tail), start > 0


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe would be waited for until somebody writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _row(line: bytes) -> dict[str, Any]:
    if len(line) <= MOST_LINE_BYTES:
        try:
            return {"content": decode(line)}
        except (ValueError, RecursionError):
            pass
    more = "\N{HORIZONTAL ELLIPSIS}" if len(line) > MOST_LINE_BYTES else ""
    return {"text": line[:MOST_LINE_BYTES].decode("utf-8", "replace") + more}
