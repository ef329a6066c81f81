"""The target is right under each reading of Upwell's documentation, see the sandbox."""

from __future__ import annotations

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
