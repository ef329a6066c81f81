"""Rows and batches: what travels from the reader to a worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_upwell.resource import ENVELOPE

if TYPE_CHECKING:
    from collections.abc import Hashable

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
        record: The record as the tap sent it.
        name: How to name it to a person, by its key in the source.
        key: Its source key; if it is invalid, as far as known.
        input: What it became; None when it is invalid.
        body: The input encoded as a new one; empty when it is invalid.
        invalid: Why it can't be loaded, or None.
        size: Bytes that it adds to its batch: those of its body, or of the record that
            has to be kept because it is rejected.
    """

    source: Source
    record: Any
    name: str
    key: SourceKey | None = None
    input: dict[str, Any] | None = None
    body: bytes = b""
    invalid: str | None = None
    size: int = 0

    def __post_init__(self) -> None:
        """Measure it by its body, where nothing else is said."""
        self.size = self.size or len(self.body)


@dataclass(slots=True)
class Batch:
    """Rows that are loaded together.

    Attributes:
        resource: The name of the resource that they belong to.
        sequence: Its place among the batches of the run.
        opened_at: When its first row came, in seconds of the run's clock.
        keys: What nobody else may touch meanwhile.
        size: Bytes of its body, or more.
    """

    resource: str
    sequence: int
    opened_at: float
    rows: list[Row] = field(default_factory=list)
    keys: set[Hashable] = field(default_factory=set)
    size: int = ENVELOPE_BYTES

    def has_room(self, row: Row, most_bytes: int) -> bool:
        """Return whether a row fits; the first one always does."""
        return not self.rows or self.size + row.size + 1 <= most_bytes

    def add(self, row: Row) -> None:
        """Add one more row, and its key to those that the batch holds."""
        self.rows.append(row)
        self.size += row.size + 1
        if row.key:
            self.keys.add(held_key(self.resource, row.key))


def held_key(resource: str, key: SourceKey) -> Hashable:
    """Return what stands for a source key where several resources are loaded."""
    return resource, *key
