"""Harm that is not an error: how much of an account one run may change or empty.

Pure arithmetic. What is planned counts before it is written, so that nothing ever goes
over a guard, whatever the order of batches. Until enough records are looked up to
judge by, what is guarded waits: a run that stops has then written none of it, and runs
that are repeated every hour don't do the harm in small pieces.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_upwell.resource import Resource
    from target_upwell.upsert.plan import Change

FEWEST_LOOKED_UP = 100
"""Existing records that a run has looked up before it is judged, if it has as many."""

FEWEST_CONCERNED = 20
"""Records concerned before a guard stops a run."""

_ALL_PERCENT = 100


class Verdict(NamedTuple):
    """What the guards say to a plan.

    Attributes:
        stop: Why the run must stop, naming the property, the counts and the setting;
            None if it may go on.
        wait: Whether it is too early to judge: what is guarded must wait.
    """

    stop: str | None
    wait: bool


class Guards:
    """What a run has planned for existing records; threads share it."""

    def __init__(
        self, resource: Resource, max_updated_percent: int, max_cleared_percent: int
    ) -> None:
        """Guard an account.

        Args:
            resource: What is loaded.
            max_updated_percent: Of the records looked up, how many may change.
            max_cleared_percent: Likewise for each property, how many may lose it.
        """
        self._those = f"existing {resource.name} that it has looked up"
        self._max_updated = max_updated_percent
        self._max_cleared = max_cleared_percent
        self._lock = threading.Lock()
        self._looked_up = 0
        self._updated = 0
        self._cleared: Counter[str] = Counter()
        self._stop: str | None = None

    def admit(self, looked_up: int, updated: Iterable[Iterable[str]]) -> Verdict:
        """Take a plan into account, before any of it is written.

        Args:
            looked_up: Existing records that it is about.
            updated: For each record that it changes, the properties that it empties.
        """
        with self._lock:
            self._looked_up += looked_up
            for cleared in updated:
                self._updated += 1
                self._cleared.update(set(cleared))
            if self._looked_up < FEWEST_LOOKED_UP:
                return Verdict(self._stop, wait=True)
            self._stop = self._stop or self._too_many_updated() or self._too_many_lose()
            return Verdict(self._stop, wait=False)

    def judge(self) -> str | None:
        """Return why the run must stop at its end, or None, before what waits goes out.

        With few records looked up the share of updates means nothing: a run of an
        incremental tap consists of what has changed. What is emptied stays worth a
        person's look.
        """
        with self._lock:
            self._stop = self._stop or self._too_many_lose()
            return self._stop

    def concern(self, change: Change) -> bool:
        """Return whether a change is guarded, and so has to wait for a verdict."""
        return bool(
            change
            and (
                self._max_updated < _ALL_PERCENT
                or (self._max_cleared < _ALL_PERCENT and change.cleared())
            )
        )

    def _too_many_updated(self) -> str | None:
        if not self._is_over(self._updated, self._max_updated):
            return None
        return (
            f"this run would change {self._updated} of the {self._looked_up} "
            f"{self._those}, more than {self._max_updated}%: check the source, or "
            "raise max_updated_percent"
        )

    def _too_many_lose(self) -> str | None:
        for name, count in self._cleared.most_common(1):
            if self._is_over(count, self._max_cleared):
                return (
                    f"{name}: this run would empty it for {count} of the "
                    f"{self._looked_up} {self._those}, more than {self._max_cleared}%: "
                    "check the source, or raise max_cleared_percent"
                )
        return None

    def _is_over(self, concerned: int, percent: int) -> bool:
        return (
            concerned >= FEWEST_CONCERNED
            and concerned * _ALL_PERCENT > percent * self._looked_up
        )
