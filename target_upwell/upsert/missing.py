"""Missing customers: those of this source system that a complete source did not name.

At the end of a run the account is walked page by page. What the source did not name is
reported, or marked as deleted if the user wants it and it is not too much. The last
STATE is out by then: a full load sends all of its records again, whatever it says.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from target_upwell.delivery.outcomes import Counted, DriftEntry, Outcome
from target_upwell.delivery.tasks import Loaded, Task
from target_upwell.exceptions import Refused, RunError, TooLarge
from target_upwell.printable import counted
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


@dataclass(eq=False)
class Missing:
    """Finds records of an account that the source no longer holds.

    Attributes:
        excess: Why none was marked as deleted, if they were too many for that.
    """

    settings: Settings
    client: Client
    updates: Updates
    writers: Workers
    resource: Resource
    excess: RunError | None = field(default=None, init=False)
    _ids: SourceIds = field(default_factory=SourceIds, init=False)
    _why: str = field(default="", init=False)
    _deleted_at: str = field(default="", init=False)

    def see(self, key: SourceKey) -> None:
        """Take the source key of a record that came."""
        if key[0] == self.settings.source_system:
            self._ids.see(key[1])

    def find(self) -> Loaded:
        """Walk the account, and return what reports and marks the first of them."""
        self._walk()
        count, most = self._ids.count_missing(), self.settings.max_deletes
        deletes = self.settings.missing_customers == "delete"
        if deletes and count > most:
            things = counted(count, self.resource.singular, self.resource.name)
            are = "is" if count == 1 else "are"
            self.excess = RunError(
                f"{things} of this source system {are} in Upwell and no longer in the "
                f"source, and max_deletes allows {most}, so none was marked as "
                "deleted; check the source, or raise max_deletes"
            )
        elif deletes and self.settings.dry_run:
            self._why = WOULD_BE_MARKED
        elif deletes:
            self._deleted_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return Loaded(due=[Task(partial(self._report_page, ""))])

    def close(self) -> None:
        """Remove the temporary file."""
        self._ids.close()

    def _walk(self) -> None:
        """Take all pages; any may be capped, so that only an empty one is the last."""
        source_id, system = self.resource.key[1], self.settings.source_system
        where: dict[str, Any] = {
            self.resource.key[0]: {"_eq": system},
            source_id: {"_gt": ""},
            self.resource.deleted: {"_isNull": True},
        }
        while page := self._search(where):
            held = [
                Held(one[source_id], one["id"])
                for one in page
                if self.resource.key_of(one)[0] == system and one[source_id]
            ]
            if not self._ids.hold(held):
                raise RunError(
                    f"missing_customers: {self.resource.search} gives the same "
                    f"{self.resource.name} again and again instead of those after "
                    "them, so that none can be found missing; set it to ignore"
                )
            where[source_id] = {"_gt": held[-1].id}

    def _search(self, where: dict[str, Any]) -> list[Record]:
        """Return a page; without the condition on deleted ones where it is refused."""
        size, order = self.settings.batch_size_rows, self.resource.key[1:]
        try:
            return self.client.find(self.resource, where, size, order)
        except TooLarge:
            why = "the search for a page is too large for Upwell"
        except Refused as refused:
            why = str(refused)
            if where.pop(self.resource.deleted, None):
                logger.warning(
                    "missing_customers: a search can't leave out %s that have %s (%s); "
                    "those that are marked as deleted already are counted again",
                    self.resource.name,
                    self.resource.deleted,
                    why,
                )
                return self._search(where)
        raise RunError(f"missing_customers: {why}; set it to ignore")

    def _report_page(self, after: str) -> Loaded:
        """Report some of the missing, and mark them as deleted if that is wanted."""
        loaded = Loaded()
        page = self._ids.missing(after, self.settings.batch_size_rows)
        if not page:
            return loaded
        if self._deleted_at:
            self._mark_page(page, loaded)
        else:
            loaded.outcomes.drift += (self._drift(one, self._why) for one in page)
        loaded.due.append(Task(partial(self._report_page, page[-1].id)))
        return loaded

    def _mark_page(self, page: list[Held], loaded: Loaded) -> None:
        outcomes = loaded.outcomes
        try:
            self.writers.in_parallel(partial(self._mark, one, outcomes) for one in page)
        except Exception as error:  # noqa: BLE001 - returned with what was done
            loaded.failure = error
        outcomes.deleted = len(outcomes.counted)
        outcomes.drift.sort(key=lambda one: one.key)

    def _mark(self, one: Held, outcomes: Outcomes) -> None:
        name, key = self.resource.deleted, self._key(one)
        updated = self.updates.run(key, {name: (None, self._deleted_at)})
        if updated.changes:
            outcomes.counted.append(
                Counted(key, Outcome.UPDATED, 0, one.upwell_id, updated.changes)
            )
            outcomes.drift.append(self._drift(one, MARKED, self._deleted_at))
        else:
            why = f"{name} can't be updated by this API key"
            why = updated.refusal.message if updated.refusal else why
            outcomes.drift.append(self._drift(one, why))

    def _drift(self, one: Held, why: str, deleted: str | None = None) -> DriftEntry:
        name = self.resource.deleted
        return DriftEntry(self._key(one), name, deleted, None, "missing", why)

    def _key(self, one: Held) -> SourceKey:
        return self.settings.source_system, one.id
