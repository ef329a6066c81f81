"""End to end: what becomes of single properties when they change, and of sizes."""

from __future__ import annotations

import json

import pytest
from answering_server import Answer, AnsweringServer
from source_system import BULK, PUT, Source, assert_fates
from target_command import record, run_target, schema


@pytest.fixture
def source(account):
    return Source(account)


CASES = [
    ({"metadata": {"a": 1}}, {"metadata": {"a": 1.0}}, False),
    ({"metadata": {"a": 1.5, "b": 2}}, {"metadata": {"b": 2, "a": 1.50}}, False),
    ({"metadata": {"a": 1}}, {"metadata": {"a": True}}, True),
    ({"metadata": {"a": 0}}, {"metadata": {"a": False}}, True),
    ({"metadata": {"a": [1, {"b": 2}]}}, {"metadata": {"a": [1, {"b": 3}]}}, True),
    ({"metadata": {"a": [1, 2]}}, {"metadata": {"a": [2, 1]}}, True),
    ({"metadata": {"a": 1}}, {"metadata": {"a": 1, "b": None}}, True),
    ({"metadata": 2**60}, {"metadata": 2**60 + 1}, True),
    ({"metadata": "1"}, {"metadata": 1}, True),
    (
        {"ccEmailAddresses": "a@b.example; c@d.example"},
        {"ccEmailAddresses": ["a@b.example", "c@d.example"]},
        False,
    ),
    (
        {"ccEmailAddresses": "a@b.example"},
        {"ccEmailAddresses": "a@b.example,c@d.example"},
        True,
    ),
    ({"emailAddress": " a@b.example "}, {"emailAddress": "a@b.example"}, False),
    ({"name": "Stra\u00dfe"}, {"name": "Strasse"}, True),
    (
        {"customerRule": {"dueOption": 30}},
        {"customerRule": {"dueOption": 45}},
        True,
    ),
    (
        {"customerRule": {"dueOption": 30}},
        {"customerRule": '{"data": {"dueOption": "30"}}'},
        False,
    ),
]
"""What a customer had, what it is to have, and whether that takes a write."""


def test_a_value_is_written_when_it_differs_and_only_then(source):
    def customers(version):
        return [
            {"id": str(number), "name": f"N{number}", **case[version]}
            for number, case in enumerate(CASES)
        ]

    writes = {str(number) for number, (_, _, write) in enumerate(CASES) if write}
    source.load(*customers(0))

    result = source.load(*customers(1))
    written = {i for r in source.requests(PUT) for i in r["sourceSystemIds"]}
    assert written == writes
    assert_fates(result, updated=len(writes), unchanged=len(CASES) - len(writes))
    assert source.done[BULK] == 0

    assert_fates(source.load(*customers(1)), unchanged=len(CASES))


def test_numbers_arrive_as_exactly_as_they_left(source):
    exact = b'{"a":1.10,"b":123456789012345678901234567890,"c":0.30000000000000004}'
    message = b'{"type":"RECORD","stream":"customers","record":{"id":"1","name":"A",'
    result = source.send(message + b'"metadata":' + exact + b"}}")
    assert_fates(result, created=1)
    shown = source.account.call(
        "POST",
        "/customers/search",
        {"where": {"sourceSystem": {"_eq": source.name}}},
    )
    assert exact in shown.content
    assert_fates(source.send(message + b'"metadata":' + exact + b"}}"), unchanged=1)


def test_a_rule_that_becomes_null_is_cleared(source):
    source.load({"id": "1", "name": "A", "customerRule": {"dueOption": 30}})
    empty = {"id": "1", "name": "A", "customerRule": {"dueOption": None}}
    assert_fates(source.load(empty, null_handling="keep"), unchanged=1)
    assert_fates(source.load(empty), updated=1)
    assert source["1"]["customerRule"]["dueOption"] is None
    assert_fates(source.load(empty), unchanged=1)


@pytest.mark.parametrize(
    ("setting", "metadata"),
    [("ignore", None), ("metadata", {"terms": "NET30", "limit": 5})],
)
def test_unmapped_properties_are_dropped_or_kept(source, setting, metadata):
    sent = {"id": "1", "name": "A", "terms": "NET30", "limit": 5}
    result = source.load(sent, unmapped_properties=setting)
    assert source["1"]["metadata"] == metadata
    warned = [w for w in result.warnings if "'limit', 'terms'" in w]
    assert len(warned) == (setting == "ignore")
    assert_fates(source.load(sent, unmapped_properties=setting), unchanged=1)


def test_unmapped_properties_are_named_at_the_schema_and_once_more_at_the_end(source):
    messages = [schema("id", "name", "terms")]
    messages += [record(id=str(n), name="A", **{f"made_up_{n}": 1}) for n in range(300)]
    result = run_target(source.account, messages, source_system=source.name)
    first, last = (w for w in result.warnings if "match no customer property" in w)
    assert "'terms'" in first
    assert "'made_up_0', 'made_up_1', 'made_up_10', " in last
    assert "and 295 more" in last


def test_ids_that_become_one_customer_are_named(source):
    sent = [{"id": given, "name": "A"} for given in ("10042", "10042 ", "7", "7")]
    result = source.load(*sent)
    (line,) = (w for w in result.warnings if "became one customer" in w)
    assert "'10042' and '10042 '" in line
    assert "'7'" not in line


def test_unmapped_properties_may_reject_the_record(source):
    sent = {"id": "1", "name": "A", "terms": "NET30"}
    result = source.run(sent, unmapped_properties="reject")
    assert result.code == 1
    assert result.states == []
    assert "'terms': no such customer property" in result.errors[-1]
    assert "NET30" not in result.stderr


@pytest.mark.parametrize("shown", [True, False])
def test_an_update_that_touches_nobody_is_no_success(source, shown):
    customer = {"id": "cus_1", "sourceSystem": source.name, "sourceSystemId": "1"}
    found = Answer(body=json.dumps({"customers": [customer] if shown else []}))
    taken = Answer(400, '{"error": "Uniqueness violation. duplicate key"}')
    touched = {"updateCustomer": {"affectedRows": 0, "returning": []}}
    with AnsweringServer() as server:
        server.answers += [found] if shown else [found, taken, found]
        server.answers.append(Answer(body=json.dumps(touched)))
        result = source.run({"id": "1", "name": "A"}, api_url=server.url)
        assert not server.answers
    assert result.code == 1
    assert result.states == []
    assert "customers 1: " in result.errors[-1]
    assert "API key can't see it" in result.errors[-1]


# Size


def test_no_request_is_larger_than_the_limit(source):
    # The sandbox refuses what is larger, and counts it.
    limit = 3000
    records = [
        {"id": str(n), "name": "A" * (n % 700), "metadata": {"x": "\u00e9" * (n % 300)}}
        for n in range(1, 120)
    ]
    source.account.faults(max_body=limit)
    result = source.load(*records, batch_size_bytes=limit)
    source.account.faults(max_body=None)
    assert_fates(result, created=119)
    assert source.refused[BULK] == 0
    # And they are filled.
    assert source.done[BULK] <= sum(len(json.dumps(r)) for r in records) // 2000


@pytest.mark.parametrize("over", [0, 1])
def test_a_customer_that_is_larger_than_a_request_may_be_is_rejected(
    source, tmp_path, over
):
    limit = 1500
    envelope = '{"inputs":[{"sourceSystem":"","sourceSystemId":"2","name":""}]}'
    room = limit - len(envelope) - len(source.name)
    source.account.faults(max_body=limit)
    result = source.load(
        {"id": "1", "name": "A"},
        {"id": "2", "name": "B" * (room + over)},
        {"id": "3", "name": "C"},
        batch_size_bytes=limit,
        max_rejects=1,
        rejects_path=str(tmp_path / "rejects.jsonl"),
    )
    source.account.faults(max_body=None)
    assert_fates(result, created=3 - over, rejected=over)
    assert source.refused.total() == 0
    assert bool([e for e in result.errors if "batch_size_bytes" in e]) == over
