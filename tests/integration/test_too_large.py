from __future__ import annotations

from target_command import record, run_target, schema
from target_command import state as state_of

SCHEMA = schema("id", "name")
BULK = "/api/rest/bulk-customers"


def customers(count):
    return [
        record(id=f"{number:05}", name=f"Customer {number:05} {'x' * 70}")
        for number in range(count)
    ]


def posts(account):
    return [
        (one["status"], one["rows"])
        for one in account.requests()
        if one["path"] == BULK
    ]


def test_a_body_that_is_too_large_is_halved_and_later_ones_stay_below(account):
    # A row takes 145 bytes: 200 of them 29 kB, 100 of them 14.5 kB, 50 of them 7 kB.
    settings = {"batch_size_rows": 200, "max_parallel_requests": 1}
    account.faults(max_body=10000)
    result = run_target(
        account, [SCHEMA, *customers(1000), state_of({"at": 1})], **settings
    )
    sent = posts(account)
    stored = len(account.customers())

    assert result.code == 0, result.stderr
    assert (result.states, stored) == ([{"at": 1}], 1000)
    assert sum(rows for status, rows in sent if status == 200) == 1000
    refused = [index for index, (status, _) in enumerate(sent) if status == 413]
    passed = [index for index, (status, _) in enumerate(sent) if status == 200]
    # 200, then 100: refused, and so may be those of the batch that was begun meanwhile.
    # All that is begun after the first that passed passes.
    assert 2 <= len(refused) <= 4
    assert max(refused) <= min(passed) + 1


def test_one_customer_that_is_too_large_costs_itself_only(account, tmp_path):
    messages = [SCHEMA, *customers(40)]
    messages.insert(20, record(id="huge", name="x" * 20_000))
    path = tmp_path / "rejects.jsonl"
    settings = {"max_rejects": 1, "rejects_path": str(path), "batch_size_rows": 50}
    account.faults(max_body=10000)
    result = run_target(account, [*messages, state_of({"at": 1})], **settings)
    stored = account.customers()

    assert result.code == 0, result.stderr
    assert result.states == [{"at": 1}]
    assert len(stored) == 40
    assert "huge" not in stored
    assert "too large for Upwell" in path.read_text()


def test_a_search_that_is_too_large_is_halved_too(account):
    ids = [f"{number:03}{'i' * 40}" for number in range(100)]
    messages = [SCHEMA, *(record(id=one, name="A") for one in ids)]
    settings = {"batch_size_rows": 100}
    account.faults(max_body=3000)
    first = run_target(account, messages, **settings)
    again = run_target(account, messages, **settings)
    stored = account.customers()

    assert (first.code, again.code) == (0, 0), again.stderr
    assert "100 records: 0 created, 0 updated, 100 unchanged" in again.summary
    assert stored.keys() == set(ids)
