from __future__ import annotations

from sandbox_server import Sandbox
from target_command import record, run_target, schema
from target_command import state as state_of

SCHEMA = schema("id", "name")
BULK = "/api/rest/bulk-customers"


def customers(count):
    return [
        record(id=f"{number:05}", name=f"Customer {number:05} {'x' * 70}")
        for number in range(count)
    ]


def posts(sandbox):
    return [
        (one["status"], one["rows"])
        for one in sandbox.requests()
        if one["path"] == BULK
    ]


def test_a_body_that_is_too_large_is_halved_and_later_ones_stay_below():
    # A row takes 145 bytes: 200 of them 29 kB, 100 of them 14.5 kB, 50 of them 7 kB.
    settings = {"batch_size_rows": 200, "max_parallel_requests": 1}
    with Sandbox("--max-body", "10000") as sandbox:
        result = run_target(
            sandbox, [SCHEMA, *customers(1000), state_of({"at": 1})], **settings
        )
        sent = posts(sandbox)
        stored = len(sandbox.customers())

    assert result.code == 0, result.stderr
    assert (result.states, stored) == ([{"at": 1}], 1000)
    assert sum(rows for status, rows in sent if status == 200) == 1000
    refused = [index for index, (status, _) in enumerate(sent) if status == 413]
    passed = [index for index, (status, _) in enumerate(sent) if status == 200]
    # 200, then 100: refused, and so may be those of the batch that was begun meanwhile.
    # All that is begun after the first that passed passes.
    assert 2 <= len(refused) <= 4
    assert max(refused) <= min(passed) + 1


def test_one_customer_that_is_too_large_costs_itself_only(tmp_path):
    messages = [SCHEMA, *customers(40)]
    messages.insert(20, record(id="huge", name="x" * 20_000))
    path = tmp_path / "rejects.jsonl"
    settings = {"max_rejects": 1, "rejects_path": str(path), "batch_size_rows": 50}
    with Sandbox("--max-body", "10000") as sandbox:
        result = run_target(sandbox, [*messages, state_of({"at": 1})], **settings)
        stored = sandbox.customers()

    assert result.code == 0, result.stderr
    assert result.states == [{"at": 1}]
    assert len(stored) == 40
    assert "huge" not in stored
    assert "too large for Upwell" in path.read_text()


def test_a_search_that_is_too_large_is_halved_too():
    ids = [f"{number:03}{'i' * 40}" for number in range(100)]
    messages = [SCHEMA, *(record(id=one, name="A") for one in ids)]
    settings = {"batch_size_rows": 100}
    with Sandbox("--max-body", "3000") as sandbox:
        first = run_target(sandbox, messages, **settings)
        again = run_target(sandbox, messages, **settings)
        stored = sandbox.customers()

    assert (first.code, again.code) == (0, 0), again.stderr
    assert "100 records: 0 created, 0 updated, 100 unchanged" in again.summary
    assert stored.keys() == set(ids)


def test_no_body_exceeds_the_setting_as_it_is_sent():
    # The sandbox refuses what is larger by a byte.
    most = 5000
    settings = {"batch_size_bytes": most, "batch_size_rows": 10_000}
    with Sandbox("--max-body", str(most)) as sandbox:
        result = run_target(sandbox, [SCHEMA, *customers(500)], **settings)
        sent = posts(sandbox)

    assert result.code == 0, result.stderr
    assert {status for status, _ in sent} == {200}
    assert sum(rows for _, rows in sent) == 500
