"""Lines of JSON out of chunks of bytes, with a bound on how long one may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_upwell import json_codec
from target_upwell.exceptions import NotJSON, RunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK_BYTES = 1 << 16
"""How much is read at once."""

MOST_LINE_BYTES = 16 << 20
"""A decoded line takes up to twenty times this; a customer takes a thousandth of it."""


def json_lines(chunks: Iterable[bytes], place: str) -> Iterator[tuple[int, bytes, Any]]:
    """Yield lines that are not blank: the number, which begins at 1, as is, decoded.

    The chunks may be cut anywhere; the place that they are from is named in errors.

    Raises:
        RunError: If a line is not valid JSON, or longer than `MOST_LINE_BYTES`.
    """
    for number, line in _numbered(chunks, place):
        if not line.strip():
            continue
        try:
            value = json_codec.decode(line)
        except NotJSON as error:
            why = f"is not valid JSON: {error}"
            raise RunError(f"line {number} of {place} {why}") from None
        yield number, line, value


def _numbered(chunks: Iterable[bytes], place: str) -> Iterator[tuple[int, bytes]]:
    """Yield lines without holding more than one."""
    number, size, parts = 1, 0, list[bytes]()
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        size += len(first)
        if size > MOST_LINE_BYTES:
            raise RunError(
                f"line {number} of {place} is longer than {MOST_LINE_BYTES} bytes, "
                "which is as much as one record may take"
            )
        parts.append(first)
        if not others:
            continue
        yield number, b"".join(parts)
        number += 1
        for line in others[:-1]:
            yield number, line
            number += 1
        parts, size = [others[-1]], len(others[-1])
    yield number, b"".join(parts)
