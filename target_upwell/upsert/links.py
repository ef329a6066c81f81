"""Setting links: customers bill to the customers that their source names.

`parents.py` keeps which children wait for which parent; this sets the link: with the
customer itself where its parent is there already, with an update of its own when the
parent turns up, and at the end of the stream at the latest.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from target_upwell.customers.schema import BILL_TO, CUSTOMERS, PARENT
from target_upwell.delivery.batch import held_key
from target_upwell.delivery.outcomes import Counted, DriftEntry, Outcome
from target_upwell.delivery.tasks import Loaded, Task
from target_upwell.upsert.diff import null_clears, parent_of, set_parent, withholds
from target_upwell.upsert.plan import Change

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from target_upwell.config import Settings
    from target_upwell.delivery.workers import Workers
    from target_upwell.resource import SourceKey
    from target_upwell.upsert.diff import Customer
    from target_upwell.upsert.lookups import Lookups
    from target_upwell.upsert.parents import Link, PendingParents, Waiting
    from target_upwell.upsert.plan import Entry
    from target_upwell.upsert.updates import Updates

    Found = Mapping[SourceKey, Customer]

logger = logging.getLogger("target-upwell")


class Links:
    """Links customers; threads share it. What comes of it goes into a `Loaded`."""

    def __init__(
        self,
        settings: Settings,
        parents: PendingParents,
        lookups: Lookups,
        updates: Updates,
        writers: Workers,
    ) -> None:
        self._settings = settings
        self._parents = parents
        self._lookups = lookups
        self._updates = updates
        self._writers = writers
        self._said_that_state_waits = False

    def wanted(self, entries: Iterable[Entry], loaded: Loaded) -> set[SourceKey]:
        """Note what links the customers of a batch ask for; return parents to look up.

        Each is noted before its parent is looked up, so that a parent that is created
        in between finds its children.
        """
        unknown: set[SourceKey] = set()
        for entry in entries:
            parent = parent_of(entry)
            if parent is None:
                self._without_parent(entry, loaded)
                continue
            sequence = loaded.sequence or 0
            is_first, replaced = self._parents.add(entry.key, parent, sequence)
            _release(replaced, loaded)
            parent_id = self._parents.parent_id(parent)
            if parent_id is not None:
                self._link(entry, parent, parent_id, loaded)
            elif is_first:
                unknown.add(parent)
        return unknown

    def turned_up(
        self,
        customers: Found,
        entries: Iterable[Entry],
        loaded: Loaded,
        parents: Collection[SourceKey] = (),
    ) -> None:
        """Link those who bill to customers that exist in Upwell.

        The entries of the batch that do are linked by themselves, the others who wait
        by tasks of their own. Of the customers those looked up as parents are kept.
        """
        if not customers:
            return
        for entry in entries:
            parent = parent_of(entry)
            if parent is not None and parent in customers:
                self._link(entry, parent, customers[parent]["id"], loaded)
        ids = {key: customer["id"] for key, customer in customers.items()}
        due = self._parents.links_to(ids, parents)
        # A few at a time: each task waits for all its children.
        size = self._settings.max_parallel_requests
        for start in range(0, len(due), size):
            links = due[start : start + size]
            keys = {held_key(CUSTOMERS.name, link.child) for link in links}
            loaded.due.append(Task(partial(self._set_all, links), keys))

    def present(self, entry: Entry, customer: Customer | None, loaded: Loaded) -> None:
        """Note whom an existing customer bills to; a field policy may keep that."""
        if not self._parents:
            return
        held = customer.get(PARENT) if customer else None
        policy = self._settings.field_policy.get(PARENT, "overwrite")
        if withholds(policy, held, shown=customer is not None):
            waiting = self._parents.resolve(entry.key)
            if waiting:
                _release(waiting, loaded)
                loaded.outcomes.drift.append(
                    DriftEntry(entry.key, PARENT, held, waiting.parent[1], "policy")
                )
        elif customer:
            self._parents.note(entry.key, held, customer["id"])

    def created(self, customers: Found) -> None:
        """Note the Upwell ids of children that were created without their link."""
        if self._parents:
            for key, customer in customers.items():
                self._parents.note(key, customer.get(PARENT), customer["id"])

    def waiting(self, entries: Iterable[Entry]) -> dict[SourceKey, Waiting]:
        """Return what earlier versions of the customers of a batch wait for."""
        if not self._parents:
            return {}
        found = ((entry.key, self._parents.waiting(entry.key)) for entry in entries)
        return {key: waiting for key, waiting in found if waiting}

    def forget(
        self,
        keys: Iterable[SourceKey | None],
        loaded: Loaded,
        before: Mapping[SourceKey, Waiting],
    ) -> int:
        """Have customers wait as before: this version of them was not loaded.

        What earlier versions waited for is restored, as far as this one took it over.

        Returns:
            How many of them waited because of this version.
        """
        forgotten = 0
        for key in dict.fromkeys(filter(None, keys)):
            now, earlier = self._parents.waiting(key), before.get(key)
            if now and now.sequence != loaded.sequence:
                continue
            forgotten += self._parents.resolve(key) is not None
            if earlier:
                self._parents.restore(key, earlier)
                loaded.released.remove(earlier.sequence)
        return forgotten

    def count_waiting(self, entries: Iterable[Entry], loaded: Loaded) -> None:
        """Hold a batch back once for each of its customers that still waits."""
        waiting = self.waiting(entries).values()
        loaded.pending = sum(one.sequence == loaded.sequence for one in waiting)
        if loaded.pending and not self._said_that_state_waits:
            self._said_that_state_waits = True
            logger.info(
                "some customers are loaded before the ones that they bill to; STATE "
                "waits for their links, at the latest until the end of the stream"
            )

    def finish(self) -> Loaded:
        """Return the links that can be set at the end, and as drift those that can't.

        All parents that somebody waits for are looked for once more.
        """
        loaded = Loaded()
        parents = self._parents.parents()
        found = self._lookups.find_surely(parents)
        self.turned_up(found, (), loaded)
        for parent in parents:
            if parent not in found:
                for child in self._parents.waiting_children(parent):
                    self._orphan(child, parent, "", loaded)
        return loaded

    def _without_parent(self, entry: Entry, loaded: Loaded) -> None:
        """Wait for nobody where the input says that there is no parent, or its id."""
        if BILL_TO in entry.input and PARENT not in entry.input:
            set_parent(entry, None)
        if entry.input.get(PARENT) or (
            PARENT in entry.input and null_clears(PARENT, self._settings.null_handling)
        ):
            _release(self._parents.resolve(entry.key), loaded)

    def _link(
        self, entry: Entry, parent: SourceKey, parent_id: str, loaded: Loaded
    ) -> None:
        set_parent(entry, parent_id)
        _release(self._parents.resolve(entry.key, parent), loaded)

    def _set_all(self, links: Sequence[Link]) -> Loaded:
        """Set links, as far as they are still what the children ask for."""
        loaded = Loaded()
        try:
            self._writers.in_parallel(partial(self._set, one, loaded) for one in links)
        except Exception as error:  # noqa: BLE001 - returned with what was done
            loaded.failure = error
        loaded.outcomes.links = len(loaded.outcomes.counted)
        return loaded

    def _set(self, link: Link, loaded: Loaded) -> None:
        waiting = self._parents.waiting(link.child)
        if waiting is None or waiting.parent != link.parent:
            return
        if waiting.held != link.parent_id:
            change = Change({PARENT: link.parent_id}, {PARENT: waiting.held})
            updated = self._updates.run(link.child, change)
            if not updated.changes:
                why = f"{PARENT} can't be updated by this API key"
                why = str(updated.refusal) if updated.refusal else why
                self._orphan(link.child, link.parent, why, loaded)
                return
            loaded.outcomes.counted.append(
                Counted(link.child, Outcome.UPDATED, 0, waiting.id, updated.changes)
            )
        _release(self._parents.resolve(link.child, link.parent), loaded)

    def _orphan(
        self, child: SourceKey, parent: SourceKey, why: str, loaded: Loaded
    ) -> None:
        """Report a link that can't be set, and wait no longer: STATE has to pass."""
        waiting = self._parents.resolve(child, parent)
        _release(waiting, loaded)
        held = waiting.held if waiting else None
        loaded.outcomes.drift.append(
            DriftEntry(child, PARENT, held, parent[1], "parent", why)
        )


def _release(waiting: Waiting | None, loaded: Loaded) -> None:
    """Take a hold off the batch of a child that waits no longer.

    The batch under load holds nothing yet: what still waits is counted at its end.
    """
    if waiting and waiting.sequence != loaded.sequence:
        loaded.released.append(waiting.sequence)
