"""Setting links: customers bill to the customers that their source names.

`links.py` keeps the account of what is owed; this sees to it that it is paid: with the
customer itself where its parent is there already, with an update of its own when the
parent turns up, and at the end of the stream at the latest.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from target_upwell.customers.schema import BILL_TO, CUSTOMERS
from target_upwell.delivery.outcomes import DriftEntry, Outcomes
from target_upwell.exceptions import Refused
from target_upwell.upsert.diff import null_clears, parent_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from target_upwell.api.client import Client
    from target_upwell.config import Settings
    from target_upwell.reporting.drift import Drift
    from target_upwell.reporting.report import Report
    from target_upwell.resource import SourceKey
    from target_upwell.upsert.diff import Customer, Entry
    from target_upwell.upsert.lookups import Lookups
    from target_upwell.upsert.parents import DueLink, Links

    Found = Mapping[SourceKey, Customer]

logger = logging.getLogger("target-upwell")

LINK = "billToCustomerId"


class Orphan(NamedTuple):
    """A link that can't be set.

    Attributes:
        child: The customer.
        parent: The one that it should bill to.
        held: The Upwell id that it bills to instead.
    """

    child: SourceKey
    parent: SourceKey
    held: str | None


class Linker:
    """Links customers; threads share it."""

    def __init__(  # noqa: PLR0913 - its collaborators, each named
        self,
        *,
        settings: Settings,
        client: Client,
        lookups: Lookups,
        links: Links,
        drift: Drift,
        report: Report,
        in_parallel: Callable[[Iterable[Callable[[], None]]], None],
        schedule: Callable[[Sequence[DueLink]], None],
    ) -> None:
        """Link customers.

        Args:
            settings: How.
            client: Sends updates.
            lookups: Finds parents.
            links: Keeps the account.
            drift: Takes links that can't be set.
            report: Counts.
            in_parallel: Runs calls at the same time and returns when all have ended.
            schedule: Has links set as soon as no batch under way holds the child.
        """
        self._settings = settings
        self._client = client
        self._lookups = lookups
        self._links = links
        self._drift = drift
        self._report = report
        self._in_parallel = in_parallel
        self._schedule = schedule
        self._said_that_state_waits = False

    def owe(self, entries: Iterable[Entry], sequence: int) -> set[SourceKey]:
        """Note what links the customers of a batch ask for.

        A debt is noted before its parent is looked up, so that a parent that is created
        in between finds its debtor.

        Returns:
            The parents to look up.
        """
        unknown: set[SourceKey] = set()
        for entry in entries:
            parent = parent_of(entry)
            if parent is None:
                self._settle_without_parent(entry)
                continue
            is_first = self._links.owe(entry.key, parent, sequence)
            parent_id = self._links.parent_id(parent)
            if parent_id is not None:
                self._link(entry, parent, parent_id)
            elif is_first:
                unknown.add(parent)
        return unknown

    def link(self, customers: Found, entries: Iterable[Entry]) -> None:
        """Link the entries that bill to one of these customers."""
        for entry in entries:
            parent = parent_of(entry)
            if parent is not None and parent in customers:
                self._link(entry, parent, customers[parent]["id"])

    def arrived(self, customers: Found, parents: Collection[SourceKey] = ()) -> None:
        """Have the links set that waited for these customers.

        Args:
            customers: Customers that exist in Upwell.
            parents: Those that were looked up as parents.
        """
        ids = {key: customer["id"] for key, customer in customers.items()}
        self._schedule(self._links.arrived(ids, parents))

    def holds(self, key: SourceKey, customer: Customer) -> None:
        """Note whom a customer bills to at present, so that it need not be set."""
        if self._links:
            self._links.holds(key, customer.get(LINK))

    def forget(self, keys: Iterable[SourceKey | None]) -> None:
        """Owe nothing to customers that were not loaded."""
        for key in keys:
            if key:
                self._links.settle(key)

    def set(self, due: Iterable[DueLink]) -> None:
        """Set links, as far as they are still what the children ask for.

        Raises:
            RunError: If no request can succeed.
            Stopped: If the run is being stopped.
        """
        self._in_parallel([partial(self._set, link) for link in due])

    def settle_all(self) -> None:
        """Settle all debts at the end of the stream: find the parents, or report them.

        Raises:
            RunError: If no request can succeed.
            Stopped: If the run is being stopped.
        """
        parents = self._links.parents()
        size = self._settings.batch_size_rows
        for start in range(0, len(parents), size):
            page = parents[start : start + size]
            found = self._lookups.find_surely(page)
            self.arrived(found, page)
            self._orphaned(
                Orphan(child, parent, held)
                for parent in page
                if parent not in found
                for child, held in self._links.debtors(parent).items()
            )

    def say_that_state_waits(self) -> None:
        """Say once that links hold back STATE, if any do."""
        if self._links and not self._said_that_state_waits:
            self._said_that_state_waits = True
            logger.info(
                "some customers are loaded before the ones that they bill to; STATE "
                "waits for their links, at the latest until the end of the stream"
            )

    def _settle_without_parent(self, entry: Entry) -> None:
        """Owe nothing where the input says that there is no parent, or names its id."""
        if BILL_TO in entry.input and LINK not in entry.input:
            entry.set(LINK, None)
        if entry.input.get(LINK) or (
            LINK in entry.input and null_clears(LINK, self._settings.null_handling)
        ):
            self._links.settle(entry.key)

    def _link(self, entry: Entry, parent: SourceKey, parent_id: str) -> None:
        entry.set(LINK, parent_id)
        self._links.settle(entry.key, parent)

    def _set(self, link: DueLink) -> None:
        if not self._links.is_to_set(link):
            return
        orphan = Orphan(link.child, link.parent, None)
        try:
            touched = self._client.update(
                CUSTOMERS, link.child, {LINK: link.parent_id}, {}
            )
        except Refused as refused:
            self._orphaned([orphan], str(refused.refusal))
            return
        if not touched.rows:
            self._orphaned([orphan], "this key can't see them in Upwell")
            return
        self._links.settle(link.child, link.parent)
        self._report.count(Outcomes(links=1))

    def _orphaned(self, orphans: Iterable[Orphan], why: str = "") -> None:
        """Report links that can't be set, and owe them no longer: STATE has to pass."""
        orphans = list(orphans)
        self._drift.record(
            [
                DriftEntry(child, LINK, held, parent[1], "parent", why)
                for child, parent, held in orphans
            ]
        )
        for orphan in orphans:
            self._links.settle(orphan.child, orphan.parent)
