"""The log of requests: what came in, how it was answered, what it changed.

Rows are written when a request has been answered, just before the answer leaves,
so that whoever has the answer finds the row.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from target_upwell.sandbox.account import values

if TYPE_CHECKING:
    from target_upwell.sandbox.account.store import Store

_COLUMNS = (
    "number, at, method, path, route, rows, status, milliseconds, fault, in_flight,"
    " created, updated, source_system_ids"
)


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
        created: How many customers it created.
        updated: How many customers it updated.
        status: The status of the answer; None when there was none.
        fault: The fault that befell it, if any.
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


@dataclass(frozen=True)
class Totals:
    """What the account holds and what was done to it.

    Attributes:
        customers: How many customers it holds.
        creates: How many customers were created.
        updates: How many times a customer was updated.
        refusals: How many answers had a status of 400 or more.
        requests: How many requests there were.
        busy_seconds: In how many seconds any came in.
        busiest_second: How many came in in the second with the most of them.
    """

    customers: int
    creates: int
    updates: int
    refusals: int
    requests: int
    busy_seconds: int
    busiest_second: int

    @property
    def requests_a_second(self) -> float:
        """Requests a second, over the seconds in which any came in."""
        return self.requests / max(self.busy_seconds, 1)


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

    def requests(self) -> list[dict[str, Any]]:
        """All requests that were answered, in the order they came in."""
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
        """What each request changed, oldest first.

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
        """Sum up, at a cost that does not grow with the number of requests."""
        (customers,) = self._connection.execute(
            "SELECT count(*) FROM customers"
        ).fetchone()
        sums = self._connection.execute(
            "SELECT coalesce(sum(created), 0), coalesce(sum(updated), 0),"
            " coalesce(sum(refused), 0), coalesce(sum(requests), 0), count(*),"
            " coalesce(max(requests), 0) FROM seconds"
        ).fetchone()
        return Totals(customers, *sums)

    def counts(self) -> dict[str, Any]:
        """What the account holds and what has been done to it.

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
        self._connection.execute("DELETE FROM requests")
        self._connection.execute("DELETE FROM seconds")
        self._connection.execute("DELETE FROM changes")
