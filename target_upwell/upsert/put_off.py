"""Updates that are put off until the guards can judge them.

Each holds its batch back, so that no STATE passes it. A later version of such a record
takes its rows over, with what they hold back: whatever becomes of that one becomes of
both, and when.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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
        self._older: dict[SourceKey, list[int]] = {}
        self._due: set[int] = set()

    def add(
        self,
        sequence: int,
        updates: Sequence[Planned],
        older: Mapping[SourceKey, list[int]],
    ) -> None:
        """Put off some updates of a batch, which has none put off yet.

        Args:
            sequence: The batch.
            updates: The updates.
            older: The batches that rows were taken over from, by record.
        """
        with self._lock:
            self._waiting[sequence] = {one.entry.key: one for one in updates}
            for one in updates:
                key = one.entry.key
                self._batch_of[key] = sequence
                if key in older:
                    self._older[key] = older[key]

    def take_over(
        self, keys: Iterable[SourceKey]
    ) -> tuple[list[Row], dict[SourceKey, list[int]]]:
        """Return the rows of records that come in a newer version, put off no more.

        Returns:
            The rows, and by record the batches that they hold back.
        """
        rows: list[Row] = []
        held: dict[SourceKey, list[int]] = {}
        with self._lock:
            for key in keys:
                sequence = self._batch_of.pop(key, None)
                if sequence is None:
                    continue
                batch = self._waiting[sequence]
                rows += batch.pop(key).entry.rows
                held[key] = [*self._older.pop(key, ()), sequence]
                if not batch:
                    del self._waiting[sequence]
        return rows, held

    def become_due(self) -> dict[int, list[SourceKey]]:
        """Return the records of each batch whose turn has come, once."""
        with self._lock:
            new = self._waiting.keys() - self._due
            self._due |= new
            return {sequence: list(self._waiting[sequence]) for sequence in new}

    def pop(self, sequence: int) -> tuple[list[Planned], list[int]]:
        """Return what is still put off of a batch, and put it off no longer.

        Returns:
            The updates, and the batches that they hold back.
        """
        held: list[int] = []
        with self._lock:
            updates = list(self._waiting.pop(sequence, {}).values())
            for one in updates:
                del self._batch_of[one.entry.key]
                held += [*self._older.pop(one.entry.key, ()), sequence]
            return updates, held
