"""Servers that limit requests, and a load on them, on a clock that jumps."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from typing import NamedTuple

from target_upwell.api.client import SPACED_SECONDS
from target_upwell.api.rate_limiter import Pace
from target_upwell.delivery.scheduler import TASKS_PER_REQUEST

LATENCY = 0.02
JITTER = 0.1
MOMENT = 1e-9


class Retry(NamedTuple):
    """A refusal, and the seconds of its `Retry-After`, if it has one."""

    after: float | None = None


class Server:
    """Takes every request.

    Attributes:
        idle: Seconds for which nothing is sent to it at first.
    """

    idle = 0.0

    def come(self, now):
        """Take a request; a `Retry` refuses it."""

    def leave(self):
        """Note that a request that was taken has its answer."""


class Limited(Server):
    """Takes so many requests in some seconds.

    Args:
        limit: How many.
        after: The form of its `Retry-After`: seconds, date or none.
        per: In how many seconds.
    """

    def __init__(self, limit, after="none", per=1):
        self.limit = limit
        self.per = per
        self._after = after

    def refuse(self, wait):
        """Refuse a request that would be taken so many seconds later."""
        # A date has no fractions and must not lie too early.
        whole = {"seconds": math.ceil(wait), "date": math.ceil(wait) + 1}
        return Retry(whole.get(self._after))


class SlidingWindow(Limited):
    """Takes so many requests in any second."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._taken = deque()

    def come(self, now):
        while self._taken and self._taken[0] <= now - self.per:
            self._taken.popleft()
        if len(self._taken) >= self.limit:
            return self.refuse(self._taken[0] + self.per - now)
        self._taken.append(now)
        return None


class FixedWindow(Limited):
    """Takes so many requests in each second of the clock."""

    _taken = _window = 0

    def come(self, now):
        window = now // self.per
        if window != self._window:
            self._window, self._taken = window, 0
        if self._taken >= self.limit:
            return self.refuse((window + 1) * self.per - now)
        self._taken += 1
        return None


class TokenBucket(Limited):
    """Takes so many requests a second, and what it did not take until a second ago."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self._tokens, self._last = self.limit, 0.0

    def come(self, now):
        rate = self.limit / self.per
        self._tokens = min(self.limit, self._tokens + (now - self._last) * rate)
        self._last = now
        if self._tokens < 1:
            return self.refuse((1 - self._tokens) / rate)
        self._tokens -= 1
        return None


class AtOnce(Server):
    """Takes so many requests at once."""

    def __init__(self, limit, after=None):
        self._limit, self._after, self._taken = limit, after, 0

    def come(self, now):  # noqa: ARG002 - time does not matter to it
        if self._taken >= self._limit:
            return Retry(self._after)
        self._taken += 1
        return None

    def leave(self):
        self._taken -= 1


class Shaky(Server):
    """Refuses some requests for no reason."""

    def __init__(self, share, seed, after=None):
        self._share, self._random, self._after = share, random.Random(seed), after

    def come(self, now):  # noqa: ARG002 - time does not matter to it
        return Retry(self._after) if self._random.random() < self._share else None


class Outage(Server):
    """Refuses all requests for a while."""

    def __init__(self, begin, end, after=None):
        self._begin, self._end, self._after = begin, end, after

    def come(self, now):
        return Retry(self._after) if self._begin <= now < self._end else None


class Load(NamedTuple):
    """What became of a load."""

    seconds: float
    answered: int
    refused: int
    most_in_flight: int
    most_refusals_of_one: int

    @property
    def a_second(self):
        return self.answered / self.seconds

    @property
    def share_refused(self):
        return self.refused / (self.answered + self.refused)


def load(server, at_once, *, requests=math.inf, seconds=math.inf, seed=1):
    """Send so many requests at once, until all are answered or time is up."""
    random_ = random.Random(seed)
    pace, now, order = Pace(at_once, -server.idle), 0.0, itertools.count()
    threads = TASKS_PER_REQUEST * at_once
    events = [(0.0, next(order), None, 0) for _ in range(threads)]  # they get ready
    gate = deque()
    answered = refused = most = worst = 0
    while answered < requests:
        while gate and pace.wait(now) <= MOMENT:
            refusals = gate.popleft()
            token, retry = pace.begin(now), server.come(now)
            most = max(most, pace.in_flight)
            end = now + LATENCY * (1 + JITTER * random_.uniform(-1, 1))
            heapq.heappush(events, (end, next(order), (token, retry), refusals))
        following = now + pace.wait(now) if gate else math.inf
        now = min(following, events[0][0] if events else math.inf)
        if now >= seconds:
            now = seconds
            break
        while events and events[0][0] <= now:
            _, _, answer, refusals = heapq.heappop(events)
            if answer is None:
                gate.append(refusals)
                continue
            token, retry = answer
            ready = now
            if retry is None:
                server.leave()
                pace.passed(token, now)
                answered, refusals = answered + 1, 0
            else:
                pace.refused(token, now, retry.after)
                refused, refusals = refused + 1, refusals + 1
                worst = max(worst, refusals)
                backoff = random_.uniform(0, min(60, 2 ** (refusals - 1)))
                ready += max(backoff - SPACED_SECONDS, retry.after or 0)
            pace.ended(token, now)
            heapq.heappush(events, (ready, next(order), None, refusals))
    return Load(now, answered, refused, most, worst)
