"""Ids on two sides are compared on the disk."""

from __future__ import annotations

import sqlite3
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shown import show

from target_upwell.exceptions import RunError
from target_upwell.upsert.source_ids import BUFFERED, Held, SourceIds

IDS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=9
)
MANY = 100_000


@given(IDS, IDS, st.integers(1, 4))
def test_what_the_source_did_not_name_is_missing_once_on_some_page(seen, held, size):
    ids = SourceIds()
    for one in seen:
        ids.see(one)
    ids.hold(Held(one, f"upwell {one}") for one in held)

    pages, after = [], ""
    while page := ids.missing(after, size):
        pages += page
        after = page[-1].id
    wanted = {*held} - {*seen}
    assert {one.id for one in pages} == wanted
    assert len(pages) == len(wanted) == ids.count_missing()
    assert all(one.upwell_id == f"upwell {one.id}" for one in pages)
    ids.close()


def test_a_page_that_holds_nothing_new_is_told():
    ids = SourceIds()
    assert ids.hold([Held("1", "a"), Held("2", "b")])
    assert ids.hold([Held("2", "b"), Held("3", "c")])
    assert not ids.hold([Held("1", "a"), Held("3", "c")])
    assert not ids.hold([])
    ids.close()


def test_a_disk_that_fails_is_said_in_a_line(monkeypatch):
    def full(*_, **__):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", full)
    ids = SourceIds()
    for number in range(1, BUFFERED):
        ids.see(str(number))

    with pytest.raises(RunError, match=r"disk is full\); set SQLITE_TMPDIR"):
        ids.see("the one that fills the buffer")


def test_memory_is_flat_however_many_ids_there_are(tmp_path, monkeypatch):
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    ids = SourceIds()
    tracemalloc.start()
    try:
        for number in range(MANY):
            ids.see(f"customer {number}")
        assert ids.count_missing() == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    show(f"{MANY} ids: {peak} bytes")
    assert peak < 1_000_000
    # The file has no name, so nobody has to remove it.
    assert list(tmp_path.iterdir()) == []
    ids.close()
