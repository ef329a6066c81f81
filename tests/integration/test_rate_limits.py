from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter, deque
from email.utils import formatdate

import pytest
from sandbox_server import Sandbox
from shown import show
from target_command import record, run_target, schema

from target_upwell.api.rate_limiter import ANSWERS_TO_GROW, START, RateLimiter
from target_upwell.api.retry import LONGEST_RETRY_AFTER_SECONDS, retry_after
from target_upwell.exceptions import Stopped

SCHEMA = schema("id", "name")
A_SECOND = 15


def customers(count):
    return [
        record(id=str(number), name=f"Customer {number}") for number in range(count)
    ]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_each_form_of_retry_after_is_obeyed(form):
    fault = {"fault": "429", "path": "/api/rest/bulk-customers"}
    with Sandbox("--retry-after", form) as sandbox:
        sandbox.faults(next=[fault])
        result = run_target(sandbox, [SCHEMA, *customers(1)])
        refused, again = [
            one for one in sandbox.requests() if one["path"].endswith("bulk-customers")
        ]

    assert (result.code, refused["status"], again["status"]) == (0, 429, 200)
    assert "trying again (1 of 8)" in result.stderr


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("86400", LONGEST_RETRY_AFTER_SECONDS),
        ("soon", None),
        ("", None),
        (formatdate(0, usegmt=True), 0),
        ("Wed, 01 Jan 2200 00:00:00 GMT", LONGEST_RETRY_AFTER_SECONDS),
    ],
)
def test_retry_after_is_read_in_all_its_forms_and_bounded(value, seconds):
    assert retry_after(value) == seconds


# The limiter


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def allowed(limiter):
    return limiter._allowed


def answer(limiter, times):
    for _ in range(times):
        limiter.answered()


@pytest.mark.parametrize(("ceiling", "start"), [(1, 1), (3, 3), (4, 4), (8, START)])
def test_it_begins_with_four_requests_at_once_or_fewer(ceiling, start):
    assert allowed(RateLimiter(ceiling)) == start


def test_a_refusal_halves_and_answers_let_it_grow_by_one_up_to_the_ceiling():
    limiter = RateLimiter(5, Clock())

    limiter.refused(0, 0)
    assert allowed(limiter) == 2
    answer(limiter, 2 * ANSWERS_TO_GROW - 1)
    assert allowed(limiter) == 2
    answer(limiter, 1)
    assert allowed(limiter) == 3
    answer(limiter, 100 * ANSWERS_TO_GROW)
    assert allowed(limiter) == 5


def test_it_never_falls_below_one():
    clock = Clock()
    limiter = RateLimiter(8, clock)
    for _ in range(10):
        clock.now += 1
        limiter.refused(clock.now, 0)

    assert allowed(limiter) == 1


def test_requests_that_were_under_way_at_a_cut_do_not_cut_again():
    clock = Clock()
    limiter = RateLimiter(8, clock)
    clock.now = 1
    limiter.refused(0.5, 0)

    limiter.refused(0.6, 0)
    assert allowed(limiter) == 2

    limiter.refused(1.5, 0)
    assert allowed(limiter) == 1


def test_nobody_begins_while_it_is_paused():
    clock = Clock()
    limiter = RateLimiter(8, clock)

    limiter.refused(0, 2)

    assert not limiter._may_start()
    clock.now = 2
    assert limiter._may_start()


def test_after_a_refusal_requests_begin_at_a_pace_and_not_in_bursts():
    clock = Clock()
    limiter = RateLimiter(8, clock)
    clock.now = 1
    answer(limiter, 10)
    limiter.refused(1, 1)
    clock.now = 2

    # After a wait two may begin together; from then on they keep a distance.
    with limiter.slot(), limiter.slot():
        limiter._allowed = 8
        assert not limiter._may_start()
        clock.now += 1 / 10
        assert not limiter._may_start()
        clock.now += 1 / 80
        assert limiter._may_start()


def test_answers_let_the_pace_grow():
    clock = Clock()
    limiter = RateLimiter(8, clock)
    clock.now = 1
    answer(limiter, 10)
    limiter.refused(1, 0)
    answer(limiter, 300)

    with limiter.slot(), limiter.slot():
        clock.now += 1 / 14
        assert limiter._may_start()


def test_a_closed_gate_lets_nobody_through():
    limiter = RateLimiter(1)
    limiter.close()

    with pytest.raises(Stopped), limiter.slot():
        pass


class LimitedServer:
    """Lets so many requests through in any second, and tells the others to wait."""

    def __init__(self, form):
        self._form = form
        self._passed = deque()

    def pause(self, now):
        """The seconds that a request is told to wait; none if it passes."""
        while self._passed and self._passed[0] <= now - 1:
            self._passed.popleft()
        if len(self._passed) < A_SECOND:
            self._passed.append(now)
            return None
        wait = math.ceil(self._passed[-A_SECOND] + 1 - now)
        # A date has no fractions and must not lie too early.
        return wait + (self._form == "date")


def simulate(latency, seconds, form, workers=8):
    """Run workers against a limited server, on a clock that jumps.

    Returns:
        The requests answered and the requests refused.
    """
    clock, order = Clock(), itertools.count()
    limiter, server = RateLimiter(workers, clock), LimitedServer(form)
    answers, idle = [], workers
    counts = Counter()
    while clock.now < seconds:
        while idle and limiter._may_start():
            idle -= 1
            slot = limiter.slot()
            began = slot.__enter__()
            answer = (clock.now + latency, next(order), slot, began)
            heapq.heappush(answers, (*answer, server.pause(clock.now)))
        begin = max(limiter._paused_until, limiter._next_start)
        if clock.now < begin and (not answers or begin < answers[0][0]):
            clock.now = begin
            continue
        clock.now, _, slot, began, pause = heapq.heappop(answers)
        slot.__exit__(None, None, None)
        idle += 1
        counts[pause is None] += 1
        if pause is None:
            limiter.answered()
        else:
            limiter.refused(began, pause)
    return counts[True], counts[False]


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("latency", [0.005, 0.05, 0.1, 0.2, 0.4])
def test_a_limited_server_is_kept_busy_close_to_its_rate(latency, form):
    seconds = 600
    answered, refused = simulate(latency, seconds, form)

    used = answered / seconds / A_SECOND
    share = refused / (answered + refused)
    show(f"{latency * 1000:.0f} ms: {used:.0%} of the rate, {share:.1%} refused")
    # A date makes everybody wait a second or two where a fraction would do.
    assert used >= (0.7 if form == "seconds" else 0.6)
    assert share < 0.05
