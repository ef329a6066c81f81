"""Loading a batch: look up, plan, create, update, and account for every record.

Everything here is about customers, plans and their outcomes; how requests travel is the
client's business, when a batch may be loaded that of the scheduler, and who bills to
whom that of `links.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from target_upwell.customers.schema import NAME
from target_upwell.delivery.outcomes import (
    Counted,
    DriftEntry,
    Outcome,
    Reject,
    in_order,
)
from target_upwell.delivery.scheduler import Loaded
from target_upwell.exceptions import GuardStop, Refusal
from target_upwell.upsert.diff import diff, group_by_depth, is_seen_whole, merge
from target_upwell.upsert.inserts import Searched
from target_upwell.upsert.lookups import NewcomerGuess
from target_upwell.upsert.unseen import Unseen, sets_unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from target_upwell.config import Settings
    from target_upwell.delivery.batch import Batch, Row
    from target_upwell.delivery.workers import Workers
    from target_upwell.resource import SourceKey
    from target_upwell.upsert.diff import Customer
    from target_upwell.upsert.guards import Guards
    from target_upwell.upsert.inserts import Inserts
    from target_upwell.upsert.links import Links
    from target_upwell.upsert.lookups import Lookups
    from target_upwell.upsert.plan import Change, Entry
    from target_upwell.upsert.updates import Updated, Updates

Found = dict["SourceKey", "Customer"]

SOURCE_SYSTEM = "source_system"
"""In the name of a constraint on the source key, as PostgreSQL would make it."""

NO_NAME = "name: it has none, and a new customer needs one"


@dataclass(frozen=True)
class Loader:
    """Loads batches of customers; threads share it, one batch each.

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

    def load(self, batch: Batch) -> Loaded:
        """Load a batch; whatever happens, return how far it came.

        Returns:
            What became of its records and what is due by it. Where it holds a failure
            nothing of the batch may be acknowledged.
        """
        loaded = Loaded(batch.sequence)
        try:
            _BatchLoad(self, batch, loaded).run()
        except Exception as error:  # noqa: BLE001 - returned with what was done
            loaded.failure = error
        return loaded


class _Plan(NamedTuple):
    """A change, and the input that it was planned for."""

    input: dict[str, Any]
    change: Change


class _BatchLoad:
    """One batch on its way: its customers, and what is known of them in Upwell."""

    def __init__(self, tools: Loader, batch: Batch, loaded: Loaded) -> None:
        self._tools = tools
        self._settings = tools.settings
        self._rows = batch.rows
        self._loaded = loaded
        self._outcomes = loaded.outcomes
        self._rejects: list[Reject] = []
        self._entries = merge(batch.rows, tools.settings.null_handling)
        self._found: Found = {}
        self._unclear: set[SourceKey] = set()
        self._created: set[SourceKey] = set()
        self._plans: dict[SourceKey, _Plan] = {}

    def run(self) -> None:
        """Load it.

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
        self._settle()

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

    def _settle(self) -> None:
        """Sum up what was rejected, and who still waits for a parent."""
        # An invalid row was no version of its customer: it changes nothing.
        refused = [reject.row.key for reject in self._rejects if reject.row.input]
        self._tools.links.forget(refused, self._loaded)
        self._tools.links.count_waiting(self._entries, self._loaded)
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
        links.arrived(found, loaded, parents)
        self._found |= {key: held for key, held in found.items() if key in keys}

    def _turned_up(self, customers: Found) -> None:
        """Link those who bill to customers that have turned up."""
        links, loaded = self._tools.links, self._loaded
        # Those that were created without their link get it by an update.
        waiting = [e for e in self._entries if e.key not in self._created]
        links.link(customers, waiting, loaded)
        links.arrived(customers, loaded)

    def _create(self, searched: Searched) -> None:
        """Create what is not found; what turns out to exist is added to `found`."""
        absent = [entry for entry in self._entries if entry.key not in self._found]
        nameless = [entry for entry in absent if not entry.input.get(NAME)]
        if nameless:
            # They can only be updated, so "not found" must be more than a guess.
            there = self._tools.lookups.find_surely(entry.key for entry in nameless)
            self._found |= there
            self._turned_up(there)
        for entry in nameless:
            if entry.key not in self._found:
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
            self._plans[entry.key] = _Plan(entry.input, change)
            looked_up += before is None
            if change and not (before and before.change):
                updated.append(change.cleared())
        why = self._tools.guards.admit(looked_up, updated)
        if why:
            raise GuardStop(why)

    def _is_certain(self, entry: Entry) -> bool:
        """Tell whether what Upwell does not show can be taken for right."""
        return not (
            entry.key in self._unclear
            or entry.key in self._tools.unseen
            or (len(entry.rows) > 1 and any(map(_sets_unseen, entry.rows)))
        )

    def _update(self) -> None:
        """Update what is found, as far as it differs."""
        unchanged: list[Entry] = []
        calls: list[Callable[[], None]] = []
        for entry in self._entries:
            plan = self._plans.get(entry.key)
            if plan is None:
                continue
            self._note_drift(entry, plan.change)
            if plan.change:
                calls.append(partial(self._put, entry, plan.change))
            else:
                unchanged.append(entry)
        self._count(Outcome.UNCHANGED, unchanged, self._found)
        self._tools.writers.in_parallel(calls)

    def _update_hidden(self, entry: Entry, refusal: Refusal) -> None:
        """Update a customer that exists, says Upwell, but that no search shows."""
        if self._settings.load_method == "append-only":
            self._skip([entry])
            return
        change = diff(
            entry.input,
            None,
            self._settings.null_handling,
            self._settings.field_policy,
            certain=False,
        )
        self._note_drift(entry, change)
        updated = self._tools.updates.run(entry.key, change)
        if updated.refusal and updated.refusal.status == HTTPStatus.OK:
            self._refuse(entry, _hidden(refusal))
        else:
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
        )
        outcome = Outcome.UPDATED if updated.changes else Outcome.UNCHANGED
        held = self._found.get(entry.key)
        self._outcomes.counted.append(
            Counted(
                entry.key,
                outcome,
                len(entry.rows),
                held["id"] if held else None,
                updated.changes,
            )
        )

    def _note_drift(self, entry: Entry, change: Change) -> None:
        self._outcomes.drift += drift_of(entry, change)
        self._outcomes.never_shown.update(change.never_shown)

    def _refuse(self, entry: Entry, refusal: Refusal) -> None:
        self._rejects += [Reject.refused(row, refusal) for row in entry.rows]

    def _skip(self, entries: Iterable[Entry]) -> None:
        """Leave customers alone that turned out to exist."""
        skipped = list(entries)
        self._count(Outcome.SKIPPED, skipped, self._found)
        self._tools.links.forget((entry.key for entry in skipped), self._loaded)

    def _count(
        self, outcome: Outcome, entries: Iterable[Entry], customers: Found
    ) -> None:
        for entry in entries:
            held = customers.get(entry.key)
            upwell_id = held["id"] if held else None
            self._outcomes.counted.append(
                Counted(entry.key, outcome, len(entry.rows), upwell_id)
            )


def drift_of(entry: Entry, change: Change) -> Iterator[DriftEntry]:
    """Yield the differences that an update leaves as they are."""
    for one in change.relations:
        yield DriftEntry(entry.key, one.property, one.held, one.wanted, "relation")
    for one in change.withheld:
        yield DriftEntry(entry.key, one.property, one.held, one.wanted, "policy")


def _sets_unseen(row: Row) -> bool:
    return sets_unseen(row.input or {})


def _hidden(refusal: Refusal) -> Refusal:
    """Word why a record can't be created although nothing with its key can be seen."""
    if SOURCE_SYSTEM in refusal.constraint:
        why = "it exists in Upwell, but this API key can't see it"
    else:
        why = (
            f"{refusal.message}; no customer with this source key can be seen, so "
            "another one may hold the same value, or this API key can't see it"
        )
    return Refusal(refusal.status, refusal.code, why)
