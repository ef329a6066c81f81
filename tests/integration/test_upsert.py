"""The main job, end to end: an account kept equal to a source, run after run."""

from __future__ import annotations

import pytest
from source_system import BULK, PUT, SEARCH, Source, assert_fates


@pytest.fixture
def source(account):
    return Source(account)


def people(number, start=0):
    return [
        {"id": str(n), "name": f"Customer {n}", "emailAddress": f"c{n}@b.example"}
        for n in range(start, start + number)
    ]


# The figures


def test_a_first_load_of_many_batches_takes_few_requests(source):
    assert_fates(source.load(*people(500), batch_size_rows=20), created=500)
    assert source.done[BULK] == 25
    # The first four are looked up, for as many are begun at once; no other is.
    assert source.done[SEARCH] <= 4
    assert source.done.total() + source.refused.total() <= 29
    assert source["499"]["name"] == "Customer 499"


def test_parents_in_the_same_batch_make_three_requests_of_one(source):
    sent = people(400)
    for number, person in enumerate(sent):
        headquarters = str(number - number % 8)
        person["billToSourceSystemId"] = headquarters if number % 8 > 4 else None
    assert_fates(source.load(*sent, batch_size_rows=16), created=400)
    assert source.done == {SEARCH: 25, BULK: 50}
    assert source.refused.total() == 0
    assert source[5]["billToCustomerId"] == source[0]["id"]


def test_only_what_changed_is_written(source):
    source.load(*people(300))

    assert_fates(source.load(*people(300), batch_size_rows=20), unchanged=300)
    assert source.done == {SEARCH: 15}
    assert source.refused.total() == 0
    assert source.changes == []

    changed = people(300)
    for person in changed[7::20]:
        person["emailAddress"] = f"new-{person['id']}@b.example"
    assert_fates(source.load(*changed), updated=15, unchanged=285)
    assert (source.done[BULK], source.done[PUT]) == (0, 15)
    assert len(source.changes) == 15
    assert {name for change in source.changes for name in change} == {"emailAddress"}
    for n in (7, 27, 287):
        assert source[n]["emailAddress"] == f"new-{n}@b.example"


def test_new_customers_among_existing_ones_are_created(source):
    source.load(*people(300))
    assert_fates(source.load(*people(310, start=150)), created=160, unchanged=150)
    assert source.done[PUT] == 0


# Duplicates


@pytest.mark.parametrize("size", [1, 2, 10])
def test_the_last_version_wins_within_a_batch_and_across_batches(source, size):
    versions = [{"id": "1", "name": f"Version {n}"} for n in range(9)]
    source.load(*versions, {"id": "2", "name": "B"}, batch_size_rows=size)
    assert source["1"]["name"] == "Version 8"
    assert source.account.counts()["creates"] == 2


def test_records_of_one_customer_in_a_batch_share_its_fate(source):
    result = source.load(
        {"id": "1", "name": "A", "emailAddress": "a@b.example"},
        {"id": "1", "name": "A2"},
    )
    assert_fates(result, created=2)
    assert source.done == {SEARCH: 1, BULK: 1}
    assert source["1"]["name"] == "A2"
    assert source["1"]["emailAddress"] == "a@b.example"


# Load methods


def test_append_only_leaves_existing_customers_as_they_are(source):
    source.load(*people(20))
    changed = [{**person, "name": "Changed"} for person in people(30)]
    for cap in (None, 5):
        source.account.faults(search_cap=cap)
        result = source.load(*changed, load_method="append-only")
        source.account.faults(search_cap=None)
        created = 10 if cap is None else 0
        assert_fates(result, created=created, skipped=30 - created)
        assert source.done[PUT] == 0
    assert source["19"]["name"] == "Customer 19"
    assert source["29"]["name"] == "Changed"


def test_update_only_never_creates(source):
    source.load(*people(20))
    changed = [{**person, "name": "Changed"} for person in people(40, start=10)]
    source.account.faults(search_cap=5)
    result = source.load(*changed, load_method="update-only")
    source.account.faults(search_cap=None)
    assert_fates(result, updated=10, skipped=30)
    assert source.done[BULK] == source.refused[BULK] == 0
    assert source["10"]["name"] == source["19"]["name"] == "Changed"
    assert source["9"]["name"] == "Customer 9"


# Nulls


def test_a_null_clears_or_keeps_as_it_is_asked_for(source):
    full = {
        "name": "A",
        "emailAddress": "a@b.example",
        "ccEmailAddresses": ["c@d.example"],
        "metadata": {"x": 1},
    }
    source.load({"id": "1", **full})
    nulls = {"id": "1", **dict.fromkeys(full)}

    assert_fates(source.load(nulls, null_handling="keep"), unchanged=1)
    assert {name: source["1"][name] for name in full} == full

    assert_fates(source.load(nulls, null_handling="clear"), updated=1)
    assert {name: source["1"][name] for name in full} == {
        **dict.fromkeys(full),
        "name": "A",
    }
    assert_fates(source.load(nulls, null_handling="clear"), unchanged=1)


def test_a_null_that_upwell_never_shows_does_not_write_on_every_run(source):
    alive = {"id": "1", "name": "A", "deletedAt": None, "collectorId": None}
    assert_fates(source.load(alive), created=1)
    assert_fates(source.load(alive), unchanged=1)
    source.load({**alive, "deletedAt": "2026-01-02T03:04:05Z"})
    assert source["1"]["deletedAt"] is not None
    assert_fates(source.load({**alive, "name": "A2"}), updated=1)
    assert source["1"]["deletedAt"] is None


# Names


def test_a_record_without_a_name_updates_an_existing_customer_at_any_size(source):
    source.load(*people(30))
    emails = [{"id": str(n), "emailAddress": f"e{n}@b.example"} for n in range(30)]
    for number, (size, cap) in enumerate([(200, None), (200, 5), (1, None)]):
        news = [{**e, "emailAddress": f"{number}{e['emailAddress']}"} for e in emails]
        source.account.faults(search_cap=cap)
        # A new customer goes first, so that the others may be taken for new, too.
        result = source.load(
            {"id": f"new {number}", "name": "N"}, *news, batch_size_rows=size
        )
        source.account.faults(search_cap=None)
        assert_fates(result, created=1, updated=30)
        assert source["29"]["name"] == "Customer 29"
        assert source["29"]["emailAddress"] == f"{number}e29@b.example"


@pytest.mark.parametrize("name", [None, "", "  "])
def test_a_new_customer_without_a_name_is_rejected_by_itself(source, name, tmp_path):
    result = source.load(
        {"id": "1", "name": "A"},
        {"id": "2", "name": name},
        max_rejects=1,
        rejects_path=str(tmp_path / "rejects.jsonl"),
    )
    assert_fates(result, created=1, rejected=1)
    assert [e for e in result.errors if "customers 2: name: it has none" in e]


# Uniqueness


def test_existing_customers_that_no_search_showed_are_found_and_updated(source):
    source.load(*people(60))
    source.account.faults(search_cap=10)
    result = source.load(*({**p, "name": f"{p['name']}!"} for p in people(70)))
    source.account.faults(search_cap=None)
    assert_fates(result, created=10, updated=60)
    assert source["59"]["name"] == "Customer 59!"


def test_records_may_name_source_systems_of_their_own(source):
    other = f"{source.name}-OTHER"
    records = [
        {"id": "1", "name": "A", "sourceSystem": None},
        {"id": "1", "name": "B", "sourceSystem": other},
    ]
    assert_fates(source.load(*records), created=2)
    assert_fates(source.load(*records), unchanged=2)
    assert source["1"]["name"] == "A"
    assert source.account.customer(other, "1")["name"] == "B"
