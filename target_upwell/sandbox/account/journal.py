"""The log of requests: what came in, how it was answered, what it changed.

Rows are written when a request has been answered, just before the answer leaves,
so that a client that has the answer finds the row.
"""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from target_upwell.sandbox.account import values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_upwell.sandbox.account.refusal import Refusal
    from target_upwell.sandbox.account.store import Store

_COLUMNS = (
    "number, at, method, path, route, rows, status, milliseconds, fault, in_flight,"
    " created, updated, source_system_ids"
)


_ROW = re.compile(r"objects\[(\d+)\]")
_WHO = ("name", "sourceSystem", "sourceSystemId")
_MOST_KEPT = 200
_LARGEST_KEPT_BYTES = 20_000


@dataclass
class Entry:
    """A request under way.

    Attributes:
        number: Counts the requests, from 1.
        at: When it came in, RFC 3339.
        started: The same on the monotonic clock, seconds.
        in_flight: How many requests were under way when it came in, with itself.
        route: Its path, with `{id}` for an id.
        rows: How many inputs or source keys it holds.
        source_system_ids: The ids that it names.
        sent: The customers that it sent, as they came.
        refusal: Why it was refused, if it was.
        created: How many customers it created.
        updated: How many customers it updated.
        status: The status of the answer; None when there was none.
        fault: The injected fault that it met, if any.
    """

    number: int
    at: str
    method: str
    path: str
    started: float
    in_flight: int
    route: str
    rows: int = 0
    source_system_ids: list[str] = field(default_factory=list)
    created: int = 0
    updated: int = 0
    status: int | None = None
    fault: str | None = None
    sent: Sequence[Any] = ()
    refusal: Refusal | None = None


@dataclass(frozen=True)
class Totals:
    """What the account holds and what was done to it.

    Attributes:
        customers: How many customers it holds.
        creates: How many customers were created.
        updates: How many times a customer was updated.
        refusals: How many answers had a status of 400 or more.
        requests: How many requests there were.
    """

    customers: int
    creates: int
    updates: int
    refusals: int
    requests: int


class Journal:
    """The log of one store's requests."""

    def __init__(self, store: Store) -> None:
        self._connection = store.connection
        (last,) = self._connection.execute(
            "SELECT coalesce(max(number), 0) FROM requests"
        ).fetchone()
        self._numbers = itertools.count(last + 1)
        self._in_flight = 0

    def begin(self, method: str, path: str) -> Entry:
        """Open the entry of a request that has just come in."""
        self._in_flight += 1
        return Entry(
            number=next(self._numbers),
            at=values.now(),
            method=method,
            path=path,
            started=time.monotonic(),
            in_flight=self._in_flight,
            route=path,
        )

    def end(self, entry: Entry) -> None:
        """Write the entry of a request whose answer is about to leave."""
        self._in_flight -= 1
        self._connection.execute(
            f"INSERT INTO requests ({_COLUMNS})"  # noqa: S608 - names from here
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.number,
                entry.at,
                entry.method,
                entry.path,
                entry.route,
                entry.rows,
                entry.status,
                round((time.monotonic() - entry.started) * 1000, 3),
                entry.fault,
                entry.in_flight,
                entry.created,
                entry.updated,
                values.encode(entry.source_system_ids),
            ),
        )
        if entry.refusal is not None:
            self._connection.execute(
                "INSERT INTO refusals (request, content) VALUES (?, ?)",
                (entry.number, values.encode(_kept(entry.refusal, entry.sent))),
            )

    def requests(self) -> list[dict[str, Any]]:
        """Return all requests that were answered, in the order they came in."""
        return [
            {
                "number": number,
                "at": at,
                "method": method,
                "path": path,
                "rows": rows,
                "status": status,
                "milliseconds": milliseconds,
                "fault": fault,
                "in_flight": in_flight,
                "created": created,
                "updated": updated,
                "sourceSystemIds": msgspec.Raw(ids.encode()),
            }
            for (
                number,
                at,
                method,
                path,
                _route,
                rows,
                status,
                milliseconds,
                fault,
                in_flight,
                created,
                updated,
                ids,
            ) in self._connection.execute(
                f"SELECT {_COLUMNS} FROM requests ORDER BY number"  # noqa: S608 - names from here
            )
        ]

    def changes(self) -> list[dict[str, Any]]:
        """Return what each request changed, oldest first.

        `properties` holds property -> [old, new], old being null for a customer
        that was created.
        """
        return [
            {
                "request": request,
                "customer": customer,
                "kind": kind,
                "properties": msgspec.Raw(properties.encode()),
            }
            for request, customer, kind, properties in self._connection.execute(
                "SELECT request, customer, kind, properties FROM changes"
                " ORDER BY number"
            )
        ]

    def totals(self) -> Totals:
        """Return the totals, at a cost that does not grow with the requests."""
        (customers,) = self._connection.execute(
            "SELECT count(*) FROM customers"
        ).fetchone()
        sums = self._connection.execute(
            "SELECT created, updated, refused, requests FROM sums"
        ).fetchone()
        return Totals(customers, *sums)

    def counts(self) -> dict[str, Any]:
        """Return what the account holds and what has been done to it.

        `creates` and `updates` count customers, `refusals` the answers with a
        status of 400 or more.
        """
        totals = self.totals()
        (most_in_flight,) = self._connection.execute(
            "SELECT coalesce(max(in_flight), 0) FROM requests"
        ).fetchone()
        by_answer = self._connection.execute(
            "SELECT method || ' ' || route || ' '"
            " || coalesce(status, fault, 'unanswered') AS answer, count(*)"
            " FROM requests GROUP BY answer ORDER BY answer"
        ).fetchall()
        return {
            "customers": totals.customers,
            "creates": totals.creates,
            "updates": totals.updates,
            "refusals": totals.refusals,
            "requests": totals.requests,
            "requests_by_answer": dict(by_answer),
            "most_in_flight": most_in_flight,
        }

    def reset(self) -> None:
        """Forget all requests and changes; the numbers go on."""
        for table in ("requests", "refusals", "changes"):
            self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names from here
        self._connection.execute(
            "UPDATE sums SET requests = 0, created = 0, updated = 0, refused = 0"
        )


def _kept(refusal: Refusal, sent: Sequence[Any]) -> dict[str, Any]:
    """Return what the log keeps of a refusal: why, of whom, and the input at fault.

    `row` is the position of that input among those sent, where the refusal names it
    or there is one alone. Of a large request the first customers are kept.
    """
    named = _ROW.search(refusal.path)
    row = int(named[1]) if named else 0 if len(sent) == 1 else None
    at_fault = sent[row] if row is not None and row < len(sent) else None
    return {
        **refusal.body(),
        "customers": [
            [one.get(name) if isinstance(one, dict) else None for name in _WHO]
            for one in sent[:_MOST_KEPT]
        ],
        "more": max(len(sent) - _MOST_KEPT, 0),
        "row": row,
        "input": at_fault
        if len(values.encode(at_fault)) <= _LARGEST_KEPT_BYTES
        else None,
    }
