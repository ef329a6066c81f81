"""Words that agree with a number."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number of things, such as "1 record" or "2 records"."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
