"""Singer messages, line by line: what is one, and what is said of anything else."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import signal
import threading
from decimal import Decimal

import pytest

from target_upwell.exceptions import RunError, Stopped
from target_upwell.singer import reader as reader_module
from target_upwell.singer.lines import CHUNK_BYTES, MOST_LINE_BYTES
from target_upwell.singer.reader import MessageReader
from target_upwell.singer.signals import Signals

KINDS = ("SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION", "BATCH")
STATE = b'{"type":"STATE","value":{"n": 1.10}}'
RECORD = b'{"type":"RECORD","stream":"customers","record":{"n":1.10}}'


@pytest.fixture
def signals():
    return Signals(10.0)


@pytest.fixture
def reader(signals):
    return MessageReader(signals, between_reads=lambda: None)


def read(reader, stream):
    messages = []
    counts = reader.process_lines(stream, dict.fromkeys(KINDS, messages.append))
    assert counts.total() == len(messages)
    return messages


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"type": "RECORD", "stream": "secret', "not valid JSON"),
        (b"secret", "not valid JSON"),
        (RECORD + RECORD.replace(b"customers", b"secret"), "not valid JSON"),
        (b'{"type":"RECORD","stream":"customers","record":{"id":"\xff"}}', "UTF-8"),
        (b'["secret"]', "not a Singer message"),
        (b'"secret"', "not a Singer message"),
        (b"null", "not a Singer message"),
        (b'{"value": {"secret": 1}}', "type is none of"),
        (b'{"type": "SECRET"}', "type is none of"),
        (b'{"type": "state", "value": 1}', "type is none of"),
        (b'{"type": ["STATE"], "value": "secret"}', "type is none of"),
        (b'{"type": "RECORD", "stream": "customers"}', "without 'record'"),
        (b'{"type": "RECORD", "record": {"a": "secret"}}', "without 'stream'"),
        (b'{"type": "RECORD", "stream": "customers", "record": []}', "an object"),
        (b'{"type": "SCHEMA", "stream": 5, "schema": {}}', "is not text"),
        (b'{"type": "SCHEMA", "stream": "x", "schema": null}', "an object"),
        (
            b'{"type":"SCHEMA","stream":"c","schema":{},"key_properties":["a",1]}',
            "not a list of text",
        ),
        (
            b'{"type":"SCHEMA","stream":"c","schema":{},"key_properties":"secret"}',
            "not a list of text",
        ),
        (b'{"type": "STATE"}', "without 'value'"),
        (b'{"type": "BATCH", "stream": "customers", "encoding": {}}', "'manifest'"),
        (
            b'{"type":"BATCH","stream":"c","encoding":{},"manifest":"secret"}',
            "not a list",
        ),
        (b'{"type": "ACTIVATE_VERSION", "version": "secret"}', "without 'stream'"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_line_that_is_no_message_is_named_and_not_quoted(reader, line, words):
    stream = io.BytesIO(b"\n".join([STATE, b"", line, STATE]))
    with pytest.raises(RunError) as caught:
        read(reader, stream)
    assert "line 3 of the input" in str(caught.value)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value).lower()
    assert "\n" not in str(caught.value)


def test_messages_are_handed_on_in_order_with_numbers_as_they_are(reader):
    record, state = read(reader, io.BytesIO(RECORD + b"\n" + STATE + b"\n"))
    assert record["record"]["n"] == Decimal("1.10")
    assert str(record["record"]["n"]) == "1.10"
    assert state["value"] == b'{"n": 1.10}'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        STATE,
        STATE + b"\n",
        b"\n" + STATE + b"\r\n  \n" + RECORD,
        (RECORD + b"\n") * 5000,
        b'{"type":"STATE","value":"' + b"x" * (3 * CHUNK_BYTES) + b'"}\n' + STATE,
        STATE + b" " * (CHUNK_BYTES - len(STATE)) + b"\n" + STATE,
        STATE + b" " * (CHUNK_BYTES - len(STATE) - 1) + b"\n" + STATE,
    ],
)
@pytest.mark.parametrize("kind", ["memory", "text", "file", "pipe"])
def test_each_form_of_input_gives_the_same_messages(reader, tmp_path, content, kind):
    expected = sum(1 for line in content.split(b"\n") if line.strip())
    if kind == "memory":
        messages = read(reader, io.BytesIO(content))
    elif kind == "text":
        messages = read(reader, io.StringIO(content.decode()))
    elif kind == "file":
        path = tmp_path / "input.jsonl"
        path.write_bytes(content)
        with path.open() as file:
            messages = read(reader, file)
    else:
        with piped(content) as pipe:
            messages = read(reader, pipe)
    assert len(messages) == expected


@contextlib.contextmanager
def piped(content):
    reading, writing = os.pipe()

    def write():
        with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
            pipe.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reading, "rb") as pipe:
        yield pipe
    thread.join()


def test_a_file_is_read_as_it_was_when_it_was_opened(reader, tmp_path):
    path = tmp_path / "rejects.jsonl"
    path.write_bytes(RECORD + b"\n")
    seen = []

    def append(message):
        seen.append(message)
        with path.open("ab") as rejects:
            rejects.write(RECORD + b"\n")

    with path.open("rb") as file:
        reader.process_lines(file, {"RECORD": append})
    assert len(seen) == 1


@contextlib.contextmanager
def silent():
    """A pipe that nobody writes to."""
    reading, writing = os.pipe()
    try:
        with os.fdopen(reading, "rb") as pipe:
            yield pipe
    finally:
        os.close(writing)


def test_a_wait_for_input_ends_when_a_signal_comes(signals):
    def stop():
        if signals:
            raise Stopped

    signals.handle(signal.SIGTERM)
    with silent() as pipe, pytest.raises(Stopped):
        read(MessageReader(signals, stop), pipe)


def test_a_wait_for_input_asks_again_and_again_whether_to_go_on(signals, monkeypatch):
    monkeypatch.setattr(reader_module, "MILLISECONDS_BETWEEN_LOOKS", 1)
    asked = []

    def stop_the_third_time():
        asked.append(threading.get_ident())
        if len(asked) == 3:
            raise Stopped

    with silent() as pipe, pytest.raises(Stopped):
        read(MessageReader(signals, stop_the_third_time), pipe)
    assert set(asked) == {threading.get_ident()}


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_long_input_asks_between_two_reads_whether_to_go_on(signals, tmp_path, kind):
    asked = []
    content = (STATE + b"\n") * (3 * CHUNK_BYTES // len(STATE))
    path = tmp_path / "input.jsonl"
    path.write_bytes(content)
    with path.open("rb") if kind == "file" else io.BytesIO(content) as stream:
        read(MessageReader(signals, lambda: asked.append(True)), stream)
    assert len(asked) >= 3


def test_being_woken_without_a_reason_goes_on_reading(reader, signals):
    signals.wake()
    with piped(STATE + b"\n" + RECORD) as pipe:
        assert len(read(reader, pipe)) == 2


def test_more_than_a_thousand_inherited_files_are_no_mistake(reader):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < 3000:
        pytest.skip("this machine allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (3000, before[1]))
    inherited = []
    try:
        with piped(STATE) as pipe:
            while not inherited or inherited[-1] < 1030:
                inherited.append(os.dup(pipe.fileno()))
            with os.fdopen(inherited.pop(), "rb") as high:
                assert len(read(reader, high)) == 1
    finally:
        for file in inherited:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_input_that_can_not_be_read_is_one_sentence(reader, tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(RunError, match="the input can't be read: Is a directory"):
            read(reader, Numbered(folder))
    finally:
        os.close(folder)


class Numbered:
    """A stream of which no more is known than its file descriptor."""

    def __init__(self, number):
        self._number = number

    def fileno(self):
        return self._number


@pytest.mark.parametrize("kind", ["memory", "pipe"])
def test_a_line_without_an_end_is_refused_by_its_number(reader, kind):
    content = STATE + b"\n\n" + b"x" * (MOST_LINE_BYTES + 1)
    source = piped(content) if kind == "pipe" else io.BytesIO(content)
    with (
        source as stream,
        pytest.raises(RunError, match="line 3 of the input is longer than") as caught,
    ):
        read(reader, stream)
    assert "xx" not in str(caught.value)


def test_a_line_without_an_end_takes_no_more_than_the_bound(reader):
    class Endless:
        taken = 0

        def read(self, size):
            self.taken += size
            return b"x" * size

    endless = Endless()
    with pytest.raises(RunError, match="line 1 of the input is longer than"):
        read(reader, endless)
    assert endless.taken <= MOST_LINE_BYTES + CHUNK_BYTES


def test_half_a_surrogate_pair_in_text_input_is_no_defect(reader):
    with pytest.raises(RunError, match="line 1 of the input is not a Singer"):
        read(reader, io.StringIO('{"type": "\ud800"}'))


def test_without_a_standard_input_there_are_no_messages(reader, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    assert read(reader, None) == []
