"""What the sandbox's page shows, read from the account a page at a time.

Every list comes in the order of an index, so that a page costs the same in a large
account. It knows nothing of HTML.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_upwell.sandbox.account.customer import decode, full
from target_upwell.sandbox.account.values import encode
from target_upwell.sandbox.account.words import folded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_upwell.sandbox.account.store import Store

PAGE_ROWS = 50
_MOST_WORDS = 8
_CUSTOMERS = (
    "SELECT id, name, source_system AS sourceSystem,"
    " source_system_id AS sourceSystemId, email_address AS emailAddress,"
    " times_updated AS timesUpdated, changed_at AS changedAt FROM customers"
    "{where} ORDER BY changed_at DESC, number DESC LIMIT ? OFFSET ?"
)
_REQUESTS = (
    "SELECT number, at, method, path, rows, status, milliseconds, fault,"
    " created, updated, json_extract(content, '$.error') AS refusal"
    " FROM requests LEFT JOIN refusals ON refusals.request = requests.number"
    "{where} ORDER BY number DESC LIMIT ? OFFSET ?"
)
_CHANGES = (
    "SELECT changes.number, changes.kind, changes.properties, changes.request,"
    " requests.at, requests.method, requests.path, requests.rows, requests.status,"
    " requests.milliseconds, requests.fault,"
    " customers.id, customers.name, customers.source_system_id AS sourceSystemId"
    " FROM changes LEFT JOIN requests ON requests.number = changes.request"
    " LEFT JOIN customers ON customers.id = changes.customer"
    "{where} ORDER BY changes.number DESC LIMIT ? OFFSET ?"
)
Record = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """Some rows of a list.

    Attributes:
        rows: The rows.
        total: How many rows the list has.
        number: Which page it is, from 1.
    """

    rows: list[Record]
    total: int
    number: int

    @property
    def last(self) -> int:
        """Return the number of the last page; 1 for an empty list."""
        return max(-(-self.total // PAGE_ROWS), 1)

    @property
    def first_row(self) -> int:
        """Return the place of the first row in the list, from 1."""
        return (self.number - 1) * PAGE_ROWS + 1

    @property
    def last_row(self) -> int:
        """Return the place of the last row in the list."""
        return self.first_row + len(self.rows) - 1


class Catalog:
    """The lists of one account."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def customers(self, sought: str, page: int) -> Page:
        """Return customers, the last changed first.

        Args:
            sought: Words that are all in the name or the source id, in any case.
            page: Which page; one beyond the end stands for the last.
        """
        words = folded(sought).split()[:_MOST_WORDS]
        where = " AND ".join(["instr(found_by, ?) > 0"] * len(words))
        return self._page("customers", _CUSTOMERS, where, words, page)

    def customer(self, customer_id: str) -> Record | None:
        """Return all that is stored of a customer; None for an unknown id."""
        found = self._store.find("id = ?", [customer_id])
        if not found:
            return None
        return _plain(full(found[0], self._store.related(found)))

    def history(self, customer_id: str, page: int) -> Page:
        """Return what changed a customer, the last change first."""
        where = "changes.customer = ?"
        return self._changes(where, [customer_id], page)

    def requests(self, page: int, *, refused: bool) -> Page:
        """Return requests, the last first: all of them, or those that were refused."""
        where = "status >= 400" if refused else ""
        return self._page("requests", _REQUESTS, where, [], page)

    def request(self, number: int) -> Record | None:
        """Return a request; None for an unknown number."""
        found = self._rows(_REQUESTS, "number = ?", [number, 1, 0])
        return found[0] if found else None

    def refusal(self, number: int) -> Record | None:
        """Return why a request was refused and what was in it; None if it was not.

        `customers` holds a record each: `row` from 1, `name`, `sourceSystem`,
        `sourceSystemId`, `fault` for the one that the refusal names, and `id` if the
        account holds a customer of this source key.
        """
        found = self._store.connection.execute(
            "SELECT content FROM refusals WHERE request = ?", (number,)
        ).fetchone()
        if found is None:
            return None
        refusal: Record = decode(found[0])
        refusal["customers"] = [
            {
                "row": row + 1,
                "name": name,
                "sourceSystem": source_system,
                "sourceSystemId": source_id,
                "fault": row == refusal["row"],
                "id": self._id(source_system, source_id),
            }
            for row, (name, source_system, source_id) in enumerate(refusal["customers"])
        ]
        return refusal

    def _id(self, source_system: Any, source_id: Any) -> str | None:  # noqa: ANN401 - as it was sent
        if not isinstance(source_system, str) or not isinstance(source_id, str):
            return None
        found = self._store.connection.execute(
            "SELECT id FROM customers WHERE source_system = ? AND source_system_id = ?",
            (source_system, source_id),
        ).fetchone()
        return found[0] if found else None

    def effects(self, number: int, page: int) -> Page:
        """Return what a request changed, the last change first."""
        return self._changes("changes.request = ?", [number], page)

    def _changes(self, where: str, parameters: Sequence[Any], page: int) -> Page:
        changes = self._page("changes", _CHANGES, where, parameters, page)
        for change in changes.rows:
            properties = decode(change["properties"])
            if change["kind"] == "updated":
                properties = dict(_differences(properties))
            change["properties"] = properties
        return changes

    def _page(
        self,
        table: str,
        select: str,
        where: str,
        parameters: Sequence[Any],
        page: int,
    ) -> Page:
        condition = f" WHERE {where}" if where else ""
        (total,) = self._store.connection.execute(
            f"SELECT count(*) FROM {table}{condition}",  # noqa: S608 - names from here
            parameters,
        ).fetchone()
        last = Page([], total, 1).last
        number = min(max(page, 1), last)
        offset = (number - 1) * PAGE_ROWS
        rows = self._rows(select, where, [*parameters, PAGE_ROWS, offset])
        return Page(rows, total, number)

    def _rows(self, select: str, where: str, parameters: Sequence[Any]) -> list[Record]:
        cursor = self._store.connection.execute(
            select.format(where=f" WHERE {where}" if where else ""), parameters
        )
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def _differences(
    properties: Record, above: tuple[str, ...] = ()
) -> Iterator[tuple[str, list[Any]]]:
    """Yield what differs as name -> [old, new], objects member by member."""
    for name, (old, new) in properties.items():
        path = (*above, name)
        if isinstance(old, dict) and isinstance(new, dict):
            members = {
                member: [old.get(member), new.get(member)]
                for member in {**old, **new}
                if old.get(member) != new.get(member)
            }
            yield from _differences(members, path)
        else:
            yield ".".join(path), [old, new]


def _plain(value: Record) -> Record:
    """Return a record with the JSON text in it decoded."""
    plain: Record = decode(encode(value))
    return plain
