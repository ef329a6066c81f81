"""One bad record costs one record: limits, reasons, and the price of finding it."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

from shown import new_seed
from target_command import record, run_target, schema, state

COUNTRY = schema("id", "name", addresses={})


def abroad(number):
    return record(
        id=str(number), name=f"N {number}", addresses=[{"country": "Freedonia"}]
    )


def good(number):
    return record(id=str(number), name=f"N {number}")


def kept(path):
    lines = map(json.loads, Path(path).read_text().splitlines())
    return [m for m in lines if m["type"] == "RECORD"]


def test_by_default_one_bad_record_stops_the_run_and_loads_the_rest_of_its_batch(
    account,
):
    messages = [
        COUNTRY,
        good(1),
        good(2),
        state("before"),
        good(3),
        abroad(4711),
        good(5),
        state("after"),
    ]

    result = run_target(account, messages, batch_size_rows=2, max_parallel_requests=1)

    assert result.code == 1
    assert result.states == ["before"]
    assert set(account.customers()) >= {"1", "2", "3"}
    assert result.errors[-1] == (
        "customers 4711: addresses[0].country: 'Freedonia' is not a country. 1 record "
        "was rejected and `max_rejects` allows none; fix it in the source or the "
        "stream map, or raise `max_rejects`"
    )
    assert result.errors[0].startswith("rejected (invalid): customers 4711: addresses")
    assert result.stderr.count("Traceback") == 0


def test_an_id_that_would_break_the_line_is_escaped(account, tmp_path):
    invalid, refused = abroad("47\n11 | ERROR | forged"), good("48\n12")
    account.faults(refuse_name="^N 48")

    result = run_target(
        account,
        [COUNTRY, invalid, refused],
        max_rejects=2,
        rejects_path=str(tmp_path / "rejects.jsonl"),
    )

    assert len(result.errors) == 2
    assert all("\\n1" in message for message in result.errors)
    assert "\n11" not in result.stderr
    assert "\n12" not in result.stderr


def test_over_the_limit_the_run_stops_before_the_batch_that_went_over_it(
    account, tmp_path
):
    path = tmp_path / "rejects.jsonl"
    messages = [COUNTRY]
    for first in range(10, 60, 10):
        messages += [abroad(first), good(first + 1), state(first)]

    result = run_target(
        account,
        messages,
        batch_size_rows=2,
        max_parallel_requests=1,
        max_rejects=2,
        rejects_path=str(path),
    )

    assert result.code == 1
    assert result.states[-1] == 20
    assert len(kept(path)) == 2
    # The next batch may be under way too, and then it is finished as well.
    assert re.match(r"customers [34]0: addresses\[0\]\.country: ", result.errors[-1])
    assert "3 records were rejected and `max_rejects` allows 2; " in result.errors[-1]
    assert f"the first 2 are kept in {str(path)!r}; fix them" in result.errors[-1]
    assert {"11", "21", "31"} <= set(account.customers()) <= {"11", "21", "31", "41"}


def test_rows_within_the_limit_are_kept_even_when_their_batch_goes_over_it(
    account, tmp_path
):
    path = tmp_path / "rejects.jsonl"

    result = run_target(
        account,
        [COUNTRY, abroad(1), abroad(2), good(3), state(1)],
        max_rejects=1,
        rejects_path=str(path),
    )

    assert (result.code, result.states) == (1, [])
    assert [m["record"]["id"] for m in kept(path)] == ["1"]
    assert set(account.customers()) == {"3"}


def test_seven_rows_refused_without_index_are_found_in_few_requests(account, tmp_path):
    seed = new_seed()
    bad = set(random.Random(seed).sample(range(3000), 7))
    messages = [schema("id", "name")]
    messages += [
        record(id=str(n), name=f"{'Bad' if n in bad else 'Good'} {n}")
        for n in range(3000)
    ]
    account.faults(refuse_name="^Bad")

    result = run_target(
        account,
        [*messages, state("end")],
        max_rejects=-1,
        rejects_path=str(tmp_path / "rejects.jsonl"),
        max_parallel_requests=2,
    )

    assert (result.code, result.states) == (0, ["end"])
    counts = account.counts()
    assert counts["customers"] == 2993
    # Without bad rows it takes 15 requests and a lookup or two before guessing.
    assert counts["requests"] - 17 <= 150
    assert {int(m["record"]["id"]) for m in kept(tmp_path / "rejects.jsonl")} == bad


def test_rows_whose_index_upwell_names_cost_one_request_each(account, tmp_path):
    # An id that no customer has: with relations in the batch the error has an index.
    messages = [schema("id", "name", "billToCustomerId", addresses={})]
    for number in range(50):
        parent = {"billToCustomerId": "cus_none"} if number in {7, 30, 49} else {}
        place = [{"city": "Bend", "country": "US"}]
        messages.append(
            record(id=str(number), name=f"N {number}", addresses=place, **parent)
        )

    result = run_target(
        account,
        messages,
        max_rejects=-1,
        rejects_path=str(tmp_path / "rejects.jsonl"),
    )

    assert result.code == 0
    assert account.counts()["customers"] == 47
    posts = [r for r in account.requests() if r["path"].endswith("/bulk-customers")]
    assert [r["rows"] for r in posts] == [50, 49, 48, 47]
    rejected = kept(tmp_path / "rejects.jsonl")
    assert [m["record"]["id"] for m in rejected] == ["7", "30", "49"]
    assert rejected[0]["reject"]["code"] == "constraint-violation"
    assert rejected[0]["reject"]["reason"].startswith(
        "Upwell refused it: Foreign key violation."
    )


def test_the_summary_of_a_run_groups_rejects_and_says_where_the_file_is(
    account, tmp_path
):
    path = tmp_path / "rejects.jsonl"
    account.faults(refuse_name="^Refuse")
    refused = [record(id=f"r{n}", name=f"Refuse {n}") for n in range(2)]

    result = run_target(
        account,
        [COUNTRY, *map(abroad, range(7)), *refused, good(100)],
        max_rejects=-1,
        rejects_path=str(path),
    )

    warnings = result.warnings
    assert warnings[-3] == (
        "7 records rejected: addresses[0].country: 'Freedonia' is not a country "
        "(customers 0, customers 1, customers 2, customers 3, customers 4 and 2 more); "
        "translate it in the stream map, with its two-letter code for XX: "
        "'XX' if country == 'Freedonia' else country"
    )
    assert warnings[-2].startswith("2 records rejected: Upwell refused it: ")
    assert warnings[-2].endswith("(customers r0, customers r1)")
    assert "(400, permission-error)" in warnings[-2]
    assert warnings[-1] == f"rejected records are kept in {str(path)!r}"
    assert "9 rejected (7 invalid, 2 refused)" in result.summary
