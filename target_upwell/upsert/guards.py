"""Harm that is not an error: how much of an account one run may change or empty.

Pure arithmetic. What is planned counts before it is written, whatever the order of
batches. Until enough records are looked up to judge by, what is guarded waits: runs
that are repeated every hour don't do the harm in small pieces.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from target_upwell.exceptions import GuardStop
from target_upwell.printable import one_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_upwell.resource import Resource
    from target_upwell.upsert.plan import Change

FEWEST_LOOKED_UP = 100
"""Existing records that a run has looked up before it is judged, if it has as many."""

FEWEST_CONCERNED = 20
"""Records concerned before a guard stops a run."""

_ALL_PERCENT = 100
_NAMED = 5
_UPDATED = ""
"""Stands among the names of emptied properties for all changes."""


class Guards:
    """What a run has planned for existing records; threads share it.

    A dry run never has to wait or stop, so that it sees the whole input.

    Attributes:
        stop: Why the run must stop: the property, the counts, the first few source ids
            and the setting.
    """

    def __init__(
        self,
        resource: Resource,
        max_updated_percent: int,
        max_cleared_percent: int,
        *,
        dry_run: bool = False,
    ) -> None:
        self._those = f"existing {resource.name} that it has looked up"
        self._max_updated = max_updated_percent
        self._max_cleared = max_cleared_percent
        self._dry_run = dry_run
        self._lock = threading.Lock()
        self._looked_up = 0
        self._concerned: Counter[str] = Counter()
        self._ids: defaultdict[str, list[str]] = defaultdict(list)
        self.stop = ""

    def admit(
        self, looked_up: int, updated: Iterable[tuple[str, Iterable[str]]]
    ) -> bool:
        """Take a plan into account, before any of it is written.

        Args:
            looked_up: Existing records that it is about.
            updated: Of each record that it changes, the id in the source and the
                properties that it empties.

        Returns:
            Whether it is too early to judge: what is guarded must wait.

        Raises:
            GuardStop: If the run must stop.
        """
        with self._lock:
            self._looked_up += looked_up
            for source_id, cleared in updated:
                for name in {_UPDATED, *cleared}:
                    self._concerned[name] += 1
                    if len(self._ids[name]) < _NAMED:
                        self._ids[name].append(one_id(source_id))
            if self._looked_up < FEWEST_LOOKED_UP:
                return not self._dry_run
            self._stop_if(self._would_change() or self._would_empty())
            return False

    def judge(self) -> None:
        """Judge a run at its end, before what waits goes out; raise `GuardStop` too.

        With few records looked up the share of updates means nothing: a run of an
        incremental tap consists of what has changed.
        """
        with self._lock:
            self._stop_if(self._would_empty())

    def concern(self, change: Change) -> bool:
        """Return whether a change is guarded, and so has to wait for a verdict."""
        return bool(change) and (
            self._max_updated < _ALL_PERCENT
            or (self._max_cleared < _ALL_PERCENT and bool(change.cleared()))
        )

    def _stop_if(self, why: str) -> None:
        self.stop = self.stop or why
        if self.stop and not self._dry_run:
            raise GuardStop(self.stop)

    def _would_change(self) -> str:
        what = "this run would change"
        return self._excess(what, _UPDATED, self._max_updated, "max_updated_percent")

    def _would_empty(self) -> str:
        for name, _ in self._concerned.most_common():
            if name == _UPDATED:
                continue
            what = f"{name}: this run would empty it for"
            return self._excess(what, name, self._max_cleared, "max_cleared_percent")
        return ""

    def _excess(self, what: str, name: str, percent: int, setting: str) -> str:
        """Return why a run must stop; "" where the records concerned are few enough."""
        count = self._concerned[name]
        if (
            count < FEWEST_CONCERNED
            or count * _ALL_PERCENT <= percent * self._looked_up
        ):
            return ""
        ids = ", ".join(self._ids[name])
        return (
            f"{what} {count} of the {self._looked_up} {self._those}, more than "
            f"{percent}%, among them {ids}: check the source, or raise {setting}"
        )
