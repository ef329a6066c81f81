"""Updates that are put off until the guards can judge them.

Each holds its batch back, so that no STATE passes it. A later version of such a record
takes its rows over, with what they hold back: whatever becomes of that one becomes of
both, and when.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_upwell.resource import SourceKey
    from target_upwell.upsert.plan import Planned


class Waiting(NamedTuple):
    """An update that waits, and the batches that it holds back, its own the last."""

    update: Planned
    holds: list[int]


class PutOff:
    """Updates that are put off; threads share it.

    Who calls it holds the keys of the records, so that none of them is loaded by
    somebody else meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[SourceKey, Waiting] = {}

    def add(
        self,
        sequence: int,
        updates: Iterable[Planned],
        taken: Mapping[SourceKey, Waiting],
    ) -> None:
        """Put off updates of a batch, some of which were taken in an older version."""
        with self._lock:
            for update in updates:
                key = update.entry.key
                older = taken[key].holds if key in taken else []
                self._waiting[key] = Waiting(update, [*older, sequence])

    def take(self, keys: Iterable[SourceKey]) -> dict[SourceKey, Waiting]:
        """Return what is put off of some records, and put it off no longer."""
        with self._lock:
            return {key: self._waiting.pop(key) for key in keys if key in self._waiting}

    def by_batch(self) -> Mapping[int, Sequence[SourceKey]]:
        """Return the records of each batch that are put off."""
        batches = defaultdict(list)
        with self._lock:
            for key, waiting in self._waiting.items():
                batches[waiting.holds[-1]].append(key)
        return batches
