"""How many requests may be under way, by an injected clock."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from target_upwell.errors import Stopped
from target_upwell.throttle import ANSWERS_TO_GROW, Throttle


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def allowed(throttle):
    return throttle._allowed


def grow(throttle):
    for _ in range(ANSWERS_TO_GROW * allowed(throttle)):
        throttle.answered()


@pytest.mark.parametrize(("ceiling", "start"), [(1, 1), (3, 3), (4, 4), (16, 4)])
def test_it_begins_with_four_or_what_is_allowed(ceiling, start):
    assert allowed(Throttle(ceiling)) == start


def test_it_grows_by_one_after_ten_times_as_many_answers_as_it_allows(clock):
    throttle = Throttle(6, clock)
    for _ in range(ANSWERS_TO_GROW * 4 - 1):
        throttle.answered()
    assert allowed(throttle) == 4
    throttle.answered()
    assert allowed(throttle) == 5


def test_it_never_grows_beyond_the_setting(clock):
    throttle = Throttle(5, clock)
    for _ in range(5):
        grow(throttle)
    assert allowed(throttle) == 5


def test_a_refusal_halves_and_never_below_one(clock):
    throttle = Throttle(4, clock)
    seen = []
    for _ in range(3):
        clock.now += 1
        throttle.refused(clock.now, 0)
        seen.append(allowed(throttle))
    assert seen == [2, 1, 1]


def test_requests_sent_before_the_cut_do_not_cut_again(clock):
    throttle = Throttle(8, clock)
    began = clock.now
    clock.now += 1
    throttle.refused(began, 0)
    throttle.refused(began, 0)
    assert allowed(throttle) == 2
    clock.now += 1
    throttle.refused(clock.now, 0)
    assert allowed(throttle) == 1


def test_a_refusal_starts_the_count_of_answers_again(clock):
    throttle = Throttle(4, clock)
    for _ in range(39):
        throttle.answered()
    throttle.refused(clock.now, 0)
    throttle.answered()
    assert allowed(throttle) == 2


def test_it_grows_back_after_a_refusal(clock):
    throttle = Throttle(4, clock)
    throttle.refused(clock.now, 0)
    grow(throttle)
    grow(throttle)
    assert allowed(throttle) == 4


def test_nobody_begins_during_a_pause_and_a_shorter_one_does_not_end_it(clock):
    throttle = Throttle(4, clock)
    throttle.refused(clock.now, 30)
    throttle.refused(clock.now, 5)
    clock.now += 29
    assert not throttle._may_start()
    clock.now += 1
    assert throttle._may_start()


def test_no_more_requests_are_under_way_than_allowed(clock):
    throttle = Throttle(2, clock)
    with ExitStack() as slots:
        slots.enter_context(throttle.slot())
        slots.enter_context(throttle.slot())
        assert throttle.under_way == 2
        assert not throttle._may_start()
    assert throttle.under_way == 0
    assert throttle._may_start()


def test_a_slot_is_given_back_when_the_request_fails(clock):
    throttle = Throttle(1, clock)
    with pytest.raises(ZeroDivisionError), throttle.slot():
        raise ZeroDivisionError
    assert throttle.under_way == 0


def test_a_slot_tells_when_it_began(clock):
    throttle = Throttle(1, clock)
    with throttle.slot() as began:
        assert began == clock.now


def test_one_that_waits_goes_on_when_another_ends():
    throttle = Throttle(1)
    passed = threading.Event()

    def wait():
        with throttle.slot():
            passed.set()

    with throttle.slot():
        thread = threading.Thread(target=wait)
        thread.start()
        assert not passed.is_set()
    thread.join(10)
    assert passed.is_set()


def test_closing_turns_away_those_that_come_and_those_that_wait():
    throttle = Throttle(1)
    stopped = threading.Event()

    def wait():
        try:
            with throttle.slot():
                pass
        except Stopped:
            stopped.set()

    with throttle.slot():
        thread = threading.Thread(target=wait)
        thread.start()
        throttle.close()
        thread.join(10)
    assert stopped.is_set()
    with pytest.raises(Stopped), throttle.slot():
        pass
