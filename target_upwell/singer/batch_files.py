"""The records of BATCH messages: files of JSON Lines in one folder of this machine.

A BATCH message names files, and whoever writes to standard input may name any. So they
are opened only in the folder that the user allows for it, and read as a stream: what a
file holds, or unpacks to, is never held in memory.
"""

from __future__ import annotations

import gzip
import os
import stat
import zlib
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from target_upwell.exceptions import RunError
from target_upwell.printable import one_line
from target_upwell.singer.lines import CHUNK_BYTES, json_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPRESSIONS = (None, "none", "gzip")
_GZIP_MAGIC = b"\x1f\x8b"


def batch_records(
    root: str | None, encoding: dict[str, Any], manifest: list[Any]
) -> Iterator[dict[str, Any]]:
    """Yield the records of a BATCH message's files, one by one.

    Without a folder that files may be in all messages are refused. A file that turns
    out not to be whole raises after its last whole record. The STATE that follows the
    message is then never read, so that what came before the break is sent again by the
    next run.

    Raises:
        RunError: If a file may not or can't be read, or is not what the message says.
    """
    if root is None:
        raise RunError(
            "the tap sends BATCH messages; set batch_root to the folder that their "
            "files may be read from, or have the tap send records"
        )
    form, compression = encoding.get("format"), encoding.get("compression")
    if form != "jsonl" or compression not in _COMPRESSIONS:
        raise RunError(
            f"BATCH files of format {_quoted(form)} with compression "
            f"{_quoted(compression)} can't be read; have the tap write jsonl with gzip "
            "or none"
        )
    for address in manifest:
        yield from _records_of(address, root)


def _records_of(address: object, root: str) -> Iterator[dict[str, Any]]:
    place = f"BATCH file {_quoted(_without_secrets(address))}"
    try:
        with _opened(_real_path(address, root, place), place) as file:
            for number, _, record in json_lines(_chunks(file, place), place):
                if not isinstance(record, dict):
                    raise RunError(f"line {number} of {place} is not a record")
                yield record
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise RunError(
            f"{place} is not a whole gzip file; have the tap write it again"
        ) from None
    except (OSError, ValueError) as error:
        # A path with U+0000 in it, say; only the system's own words are fit.
        why = getattr(error, "strerror", None) or "it is not a path"
        raise RunError(f"{place} can't be read: {why}") from None


def _real_path(address: object, root: str, place: str) -> str:
    """Return the real path of a file in the folder."""
    path = address if isinstance(address, str) else ""
    if path[:7].lower() == "file://":
        parts = urlsplit(path)
        # A question mark in a name is written %3F.
        plain = parts.netloc in {"", "localhost"} and not parts.query + parts.fragment
        path = unquote(parts.path) if plain else ""
    if not path or "::" in path or "://" in path:
        raise RunError(
            f"{place} may not be read: only plain paths and addresses that begin with "
            "file:/// may"
        )
    real = os.path.realpath(path, strict=True)
    real_root = os.path.realpath(root, strict=True)
    if os.path.commonpath([real, real_root]) != real_root:
        raise RunError(
            f"{place} may not be read: it is not in the folder that batch_root names"
        )
    return real


def _opened(path: str, place: str) -> IO[bytes]:
    """Open a file, which is neither a link nor anything that could make one wait."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise RunError(f"{place} can't be read: it is not a file")
    return os.fdopen(file, "rb")


def _chunks(file: IO[bytes], place: str) -> Iterator[bytes]:
    """Yield what a file holds, unpacked if it begins as gzip does.

    The SDK's taps pack their files whatever they declare, and even a packed file
    without records has some bytes.
    """
    magic = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    if not magic:
        raise RunError(f"{place} is empty, so it was not written to its end")
    if magic == _GZIP_MAGIC:
        file = cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _without_secrets(address: object) -> object:
    """Return an address without a query, a fragment, a user and a password."""
    if not isinstance(address, str):
        return address
    return address.split("?")[0].split("#")[0].rpartition("@")[2]


def _quoted(value: object) -> str:
    return one_line(repr(value))
