"""What the scheduler works with: tasks, what comes of them, and who does the work."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from target_upwell.delivery.outcomes import Outcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from collections.abc import Set as AbstractSet

    from target_upwell.delivery.outcomes import Reject


@dataclass(slots=True)
class Loaded:
    """What came of a task.

    Attributes:
        sequence: The batch that it loaded, if it did.
        outcomes: What became of its records.
        due: Tasks that can be done now.
        holds: By batch, how many holds are put on it, or taken off: one for each link
            that is still to be set, and for each record that is loaded later.
        failure: Why it was not done to its end; the run ends then.
    """

    sequence: int | None = None
    outcomes: Outcomes = field(default_factory=Outcomes)
    due: list[Task] = field(default_factory=list)
    holds: Counter[int] = field(default_factory=Counter)
    failure: Exception | None = None


class Task(NamedTuple):
    """Something to do, and the keys that nobody else may touch meanwhile."""

    run: Callable[[], Loaded]
    keys: AbstractSet[Hashable] = frozenset()


class Recorder(Protocol):
    """Keeps what came of tasks; threads share it."""

    def record(self, outcomes: Outcomes) -> None:
        """Take what became of records, but for rejects, as soon as it is known."""

    def reject(self, rejects: Sequence[Reject]) -> None:
        """Take the rejects of one batch, in the order of the stream."""

    def sync(self) -> None:
        """Wait until all that was recorded is on the disk."""

    @property
    def only_rejects(self) -> int:
        """How many records were rejected, if nothing else has come up to now."""


class Signals(Protocol):
    """What ends waits from outside."""

    def __bool__(self) -> bool:
        """Whether a signal came."""

    @property
    def remaining(self) -> float:
        """Seconds that what is under way may still take; no end before a signal."""

    def wake(self) -> None:
        """End the reader's wait for input."""
