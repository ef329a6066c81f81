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
from target_upwell.upsert.plan import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from target_upwell.api.client import Client
    from target_upwell.resource import Resource, SourceKey
    from target_upwell.upsert.lookups import Lookups
    from target_upwell.upsert.plan import Change
    from target_upwell.upsert.refusals import Refusals

logger = logging.getLogger("target-upwell")


@dataclass(slots=True)
class Updated:
    """What came of an update.

    Attributes:
        changes: Each property that was set, with its value before and after.
        left_out: Differences in columns that can't be updated.
        refusal: Why nothing was updated, if Upwell refused it.
    """

    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    left_out: list[Difference] = field(default_factory=list)
    refusal: Refusal | None = None


class Updates:
    """Updates over the whole run; threads share it."""

    def __init__(
        self, client: Client, lookups: Lookups, refusals: Refusals, resource: Resource
    ) -> None:
        """Update records.

        Args:
            client: Sends the updates.
            lookups: Tells one row's failure from an outage.
            refusals: Tells when there is no use in going on.
            resource: What they belong to.
        """
        self._client = client
        self._lookups = lookups
        self._refusals = refusals
        self._resource = resource
        related = resource.update.related
        self._related_property = related.property if related else ""
        self._lock = threading.Lock()
        self._refused_columns: frozenset[str] = frozenset()

    def run(self, key: SourceKey, change: Change) -> Updated:
        """Send one update; a key that touches nothing is refused.

        Args:
            key: The source key of the record.
            change: What to set.

        Returns:
            What was set, and what was not, with the reason.

        Raises:
            RunError: If no request can succeed.
            Stopped: If the run is being stopped.
        """
        # Each turn leaves out one column more.
        while True:
            sent, left_out = self._split(change)
            if not sent:
                return Updated(left_out=left_out)
            columns, related = self._worded(sent)
            try:
                touched = self._client.update(self._resource, key, columns, related)
            except Refused as refused:
                unknown = self._property_of(refused.refusal.unknown_field, sent)
                if not unknown:
                    return self._refused(refused.refusal, left_out)
                self._remember(unknown)
            except (TooLarge, RetriesExhausted) as failure:
                return self._refused(self._of_this_one(key, failure), left_out)
            else:
                break
        # The two parts are separate mutations, and each counts its own rows.
        if columns and not touched.rows:
            words = "it exists in Upwell, but this API key can't see it"
            return Updated({}, left_out, Refusal(HTTPStatus.OK, "", words))
        self._refusals.accepted()
        done = change.changes()
        if related and not touched.related:
            said = {name: value for name, value in related.items() if value is not None}
            if said:
                left_out.append(Difference(self._related_property, None, said))
            sent = columns
        return Updated({name: done[name] for name in sent}, left_out)

    def _split(self, change: Change) -> tuple[dict[str, Any], list[Difference]]:
        """Split what to set into what Upwell may take, and what it refused before."""
        refused = self._refused_columns
        sent = {n: value for n, value in change.columns.items() if n not in refused}
        left_out = [
            Difference(name, change.held.get(name), value)
            for name, value in change.columns.items()
            if name in refused
        ]
        return sent, left_out

    def _worded(self, sent: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return columns as the API words them: the record's, and its related row's."""
        columns: dict[str, Any] = {}
        related: dict[str, Any] = {}
        for name, value in sent.items():
            holder, dot, column = name.partition(".")
            if dot and holder == self._related_property:
                related[column] = value
            else:
                columns[name] = value
        return columns, related

    def _of_this_one(
        self, key: SourceKey, failure: TooLarge | RetriesExhausted
    ) -> Refusal:
        """Return a failure as a refusal, where it is about this one record.

        Raises:
            RunError: If it is not, or may not be.
        """
        alone = f"this {self._resource.singular}"
        if isinstance(failure, TooLarge):
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            return Refusal(status, "", f"{alone} alone is too large for Upwell")
        if failure.status != HTTPStatus.INTERNAL_SERVER_ERROR:
            raise failure
        # If Upwell can be searched it may be about this one.
        self._lookups.find([key])
        return Refusal(failure.status, "", f"it keeps failing on {alone}")

    def _property_of(self, column: str, sent: dict[str, Any]) -> str:
        """Return the property that a column was sent for, or nothing."""
        names = (column, f"{self._related_property}.{column}")
        return next((name for name in names if name in sent), "")

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

    def _refused(self, refusal: Refusal, left_out: list[Difference]) -> Updated:
        """Note a refusal, and return it.

        Raises:
            RunError: If the others would fare no better.
        """
        self._refusals.note(refusal)
        return Updated({}, left_out, refusal)


def drift_of(key: SourceKey, change: Change) -> Iterator[DriftEntry]:
    """Yield the differences that an update leaves as they are."""
    for one in change.relations:
        yield DriftEntry(key, one.property, one.held, one.wanted, "relation")
    for one in change.withheld:
        yield DriftEntry(key, one.property, one.held, one.wanted, "policy")
