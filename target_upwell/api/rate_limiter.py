"""When the next request may begin, so that a server's limit is used and not exceeded.

1. Until the server refuses a request ("too many requests"), only the number of requests
   at once is limited, by the setting.
2. At the first refusal the pace becomes what the server let pass up to then, idle time
   left out.
3. A refusal among answers takes the pace down a twentieth. Answers bring it back as in
   TCP Cubic: quickly to just below where it was refused, slowly past that, then faster
   and faster. A limit is so tried about once in a hundred requests. Such refusals take
   half of the pace at most: what comes at any pace is not about the pace.
4. Refusals in a row mean that the limit is used up. All requests pause, for as long as
   the server says or half of the time since the last answer; then one goes alone. The
   pace falls to what passed since the last such pause, and stays near it for longer.
5. Requests that were under way at a refusal belong to it: they count no second time.

The pace alone does for limits on requests at once, too: the simulation in the tests
keeps such a server as busy as one with a limit by the second. Nothing here knows HTTP.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from target_upwell.exceptions import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STEP_DOWN = 0.05
"""The part of the pace that a refusal takes away."""

LEAST_OF_PACE = 0.5
"""The part of what the server was seen to let pass that they leave at least."""

ANSWERS_TO_RETURN = 60
"""Answers after which the pace is back where it was refused."""

SECONDS_TO_RETURN = 4.0
"""The same after a pause, if that takes longer: its refusals cost more."""

REFUSALS_IN_A_ROW = 3
"""Refusals without an answer in between that mean that a limit is used up; one more
than requests at once do, too. With one at once a single refusal says nothing yet."""

SHORTEST_PAUSE_SECONDS = 0.2
LONGEST_OWN_PAUSE_SECONDS = 10.0
"""Bounds of a pause that the server has not named."""

SLOWEST_PACE = 0.5
"""Requests a second; what is slower is for the server's pauses to say."""

MOST_A_SECOND = 1000
"""Answers that the last second is counted by: paces beyond it are not told apart."""

LATE_SECONDS = 0.003
"""How late a thread may wake and still catch up."""

LONGEST_WAIT_SECONDS = 0.1
"""How long a thread waits before it looks at the stop event again."""


class Token(NamedTuple):
    """What the limiter wants to know about a request when its answer is there.

    Attributes:
        refusals: Refusals that had been counted when it began.
        at_pace: Whether it was the pace that determined when it began.
    """

    refusals: int
    at_pace: bool


class Pace:
    """The arithmetic: no clock, no threads. All times are seconds of one clock."""

    def __init__(self, limit: int, now: float) -> None:
        """Begin without a pace; there are `limit` requests at once, at most."""
        self.in_flight = 0
        self._limit = limit
        self._enough = min(REFUSALS_IN_A_ROW, limit + 1)
        self.next_start = now
        self._return_to(math.inf, ANSWERS_TO_RETURN)
        self._least = 0.0  # requests a second
        self._in_a_row = 0
        self._alone = False
        self._judged = True
        self._refusals = 0
        self._earlier = 0  # in flight, and begun before the last refusal
        self._passed = 0  # since the last pause began
        self._passed_since = now
        self._last_passed = now
        self._idle_since = now
        self._passes: deque[float] = deque(maxlen=MOST_A_SECOND)

    @property
    def requests_a_second(self) -> float:
        """The pace at present; infinite before the first refusal."""
        progress = self._answers / self._answers_to_return - 1
        return max(SLOWEST_PACE, self._refused_at * (1 + STEP_DOWN * progress**3))

    def wait(self, now: float) -> float:
        """Return the seconds until a request may begin; infinite: until one ends."""
        trial = self._alone and self.in_flight > self._earlier
        if trial or self.in_flight >= self._limit:
            return math.inf
        return max(0.0, self.next_start - now)

    def begin(self, now: float) -> Token:
        """Count a request as under way."""
        if not self.in_flight:
            # Time in which nobody had anything to send says nothing of the server.
            idle = max(0.0, now - max(self._idle_since, self.next_start))
            self._passed_since += idle
            self._last_passed += idle
        gap = 1 / self.requests_a_second
        late = max(gap, LATE_SECONDS)
        at_pace = now <= self.next_start + late
        self.next_start = max(self.next_start, now - late) + gap
        self.in_flight += 1
        return Token(self._refusals, at_pace)

    def passed(self, token: Token, now: float) -> None:
        """Count an answer."""
        if self._alone and not self._passed and token.refusals == self._refusals:
            # Nothing passed before: how long that lasted says nothing of the pace.
            self._passed_since = now
        self._in_a_row = 0
        self._passed += 1
        self._last_passed = now
        self._passes.append(now)
        if token.refusals == self._refusals:
            self._alone = False
            self._answers += token.at_pace

    def refused(self, token: Token, now: float, pause: float | None) -> None:
        """Count a refusal; `pause` is what the server asks for, if it does."""
        self._in_a_row += 1
        if token.refusals == self._refusals:
            self._refusals += 1
            self._earlier = self.in_flight
            if self._refused_at == math.inf:
                self._alone, self._judged = True, False
            elif self._in_a_row == 1:
                pace = max(self._least, self.requests_a_second)
                self._return_to(pace, ANSWERS_TO_RETURN)
        if self._in_a_row >= self._enough:
            self._alone, self._judged = True, False
            own = max(SHORTEST_PAUSE_SECONDS, (now - self._last_passed) / 2)
            own = min(own, LONGEST_OWN_PAUSE_SECONDS)
            self.next_start = max(self.next_start, now + max(own, pause or 0))

    def ended(self, token: Token, now: float) -> None:
        """Count a request as no longer under way, whatever came of it."""
        self.in_flight -= 1
        self._idle_since = now
        self._earlier -= token.refusals < self._refusals
        # What passed is known when those that were under way are answered, too.
        if not self._judged and not self._earlier:
            self._judge(now)

    def _judge(self, now: float) -> None:
        """Take the pace down to what the server let pass."""
        self._judged = True
        if not self._passed:
            return
        seconds = self._last_passed - self._passed_since
        pace = self._passed / max(seconds, 0.001)
        if self._refused_at == math.inf:
            self._return_to(pace, ANSWERS_TO_RETURN)
        else:
            if seconds < 1:
                pace = float(sum(moment > now - 1 for moment in self._passes))
            pace = min(self._refused_at, pace)
            self._return_to(pace, max(ANSWERS_TO_RETURN, SECONDS_TO_RETURN * pace))
        self._least = LEAST_OF_PACE * pace
        self._passed = 0
        self._passed_since = self._last_passed

    def _return_to(self, pace: float, answers: float) -> None:
        self._refused_at = pace  # requests a second
        self._answers_to_return = answers
        self._answers = 0  # since then


class RateLimiter:
    """A gate that each request passes on its own, over all threads."""

    def __init__(
        self,
        limit: int,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Let `limit` requests through at once, at most; `stop` ends all waits."""
        self._stop = stop
        self._clock = clock
        self._pace = Pace(limit, clock())
        self._turn = threading.Lock()
        self._changed = threading.Condition()

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return self._pace.in_flight

    def paused_for(self) -> float:
        """Return the seconds for which all requests pause."""
        return max(0.0, self._pace.next_start - self._clock())

    @contextmanager
    def slot(self) -> Iterator[Token]:
        """Wait until a request may begin, and count it as under way.

        Yields:
            What `succeeded` or `refused` wants to know, to be called within the block;
            a request without an answer calls neither.

        Raises:
            Stopped: If the run is being stopped.
        """
        token = self._begin()
        try:
            yield token
        finally:
            with self._changed:
                self._pace.ended(token, self._clock())
                self._changed.notify()

    def succeeded(self, token: Token) -> None:
        """Count an answer that does not refuse the request for a rate limit."""
        with self._changed:
            self._pace.passed(token, self._clock())

    def refused(self, token: Token, pause: float | None) -> None:
        """Count a refusal for a rate limit, and the seconds that the server names."""
        with self._changed:
            self._pace.refused(token, self._clock(), pause)

    def _begin(self) -> Token:
        """Wait for this thread's turn, and then for the pace.

        One thread at a time looks at the clock; the others wait for their turn.
        """
        while not self._turn.acquire(timeout=LONGEST_WAIT_SECONDS):
            self._go_on()
        try:
            with self._changed:
                self._go_on()
                while (wait := self._pace.wait(self._clock())) > 0:
                    self._changed.wait(min(wait, LONGEST_WAIT_SECONDS))
                    self._go_on()
                return self._pace.begin(self._clock())
        finally:
            self._turn.release()

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Stopped
