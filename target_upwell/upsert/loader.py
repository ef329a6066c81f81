"""Loading a batch: look up, plan, create, update, and account for every record.

Everything here is about customers, plans and their fates; how requests travel is the
client's business, when a batch may be loaded that of `delivery.py`, and who bills to
whom that of `linker.py`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from target_upwell.customers.schema import CUSTOMERS, RULE
from target_upwell.delivery.outcomes import DriftEntry, Outcome, Reject
from target_upwell.exceptions import Refusal, Refused, TooLarge
from target_upwell.upsert.diff import (
    Change,
    Difference,
    compare,
    counted,
    group_by_depth,
    in_order,
    merge,
    nameless,
)
from target_upwell.upsert.inserts import Inserts, Searched
from target_upwell.upsert.lookups import NewcomerGuess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_upwell.api.client import Client
    from target_upwell.config import Settings
    from target_upwell.delivery.batch import Batch
    from target_upwell.reporting.drift import Drift
    from target_upwell.reporting.rejects import Rejects
    from target_upwell.reporting.report import Report
    from target_upwell.resource import SourceKey
    from target_upwell.upsert.diff import Customer, Entry
    from target_upwell.upsert.links import Linker
    from target_upwell.upsert.lookups import Lookups

Found = dict["SourceKey", "Customer"]


class Loader:
    """Brings customers about; threads share it, one batch each."""

    def __init__(  # noqa: PLR0913 - its collaborators, each named
        self,
        *,
        settings: Settings,
        client: Client,
        lookups: Lookups,
        linker: Linker,
        rejects: Rejects,
        drift: Drift,
        report: Report,
        in_parallel: Callable[[Iterable[Callable[[], None]]], None],
    ) -> None:
        """Load customers.

        Args:
            settings: How.
            client: Sends updates.
            lookups: Finds what exists.
            linker: Sees to who bills to whom.
            rejects: Takes what can't be loaded.
            drift: Takes what can't be carried over.
            report: Counts.
            in_parallel: Runs calls at the same time and returns when all have ended.
        """
        self._settings = settings
        self._client = client
        self._lookups = lookups
        self._inserts = Inserts(client, lookups, settings.batch_size_bytes)
        self._guess = NewcomerGuess()
        self._linker = linker
        self._rejects = rejects
        self._drift = drift
        self._report = report
        self._in_parallel = in_parallel

    def load(self, batch: Batch) -> None:
        """Load a batch; when this returns every record of it is dealt with.

        Raises:
            RunError: If it can't be; none of it may be acknowledged then.
            Stopped: If the run is being stopped; likewise.
        """
        rejects = [
            Reject.invalid(row, row.invalid) for row in batch.rows if row.invalid
        ]
        entries = merge(batch.rows, self._settings.null_handling)
        if self._settings.load_method == "upsert":
            guessed = self._guess.all_new
            found = self._look_up(entries, batch.sequence, guessed=guessed)
            searched = Searched.NOT if guessed else Searched.ONCE
            rejects += self._create(entries, found, searched)
            self._guess.learn(all_new=not found, guessed=guessed)
        else:
            # Before any link is noted: what is left alone is owed none.
            entries, found = self._split_off_skipped(entries)
            self._look_up(entries, batch.sequence, guessed=True)
            if self._settings.load_method == "append-only":
                rejects += self._create(entries, found, Searched.ONCE)
        rejects += self._update(entries, found)
        # An invalid row was no version of its customer: it changes nothing.
        self._linker.forget(reject.row.key for reject in rejects if reject.row.input)
        self._linker.say_that_state_waits()
        self._report.count_rejects(rejects)
        self._rejects.record(in_order(rejects, batch.rows))

    def _split_off_skipped(self, entries: Iterable[Entry]) -> tuple[list[Entry], Found]:
        """Count what the load method leaves alone, and give the rest, with what exists.

        With update-only the others are skipped for good, so it searches harder.
        """
        appends = self._settings.load_method == "append-only"
        find = self._lookups.find if appends else self._lookups.find_surely
        found = find(entry.key for entry in entries)
        kept: list[Entry] = []
        skipped: list[Entry] = []
        for entry in entries:
            (skipped if (entry.key in found) is appends else kept).append(entry)
        self._report.count(counted(Outcome.SKIPPED, skipped))
        return kept, {} if appends else found

    def _look_up(
        self, entries: Sequence[Entry], sequence: int, *, guessed: bool
    ) -> Found:
        """Find which customers of a batch exist, and link those whose parents do.

        Args:
            entries: The customers.
            sequence: Their batch.
            guessed: Whether only the parents are looked up.
        """
        parents = self._linker.owe(entries, sequence)
        keys = {} if guessed else {entry.key: entry for entry in entries}
        asked = [*keys, *(parent for parent in parents if parent not in keys)]
        found = self._lookups.find(asked)
        self._linker.link(found, entries)
        self._linker.arrived(found, parents)
        return {key: customer for key, customer in found.items() if key in keys}

    def _create(
        self, entries: Sequence[Entry], found: Found, searched: Searched
    ) -> list[Reject]:
        """Create what is not found; what turns out to exist is added to `found`."""
        rejects: list[Reject] = []
        unsettled = {entry.key: entry for entry in entries}
        absent = [entry for entry in entries if entry.key not in found]
        without = [entry for entry in absent if not entry.input.get("name")]
        if without:
            # They can only be updated, so "not found" must be more than a guess.
            there = self._lookups.find_surely(entry.key for entry in without)
            found |= there
            self._linker.link(there, entries)
            self._linker.arrived(there)
        for entry in without:
            if entry.key not in found:
                rejects += nameless(unsettled.pop(entry.key).rows)
        named = [entry for entry in absent if entry.input.get("name")]
        for group in group_by_depth(named):
            result = self._inserts.run(group, searched)
            created = [unsettled.pop(key) for key in result.created]
            self._report.count(counted(Outcome.CREATED, created))
            for entry, refusal in result.refused:
                del unsettled[entry.key]
                rejects += [Reject.refused(row, refusal) for row in entry.rows]
            for entry in result.hidden:
                del unsettled[entry.key]
                rejects += self._update_hidden(entry)
            found |= result.existing
            turned_up = result.created | result.existing
            self._linker.link(turned_up, unsettled.values())
            self._linker.arrived(turned_up)
        return rejects

    def _update(self, entries: Iterable[Entry], found: Found) -> list[Reject]:
        """Update what is found, as far as it differs."""
        existing = [entry for entry in entries if entry.key in found]
        if self._settings.load_method == "append-only":
            self._skip(existing)
            return []
        rejects: list[Reject] = []
        drift: list[DriftEntry] = []
        unseen: set[str] = set()
        unchanged: list[Entry] = []
        calls: list[Callable[[], None]] = []

        def put(entry: Entry, change: Change) -> None:
            rejects.extend(self._put(entry, change))

        for entry in existing:
            held = found[entry.key]
            self._linker.holds(entry.key, held)
            change = compare(entry.input, held, self._settings.null_handling)
            unseen.update(change.unseen)
            drift += _drift(entry.key, change.drift)
            if change:
                calls.append(partial(put, entry, change))
            else:
                unchanged.append(entry)
        self._report.count(counted(Outcome.UNCHANGED, unchanged))
        self._drift.never_shown(unseen)
        self._in_parallel(calls)
        self._drift.record(drift)
        return rejects

    def _update_hidden(self, entry: Entry) -> list[Reject]:
        """Update a customer that exists, says Upwell, but that no search shows."""
        if self._settings.load_method == "append-only":
            self._skip([entry])
            return []
        change = compare(entry.input, {}, "keep")
        self._drift.never_shown(change.unseen)
        self._drift.record(_drift(entry.key, change.drift))
        return self._put(entry, change)

    def _skip(self, entries: Sequence[Entry]) -> None:
        """Leave customers alone that turned out to exist."""
        self._report.count(counted(Outcome.SKIPPED, entries))
        self._linker.forget(entry.key for entry in entries)

    def _put(self, entry: Entry, change: Change) -> list[Reject]:
        """Send one update."""
        try:
            touched = self._client.update(
                CUSTOMERS, entry.key, change.columns, change.rule
            )
        except Refused as refused:
            return [Reject.refused(row, refused.refusal) for row in entry.rows]
        except TooLarge:
            words = "this customer alone is too large for Upwell"
            return [Reject.refused(r, Refusal(413, "", words)) for r in entry.rows]
        if not touched.rows:
            words = "it exists in Upwell, but this key can't see it"
            return [Reject.refused(r, Refusal(200, "", words)) for r in entry.rows]
        if change.rule and not touched.related:
            self._drift.record(_drift(entry.key, [Difference(RULE, None, change.rule)]))
        self._report.count(counted(Outcome.UPDATED, [entry]))
        return []


def _drift(key: SourceKey, differences: Iterable[Difference]) -> list[DriftEntry]:
    return [DriftEntry(key, d.property, d.held, d.wanted) for d in differences]
