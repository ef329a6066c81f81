"""What stands in the input: hostile lines, streams without a name, closed pipes."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from sandbox_server import Sandbox
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


@pytest.fixture(scope="module")
def account():
    with Sandbox() as sandbox:
        yield sandbox


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
        (schema("id", "name", keys=()), "no source key"),
        (schema("id", "email_address", "EmailAddress", "name"), "emailAddress"),
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
    failed(result, "'clients'", "stream_maps", "null", "unknown_streams")


def test_a_stream_of_another_name_is_ignored_if_that_is_asked_for(account, source):
    messages = [
        schema("id", "name", stream="clients"),
        record("clients", id="7", name="B"),
        CUSTOMERS,
        FIRST,
        state({"n": 1}),
    ]
    result = run_target(
        account, messages, source_system=source, unknown_streams="ignore"
    )
    assert result.code == 0
    assert result.summary.startswith("1 record: 1 created")
    assert result.states == [{"n": 1}]


def test_a_stream_that_the_map_removes_is_no_unknown_stream(account, source):
    messages = [
        schema("id", "name", stream="clients"),
        record("clients", id="7", name="B"),
        CUSTOMERS,
        FIRST,
    ]
    result = run_target(
        account, messages, source_system=source, stream_maps={"clients": None}
    )
    assert result.code == 0
    assert result.summary.startswith("1 record: 1 created")


@pytest.mark.parametrize("settings", [{"unknown_streams": "ignore"}, {}])
def test_no_stream_of_the_name_at_all_never_lets_state_pass(account, source, settings):
    messages = [
        schema("id", "name", stream="Customers"),
        record("Customers", id="1", name="A"),
        state({"n": 1}),
    ]
    result = run_target(account, messages, source_system=source, **settings)
    failed(result, "'Customers'")
    assert result.states == []


def test_two_streams_may_become_customers_each_with_its_own_key(account, source):
    messages = [
        schema("number", "name", stream="a", keys=("number",)),
        schema("code", "unit", "name", stream="b", keys=("unit", "code")),
        record("a", number="1", name="A"),
        record("b", unit="u", code="2", name="B"),
        record("a", number="3", name="C"),
    ]
    aliases = {"__alias__": "customers"}
    result = run_target(
        account,
        messages,
        source_system=source,
        stream_maps={"a": aliases, "b": aliases},
    )
    assert result.code == 0
    names = {i: account.customer(source, i)["name"] for i in ("1", "u:2", "3")}
    assert names == {"1": "A", "u:2": "B", "3": "C"}


def test_a_schema_that_changes_counts_from_there_on(account, source):
    messages = [
        schema("id", "code", "name"),
        record(id="1", code="x", name="A"),
        schema("id", "code", "name", keys=("code",)),
        record(id="1", code="y", name="B"),
        schema("id", "code", "trading_name", keys=("code",)),
    ]
    result = run_target(account, messages[:4], source_system=source)
    assert result.code == 0
    assert account.customer(source, "1")["name"] == "A"
    assert account.customer(source, "y")["name"] == "B"
    failed(run_target(account, messages, source_system=source), "no property 'name'")


def test_versions_are_ignored_with_one_line(account, source):
    version = {"type": "ACTIVATE_VERSION", "stream": "customers", "version": 1}
    messages = [version, CUSTOMERS, version, FIRST, version]
    result = run_target(account, messages, source_system=source)
    assert result.code == 0
    assert len([m for m in result.messages("INFO") if "ACTIVATE_VERSION" in m]) == 1


def test_the_records_of_batch_files_go_the_way_of_records(account, source, tmp_path):
    file = tmp_path / "batch.jsonl"
    file.write_text('{"number": "1", "name": "A"}\n{"number": "2", "name": "B"}\n')
    messages = [
        schema("number", "name", stream="erp", keys=("number",)),
        {
            "type": "BATCH",
            "stream": "erp",
            "encoding": {"format": "jsonl", "compression": "none"},
            "manifest": [f"file://{file}"],
        },
        state({"n": 1}),
    ]
    maps = {"erp": {"__alias__": "customers", "name": "name.upper() + '!'"}}
    settings = {"batch_root": str(tmp_path), "stream_maps": maps}
    result = run_target(account, messages, source_system=source, **settings)
    assert result.code == 0
    assert result.summary.startswith("2 records: 2 created")
    assert account.customer(source, "2")["name"] == "B!"
    assert result.states == [{"n": 1}]


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


def test_without_a_standard_input_there_is_nothing_to_do(account, source):
    run = start(account, source, '"$0" --config=ENV <&-')
    assert run.returncode == 0
    assert b"0 records" in run.stderr


@pytest.mark.parametrize(
    ("redirection", "words"),
    [(">&-", b"standard output is closed"), (">/dev/full", b"the disk is full")],
)
def test_without_a_standard_output_the_run_ends_in_words(
    account, source, redirection, words
):
    run = start(account, source, f'"$0" --config=ENV {redirection}')
    assert run.returncode == 1
    assert words in run.stderr
    assert b"Traceback" not in run.stderr
    assert b"Exception ignored" not in run.stderr
    assert b"defect" not in run.stderr


def test_a_reader_that_has_gone_away_ends_the_run_in_words(account, source):
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(
        [COMMAND, "--config=ENV"],
        input=encoded(STREAM),
        stdout=writing,
        stderr=subprocess.PIPE,
        env=environment(account, source),
        timeout=DEADLINE_S,
        check=False,
    )
    os.close(writing)
    assert run.returncode == 1
    assert b"standard output is closed" in run.stderr
    assert b"Traceback" not in run.stderr
    assert b"Exception ignored" not in run.stderr


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
