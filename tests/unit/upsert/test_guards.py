"""Guards: no sequence of batches ever writes more than one allows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from share import share

from target_upwell.customers.schema import CUSTOMERS
from target_upwell.exceptions import RunError
from target_upwell.upsert.guards import FEWEST_CONCERNED, FEWEST_LOOKED_UP, Guards
from target_upwell.upsert.plan import Change

PATIENT = settings(
    max_examples=share(full=100, part=30),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
BATCHES = st.lists(
    st.integers(1, 80).flatmap(
        lambda rows: st.tuples(
            st.just(rows),
            st.lists(st.sets(st.sampled_from(["emailAddress", "name"])), max_size=rows),
        )
    ),
    max_size=30,
)


def verdict_of(guards, looked_up, updated):
    """Return why a run has to stop, if it has to, and whether it has to wait."""
    try:
        named = [(str(number), cleared) for number, cleared in enumerate(updated, 1)]
        return "", guards.admit(looked_up, named)
    except RunError as stop:
        return str(stop), False


def stop_of(guards, looked_up, updated):
    return verdict_of(guards, looked_up, updated)[0]


def stop_at_the_end_of(guards):
    try:
        guards.judge()
    except RunError as stop:
        return str(stop)
    return ""


@PATIENT
@given(BATCHES, st.integers(0, 100), st.integers(0, 100))
def test_what_was_admitted_is_never_over_a_percentage(batches, updated, cleared):
    guards = Guards(CUSTOMERS, updated, cleared)
    looked_up, changed, emptied = 0, 0, 0
    for rows, changes in batches:
        looked_up += rows
        changed += len(changes)
        emptied += sum("emailAddress" in change for change in changes)
        stop, wait = verdict_of(guards, rows, changes)
        assert wait is (looked_up < FEWEST_LOOKED_UP)
        if stop:
            assert stop_at_the_end_of(guards) == stop
            break
        if not wait:
            assert changed <= max(updated * looked_up / 100, FEWEST_CONCERNED - 1)
            assert emptied <= max(cleared * looked_up / 100, FEWEST_CONCERNED - 1)
    else:
        if not stop_at_the_end_of(guards):
            assert emptied <= max(cleared * looked_up / 100, FEWEST_CONCERNED - 1)


@PATIENT
@given(BATCHES, BATCHES)
def test_once_a_run_has_to_stop_nothing_is_admitted_any_more(before, after):
    guards = Guards(CUSTOMERS, 100, 20)
    for rows, changes in before:
        stop_of(guards, rows, changes)
    stop = stop_of(guards, 100, [["emailAddress"]] * 2000)

    assert stop
    assert guards.stop == stop
    assert {stop_of(guards, rows, changes) for rows, changes in after} <= {stop}


def test_it_names_the_property_the_counts_and_the_setting():
    updated = [["name"]] * 5 + [["emailAddress"]] * 41
    why = stop_of(Guards(CUSTOMERS, 100, 20), 200, updated)
    assert why.startswith("emailAddress: ")
    for words in ("41 of the 200", "20%, among them 6, 7, 8,", "max_cleared_percent"):
        assert words in why


def test_the_documentation_shows_the_line_as_it_is():
    page = Path(__file__).parents[3] / "docs" / "guards.md"
    why = stop_of(Guards(CUSTOMERS, 100, 20), 200, [["emailAddress"]] * 200)
    assert f"\n{why}\n" in page.read_text("utf-8")


def test_too_many_changes_are_named_too():
    why = stop_of(Guards(CUSTOMERS, 10, 100), 200, [[]] * 21)
    assert why == (
        "this run would change 21 of the 200 existing customers that it has looked up, "
        "more than 10%, among them 1, 2, 3, 4, 5: check the source, or raise "
        "max_updated_percent"
    )


def test_in_a_dry_run_nothing_waits_or_stops_and_the_reason_is_kept():
    guards = Guards(CUSTOMERS, 100, 20, dry_run=True)
    assert verdict_of(guards, 50, [["emailAddress"]] * 30) == ("", False)
    assert guards.stop == ""
    assert verdict_of(guards, 50, []) == ("", False)
    assert stop_at_the_end_of(guards) == ""
    assert guards.stop.startswith("emailAddress: this run would empty it for 30 of ")


@pytest.mark.parametrize(("looked_up", "cleared"), [(19, 19), (100, 19), (1000, 200)])
def test_few_customers_and_what_is_allowed_pass(looked_up, cleared):
    guards = Guards(CUSTOMERS, 100, 20)
    assert not stop_of(guards, looked_up, [["emailAddress"]] * cleared)
    assert not stop_at_the_end_of(guards)


def test_of_few_customers_the_end_of_the_stream_judges_what_they_lose():
    guards = Guards(CUSTOMERS, 10, 20)
    assert verdict_of(guards, 99, [["emailAddress"]] * 20) == ("", True)
    why = stop_at_the_end_of(guards)
    assert "empty it for 20 of the 99 existing" in why


def test_of_few_customers_any_share_may_change():
    guards = Guards(CUSTOMERS, 10, 20)
    assert verdict_of(guards, 99, [[]] * 99) == ("", True)
    assert not stop_at_the_end_of(guards)


def test_a_property_counts_once_for_a_customer():
    assert not stop_of(Guards(CUSTOMERS, 100, 20), 100, [["a", "a"]] * 20)


EMPTIES = Change({"emailAddress": ("a@b.example", None)})
FILLS = Change({"emailAddress": (None, "a@b.example")})


@pytest.mark.parametrize(
    ("updated", "cleared", "concerned"),
    [(100, 20, [EMPTIES]), (50, 20, [EMPTIES, FILLS]), (100, 100, [])],
)
def test_only_changes_that_are_guarded_wait_for_a_verdict(updated, cleared, concerned):
    guards = Guards(CUSTOMERS, updated, cleared)
    changes = [EMPTIES, FILLS, Change()]
    assert [one for one in changes if guards.concern(one)] == concerned
