"""Updates that wait for a verdict: each is due once, or a newer one takes over."""

from __future__ import annotations

from target_upwell.delivery.batch import Row, Source
from target_upwell.upsert.diff import merge
from target_upwell.upsert.plan import Change
from target_upwell.upsert.put_off import Planned, PutOff

SOURCE = Source("customers", {})


def key(source_id):
    return "S", source_id


def planned(*source_ids):
    rows = [
        Row(SOURCE, {}, "", key(source_id), {"name": "A"}, b"x", None)
        for source_id in source_ids
    ]
    return [Planned(entry, entry.input, {"id": "u"}, Change()) for entry in merge(rows)]


def test_what_is_put_off_becomes_due_once():
    put_off = PutOff()
    put_off.add(7, planned("1", "2"), {})
    put_off.add(8, planned("3"), {})

    assert put_off.become_due() == {7: [key("1"), key("2")], 8: [key("3")]}
    assert put_off.become_due() == {}
    updates, held = put_off.pop(7)
    assert [one.entry.key for one in updates] == [key("1"), key("2")]
    assert held == [7, 7]
    assert put_off.pop(7) == ([], [])


def test_a_newer_version_takes_rows_over_with_the_batches_that_they_hold_back():
    put_off = PutOff()
    put_off.add(7, planned("1", "1", "2"), {})

    rows, held = put_off.take_over([key("1"), key("9")])
    assert ([row.key for row in rows], held) == ([key("1")] * 2, {key("1"): [7]})

    put_off.add(8, planned("1"), held)
    rows, held = put_off.take_over([key("1"), key("2")])
    assert [row.key for row in rows] == [key("1"), key("2")]
    assert held == {key("1"): [7, 8], key("2"): [7]}
    assert put_off.pop(7) == ([], [])


def test_what_is_put_off_again_holds_back_the_batches_of_all_its_rows():
    put_off = PutOff()
    put_off.add(7, planned("1"), {})
    _, held = put_off.take_over([key("1")])
    put_off.add(8, planned("1", "2"), held)

    _, held = put_off.pop(8)

    assert held == [7, 8, 8]


def test_it_can_be_taken_over_until_it_is_loaded():
    put_off = PutOff()
    put_off.add(7, planned("1", "2"), {})
    put_off.become_due()

    put_off.take_over([key("1")])

    assert [one.entry.key for one in put_off.pop(7)[0]] == [key("2")]
