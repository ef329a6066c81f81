"""Harm that is not an error: how much of an account one run may change or empty.

Pure arithmetic. What is planned counts before it is written, so that nothing ever goes
over a guard, whatever the order of batches.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_upwell.resource import Resource

FEWEST_LOOKED_UP = 100
"""Existing records that a run has looked up before a percentage means anything."""

FEWEST_CONCERNED = 20
"""Records concerned before a guard stops a run."""


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

    def admit(self, looked_up: int, updated: Iterable[Iterable[str]]) -> str | None:
        """Take a plan into account, before any of it is written.

        Args:
            looked_up: Existing records that it is about.
            updated: For each record that it changes, the properties that it empties.

        Returns:
            Why the run must stop, naming the property, the counts and the setting; None
            if it may go on.
        """
        with self._lock:
            self._looked_up += looked_up
            for cleared in updated:
                self._updated += 1
                self._cleared.update(set(cleared))
            if self._is_over(self._updated, self._max_updated):
                return (
                    f"this run would change {self._updated} of the "
                    f"{self._looked_up} {self._those}, more than {self._max_updated}%: "
                    "check the source, or raise max_updated_percent"
                )
            for name, count in self._cleared.most_common():
                if self._is_over(count, self._max_cleared):
                    return (
                        f"{name}: this run would empty it for {count} of the "
                        f"{self._looked_up} {self._those}, more than "
                        f"{self._max_cleared}%: check the source, or raise "
                        "max_cleared_percent"
                    )
            return None

    def _is_over(self, concerned: int, percent: int) -> bool:
        return (
            self._looked_up >= FEWEST_LOOKED_UP
            and concerned >= FEWEST_CONCERNED
            and concerned * 100 > percent * self._looked_up
        )
