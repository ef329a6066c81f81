"""Drift: counted by kind, said once with a few examples, and listed in full."""

from __future__ import annotations

import json
import logging
import random
import string

import pytest
from shown import new_seed

from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.outcomes import DriftEntry
from target_upwell.reporting.drift import Drift, beginnings
from target_upwell.reporting.kinds import MAX_KINDS


class Kept:
    """A file that keeps its lines in memory."""

    path = "drift.jsonl"

    def __init__(self):
        self.lines = []

    def append(self, lines):
        self.lines += lines


def entry(number, kind="relation", upwell=None, why="", name="addresses"):
    return DriftEntry(("TMSEZ", str(number)), name, upwell, f"p{number}", kind, why)


def said(caplog, *batches, file=None):
    caplog.set_level(logging.INFO)
    drift = Drift(file, CUSTOMERS)
    for batch in batches:
        drift.record(batch)
    assert caplog.records == []
    drift.report()
    return [(r.levelname, r.getMessage()) for r in caplog.records]


REPORTS = {
    ("relation", None): (
        (
            "1 existing customer differs from Upwell in addresses (this API can't "
            "change it): 0"
        ),
        (
            "2 existing customers differ from Upwell in addresses (this API can't "
            "change it): 0, 1"
        ),
    ),
    ("column", None): (
        (
            "1 existing customer differs from Upwell in addresses (this API key can't "
            "update it): 0"
        ),
        (
            "2 existing customers differ from Upwell in addresses (this API key can't "
            "update it): 0, 1"
        ),
    ),
    ("parent", None): (
        "1 customer was loaded without its parent (not in Upwell): 0 to p0",
        (
            "2 customers were loaded without their parents (not in Upwell): 0 to p0, "
            "1 to p1"
        ),
    ),
    ("parent", ""): (
        "1 customer was loaded without its parent (not in Upwell): 0 to p0",
        (
            "2 customers were loaded without their parents (not in Upwell): 0 to p0, "
            "1 to p1"
        ),
    ),
    ("parent", "cus_9"): (
        (
            "1 customer keeps its former parent (the new one is not in Upwell): 0 to "
            "p0 (still cus_9)"
        ),
        (
            "2 customers keep their former parents (the new one is not in Upwell): 0 "
            "to p0 (still cus_9), 1 to p1 (still cus_9)"
        ),
    ),
    ("policy", "x"): (
        "`field_policy` kept addresses of 1 customer as it is in Upwell: 0",
        "`field_policy` kept addresses of 2 customers as it is in Upwell: 0, 1",
    ),
    ("missing", None): (
        "1 customer is in Upwell and no longer in the source: 0",
        "2 customers are in Upwell and no longer in the source: 0, 1",
    ),
}


@pytest.mark.parametrize(("kind", "upwell"), REPORTS)
@pytest.mark.parametrize("number", [1, 2])
def test_each_kind_is_said_once_and_in_good_grammar(caplog, kind, upwell, number):
    batches = ([entry(n, kind, upwell)] for n in range(number))

    lines = said(caplog, *batches)

    # A policy is what the user asked for.
    level = "INFO" if kind == "policy" else "WARNING"
    assert lines == [(level, REPORTS[kind, upwell][number - 1])]


def test_the_reason_that_is_given_is_said(caplog):
    lines = said(caplog, [entry(0, "parent", why="this key can't see it in Upwell")])

    assert lines == [
        (
            "WARNING",
            (
                "1 customer was loaded without its parent (this key can't see it in "
                "Upwell): 0 to p0"
            ),
        )
    ]


def test_kinds_and_properties_are_told_apart_with_five_examples_each(caplog):
    file = Kept()
    first = [entry(n) for n in range(7)]
    second = [entry(n, name="customerRule") for n in range(2)]

    lines = said(caplog, first, second, [entry(9)], file=file)

    assert lines[0][1].startswith("8 existing")
    assert lines[0][1].endswith(": 0, 1, 2, 3, 4; all are listed in 'drift.jsonl'")
    assert "2 existing customers differ from Upwell in customerRule" in lines[1][1]
    assert len(file.lines) == 10


def test_each_entry_is_a_line_that_begins_as_those_of_this_program_do():
    file = Kept()

    Drift(file, CUSTOMERS).record([entry(1, "parent", "cus_9", "why")])

    (line,) = file.lines
    assert line.startswith(beginnings(CUSTOMERS))
    assert json.loads(line) == {
        "sourceSystem": "TMSEZ",
        "sourceSystemId": "1",
        "property": "addresses",
        "kind": "parent",
        "upwell": "cus_9",
        "source": "p1",
        "why": "why",
    }


def test_nothing_is_said_or_written_of_nothing(caplog):
    file = Kept()

    assert said(caplog, [], file=file) == []
    assert file.lines == []


def test_drift_is_counted_by_kind():
    drift = Drift(None, CUSTOMERS)

    drift.record([entry(1), entry(2, "parent"), entry(3, "parent", "cus_9")])

    assert drift.counts() == {"relation": 1, "parent": 2}


def test_reasons_that_always_differ_are_bounded(caplog):
    choose = random.Random(new_seed())
    reasons = ["".join(choose.choices(string.ascii_letters, k=20)) for _ in range(500)]

    lines = said(caplog, [entry(n, "parent", why=w) for n, w in enumerate(reasons)])

    assert len(lines) == MAX_KINDS + 1
    assert lines[0][1].startswith(f"{500 - MAX_KINDS} customers were loaded without")


def test_ids_and_reasons_from_outside_make_one_short_printable_line(caplog):
    long = DriftEntry(("T", "a\n\x1b[0m" + "b" * 999), "p", None, "c" * 999, "parent")

    ((_, line),) = said(caplog, [long])

    assert line.isprintable()
    assert len(line) < 400


def test_what_upwell_never_shows_is_mentioned_once(caplog):
    drift = Drift(None, CUSTOMERS)

    drift.never_shown({"contacts"})
    drift.never_shown({"contacts", "customerEmailSettings"})

    assert [r.getMessage() for r in caplog.records] == [
        f"{name} of existing customers can't be compared or changed through this API; "
        "it is only set when a customer is created"
        for name in ("contacts", "customerEmailSettings")
    ]
