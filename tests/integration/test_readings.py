"""The target is right under each reading of Upwell's documentation, see the sandbox."""

from __future__ import annotations

import json

import pytest
from source_system import BULK, PUT, Source

RULE = {"customerRule": {"dueOption": 30}}


@pytest.fixture
def source(account):
    return Source(account)


def test_a_put_without_a_set_is_refused_and_none_is_sent(source, account):
    source.load({"id": "1", "name": "A", **RULE})

    source.load({"id": "1", "name": "B", **RULE})
    source.load({"id": "1", "name": "B", "customerRule": {"dueOption": 45}})

    assert account.readings()["missing_set_is_empty"] is False
    assert source.done[PUT] == 1
    assert not source.refused
    assert source["1"]["name"] == "B"
    assert source["1"]["customerRule"]["dueOption"] == 45


def test_an_empty_set_that_counts_a_row_is_not_taken_for_a_change(source, account):
    source.load({"id": "1", "name": "A", **RULE}, {"id": "2", "name": "B"})
    account.readings(empty_set_counts=True)

    changed = source.load({"id": "1", "name": "A", "customerRule": {"dueOption": 45}})
    without = source.load({"id": "2", "name": "B", **RULE})

    assert "1 updated, 0 unchanged" in changed.summary
    assert source["1"]["customerRule"]["dueOption"] == 45
    assert "0 updated, 1 unchanged" in without.summary
    assert [w for w in without.warnings if "customerRule" in w]
    assert source["2"]["customerRule"] is None


def test_a_hidden_null_does_not_go_along_with_what_is_left_out(source, account):
    account.readings(not_updatable=["metadata"])
    source.load({"id": "1", "name": "A", "metadata": 1, "collectorId": None})

    for _ in range(2):
        result = source.load(
            {"id": "1", "name": "A", "metadata": 2, "collectorId": None}
        )

        assert "0 updated, 1 unchanged" in result.summary
        assert source.done[PUT] == 0


def test_refusals_in_the_shape_of_the_documentation_cost_one_record_each(
    source, account, tmp_path
):
    account.readings(error_shape="documented")
    bad = {"id": "2", "name": "B", "addresses": [{"type": "NOPE"}]}
    rejects = {"max_rejects": 1, "rejects_path": str(tmp_path / "rejects.jsonl")}

    result = source.run({"id": "1", "name": "A"}, bad, **rejects)
    again = source.load({"id": "1", "name": "A2"}, {"id": "3", "name": "C"})

    assert result.code == 0, result.stderr
    assert "1 created, 0 updated, 0 unchanged, 0 skipped, 1 rejected" in result.summary
    assert any("but found 'NOPE'" in error for error in result.errors)
    assert "1 created, 1 updated" in again.summary


def test_customers_that_a_search_hides_are_updated_and_not_created_twice(
    source, account
):
    gone = {"id": "1", "name": "Gone", "deletedAt": "2026-01-01T00:00:00Z"}
    source.load(gone, {"id": "2", "name": "Here"})
    account.readings(search_hides_deleted=True)

    result = source.load({**gone, "name": "Gone too"}, {"id": "3", "name": "New"})

    assert "1 created, 1 updated" in result.summary
    assert source.refused.keys() == {BULK}, "found out by the key that is taken"
    assert source["1"]["name"] == "Gone too"
    assert len(account.customers()) == 3


def test_columns_that_can_not_be_updated_are_left_out_and_become_drift(
    source, account, tmp_path
):
    drift = tmp_path / "drift.jsonl"
    first = [
        {"id": str(n), "name": f"A{n}", "emailAddress": f"old{n}@a.example"}
        for n in range(30)
    ]
    later = [
        {**one, "name": f"B{n}", "emailAddress": "new@a.example"}
        for n, one in enumerate(first)
    ]
    source.load(*first)
    account.readings(not_updatable=["emailAddress"])

    result = source.load(*later, drift_path=str(drift))

    assert "30 updated" in result.summary
    assert "0 rejected" in result.summary
    assert [source[str(n)]["name"] for n in range(30)] == [f"B{n}" for n in range(30)]
    assert source["7"]["emailAddress"] == "old7@a.example"
    said = [w for w in result.warnings if w.startswith("emailAddress: ")]
    assert len(said) == 1
    lines = [json.loads(line) for line in drift.read_text().splitlines()]
    assert {one["sourceSystemId"] for one in lines} == {one["id"] for one in first}
    assert (lines[0]["property"], lines[0]["source"]) == (
        "emailAddress",
        "new@a.example",
    )
    assert source.refused[PUT] <= 8, "each update that was under way at most"


def test_a_null_that_upwell_never_shows_is_no_drift(source, account):
    source.load({"id": "1", "name": "A", "deletedAt": None})
    account.readings(not_updatable=["deletedAt"])

    result = source.load({"id": "1", "name": "B", "deletedAt": None})

    assert "1 updated" in result.summary
    assert not [w for w in result.warnings if "differs from Upwell" in w]


def test_a_column_of_the_rule_that_can_not_be_updated_becomes_drift(source, account):
    source.load({"id": "1", "name": "A", **RULE})
    account.readings(rule_not_updatable=["dueOption"])

    result = source.load({"id": "1", "name": "A", "customerRule": {"dueOption": 45}})

    assert "0 updated, 1 unchanged" in result.summary
    assert source["1"]["customerRule"]["dueOption"] == 30
    assert [w for w in result.warnings if "customerRule.dueOption" in w]


@pytest.mark.parametrize("max_rejects", [0, -1])
def test_a_column_that_can_not_be_inserted_ends_the_run_at_once(
    source, account, tmp_path, max_rejects
):
    account.readings(not_insertable=["collectorId"])
    rows = [{"id": str(n), "name": f"A{n}", "collectorId": "c"} for n in range(600)]
    kept = {"rejects_path": str(tmp_path / "r.jsonl")} if max_rejects else {}

    result = source.run(*rows, max_rejects=max_rejects, **kept)

    assert result.code == 1
    assert result.states == []
    assert result.errors[-1].startswith("collectorId: ")
    assert "remove it from the stream map" in result.errors[-1]
    assert sum(source.refused.values()) < 10
    assert not account.customers()


def test_where_every_record_is_refused_alike_the_rest_is_not_tried(
    source, account, tmp_path
):
    account.faults(refuse_name=".")
    rows = [{"id": str(n), "name": f"A{n}"} for n in range(3000)]

    result = source.run(*rows, max_rejects=-1, rejects_path=str(tmp_path / "r.jsonl"))

    assert result.code == 1
    assert result.states == []
    assert "refused alike" in result.errors[-1]
    assert sum(source.refused.values()) < 300


def test_an_account_that_takes_a_missing_set_is_served_as_well(source, account):
    account.readings(missing_set_is_empty=True)
    source.load({"id": "1", "name": "A", **RULE})

    source.load({"id": "1", "name": "B", "customerRule": {"dueOption": 45}})

    assert source["1"]["name"] == "B"
    assert source["1"]["customerRule"]["dueOption"] == 45
