from __future__ import annotations

import gzip
import json

import pytest
from target_command import record, run_target, schema
from target_command import state as state_of

from target_upwell import json_codec

SCHEMA = schema("id", "name")


def customers(count, **fixed):
    return [
        record(id=str(number), name=f"Customer {number}", **fixed)
        for number in range(count)
    ]


def batch(paths, compression=None, stream="customers"):
    encoding = {"format": "jsonl"}
    if compression:
        encoding["compression"] = compression
    manifest = [path.as_uri() for path in paths]
    return {
        "type": "BATCH",
        "stream": stream,
        "encoding": encoding,
        "manifest": manifest,
    }


def write_rows(path, numbers, opener=open):
    with opener(path, "wb") as file:
        for number in numbers:
            row = {"id": str(number), "name": f"Customer {number}"}
            file.write(json.dumps(row).encode() + b"\n")
    return path


# BATCH


def test_batch_files_are_loaded_as_if_their_rows_had_come_one_by_one(account, tmp_path):
    paths = [
        write_rows(
            tmp_path / f"{part}.jsonl", range(part * 50, part * 50 + 50), gzip.open
        )
        for part in range(3)
    ]
    messages = [SCHEMA, batch(paths, "gzip"), state_of({"at": 1})]

    result = run_target(account, messages, batch_size_rows=40, batch_root=str(tmp_path))

    assert (result.code, result.states) == (0, [{"at": 1}])
    assert len(account.customers()) == 150
    posts = [one["rows"] for one in account.requests() if one["created"]]
    assert sorted(posts) == [30, 40, 40, 40]


def test_batch_files_and_records_share_batches_order_and_stream_map(account, tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", range(10))
    maps = {"customers": {"id": "id", "name": "name.upper()"}}
    messages = [
        SCHEMA,
        record(id="0", name="before"),
        record(id="20", name="also"),
        batch([path]),
        record(id="1", name="after"),
        state_of({"at": 1}),
    ]

    result = run_target(account, messages, stream_maps=maps, batch_root=str(tmp_path))

    names = {key: one["name"] for key, one in account.customers().items()}
    assert (result.code, result.states) == (0, [{"at": 1}])
    assert (names["0"], names["1"], names["20"]) == ("CUSTOMER 0", "AFTER", "ALSO")
    assert names["9"] == "CUSTOMER 9"
    assert "13 records: 13 created" in result.summary


def test_a_batch_file_that_is_not_whole_ends_the_run_and_state_stays_before_it(
    account, tmp_path
):
    path = write_rows(tmp_path / "rows.jsonl", range(2000), gzip.open)
    path.write_bytes(path.read_bytes()[:-100])
    messages = [SCHEMA, *customers(1), state_of({"at": 1})]
    messages += [batch([path], "gzip"), state_of({"at": 2})]

    result = run_target(
        account, messages, batch_size_rows=100, batch_root=str(tmp_path)
    )

    assert result.code == 1
    assert {"at": 2} not in result.states
    assert "Traceback" not in result.stderr
    assert "rows.jsonl" in result.errors[0]


def test_batch_messages_are_refused_without_a_folder_for_their_files(account, tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", range(3))

    result = run_target(account, [SCHEMA, batch([path]), state_of({"at": 1})])

    assert (result.code, result.states) == (1, [])
    assert "set batch_root" in result.errors[0]
    assert account.customers() == {}


# ACTIVATE_VERSION


def test_activate_version_is_ignored_whether_or_not_its_stream_is_known(account):
    messages = [
        {"type": "ACTIVATE_VERSION", "stream": "unheard", "version": 1},
        SCHEMA,
        {"type": "ACTIVATE_VERSION", "stream": "customers", "version": 1},
        *customers(2),
        {"type": "ACTIVATE_VERSION", "stream": "customers", "version": 1},
        state_of({"at": 1}),
    ]

    result = run_target(account, messages)

    assert (result.code, result.states) == (0, [{"at": 1}])
    assert account.customers().keys() == {"0", "1"}
    told = [m for m in result.messages("INFO") if m.startswith("ACTIVATE_VERSION")]
    assert len(told) == 1


# Schemas and streams


def test_a_schema_that_changes_in_mid_stream_keeps_order_and_loses_nothing(account):
    messages = [SCHEMA, *customers(5)]
    messages += [schema("id", "name", "email_address")]
    messages += customers(3, email_address="a@b.example")
    messages += [schema("code", "name", keys=("code",))]
    messages += [record(code="4", name="renamed"), record(code="new", name="new")]
    messages += [SCHEMA, record(id="0", name="last"), state_of({"at": 1})]

    result = run_target(account, messages, max_parallel_requests=8, batch_size_rows=2)

    stored = account.customers()
    assert (result.code, result.states) == (0, [{"at": 1}])
    assert stored.keys() == {"0", "1", "2", "3", "4", "new"}
    assert stored["0"]["name"] == "last"
    assert stored["4"]["name"] == "renamed"
    assert stored["1"]["emailAddress"] == "a@b.example"
    assert stored["3"]["emailAddress"] is None


def test_what_records_showed_before_a_schema_changed_is_told_too(account):
    changed = schema("id", "name", "email_address")
    messages = [
        SCHEMA,
        record(id="1", name="A", fax="1"),
        record(id=" 1", name="A"),
        changed,
        record(id="2", name="B"),
    ]
    unmapped, merged = run_target(account, messages).warnings
    assert "are dropped: 'fax'" in unmapped
    assert "different ids became one customer: '1' and ' 1'" in merged


MONGO = {
    "no map of columns": {},
    "some columns mapped": {"name": "name", "metadata": "record.get('tags')"},
    "no other columns": {
        "__else__": "__NULL__",
        "__key_properties__": ["sourceSystemId"],
        "sourceSystemId": "_id",
        "name": "name",
    },
}


@pytest.mark.parametrize("why", MONGO)
@pytest.mark.parametrize("settings", [{}, {"validate_records": True}])
def test_a_schema_that_lists_few_columns_as_they_come_lists_none(
    account, why, settings
):
    # As tap-mongodb, which lists dates, fractions, lists and objects as they come.
    first = schema(stream="db_clients", keys=("_id",))
    tags = {"anyOf": [{"type": "array", "items": {"anyOf": [{}]}}, {}]}
    later = schema(stream="db_clients", keys=("_id",), tags=tags)
    messages = [
        first,
        record("db_clients", _id="1", name="A"),
        later,
        record("db_clients", _id="2", name="B", tags=["b"]),
        state_of(1),
    ]
    maps = {"db_clients": {"__alias__": "customers", **MONGO[why]}}
    result = run_target(account, messages, stream_maps=maps, **settings)
    assert (result.code, result.states) == (0, [1])
    names = {key: one["name"] for key, one in account.customers().items()}
    assert names == {"1": "A", "2": "B"}


def test_a_column_that_a_record_had_before_such_a_schema_is_there(account, tmp_path):
    first = schema(stream="db_clients", keys=("_id",))
    later = schema("opened", stream="db_clients", keys=("_id",))
    messages = [
        first,
        record("db_clients", _id="1", name="A", fax="1"),
        later,
        record("db_clients", _id="2", name="B"),
        state_of(1),
    ]
    maps = {"db_clients": {"__alias__": "customers", "metadata": "{'fax': fax}"}}
    rejects = {"max_rejects": 1, "rejects_path": str(tmp_path / "rejects.jsonl")}
    result = run_target(account, messages, stream_maps=maps, **rejects)
    assert (result.code, result.states) == (0, [1])
    assert "2 records: 1 created, 0 updated" in result.summary


def test_a_column_that_no_record_has_is_told_in_such_a_stream_too(account):
    first = schema(stream="db_clients", keys=("_id",))
    messages = [first, record("db_clients", _id="1", name="A"), state_of(1)]
    maps = {"db_clients": {"__alias__": "customers", "name": "nmae"}}
    result = run_target(account, messages, stream_maps=maps)
    assert (result.code, result.states) == (1, [])
    assert "the stream has no column 'nmae'" in result.errors[0]


def test_two_streams_that_are_aliased_to_customers_may_alternate(account):
    maps = {
        "shippers": {"__alias__": "customers"},
        "brokers": {"__alias__": "customers"},
    }
    messages = [
        schema("shipper_id", "name", stream="shippers", keys=("shipper_id",)),
        schema("region", "no", "name", stream="brokers", keys=("region", "no")),
    ]
    for number in range(50):
        messages += [
            record("shippers", shipper_id=f"s{number}", name=f"Shipper {number}"),
            record("brokers", region="eu", no=str(number), name=f"Broker {number}"),
        ]
        if number % 10 == 9:
            messages.append(state_of({"at": number}))

    result = run_target(account, messages, stream_maps=maps, batch_size_rows=7)

    stored = account.customers()
    assert result.code == 0, result.stderr
    assert result.states[-1] == {"at": 49}
    assert {key: one["name"] for key, one in stored.items()} == {
        **{f"s{number}": f"Shipper {number}" for number in range(50)},
        **{f"eu:{number}": f"Broker {number}" for number in range(50)},
    }
    # They share batches, so alternating costs nothing.
    posts = [one["rows"] for one in account.requests() if one["created"]]
    assert sorted(posts) == [2] + 14 * [7]


# How requests travel


@pytest.mark.slow
@pytest.mark.parametrize("most", [1, 2, 6])
def test_no_more_requests_are_under_way_than_the_setting_allows(account, most):
    account.faults(latency=5)
    settings = {"batch_size_rows": 10, "max_parallel_requests": most}
    run_target(account, [SCHEMA, *customers(300)], **settings)

    changed = [record(id=str(number), name="new") for number in range(300)]
    result = run_target(account, [SCHEMA, *changed], **settings)

    assert result.code == 0
    counts = account.counts()
    # Both runs together: creates, lookups and updates.
    assert counts["updates"] == 300
    assert min(most, 4) <= counts["most_in_flight"] <= most


def test_each_record_is_encoded_once(account, monkeypatch):
    encode, encoded = json_codec.encode, []

    def counting(value):
        if isinstance(value, dict) and "name" in value:
            encoded.append(value)
        return encode(value)

    monkeypatch.setattr(json_codec, "encode", counting)

    result = run_target(account, [SCHEMA, *customers(100)], batch_size_rows=10)

    assert result.code == 0
    assert len(account.customers()) == 100
    assert len(encoded) == 100


US, MX = {"stream": "us"}, {"stream": "mx"}
BOTH = {"__alias__": "customers", "sourceSystemId": "number"}


@pytest.mark.parametrize("dry_run", [False, True])
def test_streams_that_each_count_from_1_are_told_of(account, dry_run):
    result = run_target(
        account,
        [
            schema("number", "name", keys=["number"], **US),
            schema("number", "name", keys=["number"], **MX),
            record(number="1", name="Acme", **US),
            record(number="1", name="Beta", **MX),
        ],
        stream_maps={"us": BOTH, "mx": BOTH},
        dry_run=dry_run,
    )

    assert result.code == 0
    wins = "became one customer, and the last one wins: '1' from us '1' and mx '1';"
    assert wins in result.stderr


def test_a_map_that_takes_half_of_a_key_is_told_of(account):
    result = run_target(
        account,
        [
            schema("company", "number", "name", keys=["company", "number"], **US),
            record(company="01", number="7", name="Acme", **US),
            record(company="02", number="7", name="Beta", **US),
        ],
        stream_maps={"us": BOTH},
    )

    assert "'7' from us '01':'7' and us '02':'7'; where they are" in result.stderr


def test_two_streams_may_hold_parts_of_one_customer(account):
    result = run_target(
        account,
        [
            schema("number", "name", keys=["number"], **US),
            schema("number", "name", "emailAddress", keys=["number"], **MX),
            record(number="1", name="Acme", **US),
            record(number="1", name="ACME", emailAddress="ap@acme.example", **MX),
        ],
        stream_maps={"us": BOTH, "mx": BOTH},
    )

    assert "became one customer" not in result.stderr
