"""What is planned for the records of a batch, as plain data of any resource.

`diff.py` makes it, and inserts and updates act on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_upwell.upsert.equality import is_empty

if TYPE_CHECKING:
    from target_upwell.delivery.batch import Row
    from target_upwell.delivery.outcomes import DriftEntry
    from target_upwell.exceptions import Refusal
    from target_upwell.resource import SourceKey


@dataclass(slots=True)
class Entry:
    """One source key of a batch: its rows, overlaid in the order in which they came.

    The rows share its outcome; the body is the input encoded as a new record.

    Attributes:
        sequence: The batch in which the last of them came.
        held: The record as Upwell shows it, if it does.
        hidden: Why it must exist all the same; the words of Upwell.
        is_unclear: It turned up after an ambiguous outcome.
        change: What an update has to change, once that is planned.
        planned: The input as it was at that time.
        holds: The batches that it holds back if it is put off, once each.
    """

    key: SourceKey
    input: dict[str, Any]
    body: bytes
    rows: list[Row]
    sequence: int = 0
    held: dict[str, Any] | None = None
    hidden: Refusal | None = None
    is_unclear: bool = False
    change: Change | None = None
    planned: dict[str, Any] | None = None
    holds: tuple[int, ...] = ()


@dataclass(slots=True)
class Change:
    """What an update has to change, and what it can't or must not.

    Attributes:
        columns: Columns to set, by property, with their values before and after; before
            is None where Upwell does not show it. One of the related row is named after
            the property that holds the row, as in `customerRule.dueOption`.
        along: Those of them that are sent only along with another.
        left: Differences in relations, which can't be changed, and those that a field
            policy keeps from being sent, as drift.
        never_shown: Relations that Upwell never shows, so nobody knows whether they
            differ.
    """

    columns: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    along: frozenset[str] = frozenset()
    left: list[DriftEntry] = field(default_factory=list)
    never_shown: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Return whether there is anything to send."""
        return bool(self.columns)

    def cleared(self) -> list[str]:
        """Return the properties that hold something in Upwell and will hold nothing."""
        return [
            name
            for name, (before, after) in self.columns.items()
            if is_empty(after) and not is_empty(before)
        ]
