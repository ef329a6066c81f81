from __future__ import annotations

import math

import pytest
from shown import show
from target_command import record, run_target, schema
from target_command import state as state_of

SCHEMA = schema("id", "name")
ROWS = 200
CAP = 30


def customers(count, version=1):
    return [
        record(id=str(number), name=f"{number} v{version}") for number in range(count)
    ]


@pytest.fixture
def capped(account):
    """An account whose searches give few at once."""
    account.faults(search_cap=CAP)
    return account


def requests_by_path(account):
    paths = [one["path"].rpartition("/")[2] for one in account.requests()]
    return {path: paths.count(path) for path in set(paths)}


@pytest.mark.parametrize("batches", [1, 5])
def test_customers_that_a_capped_search_hides_are_found_at_a_bounded_price(
    capped, batches
):
    count = batches * ROWS
    first = run_target(capped, [SCHEMA, *customers(count)], batch_size_rows=ROWS)
    assert first.code == 0
    capped.reset()

    again = run_target(
        capped,
        [SCHEMA, *customers(count), state_of({"at": 1})],
        batch_size_rows=ROWS,
    )
    asked = requests_by_path(capped)
    stored = capped.customers()

    assert again.code == 0, again.stderr
    assert again.states == [{"at": 1}]
    assert f"{count} records: 0 created, 0 updated, {count} unch" in again.summary
    assert len(stored) == count
    # Once it is known that a search gives 30 at most, a batch takes 200 / 30 = 7
    # searches. The batches under way at first (4) each learn it for themselves: a
    # search for all, a refused insert, and at worst as many searches again, because
    # what the first search gave is not asked for twice but its page was 200.
    pages = math.ceil(ROWS / CAP)
    learning = min(batches, 4)
    show(asked)
    assert asked["search"] <= batches * pages + learning * (2 + pages)
    assert asked.get("bulk-customers", 0) <= 2 * learning


def test_changes_behind_a_cap_are_all_made(capped):
    run_target(capped, [SCHEMA, *customers(ROWS)], batch_size_rows=ROWS)

    changed = run_target(
        capped, [SCHEMA, *customers(ROWS, version=2)], batch_size_rows=ROWS
    )
    names = {one["name"] for one in capped.customers().values()}

    assert changed.code == 0, changed.stderr
    assert names == {f"{number} v2" for number in range(ROWS)}
    assert f"0 created, {ROWS} updated" in changed.summary


def test_a_batch_of_new_and_hidden_customers_is_split_rightly(capped):
    old, mixed = customers(ROWS), customers(2 * ROWS)[ROWS // 2 : ROWS + ROWS // 2]
    run_target(capped, [SCHEMA, *old], batch_size_rows=ROWS)
    capped.reset()

    result = run_target(capped, [SCHEMA, *mixed], batch_size_rows=ROWS)
    asked = requests_by_path(capped)
    stored = capped.customers()

    assert result.code == 0, result.stderr
    assert "200 records: 100 created, 0 updated, 100 unchanged" in result.summary
    assert len(stored) == ROWS + ROWS // 2
    show(asked)
    # Far from one request a row, which halving down to single rows would take.
    assert sum(asked.values()) < 30


def test_a_search_that_shows_nothing_at_all_still_ends_right(account):
    account.faults(search_cap=0)
    run_target(account, [SCHEMA, *customers(3)])

    result = run_target(account, [SCHEMA, *customers(3, version=2)])
    names = {one["name"] for one in account.customers().values()}

    assert result.code == 0, result.stderr
    assert names == {"0 v2", "1 v2", "2 v2"}
