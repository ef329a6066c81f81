"""Missing customers: those of this source system that a complete source did not name.

At the end of a run the account is walked page by page. What the source did not name is
reported, or marked as deleted if the user wants it and it is not too much. The last
STATE is out by then: a full load sends all of its records again, whatever it says.
"""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from target_upwell.delivery.outcomes import Counted, DriftEntry, Outcome
from target_upwell.delivery.tasks import Loaded, Task
from target_upwell.exceptions import GuardStop, Refused, RunError, TooLarge
from target_upwell.printable import counted
from target_upwell.upsert.plan import Change
from target_upwell.upsert.source_ids import Held, SourceIds

if TYPE_CHECKING:
    from typing import Any

    from target_upwell.api.client import Client
    from target_upwell.api.replies import Record
    from target_upwell.config import Settings
    from target_upwell.delivery.outcomes import Outcomes
    from target_upwell.delivery.workers import Workers
    from target_upwell.resource import Resource, SourceKey
    from target_upwell.upsert.updates import Updates

logger = logging.getLogger("target-upwell")

MARKED = "now marked as deleted"
WOULD_BE_MARKED = "a real run would mark it as deleted"


class Missing:
    """Finds records of an account that the source no longer holds."""

    def __init__(
        self,
        settings: Settings,
        client: Client,
        updates: Updates,
        writers: Workers,
        resource: Resource,
    ) -> None:
        self._settings = settings
        self._client = client
        self._updates = updates
        self._writers = writers
        self._resource = resource
        self._ids = SourceIds()
        self._marks = False
        self._now = ""
        self.excess: GuardStop | None = None

    def see(self, key: SourceKey) -> None:
        """Take the source key of a record that came."""
        if key[0] == self._settings.source_system:
            self._ids.see(key[1])

    def find(self) -> Loaded:
        """Walk the account, and return what reports and marks the first of them."""
        self._walk()
        count, most = self._ids.count_missing(), self._settings.max_deletes
        self._marks = self._settings.missing_customers == "delete"
        if self._marks and count > most:
            things = counted(count, self._resource.singular, self._resource.name)
            are = "is" if count == 1 else "are"
            self.excess = GuardStop(
                f"{things} of this source system {are} in Upwell and no longer in the "
                f"source, and max_deletes allows {most}, so none was marked as "
                "deleted; check the source, or raise max_deletes"
            )
            self._marks = False
        self._now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return Loaded(due=[Task(partial(self._report_page, ""), frozenset())])

    def close(self) -> None:
        """Remove the temporary file."""
        self._ids.close()

    def _walk(self) -> None:
        """Take all pages; any may be capped, so that only an empty one is the last."""
        source_id, system = self._resource.key[1], self._settings.source_system
        where: dict[str, Any] = {
            self._resource.key[0]: {"_eq": system},
            source_id: {"_gt": ""},
            self._resource.deleted: {"_isNull": True},
        }
        while page := self._search(where):
            held = [
                Held(one[source_id], one["id"])
                for one in page
                if self._resource.key_of(one)[0] == system and one[source_id]
            ]
            if not self._ids.hold(held):
                raise RunError(
                    f"missing_customers: {self._resource.search} gives the same "
                    f"{self._resource.name} again and again instead of those after "
                    "them, so that none can be found missing; set it to ignore"
                )
            where[source_id] = {"_gt": held[-1].id}

    def _search(self, where: dict[str, Any]) -> list[Record]:
        """Return a page; without the condition on deleted ones where it is refused."""
        size, order = self._settings.batch_size_rows, self._resource.key[1:]
        try:
            return self._client.find(self._resource, where, size, order)
        except TooLarge:
            why = "the search for a page is too large for Upwell"
        except Refused as refused:
            why = str(refused)
            if where.pop(self._resource.deleted, None):
                logger.warning(
                    "missing_customers: a search can't leave out %s that have %s (%s); "
                    "those that are marked as deleted already are counted again",
                    self._resource.name,
                    self._resource.deleted,
                    why,
                )
                return self._search(where)
        raise RunError(f"missing_customers: {why}; set it to ignore")

    def _report_page(self, after: str) -> Loaded:
        """Report some of the missing, and mark them as deleted if that is wanted."""
        loaded = Loaded()
        page = self._ids.missing(after, self._settings.batch_size_rows)
        if not page:
            return loaded
        if self._marks and not self._settings.dry_run:
            self._mark_page(page, loaded)
        else:
            why = WOULD_BE_MARKED if self._marks else ""
            loaded.outcomes.drift += (self._drift(one, why) for one in page)
        loaded.due.append(Task(partial(self._report_page, page[-1].id), frozenset()))
        return loaded

    def _mark_page(self, page: list[Held], loaded: Loaded) -> None:
        outcomes = loaded.outcomes
        try:
            self._writers.in_parallel(
                partial(self._mark, one, outcomes) for one in page
            )
        except Exception as error:  # noqa: BLE001 - returned with what was done
            loaded.failure = error
        outcomes.deleted = len(outcomes.counted)
        outcomes.drift.sort(key=lambda one: one.key)

    def _mark(self, one: Held, outcomes: Outcomes) -> None:
        name, key = self._resource.deleted, self._key(one)
        updated = self._updates.run(key, Change({name: self._now}, {name: None}))
        if updated.changes:
            outcomes.counted.append(
                Counted(key, Outcome.UPDATED, 0, one.upwell_id, updated.changes)
            )
            outcomes.drift.append(self._drift(one, MARKED, self._now))
        else:
            why = f"{name} can't be updated by this API key"
            why = updated.refusal.message if updated.refusal else why
            outcomes.drift.append(self._drift(one, why))

    def _drift(self, one: Held, why: str, deleted: str | None = None) -> DriftEntry:
        name = self._resource.deleted
        return DriftEntry(self._key(one), name, deleted, None, "missing", why)

    def _key(self, one: Held) -> SourceKey:
        return self._settings.source_system, one.id
