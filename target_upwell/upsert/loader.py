"""Loading a batch: look up, plan, create, update, and account for every record.

Everything here is about customers, plans and their outcomes; how requests travel is the
client's business, when a batch may be loaded that of the scheduler, and who bills to
whom that of `links.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
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
from target_upwell.upsert.refusals import hidden, is_about_key
from target_upwell.upsert.unseen import Unseen

if TYPE_CHECKING:
    from collections.abc import (
        Callable,
        Collection,
        Iterable,
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
    from target_upwell.upsert.parents import Waiting
    from target_upwell.upsert.plan import Change, Entry
    from target_upwell.upsert.updates import Updates

Found = dict["SourceKey", "Customer"]

NO_NAME = "name: it has none, and a new customer needs one"


@dataclass(frozen=True)
class Loader:
    """Loads batches of customers with these parts; threads share it, one batch each.

    Attributes:
        put_off: Updates that wait until the guards can judge them. Each holds its batch
            back, so that no STATE passes it. A later version takes its rows over, with
            what they hold back. It needs no lock: who changes one holds its key.
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
    put_off: dict[SourceKey, Entry] = field(default_factory=dict)

    def load(self, batch: Batch) -> Loaded:
        """Load a batch, and with it what was put off of its customers."""
        keys = dict.fromkeys(row.key for row in batch.rows if row.key and row.input)
        older = self.take(keys)
        rows = [*(row for entry in older for row in entry.rows), *batch.rows]
        entries = merge(rows, self.settings.null_handling, batch.sequence)
        holds = {entry.key: entry.holds for entry in older}
        for entry in entries:
            entry.holds = holds.get(entry.key, ())
        return self.load_entries(entries, rows, batch.sequence)

    def load_entries(
        self, entries: list[Entry], rows: list[Row], sequence: int
    ) -> Loaded:
        """Load the customers of a batch; whatever happens, return how far it came.

        Returns:
            What became of its records and what is due by it. Where it holds a failure
            nothing of the batch may be acknowledged.
        """
        loaded = Loaded(sequence)
        try:
            _BatchLoad(self, entries, rows, loaded).run()
        except Exception as error:  # noqa: BLE001 - returned with what was done
            loaded.failure = error
        return loaded

    def finish(self) -> Loaded:
        """Judge what is put off, at the end of the stream; what passes becomes due.

        Raises:
            RunError: If it does not pass.
        """
        self.guards.judge()
        return Loaded(due=self.put_off_tasks())

    def take(self, keys: Iterable[SourceKey]) -> list[Entry]:
        """Return what is put off of customers that the caller holds, and no longer."""
        return [self.put_off.pop(key) for key in keys if key in self.put_off]

    def put_off_tasks(self) -> list[Task]:
        """Return what sends the updates that are put off."""
        keys = list(self.put_off)
        held = {held_key(CUSTOMERS.name, key) for key in keys}
        return [Task(partial(self._catch_up, keys), held)] if keys else []

    def _catch_up(self, keys: Sequence[SourceKey]) -> Loaded:
        """Send what was put off, as far as that is not done yet."""
        loaded = Loaded()
        entries = self.take(keys)
        rows = [row for entry in entries for row in entry.rows]
        try:
            _BatchLoad(self, entries, rows, loaded).catch_up()
        except Exception as error:  # noqa: BLE001 - returned with what was done
            loaded.failure = error
        return loaded


class _BatchLoad:
    """One batch on its way: its customers, and what becomes of them."""

    def __init__(
        self, loader: Loader, entries: list[Entry], rows: list[Row], loaded: Loaded
    ) -> None:
        self._parts = loader
        self._settings = loader.settings
        self._all = entries
        # Those that are neither skipped nor created.
        self._entries = entries
        self._rows = rows
        self._loaded = loaded
        self._outcomes = loaded.outcomes
        self._rejects: list[Reject] = []
        self._put_off: list[Entry] = []
        self._is_unjudged = False
        self._waiting = loader.links.waiting(entry.key for entry in entries)

    def run(self) -> None:
        """Load it."""
        self._rejects += [
            Reject.invalid(row, row.invalid) for row in self._rows if row.invalid
        ]
        unseen = self._parts.unseen
        unseen.add(entry for entry in self._all if len(entry.rows) > 1)
        try:
            self._load()
        finally:
            # Whatever became of them: what was sent may have been carried out.
            unseen.add(self._all)
        self._settle(self._waiting)
        for entry in self._put_off:
            entry.holds = (*entry.holds, entry.sequence)
            self._loaded.holds.update(entry.holds)
            self._parts.put_off[entry.key] = entry

    def catch_up(self) -> None:
        """Send updates that were put off."""
        self._send(self._entries)
        self._settle({})

    def _settle(self, before: Mapping[SourceKey, Waiting]) -> None:
        """Sort the rejects, and take off what the customers held back until now.

        Those that were refused wait again for the parents of older versions.
        """
        self._outcomes.rejects = in_order(self._rejects, self._rows)
        # An invalid row was no version of its customer: it changes nothing.
        refused = {reject.row.key for reject in self._rejects if reject.row.input}
        for entry in self._all:
            if entry.key in refused:
                self._parts.links.forget(entry, before)
        keys = [entry.key for entry in self._all]
        self._parts.links.settle(keys, self._waiting, self._loaded)
        self._loaded.holds.subtract(one for entry in self._all for one in entry.holds)

    def _load(self) -> None:
        method, guess = self._settings.load_method, self._parts.guess
        if method == "upsert":
            guessed = guess.all_new and not self._settings.dry_run
            self._look_up(with_parents_only=guessed)
            self._plan()
            self._create(Searched.NOT if guessed else Searched.ONCE)
            all_new = not any(entry.held for entry in self._entries)
            guess.learn(all_new=all_new, guessed=guessed)
        else:
            appends, lookups = method == "append-only", self._parts.lookups
            # With update-only the others are skipped for good, so it searches harder.
            find = lookups.find if appends else lookups.find_surely
            self._hold(find(entry.key for entry in self._entries))
            # Before any link is noted: what is left alone waits for none.
            self._skip(existing=appends)
            self._look_up(with_parents_only=True)
            if appends:
                self._create(Searched.ONCE)
                self._skip(existing=True)
                return
        self._plan()
        self._update()

    def _skip(self, *, existing: bool) -> None:
        """Leave alone what exists, or all the others, and go on with the rest."""
        rest: list[Entry] = []
        for entry in self._entries:
            if bool(entry.held or entry.hidden) is existing:
                self._count(Outcome.SKIPPED, entry)
                self._parts.links.forget(entry, self._waiting)
            else:
                rest.append(entry)
        self._entries = rest

    def _look_up(self, *, with_parents_only: bool) -> None:
        """Find which customers of the batch exist, and link those whose parents do."""
        parents = self._parts.links.wanted(self._entries)
        keys = {} if with_parents_only else dict.fromkeys(e.key for e in self._entries)
        asked = [*keys, *(parent for parent in parents if parent not in keys)]
        found = self._parts.lookups.find(asked)
        self._turned_up(found, parents)
        if keys:
            self._hold(found)

    def _hold(self, found: Found) -> None:
        """Note what Upwell shows of the customers of the batch."""
        for entry in self._entries:
            entry.held = found.get(entry.key, entry.held)

    def _turned_up(self, customers: Found, parents: Collection[SourceKey] = ()) -> None:
        """Link those who bill to customers that have turned up.

        Those that were created without their link get it by an update.
        """
        self._loaded.due += self._parts.links.turned_up(
            customers, self._entries, parents
        )

    def _create(self, searched: Searched) -> None:
        """Create what is not found; what turns out to exist is held from then on."""
        absent = [entry for entry in self._entries if not entry.held]
        nameless = [entry for entry in absent if not entry.input.get(NAME)]
        # They can only be updated, so "not found" must be more than a guess.
        there = self._parts.lookups.find_surely(entry.key for entry in nameless)
        self._hold(there)
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
        for key, customer in result.unclear.items():
            # What shows all that the input says may well be the work of this run.
            if is_seen_whole(by_key[key].input, customer):
                result.created[key] = customer
            else:
                result.existing[key] = customer
                by_key[key].is_unclear = True
        for key, customer in result.created.items():
            by_key[key].held = customer
            self._count(Outcome.CREATED, by_key[key])
            self._parts.links.note(by_key[key])
        self._entries = [e for e in self._entries if e.key not in result.created]
        if result.failure:
            raise result.failure
        for entry, refusal in result.refused:
            self._refuse(entry, refusal)
        for entry, refusal in result.hidden:
            appends = self._settings.load_method == "append-only"
            if appends and not is_about_key(refusal):
                self._refuse(entry, hidden(refusal))
            else:
                entry.hidden = hidden(refusal)
        self._hold(result.existing)
        self._turned_up(result.created | result.existing)

    def _plan(self) -> None:
        """Compare what exists, once for each input, before any of it is written."""
        looked_up = 0
        updated: list[tuple[str, list[str]]] = []
        for entry in self._entries:
            if not (entry.held or entry.hidden) or entry.planned is entry.input:
                continue
            self._parts.links.present(entry, self._outcomes)
            change = diff(
                entry.input,
                entry.held,
                self._settings.null_handling,
                self._settings.field_policy,
                certain=not (entry.is_unclear or entry.key in self._parts.unseen),
            )
            looked_up += entry.planned is None
            if change and not entry.change:
                updated.append((entry.key[1], change.cleared()))
            entry.planned, entry.change = entry.input, change
        self._is_unjudged = self._parts.guards.admit(looked_up, updated)

    def _update(self) -> None:
        """Update what exists, as far as it differs and the guards can judge it."""
        now: list[Entry] = []
        for entry in self._entries:
            # What no search shows is looked up no better later.
            waits = (
                self._is_unjudged
                and entry.held
                and entry.change
                and self._parts.guards.concern(entry.change)
            )
            (self._put_off if waits else now).append(entry)
        self._send(now)
        if not self._is_unjudged:
            self._loaded.due += self._parts.put_off_tasks()

    def _send(self, entries: Iterable[Entry]) -> None:
        calls: list[Callable[[], None]] = []
        for entry in entries:
            change = entry.change
            if change is None:  # it does not exist
                continue
            self._outcomes.drift += change.left
            if change or not entry.held:
                calls.append(partial(self._put, entry, change))
            else:
                self._outcomes.never_shown.update(change.never_shown)
                self._count(Outcome.UNCHANGED, entry)
        self._parts.writers.in_parallel(calls)

    def _put(self, entry: Entry, change: Change) -> None:
        """Send one update, and account for it.

        What exists, says Upwell, but what no search shows may be another one that
        exists, with the same e-mail address, say. So what an update does not reach is
        rejected: it may well be in Upwell nowhere.
        """
        updated = self._parts.updates.run(entry.key, change.columns, change.along)
        refusal = updated.refusal
        if not updated.is_reached:
            refusal = entry.hidden or refusal
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
        self._count(outcome, entry, updated.changes)

    def _refuse(self, entry: Entry, refusal: Refusal) -> None:
        self._rejects += [Reject.refused(row, refusal) for row in entry.rows]

    def _count(
        self,
        outcome: Outcome,
        entry: Entry,
        changes: Mapping[str, tuple[Any, Any]] = NO_CHANGES,
    ) -> None:
        upwell_id = entry.held["id"] if entry.held else None
        self._outcomes.counted.append(
            Counted(entry.key, outcome, len(entry.rows), upwell_id, changes)
        )
