"""Names: matched loosely, by their letters and digits only, and named to a person."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from target_upwell.customers.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FEW = 5
_NEAREST = 3
_SURE = 0.85
"""A likeness, from 0 to 1, from which there is one answer."""
_MIN_CONTAINED_CHARACTERS = 3


def folded(name: str) -> str:
    """Return a name without case and without what is no letter or digit."""
    return "".join(filter(str.isalnum, name)).casefold()


def surely(name: str, known: Iterable[str]) -> str:
    """Return the one name that somebody must have meant; "" if there is none."""
    by_folded = _by_folded(known)
    sure = get_close_matches(folded(name), by_folded, 1, _SURE)
    return by_folded[sure[0]] if sure else ""


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that somebody may have meant, the likeliest first."""
    by_folded = _by_folded(known)
    if sure := surely(name, by_folded.values()):
        return [sure]
    wanted = folded(name)
    near = get_close_matches(wanted, by_folded, _NEAREST)
    near += [
        other
        for other in by_folded
        if min(len(wanted), len(other)) >= _MIN_CONTAINED_CHARACTERS
        and (wanted in other or other in wanted)
        and other not in near
    ]
    return [by_folded[other] for other in near[:_NEAREST]]


def _by_folded(known: Iterable[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for one in known:
        names.setdefault(folded(one), one)
    return names


def meant(name: str, known: Iterable[str]) -> str:
    """Return the question whether the nearest names were meant; "" if none is near."""
    near = nearest(name, known)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else ""


def listed(names: Iterable[str]) -> str:
    """Return names as a list for a person: the first few, and how many more."""
    return few([shown(name) for name in sorted(names)])


def few(words: Sequence[str]) -> str:
    """Return the first few in one line, and how many more there are."""
    first = ", ".join(words[:_FEW])
    more = len(words) - _FEW
    return f"{first} and {more} more" if more > 0 else first
