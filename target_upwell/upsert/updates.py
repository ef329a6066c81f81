"""Updating records one at a time, as far as Upwell lets this key.

Which columns can be updated is Upwell's to say: one that it refuses is left out of all
later updates of the run and becomes drift.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from target_upwell.delivery.outcomes import DriftEntry
from target_upwell.exceptions import Refusal, Refused, RetriesExhausted, TooLarge
from target_upwell.printable import one_id
from target_upwell.upsert.equality import agree, same

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from target_upwell.api.client import Client
    from target_upwell.api.replies import Record, Update
    from target_upwell.resource import Resource, SourceKey
    from target_upwell.upsert.lookups import Lookups
    from target_upwell.upsert.refusals import Refusals

logger = logging.getLogger("target-upwell")

KEPT = "Upwell keeps it otherwise than it was sent, so each run sends it again"


@dataclass(slots=True)
class Updated:
    """What came of an update.

    Attributes:
        changes: Each property that is changed, with its value before and after.
        left_out: Differences in columns that stay: they can't be updated, or Upwell
            keeps them in a form of its own.
        refusal: Why nothing was updated, if Upwell refused it.
        is_reached: Whether Upwell has the record, as far as the update tells.
    """

    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    left_out: list[DriftEntry] = field(default_factory=list)
    refusal: Refusal | None = None
    is_reached: bool = True


@dataclass(eq=False)
class Updates:
    """Updates over the whole run; threads share it."""

    client: Client
    lookups: Lookups
    refusals: Refusals
    resource: Resource
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _refused_columns: frozenset[str] = field(default=frozenset(), init=False)

    def run(
        self,
        key: SourceKey,
        columns: Mapping[str, tuple[Any, Any]],
        along: frozenset[str] = frozenset(),
    ) -> Updated:
        """Send one update; a key that touches nothing is refused.

        Columns that go along with others are not sent by themselves.
        """
        updated = Updated(dict(columns))
        # Each turn leaves out one column more.
        while True:
            self._leave_out(key, updated)
            if updated.changes.keys() <= along:
                return Updated({}, updated.left_out, is_reached=False)
            own, related = _worded(updated.changes)
            try:
                touched = self.client.update(self.resource, key, own, related)
            except Refused as refused:
                unknown = refused.refusal.unknown_field
                names = [n for n in updated.changes if n.rpartition(".")[2] == unknown]
                if not names:
                    return self._refused(refused.refusal, updated)
                self._remember(names[0])
            except (TooLarge, RetriesExhausted) as failure:
                return self._refused(self._of_this_one(key, failure), updated)
            else:
                break
        return self._took(key, touched, own, related, updated)

    def _took(
        self,
        key: SourceKey,
        touched: Update,
        own: Mapping[str, Any],
        related: Mapping[str, Any],
        updated: Updated,
    ) -> Updated:
        """Return what came of an update that Upwell took."""
        # The two parts are separate mutations, and each counts its own rows.
        if own and not touched.rows:
            words = "it exists in Upwell, but this API key can't see it"
            refusal = Refusal(HTTPStatus.OK, "", words)
            return Updated({}, updated.left_out, refusal, is_reached=False)
        self.refusals.accepted()
        if own and touched.record:
            reached = self.resource.key_of(touched.record)
            if reached != key:
                words = (
                    f"it was updated as {' '.join(map(one_id, reached))}, which to "
                    "Upwell is the same source key; spell it so in the stream map"
                )
                refusal = Refusal(HTTPStatus.OK, "", words)
                return Updated({}, updated.left_out, refusal)
            self._compare(key, touched.record, updated)
        row = self.resource.update.related
        if row and related and not touched.related:
            for name in related:
                del updated.changes[f"{row.property}.{name}"]
            said = {name: value for name, value in related.items() if value is not None}
            if said:
                left = DriftEntry(key, row.property, None, said, "column")
                updated.left_out.append(left)
        return updated

    def _leave_out(self, key: SourceKey, updated: Updated) -> None:
        """Take out what Upwell has refused before."""
        for name in self._refused_columns & updated.changes.keys():
            before, after = updated.changes.pop(name)
            updated.left_out.append(DriftEntry(key, name, before, after, "column"))

    def _compare(self, key: SourceKey, record: Record, updated: Updated) -> None:
        """Note what Upwell has made of the columns, where that is not what was sent.

        The related row is left out: it may be updated only after the record is shown.
        """
        for name in updated.changes.keys() & record.keys():
            (before, sent), now = updated.changes[name], record[name]
            if agree(self.resource, name, sent, now):
                continue
            updated.left_out.append(DriftEntry(key, name, now, sent, "column", KEPT))
            updated.changes[name] = before, now
            if same(before, now):
                del updated.changes[name]

    def _of_this_one(
        self, key: SourceKey, failure: TooLarge | RetriesExhausted
    ) -> Refusal:
        """Return a failure as a refusal, where it is about this one record."""
        alone = f"this {self.resource.singular}"
        if isinstance(failure, TooLarge):
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            return Refusal(status, "", f"{alone} alone is too large for Upwell")
        if failure.status != HTTPStatus.INTERNAL_SERVER_ERROR:
            raise failure
        # If Upwell can be searched it may be about this one.
        self.lookups.find([key])
        return Refusal(failure.status, "", f"it keeps failing on {alone}")

    def _remember(self, name: str) -> None:
        with self._lock:
            if name in self._refused_columns:
                return
            self._refused_columns |= {name}
        logger.warning(
            "%s: Upwell does not let this API key update it; it is left out of all "
            "updates of this run, and what differs is drift",
            name,
        )

    def _refused(self, refusal: Refusal, updated: Updated) -> Updated:
        """Note a refusal and return it, unless the others would fare no better."""
        self.refusals.note(refusal)
        return Updated({}, updated.left_out, refusal)


def _worded(
    changes: Mapping[str, tuple[Any, Any]],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return columns as the API words them: the record's, and its related row's."""
    columns: dict[str, Any] = {}
    related: dict[str, Any] = {}
    for name, (_, value) in changes.items():
        _, dot, column = name.partition(".")
        if dot:
            related[column] = value
        else:
            columns[name] = value
    return columns, related
