"""Creating customers with an API that inserts all or nothing and refuses duplicates.

A bulk insert may be refused for one of its rows, or its answer may be lost. Either way
this finds out, at a bounded price, what each customer's fate is: promise 3, one bad
record costs one record, and of promise 2 that nothing is ever posted twice blindly.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.batch import ENVELOPE_BYTES
from target_upwell.exceptions import AmbiguousOutcome, Refusal, Refused, TooLarge
from target_upwell.upsert.diff import key_of, shows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_upwell.api.client import Client
    from target_upwell.api.retry import Retry
    from target_upwell.resource import SourceKey
    from target_upwell.upsert.diff import Customer, Entry
    from target_upwell.upsert.lookups import Lookups


class Searched(IntEnum):
    """How hard Upwell was searched for a group before it was posted."""

    NOT = 0
    ONCE = 1
    FULLY = 2


@dataclass(slots=True)
class _Group:
    """Customers to post together.

    Attributes:
        entries: The customers.
        searched: How hard Upwell was searched for them.
        unknown: The retries, once an outcome was unknown. What is found after that
            may well have been created by this run.
    """

    entries: list[Entry]
    searched: Searched
    unknown: Retry | None = None

    @property
    def size(self) -> int:
        return ENVELOPE_BYTES + sum(len(entry.body) + 1 for entry in self.entries)

    def halves(self) -> Iterator[_Group]:
        middle = len(self.entries) // 2
        for part in (self.entries[middle:], self.entries[:middle]):
            yield _Group(part, self.searched, self.unknown)

    def without(self, gone: set[SourceKey]) -> _Group:
        rest = [entry for entry in self.entries if entry.key not in gone]
        return _Group(rest, self.searched, self.unknown)


@dataclass(slots=True)
class Inserted:
    """What became of customers that were to be created.

    Attributes:
        created: The new customers as Upwell shows them.
        existing: Customers that were there already; to be planned again.
        hidden: Customers that exist, says Upwell, but that no search shows.
        refused: Customers that can't be created, and Upwell's words.
    """

    created: dict[SourceKey, Customer] = field(default_factory=dict)
    existing: dict[SourceKey, Customer] = field(default_factory=dict)
    hidden: list[Entry] = field(default_factory=list)
    refused: list[tuple[Entry, Refusal]] = field(default_factory=list)


class Inserts:
    """Bulk inserts over the whole run; threads share it."""

    def __init__(self, client: Client, lookups: Lookups, batch_size_bytes: int) -> None:
        """Create customers.

        Args:
            client: Sends the inserts.
            lookups: Finds what exists.
            batch_size_bytes: Bytes in a body, at most.
        """
        self._client = client
        self._lookups = lookups
        self._lock = threading.Lock()
        self._most_bytes = batch_size_bytes

    def run(self, entries: Sequence[Entry], searched: Searched) -> Inserted:
        """Create customers, each of them once.

        Args:
            entries: The customers; those of a batch, so that one request holds them.
            searched: How hard Upwell was searched for them.

        Raises:
            RunError: If no request can succeed.
            Stopped: If the run is being stopped.
        """
        result = Inserted()
        waiting = [_Group(list(entries), searched)]
        while waiting:
            group = waiting.pop()
            if not group.entries:
                continue
            if group.size > self._most_bytes and len(group.entries) > 1:
                waiting += group.halves()
            else:
                waiting += self._post(group, result)
        return result

    def _post(self, group: _Group, result: Inserted) -> Iterator[_Group]:
        """Post a group; what is left to do is yielded."""
        try:
            customers = self._client.create(
                CUSTOMERS, [entry.body for entry in group.entries]
            )
        except AmbiguousOutcome as unknown:
            yield self._after_unknown(group, unknown, result)
        except TooLarge:
            yield from self._after_too_large(group, result)
        except Refused as refused:
            yield from self._after_refusal(group, refused.refusal, result)
        else:
            created = {key_of(customer): customer for customer in customers}
            result.created.update(created)
            rest = group.without(set(created))
            if rest.entries:
                left_out = AmbiguousOutcome("an answer left some out")
                yield self._after_unknown(rest, left_out, result)

    def _after_unknown(
        self, group: _Group, unknown: AmbiguousOutcome, result: Inserted
    ) -> _Group:
        """Wait, look, and go on with what is not there."""
        if group.unknown is None:
            group.unknown = self._client.retry(str(CUSTOMERS.bulk))
        group.unknown.wait(str(unknown), unknown.pause)
        found = self._lookups.find(entry.key for entry in group.entries)
        group.searched = Searched.ONCE
        return self._turned_up(group, found, result)

    def _after_too_large(self, group: _Group, result: Inserted) -> Iterator[_Group]:
        if len(group.entries) == 1:
            words = "this customer alone is too large for Upwell"
            result.refused.append((group.entries[0], Refusal(413, "", words)))
            return
        halves = list(group.halves())
        with self._lock:
            larger = max(half.size for half in halves)
            self._most_bytes = min(self._most_bytes, larger)
        yield from halves

    def _after_refusal(
        self, group: _Group, refusal: Refusal, result: Inserted
    ) -> Iterator[_Group]:
        if refusal.is_uniqueness:
            found = self._search_harder(group)
            if found:
                yield self._turned_up(group, found, result)
            elif len(group.entries) == 1:
                result.hidden += group.entries
            else:
                yield from group.halves()
        elif refusal.row is not None and refusal.row < len(group.entries):
            bad = group.entries[refusal.row]
            result.refused.append((bad, refusal))
            yield group.without({bad.key})
        elif len(group.entries) == 1:
            result.refused.append((group.entries[0], refusal))
        else:
            yield from group.halves()

    def _search_harder(self, group: _Group) -> dict[SourceKey, Customer]:
        """Search for a group that holds a customer which exists."""
        found: dict[SourceKey, Customer] = {}
        keys = [entry.key for entry in group.entries]
        if group.searched < Searched.ONCE:
            group.searched = Searched.ONCE
            found = self._lookups.find(keys)
        if not found and group.searched < Searched.FULLY:
            group.searched = Searched.FULLY
            found = self._lookups.find_hidden(keys)
        return found

    def _turned_up(
        self, group: _Group, found: dict[SourceKey, Customer], result: Inserted
    ) -> _Group:
        """Sort out those that exist; the answer is the rest."""
        for entry in group.entries:
            customer = found.get(entry.key)
            if customer is None:
                continue
            if group.unknown and shows(customer, entry.input):
                result.created[entry.key] = customer
            else:
                result.existing[entry.key] = customer
        return group.without(set(found))
