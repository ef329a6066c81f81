"""What became of the records of a batch, as plain data.

Loading a batch returns it; the scheduler hands it on to be recorded. Nothing here does
anything, so that what happened can be compared in tests as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from target_upwell.printable import one_id, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_upwell.delivery.batch import Row
    from target_upwell.exceptions import Refusal
    from target_upwell.resource import SourceKey


class Outcome(str, Enum):
    """What can become of a record."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    REJECTED = "rejected"


NO_CHANGES: Mapping[str, tuple[Any, Any]] = MappingProxyType({})


class Counted(NamedTuple):
    """One source key of a batch, and what became of it; rejects are counted apart.

    Attributes:
        records: How many records it was made of.
        id: Upwell's id, where an answer showed it.
        changes: For an update, each property that changed with its value before and
            after; before is None where Upwell does not show it.
    """

    key: SourceKey
    outcome: Outcome
    records: int
    id: str | None = None
    changes: Mapping[str, tuple[Any, Any]] = NO_CHANGES


@dataclass(frozen=True, slots=True)
class Reject:
    """One record that can't be loaded, and why, for a person.

    It is invalid, as found out here before sending, or refused by Upwell, with the
    HTTP status and the code of the refusal.
    """

    row: Row
    kind: Literal["invalid", "refused"]
    reason: str
    status: int | None = None
    code: str | None = None

    @classmethod
    def invalid(cls, row: Row, reason: str) -> Reject:
        """Reject a record that this program finds fault with."""
        return cls(row, "invalid", reason)

    @classmethod
    def refused(cls, row: Row, refusal: Refusal) -> Reject:
        """Reject a record that Upwell turned down."""
        return cls(row, "refused", str(refusal), refusal.status, refusal.code)

    def __str__(self) -> str:
        """Return the name of the record and the reason, and nothing else of it."""
        return f"{one_id(self.row.name)}: {one_line(self.reason)}"


def in_order(rejects: Iterable[Reject], rows: Sequence[Row]) -> list[Reject]:
    """Return the rejects of a batch in the order of its rows, one for each."""
    by_row = {id(reject.row): reject for reject in rejects}
    return [by_row[id(row)] for row in rows if id(row) in by_row]


DriftKind = Literal["relation", "column", "parent", "policy", "missing"]


@dataclass(frozen=True, slots=True)
class DriftEntry:
    """A property in which Upwell keeps differing from the source, with both values.

    Attributes:
        kind: A relation or a column that can't be updated, a parent that never came, a
            difference that a field policy withholds, or a record that left the source.
        why: More about it, for the warning; "" if the kind says it all.
    """

    key: SourceKey
    property: str
    upwell: Any
    source: Any
    kind: DriftKind = "relation"
    why: str = ""


@dataclass(slots=True)
class Outcomes:
    """What became of a batch.

    Attributes:
        counted: Its source keys, as far as they were not rejected.
        rejects: In the order of the stream.
        never_shown: Relations of existing records that Upwell never shows, so that
            nobody can tell whether they differ.
        links: Links that were set after their record was loaded.
        deleted: Records that were marked as deleted, since the source lost them.
    """

    counted: list[Counted] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    drift: list[DriftEntry] = field(default_factory=list)
    never_shown: set[str] = field(default_factory=set)
    links: int = 0
    deleted: int = 0
