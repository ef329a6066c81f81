"""Who bills to whom: the links that loaded customers are still owed.

The source names a customer's parent by its own number, Upwell by an id that only
exists once the parent is there. A child whose parent is not there yet is loaded without
the link and owed it. Each debt holds back the STATE of its child's batch, so that a run
that dies takes no link with it. A child has one debt at most, that of its last version.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from target_upwell.resource import SourceKey

MOST_KNOWN_PARENTS = 10_000
"""Ids of parents that are kept at hand; the others are looked up again when asked for.
Memory stays flat, however many customers there are."""


class Debt(NamedTuple):
    """A link that is owed.

    Attributes:
        parent: To which customer.
        sequence: The batch that it holds back.
        held: The Upwell id that the child bills to at present, as far as known.
    """

    parent: SourceKey
    sequence: int
    held: str | None = None


class DueLink(NamedTuple):
    """A link that can be set, now that the parent's id is known."""

    child: SourceKey
    parent: SourceKey
    parent_id: str


class Links:
    """Debts, debtors, and the parents known; threads share it."""

    def __init__(
        self, hold: Callable[[int], None], release: Callable[[int], None]
    ) -> None:
        """Keep the account.

        Args:
            hold: Holds a batch back once more.
            release: Takes one hold off a batch.
        """
        self._hold = hold
        self._release = release
        self._lock = threading.Lock()
        self._known: OrderedDict[SourceKey, str] = OrderedDict()
        self._debts: dict[SourceKey, Debt] = {}
        self._debtors: dict[SourceKey, dict[SourceKey, None]] = {}

    def parent_id(self, parent: SourceKey) -> str | None:
        """Give the Upwell id of a parent, if it is at hand."""
        with self._lock:
            return self._known.get(parent)

    def owe(self, child: SourceKey, parent: SourceKey, sequence: int) -> bool:
        """Note a debt, in place of an older one of the same child.

        Call it before looking the parent up: a parent that is created in between then
        finds its debtor.

        Returns:
            Whether the parent is worth a lookup. It is not when others wait for it.
        """
        with self._lock:
            self._hold(sequence)
            self._drop(child)
            self._debts[child] = Debt(parent, sequence)
            is_first = parent not in self._debtors
            self._debtors.setdefault(parent, {})[child] = None
            return is_first

    def settle(self, child: SourceKey, parent: SourceKey | None = None) -> None:
        """Take a child's debt off the books.

        Args:
            child: The child.
            parent: Only if this is still the parent that it is owed.
        """
        with self._lock:
            debt = self._debts.get(child)
            if debt and (parent is None or debt.parent == parent):
                self._drop(child)

    def holds(self, child: SourceKey, upwell_id: str | None) -> None:
        """Note whom a child bills to at present, so that it need not be set again."""
        with self._lock:
            debt = self._debts.get(child)
            if debt:
                self._debts[child] = debt._replace(held=upwell_id)

    def is_to_set(self, link: DueLink) -> bool:
        """Tell whether a link is what the child's last version asks for, and lacks."""
        with self._lock:
            debt = self._debts.get(link.child)
            if debt is None or debt.parent != link.parent:
                return False
            if debt.held != link.parent_id:
                return True
            self._drop(link.child)
            return False

    def arrived(
        self, customers: Mapping[SourceKey, str], parents: Collection[SourceKey] = ()
    ) -> list[DueLink]:
        """Take note of customers that exist in Upwell.

        Args:
            customers: Their source keys, and their Upwell ids.
            parents: Those that were looked up as parents, to be kept at hand.

        Returns:
            The links that this makes due. They stay owed until they are settled.
        """
        due: list[DueLink] = []
        with self._lock:
            for key, upwell_id in customers.items():
                children = self._debtors.get(key, ())
                if children or key in parents:
                    self._remember(key, upwell_id)
                due += (DueLink(child, key, upwell_id) for child in children)
        return due

    def __bool__(self) -> bool:
        """Whether anything is owed."""
        return bool(self._debts)

    def parents(self) -> list[SourceKey]:
        """Give the parents that somebody waits for."""
        with self._lock:
            return list(self._debtors)

    def debtors(self, parent: SourceKey) -> dict[SourceKey, str | None]:
        """Give the children that wait for a parent, and whom they bill to now."""
        with self._lock:
            children = self._debtors.get(parent, ())
            return {child: self._debts[child].held for child in children}

    def _remember(self, parent: SourceKey, parent_id: str) -> None:
        self._known[parent] = parent_id
        if len(self._known) > MOST_KNOWN_PARENTS:
            self._known.popitem(last=False)

    def _drop(self, child: SourceKey) -> None:
        debt = self._debts.pop(child, None)
        if debt is None:
            return
        children = self._debtors[debt.parent]
        del children[child]
        if not children:
            del self._debtors[debt.parent]
        self._release(debt.sequence)
