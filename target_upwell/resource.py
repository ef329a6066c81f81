"""What the rest of the program needs to know of one Upwell resource, as plain data.

`api/`, `delivery/`, `reporting/` and what is general in `upsert/` take a resource and
spell none of its words. Customers are described in `customers/schema.py`; a second
resource is a second such folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVELOPE = b'{"inputs":[', b"]}"
"""What stands before and after the inputs in the body of a bulk request (SEEN)."""

SourceKey = tuple[str, str]
"""`(source system, id in it)`: identifies a record of a resource in Upwell."""


@dataclass(frozen=True)
class Endpoint:
    """One operation: where it is, and under which key its reply holds the result."""

    method: str
    path: str
    reply: str

    def __str__(self) -> str:
        """Name it in messages and metrics."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class RelatedRow:
    """A row beside a record whose columns the record's update sets too.

    Attributes:
        property: The property of a record that holds it.
        input: The key of the request for its columns.
        reply: The key of the reply that counts such rows.
    """

    property: str
    input: str
    reply: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class UpdateEndpoint:
    """The update of one record by its source key.

    Attributes:
        input: The key of the request for the record's columns.
        columns: The columns that are documented, those of the source key included.
        free_columns: Columns that take any JSON value.
        related: The row beside it that the update sets too, if it has one.
    """

    endpoint: Endpoint
    input: str
    columns: tuple[str, ...]
    free_columns: frozenset[str] = frozenset()
    related: RelatedRow | None = None


@dataclass(frozen=True)
class Resource:
    """One Upwell resource.

    Attributes:
        name: Its name, and that of its streams; in the plural.
        singular: What one record of it is called.
        key: The properties that make the source key: the system, and the id in it.
        properties: All that an input of a bulk insert may hold.
        deleted: The column that marks a record as deleted.
        record: The type of a record as replies show it, a `TypedDict` that has an id
            and the properties of the source key at least.
        caseless: Properties in which case says nothing.
        hints: What to do about a reject, by how its reason ends; `{value}` stands for
            the value that the reason quotes.
    """

    name: str
    singular: str
    key: tuple[str, str]
    properties: frozenset[str]
    bulk: Endpoint
    search: Endpoint
    update: UpdateEndpoint
    deleted: str
    record: type[Any]
    caseless: frozenset[str] = frozenset()
    hints: Mapping[str, str] = field(default_factory=dict, hash=False)

    def key_of(self, record: Mapping[str, Any]) -> SourceKey:
        """Return the source key of a record as the API words it."""
        return record[self.key[0]], record[self.key[1]]
