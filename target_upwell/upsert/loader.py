"""Loading a batch: look up, plan, create, update, and account for every record.

Everything here is about customers, plans and their outcomes; how requests travel is the
client's business, when a batch may be loaded that of the scheduler, and who bills to
whom that of `links.py`. What was put off of a batch is sent when the guards can judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from target_upwell.customers.schema import CUSTOMERS, NAME
from target_upwell.delivery.batch import held_key
from target_upwell.delivery.outcomes import (
    NO_CHANGES,
    Counted,
    Outcome,
    Reject,
    in_order,
)
from target_upwell.delivery.tasks import Loaded, Task
from target_upwell.upsert.diff import diff, group_by_depth, is_seen_whole, merge
from target_upwell.upsert.inserts import Searched
from target_upwell.upsert.lookups import NewcomerGuess
from target_upwell.upsert.plan import Planned
from target_upwell.upsert.put_off import PutOff
from target_upwell.upsert.refusals import hidden, is_about_key
from target_upwell.upsert.unseen import Unseen

if TYPE_CHECKING:
    from collections.abc import (
        Callable,
        Collection,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )
    from typing import Any

    from target_upwell.config import Settings
    from target_upwell.delivery.batch import Batch, Row
    from target_upwell.delivery.workers import Workers
    from target_upwell.exceptions import Refusal
    from target_upwell.resource import SourceKey
    from target_upwell.upsert.diff import Customer
    from target_upwell.upsert.guards import Guards
    from target_upwell.upsert.inserts import Inserts
    from target_upwell.upsert.links import Links
    from target_upwell.upsert.lookups import Lookups
    from target_upwell.upsert.plan import Change, Entry
    from target_upwell.upsert.put_off import Waiting
    from target_upwell.upsert.updates import Updates

Found = dict["SourceKey", "Customer"]

NO_NAME = "name: it has none, and a new customer needs one"


@dataclass(frozen=True)
class Loader:
    """Loads batches of customers with these parts; threads share it, one batch each."""

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

    def load(self, batch: Batch) -> Loaded:
        """Load a batch; whatever happens, return how far it came.

        Returns:
            What became of its records and what is due by it. Where it holds a failure
            nothing of the batch may be acknowledged.
        """
        loaded = Loaded(batch.sequence)
        try:
            keys = dict.fromkeys(row.key for row in batch.rows if row.key and row.input)
            taken = self.put_off.take(keys)
            older = [row for one in taken.values() for row in one.update.entry.rows]
            load = _BatchLoad(self, [*older, *batch.rows], loaded)
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
        self.guards.judge()
        return Loaded(due=list(self._put_off_tasks()))

    def _put_off_tasks(self) -> Iterator[Task]:
        for sequence, customers in self.put_off.by_batch().items():
            keys = {held_key(CUSTOMERS.name, key) for key in customers}
            yield Task(partial(self._catch_up, sequence, customers), keys)

    def _catch_up(self, sequence: int, customers: Sequence[SourceKey]) -> Loaded:
        """Send what was put off of a batch, as far as that is not done yet."""
        taken = self.put_off.take(customers)
        if not taken:
            return Loaded()
        updates = [one.update for one in taken.values()]
        held = [number for one in taken.values() for number in one.holds]
        held.remove(sequence)  # that hold ends when the batch is recorded
        loaded = Loaded(sequence, released=held)
        try:
            rows = [row for one in updates for row in one.entry.rows]
            _BatchLoad(self, rows, loaded).catch_up(updates)
        except Exception as error:  # noqa: BLE001 - returned with what was done
            loaded.failure = error
        return loaded


class _BatchLoad:
    """One batch on its way: its customers, and what is known of them in Upwell."""

    def __init__(self, loader: Loader, rows: list[Row], loaded: Loaded) -> None:
        self._parts = loader
        self._settings = loader.settings
        self._rows = rows
        self._loaded = loaded
        self._outcomes = loaded.outcomes
        self._rejects: list[Reject] = []
        self._entries = merge(rows, loader.settings.null_handling)
        self._found: Found = {}
        self._unclear: set[SourceKey] = set()
        self._hidden: dict[SourceKey, Refusal] = {}
        self._created: set[SourceKey] = set()
        self._plans: dict[SourceKey, Planned] = {}
        self._put_off: list[Planned] = []
        self._waiting = loader.links.waiting(self._entries)
        self.is_unjudged = False

    def run(self, taken: Mapping[SourceKey, Waiting]) -> None:
        """Load it; what was put off of its customers is taken, its rows among these."""
        self._rejects += [
            Reject.invalid(row, row.invalid) for row in self._rows if row.invalid
        ]
        unseen, loaded = self._parts.unseen, self._loaded
        unseen.add(entry for entry in self._entries if len(entry.rows) > 1)
        try:
            self._load()
        finally:
            # Whatever became of them: what was sent may have been carried out.
            unseen.add(self._entries)
        self._outcomes.rejects = in_order(self._rejects, self._rows)
        # An invalid row was no version of its customer: it changes nothing.
        refused = [reject.row.key for reject in self._rejects if reject.row.input]
        self._parts.links.forget(refused, loaded, self._waiting)
        self._parts.links.count_waiting(self._entries, loaded)
        self._parts.put_off.add(loaded.sequence or 0, self._put_off, taken)
        loaded.pending += len(self._put_off)
        again = {one.entry.key for one in self._put_off}
        for key, waiting in taken.items():
            if key not in again:
                loaded.released += waiting.holds

    def catch_up(self, updates: list[Planned]) -> None:
        """Send updates that were put off."""
        self._send(updates)
        self._outcomes.rejects = in_order(self._rejects, self._rows)
        refused = [reject.row.key for reject in self._rejects]
        forgotten = self._parts.links.forget(refused, self._loaded, {})
        # Counted as waiting with their batch, when it was loaded.
        self._loaded.released += [self._loaded.sequence or 0] * forgotten

    def _load(self) -> None:
        method, guess = self._settings.load_method, self._parts.guess
        if method == "upsert":
            guessed = guess.all_new and not self._settings.dry_run
            self._look_up(with_parents_only=guessed)
            self._plan()
            self._create(Searched.NOT if guessed else Searched.ONCE)
            guess.learn(all_new=not self._found, guessed=guessed)
        else:
            # Before any link is noted: what is left alone waits for none.
            self._split_off_skipped()
            self._look_up(with_parents_only=True)
            if method == "append-only":
                self._create(Searched.ONCE)
                self._skip()
                return
        self._plan()
        self._update()

    def _split_off_skipped(self) -> None:
        """Count what the load method leaves alone, and go on with the rest.

        With update-only the others are skipped for good, so it searches harder.
        """
        appends = self._settings.load_method == "append-only"
        lookups = self._parts.lookups
        find = lookups.find if appends else lookups.find_surely
        found = find(entry.key for entry in self._entries)
        for entry in self._entries:
            if (entry.key in found) is appends:
                self._count(Outcome.SKIPPED, entry, found.get(entry.key))
        self._entries = [e for e in self._entries if (e.key in found) is not appends]
        self._found = {} if appends else found

    def _look_up(self, *, with_parents_only: bool) -> None:
        """Find which customers of the batch exist, and link those whose parents do."""
        parents = self._parts.links.wanted(self._entries, self._loaded)
        keys = {} if with_parents_only else dict.fromkeys(e.key for e in self._entries)
        asked = [*keys, *(parent for parent in parents if parent not in keys)]
        found = self._parts.lookups.find(asked)
        self._turned_up(found, parents)
        self._found |= {key: held for key, held in found.items() if key in keys}

    def _turned_up(self, customers: Found, parents: Collection[SourceKey] = ()) -> None:
        """Link those who bill to customers that have turned up."""
        # Those that were created without their link get it by an update.
        waiting = [e for e in self._entries if e.key not in self._created]
        self._parts.links.turned_up(customers, waiting, self._loaded, parents)

    def _create(self, searched: Searched) -> None:
        """Create what is not found; what turns out to exist is added to `found`."""
        absent = [entry for entry in self._entries if entry.key not in self._found]
        nameless = [entry for entry in absent if not entry.input.get(NAME)]
        # They can only be updated, so "not found" must be more than a guess.
        there = self._parts.lookups.find_surely(entry.key for entry in nameless)
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
        result = self._parts.inserts.run(group, searched)
        unclear: Found = {}
        for key, customer in result.unclear.items():
            # What shows all that the input says may well be the work of this run.
            is_whole = is_seen_whole(by_key[key].input, customer)
            (result.created if is_whole else unclear)[key] = customer
        self._created |= result.created.keys()
        for key, customer in result.created.items():
            self._count(Outcome.CREATED, by_key[key], customer)
        self._parts.links.created(result.created)
        if result.failure:
            raise result.failure
        for entry, refusal in result.refused:
            self._refuse(entry, refusal)
        for entry, refusal in result.hidden:
            appends = self._settings.load_method == "append-only"
            if appends and not is_about_key(refusal):
                self._refuse(entry, hidden(refusal))
            else:
                self._hidden[entry.key] = hidden(refusal)
        self._found |= result.existing | unclear
        self._unclear |= unclear.keys()
        self._turned_up(result.created | result.existing | unclear)

    def _plan(self) -> None:
        """Compare what exists, once for each input, before any of it is written."""
        looked_up = 0
        updated: list[list[str]] = []
        for entry in self._entries:
            held = self._found.get(entry.key)
            before = self._plans.get(entry.key)
            if held is None and entry.key not in self._hidden:
                continue
            if before and before.input is entry.input:
                continue
            self._parts.links.present(entry, held, self._loaded)
            change = diff(
                entry.input,
                held,
                self._settings.null_handling,
                self._settings.field_policy,
                certain=not (
                    entry.key in self._unclear or entry.key in self._parts.unseen
                ),
            )
            self._plans[entry.key] = Planned(entry, entry.input, held, change)
            looked_up += before is None
            if change and not (before and before.change):
                updated.append(change.cleared())
        self.is_unjudged = self._parts.guards.admit(looked_up, updated)

    def _update(self) -> None:
        """Update what exists, as far as it differs and the guards can judge it."""
        now: list[Planned] = []
        for plan in self._plans.values():
            # What no search shows is looked up no better later.
            waits = self.is_unjudged and plan.held is not None
            waits = waits and self._parts.guards.concern(plan.change)
            (self._put_off if waits else now).append(plan)
        self._send(now)

    def _send(self, updates: Iterable[Planned]) -> None:
        calls: list[Callable[[], None]] = []
        for entry, _, held, change in updates:
            self._outcomes.drift += change.left
            if change or held is None:
                calls.append(partial(self._put, entry, held, change))
            else:
                self._outcomes.never_shown.update(change.never_shown)
                self._count(Outcome.UNCHANGED, entry, held)
        self._parts.writers.in_parallel(calls)

    def _put(self, entry: Entry, held: Customer | None, change: Change) -> None:
        """Send one update, and account for it.

        What exists, says Upwell, but what no search shows may be another one that
        exists, with the same e-mail address, say. So what an update does not reach is
        rejected: it may well be in Upwell nowhere.
        """
        updated = self._parts.updates.run(entry.key, change)
        refusal = updated.refusal
        is_reached = updated.changes or (refusal and refusal.status != HTTPStatus.OK)
        if entry.key in self._hidden and not is_reached:
            refusal = self._hidden[entry.key]
        if refusal:
            self._refuse(entry, refusal)
            return
        self._outcomes.never_shown.update(change.never_shown)
        self._outcomes.drift += (
            one
            for one in updated.left_out
            # A null that Upwell never shows is no sign of a difference.
            if one.upwell is not None or one.source is not None
        )
        outcome = Outcome.UPDATED if updated.changes else Outcome.UNCHANGED
        self._count(outcome, entry, held, updated.changes)

    def _refuse(self, entry: Entry, refusal: Refusal) -> None:
        self._rejects += [Reject.refused(row, refusal) for row in entry.rows]

    def _skip(self) -> None:
        """Leave customers alone that turned out to exist."""
        there = self._found.keys() | self._hidden.keys()
        for entry in self._entries:
            if entry.key in there:
                self._count(Outcome.SKIPPED, entry, self._found.get(entry.key))
        self._parts.links.forget(there, self._loaded, self._waiting)

    def _count(
        self,
        outcome: Outcome,
        entry: Entry,
        held: Customer | None,
        changes: Mapping[str, tuple[Any, Any]] = NO_CHANGES,
    ) -> None:
        upwell_id = held["id"] if held else None
        self._outcomes.counted.append(
            Counted(entry.key, outcome, len(entry.rows), upwell_id, changes)
        )
