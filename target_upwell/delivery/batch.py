"""Rows and batches: what travels from the reader to a worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_upwell import json_codec
from target_upwell.customers.schema import as_new
from target_upwell.resource import ENVELOPE

if TYPE_CHECKING:
    from target_upwell.resource import SourceKey

ENVELOPE_BYTES = sum(map(len, ENVELOPE))


@dataclass(frozen=True)
class Source:
    """Where records come from: a stream, with its SCHEMA message as the tap sent it."""

    stream: str
    schema_message: dict[str, Any]


@dataclass(slots=True)
class Row:
    """One record on its way.

    Attributes:
        source: The stream that it came from.
        record: The record as the tap sent it.
        name: How to name it to a person, by its key in the source.
        key: Its source key; if it is invalid, as far as known.
        input: The customer input that it became; none when it is invalid.
        body: The input encoded as a new customer; empty when it is invalid.
        invalid: Why it can't be loaded, or none.
    """

    source: Source
    record: Any
    name: str
    key: SourceKey | None
    input: dict[str, Any] | None
    body: bytes
    invalid: str | None


@dataclass(slots=True)
class Batch:
    """Rows that are loaded together."""

    sequence: int
    opened_at: float
    rows: list[Row] = field(default_factory=list)
    keys: set[SourceKey] = field(default_factory=set)
    size: int = ENVELOPE_BYTES

    def add(self, row: Row) -> None:
        """Take one more row."""
        self.rows.append(row)
        self.size += len(row.body) + 1
        if row.key:
            self.keys.add(row.key)


def named(stream: str, key: str) -> str:
    """Name a record to a person, in one line."""
    return f"{stream} {key if key.isprintable() else ascii(key)}"


def body_of(customer_input: dict[str, Any]) -> bytes:
    """Encode an input as a new customer."""
    return json_codec.encode(as_new(customer_input))
