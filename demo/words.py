"""Customers and rows as a person reads them in a terminal."""

from __future__ import annotations

import json
import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LINE_WIDTH = 84
COLUMN_WIDTH = 42


def folded(text: str) -> str:
    """Return text in lines that fit a terminal."""
    return textwrap.fill(
        text, LINE_WIDTH, initial_indent="  ", subsequent_indent="    "
    )


def short(value: object) -> str:
    """Return a value as text: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def side_by_side(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines with the values of both, without what is empty."""
    for one, other in zip_longest(_lines(left), _lines(right), fillvalue=""):
        yield f"{one:<{COLUMN_WIDTH + 2}}{other}".rstrip()


def _lines(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        shown = _without_nulls(value)
        if shown not in (None, [], {}):
            text = f"{name} {short(shown)}"
            yield from textwrap.wrap(text, COLUMN_WIDTH, subsequent_indent="  ")


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {
            name: _without_nulls(item)
            for name, item in value.items()
            if item is not None and name not in {"id", "type"}
        }
    return value
