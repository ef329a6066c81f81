"""Guards: no sequence of batches ever writes more than one allows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_upwell.customers.schema import CUSTOMERS
from target_upwell.upsert.guards import FEWEST_CONCERNED, FEWEST_LOOKED_UP, Guards
from target_upwell.upsert.plan import Change

BATCHES = st.lists(
    st.integers(1, 80).flatmap(
        lambda rows: st.tuples(
            st.just(rows),
            st.lists(st.sets(st.sampled_from(["emailAddress", "name"])), max_size=rows),
        )
    ),
    max_size=30,
)


@given(BATCHES, st.integers(0, 100), st.integers(0, 100))
def test_what_was_admitted_is_never_over_a_percentage(batches, updated, cleared):
    guards = Guards(CUSTOMERS, updated, cleared)
    looked_up, changed, emptied = 0, 0, 0
    for rows, changes in batches:
        looked_up += rows
        changed += len(changes)
        emptied += sum("emailAddress" in change for change in changes)
        verdict = guards.admit(rows, changes)
        assert verdict.wait is (looked_up < FEWEST_LOOKED_UP)
        if verdict.stop:
            assert guards.judge() == verdict.stop
            break
        if not verdict.wait:
            assert changed <= max(updated * looked_up / 100, FEWEST_CONCERNED - 1)
            assert emptied <= max(cleared * looked_up / 100, FEWEST_CONCERNED - 1)
    else:
        if guards.judge() is None:
            assert emptied <= max(cleared * looked_up / 100, FEWEST_CONCERNED - 1)


@given(BATCHES, BATCHES)
def test_once_a_run_has_to_stop_nothing_is_admitted_any_more(before, after):
    guards = Guards(CUSTOMERS, 100, 20)
    for rows, changes in before:
        guards.admit(rows, changes)
    stop = guards.admit(100, [["emailAddress"]] * 2000).stop

    assert stop
    assert {guards.admit(rows, changes).stop for rows, changes in after} <= {stop}


def test_it_names_the_property_the_counts_and_the_setting():
    why = (
        Guards(CUSTOMERS, 100, 20)
        .admit(200, [["emailAddress"]] * 41 + [["name"]] * 5)
        .stop
    )
    assert why
    assert why.startswith("emailAddress: ")
    for words in ("41 of the 200", "20%", "max_cleared_percent"):
        assert words in why


def test_the_documentation_shows_the_line_as_it_is():
    page = Path(__file__).parents[3] / "docs" / "guards.md"
    why = Guards(CUSTOMERS, 100, 20).admit(200, [["emailAddress"]] * 200).stop
    assert f"\n{why}\n" in page.read_text("utf-8")


def test_too_many_changes_are_named_too():
    why = Guards(CUSTOMERS, 10, 100).admit(200, [[]] * 21).stop
    assert why
    for words in ("21 of the 200", "10%", "max_updated_percent"):
        assert words in why


@pytest.mark.parametrize(("looked_up", "cleared"), [(19, 19), (100, 19), (1000, 200)])
def test_few_customers_and_what_is_allowed_pass(looked_up, cleared):
    guards = Guards(CUSTOMERS, 100, 20)
    assert guards.admit(looked_up, [["emailAddress"]] * cleared).stop is None
    assert guards.judge() is None


def test_of_few_customers_the_end_of_the_stream_judges_what_they_lose():
    guards = Guards(CUSTOMERS, 10, 20)
    assert guards.admit(99, [["emailAddress"]] * 20) == (None, True)
    why = guards.judge()
    assert why
    assert "empty it for 20 of the 99 existing" in why


def test_of_few_customers_any_share_may_change():
    guards = Guards(CUSTOMERS, 10, 20)
    assert guards.admit(99, [[]] * 99) == (None, True)
    assert guards.judge() is None


def test_a_property_counts_once_for_a_customer():
    assert Guards(CUSTOMERS, 100, 20).admit(100, [["a", "a"]] * 20).stop is None


EMPTIES = Change(columns={"emailAddress": None}, held={"emailAddress": "a@b.example"})
FILLS = Change(columns={"emailAddress": "a@b.example"})


@pytest.mark.parametrize(
    ("updated", "cleared", "concerned"),
    [(100, 20, [EMPTIES]), (50, 20, [EMPTIES, FILLS]), (100, 100, [])],
)
def test_only_changes_that_are_guarded_wait_for_a_verdict(updated, cleared, concerned):
    guards = Guards(CUSTOMERS, updated, cleared)
    changes = [EMPTIES, FILLS, Change()]
    assert [one for one in changes if guards.concern(one)] == concerned
