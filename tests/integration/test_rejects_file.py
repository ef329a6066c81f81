"""The rejects file: what the tap sent, in a form that loads again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from target_command import record, run_target, schema, state

MAP = {
    "sourceSystemId": "id",
    "name": "name.strip()",
    "emailAddress": "email",
    "addresses": "[{'country': country}]",
    "__key_properties__": ["sourceSystemId"],
}
ERP = schema("id", "name", "email", "country", stream="erp_customers")
ALIASED = {"erp_customers": {"__alias__": "customers", **MAP}}


def erp(**properties):
    return record("erp_customers", **properties)


def good(number):
    return erp(id=str(number), name=f"Good {number}", email=None, country="US")


def read(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def rejected_records(path):
    return [m for m in read(path) if m["type"] == "RECORD"]


def keep_rejects(path, **settings):
    return {"max_rejects": -1, "rejects_path": str(path), **settings}


@pytest.mark.parametrize("others", [{"__else__": None}, {}], ids=["dropped", "kept"])
def test_the_file_holds_what_the_tap_sent_and_why_it_was_rejected(
    account, tmp_path, others
):
    path = tmp_path / "rejects.jsonl"
    abroad = erp(id="2", name=" Abroad ", email="a@b.example", country="Freedonia")
    torn = erp(id="3", name=None, email=None, country="US")
    refused = erp(id="4", name="Refuse me", email=None, country="US")
    account.faults(refuse_name="^Refuse")

    result = run_target(
        account,
        [ERP, good(1), abroad, torn, refused, good(5), state({"bookmark": 5})],
        stream_maps={"erp_customers": {"__alias__": "customers", **MAP, **others}},
        **keep_rejects(path),
    )

    assert result.code == 0
    assert result.states == [{"bookmark": 5}]
    assert set(account.customers()) == {"1", "5"}
    first, *rejected = read(path)
    assert first == ERP
    assert [m["record"] for m in rejected] == [
        m["record"] for m in (abroad, torn, refused)
    ]
    assert {m["stream"] for m in rejected} == {"erp_customers"}
    invalid, failed, turned_down = (m["reject"] for m in rejected)
    assert invalid["kind"] == failed["kind"] == "invalid"
    assert invalid["reason"] == "addresses[0].country: 'Freedonia' is not a country"
    assert failed["reason"] == (
        "stream map: an expression failed with AttributeDoesNotExist: nothing has "
        "'strip' there; is it null, or the name wrong? in name: name.strip()"
    )
    assert (invalid["status"], invalid["code"]) == (None, None)
    assert (invalid["source_system_id"], failed["source_system_id"]) == ("2", None)
    assert turned_down["kind"] == "refused"
    assert turned_down["status"] == 400
    assert turned_down["code"] == "permission-error"
    assert turned_down["source_system_id"] == "4"
    assert turned_down["at"].endswith("+00:00")
    assert set(invalid) == set(turned_down)


@pytest.mark.parametrize("else_null", [True, False])
def test_the_file_replays_with_the_same_configuration(account, tmp_path, else_null):
    path = tmp_path / "rejects.jsonl"
    maps = {**ALIASED, **({"__else__": None} if else_null else {})}
    settings = keep_rejects(path, stream_maps=maps)
    messages = [
        ERP,
        erp(id="2", name="Refuse me", email=None, country="US"),
        erp(id="3", name=None, email=None, country="US"),
    ]
    account.faults(refuse_name="^Refuse")
    assert run_target(account, messages, **settings).code == 0
    assert len(rejected_records(path)) == 2
    account.faults(refuse_name=None)

    result = run_target(account, [], "--input", str(path), **settings)

    # The file that is read is the one that is appended to: it ends all the same.
    assert result.code == 0
    assert "2 records: 1 created, 0 updated, 0 unchanged, 0 skipped, 1 rejected" in (
        result.summary
    )
    assert account.customers()["2"]["name"] == "Refuse me"
    ids = [m["record"]["id"] for m in rejected_records(path)]
    assert ids == ["2", "3", "3"]  # in the order of the stream


def test_a_mended_file_loads_under_another_name(account, tmp_path):
    path, replay = tmp_path / "rejects.jsonl", tmp_path / "replay.jsonl"
    settings = keep_rejects(path, stream_maps=ALIASED)
    run_target(
        account,
        [ERP, erp(id="1", name="A", email=None, country="Freedonia")],
        **settings,
    )
    replay.write_text(path.read_text().replace('"Freedonia"', '"FR"'))
    path.unlink()

    result = run_target(account, [], "--input", str(replay), **settings)

    assert result.code == 0
    assert account.customers()["1"]["addresses"][0]["country"] == "FR"
    assert not path.exists()


def test_numbers_and_broken_text_are_kept_as_sent(account, tmp_path):
    path = tmp_path / "rejects.jsonl"
    lines = [
        (
            b'{"type":"RECORD","stream":"customers","record":{"id":"1","name":"A",'
            b'"metadata":{"rate":NaN,"exact":1.10,"long":12345678901234567890123}}}'
        ),
        b'{"type":"RECORD","stream":"customers","record":{"id":"2","name":"\\ud800"}}',
        (
            b'{"type":"RECORD","stream":"customers","record":{"id":"3","name":"C",'
            b'"metadata":-Infinity}}'
        ),
    ]

    result = run_target(
        account,
        [
            schema("id", "name", metadata={}),
            *lines,
            record(id="4", name="Good"),
            state(1),
        ],
        **keep_rejects(path),
    )

    assert result.code == 0, result.stderr
    assert result.states == [1]
    assert set(account.customers()) == {"4"}
    kept = path.read_text().splitlines()[1:]
    sent = [line.decode().split('"record":')[1][:-1] for line in lines]
    assert [line.split('"record":')[1].split(',"reject":')[0] for line in kept] == sent


def test_an_expression_that_changes_the_record_changes_nothing_in_the_file(
    account, tmp_path
):
    path = tmp_path / "rejects.jsonl"
    sent = record(id="1", name="A", email="no address")

    run_target(
        account,
        [schema("id", "name", "email"), sent],
        stream_maps={"customers": {"emailAddress": "record.pop('email')"}},
        **keep_rejects(path),
    )

    assert [m["record"] for m in rejected_records(path)] == [sent["record"]]


def test_each_stream_gets_its_schema_once_in_a_run(account, tmp_path):
    path = tmp_path / "rejects.jsonl"
    maps = {
        "north": {"__alias__": "customers"},
        "south": {"__alias__": "customers"},
    }
    north = schema("id", "name", stream="north")
    south = schema("number", "name", stream="south", keys=["number"])
    bad = [
        (record("north", id=str(n), name=None), record("south", number=str(-n)))
        for n in range(1, 4)
    ]

    run_target(
        account,
        [north, south, *(m for pair in bad for m in pair), north],
        stream_maps=maps,
        batch_size_rows=2,
        max_parallel_requests=1,
        **keep_rejects(path),
    )

    messages = read(path)
    assert [m for m in messages if m["type"] == "SCHEMA"] == [north, south]
    assert len(rejected_records(path)) == 6


def test_a_changed_schema_is_written_before_the_records_that_need_it(account, tmp_path):
    path = tmp_path / "rejects.jsonl"
    old, new = schema("id", "name"), schema("id", "name", "emailAddress")

    run_target(
        account,
        [old, record(id="1"), new, record(id="2", emailAddress="x@y.example")],
        **keep_rejects(path),
    )

    assert [m["type"] for m in read(path)] == ["SCHEMA", "RECORD"] * 2
    assert [m for m in read(path) if m["type"] == "SCHEMA"] == [old, new]


def test_a_line_that_a_dying_run_left_torn_is_dropped(account, tmp_path):
    path = tmp_path / "rejects.jsonl"
    whole = b'{"type":"STATE","value":"stands for any line"}\n'
    # Longer than what is read at once when the last newline is looked for.
    path.write_bytes(whole + b'{"type":"RECORD","stream":"customers' + b"x" * 200_000)

    run_target(
        account,
        [schema("id", "name"), record(id="1", name=None)],
        **keep_rejects(path),
    )

    assert path.read_bytes().startswith(whole + b'{"type":"SCHEMA"')
    assert len(read(path)) == 3


def test_the_last_record_of_an_edited_file_is_loaded_and_stays(account, tmp_path):
    path = tmp_path / "rejects.jsonl"
    edited = [schema("id", "name"), record(id="1", name="A"), record(id="2", name=None)]
    path.write_text("\n".join(map(json.dumps, [*edited, record(id="3", name="C")])))

    result = run_target(account, [], "--input", str(path), **keep_rejects(path))

    assert result.code == 0
    assert set(account.customers()) == {"1", "3"}
    assert path.read_text().splitlines()[3] == json.dumps(record(id="3", name="C"))
    assert [m["record"]["id"] for m in rejected_records(path)] == ["1", "2", "3", "2"]


def test_records_in_batch_files_are_rejected_like_any_others(account, tmp_path):
    path, file = tmp_path / "rejects.jsonl", tmp_path / "batch.jsonl"
    file.write_text('{"id": "1", "name": "A"}\n{"id": "2", "name": null}\n')
    batch = {
        "type": "BATCH",
        "stream": "customers",
        "encoding": {"format": "jsonl", "compression": "none"},
        "manifest": [file.as_uri()],
    }

    settings = {**keep_rejects(path), "batch_root": str(tmp_path)}
    run_target(account, [schema("id", "name"), batch], **settings)

    assert set(account.customers()) == {"1"}
    assert [m["record"] for m in rejected_records(path)] == [{"id": "2", "name": None}]
