"""Singer messages, line by line: what is one, and what is said of anything else."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from decimal import Decimal

import pytest

from target_upwell.exceptions import InputError, Stopped
from target_upwell.singer.reader import CHUNK_BYTES, MessageReader
from target_upwell.singer.signals import Signals

KINDS = ("SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION", "BATCH")
STATE = b'{"type":"STATE","value":{"n": 1.10}}'
RECORD = b'{"type":"RECORD","stream":"customers","record":{"n":1.10}}'


def nothing():
    """Take note of being woken without a reason."""


@pytest.fixture
def reader():
    reader = MessageReader()
    reader.signals = Signals()
    reader.check = nothing
    return reader


def read(reader, stream):
    messages = []
    counts = reader.process_lines(stream, dict.fromkeys(KINDS, messages.append))
    assert counts.total() == len(messages)
    return messages


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"type": "RECORD", "stream": "secret', "no JSON"),
        (b"secret", "no JSON"),
        (RECORD + RECORD.replace(b"customers", b"secret"), "no JSON"),
        (b'{"type":"RECORD","stream":"customers","record":{"id":"\xff"}}', "UTF-8"),
        (b'["secret"]', "no Singer message"),
        (b'"secret"', "no Singer message"),
        (b"null", "no Singer message"),
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
            "that are no text",
        ),
        (
            b'{"type":"SCHEMA","stream":"c","schema":{},"key_properties":"secret"}',
            "that are no text",
        ),
        (b'{"type": "STATE"}', "without 'value'"),
        (b'{"type": "BATCH", "stream": "customers", "encoding": {}}', "'manifest'"),
        (
            b'{"type":"BATCH","stream":"c","encoding":{},"manifest":"secret"}',
            "not a list",
        ),
        (b'{"type": "ACTIVATE_VERSION", "version": "secret"}', "without 'stream'"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"type": "STATE", "value": ' + b"1" * 5000 + b"}", "too long"),
    ],
)
def test_a_line_that_is_no_message_is_named_and_not_quoted(reader, line, words):
    stream = io.BytesIO(b"\n".join([STATE, b"", line, STATE]))
    with pytest.raises(InputError) as caught:
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
        with os.fdopen(writing, "wb") as pipe:
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


def test_a_wait_for_input_ends_when_something_comes_in_between(reader):
    def stop():
        raise Stopped

    reader.check = stop
    reading, writing = os.pipe()
    try:
        with os.fdopen(reading, "rb") as silent:
            reader.signals.wake()
            with pytest.raises(Stopped):
                read(reader, silent)
    finally:
        os.close(writing)


def test_being_woken_without_a_reason_goes_on_reading(reader):
    reader.signals.wake()
    with piped(STATE + b"\n" + RECORD) as pipe:
        assert len(read(reader, pipe)) == 2


def test_without_a_standard_input_there_are_no_messages(reader, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    assert read(reader, None) == []
