"""A stream is complete only where nothing but its end can look so."""

from __future__ import annotations

import pytest

from target_upwell.singer.full_tables import (
    OLDEST_VERSION_SECONDS,
    SDK_RECORDS_BETWEEN_STATES,
    FullTables,
)

NOW = 1_764_000_000
MS = NOW * 1000
"""Versions of taps that follow the specification are in milliseconds."""


def judged(*messages, stream="a", bookmarks=None):
    """Why the stream is not complete: its messages are R, A or S, with a version."""
    tables = FullTables(NOW)
    tables.schema("a", bookmarks)
    for kind, *version in messages:
        if kind == "S":
            tables.state()
        elif kind == "A":
            tables.activate("a", *version)
        else:
            tables.record("a", *version)
    return tables.why_incomplete(stream)


R, A, S = ("R", MS), ("A", MS), ("S",)
SDK_R, SDK_A = ("R", NOW), ("A", NOW)


@pytest.mark.parametrize(
    "messages",
    [
        [R, A],
        [R, S, R, A, S],
        [A, R, R, A],
        [A, S],
        [A, A, S],
        [SDK_A, SDK_R, S],
        [SDK_A, SDK_R, S, SDK_R, S],
        [SDK_A, S],
    ],
)
def test_complete(messages):
    assert judged(*messages) == ""


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([], "sent no versions"),
        ([S], "sent no versions"),
        ([("R", None), S], "sent no versions"),
        ([("R", "1"), ("A", "1")], "sent no versions"),
        ([("R", 10**400), ("A", 10**400)], "sent no versions"),
        ([("R", -(10**400)), ("A", -(10**400))], "sent no versions"),
        ([("R", None), A], "of several versions, or of none"),
        ([R, ("R", None), A], "of several versions, or of none"),
        ([("R", MS - 1), R, A], "of several versions, or of none"),
        ([R, ("A", MS + 1)], "of several versions, or of none"),
        ([R], "cut short"),
        ([A], "cut short"),
        ([S, A], "cut short"),
        ([A, R, S], "cut short"),
        ([R, A, R], "cut short"),
        ([SDK_A, SDK_R], "cut short"),
        ([SDK_R, SDK_A], "cut short"),
        ([SDK_A, SDK_R, S, SDK_A], "in parts"),
        ([SDK_A, S, SDK_A, SDK_R, S], "in parts"),
        ([SDK_A, SDK_R, S, SDK_R], "cut short"),
    ],
)
def test_not_complete(messages, why):
    assert why in judged(*messages)


def test_a_state_that_comes_after_so_many_records_anyway_is_not_the_last():
    records = [SDK_R] * SDK_RECORDS_BETWEEN_STATES

    assert "cut short" in judged(SDK_A, *records, S)
    assert judged(SDK_A, *records, S, S) == ""


@pytest.mark.parametrize(
    ("unit", "kinds"), [(1, "ARS"), (1, "AS"), (1000, "RA"), (1000, "AS")]
)
def test_a_load_that_began_before_this_run_may_be_the_rest_of_one(unit, kinds):
    def of(version):
        return judged(*((kind, version) for kind in kinds))

    late = (NOW - OLDEST_VERSION_SECONDS) * unit

    assert of(late) == ""
    assert "began 11 seconds before this run" in of(late - unit)


@pytest.mark.parametrize("messages", [[R, A], [A, S], [A, R, S, A]])
def test_an_incremental_stream_is_never_complete(messages):
    assert judged(*messages, bookmarks=[]) == ""
    assert "is incremental" in judged(*messages, bookmarks=["updated_at"])


def test_a_tap_of_the_sdk_may_name_bookmarks_of_a_full_table():
    assert judged(SDK_A, SDK_R, S, bookmarks=["updated_at"]) == ""


def test_each_stream_is_judged_by_itself():
    assert judged(R, A) == ""
    assert "stream 'b' sent no versions" in judged(R, A, stream="b")
