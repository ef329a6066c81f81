"""The records of BATCH messages: files of JSON Lines, wherever they are."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from target_upwell import json_codec
from target_upwell.exceptions import NotJSON, RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPRESSIONS = (None, "none", "gzip")


def records(encoding: dict[str, Any], manifest: list[Any]) -> Iterator[dict[str, Any]]:
    """Read records one by one.

    Args:
        encoding: The message's encoding.
        manifest: The addresses of its files.

    Raises:
        RunError: If a file can't be read, or is not what the message says.
    """
    import fsspec  # noqa: PLC0415 - few taps send BATCH, and it takes long to import

    form, compression = encoding.get("format"), encoding.get("compression")
    if form != "jsonl" or compression not in _COMPRESSIONS:
        raise RunError(
            f"BATCH files of format {repr(form)[:40]} with compression "
            f"{repr(compression)[:40]} can't be read; have the tap write jsonl with "
            "gzip or none"
        )
    unpack = "gzip" if compression == "gzip" else None
    for url in map(str, manifest):
        try:
            with fsspec.open(url, "rb", compression=unpack) as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield _record(line, f"line {number} of BATCH file {url!r}")
        except (OSError, EOFError, ValueError, zlib.error, ImportError) as error:
            # fsspec names the package that is missing; the others may quote content.
            why = error if isinstance(error, ImportError) else type(error).__name__
            raise RunError(f"BATCH file {url!r} can't be read: {why}") from None


def _record(line: bytes, place: str) -> dict[str, Any]:
    try:
        record = json_codec.decode(line)
    except NotJSON as error:
        raise RunError(f"{place} is no JSON: {error}") from None
    if not isinstance(record, dict):
        raise RunError(f"{place} is no record")
    return record
