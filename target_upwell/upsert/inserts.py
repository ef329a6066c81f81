"""Creating records with an API that inserts all or nothing and refuses duplicates.

Where an insert is refused for one of its rows, or its answer is lost, this finds out at
a bounded price what became of each record: promise 3, one bad record costs one record,
and of promise 2 that nothing is ever posted twice blindly.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import IntEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

from target_upwell.delivery.batch import ENVELOPE_BYTES
from target_upwell.exceptions import (
    AmbiguousOutcome,
    Refusal,
    Refused,
    RetriesExhausted,
    RunError,
    TooLarge,
)

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from target_upwell.api.client import Client
    from target_upwell.api.replies import Record
    from target_upwell.api.retry import Retry
    from target_upwell.resource import Resource, SourceKey
    from target_upwell.upsert.lookups import Lookups
    from target_upwell.upsert.plan import Entry
    from target_upwell.upsert.refusals import Refusals

RETRIES_OF_A_HALF = 2
"""Of a group that was halved because it keeps failing with 500."""


class Searched(IntEnum):
    """How hard Upwell was searched for a group before it was posted."""

    NOT = 0
    ONCE = 1
    FULLY = 2


@dataclass(slots=True)
class _Group:
    """Records to post together; they have retries once an outcome was ambiguous."""

    entries: list[Entry]
    searched: Searched
    retry: Retry | None = None

    @property
    def size(self) -> int:
        return ENVELOPE_BYTES + sum(len(entry.body) + 1 for entry in self.entries)

    def halves(self) -> list[_Group]:
        middle = len(self.entries) // 2
        parts = self.entries[middle:], self.entries[:middle]
        return [_Group(part, self.searched, self.retry) for part in parts]

    def without(self, gone: Container[SourceKey]) -> _Group:
        rest = [entry for entry in self.entries if entry.key not in gone]
        return _Group(rest, self.searched, self.retry)


@dataclass(slots=True)
class Inserted:
    """What became of records that were to be created.

    Attributes:
        created: The new ones, with their Upwell ids.
        existing: Those that were there already.
        unclear: Those that turned up after an ambiguous outcome: this run may have
            created them, or they may be old.
        hidden: Those that exist, says Upwell, but that no search shows, with its words.
        refused: Those that can't be created, and Upwell's words.
        failure: Why it was not done to its end; the run ends then.
    """

    created: dict[SourceKey, Record] = field(default_factory=dict)
    existing: dict[SourceKey, Record] = field(default_factory=dict)
    unclear: dict[SourceKey, Record] = field(default_factory=dict)
    hidden: list[tuple[Entry, Refusal]] = field(default_factory=list)
    refused: list[tuple[Entry, Refusal]] = field(default_factory=list)
    failure: Exception | None = None


@dataclass(eq=False)
class Inserts:
    """Bulk inserts over the whole run; threads share it."""

    client: Client
    lookups: Lookups
    refusals: Refusals
    resource: Resource
    most_bytes: int
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def run(self, entries: Sequence[Entry], searched: Searched) -> Inserted:
        """Create records, each of them once; always return how far it came."""
        result = Inserted()
        try:
            waiting = [_Group(list(entries), searched)]
            while waiting:
                group = waiting.pop()
                if group.size > self.most_bytes and len(group.entries) > 1:
                    waiting += group.halves()
                elif group.entries:
                    waiting += self._post(group, result)
            self._look_for_refused(result)
        except Exception as error:  # noqa: BLE001 - returned with what was done
            result.failure = error
        return result

    def _post(self, group: _Group, result: Inserted) -> list[_Group]:
        """Post a group, and return what is left to do."""
        try:
            created = self.client.create(
                self.resource,
                {entry.key: entry.body for entry in group.entries},
                group.retry,
            )
        except AmbiguousOutcome as ambiguous:
            return self._after_ambiguous(group, ambiguous, result)
        except TooLarge:
            return self._after_too_large(group, result)
        except Refused as refused:
            return self._after_refusal(group, refused.refusal, result)
        self.refusals.accepted()
        result.created |= created
        return []

    def _after_ambiguous(
        self, group: _Group, ambiguous: AmbiguousOutcome, result: Inserted
    ) -> list[_Group]:
        """Wait, look, and go on with what is not there."""
        what = str(self.resource.bulk)
        group.retry = group.retry or self.client.retry(what)
        lasting = None
        try:
            group.retry.wait(ambiguous)
        except RetriesExhausted as exhausted:
            if exhausted.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            # Its words end with the status, which a refusal adds by itself.
            words = str(ambiguous).removesuffix(f" ({exhausted.status})")
            lasting = Refusal(exhausted.status, "", words)
        found = self.lookups.find(entry.key for entry in group.entries)
        # What an earlier search did not show may be there now.
        group.searched = Searched.ONCE
        rest = self._turned_up(group, found, result)
        if lasting is None:
            return [rest]
        if len(rest.entries) == 1:
            self._refuse(rest.entries[0], lasting, result)
            return []
        # Searches succeed, so it may be about one row.
        halves = rest.halves()
        for half in halves:
            half.retry = self.client.retry(what, RETRIES_OF_A_HALF)
        return halves

    def _after_too_large(self, group: _Group, result: Inserted) -> list[_Group]:
        if len(group.entries) == 1:
            words = f"this {self.resource.singular} alone is too large for Upwell"
            refusal = Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "", words)
            result.refused.append((group.entries[0], refusal))
            return []
        halves = group.halves()
        with self._lock:
            larger = max(half.size for half in halves)
            self.most_bytes = min(self.most_bytes, larger)
        return halves

    def _after_refusal(
        self, group: _Group, refusal: Refusal, result: Inserted
    ) -> list[_Group]:
        if refusal.unknown_field in self.resource.properties:
            raise RunError(
                f"{refusal.unknown_field}: Upwell does not let this API key set it "
                f"when it creates a {self.resource.singular} ({refusal.message}); "
                "remove it from the stream map, or ask Upwell for the permission"
            )
        first, is_alone = group.entries[0], len(group.entries) == 1
        if refusal.is_uniqueness:
            found = self._search_harder(group)
            if found:
                return [self._turned_up(group, found, result)]
            if is_alone:
                result.hidden.append((first, refusal))
                return []
        elif is_alone:
            self._refuse(first, refusal, result)
            return []
        elif refusal.row is not None and refusal.row < len(group.entries):
            bad = group.entries[refusal.row]
            self._refuse(bad, refusal, result)
            return [group.without({bad.key})]
        return group.halves()

    def _refuse(self, entry: Entry, refusal: Refusal, result: Inserted) -> None:
        """Note what was refused by itself, unless the others would fare no better."""
        result.refused.append((entry, refusal))
        try:
            self.refusals.note(refusal)
        except RunError:
            if not self._look_for_refused(result):
                raise

    def _look_for_refused(self, result: Inserted) -> dict[SourceKey, Record]:
        """Find those of the refused that exist: the update may be welcome."""
        found = self.lookups.find_surely(entry.key for entry, _ in result.refused)
        result.existing.update(found)
        result.refused = [one for one in result.refused if one[0].key not in found]
        return found

    def _search_harder(self, group: _Group) -> dict[SourceKey, Record]:
        """Search for a group that holds a record which exists."""
        found: dict[SourceKey, Record] = {}
        keys = [entry.key for entry in group.entries]
        if group.searched is Searched.NOT:
            group.searched = Searched.ONCE
            found = self.lookups.find(keys)
        if not found and group.searched is Searched.ONCE:
            group.searched = Searched.FULLY
            found = self.lookups.find_hidden(keys)
        return found

    def _turned_up(
        self, group: _Group, found: dict[SourceKey, Record], result: Inserted
    ) -> _Group:
        """Sort out those that exist, and return the rest."""
        (result.unclear if group.retry else result.existing).update(found)
        return group.without(found)
