"""Setting links: customers bill to the customers that their source names.

`parents.py` keeps which children wait for which parent; this sets the link: with the
customer itself where its parent is there already, with an update of its own when the
parent turns up, and at the end of the stream at the latest.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from target_upwell.customers.schema import BILL_TO, CUSTOMERS, PARENT
from target_upwell.delivery.batch import held_key
from target_upwell.delivery.outcomes import Counted, DriftEntry, Outcome
from target_upwell.delivery.tasks import Loaded, Task
from target_upwell.upsert.diff import null_clears, parent_of, set_parent, withholds
from target_upwell.upsert.parents import PendingParents

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from target_upwell.config import Settings
    from target_upwell.delivery.outcomes import Outcomes
    from target_upwell.resource import SourceKey
    from target_upwell.upsert.diff import Customer
    from target_upwell.upsert.lookups import Lookups
    from target_upwell.upsert.parents import Waiting
    from target_upwell.upsert.plan import Entry
    from target_upwell.upsert.updates import Updates

    Found = Mapping[SourceKey, Customer]
    Waitings = Mapping[SourceKey, Waiting]

logger = logging.getLogger("target-upwell")


@dataclass(eq=False)
class Links:
    """Links customers; threads share it."""

    settings: Settings
    lookups: Lookups
    updates: Updates
    parents: PendingParents = field(default_factory=PendingParents)
    _said_that_state_waits: bool = field(default=False, init=False)

    def wanted(self, entries: Iterable[Entry]) -> set[SourceKey]:
        """Note what links the customers of a batch ask for; return parents to look up.

        Each is noted before its parent is looked up, so that a parent that is created
        in between finds its children.
        """
        unknown: set[SourceKey] = set()
        for entry in entries:
            parent = parent_of(entry)
            if parent is None:
                self._without_parent(entry)
                continue
            is_first = self.parents.add(entry.key, parent, entry.sequence)
            parent_id = self.parents.parent_id(parent)
            if parent_id is not None:
                self._link(entry, parent_id)
            elif is_first:
                unknown.add(parent)
        return unknown

    def turned_up(
        self,
        customers: Found,
        entries: Iterable[Entry] = (),
        parents: Collection[SourceKey] = (),
    ) -> list[Task]:
        """Link those who bill to customers that exist in Upwell.

        The entries of the batch that do are linked by themselves, the others who wait
        by the tasks that are returned. Of the customers those looked up as parents are
        kept.
        """
        if not customers:
            return []
        for entry in entries:
            parent = parent_of(entry)
            if parent is not None and parent in customers:
                self._link(entry, customers[parent]["id"])
        ids = {key: customer["id"] for key, customer in customers.items()}
        due = self.parents.children_of(ids, parents)
        return [
            Task(partial(self._set, child, ids), {held_key(CUSTOMERS.name, child)})
            for child in due
        ]

    def present(self, entry: Entry, outcomes: Outcomes) -> None:
        """Note whom an existing customer bills to; a field policy may keep that."""
        if not self.parents:
            return
        held = entry.held.get(PARENT) if entry.held else None
        policy = self.settings.field_policy.get(PARENT, "overwrite")
        if withholds(policy, held, shown=entry.held is not None):
            waiting = self.parents.resolve(entry.key)
            if waiting:
                outcomes.drift.append(
                    DriftEntry(entry.key, PARENT, held, waiting.parent[1], "policy")
                )
        else:
            self.note(entry)

    def note(self, entry: Entry) -> None:
        """Note whom a customer bills to at present, and its Upwell id."""
        if self.parents and entry.held:
            held = entry.held.get(PARENT)
            self.parents.note(entry.key, held, entry.held["id"])

    def waiting(self, children: Iterable[SourceKey]) -> dict[SourceKey, Waiting]:
        """Return what customers wait for, if they do."""
        if not self.parents:
            return {}
        found = ((child, self.parents.waiting(child)) for child in children)
        return {child: waiting for child, waiting in found if waiting}

    def forget(self, entry: Entry, before: Waitings) -> None:
        """Have a customer wait as before: this version of it was not loaded."""
        now = self.parents.waiting(entry.key)
        if now is None or now.sequence == entry.sequence:
            self.parents.restore(entry.key, before.get(entry.key))

    def settle(
        self, children: Iterable[SourceKey], before: Waitings, loaded: Loaded
    ) -> None:
        """Hold batches back for what customers wait for now, not for what they did."""
        now = self.waiting(children)
        loaded.holds.subtract(one.sequence for one in before.values())
        loaded.holds.update(one.sequence for one in now.values())
        if now and not self._said_that_state_waits:
            self._said_that_state_waits = True
            logger.info(
                "some customers are loaded before the ones that they bill to; STATE "
                "waits for their links, at the latest until the end of the stream"
            )

    def finish(self) -> Loaded:
        """Return the links that can be set at the end, and as drift those that can't.

        All parents that somebody waits for are looked for once more.
        """
        children = self.parents.children()
        found = self.lookups.find_surely(children)
        loaded = Loaded(due=self.turned_up(found))
        orphans = (those for parent, those in children.items() if parent not in found)
        for child in chain.from_iterable(orphans):
            # It waits no longer: STATE has to pass.
            if waiting := self.parents.resolve(child):
                loaded.holds[waiting.sequence] -= 1
                loaded.outcomes.drift.append(_orphan(child, waiting))
        return loaded

    def _without_parent(self, entry: Entry) -> None:
        """Wait for nobody where the input says that there is no parent, or its id."""
        if BILL_TO in entry.input and PARENT not in entry.input:
            set_parent(entry, None)
        if entry.input.get(PARENT) or (
            PARENT in entry.input and null_clears(PARENT, self.settings.null_handling)
        ):
            self.parents.resolve(entry.key)

    def _link(self, entry: Entry, parent_id: str) -> None:
        set_parent(entry, parent_id)
        self.parents.resolve(entry.key)

    def _set(self, child: SourceKey, ids: Mapping[SourceKey, str]) -> Loaded:
        """Set the link of a child, if it still waits for one of these parents."""
        loaded = Loaded()
        waiting = self.parents.waiting(child)
        if waiting is None or waiting.parent not in ids:
            return loaded
        parent_id = ids[waiting.parent]
        if waiting.held != parent_id:
            updated = self.updates.run(child, {PARENT: (waiting.held, parent_id)})
            if updated.changes:
                loaded.outcomes.links = 1
                loaded.outcomes.counted.append(
                    Counted(child, Outcome.UPDATED, 0, waiting.id, updated.changes)
                )
            else:
                why = f"{PARENT} can't be updated by this API key"
                why = str(updated.refusal) if updated.refusal else why
                loaded.outcomes.drift.append(_orphan(child, waiting, why))
        self.parents.resolve(child)
        loaded.holds[waiting.sequence] -= 1
        return loaded


def _orphan(child: SourceKey, waiting: Waiting, why: str = "") -> DriftEntry:
    """Return a link that can't be set, as drift."""
    return DriftEntry(child, PARENT, waiting.held, waiting.parent[1], "parent", why)
