"""Customers that a load would create a second time.

Those that were keyed by hand, or by another integration, have another source key or
none. A dry run looks for them by name and e-mail address, at one search a batch.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from target_upwell.customers.duplicates import condition, in_common
from target_upwell.exceptions import Refused, TooLarge
from target_upwell.printable import counted, one_id
from target_upwell.upsert.lookups import FEWEST_PLAUSIBLE_CAP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_upwell.api.client import Client
    from target_upwell.api.replies import Record
    from target_upwell.resource import Resource
    from target_upwell.upsert.plan import Entry

logger = logging.getLogger("target-upwell.dry-run")

MOST_LISTED = 20
"""Pairs that are listed; the others are counted."""

FOUND_FOR_EACH = 2
"""Records to ask for, for each that is looked for."""

MOST_FOUND = 2000
"""Records that one batch can be like, before they are no longer counted exactly."""


class Duplicates:
    """Finds records that may be the same as new ones; threads share it."""

    def __init__(self, client: Client, resource: Resource) -> None:
        self._client = client
        self._resource = resource
        self._lock = threading.Lock()
        self._pairs = 0
        self._listed: list[str] = []
        self._are_more = False
        self._unknown = ""

    def look(self, entries: Sequence[Entry]) -> None:
        """Look for what Upwell holds already of records that would be created."""
        half = len(entries) // 2
        try:
            found = self._search(entries)
        except Refused as refused:
            self._unknown = str(refused)
        except TooLarge:
            if half:
                self.look(entries[:half])
                self.look(entries[half:])
            else:
                self._unknown = "a search for a single one is too large for Upwell"
        else:
            for entry in entries:
                for record in found:
                    same = in_common(entry.input, record)
                    if same and self._resource.key_of(record) != entry.key:
                        self._note(entry, record, same)

    def report(self) -> None:
        """Log the pairs, if there are any."""
        if self._unknown:
            logger.warning(
                "dry run: whether new %s exist under another source key can't be told: "
                "%s",
                self._resource.name,
                self._unknown,
            )
        if not self._pairs:
            return
        logger.warning(
            "dry run: %s%s of a new %s and one that is in Upwell already, under "
            "another source key or none; where they are the same, a load creates it a "
            "second time:",
            "at least " if self._are_more else "",
            counted(self._pairs, "pair"),
            self._resource.singular,
        )
        for line in self._listed:
            logger.warning("dry run:     %s", line)
        if self._pairs > len(self._listed):
            logger.warning("dry run:     and %d more", self._pairs - len(self._listed))

    def _search(self, entries: Sequence[Entry]) -> list[Record]:
        """Find what may be the same, however few a search gives at once."""
        where = condition(entry.input for entry in entries)
        limit = max(FOUND_FOR_EACH * len(entries), FEWEST_PLAUSIBLE_CAP)
        found: dict[str, Record] = {}
        while where:
            given = self._client.find(self._resource, where, limit)
            before = len(found)
            found |= {record["id"]: record for record in given}
            if len(given) < FEWEST_PLAUSIBLE_CAP or len(found) == before:
                break
            if len(found) >= MOST_FOUND:
                self._are_more = True
                break
            where = {**where, "id": {"_nin": list(found)}}
        return list(found.values())

    def _note(self, entry: Entry, record: Record, same: str) -> None:
        system, source_id = self._resource.key_of(record)
        held = (
            f"one without a source key, of the id {one_id(record['id'])}"
            if source_id is None
            else f"{one_id(str(system))} {one_id(source_id)}"
        )
        own = " ".join(map(one_id, entry.key))
        with self._lock:
            self._pairs += 1
            if len(self._listed) < MOST_LISTED:
                self._listed.append(f"{own} and {held}: the same {same}")
