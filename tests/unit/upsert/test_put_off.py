"""Updates that wait for a verdict: each is sent once, or a newer one takes over."""

from __future__ import annotations

from target_upwell.delivery.batch import Row, Source
from target_upwell.upsert.diff import merge
from target_upwell.upsert.plan import Change, Planned
from target_upwell.upsert.put_off import PutOff

SOURCE = Source("customers", {})


def key(source_id):
    return "S", source_id


def planned(*source_ids):
    rows = [
        Row(SOURCE, {}, "", key(source_id), {"name": "A"}, b"x", None)
        for source_id in source_ids
    ]
    return [Planned(entry, entry.input, {"id": "u"}, Change()) for entry in merge(rows)]


def taken(put_off, *source_ids):
    """The batches that the updates of some records hold back, put off no longer."""
    found = put_off.take(map(key, source_ids))
    assert all(one.update.entry.key == name for name, one in found.items())
    return {source_id: one.holds for (_, source_id), one in found.items()}


def test_what_is_put_off_can_be_taken_once():
    put_off = PutOff()
    put_off.add(7, planned("1", "2"), {})
    put_off.add(8, planned("3"), {})

    assert put_off.by_batch() == {7: [key("1"), key("2")], 8: [key("3")]}
    assert taken(put_off, "1", "2", "9") == {"1": [7], "2": [7]}
    assert taken(put_off, "1", "2", "9") == {}
    assert put_off.by_batch() == {8: [key("3")]}


def test_what_is_put_off_again_holds_back_the_batches_of_all_its_rows():
    put_off = PutOff()
    put_off.add(7, planned("1", "1", "2"), {})

    older = put_off.take([key("1")])
    assert [row.key for row in older[key("1")].update.entry.rows] == [key("1")] * 2
    put_off.add(8, planned("1", "3"), older)

    assert put_off.by_batch() == {7: [key("2")], 8: [key("1"), key("3")]}
    assert taken(put_off, "1", "2", "3") == {"1": [7, 8], "2": [7], "3": [8]}
