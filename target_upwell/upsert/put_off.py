"""Updates that are put off until the guards can judge them.

They hold their batches back, so that no STATE passes them. A later version of such a
record takes its rows over: whatever becomes of that one becomes of both.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_upwell.delivery.batch import Row
    from target_upwell.resource import SourceKey
    from target_upwell.upsert.plan import Change, Entry


class Planned(NamedTuple):
    """What to do about one existing record.

    Attributes:
        entry: The record.
        input: Its input, as it was when this was planned.
        held: What Upwell shows of it.
        change: What an update has to change.
    """

    entry: Entry
    input: dict[str, Any]
    held: dict[str, Any]
    change: Change


class PutOff:
    """Updates that are put off, by the batches that they belong to; threads share it.

    Who calls it holds the keys of the records, so that none of them is loaded by
    somebody else meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[int, dict[SourceKey, Planned]] = {}
        self._batch_of: dict[SourceKey, int] = {}
        self._due: set[int] = set()

    def add(self, sequence: int, updates: Sequence[Planned]) -> None:
        """Put off some updates of a batch, which has none put off yet."""
        with self._lock:
            self._waiting[sequence] = {one.entry.key: one for one in updates}
            self._batch_of.update((one.entry.key, sequence) for one in updates)

    def take_over(self, keys: Iterable[SourceKey]) -> tuple[list[Row], list[int]]:
        """Return the rows of records that come in a newer version, put off no more.

        Returns:
            The rows, and the batches of which nothing else is put off.
        """
        rows: list[Row] = []
        emptied: list[int] = []
        with self._lock:
            for key in keys:
                sequence = self._batch_of.pop(key, None)
                if sequence is None:
                    continue
                batch = self._waiting[sequence]
                rows += batch.pop(key).entry.rows
                if not batch:
                    del self._waiting[sequence]
                    emptied.append(sequence)
        return rows, emptied

    def become_due(self) -> dict[int, list[SourceKey]]:
        """Return the records of each batch whose turn has come, once."""
        with self._lock:
            new = self._waiting.keys() - self._due
            self._due |= new
            return {sequence: list(self._waiting[sequence]) for sequence in new}

    def pop(self, sequence: int) -> list[Planned]:
        """Return what is still put off of a batch, and put it off no longer."""
        with self._lock:
            updates = list(self._waiting.pop(sequence, {}).values())
            for one in updates:
                del self._batch_of[one.entry.key]
            return updates
