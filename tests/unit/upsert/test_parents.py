"""The account of children that wait for their parents, by itself."""

from __future__ import annotations

import tracemalloc

import pytest
from share import share

from target_upwell.upsert.parents import MOST_KNOWN_PARENTS, PendingParents, Waiting

CHILD, OTHER, PARENT, LATER = (("TMSEZ", name) for name in ("c", "d", "p", "q"))


@pytest.fixture
def parents():
    return PendingParents()


def test_a_child_waits_until_it_is_resolved(parents):
    assert parents.add(CHILD, PARENT, 7)
    assert parents.waiting(OTHER) is None
    assert parents.children_of({PARENT: "cus_p"}) == [CHILD]
    assert parents.waiting(CHILD) == Waiting(PARENT, 7)

    assert parents.resolve(CHILD) == Waiting(PARENT, 7)

    assert parents.waiting(CHILD) is None
    assert not parents


def test_a_newer_version_replaces_the_older(parents):
    parents.add(CHILD, PARENT, 7)

    assert parents.add(CHILD, LATER, 8)

    assert parents.children() == {LATER: [CHILD]}
    assert parents.waiting(CHILD) == Waiting(LATER, 8)
    assert parents.children_of({PARENT: "cus_p"}) == []
    assert parents.children_of({LATER: "cus_q"}) == [CHILD]


def test_only_the_first_who_waits_for_a_parent_looks_it_up(parents):
    assert parents.add(CHILD, PARENT, 1)
    assert not parents.add(OTHER, PARENT, 1)
    assert parents.children() == {PARENT: [CHILD, OTHER]}


def test_a_child_whose_newer_version_is_not_loaded_waits_again_as_before(parents):
    parents.add(CHILD, LATER, 8)

    parents.restore(CHILD, Waiting(PARENT, 7))

    assert parents.children() == {PARENT: [CHILD]}
    assert parents.waiting(CHILD) == Waiting(PARENT, 7)

    parents.restore(CHILD, None)

    assert (bool(parents), parents.children()) == (False, {})


def test_whom_a_child_bills_to_at_present_is_remembered(parents):
    parents.add(CHILD, PARENT, 1)
    parents.note(CHILD, "cus_former", "cus_c")
    assert parents.resolve(CHILD) == Waiting(PARENT, 1, "cus_former", "cus_c")


def test_a_parent_that_was_looked_up_is_kept_and_another_is_not(parents):
    parents.children_of({PARENT: "cus_p", LATER: "cus_q"}, {PARENT})

    assert parents.parent_id(PARENT) == "cus_p"
    assert parents.parent_id(LATER) is None


def test_the_known_parents_stay_few(parents):
    for number in range(MOST_KNOWN_PARENTS + 100):
        key = ("TMSEZ", str(number))
        parents.children_of({key: f"cus_{number}"}, {key})

    assert len(parents._known) == MOST_KNOWN_PARENTS
    assert parents.parent_id(("TMSEZ", "0")) is None
    assert parents.parent_id(("TMSEZ", str(MOST_KNOWN_PARENTS))) is not None


def test_resolving_who_does_not_wait_does_nothing(parents):
    assert parents.resolve(CHILD) is None
    parents.note(CHILD, "cus_p")

    assert not parents


def test_a_waiting_child_takes_less_than_a_kilobyte(parents):
    children = share(full=100_000, part=10_000)
    tracemalloc.start()
    try:
        for number in range(children):
            child = ("TMSEZ", f"customer-number-{number}")
            parents.add(child, ("TMSEZ", f"headquarters-{number}"), 1)
            parents.note(child, f"cus_{number:020}")
        ids = {p: f"cus_{n:020}" for n, p in enumerate(parents.children())}
        due = parents.children_of(ids)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(due) == children
    assert most < 1000 * children
