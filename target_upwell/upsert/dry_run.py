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
from target_upwell.customers.schema import (
    BILL_TO,
    CUSTOMERS,
    NAME,
    PARENT,
    PROPERTIES,
    as_new,
)
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
from target_upwell.upsert.diff import diff, merge, parent_of, set_parent, withholds
from target_upwell.upsert.updates import drift_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_upwell.config import Settings
    from target_upwell.delivery.batch import Batch
    from target_upwell.delivery.outcomes import Outcomes
    from target_upwell.resource import SourceKey
    from target_upwell.upsert.diff import Customer
    from target_upwell.upsert.duplicates import Duplicates
    from target_upwell.upsert.guards import Guards
    from target_upwell.upsert.lookups import Lookups
    from target_upwell.upsert.plan import Change, Entry

logger = logging.getLogger("target-upwell.dry-run")

UNSHOWN = "(Upwell does not show it)"

SHOWN = 3
"""New customers and changes that are shown whole, each."""


class DryRun:
    """Plans batches and tells what would become of them; threads share it."""

    def __init__(
        self,
        settings: Settings,
        lookups: Lookups,
        guards: Guards,
        duplicates: Duplicates,
    ) -> None:
        """Plan.

        Args:
            settings: How customers would be loaded.
            lookups: Finds what exists.
            guards: Would stop a run that does harm.
            duplicates: Finds new customers that exist under another source key.
        """
        self._settings = settings
        self._lookups = lookups
        self._guards = guards
        self._duplicates = duplicates
        self._lock = threading.Lock()
        self._changes: Counter[str] = Counter()
        self._shown: Counter[Outcome] = Counter()
        # Of customers that would be created the hashes of key and input are kept:
        # nothing else remembers them where nothing is written.
        self._created: dict[int, int] = {}
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
        """Return the links that would be set at the end, and the others as drift."""
        loaded = Loaded()
        self.stopped_by = self.stopped_by or self._guards.judge()
        for child, (parent, held) in self._without_parent.items():
            if hash(parent) in self._created:
                loaded.outcomes.links += 1
            else:
                loaded.outcomes.drift.append(
                    DriftEntry(child, PARENT, held, parent[1], "parent")
                )
        return loaded

    def summary(self) -> None:
        """Log which properties would change, and what would stop a run."""
        for name, count in self._changes.most_common():
            those = counted(count, CUSTOMERS.singular, CUSTOMERS.name)
            logger.info("dry run: %s would change for %s", name, those)
        self._duplicates.report()
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
        existing, absent = self._split(entries, found, outcomes)
        new: list[Entry] = []
        for entry in absent:
            if entry.input.get(NAME) or hash(entry.key) in self._created:
                new.append(entry)
            else:
                rejects += [Reject.invalid(row, NO_NAME) for row in entry.rows]
        created = self._note_created(new, outcomes)
        changes = [self._change(entry, found, outcomes) for entry in existing]
        for entry in created:
            self._link(entry, None, found, outcomes)
            self._show_new(entry)
        verdict = self._guards.admit(
            len(existing), [change.cleared() for change in changes if change]
        )
        outcomes.rejects = in_order(rejects, batch.rows)
        with self._lock:
            self.stopped_by = self.stopped_by or verdict.stop
        self._duplicates.look(created)

    def _split(
        self,
        entries: Sequence[Entry],
        found: Mapping[SourceKey, Customer],
        outcomes: Outcomes,
    ) -> tuple[list[Entry], list[Entry]]:
        """Return which exist and which don't, but for what the load method skips."""
        existing = [entry for entry in entries if entry.key in found]
        absent = [entry for entry in entries if entry.key not in found]
        method = self._settings.load_method
        if method == "append-only":
            _count(Outcome.SKIPPED, existing, outcomes)
            return [], absent
        if method == "update-only":
            _count(Outcome.SKIPPED, absent, outcomes)
            return existing, []
        return existing, absent

    def _note_created(self, new: Sequence[Entry], outcomes: Outcomes) -> list[Entry]:
        """Return those that come for the first time; the others would be updated."""
        first: list[Entry] = []
        for entry in new:
            with self._lock:
                before = self._created.get(hash(entry.key))
                self._created[hash(entry.key)] = now = hash(entry.body)
            if before is None:
                first.append(entry)
            else:
                outcome = Outcome.UNCHANGED if before == now else Outcome.UPDATED
                _count(outcome, [entry], outcomes)
        _count(Outcome.CREATED, first, outcomes)
        return first

    def _link(
        self,
        entry: Entry,
        held: Customer | None,
        found: Mapping[SourceKey, Customer],
        outcomes: Outcomes,
    ) -> None:
        """Resolve the parent as the real run would."""
        parent = parent_of(entry)
        with self._lock:
            self._without_parent.pop(entry.key, None)
            if parent is None:
                if BILL_TO in entry.input and PARENT not in entry.input:
                    set_parent(entry, None)
            elif parent in found:
                set_parent(entry, found[parent]["id"])
            elif hash(parent) in self._created:
                set_parent(entry, f"(the id of {CUSTOMERS.singular} {parent[1]})")
            else:
                own = held.get(PARENT) if held else None
                policy = self._settings.field_policy.get(PARENT, "overwrite")
                if held and withholds(policy, own):
                    drift = DriftEntry(entry.key, PARENT, own, parent[1], "policy")
                    outcomes.drift.append(drift)
                else:
                    self._without_parent[entry.key] = parent, own

    def _change(
        self, entry: Entry, found: Mapping[SourceKey, Customer], outcomes: Outcomes
    ) -> Change:
        """Plan an existing customer."""
        held = found[entry.key]
        self._link(entry, held, found, outcomes)
        change = diff(
            entry.input,
            held,
            self._settings.null_handling,
            self._settings.field_policy,
        )
        outcome = Outcome.UPDATED if change else Outcome.UNCHANGED
        _count(outcome, [entry], outcomes)
        outcomes.never_shown.update(change.never_shown)
        outcomes.drift += drift_of(entry.key, change)
        if change:
            self._show_change(entry, change)
        return change

    def _show_new(self, entry: Entry) -> None:
        with self._lock:
            if self._may_show(Outcome.CREATED):
                logger.info("dry run: would create %s:", entry.rows[0].name)
                for name, value in as_new(entry.input).items():
                    logger.info("dry run:     %s: %s", name, _shown(value))

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
                        "dry run:     %s: %s -> %s",
                        name,
                        _shown(before) if _is_readable(name) else UNSHOWN,
                        _shown(after),
                    )

    def _may_show(self, outcome: Outcome) -> bool:
        self._shown[outcome] += 1
        return self._shown[outcome] <= SHOWN


def _count(outcome: Outcome, entries: Iterable[Entry], outcomes: Outcomes) -> None:
    outcomes.counted += (
        Counted(entry.key, outcome, len(entry.rows)) for entry in entries
    )


def _is_readable(name: str) -> bool:
    return PROPERTIES[name.partition(".")[0]].readable


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a value whole, on one line."""
    return json_codec.encode(value).decode()
