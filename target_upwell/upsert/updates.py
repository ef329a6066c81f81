"""Updating customers one at a time, as far as Upwell lets this key.

Which columns can be updated is Upwell's to say: one that it refuses is left out of all
later updates of the run and becomes drift.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from target_upwell.customers.schema import PARENT, RULE
from target_upwell.exceptions import Refusal, Refused, RetriesExhausted, TooLarge
from target_upwell.upsert.diff import Difference, rule_column

if TYPE_CHECKING:
    from typing import Any

    from target_upwell.api.client import Client
    from target_upwell.resource import Resource, SourceKey
    from target_upwell.upsert.diff import Change
    from target_upwell.upsert.lookups import Lookups
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
        self._lock = threading.Lock()
        self._refused_columns: frozenset[str] = frozenset()

    def link(self, child: SourceKey, parent_id: str) -> Refusal | None:
        """Have a customer bill to another one.

        Returns:
            Why it could not be set, or None.

        Raises:
            RunError: If no request can succeed.
            Stopped: If the run is being stopped.
        """
        updated = self._send(child, {PARENT: parent_id}, {})
        if updated.left_out:
            return Refusal(0, "", f"{PARENT} can't be updated by this API key")
        return updated.refusal

    def run(self, key: SourceKey, change: Change) -> Updated:
        """Send one update; a key that touches nothing is refused.

        Raises:
            RunError: If no request can succeed.
            Stopped: If the run is being stopped.
        """
        updated = self._send(key, dict(change.columns), dict(change.rule))
        before_and_after = change.changes()
        updated.changes = {name: before_and_after[name] for name in updated.changes}
        updated.left_out = [
            one._replace(held=change.held.get(one.property)) for one in updated.left_out
        ]
        return updated

    def _send(
        self, key: SourceKey, columns: dict[str, Any], rule: dict[str, Any]
    ) -> Updated:
        updated = Updated()
        while True:
            self._leave_out(columns, rule, updated)
            if not columns and not rule:
                return updated
            try:
                touched = self._client.update(self._resource, key, columns, rule)
            except Refused as refused:
                name = refused.refusal.unknown_field
                if name in columns:
                    self._remember(name)
                elif name in rule:
                    self._remember(rule_column(name))
                else:
                    self._refuse(refused.refusal, updated)
                    return updated
            except TooLarge:
                words = "this customer alone is too large for Upwell"
                status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                self._refuse(Refusal(status, "", words), updated)
                return updated
            except RetriesExhausted as exhausted:
                if exhausted.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                # If Upwell can be searched it may be about this one row.
                self._lookups.find([key])
                words = "it keeps failing on this customer"
                self._refuse(Refusal(exhausted.status, "", words), updated)
                return updated
            else:
                break
        self._judge(touched.rows, touched.related, columns, rule, updated)
        return updated

    def _judge(
        self,
        rows: int,
        related: int,
        columns: dict[str, Any],
        rule: dict[str, Any],
        updated: Updated,
    ) -> None:
        """Judge an update by what it touched; the two parts are separate mutations."""
        if columns and not rows:
            words = "it exists in Upwell, but this API key can't see it"
            updated.refusal = Refusal(HTTPStatus.OK, "", words)
            return
        self._refusals.accepted()
        updated.changes = dict.fromkeys(columns, (None, None))
        if related:
            updated.changes |= {rule_column(name): (None, None) for name in rule}
        elif rule:
            updated.left_out.append(Difference(RULE, None, rule))

    def _leave_out(
        self, columns: dict[str, Any], rule: dict[str, Any], updated: Updated
    ) -> None:
        """Take out what Upwell refused before."""
        for name in self._refused_columns:
            values, member = (columns, name)
            if name.startswith(f"{RULE}."):
                values, member = rule, name[len(RULE) + 1 :]
            if member in values:
                difference = Difference(name, None, values.pop(member))
                updated.left_out.append(difference)

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

    def _refuse(self, refusal: Refusal, updated: Updated) -> None:
        """Note a refusal.

        Raises:
            RunError: If the others would fare no better.
        """
        self._refusals.note(refusal)
        updated.refusal = refusal
