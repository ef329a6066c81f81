"""How many requests may be under way at once, over all threads.

Additive increase, multiplicative decrease: a server that says "too many requests"
halves the number for everybody and makes everybody pause; answers let it grow again by
one, slowly. The number alone is too coarse for a limit between one request at once and
two, and a burst after each pause runs into the next refusal. So after a refusal
requests also begin at a pace, a little below what the server let pass. It knows nothing
of HTTP.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from target_upwell.exceptions import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START = 4
"""Requests at once in the beginning, unless fewer are allowed."""

ANSWERS_TO_GROW = 10
"""Answers, for each request allowed at once, before one more is allowed."""

PACE_AFTER_REFUSAL = 0.9
"""How much of the pace is left after a refusal."""

PACE_GROWTH = 0.02
"""Requests a second by which each answer raises the pace: it doubles in 35 seconds."""

SLOWEST_PACE = 1.0
"""Requests a second; what is slower still is for the server's pauses to say."""


class RateLimiter:
    """A gate that each request passes on its own."""

    def __init__(
        self, ceiling: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Let requests through.

        Args:
            ceiling: Requests at once, at most.
            clock: Tells the time in seconds.
        """
        self._ceiling = ceiling
        self._clock = clock
        self._changed = threading.Condition()
        self._allowed = min(START, ceiling)
        self._under_way = 0
        self._answers = 0
        self._last_cut = clock()
        self._paused_until = clock()
        self._pace = math.inf
        self._next_start = clock()
        self._passed = 0  # since the last pause
        self._closed = False

    @property
    def under_way(self) -> int:
        """How many requests are under way."""
        return self._under_way

    @contextmanager
    def slot(self) -> Iterator[float]:
        """Wait for leave to send one request, and hold it for the while.

        Yields:
            The time at which it began, which `refused` wants to know.

        Raises:
            Stopped: If the gate is closed.
        """
        with self._changed:
            while not self._may_start():
                pause = max(self._paused_until, self._next_start) - self._clock()
                self._changed.wait(pause if pause > 0 else None)
            self._under_way += 1
            gap = 1 / self._pace
            # A worker that woke late may catch up, but by no more than one request.
            self._next_start = max(self._next_start, self._clock() - gap) + gap
        try:
            yield self._clock()
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def answered(self) -> None:
        """Note an answer that was no refusal."""
        with self._changed:
            self._passed += 1
            self._pace += PACE_GROWTH
            self._answers += 1
            if self._answers >= ANSWERS_TO_GROW * self._allowed:
                self._answers = 0
                self._allowed = min(self._allowed + 1, self._ceiling)
                self._changed.notify_all()

    def refused(self, began: float, pause: float) -> None:
        """Slow everybody down.

        Args:
            began: When the refused request began. Requests that were on their way when
                the number was cut don't cut it again.
            pause: Seconds in which nobody begins another.
        """
        with self._changed:
            now = self._clock()
            if began >= self._last_cut:
                self._slow_down(now)
                self._last_cut = now
                self._answers = 0
                self._allowed = max(1, self._allowed // 2)
            self._paused_until = max(self._paused_until, now + pause)
            self._passed = 0

    def close(self) -> None:
        """Let nobody through any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _slow_down(self, now: float) -> None:
        """Take the pace down, from what the server let pass since the last pause."""
        seconds = now - self._paused_until
        if self._passed and seconds > 0:
            self._pace = min(self._pace, self._passed / seconds)
        self._pace = max(SLOWEST_PACE, self._pace * PACE_AFTER_REFUSAL)

    def _may_start(self) -> bool:
        if self._closed:
            raise Stopped
        return (
            self._under_way < self._allowed
            and max(self._paused_until, self._next_start) <= self._clock()
        )
