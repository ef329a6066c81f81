"""Bulk inserts that are refused, lost or cut short: who is created, who is not."""

from __future__ import annotations

import re

import pytest

from target_upwell import json_codec
from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.batch import ENVELOPE_BYTES, Row, Source
from target_upwell.exceptions import (
    AmbiguousOutcome,
    Refusal,
    Refused,
    RetriesExhausted,
    RunError,
    TooLarge,
)
from target_upwell.upsert.diff import body_of, merge
from target_upwell.upsert.inserts import RETRIES_OF_A_HALF, Inserts, Searched
from target_upwell.upsert.lookups import Lookups
from target_upwell.upsert.refusals import Refusals

SOURCE = Source("customers", {})
UNIQUENESS = Refusal(400, "constraint-violation", "Uniqueness violation. duplicate key")
ROWS = 64


def entries(*ids, **properties):
    rows = []
    for source_id in map(str, ids):
        customer = {"sourceSystem": "S", "sourceSystemId": source_id, "name": "A"}
        customer |= properties
        rows.append(
            Row(SOURCE, {}, "", ("S", source_id), customer, body_of(customer), None)
        )
    return merge(rows)


class Tries:
    def __init__(self, most):
        self.most = self.left = most
        self.waits = []

    def wait(self, failure):
        self.waits.append((str(failure), failure.pause))
        self.left -= 1
        if self.left < 0:
            raise RetriesExhausted(str(failure), failure.status)


class Upwell:
    """An account that inserts all or nothing, in memory, with faults of all kinds."""

    def __init__(  # noqa: PLR0913 - one for each fault
        self, *, bad=(), indexed=False, invisible=(), cap=None, most=None, choke=()
    ):
        self.customers = {}
        self.choke = {str(i) for i in choke}
        self.bad = {str(i) for i in bad}
        self.indexed = indexed
        self.invisible = {str(i) for i in invisible}
        self.cap = cap
        self.most = most
        self.posts = []
        self.searches = 0
        self.next = []
        self.tries = []
        self.tries_of_posts = []

    def retry(self, what, retries=3):
        assert what == str(CUSTOMERS.bulk)
        self.tries.append(Tries(retries))
        return self.tries[-1]

    def add(self, *ids, **properties):
        for entry in entries(*ids, **properties):
            self._store(dict(entry.input))

    def _store(self, customer):
        source_id = customer["sourceSystemId"]
        self.customers[source_id] = {"id": f"cus_{source_id}", **customer}
        return self.customers[source_id]

    def create(self, resource, inputs, retry):
        assert resource is CUSTOMERS
        self.tries_of_posts.append(retry)
        bodies = list(inputs.values())
        customers = [json_codec.decode(body) for body in bodies]
        self.posts.append([customer["sourceSystemId"] for customer in customers])
        fault = self.next.pop(0) if self.next else None
        if fault == "lost request":
            raise AmbiguousOutcome("the connection was lost")
        size = ENVELOPE_BYTES + sum(map(len, bodies)) + len(bodies) - 1
        if self.most is not None and size > self.most:
            raise TooLarge
        if any(customer["sourceSystemId"] in self.choke for customer in customers):
            raise AmbiguousOutcome("database query error (500)", None, 500)
        for number, customer in enumerate(customers):
            if customer["sourceSystemId"] in self.bad:
                row = number if self.indexed else None
                raise Refused(Refusal(400, "x", "bad", row))
        for customer in customers:
            taken = customer["sourceSystemId"] in {*self.customers, *self.invisible}
            if taken:
                raise Refused(UNIQUENESS)
        stored = [self._store(customer) for customer in customers]
        if fault == "lost reply":
            raise AmbiguousOutcome("no answer in time", 7)
        return {CUSTOMERS.key_of(customer): customer for customer in stored[::-1]}

    def search(self, _resource, _system, ids):
        self.searches += 1
        found = [c for i, c in self.customers.items() if i in set(ids)]
        return found[: self.cap]


def run(upwell, group, searched=Searched.ONCE, batch_size_bytes=1_000_000):
    lookups = Lookups(upwell, CUSTOMERS, ROWS)
    inserts = Inserts(upwell, lookups, Refusals(), CUSTOMERS, batch_size_bytes)
    result = inserts.run(group, searched)
    if result.failure:
        raise result.failure
    return result


def turned_up(result):
    return names(result.created | result.unclear)


def names(keys):
    return {int(source_id) for _, source_id in keys}


def refused(result):
    return {int(entry.key[1]) for entry, _ in result.refused}


def test_new_customers_are_created_with_one_request():
    upwell = Upwell()
    result = run(upwell, entries(*range(ROWS)))
    assert names(result.created) == set(range(ROWS))
    assert result.created["S", "3"]["id"] == "cus_3"
    assert (len(upwell.posts), upwell.searches) == (1, 0)


def test_nothing_to_create_is_no_request():
    upwell = Upwell()
    run(upwell, [])
    assert upwell.posts == []


# Uniqueness


@pytest.mark.parametrize("present", [[0], [5, 40], range(60), range(ROWS)])
def test_those_that_exist_already_are_found_and_the_rest_is_created(present):
    upwell = Upwell()
    upwell.add(*present)
    result = run(upwell, entries(*range(ROWS)), Searched.NOT)
    assert names(result.existing) == set(present)
    assert names(result.created) == set(range(ROWS)) - set(present)
    assert {i: one["id"] for (_, i), one in result.existing.items()} == {
        str(i): f"cus_{i}" for i in present
    }
    assert not result.hidden
    assert not result.refused
    assert upwell.searches == 1


def test_a_capped_search_is_repeated_until_nobody_is_left():
    upwell = Upwell(cap=10)
    upwell.add(*range(40))
    result = run(upwell, entries(*range(ROWS)), Searched.NOT)
    assert names(result.existing) == set(range(40))
    assert names(result.created) == set(range(40, ROWS))


@pytest.mark.parametrize("invisible", [[7], [0, 63], [1, 2, 3]])
def test_those_that_exist_but_that_no_search_shows_are_told_apart(invisible):
    upwell = Upwell(invisible=invisible)
    result = run(upwell, entries(*range(ROWS)))
    assert {int(entry.key[1]) for entry, _ in result.hidden} == set(invisible)
    assert names(result.created) == set(range(ROWS)) - set(invisible)
    assert not result.refused


@pytest.mark.parametrize(
    ("searched", "searches"), [(Searched.ONCE, 1), (Searched.FULLY, 0)]
)
def test_no_search_is_made_that_was_made_before(searched, searches):
    upwell = Upwell(invisible=[0])
    result = run(upwell, entries(0), searched)
    assert len(result.hidden) == 1
    assert upwell.searches == searches


# Bad rows


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("bad", [[0], [63], [3, 4, 50], range(1, 15)])
def test_a_bad_row_costs_one_row(bad, indexed):
    upwell = Upwell(bad=bad, indexed=indexed)
    result = run(upwell, entries(*range(ROWS)))
    assert refused(result) == set(bad)
    assert names(result.created) == set(range(ROWS)) - set(bad)
    assert {refusal.message for _, refusal in result.refused} == {"bad"}


def test_where_the_first_rows_are_all_refused_alike_the_rest_is_not_tried():
    upwell = Upwell(bad=range(ROWS))
    with pytest.raises(RunError, match=r"were all refused alike.*bad"):
        run(upwell, entries(*range(ROWS)))
    assert len(upwell.posts) < ROWS


def test_a_column_that_the_key_may_not_set_ends_the_run_with_the_first_refusal():
    class Narrow(Upwell):
        def create(self, _resource, bodies, _retry):
            self.posts.append(bodies)
            words = "field 'collectorId' not found in type: 'CustomersInsertInput'"
            raise Refused(Refusal(400, "validation-failed", words, 0))

    upwell = Narrow()
    remedy = "remove it from the stream map, or ask Upwell for the permission$"
    with pytest.raises(RunError, match=rf"^collectorId: .*; {remedy}"):
        run(upwell, entries(*range(ROWS), collectorId="c"))
    assert len(upwell.posts) == 1


def test_a_row_that_the_insert_refuses_and_that_exists_is_planned_as_existing():
    upwell = Upwell(bad=[3], indexed=True)
    upwell.add(3)
    result = run(upwell, entries(*range(8)), Searched.NOT)
    assert names(result.existing) == {3}
    assert not result.refused


def test_a_row_that_upwell_always_chokes_on_costs_one_row():
    upwell = Upwell(choke=[5])
    result = run(upwell, entries(*range(ROWS)))
    (bad, refusal) = result.refused[0]
    assert bad.key == ("S", "5")
    assert refusal == Refusal(500, "", "database query error")
    assert names(result.created) == set(range(ROWS)) - {5}
    whole, *halves = upwell.tries
    assert whole.most > RETRIES_OF_A_HALF
    assert {half.most for half in halves} == {RETRIES_OF_A_HALF}


def test_an_outage_is_not_taken_for_the_fault_of_each_row():
    upwell = Upwell(choke=range(ROWS))
    with pytest.raises(RunError, match="one record after the other"):
        run(upwell, entries(*range(ROWS)))


def test_a_bad_row_with_an_index_costs_one_more_request():
    upwell = Upwell(bad=[3, 40], indexed=True)
    run(upwell, entries(*range(ROWS)))
    assert len(upwell.posts) == 3


@pytest.mark.parametrize(("bad", "most"), [(1, 14), (2, 24), (4, 40)])
def test_bad_rows_without_an_index_are_found_at_a_bounded_price(bad, most):
    # 2 k log2(n/k) + 2k requests for k bad rows in n.
    upwell = Upwell(bad=[i * ROWS // bad for i in range(bad)])
    run(upwell, entries(*range(ROWS)))
    assert len(upwell.posts) <= most


@pytest.mark.parametrize("index", [16, 500])
def test_an_index_beyond_the_batch_is_not_believed(index):
    class Confused(Upwell):
        def create(self, resource, bodies, retry):
            try:
                return super().create(resource, bodies, retry)
            except Refused:
                raise Refused(Refusal(400, "x", "bad", index)) from None

    result = run(Confused(bad=[9]), entries(*range(16)))
    assert refused(result) == {9}
    assert len(result.created) == 15


def test_bad_existing_and_invisible_rows_in_one_batch_are_all_told_apart():
    upwell = Upwell(bad=[1, 2], invisible=[30])
    upwell.add(10, 11)
    result = run(upwell, entries(*range(ROWS)), Searched.NOT)
    assert refused(result) == {1, 2}
    assert names(result.existing) == {10, 11}
    assert {int(entry.key[1]) for entry, _ in result.hidden} == {30}
    assert names(result.created) == set(range(ROWS)) - {1, 2, 10, 11, 30}


# Size


def test_a_body_that_is_too_large_is_halved_and_later_batches_are_smaller():
    one = len(entries(10)[0].body) + 1
    upwell = Upwell(most=ENVELOPE_BYTES + 10 * one)
    lookups = Lookups(upwell, CUSTOMERS, ROWS)
    inserts = Inserts(upwell, lookups, Refusals(), CUSTOMERS, 1_000_000)
    inserts.run(entries(*range(10, 50)), Searched.ONCE)
    assert len(upwell.customers) == 40
    upwell.posts.clear()
    inserts.run(entries(*range(50, 90)), Searched.ONCE)
    assert [len(post) for post in upwell.posts] == [10, 10, 10, 10]


def test_a_customer_that_alone_is_too_large_is_refused_by_itself():
    upwell = Upwell(most=2000)
    group = entries(1, 2) + entries(3, metadata="x" * 3000) + entries(4)
    result = run(upwell, group)
    assert names(result.created) == {1, 2, 4}
    words = "this customer alone is too large for Upwell"
    assert [(e.key[1], r) for e, r in result.refused] == [
        ("3", Refusal(413, "", words))
    ]


def test_a_group_that_grew_beyond_the_limit_is_sent_in_parts():
    upwell = Upwell()
    run(upwell, entries(*range(10, 20)), batch_size_bytes=300)
    assert len(upwell.customers) == 10
    assert len(upwell.posts) > 1


def test_a_part_of_which_all_exist_leaves_the_other_to_be_created():
    upwell = Upwell()
    upwell.add(*range(10, 15))
    group = entries(*range(10, 20))
    size = ENVELOPE_BYTES + sum(len(entry.body) + 1 for entry in group)
    result = run(upwell, group, Searched.NOT, batch_size_bytes=size - 1)
    assert names(result.existing) == set(range(10, 15))
    assert names(result.created) == set(range(15, 20))


@pytest.mark.parametrize(("less", "posts"), [(0, 1), (1, 2)])
def test_what_just_fits_is_sent_at_once(less, posts):
    upwell = Upwell()
    group = entries(1, 2)
    size = ENVELOPE_BYTES + sum(len(entry.body) + 1 for entry in group)
    run(upwell, group, batch_size_bytes=size - less)
    assert len(upwell.posts) == posts


def test_one_customer_is_sent_whatever_its_size():
    upwell = Upwell()
    run(upwell, entries(1), batch_size_bytes=1)
    assert upwell.posts == [["1"]]


# Outcomes unknown


@pytest.mark.parametrize("fault", ["lost request", "lost reply"])
def test_after_an_unknown_outcome_nothing_is_posted_twice(fault):
    upwell = Upwell()
    upwell.next = [fault]
    result = run(upwell, entries(*range(ROWS)))
    assert turned_up(result) == set(range(ROWS))
    assert not result.existing
    assert not result.refused
    assert upwell.searches == 1
    assert len(upwell.posts) == (2 if fault == "lost request" else 1)


def test_what_the_server_says_about_waiting_is_passed_on():
    upwell = Upwell()
    upwell.next = ["lost reply"]
    run(upwell, entries(1))
    assert upwell.tries[0].waits == [("no answer in time", 7)]


def test_a_post_after_an_unknown_outcome_has_the_retries_of_the_first():
    upwell = Upwell()
    upwell.next = ["lost request", "lost request"]
    run(upwell, entries(1))
    assert upwell.tries_of_posts == [None, upwell.tries[0], upwell.tries[0]]


def test_unknown_outcomes_in_a_row_are_counted_together():
    upwell = Upwell()
    upwell.next = ["lost request"] * 3
    assert len(run(upwell, entries(1, 2)).created) == 2
    upwell.next = ["lost request"] * 4
    with pytest.raises(RunError, match=re.escape("the connection was lost")):
        run(upwell, entries(3, 4))
    assert len(upwell.tries) == 2


def test_what_turns_up_after_a_lost_reply_may_be_old_and_is_told_apart():
    upwell = Upwell()
    upwell.add(1, name="An older name")
    upwell.next = ["lost request"]
    result = run(upwell, entries(1, 2), Searched.NOT)
    assert {one["id"] for one in result.unclear.values()} == {"cus_1"}
    assert names(result.created) == {2}


def test_a_capped_search_after_a_lost_reply_still_leaves_nobody_out():
    upwell = Upwell(cap=10)
    upwell.next = ["lost reply"]
    result = run(upwell, entries(*range(ROWS)))
    assert turned_up(result) == set(range(ROWS))
    assert not result.existing
    assert len(upwell.customers) == ROWS


def test_a_lost_reply_after_a_full_search_makes_a_search_worth_it_again():
    upwell = Upwell(cap=10, invisible=[63])
    upwell.next = [None, "lost reply"]
    result = run(upwell, entries(*range(ROWS)))
    assert {int(entry.key[1]) for entry, _ in result.hidden} == {63}
    assert names(result.created | result.unclear) == set(range(63))


def test_what_was_created_before_a_failure_is_told():
    upwell = Upwell(bad=[3])
    upwell.next = [None, None, None, None, *["lost request"] * 4]
    lookups = Lookups(upwell, CUSTOMERS, ROWS)
    inserts = Inserts(upwell, lookups, Refusals(), CUSTOMERS, 1_000_000)

    result = inserts.run(entries(*range(8)), Searched.ONCE)

    assert isinstance(result.failure, RetriesExhausted)
    assert names(result.created) == {int(one) for one in upwell.customers}
    assert result.created


def test_a_group_that_is_halved_keeps_count_of_its_attempts():
    upwell = Upwell(bad=[3])
    upwell.next = ["lost request", None, "lost request", None, None, "lost request"]
    result = run(upwell, entries(*range(8)))
    assert names(result.created) == set(range(8)) - {3}
    assert len(upwell.tries) == 1
    assert upwell.tries[0].left == 0
