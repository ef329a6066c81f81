"""When requests may begin, by a clock that the tests set."""

from __future__ import annotations

import math
import threading
from contextlib import ExitStack

import pytest

from target_upwell.api import rate_limiter
from target_upwell.api.rate_limiter import (
    ANSWERS_TO_RETURN,
    LONGEST_OWN_PAUSE_SECONDS,
    STEP_DOWN,
    Pace,
    RateLimiter,
)
from target_upwell.exceptions import Stopped

# The arithmetic


class Line:
    """One request after another at a pace, on a clock of its own."""

    def __init__(self, at_once=4):
        self.now = 0.0
        self.pace = Pace(at_once, self.now)

    def begin(self):
        self.now += self.pace.wait(self.now)
        return self.pace.begin(self.now)

    def answer(self, token):
        self.pace.passed(token, self.now)
        self.pace.ended(token, self.now)

    def refuse(self, token, pause=None):
        self.pace.refused(token, self.now, pause)
        self.pace.ended(token, self.now)

    def answered(self, times, seconds=0.0):
        """Have requests answered, each after some time."""
        for _ in range(times):
            token = self.begin()
            self.now += seconds
            self.answer(token)


@pytest.fixture
def paced():
    """A line that was refused once, at ten requests a second."""
    line = Line(8)
    line.answered(50, 0.1)
    line.refuse(line.begin())
    line.answered(1)
    return line


@pytest.mark.parametrize("at_once", [1, 4, 16])
def test_as_many_requests_begin_at_first_as_the_setting_allows(at_once):
    pace = Pace(at_once, 0.0)
    for _ in range(at_once):
        assert pace.wait(0.0) == 0
        pace.begin(0.0)
    assert pace.wait(0.0) == math.inf


def test_the_first_refusal_sets_the_pace_to_what_passed(paced):
    assert paced.pace.requests_a_second == pytest.approx(10, rel=1.1 * STEP_DOWN)


def test_after_the_first_refusal_one_goes_alone_until_the_others_are_answered():
    line = Line()
    tokens = [line.begin() for _ in range(4)]
    line.now += 0.1
    line.answer(tokens[0])
    line.refuse(tokens[1])
    line.begin()
    assert line.pace.wait(line.now) == math.inf


def test_a_refusal_takes_a_twentieth_away_and_answers_bring_it_back(paced):
    before = paced.pace.requests_a_second
    paced.refuse(paced.begin())
    assert paced.pace.requests_a_second == pytest.approx(before * (1 - STEP_DOWN))
    paced.answered(ANSWERS_TO_RETURN // 2)
    assert paced.pace.requests_a_second > before * (1 - STEP_DOWN / 5)
    paced.answered(ANSWERS_TO_RETURN // 2)
    assert paced.pace.requests_a_second == pytest.approx(before)
    paced.answered(2 * ANSWERS_TO_RETURN)
    assert paced.pace.requests_a_second > before * (1 + 5 * STEP_DOWN)


def test_requests_that_the_pace_did_not_hold_up_do_not_raise_it(paced):
    before = paced.pace.requests_a_second
    for _ in range(ANSWERS_TO_RETURN):
        paced.now += 1
        paced.answered(1)
    assert paced.pace.requests_a_second == before


def test_refusals_of_requests_that_were_under_way_count_as_one(paced):
    before = paced.pace.requests_a_second
    first, second = paced.begin(), paced.begin()
    paced.refuse(first)
    paced.refuse(second)
    assert paced.pace.requests_a_second == pytest.approx(before * (1 - STEP_DOWN))


def test_one_refusal_pauses_nothing_whatever_it_says(paced):
    paced.refuse(paced.begin(), 30)
    assert paced.pace.wait(paced.now) < 1


def test_three_refusals_in_a_row_pause_all_for_as_long_as_the_server_says(paced):
    for pause in (5, 30, 5):
        paced.refuse(paced.begin(), pause)
    assert paced.pace.wait(paced.now) == pytest.approx(5)


@pytest.mark.parametrize("at_once", [1, 2])
def test_one_refusal_in_a_row_more_than_requests_at_once_is_enough(at_once):
    line = Line(at_once)
    line.answered(10, 0.1)
    for _ in range(at_once):
        line.refuse(line.begin(), 30)
        line.now += 1
        assert not line.pace.wait(line.now)
    line.refuse(line.begin(), 30)
    assert line.pace.wait(line.now) == pytest.approx(30)


def test_pauses_grow_to_ten_seconds_at_most(paced):
    pauses = []
    for _ in range(20):
        paced.refuse(paced.begin())
        pauses.append(paced.pace.wait(paced.now))
    assert pauses == pytest.approx(sorted(pauses))
    assert pauses[2] < 0.5
    assert pauses[-1] == pytest.approx(LONGEST_OWN_PAUSE_SECONDS)


def test_a_pause_lasts_half_as_long_as_it_is_since_the_last_answer(paced):
    tokens = [paced.begin() for _ in range(4)]
    paced.answer(tokens[0])
    paced.now += 6
    for token in tokens[1:]:
        paced.refuse(token)
    assert paced.pace.wait(paced.now) == pytest.approx(3)


def test_after_a_pause_one_goes_alone_until_it_has_passed(paced):
    for _ in range(3):
        paced.refuse(paced.begin(), 5)
    alone = paced.begin()
    assert paced.pace.wait(paced.now) == math.inf
    paced.answer(alone)
    assert paced.pace.wait(paced.now) < 1


def test_a_request_without_an_answer_lets_the_next_one_go(paced):
    for _ in range(3):
        paced.refuse(paced.begin(), 5)
    paced.pace.ended(paced.begin(), paced.now)
    assert paced.pace.wait(paced.now) < 1


def test_what_passed_before_a_pause_is_what_the_pace_falls_to():
    line = Line()
    line.answered(50, 0.01)
    for _ in range(4):
        line.refuse(line.begin(), 1)
    line.answered(5, 0.01)
    for _ in range(3):
        line.refuse(line.begin(), 1)
    assert 4.5 <= line.pace.requests_a_second <= 5


@pytest.mark.parametrize(
    ("answers", "seconds", "pace"), [(3, 0.5, 3), (11, 1.5, 11 / 15), (5, 0.1, 5)]
)
def test_a_second_pause_takes_the_pace_to_what_passed_since_the_first(
    paced, answers, seconds, pace
):
    for _ in range(3):
        paced.refuse(paced.begin())
    paced.answered(answers, seconds)
    for _ in range(3):
        paced.refuse(paced.begin())
    assert paced.pace.requests_a_second == pytest.approx(pace, rel=1.1 * STEP_DOWN)


def test_an_answer_to_an_earlier_request_interrupts_refusals_in_a_row(paced):
    earlier = paced.begin()
    for _ in range(2):
        paced.refuse(paced.begin(), 30)
    paced.answer(earlier)
    for _ in range(2):
        paced.refuse(paced.begin(), 30)
    assert paced.pace.wait(paced.now) < 1


# The gate


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def stop():
    return threading.Event()


def test_a_slot_is_given_back_when_the_request_fails(stop):
    limiter = RateLimiter(1, stop)
    with pytest.raises(ZeroDivisionError), limiter.slot():
        raise ZeroDivisionError
    assert limiter.in_flight == 0


def test_it_tells_how_long_all_requests_pause(stop):
    clock = Clock()
    limiter = RateLimiter(3, stop, clock)
    assert limiter.paused_for() == 0
    with ExitStack() as slots:
        for _ in range(3):
            limiter.refused(slots.enter_context(limiter.slot()), 30)
    assert limiter.paused_for() == 30
    clock.now += 18
    assert limiter.paused_for() == 12
    clock.now += 18
    assert limiter.paused_for() == 0


def test_a_slot_that_waits_is_given_when_another_ends(stop):
    limiter = RateLimiter(1, stop)
    passed = threading.Event()

    def wait():
        with limiter.slot():
            passed.set()

    with limiter.slot() as token:
        thread = threading.Thread(target=wait)
        thread.start()
        assert not passed.is_set()
        limiter.succeeded(token)
    thread.join(10)
    assert passed.is_set()


def test_stopping_turns_away_those_that_come_and_those_that_wait(stop):
    limiter = RateLimiter(1, stop)
    turned_away = []

    def wait():
        try:
            with limiter.slot():
                pass
        except Stopped:
            turned_away.append(threading.current_thread())

    with limiter.slot():
        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        stop.set()
        for thread in threads:
            thread.join(10)
    assert sorted(map(id, turned_away)) == sorted(map(id, threads))
    with pytest.raises(Stopped), limiter.slot():
        pass


class PassingClock(Clock):
    """A clock that moves on with each look at it."""

    def __init__(self, step=0.5):
        self.step = step

    def __call__(self):
        self.now += self.step
        return self.now


def test_a_pause_that_ends_while_it_is_looked_at_is_not_waited_for_without_end(
    stop, monkeypatch
):
    waits = []
    limiter = RateLimiter(1, stop, PassingClock())
    wait = limiter._changed.wait

    def noted(seconds):
        waits.append(seconds)
        return wait(0)

    monkeypatch.setattr(limiter._changed, "wait", noted)
    for _ in range(2):
        with limiter.slot() as token:
            limiter.refused(token, 10)
    with limiter.slot():
        pass
    assert waits
    assert all(0 < seconds <= rate_limiter.LONGEST_WAIT_SECONDS for seconds in waits)


def test_threads_that_wait_for_a_pause_begin_when_it_is_over(stop, monkeypatch):
    clock = PassingClock(0.01)
    limiter = RateLimiter(2, stop, clock)
    monkeypatch.setattr(limiter._changed, "wait", lambda _: False)
    with limiter.slot() as first, limiter.slot() as second:
        for token in (first, second):
            limiter.refused(token, 30)
    over = clock.now + limiter.paused_for()
    began = []

    def wait():
        with limiter.slot():
            began.append(clock.now)

    threads = [threading.Thread(target=wait) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(began) == 2
    assert min(began) >= over
