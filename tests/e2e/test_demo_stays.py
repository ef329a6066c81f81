"""`make demo`: how it ends, and how the sandbox stays up with `KEEP=1`."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from demo import run as demo
from demo.account import Surprise

ROOT = Path(__file__).parents[2]
URL = "http://127.0.0.1:1"
DEADLINE_S = 60


def start(stdin):
    return subprocess.Popen(
        [sys.executable, "-c", f"from demo.run import stay; stay({URL!r})"],
        cwd=ROOT,
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def terminal():
    """A terminal's two ends: the person's and the program's."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


def press_enter(person, _process):
    os.write(person, b"\n")


def press_ctrl_c(_person, process):
    process.send_signal(signal.SIGINT)


@pytest.mark.parametrize("end", [press_enter, press_ctrl_c])
def test_in_a_terminal_it_stays_until_told_to_end(terminal, end):
    person, program = terminal
    with start(program) as process:
        told = process.stdout.readline(), process.stdout.readline()
        assert process.poll() is None
        end(person, process)
        process.stdout.read()

    assert told == (f"The sandbox stays up at {URL}/\n", "Enter or Ctrl-C ends it.\n")
    assert process.returncode == 0


def test_without_a_terminal_it_does_not_stay():
    with start(subprocess.DEVNULL) as process:
        told, _ = process.communicate(timeout=DEADLINE_S)

    assert told.startswith("There is no terminal to end the sandbox from")
    assert process.returncode == 0


def test_it_fails_where_something_does_not_hold(monkeypatch, tmp_path):
    def play(*_):
        raise Surprise("customers created in all: 3000 expected, 2999 seen")

    monkeypatch.setattr(demo, "play", play)
    monkeypatch.setattr(sys, "argv", ["demo", str(tmp_path)])
    monkeypatch.setenv("UPWELL_SANDBOX_URL", URL)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        with pytest.raises(SystemExit, match="3000 expected, 2999 seen"):
            demo.main()
    finally:
        for number, handler in zip(
            (signal.SIGINT, signal.SIGTERM), handlers, strict=True
        ):
            signal.signal(number, handler)
