"""A dry run: everything but writing. It sends searches and nothing else."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from target_upwell.customers.schema import BILL_TO
from target_upwell.delivery.outcomes import Outcome, Reject
from target_upwell.upsert.diff import (
    compare,
    counted,
    in_order,
    merge,
    nameless,
    parent_of,
)

if TYPE_CHECKING:
    from target_upwell.config import Settings
    from target_upwell.delivery.batch import Batch
    from target_upwell.reporting.rejects import Rejects
    from target_upwell.reporting.report import Report
    from target_upwell.upsert.diff import Change, Customer, Entry
    from target_upwell.upsert.lookups import Lookups

logger = logging.getLogger("target-upwell.dry-run")

SHOWN = 3
"""Inputs and differences that are shown, each."""

MOST_VALUE_CHARACTERS = 40


class DryRun:
    """Plans batches and tells what would become of them; threads share it."""

    def __init__(
        self, settings: Settings, lookups: Lookups, rejects: Rejects, report: Report
    ) -> None:
        """Rehearse.

        Args:
            settings: How customers would be loaded.
            lookups: Finds what exists.
            rejects: Takes what could not be loaded.
            report: Counts.
        """
        self._settings = settings
        self._lookups = lookups
        self._rejects = rejects
        self._report = report
        self._lock = threading.Lock()
        self._changes: Counter[str] = Counter()
        self._shown: Counter[Outcome] = Counter()

    def load(self, batch: Batch) -> None:
        """Plan a batch.

        Raises:
            RunError: If Upwell can't be asked, or too many records are rejected.
            Stopped: If the run is being stopped.
        """
        rejects = [
            Reject.invalid(row, row.invalid) for row in batch.rows if row.invalid
        ]
        entries = merge(batch.rows, self._settings.null_handling)
        parents = {parent for entry in entries if (parent := parent_of(entry))}
        asked = dict.fromkeys((*(entry.key for entry in entries), *parents))
        found = self._lookups.find_surely(asked)
        for entry in entries:
            parent = parent_of(entry)
            if parent in found:
                entry.set("billToCustomerId", found[parent]["id"])
            elif parent is None and BILL_TO in entry.input:
                entry.set("billToCustomerId", None)
            rejects += self._plan(entry, found.get(entry.key))
        self._report.count_rejects(rejects)
        self._rejects.record(in_order(rejects, batch.rows))

    def summary(self) -> None:
        """Log which properties would change, and how often."""
        for name, count in self._changes.most_common():
            logger.info("dry run: %s would change %d times", name, count)
        logger.info("dry run: nothing was written, and no STATE goes out")

    def _plan(self, entry: Entry, held: Customer | None) -> list[Reject]:
        if held is None:
            return self._plan_absent(entry)
        if self._settings.load_method == "append-only":
            self._report.count(counted(Outcome.SKIPPED, [entry]))
            return []
        change = compare(entry.input, held, self._settings.null_handling)
        fate = Outcome.UPDATED if change else Outcome.UNCHANGED
        self._report.count(counted(fate, [entry]))
        if change:
            self._note_change(entry, held, change)
        return []

    def _plan_absent(self, entry: Entry) -> list[Reject]:
        if self._settings.load_method == "update-only":
            self._report.count(counted(Outcome.SKIPPED, [entry]))
            return []
        if not entry.input.get("name"):
            return nameless(entry.rows)
        self._report.count(counted(Outcome.CREATED, [entry]))
        if self._may_show(Outcome.CREATED):
            logger.info(
                "dry run: would create %s: %s", entry.rows[0].name, _shown(entry.input)
            )
        return []

    def _note_change(self, entry: Entry, held: Customer, change: Change) -> None:
        with self._lock:
            self._changes.update(list(change.columns))
            self._changes.update(f"customerRule.{name}" for name in change.rule)
        if self._may_show(Outcome.UPDATED):
            before = {name: held.get(name) for name in change.columns}
            rule = held.get("customerRule") or {}
            before |= {f"customerRule.{name}": rule.get(name) for name in change.rule}
            after = change.columns | {
                f"customerRule.{name}": value for name, value in change.rule.items()
            }
            logger.info(
                "dry run: would update %s: from %s to %s",
                entry.rows[0].name,
                _shown(before),
                _shown(after),
            )

    def _may_show(self, fate: Outcome) -> bool:
        with self._lock:
            self._shown[fate] += 1
            return self._shown[fate] <= SHOWN


def _shown(values: dict[str, Any]) -> str:
    """Show values, each cut short: enough to judge a mapping by."""

    def short(value: Any) -> str:  # noqa: ANN401 - any JSON value
        text = ascii(value)
        if len(text) > MOST_VALUE_CHARACTERS:
            return f"{text[:MOST_VALUE_CHARACTERS]}..."
        return text

    return ", ".join(f"{name}={short(value)}" for name, value in values.items())
