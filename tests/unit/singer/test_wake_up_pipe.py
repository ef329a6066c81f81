from __future__ import annotations

import math
import os
import select
import signal

import pytest

from target_upwell.singer.signals import Signals


@pytest.fixture
def signals():
    return Signals(10.0)


def is_readable(signals):
    return bool(select.select([signals], [], [], 0)[0])


def test_before_a_signal_there_is_none_and_no_grace_runs(signals):
    assert not signals
    assert signals.signal is None
    assert not is_readable(signals)
    assert signals.remaining == math.inf


def test_a_signal_is_noted_and_ends_the_wait(signals):
    signals.handle(signal.SIGTERM)

    assert signals
    assert signals.signal == signal.SIGTERM
    assert is_readable(signals)


def test_a_grace_begins_with_the_signal_and_never_falls_below_nothing(
    signals, monkeypatch
):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    signals.handle(signal.SIGTERM)

    now = 104.0
    assert signals.remaining == 6.0
    now = 200.0
    assert signals.remaining == 0.0


def test_a_second_signal_ends_the_process_at_once(signals, monkeypatch):
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    signals.handle(signal.SIGTERM)

    signals.handle(signal.SIGINT)

    assert codes == [128 + signal.SIGINT]


def test_a_wait_can_be_ended_again_and_again(signals):
    for _ in range(3):
        signals.wake()
        assert is_readable(signals)
        signals.drain()
        assert not is_readable(signals)


def test_waking_never_waits_however_often_it_is_done(signals):
    for _ in range(100_000):
        signals.wake()
    assert is_readable(signals)


def test_the_wake_up_pipe_is_closed_with_its_owner():
    signals = Signals(10.0)
    file = signals.fileno()
    del signals
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)
