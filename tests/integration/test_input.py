"""What stands in the input: hostile lines, streams without a name, closed pipes."""

from __future__ import annotations

import json
import subprocess

import pytest
from target_command import (
    COMMAND,
    DEADLINE_S,
    encoded,
    environment,
    record,
    run_command,
    run_target,
    schema,
    state,
)

CUSTOMERS = schema("id", "name")
FIRST = record(id="1", name="A")
STREAM = [CUSTOMERS, FIRST, state({"n": 1})]


@pytest.fixture
def source(request):
    """A source system of the test's own."""
    return request.node.name[:100]


def failed(result, *words):
    assert result.code == 1
    assert "Traceback" not in result.stderr
    (line,) = result.errors
    for word in words:
        assert word in line
    assert "defect" not in line
    return line


# Lines


def test_a_line_that_is_no_message_is_named_and_not_quoted(account, source):
    broken = b'{"type": "RECORD", "stream": "customers", "record": {"id": "secret'
    messages = [CUSTOMERS, FIRST, b"", state({"n": 1}), broken, record(id="2")]
    result = run_target(account, messages, source_system=source)
    assert "secret" not in failed(result, "line 5 of the input", "not valid JSON")
    assert result.states == []


def test_a_run_that_a_line_ends_is_a_failed_one_in_the_sync_log(
    account, source, tmp_path
):
    log = tmp_path / "sync.jsonl"
    messages = [CUSTOMERS, FIRST, b"broken"]
    run_target(account, messages, source_system=source, sync_log_path=str(log))
    outcomes = [json.loads(line)["outcome"] for line in log.read_text().splitlines()]
    assert (outcomes[0], outcomes[-1]) == ("started", "failed")


def test_a_record_before_its_schema_is_one_line(account, source):
    failed(
        run_target(account, [FIRST, CUSTOMERS], source_system=source),
        "'customers'",
        "before its SCHEMA",
    )


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (schema("id", "email"), "no property 'name'"),
        (
            {"type": "SCHEMA", "stream": "customers", "schema": {"properties": []}},
            "not an object",
        ),
    ],
)
def test_a_stream_that_can_not_be_mapped_is_one_line(account, source, sent, words):
    failed(run_target(account, [sent], source_system=source), words)


def test_blank_lines_and_windows_line_ends_are_no_mistake(account, source):
    lines = [json.dumps(m).encode() + b"\r" for m in (CUSTOMERS, FIRST, state({}))]
    result = run_target(account, [b"", *lines, b"  \t"], source_system=source)
    assert result.code == 0
    assert result.states == [{}]
    assert account.customer(source, "1")["name"] == "A"


def test_nothing_at_all_is_no_mistake(account, source):
    result = run_target(account, [], source_system=source)
    assert result.code == 0
    assert result.states == []
    assert result.summary.startswith("0 records: ")


# Streams


def test_a_stream_of_another_name_ends_the_run_with_three_remedies(account, source):
    messages = [schema("id", "name", stream="clients"), record("clients", id="1")]
    result = run_target(account, messages, source_system=source)
    failed(result, "'clients'", "stream_maps", "__NULL__", "unknown_streams")


def test_a_stream_of_another_name_is_ignored_if_that_is_asked_for(account, source):
    messages = [
        schema("id", "name", stream="clients"),
        record("clients", id="7", name="B"),
        state({"n": 0}),
        CUSTOMERS,
        FIRST,
        state({"n": 1}),
    ]
    result = run_target(
        account, messages, source_system=source, unknown_streams="ignore"
    )
    assert result.code == 0
    assert result.summary.startswith("1 record: 1 created")
    assert result.states == [{"n": 0}, {"n": 1}]


@pytest.mark.parametrize("nothing", [None, "__NULL__"])
def test_a_stream_that_the_map_removes_is_no_unknown_stream(account, source, nothing):
    messages = [
        schema("id", "name", stream="clients"),
        record("clients", id="7", name="B"),
        CUSTOMERS,
        FIRST,
    ]
    result = run_target(
        account, messages, source_system=source, stream_maps={"clients": nothing}
    )
    assert result.code == 0
    assert result.summary.startswith("1 record: 1 created")


@pytest.mark.parametrize("number", ["1" * 5000, "1e9999999999999999999999"])
def test_a_number_that_nobody_can_store_costs_one_record(
    account, source, tmp_path, number
):
    line = b'{"type": "RECORD", "stream": "customers", "record": {"id": "2", "name": '
    line += b'"B", "metadata": {"n": %s}}}' % number.encode()
    messages = [schema("id", "name", "metadata"), FIRST, line, state({"n": 2})]
    result = run_target(
        account,
        messages,
        source_system=source,
        max_rejects=1,
        rejects_path=str(tmp_path / "rejects.jsonl"),
    )
    assert result.code == 0
    assert result.summary.startswith("2 records: 1 created")
    assert result.states == [{"n": 2}]


@pytest.mark.parametrize("levels", [150, 190])
def test_a_deeply_nested_record_costs_one_record(account, source, tmp_path, levels):
    nested = "[" * levels + "]" * levels
    line = b'{"type": "RECORD", "stream": "customers", "record": {"id": "2", "name": '
    line += b'"B", "metadata": %s}}' % nested.encode()
    rejects = tmp_path / "rejects.jsonl"
    result = run_target(
        account,
        [schema("id", "name", "metadata"), FIRST, line],
        source_system=source,
        max_rejects=1,
        rejects_path=str(rejects),
    )
    assert result.code == 0
    assert nested in rejects.read_text()


def test_a_line_nested_deeper_than_anything_sensible_ends_the_run_in_words(
    account, source
):
    nested = b"[" * 960 + b"]" * 960
    line = b'{"type": "RECORD", "stream": "customers", "record": {"id": %s}}' % nested
    result = run_target(account, [CUSTOMERS, line], source_system=source)
    failed(result, "line 2 of the input", "nested too deeply")


# Pipes


def start(account, source, command, messages=STREAM):
    """Run the command in a shell, which can close what Python can't."""
    return subprocess.run(
        ["/bin/sh", "-c", command, COMMAND],
        input=encoded(messages),
        capture_output=True,
        env=environment(account, source),
        timeout=DEADLINE_S,
        check=False,
    )


def test_a_standard_output_that_is_full_ends_the_run_in_words(account, source):
    run = start(account, source, '"$0" --config=ENV >/dev/full')
    assert run.returncode == 1
    assert b"the disk is full" in run.stderr
    assert b"Traceback" not in run.stderr
    assert b"Exception ignored" not in run.stderr
    assert b"defect" not in run.stderr


def test_a_closed_standard_output_does_no_harm_where_there_is_no_state(account, source):
    run = start(account, source, '"$0" --config=ENV >&-', [CUSTOMERS, FIRST])
    assert run.returncode == 0
    assert account.customer(source, "1")["name"] == "A"


def test_state_is_written_in_utf_8_whatever_the_locale(account, source):
    value = {"Łódź": "naïve 🚚"}
    line = json.dumps(state(value), ensure_ascii=False).encode()
    result = run_command(
        account,
        [CUSTOMERS, FIRST, line],
        source_system=source,
        env={"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"},
    )
    assert result.code == 0
    assert result.states == [value]
