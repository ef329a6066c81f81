"""How many requests may be under way, by an injected clock."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from target_upwell.api.rate_limiter import ANSWERS_TO_GROW, RateLimiter
from target_upwell.exceptions import Stopped


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def allowed(limiter):
    return limiter._allowed


def grow(limiter):
    for _ in range(ANSWERS_TO_GROW * allowed(limiter)):
        limiter.answered()


@pytest.mark.parametrize(("ceiling", "start"), [(1, 1), (3, 3), (4, 4), (16, 4)])
def test_it_begins_with_four_or_what_is_allowed(ceiling, start):
    assert allowed(RateLimiter(ceiling)) == start


def test_it_grows_by_one_after_ten_times_as_many_answers_as_it_allows(clock):
    limiter = RateLimiter(6, clock)
    for _ in range(ANSWERS_TO_GROW * 4 - 1):
        limiter.answered()
    assert allowed(limiter) == 4
    limiter.answered()
    assert allowed(limiter) == 5


def test_it_never_grows_beyond_the_setting(clock):
    limiter = RateLimiter(5, clock)
    for _ in range(5):
        grow(limiter)
    assert allowed(limiter) == 5


def test_a_refusal_halves_and_never_below_one(clock):
    limiter = RateLimiter(4, clock)
    seen = []
    for _ in range(3):
        clock.now += 1
        limiter.refused(clock.now, 0)
        seen.append(allowed(limiter))
    assert seen == [2, 1, 1]


def test_requests_sent_before_the_cut_do_not_cut_again(clock):
    limiter = RateLimiter(8, clock)
    began = clock.now
    clock.now += 1
    limiter.refused(began, 0)
    limiter.refused(began, 0)
    assert allowed(limiter) == 2
    clock.now += 1
    limiter.refused(clock.now, 0)
    assert allowed(limiter) == 1


def test_a_refusal_starts_the_count_of_answers_again(clock):
    limiter = RateLimiter(4, clock)
    for _ in range(39):
        limiter.answered()
    limiter.refused(clock.now, 0)
    limiter.answered()
    assert allowed(limiter) == 2


def test_it_grows_back_after_a_refusal(clock):
    limiter = RateLimiter(4, clock)
    limiter.refused(clock.now, 0)
    grow(limiter)
    grow(limiter)
    assert allowed(limiter) == 4


def test_nobody_begins_during_a_pause_and_a_shorter_one_does_not_end_it(clock):
    limiter = RateLimiter(4, clock)
    limiter.refused(clock.now, 30)
    limiter.refused(clock.now, 5)
    clock.now += 29
    assert not limiter._may_start()
    clock.now += 1
    assert limiter._may_start()


def test_no_more_requests_are_under_way_than_allowed(clock):
    limiter = RateLimiter(2, clock)
    with ExitStack() as slots:
        slots.enter_context(limiter.slot())
        slots.enter_context(limiter.slot())
        assert limiter.under_way == 2
        assert not limiter._may_start()
    assert limiter.under_way == 0
    assert limiter._may_start()


def test_a_slot_is_given_back_when_the_request_fails(clock):
    limiter = RateLimiter(1, clock)
    with pytest.raises(ZeroDivisionError), limiter.slot():
        raise ZeroDivisionError
    assert limiter.under_way == 0


def test_a_slot_tells_when_it_began(clock):
    limiter = RateLimiter(1, clock)
    with limiter.slot() as began:
        assert began == clock.now


def test_one_that_waits_goes_on_when_another_ends():
    limiter = RateLimiter(1)
    passed = threading.Event()

    def wait():
        with limiter.slot():
            passed.set()

    with limiter.slot():
        thread = threading.Thread(target=wait)
        thread.start()
        assert not passed.is_set()
    thread.join(10)
    assert passed.is_set()


def test_closing_turns_away_those_that_come_and_those_that_wait():
    limiter = RateLimiter(1)
    stopped = threading.Event()

    def wait():
        try:
            with limiter.slot():
                pass
        except Stopped:
            stopped.set()

    with limiter.slot():
        thread = threading.Thread(target=wait)
        thread.start()
        limiter.close()
        thread.join(10)
    assert stopped.is_set()
    with pytest.raises(Stopped), limiter.slot():
        pass
