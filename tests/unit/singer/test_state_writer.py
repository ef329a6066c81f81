from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from contextlib import contextmanager

import pytest

from target_upwell.exceptions import RunError, Stopped
from target_upwell.singer.signals import Signals
from target_upwell.singer.state_writer import StateWriter

LONG = b'{"at": "%s"}' % (b"x" * 200_000)
DEADLINE_S = 60


@pytest.fixture
def signals():
    return Signals(0.0)


@pytest.fixture
def writer(signals):
    return StateWriter(signals)


@contextmanager
def standard_output(monkeypatch, file):
    """Put a file in the place of standard output, unbuffered as PYTHONUNBUFFERED."""
    with open(file, "wb", buffering=0, closefd=isinstance(file, str)) as raw:
        text = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
        monkeypatch.setattr(sys, "stdout", text)
        yield
        text.detach()


@contextmanager
def piped(monkeypatch):
    """Put a pipe in the place of standard output; gives the reading end."""
    reading, writing = os.pipe()
    with (
        os.fdopen(reading, "rb") as reader,
        os.fdopen(writing, "wb"),
        standard_output(monkeypatch, writing),
    ):
        yield reader


def read_in_background(pipe, count):
    lines = []

    def read():
        lines.extend(pipe.readline() for _ in range(count))

    thread = threading.Thread(target=read)
    thread.start()
    return thread, lines


@pytest.mark.parametrize("blocking", [True, False])
def test_a_long_line_goes_wholly_through_a_pipe(writer, monkeypatch, blocking):
    with piped(monkeypatch) as pipe:
        os.set_blocking(sys.stdout.fileno(), blocking)
        thread, lines = read_in_background(pipe, 2)

        writer.write(LONG)
        writer.write(b"{}")

        thread.join(DEADLINE_S)
    assert lines == [LONG + b"\n", b"{}\n"]


def test_a_file_that_takes_a_part_at_a_time_gets_the_whole_line(
    writer, monkeypatch, tmp_path
):
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:1000]))
    path = tmp_path / "state"
    with standard_output(monkeypatch, str(path)):
        writer.write(LONG)

    assert path.read_bytes() == LONG + b"\n"


def test_a_full_disk_is_called_a_full_disk(writer, monkeypatch):
    with (
        standard_output(monkeypatch, "/dev/full"),
        pytest.raises(RunError, match="the disk is full; free some space"),
    ):
        writer.write(b"{}")


def test_a_disk_that_is_full_for_a_time_never_tears_a_line(
    writer, monkeypatch, tmp_path
):
    write, room = os.write, [100_000]

    def limited(file, data):
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(file, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", limited)
    path = tmp_path / "state"
    with standard_output(monkeypatch, str(path)):
        with pytest.raises(RunError, match="disk is full"):
            writer.write(LONG)
        room[0] = 10**9
        writer.write(b"{}")

    assert path.read_bytes() == LONG + b"\n{}\n"


def test_a_pipe_that_nobody_reads_is_given_up_after_a_signal(
    writer, signals, monkeypatch
):
    with piped(monkeypatch) as pipe:
        signals.handle(signal.SIGTERM)

        with pytest.raises(Stopped):
            writer.write(LONG)

        assert pipe.read1(10) == LONG[:10]


def test_a_pipe_that_has_room_takes_state_after_a_signal(writer, signals, monkeypatch):
    with piped(monkeypatch) as pipe:
        signals.handle(signal.SIGTERM)

        writer.write(b"{}")

        assert pipe.readline() == b"{}\n"


def test_a_signal_ends_a_wait_that_has_begun(writer, signals, monkeypatch):
    with piped(monkeypatch) as pipe:
        stopped = threading.Event()

        def write():
            try:
                writer.write(LONG)
            except Stopped:
                stopped.set()

        thread = threading.Thread(target=write)
        thread.start()
        pipe.read1(1)
        signals.handle(signal.SIGTERM)

        thread.join(DEADLINE_S)
        assert stopped.is_set()


def test_a_reader_that_went_away_is_a_closed_output(writer, monkeypatch):
    with piped(monkeypatch) as pipe:
        pipe.close()

        with pytest.raises(RunError, match="standard output is closed"):
            writer.write(b"{}")


def test_no_standard_output_is_a_closed_output(writer, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)

    with pytest.raises(RunError, match="standard output is closed"):
        writer.write(b"{}")


def test_a_standard_output_that_was_closed_since_is_a_closed_output(
    writer, monkeypatch
):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)

    with pytest.raises(RunError, match="standard output is closed"):
        writer.write(b"{}")


def test_an_object_in_place_of_standard_output_gets_text(writer, monkeypatch):
    monkeypatch.setattr(sys, "stdout", text := io.StringIO())

    writer.write('{"at": "Łódź"}'.encode())

    assert text.getvalue() == '{"at": "Łódź"}\n'
