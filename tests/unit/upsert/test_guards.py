"""Guards: no sequence of batches ever writes more than one allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_upwell.customers.schema import CUSTOMERS
from target_upwell.upsert.guards import FEWEST_CONCERNED, FEWEST_LOOKED_UP, Guards

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
        if guards.admit(rows, changes):
            break
        if looked_up >= FEWEST_LOOKED_UP:
            allowed = max(updated * looked_up / 100, FEWEST_CONCERNED - 1)
            assert changed <= allowed
            allowed = max(cleared * looked_up / 100, FEWEST_CONCERNED - 1)
            assert emptied <= allowed


def test_it_names_the_property_the_counts_and_the_setting():
    why = Guards(CUSTOMERS, 100, 20).admit(
        200, [["emailAddress"]] * 41 + [["name"]] * 5
    )
    assert why
    assert why.startswith("emailAddress: ")
    for words in ("41 of the 200", "20%", "max_cleared_percent"):
        assert words in why


def test_too_many_changes_are_named_too():
    why = Guards(CUSTOMERS, 10, 100).admit(200, [[]] * 21)
    assert why
    for words in ("21 of the 200", "10%", "max_updated_percent"):
        assert words in why


@pytest.mark.parametrize(("looked_up", "cleared"), [(99, 99), (100, 19), (1000, 200)])
def test_few_customers_and_what_is_allowed_pass(looked_up, cleared):
    assert (
        Guards(CUSTOMERS, 100, 20).admit(looked_up, [["emailAddress"]] * cleared)
        is None
    )


def test_a_property_counts_once_for_a_customer():
    assert Guards(CUSTOMERS, 100, 20).admit(100, [["a", "a"]] * 20) is None
