"""Rejects: how they are kept, logged and summed up, and where a run stops for them."""

from __future__ import annotations

import json
import logging
import os
import random
import string

import pytest
from shown import new_seed

from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.batch import Row, Source
from target_upwell.delivery.outcomes import Reject
from target_upwell.exceptions import Refusal, RunError
from target_upwell.reporting.files import AppendedFile
from target_upwell.reporting.kinds import MAX_KINDS
from target_upwell.reporting.rejects import BEGINNINGS, Rejects

SOURCE = Source("customers", {"type": "SCHEMA", "stream": "customers"})


class Kept:
    """A file that keeps its lines in memory."""

    path = "rejects.jsonl"

    def __init__(self):
        self.messages = []

    def append(self, lines, *, head):
        del head  # what stands in a file may be anybody's; nobody else writes here
        self.messages += map(json.loads, lines)

    @property
    def ids(self):
        return [m["record"]["id"] for m in self.messages if m["type"] == "RECORD"]


@pytest.fixture(autouse=True)
def _at_error(caplog):
    caplog.set_level(logging.ERROR)


def row(number):
    return Row(SOURCE, {"id": number}, f"customers {number}", None, None, b"", "why")


def rejects(number, reason, first=0):
    return [
        Reject.invalid(row(n), reason(n) if callable(reason) else reason)
        for n in range(first, first + number)
    ]


def logged(caplog):
    return [r.getMessage() for r in caplog.records]


def summary_of(book):
    return [line for line in book.summary() if not line.startswith("rejected records")]


def test_batches_are_kept_one_after_the_other_each_in_its_order():
    file = Kept()
    book = Rejects(-1, file)

    book.record(rejects(2, "why", first=7))
    book.record([])
    book.record(rejects(2, "why"))

    assert file.ids == [7, 8, 0, 1]


LIMITS = {
    (0, 1): "1 record was rejected and `max_rejects` allows none; fix it in",
    (0, 2): "2 records were rejected and `max_rejects` allows none; fix them in",
    (1, 2): (
        "2 records were rejected and `max_rejects` allows 1; the first is kept in "
        "'rejects.jsonl'; fix them in"
    ),
    (3, 4): (
        "4 records were rejected and `max_rejects` allows 3; the first 3 are kept in "
        "'rejects.jsonl'; fix them in"
    ),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_one_more_than_the_limit_stops_the_run_and_those_within_it_are_kept(limit):
    allowed, number = limit
    file = Kept()

    with pytest.raises(RunError) as raised:
        Rejects(allowed, file).record(rejects(number, "why"))

    assert str(raised.value) == (
        f"customers {allowed}: why. {LIMITS[limit]} the source or the stream map, or "
        "raise `max_rejects`"
    )
    assert file.ids == list(range(allowed))


@pytest.mark.parametrize("limit", [-1, 3])
def test_within_the_limit_a_run_goes_on(limit):
    book = Rejects(limit, Kept())

    for n in range(3):
        book.record(rejects(1, "why", first=n))

    assert book.excess is None


@pytest.mark.parametrize(
    "rotate",
    [
        os.unlink,
        lambda path: os.truncate(path, 0),
        lambda path: path.rename(path.with_suffix(".1")),
        lambda path: path.write_text('{"type":"SCHEMA","stream":"another run"}\n'),
    ],
    ids=["deleted", "truncated", "moved", "written by another"],
)
def test_a_file_that_is_rotated_meanwhile_keeps_what_follows_with_its_schema(
    tmp_path, rotate
):
    path = tmp_path / "rejects.jsonl"
    file = AppendedFile(str(path), "rejects_path", BEGINNINGS)
    book = Rejects(-1, file)

    book.record(rejects(2, "why"))
    rotate(path)
    book.record(rejects(1, "why", first=2))
    book.record(rejects(1, "why", first=3))
    file.close()

    *_, schema, third, fourth = map(json.loads, path.read_text().splitlines())
    assert schema == {"type": "SCHEMA", **SOURCE.schema_message}
    assert [third["record"]["id"], fourth["record"]["id"]] == [2, 3]


def test_once_over_the_limit_nothing_more_is_kept():
    file = Kept()
    book = Rejects(1, file)
    with pytest.raises(RunError):
        book.record(rejects(2, "why"))

    with pytest.raises(RunError, match="customers 1: why"):
        book.record(rejects(1, "why", first=7))

    assert file.ids == [0]


def test_a_dry_run_sees_all_and_says_in_the_end_that_a_real_one_would_stop():
    book = Rejects(1, None, dry_run=True)
    book.record(rejects(1, "why"))
    assert book.excess is None

    book.record(rejects(5, "why"))

    assert "6 records were rejected and `max_rejects` allows 1; fix" in str(book.excess)
    assert summary_of(book)[0].startswith("6 records rejected: why (")


def test_after_twenty_of_a_kind_only_every_thousandth_is_logged(caplog):
    Rejects(-1, None).record(
        rejects(2500, lambda n: f"addresses[{n}].country: 'Land {n}' is not a country")
    )

    lines = logged(caplog)
    assert len(lines) == 20 + 1 + 2
    assert lines[19].startswith("rejected (invalid): customers 19:")
    assert "every 1000th" in lines[20]
    assert "customers 999:" in lines[21]
    assert "customers 1999:" in lines[22]


@pytest.mark.parametrize(
    "reason",
    [
        lambda n: f"it takes {n * 7919} bytes, and a request may take 1000",
        lambda n: f"customerRule.dueOption: {n}.5 is not a whole number",
        lambda n: f"""name: "O'Neill {n}" is not a name""",
        lambda n: f"metadata: {n}E+{n} is not a number (400, parse-failed)",
        lambda n: f"request 7f{n}ab-{n:04x}-4c1d failed",
        lambda n: f"internal error, id req_{n}xyz",
    ],
)
def test_reasons_that_differ_in_a_value_are_of_one_kind(reason):
    book = Rejects(-1, None)

    book.record(rejects(100, reason))

    assert len(summary_of(book)) == 1
    assert summary_of(book)[0].startswith("100 records rejected: ")


def test_the_kinds_are_bounded_whatever_the_reasons_hold(caplog):
    seed = new_seed()
    choose = random.Random(seed)

    def letters(_):
        return "id " + "".join(choose.choices(string.ascii_letters, k=20))

    book = Rejects(-1, None)

    book.record(rejects(2000, letters))

    assert len(summary_of(book)) == MAX_KINDS + 1
    assert summary_of(book)[0].startswith(f"{2000 - MAX_KINDS} records rejected: other")
    assert len(logged(caplog)) == MAX_KINDS + 20 + 1 + 1


def test_a_status_and_the_names_that_upwell_gives_tell_kinds_apart():
    words = 'Not-NULL violation. null value in column "name"'
    refusals = [
        Refusal(400, "constraint-violation", words),
        Refusal(422, "constraint-violation", words),
        Refusal(400, "constraint-violation", words.replace("name", "city")),
    ]
    book = Rejects(-1, None)

    book.record([Reject.refused(row(n), f) for n, f in enumerate(refusals)])

    assert summary_of(book)[0] == (
        "1 record rejected: Upwell refused it: Not-NULL violation. null value in "
        'column "name" (400, constraint-violation) (customers 0)'
    )
    assert len(summary_of(book)) == 3


def test_the_summary_groups_by_country_and_says_how_to_translate_it():
    names = ["Freedonia"] * 12 + ["Utopia"] * 2 + ["Nowhere"]
    book = Rejects(-1, Kept(), CUSTOMERS.hints)

    book.record(
        rejects(
            15, lambda n: f"addresses[{n % 2}].country: {names[n]!r} is not a country"
        )
    )

    assert list(book.summary()) == [
        (
            "15 records rejected: addresses[].country: '...' is not a country: 12x "
            "'Freedonia', 2x 'Utopia', 1x 'Nowhere' (customers 0, customers 1, "
            "customers 2, customers 3, customers 4 and 10 more); translate it in the "
            "stream map, with its two-letter code for XX: 'XX' if country == "
            "'Freedonia' else country"
        ),
        "rejected records are kept in 'rejects.jsonl'",
    ]


def test_of_many_values_only_those_that_come_again_are_shown():
    names = [f"Land {n}" for n in range(300)] + ["Freedonia"] * 3
    book = Rejects(-1, None)

    book.record(rejects(303, lambda n: f"country: {names[n]!r} is not a country"))

    assert "is not a country (customers 0" in summary_of(book)[0]
    names.reverse()
    again = Rejects(-1, None)
    again.record(rejects(303, lambda n: f"country: {names[n]!r} is not a country"))
    assert "is not a country: 3x 'Freedonia', ... (" in summary_of(again)[0]


def test_what_comes_from_outside_makes_one_short_printable_line(caplog):
    long = Row(SOURCE, {}, "customers " + "9" * 5000, None, None, b"", "why")
    book = Rejects(0, None)

    with pytest.raises(RunError) as raised:
        book.record(
            [Reject.invalid(long, "Upwell says\n\x1b[31mred\u202e" + "x" * 9999)]
        )

    for line in [*logged(caplog), str(raised.value), *book.summary()]:
        assert line.isprintable()
        assert len(line) < 700
        assert "\\x1b[31m" in line


def test_what_came_most_often_comes_first():
    book = Rejects(-1, None)

    book.record(rejects(1, "rare") + rejects(2, "often"))

    assert [line.split(": ")[1][:5] for line in summary_of(book)] == ["often", "rare "]
