"""Different records of the source that become one customer.

Streams that each count their customers from 1, or a map that takes one column of a key
of two, make one customer of several, and each run writes the one over the other. Upwell
refuses nothing of that, so it is found here: by records that have one source key, but
another stream or another key of the tap, and another name. Under one name they are
parts of one customer, or its versions.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from target_upwell.customers.names import few, folded
from target_upwell.customers.values import shown, shown_name

if TYPE_CHECKING:
    from target_upwell.resource import SourceKey

REMEMBERED = 1000
"""Customers of each stream, its first ones; what collides does so throughout."""


class Collisions:
    """Finds them among the records of a run."""

    def __init__(self) -> None:
        self._first: dict[SourceKey, tuple[tuple[object, ...], str]] = {}
        self._remembered: Counter[object] = Counter()
        self._found: dict[SourceKey, str] = {}

    def see(self, key: SourceKey, name: str, origin: tuple[object, ...]) -> None:
        """Take a customer.

        Args:
            key: Its source key.
            name: Its name.
            origin: The stream of its record, and the values of the tap's key.
        """
        first = self._first.get(key)
        if first is None:
            if self._remembered[origin[0]] < REMEMBERED:
                self._remembered[origin[0]] += 1
                self._first[key] = origin, name
        elif origin != first[0] and folded(name) != folded(first[1]):
            pair = f"{_in_words(first[0])} and {_in_words(origin)}"
            self._found.setdefault(key, f"{shown(key[1])} from {pair}")

    def __str__(self) -> str:
        """Return the first few in words, and how many more; empty if there are none."""
        return few([*self._found.values()])


def _in_words(origin: tuple[object, ...]) -> str:
    stream, *values = origin
    return " ".join([shown_name(str(stream)), ":".join(map(shown, values))]).rstrip()
