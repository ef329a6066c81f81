"""Pending parents: customers that others bill to and that are not in Upwell yet.

A child whose parent is not there yet is loaded without the link and waits for it. Each
waiting child holds back the STATE of its batch, so that a run that dies takes no link
with it. A child waits for one parent at most, that of its last version.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_upwell.resource import SourceKey

MOST_KNOWN_PARENTS = 10_000
"""Ids of parents that are kept; the others are looked up again when asked for. Memory
stays flat, however many customers there are."""


class Waiting(NamedTuple):
    """What a child waits for, and the batch that it holds back.

    As far as known: the Upwell id that it bills to at present, and its own.
    """

    parent: SourceKey
    sequence: int
    held: str | None = None
    id: str | None = None


class PendingParents:
    """Waiting children, the parents that they wait for, and the parents known.

    Threads share it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[SourceKey, str] = OrderedDict()
        self._waiting: dict[SourceKey, Waiting] = {}
        self._children: dict[SourceKey, dict[SourceKey, None]] = {}

    def __bool__(self) -> bool:
        """Return whether any child waits."""
        return bool(self._waiting)

    def parent_id(self, parent: SourceKey) -> str | None:
        """Return the Upwell id of a parent, if it is known."""
        with self._lock:
            return self._known.get(parent)

    def add(self, child: SourceKey, parent: SourceKey, sequence: int) -> bool:
        """Note that a child waits for a parent, in place of an older version of it.

        Return whether the parent is worth a lookup: it is not when others wait for it.
        """
        with self._lock:
            self._drop(child)
            is_first = parent not in self._children
            self._wait(child, Waiting(parent, sequence))
            return is_first

    def resolve(self, child: SourceKey) -> Waiting | None:
        """Return what a child waited for, and have it wait no longer."""
        with self._lock:
            return self._drop(child)

    def restore(self, child: SourceKey, before: Waiting | None) -> None:
        """Have a child wait as it did before, or for nobody."""
        with self._lock:
            self._drop(child)
            if before:
                self._wait(child, before)

    def note(
        self, child: SourceKey, held: str | None, child_id: str | None = None
    ) -> None:
        """Note whom a child bills to at present, and its own Upwell id."""
        with self._lock:
            waiting = self._waiting.get(child)
            if waiting:
                self._waiting[child] = waiting._replace(held=held, id=child_id)

    def waiting(self, child: SourceKey) -> Waiting | None:
        """Return what a child waits for."""
        with self._lock:
            return self._waiting.get(child)

    def children_of(
        self, ids: Mapping[SourceKey, str], parents: Collection[SourceKey] = ()
    ) -> list[SourceKey]:
        """Return the children of customers that exist; they wait until resolved.

        The ids of parents are kept, those that were looked up as such included.
        """
        due: list[SourceKey] = []
        with self._lock:
            for key, upwell_id in ids.items():
                children = self._children.get(key, ())
                if children or key in parents:
                    self._known[key] = upwell_id
                if len(self._known) > MOST_KNOWN_PARENTS:
                    self._known.popitem(last=False)
                due += children
        return due

    def children(self) -> dict[SourceKey, list[SourceKey]]:
        """Return the children that wait for each parent."""
        with self._lock:
            return {parent: list(those) for parent, those in self._children.items()}

    def _wait(self, child: SourceKey, waiting: Waiting) -> None:
        self._waiting[child] = waiting
        self._children.setdefault(waiting.parent, {})[child] = None

    def _drop(self, child: SourceKey) -> Waiting | None:
        waiting = self._waiting.pop(child, None)
        if waiting is None:
            return None
        children = self._children[waiting.parent]
        del children[child]
        if not children:
            del self._children[waiting.parent]
        return waiting
