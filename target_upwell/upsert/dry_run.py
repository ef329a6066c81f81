"""A dry run: everything but writing. It sends searches and nothing else.

It reports what a real run would, in the same words, and shows the first customers and
changes whole, so that a person can judge the stream map by them.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from target_upwell import json_codec
from target_upwell.customers.schema import BILL_TO, CUSTOMERS, NAME, PARENT, as_new
from target_upwell.delivery.outcomes import (
    Counted,
    DriftEntry,
    Outcome,
    Reject,
    in_order,
)
from target_upwell.delivery.tasks import Loaded
from target_upwell.reporting.words import counted
from target_upwell.upsert.batch_load import NO_NAME
from target_upwell.upsert.diff import diff, merge, parent_of, set_parent
from target_upwell.upsert.updates import drift_of

if TYPE_CHECKING:
    from target_upwell.config import Settings
    from target_upwell.delivery.batch import Batch
    from target_upwell.delivery.outcomes import Outcomes
    from target_upwell.resource import SourceKey
    from target_upwell.upsert.diff import Customer
    from target_upwell.upsert.guards import Guards
    from target_upwell.upsert.lookups import Lookups
    from target_upwell.upsert.plan import Change, Entry

logger = logging.getLogger("target-upwell.dry-run")

SHOWN = 3
"""New customers and changes that are shown whole, each."""


class DryRun:
    """Plans batches and tells what would become of them; threads share it."""

    def __init__(self, settings: Settings, lookups: Lookups, guards: Guards) -> None:
        """Plan.

        Args:
            settings: How customers would be loaded.
            lookups: Finds what exists.
            guards: Would stop a run that does harm.
        """
        self._settings = settings
        self._lookups = lookups
        self._guards = guards
        self._lock = threading.Lock()
        self._changes: Counter[str] = Counter()
        self._shown: Counter[Outcome] = Counter()
        # Of customers that would be created, and could be somebody's parent, the hash
        # is kept: nothing else remembers them where nothing is written.
        self._created: set[int] = set()
        self._without_parent: dict[SourceKey, tuple[SourceKey, str | None]] = {}
        self.stopped_by: str | None = None

    def load(self, batch: Batch) -> Loaded:
        """Plan a batch; whatever happens, return how far it came."""
        loaded = Loaded(batch.sequence)
        try:
            self._plan(batch, loaded.outcomes)
        except Exception as error:  # noqa: BLE001 - returned with what was done
            loaded.failure = error
        return loaded

    def finish(self) -> Loaded:
        """Return as drift the links whose parents would never come."""
        loaded = Loaded()
        self.stopped_by = self.stopped_by or self._guards.judge()
        for child, (parent, held) in self._without_parent.items():
            if hash(parent) not in self._created:
                loaded.outcomes.drift.append(
                    DriftEntry(child, PARENT, held, parent[1], "parent")
                )
        return loaded

    def summary(self) -> None:
        """Log which properties would change, and what would stop a run."""
        for name, count in self._changes.most_common():
            those = counted(count, CUSTOMERS.singular, CUSTOMERS.name)
            logger.info("dry run: %s would change for %s", name, those)
        if self.stopped_by:
            logger.warning("dry run: a guard would stop the run: %s", self.stopped_by)
        logger.info("dry run: nothing was written, and no STATE goes out")

    def _plan(self, batch: Batch, outcomes: Outcomes) -> None:
        rejects = [
            Reject.invalid(row, row.invalid) for row in batch.rows if row.invalid
        ]
        entries = merge(batch.rows, self._settings.null_handling)
        parents = {parent for entry in entries if (parent := parent_of(entry))}
        asked = dict.fromkeys((*(entry.key for entry in entries), *parents))
        found = self._lookups.find_surely(asked)
        changes: list[Change] = []
        for entry in entries:
            held = found.get(entry.key)
            self._link(entry, held, found)
            if held is None:
                rejects += self._plan_absent(entry, outcomes)
            else:
                changes += self._plan_existing(entry, held, outcomes)
        looked_up = sum(entry.key in found for entry in entries)
        verdict = self._guards.admit(
            looked_up, [change.cleared() for change in changes]
        )
        outcomes.rejects = in_order(rejects, batch.rows)
        with self._lock:
            self.stopped_by = self.stopped_by or verdict.stop

    def _link(
        self, entry: Entry, held: Customer | None, found: dict[SourceKey, Customer]
    ) -> None:
        """Resolve the parent as the real run would."""
        parent = parent_of(entry)
        with self._lock:
            self._without_parent.pop(entry.key, None)
            if parent in found:
                set_parent(entry, found[parent]["id"])
            elif parent is not None:
                own = held.get(PARENT) if held else None
                self._without_parent[entry.key] = parent, own
            elif BILL_TO in entry.input and PARENT not in entry.input:
                set_parent(entry, None)

    def _plan_existing(
        self, entry: Entry, held: Customer, outcomes: Outcomes
    ) -> list[Change]:
        if self._settings.load_method == "append-only":
            _count(Outcome.SKIPPED, entry, outcomes)
            return []
        change = diff(
            entry.input,
            held,
            self._settings.null_handling,
            self._settings.field_policy,
        )
        _count(Outcome.UPDATED if change else Outcome.UNCHANGED, entry, outcomes)
        outcomes.never_shown.update(change.never_shown)
        outcomes.drift += drift_of(entry.key, change)
        if not change:
            return []
        self._show_change(entry, change)
        return [change]

    def _plan_absent(self, entry: Entry, outcomes: Outcomes) -> list[Reject]:
        if self._settings.load_method == "update-only":
            _count(Outcome.SKIPPED, entry, outcomes)
            return []
        if not entry.input.get(NAME):
            return [Reject.invalid(row, NO_NAME) for row in entry.rows]
        _count(Outcome.CREATED, entry, outcomes)
        with self._lock:
            self._created.add(hash(entry.key))
            if self._may_show(Outcome.CREATED):
                logger.info("dry run: would create %s:", entry.rows[0].name)
                for name, value in as_new(entry.input).items():
                    logger.info("dry run:     %s: %s", name, _shown(value))
        return []

    def _show_change(self, entry: Entry, change: Change) -> None:
        changes = {
            name: (before, after)
            for name, (before, after) in change.changes().items()
            if before is not None or after is not None
        }
        with self._lock:
            self._changes.update(changes.keys())
            if self._may_show(Outcome.UPDATED):
                logger.info("dry run: would update %s:", entry.rows[0].name)
                for name, (before, after) in changes.items():
                    logger.info(
                        "dry run:     %s: %s -> %s", name, _shown(before), _shown(after)
                    )

    def _may_show(self, outcome: Outcome) -> bool:
        self._shown[outcome] += 1
        return self._shown[outcome] <= SHOWN


def _count(outcome: Outcome, entry: Entry, outcomes: Outcomes) -> None:
    outcomes.counted.append(Counted(entry.key, outcome, len(entry.rows)))


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Show a value whole, on one line."""
    return json_codec.encode(value).decode()
