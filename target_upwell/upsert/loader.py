"""Loading batches, and what was put off of them when the guards can judge it.

How one batch is loaded is `batch_load.py`'s business, and when that of the scheduler.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.batch import held_key
from target_upwell.delivery.tasks import Loaded, Task
from target_upwell.upsert.batch_load import BatchLoad

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_upwell.delivery.batch import Batch
    from target_upwell.resource import SourceKey
    from target_upwell.upsert.batch_load import Tools


class Loader:
    """Loads batches of customers; threads share it, one batch each."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def load(self, batch: Batch) -> Loaded:
        """Load a batch; whatever happens, return how far it came.

        Returns:
            What became of its records and what is due by it. Where it holds a failure
            nothing of the batch may be acknowledged.
        """
        loaded = Loaded(batch.sequence)
        try:
            keys = dict.fromkeys(row.key for row in batch.rows if row.key and row.input)
            taken = self._tools.put_off.take(keys)
            older = [row for one in taken.values() for row in one.update.entry.rows]
            load = BatchLoad(self._tools, [*older, *batch.rows], loaded)
            load.run(taken)
            if not load.is_unjudged:
                loaded.due += self._put_off_tasks()
        except Exception as error:  # noqa: BLE001 - returned with what was done
            loaded.failure = error
        return loaded

    def finish(self) -> Loaded:
        """Judge what is put off, at the end of the stream; what passes becomes due.

        Raises:
            GuardStop: If it does not pass.
        """
        self._tools.guards.judge()
        return Loaded(due=list(self._put_off_tasks()))

    def _put_off_tasks(self) -> Iterator[Task]:
        for sequence, customers in self._tools.put_off.by_batch().items():
            keys = {held_key(CUSTOMERS.name, key) for key in customers}
            yield Task(partial(self._catch_up, sequence, customers), keys)

    def _catch_up(self, sequence: int, customers: Sequence[SourceKey]) -> Loaded:
        """Send what was put off of a batch, as far as that is not done yet."""
        taken = self._tools.put_off.take(customers)
        if not taken:
            return Loaded()
        updates = [one.update for one in taken.values()]
        held = [number for one in taken.values() for number in one.holds]
        held.remove(sequence)  # that hold ends when the batch is recorded
        loaded = Loaded(sequence, released=held)
        try:
            rows = [row for one in updates for row in one.entry.rows]
            BatchLoad(self._tools, rows, loaded).catch_up(updates)
        except Exception as error:  # noqa: BLE001 - returned with what was done
            loaded.failure = error
        return loaded
