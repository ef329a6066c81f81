"""Harm that is not an error: how much of an account one run may change or empty.

Pure arithmetic. What is planned counts before it is written, so that nothing ever goes
over a guard, whatever the order of batches. Until enough records are looked up to
judge by, what is guarded waits: a run that stops has then written none of it, and runs
that are repeated every hour don't do the harm in small pieces.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from target_upwell.exceptions import GuardStop

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_upwell.resource import Resource
    from target_upwell.upsert.plan import Change

FEWEST_LOOKED_UP = 100
"""Existing records that a run has looked up before it is judged, if it has as many."""

FEWEST_CONCERNED = 20
"""Records concerned before a guard stops a run."""

_ALL_PERCENT = 100


class Guards:
    """What a run has planned for existing records; threads share it.

    Attributes:
        stop: Why the run must stop, naming the property, the counts and the setting.
    """

    def __init__(
        self, resource: Resource, max_updated_percent: int, max_cleared_percent: int
    ) -> None:
        self._those = f"existing {resource.name} that it has looked up"
        self._max_updated = max_updated_percent
        self._max_cleared = max_cleared_percent
        self._lock = threading.Lock()
        self._looked_up = 0
        self._updated = 0
        self._cleared: Counter[str] = Counter()
        self.stop = ""

    def admit(self, looked_up: int, updated: Iterable[Iterable[str]]) -> bool:
        """Take a plan into account, before any of it is written.

        Args:
            looked_up: Existing records that it is about.
            updated: For each record that it changes, the properties that it empties.

        Returns:
            Whether it is too early to judge: what is guarded must wait.

        Raises:
            GuardStop: If the run must stop.
        """
        with self._lock:
            self._looked_up += looked_up
            for cleared in updated:
                self._updated += 1
                self._cleared.update(set(cleared))
            if self._looked_up < FEWEST_LOOKED_UP:
                return True
            self._stop_if(self._too_many_updated() or self._too_many_lose())
            return False

    def judge(self) -> None:
        """Judge a run at its end, before what waits goes out.

        With few records looked up the share of updates means nothing: a run of an
        incremental tap consists of what has changed. What is emptied stays worth a
        person's look.

        Raises:
            GuardStop: If the run must stop.
        """
        with self._lock:
            self._stop_if(self._too_many_lose())

    def concern(self, change: Change) -> bool:
        """Return whether a change is guarded, and so has to wait for a verdict."""
        return bool(change) and (
            self._max_updated < _ALL_PERCENT
            or (self._max_cleared < _ALL_PERCENT and bool(change.cleared()))
        )

    def _stop_if(self, why: str) -> None:
        self.stop = self.stop or why
        if self.stop:
            raise GuardStop(self.stop)

    def _too_many_updated(self) -> str:
        if not self._is_over(self._updated, self._max_updated):
            return ""
        return (
            f"this run would change {self._updated} of the {self._looked_up} "
            f"{self._those}, more than {self._max_updated}%: check the source, or "
            "raise max_updated_percent"
        )

    def _too_many_lose(self) -> str:
        for name, count in self._cleared.most_common(1):
            if self._is_over(count, self._max_cleared):
                return (
                    f"{name}: this run would empty it for {count} of the "
                    f"{self._looked_up} {self._those}, more than {self._max_cleared}%: "
                    "check the source, or raise max_cleared_percent"
                )
        return ""

    def _is_over(self, concerned: int, percent: int) -> bool:
        return (
            concerned >= FEWEST_CONCERNED
            and concerned * _ALL_PERCENT > percent * self._looked_up
        )
