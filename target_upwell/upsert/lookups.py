"""Which records of a batch Upwell holds: searches by source key.

A search may show fewer records than there are, because it is capped, so "not found"
is a guess. The class learns how many a search gives at most; another one learns when
guessing that all are new, without a search, is worth it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_upwell.exceptions import Refused, RunError, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_upwell.api.client import Client
    from target_upwell.api.replies import Record
    from target_upwell.resource import Resource, SourceKey

FEWEST_PLAUSIBLE_CAP = 10
"""Upwell's own default limit (SEEN); a search that gives fewer was not capped."""


@dataclass(eq=False)
class Lookups:
    """Searches over the whole run, for a page of keys at most; threads share it."""

    client: Client
    resource: Resource
    page: int
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _most_given: int = field(default=0, init=False)

    def find(self, keys: Iterable[SourceKey]) -> dict[SourceKey, Record]:
        """Find records, as far as one search for each page shows them."""
        return self._find(keys, self.page)

    def find_surely(self, keys: Iterable[SourceKey]) -> dict[SourceKey, Record]:
        """Find records where "not found" must be more than a guess."""
        asked = list(keys)
        found = self._find(asked, self.page)
        return found | self.find_hidden(key for key in asked if key not in found)

    def find_hidden(self, keys: Iterable[SourceKey]) -> dict[SourceKey, Record]:
        """Find records of which some must exist, though a search showed none.

        It asks for no more at once than a search was seen to give, and goes on until
        nothing new turns up. What it learns about the cap holds for the later searches.
        """
        queue = list(dict.fromkeys(keys))
        found: dict[SourceKey, Record] = {}
        size = self._most_at_once()
        while queue:
            page, queue = queue[:size], queue[size:]
            given = self._find(page, size)
            found.update(given)
            if len(given) == len(page):
                size = min(size * 2, self.page)
                continue
            size = self._most_at_once()
            if given and len(given) >= self._most_given:
                # As many as a search ever gave: the others may be hidden behind them.
                queue = [key for key in page if key not in given] + queue
        if len(found) >= FEWEST_PLAUSIBLE_CAP:
            with self._lock:
                self.page = self._most_at_once()
        return found

    def _most_at_once(self) -> int:
        """Return how many keys one search can be trusted with."""
        if not self._most_given:
            return self.page
        return min(self.page, max(self._most_given, FEWEST_PLAUSIBLE_CAP))

    def _find(self, keys: Iterable[SourceKey], size: int) -> dict[SourceKey, Record]:
        asked = list(keys)
        by_system: dict[str, list[str]] = defaultdict(list)
        for system, source_id in asked:
            by_system[system].append(source_id)
        found: dict[SourceKey, Record] = {}
        for system, ids in by_system.items():
            for start in range(0, len(ids), size):
                for record in self._search(system, ids[start : start + size]):
                    found[self.resource.key_of(record)] = record
        # One that was not asked for says nothing about those that were.
        return {key: found[key] for key in asked if key in found}

    def _search(self, system: str, ids: Sequence[str]) -> list[Record]:
        try:
            records = self.client.search(self.resource, system, ids)
        except Refused as refused:
            raise RunError(
                f"{self.resource.search}: {refused}; without it nobody can tell what "
                "exists already"
            ) from None
        except TooLarge:
            if len(ids) == 1:
                raise RunError(
                    f"{self.resource.search}: a search for a single record is too "
                    "large for Upwell; check api_url, and what stands in between"
                ) from None
            half = len(ids) // 2
            with self._lock:
                self.page = min(self.page, half)
            return self._search(system, ids[:half]) + self._search(system, ids[half:])
        with self._lock:
            self._most_given = max(self._most_given, len(records))
        return records


class NewcomerGuess:
    """Whether to leave the lookup out, since the last batches held only new records.

    A wrong guess costs a refused request, so each one doubles the number of such
    batches that it takes to guess again. Threads share it; where one overlooks what
    another learns, a lookup more or less does no harm.
    """

    def __init__(self) -> None:
        self._streak = 0
        self._needed = 1

    @property
    def all_new(self) -> bool:
        """Whether the next batch is worth posting without a lookup."""
        return self._streak >= self._needed

    def learn(self, *, all_new: bool, guessed: bool) -> None:
        """Learn whether all of a batch were new, and whether that had been guessed."""
        self._streak = self._streak + 1 if all_new else 0
        if guessed and not all_new:
            self._needed *= 2
