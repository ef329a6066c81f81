"""Harm that is not an error: how much of an account one run may change or empty.

Pure arithmetic. What is planned counts before it is written, whatever the order of
batches. Until enough records are looked up to judge by, what is guarded waits: runs
that are repeated every hour don't do the harm in small pieces.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from target_upwell.exceptions import RunError
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


@dataclass(eq=False)
class Guards:
    """What a run has planned for existing records; threads share it.

    A dry run never has to wait or stop, so that it sees the whole input.

    Attributes:
        stop: Why the run must stop: the property, the counts, the first few source ids
            and the setting.
    """

    resource: Resource
    max_updated_percent: int
    max_cleared_percent: int
    dry_run: bool = False
    stop: str = field(default="", init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _looked_up: int = field(default=0, init=False)
    _concerned: Counter[str] = field(default_factory=Counter, init=False)
    _ids: dict[str, list[str]] = field(
        default_factory=lambda: defaultdict(list), init=False
    )

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
            RunError: If the run must stop.
        """
        with self._lock:
            self._looked_up += looked_up
            for source_id, cleared in updated:
                for name in {_UPDATED, *cleared}:
                    self._concerned[name] += 1
                    if len(self._ids[name]) < _NAMED:
                        self._ids[name].append(one_id(source_id))
            if self._looked_up < FEWEST_LOOKED_UP:
                return not self.dry_run
            what = "this run would change"
            change = self._excess(what, _UPDATED, "max_updated_percent")
            self._stop_if(change or self._would_empty())
            return False

    def judge(self) -> None:
        """Judge a run at its end, before what waits goes out; raise likewise.

        With few records looked up the share of updates means nothing: a run of an
        incremental tap consists of what has changed.
        """
        with self._lock:
            self._stop_if(self._would_empty())

    def concern(self, change: Change) -> bool:
        """Return whether a change is guarded, and so has to wait for a verdict."""
        return bool(change) and (
            self.max_updated_percent < _ALL_PERCENT
            or (self.max_cleared_percent < _ALL_PERCENT and bool(change.cleared()))
        )

    def _stop_if(self, why: str) -> None:
        self.stop = self.stop or why
        if self.stop and not self.dry_run:
            raise RunError(self.stop)

    def _would_empty(self) -> str:
        for name, _ in self._concerned.most_common():
            if name == _UPDATED:
                continue
            what = f"{name}: this run would empty it for"
            return self._excess(what, name, "max_cleared_percent")
        return ""

    def _excess(self, what: str, name: str, setting: str) -> str:
        """Return why a run must stop; "" where the records concerned are few enough."""
        count, percent = self._concerned[name], getattr(self, setting)
        if (
            count < FEWEST_CONCERNED
            or count * _ALL_PERCENT <= percent * self._looked_up
        ):
            return ""
        those = f"existing {self.resource.name} that it has looked up"
        ids = ", ".join(self._ids[name])
        return (
            f"{what} {count} of the {self._looked_up} {those}, more than {percent}%, "
            f"among them {ids}: check the source, or raise {setting}"
        )
