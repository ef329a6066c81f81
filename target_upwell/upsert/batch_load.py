"""One batch on its way: look up, plan, create, update, and account for every record.

Everything here is about customers, plans and their outcomes; how requests travel is the
client's business, when a batch may be loaded that of the scheduler, and who bills to
whom that of `links.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from target_upwell.customers.schema import NAME
from target_upwell.delivery.outcomes import (
    Counted,
    DriftEntry,
    Outcome,
    Reject,
    in_order,
)
from target_upwell.exceptions import GuardStop
from target_upwell.upsert.diff import diff, group_by_depth, is_seen_whole, merge
from target_upwell.upsert.inserts import Searched
from target_upwell.upsert.lookups import NewcomerGuess
from target_upwell.upsert.put_off import Planned, PutOff
from target_upwell.upsert.refusals import hidden, is_about_key
from target_upwell.upsert.unseen import Unseen, sets_unseen
from target_upwell.upsert.updates import drift_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from target_upwell.config import Settings
    from target_upwell.delivery.batch import Row
    from target_upwell.delivery.tasks import Loaded
    from target_upwell.delivery.workers import Workers
    from target_upwell.exceptions import Refusal
    from target_upwell.resource import SourceKey
    from target_upwell.upsert.diff import Customer
    from target_upwell.upsert.guards import Guards
    from target_upwell.upsert.inserts import Inserts
    from target_upwell.upsert.links import Links
    from target_upwell.upsert.lookups import Lookups
    from target_upwell.upsert.plan import Change, Entry
    from target_upwell.upsert.updates import Updated, Updates

Found = dict["SourceKey", "Customer"]

NO_NAME = "name: it has none, and a new customer needs one"


@dataclass(frozen=True)
class Tools:
    """What batches are loaded with; threads share it.

    Attributes:
        settings: How.
        lookups: Finds what exists.
        inserts: Creates.
        updates: Updates.
        links: Sees to who bills to whom.
        guards: Stop a run that would do harm.
        writers: Run updates at the same time.
        guess: Tells when a lookup can be left out.
        unseen: Customers of which this run has set what Upwell never shows.
        put_off: Updates that the guards can't judge yet.
    """

    settings: Settings
    lookups: Lookups
    inserts: Inserts
    updates: Updates
    links: Links
    guards: Guards
    writers: Workers
    guess: NewcomerGuess = field(default_factory=NewcomerGuess)
    unseen: Unseen = field(default_factory=Unseen)
    put_off: PutOff = field(default_factory=PutOff)


class BatchLoad:
    """One batch on its way: its customers, and what is known of them in Upwell."""

    def __init__(self, tools: Tools, rows: list[Row], loaded: Loaded) -> None:
        self._tools = tools
        self._settings = tools.settings
        self._rows = rows
        self._loaded = loaded
        self._outcomes = loaded.outcomes
        self._rejects: list[Reject] = []
        self._entries = merge(rows, tools.settings.null_handling)
        self._found: Found = {}
        self._unclear: set[SourceKey] = set()
        self._created: set[SourceKey] = set()
        self._plans: dict[SourceKey, Planned] = {}
        self._put_off: list[Planned] = []
        self._waiting = tools.links.waiting(self._entries)
        self.is_unjudged = False

    def run(self, held: Mapping[SourceKey, list[int]]) -> None:
        """Load it.

        Args:
            held: The batches that rows were taken over from, by record.

        Raises:
            RunError: If it can't be.
            Stopped: If the run is being stopped.
        """
        self._rejects += [
            Reject.invalid(row, row.invalid) for row in self._rows if row.invalid
        ]
        try:
            self._load()
        finally:
            # Whatever became of them: what was sent may have been carried out.
            self._tools.unseen.add(self._entries)
        self._sum_up()
        # An invalid row was no version of its customer: it changes nothing.
        refused = [reject.row.key for reject in self._rejects if reject.row.input]
        self._tools.links.forget(refused, self._loaded, self._waiting)
        self._tools.links.count_waiting(self._entries, self._loaded)
        if self._put_off:
            self._tools.put_off.add(self._loaded.sequence or 0, self._put_off, held)
            self._loaded.pending += len(self._put_off)
        again = {one.entry.key for one in self._put_off}
        self._loaded.released += (
            sequence
            for key, sequences in held.items()
            if key not in again
            for sequence in sequences
        )

    def catch_up(self, updates: list[Planned]) -> None:
        """Send updates that were put off.

        Raises:
            RunError: If no request can succeed.
            Stopped: If the run is being stopped.
        """
        self._found = {one.entry.key: one.held for one in updates}
        self._send(updates)
        self._sum_up()
        refused = [reject.row.key for reject in self._rejects]
        forgotten = self._tools.links.forget(refused, self._loaded)
        # Counted as waiting with their batch, when it was loaded.
        self._loaded.released += [self._loaded.sequence or 0] * forgotten

    def _load(self) -> None:
        method = self._settings.load_method
        if method == "upsert":
            guessed = self._tools.guess.all_new
            self._look_up(with_parents_only=guessed)
            self._plan()
            self._create(Searched.NOT if guessed else Searched.ONCE)
            self._tools.guess.learn(all_new=not self._found, guessed=guessed)
        else:
            # Before any link is noted: what is left alone waits for none.
            self._split_off_skipped()
            self._look_up(with_parents_only=True)
            if method == "append-only":
                self._create(Searched.ONCE)
        if method == "append-only":
            self._skip(entry for entry in self._entries if entry.key in self._found)
        else:
            self._plan()
            self._update()

    def _sum_up(self) -> None:
        """Sum up what was rejected."""
        self._outcomes.rejects = in_order(self._rejects, self._rows)

    def _split_off_skipped(self) -> None:
        """Count what the load method leaves alone, and go on with the rest.

        With update-only the others are skipped for good, so it searches harder.
        """
        appends = self._settings.load_method == "append-only"
        lookups = self._tools.lookups
        find = lookups.find if appends else lookups.find_surely
        found = find(entry.key for entry in self._entries)
        kept: list[Entry] = []
        skipped: list[Entry] = []
        for entry in self._entries:
            (skipped if (entry.key in found) is appends else kept).append(entry)
        self._count(Outcome.SKIPPED, skipped, found)
        self._entries, self._found = kept, {} if appends else found

    def _look_up(self, *, with_parents_only: bool) -> None:
        """Find which customers of the batch exist, and link those whose parents do."""
        links, loaded = self._tools.links, self._loaded
        parents = links.wanted(self._entries, loaded)
        keys = {} if with_parents_only else dict.fromkeys(e.key for e in self._entries)
        asked = [*keys, *(parent for parent in parents if parent not in keys)]
        found = self._tools.lookups.find(asked)
        links.link(found, self._entries, loaded)
        links.set_waiting(found, loaded, parents)
        self._found |= {key: held for key, held in found.items() if key in keys}

    def _turned_up(self, customers: Found) -> None:
        """Link those who bill to customers that have turned up."""
        links, loaded = self._tools.links, self._loaded
        # Those that were created without their link get it by an update.
        waiting = [e for e in self._entries if e.key not in self._created]
        links.link(customers, waiting, loaded)
        links.set_waiting(customers, loaded)

    def _create(self, searched: Searched) -> None:
        """Create what is not found; what turns out to exist is added to `found`."""
        absent = [entry for entry in self._entries if entry.key not in self._found]
        nameless = [entry for entry in absent if not entry.input.get(NAME)]
        # They can only be updated, so "not found" must be more than a guess.
        there = self._tools.lookups.find_surely(entry.key for entry in nameless)
        self._found |= there
        self._turned_up(there)
        for entry in nameless:
            if entry.key not in there:
                self._rejects += [Reject.invalid(row, NO_NAME) for row in entry.rows]
        named = [entry for entry in absent if entry.input.get(NAME)]
        for group in group_by_depth(named):
            self._insert(group, searched)

    def _insert(self, group: list[Entry], searched: Searched) -> None:
        by_key = {entry.key: entry for entry in group}
        result = self._tools.inserts.run(group, searched)
        unclear: Found = {}
        for key, customer in result.unclear.items():
            # What shows all that the input says may well be the work of this run.
            is_whole = is_seen_whole(by_key[key].input, customer)
            (result.created if is_whole else unclear)[key] = customer
        self._created |= result.created.keys()
        created = [by_key[key] for key in result.created]
        self._count(Outcome.CREATED, created, result.created)
        self._tools.links.created(result.created)
        if result.failure:
            raise result.failure
        for entry, refusal in result.refused:
            self._refuse(entry, refusal)
        for entry, refusal in result.hidden:
            self._update_hidden(entry, refusal)
        self._found |= result.existing | unclear
        self._unclear |= unclear.keys()
        self._turned_up(result.created | result.existing | unclear)

    def _plan(self) -> None:
        """Compare what is found, once for each input, before any of it is written.

        Raises:
            GuardStop: If that would change or empty too much of the account.
        """
        looked_up = 0
        updated: list[list[str]] = []
        for entry in self._entries:
            held = self._found.get(entry.key)
            if held is None:
                continue
            before = self._plans.get(entry.key)
            if before and before.input is entry.input:
                continue
            self._tools.links.present(entry, held, self._loaded)
            change = diff(
                entry.input,
                held,
                self._settings.null_handling,
                self._settings.field_policy,
                certain=self._is_certain(entry),
            )
            self._plans[entry.key] = Planned(entry, entry.input, held, change)
            looked_up += before is None
            if change and not (before and before.change):
                updated.append(change.cleared())
        verdict = self._tools.guards.admit(looked_up, updated)
        if verdict.stop:
            raise GuardStop(verdict.stop)
        self.is_unjudged = verdict.wait

    def _is_certain(self, entry: Entry) -> bool:
        """Return whether what Upwell does not show can be taken for right."""
        return not (
            entry.key in self._unclear
            or entry.key in self._tools.unseen
            or (
                len(entry.rows) > 1
                and any(sets_unseen(row.input or {}) for row in entry.rows)
            )
        )

    def _update(self) -> None:
        """Update what is found, as far as it differs and the guards can judge it."""
        now: list[Planned] = []
        for plan in self._plans.values():
            waits = self.is_unjudged and self._tools.guards.concern(plan.change)
            (self._put_off if waits else now).append(plan)
        self._send(now)

    def _send(self, updates: Iterable[Planned]) -> None:
        unchanged: list[Entry] = []
        calls: list[Callable[[], None]] = []
        for entry, _, _, change in updates:
            self._note_drift(entry, change)
            if change:
                calls.append(partial(self._put, entry, change))
            else:
                unchanged.append(entry)
        self._count(Outcome.UNCHANGED, unchanged, self._found)
        self._tools.writers.in_parallel(calls)

    def _update_hidden(self, entry: Entry, refusal: Refusal) -> None:
        """Update a customer that exists, says Upwell, but that no search shows.

        It may be another one that exists, with the same e-mail address, say. So what an
        update does not reach is rejected: it may well be in Upwell nowhere.
        """
        if self._settings.load_method == "append-only":
            if is_about_key(refusal):
                self._skip([entry])
            else:
                self._refuse(entry, hidden(refusal))
            return
        self._tools.links.present(entry, None, self._loaded)
        change = diff(
            entry.input,
            None,
            self._settings.null_handling,
            self._settings.field_policy,
            certain=False,
        )
        updated = self._tools.updates.run(entry.key, change)
        if not updated.changes and (
            not updated.refusal or updated.refusal.status == HTTPStatus.OK
        ):
            self._refuse(entry, hidden(refusal))
            return
        self._note_drift(entry, change)
        self._take(entry, updated)

    def _put(self, entry: Entry, change: Change) -> None:
        """Send one update."""
        self._take(entry, self._tools.updates.run(entry.key, change))

    def _take(self, entry: Entry, updated: Updated) -> None:
        """Account for an update."""
        if updated.refusal:
            self._refuse(entry, updated.refusal)
            return
        self._outcomes.drift += (
            DriftEntry(entry.key, one.property, one.held, one.wanted, "column")
            for one in updated.left_out
            # A null that Upwell never shows is no sign of a difference.
            if one.held is not None or one.wanted is not None
        )
        outcome = Outcome.UPDATED if updated.changes else Outcome.UNCHANGED
        self._count(outcome, [entry], self._found, updated.changes)

    def _note_drift(self, entry: Entry, change: Change) -> None:
        self._outcomes.drift += drift_of(entry.key, change)
        self._outcomes.never_shown.update(change.never_shown)

    def _refuse(self, entry: Entry, refusal: Refusal) -> None:
        self._rejects += [Reject.refused(row, refusal) for row in entry.rows]

    def _skip(self, entries: Iterable[Entry]) -> None:
        """Leave customers alone that turned out to exist."""
        skipped = list(entries)
        self._count(Outcome.SKIPPED, skipped, self._found)
        keys = [entry.key for entry in skipped]
        self._tools.links.forget(keys, self._loaded, self._waiting)

    def _count(
        self,
        outcome: Outcome,
        entries: Iterable[Entry],
        customers: Found,
        changes: Mapping[str, tuple[Any, Any]] | None = None,
    ) -> None:
        for entry in entries:
            held = customers.get(entry.key)
            upwell_id = held["id"] if held else None
            self._outcomes.counted.append(
                Counted(entry.key, outcome, len(entry.rows), upwell_id, changes or {})
            )
