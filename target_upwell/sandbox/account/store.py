"""The account: customers and their related rows, in SQLite.

One connection, used from one thread; a transaction is a request. What a customer
looks like in a reply is decided in `customer.py`, who asked and when in
`journal.py`.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec

from target_upwell.sandbox.account import values
from target_upwell.sandbox.account.customer import as_given, group
from target_upwell.sandbox.account.refusal import At, Refusal
from target_upwell.sandbox.account.schema import CUSTOMER_COLUMNS, KEPT_COLUMNS
from target_upwell.sandbox.account.search import like
from target_upwell.sandbox.account.tables import (
    BILL_TO_KEY,
    PAIR_CHECK,
    PAIR_KEY,
    TABLES,
)
from target_upwell.sandbox.account.words import folded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_upwell.sandbox.account.customer import Related, Stored
    from target_upwell.sandbox.account.validation import Row

_COLUMNS = (*KEPT_COLUMNS.values(), *CUSTOMER_COLUMNS.values())
_SELECTED = ", ".join(
    ("number", *(column.column for column in _COLUMNS), "times_updated")
)
_INSERT = (
    f"INSERT INTO customers ({_SELECTED}, changed_at, found_by)"  # noqa: S608 - names from the schema
    f" VALUES ({', '.join('?' * (len(_COLUMNS) + 4))})"
)


def new_id(prefix: str) -> str:
    """Return a new opaque id, such as `cus_18caf3b0e4d2a91c7f0c2d8c`."""
    # The clock in front: ids in rising order keep the index cheap.
    return f"{prefix}_{time.time_ns():016x}{secrets.token_hex(4)}"


class Store:
    """An account's customers.

    Args:
        database: The file, or `:memory:`.
    """

    def __init__(self, database: str = ":memory:") -> None:
        # The server may run in another thread than the one that made the store,
        # but never in two at once.
        if database != ":memory:":
            _make_private(database)
        self.connection = sqlite3.connect(
            database, isolation_level=None, check_same_thread=False
        )
        self.connection.execute("PRAGMA foreign_keys = ON")
        if database == ":memory:":
            self.connection.execute("PRAGMA synchronous = OFF")
        else:
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = NORMAL")
            # KiB when negative; the default of 2 MB is too small for 100,000 rows.
            self.connection.execute("PRAGMA cache_size = -65536")
        self.connection.create_function("api_like", 3, like, deterministic=True)
        self.connection.executescript(TABLES)

    def close(self) -> None:
        """Close the database."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Store everything within the block, or nothing."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def insert(self, rows: Sequence[Row], request: int) -> list[Stored]:
        """Insert customers without relations, in one statement.

        Args:
            rows: The checked inputs.
            request: The number of the request, for the history.

        Returns:
            The customers as they are stored, in the order of the rows.

        Raises:
            Refusal: What the database refuses, without a path.
        """
        moment = values.now()
        stored = [
            _to_stored(number, moment, row)
            for number, row in enumerate(rows, self._last_number() + 1)
        ]
        with _refusals():
            self.connection.executemany(_INSERT, map(_for_insert, stored))
        self._remember_created(rows, stored, request)
        return stored

    def insert_with_relations(
        self, rows: Sequence[Row], request: int
    ) -> tuple[list[Stored], Related]:
        """Insert customers one at a time, each followed by its related rows.

        Returns:
            The customers as they are stored, and their related rows.

        Raises:
            Refusal: What the database refuses, its path beginning with the row's
                index.
        """
        stored: list[Stored] = []
        related: list[tuple[int, str, str, str]] = []
        moment, last = values.now(), self._last_number()
        for index, row in enumerate(rows):
            with At(f"[{index}]"):
                one = _to_stored(last + 1 + index, moment, row)
                with _refusals():
                    self.connection.execute(_INSERT, _for_insert(one))
                for relation, children in row.relations.items():
                    with At(f".{relation}.data"):
                        related += [
                            (one[0], relation, new_id("rel"), values.to_stored_json(c))
                            for c in children
                        ]
            stored.append(one)
        self.connection.executemany(
            "INSERT INTO related (customer, relation, id, row) VALUES (?, ?, ?, ?)",
            related,
        )
        self._remember_created(rows, stored, request)
        return stored, group(related)

    def find(self, where: str, parameters: Sequence[Any]) -> list[Stored]:
        """Return the customers that match the SQL condition (and what follows it)."""
        return self.connection.execute(
            f"SELECT {_SELECTED} FROM customers WHERE {where}",  # noqa: S608 - built here
            parameters,
        ).fetchall()

    def related(self, customers: Sequence[Stored], *relations: str) -> Related:
        """Return the related rows of customers.

        Args:
            customers: The customers.
            relations: The relations to return; none for all of them.
        """
        if not customers:
            return {}
        wanted = f" AND relation IN ({', '.join('?' * len(relations))})"
        return group(
            self.connection.execute(
                "SELECT customer, relation, id, row FROM related"  # noqa: S608 - marks only
                " WHERE customer IN (SELECT value FROM json_each(?))"
                f"{wanted if relations else ''} ORDER BY number",
                (values.encode([customer[0] for customer in customers]), *relations),
            )
        )

    def update(self, customer: Stored, changes: dict[str, Any]) -> dict[str, Any]:
        """Set columns of one customer.

        Args:
            customer: The customer as it is stored.
            changes: Checked values by property name; at least one.

        Returns:
            What has become different: property -> [old, new].

        Raises:
            Refusal: What the database refuses, without a path.
        """
        columns = [CUSTOMER_COLUMNS[name] for name in changes]
        stored = [values.to_stored(column, changes[column.name]) for column in columns]
        assignments = ", ".join(f"{column.column} = ?" for column in columns)
        after = list(customer)
        for column, value in zip(columns, stored, strict=True):
            after[POSITIONS[column.name]] = value
        with _refusals():
            self.connection.execute(
                f"UPDATE customers SET {assignments}, updated_at = ?, found_by = ?"  # noqa: S608 - names from the schema
                " WHERE number = ?",
                (*stored, values.now(), _found_by(after), customer[0]),
            )
        before = as_given(customer)
        return {
            column.name: [before[column.name], changes[column.name]]
            for column, value in zip(columns, stored, strict=True)
            if value != customer[POSITIONS[column.name]]
        }

    def update_rules(
        self, customer: Stored, changes: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        """Set columns of a customer's rule.

        Returns:
            How many rules were touched, and what has become different.
        """
        rules = self.related([customer], "customerRule").get(customer[0], {})
        different: dict[str, Any] = {}
        count = 0
        for rule_id, rule in rules.get("customerRule", ()):
            count += 1
            changed = {**rule, **changes}
            if changed != rule:
                different["customerRule"] = [rule, changed]
            self.connection.execute(
                "UPDATE related SET row = ? WHERE id = ?",
                (values.to_stored_json(changed), rule_id),
            )
        return count, different

    def count_rules(self, customer: Stored) -> int:
        """Return how many rules a customer has."""
        rules = self.related([customer], "customerRule").get(customer[0], {})
        return len(rules.get("customerRule", ()))

    def remember_update(
        self, customer: Stored, different: dict[str, Any], request: int
    ) -> None:
        """Add an update to the history of a customer."""
        self.connection.execute(
            "UPDATE customers SET times_updated = times_updated + 1, changed_at = ?"
            " WHERE number = ?",
            (values.now(), customer[0]),
        )
        self.connection.execute(
            "INSERT INTO changes (request, customer, kind, properties)"
            " VALUES (?, ?, 'updated', ?)",
            (request, customer[1], values.encode(different)),
        )

    def clear(self) -> None:
        """Empty the account; the log of requests stays."""
        self.connection.execute("PRAGMA foreign_keys = OFF")
        with self.transaction():
            for table in ("customers", "related", "changes"):
                self.connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names from here
        self.connection.execute("PRAGMA foreign_keys = ON")

    def _last_number(self) -> int:
        (last,) = self.connection.execute(
            "SELECT coalesce(max(number), 0) FROM customers"
        ).fetchone()
        return int(last)

    def _remember_created(
        self, rows: Sequence[Row], stored: Sequence[Stored], request: int
    ) -> None:
        encode = msgspec.json.encode
        self.connection.executemany(
            "INSERT INTO changes (request, customer, kind, properties)"
            " VALUES (?, ?, 'created', ?)",
            [
                (
                    request,
                    customer[1],
                    encode(
                        {
                            name: (None, value)
                            for name, value in (row.columns | row.relations).items()
                        }
                    ).decode(),
                )
                for row, customer in zip(rows, stored, strict=True)
            ],
        )


def _make_private(database: str) -> None:
    """Create the file for its owner alone; it holds customers."""
    with suppress(FileExistsError):
        os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _to_stored(number: int, moment: str, row: Row) -> Stored:
    """Return a new customer's row of the table."""
    columns, to_stored = row.columns, values.to_stored
    return (
        number,
        new_id("cus"),
        moment,
        moment,
        0,
        0,
        0,
        *[
            to_stored(column, columns[name]) if name in columns else None
            for name, column in CUSTOMER_COLUMNS.items()
        ],
        0,
    )


POSITIONS = {column.name: place for place, column in enumerate(_COLUMNS, 1)}


def _found_by(customer: Sequence[Any]) -> str:
    """Return the text that the page's search looks for words in."""
    name, source_id = customer[POSITIONS["name"]], customer[POSITIONS["sourceSystemId"]]
    # Without a name the database refuses the customer for that very reason.
    return "" if name is None else folded(f"{name}\n{source_id or ''}")


def _for_insert(customer: Stored) -> Stored:
    created_at = customer[POSITIONS["createdAt"]]
    return (*customer, created_at, _found_by(customer))


@contextmanager
def _refusals() -> Iterator[None]:
    """Raise what SQLite refuses in PostgreSQL's words, as the API passes them on.

    The extended error codes come with Python 3.11 only, so SQLite's messages tell
    the constraints apart.
    """
    try:
        yield
    except sqlite3.IntegrityError as error:
        message = str(error)
        if message.startswith("UNIQUE"):
            raise Refusal(
                "Uniqueness violation. duplicate key value violates unique"
                f' constraint "{PAIR_KEY}"',
                "constraint-violation",
            ) from None
        if message.startswith("NOT NULL"):
            _, _, column = message.rpartition(".")
            raise Refusal(
                f'Not-NULL violation. null value in column "{column}"'
                ' of relation "customers" violates not-null constraint',
                "constraint-violation",
            ) from None
        if message.startswith("FOREIGN KEY"):
            raise Refusal(
                'Foreign key violation. insert or update on table "customers"'
                f' violates foreign key constraint "{BILL_TO_KEY}"',
                "constraint-violation",
            ) from None
        if message.startswith("CHECK"):
            raise Refusal(
                'Check constraint violation. new row for relation "customers"'
                f' violates check constraint "{PAIR_CHECK}"',
                "permission-error",
            ) from None
        raise
