"""The account of links that are owed, by itself."""

from __future__ import annotations

import tracemalloc

import pytest

from target_upwell.delivery.checkpoints import Checkpoints
from target_upwell.upsert.parents import MOST_KNOWN_PARENTS, DueLink, Links

CHILD, OTHER, PARENT, LATER = (("TMSEZ", name) for name in ("c", "d", "p", "q"))


@pytest.fixture
def checkpoints():
    return Checkpoints()


@pytest.fixture
def links(checkpoints):
    return Links(checkpoints.hold, checkpoints.release)


def test_state_waits_for_a_link_that_is_owed(checkpoints, links):
    batch = checkpoints.open()
    links.owe(CHILD, PARENT, batch)
    checkpoints.release(batch)
    checkpoints.note(b"1")
    assert checkpoints.take() is None

    links.settle(CHILD, PARENT)

    assert checkpoints.take() == b"1"


def test_a_newer_version_replaces_the_debt_and_frees_the_older_batch(
    checkpoints, links
):
    older = checkpoints.open()
    links.owe(CHILD, PARENT, older)
    checkpoints.release(older)
    checkpoints.note(b"older")
    newer = checkpoints.open()

    links.owe(CHILD, LATER, newer)

    assert checkpoints.take() == b"older"
    assert links.arrived({PARENT: "cus_p"}) == []
    assert links.arrived({LATER: "cus_q"}) == [DueLink(CHILD, LATER, "cus_q")]


def test_only_the_first_who_waits_for_a_parent_looks_it_up(checkpoints, links):
    batch = checkpoints.open()

    assert links.owe(CHILD, PARENT, batch)
    assert not links.owe(OTHER, PARENT, batch)
    assert links.parents() == [PARENT]
    assert set(links.debtors(PARENT)) == {CHILD, OTHER}


def test_a_due_link_stays_owed_until_it_is_settled(checkpoints, links):
    links.owe(CHILD, PARENT, checkpoints.open())
    (due,) = links.arrived({PARENT: "cus_p"})
    assert links.is_to_set(due)
    assert links

    links.settle(CHILD, PARENT)

    assert not links.is_to_set(due)
    assert not links


def test_a_due_link_that_a_newer_version_replaced_is_not_set(checkpoints, links):
    links.owe(CHILD, PARENT, checkpoints.open())
    (due,) = links.arrived({PARENT: "cus_p"})
    links.owe(CHILD, LATER, checkpoints.open())

    assert not links.is_to_set(due)
    # And settling the older one does not settle the newer.
    links.settle(CHILD, PARENT)
    assert links.parents() == [LATER]


def test_a_link_that_the_child_has_already_is_not_set_again(checkpoints, links):
    batch = checkpoints.open()
    links.owe(CHILD, PARENT, batch)
    links.holds(CHILD, "cus_p")
    checkpoints.release(batch)
    checkpoints.note(b"1")
    (due,) = links.arrived({PARENT: "cus_p"})

    assert not links.is_to_set(due)
    assert not links
    assert checkpoints.take() == b"1"


def test_a_parent_that_was_looked_up_is_kept_at_hand_and_another_is_not(links):
    links.arrived({PARENT: "cus_p", LATER: "cus_q"}, {PARENT})

    assert links.parent_id(PARENT) == "cus_p"
    assert links.parent_id(LATER) is None


def test_the_parents_at_hand_stay_few(links):
    for number in range(MOST_KNOWN_PARENTS + 100):
        key = ("TMSEZ", str(number))
        links.arrived({key: f"cus_{number}"}, {key})

    assert len(links._known) == MOST_KNOWN_PARENTS
    assert links.parent_id(("TMSEZ", "0")) is None
    assert links.parent_id(("TMSEZ", str(MOST_KNOWN_PARENTS))) is not None


def test_settling_what_is_not_owed_does_nothing(links):
    links.settle(CHILD)
    links.holds(CHILD, "cus_p")

    assert not links


@pytest.mark.slow
def test_a_hundred_thousand_owed_links_take_less_than_a_hundred_megabytes(
    checkpoints, links
):
    batch = checkpoints.open()
    tracemalloc.start()
    try:
        for number in range(100_000):
            child = ("TMSEZ", f"customer-number-{number}")
            links.owe(child, ("TMSEZ", f"headquarters-{number}"), batch)
            links.holds(child, f"cus_{number:020}")
        due = links.arrived({p: f"cus_{n:020}" for n, p in enumerate(links.parents())})
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(due) == 100_000
    assert most < 100_000_000
