"""A run that would do harm stops before it, and so do all that follow it."""

from __future__ import annotations

import random

import pytest
from shown import new_seed
from target_command import encoded, record, run_target, schema, state

STREAM = schema("id", "name", "emailAddress", "collectorId", ccEmailAddresses={})
MANY = 1000


def stock(account, number, **properties):
    """Put customers into Upwell that have an e-mail address each."""
    for start in range(0, number, 500):
        customers = [
            {
                "sourceSystem": "TMSEZ",
                "sourceSystemId": str(n),
                "name": f"N {n}",
                "emailAddress": f"n{n}@a.example",
                **properties,
            }
            for n in range(start, min(start + 500, number))
        ]
        response = account.call("POST", "/bulk-customers", {"inputs": customers})
        assert response.status_code == 200, response.text
    account.reset()


def customer(number, **properties):
    return record(id=str(number), name=f"N {number}", **properties)


def without_addresses(numbers):
    """What a source sends whose join is broken, with a STATE after each 50."""
    lines = [STREAM]
    for count, number in enumerate(numbers, 1):
        lines.append(customer(number, emailAddress=None))
        if count % 50 == 0:
            lines.append(state(count))
    return [encoded([line]).strip() for line in lines]


def emptied(account):
    held = account.customers().values()
    return sum(one["emailAddress"] is None for one in held)


@pytest.mark.parametrize(
    ("rows", "parallel", "order"),
    [
        (200, 4, "as they are"),
        (10, 1, "as they are"),
        (10, 8, "shuffled"),
        (1, 2, "backwards"),
    ],
)
def test_a_source_that_lost_its_addresses_empties_none_however_often_it_runs(
    account, rows, parallel, order
):
    stock(account, MANY)
    numbers = list(range(MANY))
    if order == "shuffled":
        random.Random(new_seed()).shuffle(numbers)
    messages = without_addresses(numbers[:: -1 if order == "backwards" else 1])
    settings = {"batch_size_rows": rows, "max_parallel_requests": parallel}

    result = run_target(account, messages, **settings)

    assert result.code == 1
    assert result.states == []
    (error,) = result.errors
    assert error.startswith("emailAddress: this run would empty it for ")
    for words in ("existing customers that it has looked up", "20%", "max_cleared_"):
        assert words in error
    for _ in range(5):
        again = run_target(account, messages, **settings)
        assert (again.code, again.states) == (1, [])
        assert again.errors[0].startswith("emailAddress: ")
    assert emptied(account) == 0
    assert account.counts()["updates"] == 0


def test_it_stops_before_the_first_batch_that_would_take_it_over(account):
    stock(account, 1000)
    numbers = range(1000)
    lost = [n for n in numbers if n >= 500]
    messages = [
        STREAM,
        *(
            customer(n, emailAddress=None if n in lost else f"n{n}@a.example")
            for n in numbers
        ),
    ]

    result = run_target(account, messages, batch_size_rows=50, max_parallel_requests=1)

    assert "empty it for 150 of the 650 existing customers" in result.errors[0]
    assert emptied(account) <= 100 + 20


def test_with_the_setting_raised_it_goes_through(account):
    stock(account, 300)
    messages = [*without_addresses(range(300)), state("end")]
    assert run_target(account, messages, batch_size_rows=10).code == 1

    result = run_target(account, messages, batch_size_rows=10, max_cleared_percent=100)

    assert (result.code, result.states[-1]) == (0, "end")
    assert "300 updated" in result.summary
    assert emptied(account) == 300


def test_a_run_that_goes_on_after_a_stop_is_bounded_like_the_first(account):
    stock(account, 400)
    good = [customer(n, emailAddress=f"n{n}@a.example") for n in range(200)]
    bad = [customer(n, emailAddress=None) for n in range(200, 400)]
    settings = {"batch_size_rows": 20, "max_parallel_requests": 1}

    first = run_target(
        account, [STREAM, *good, state("good"), *bad, state("end")], **settings
    )
    # What the tap sends from the STATE on that went out, hour after hour.
    assert first.states == ["good"]
    before = emptied(account)
    for _ in range(5):
        assert run_target(account, [STREAM, *bad, state("end")], **settings).code == 1

    assert before <= 50
    assert emptied(account) == before


def test_nulls_that_change_nothing_do_not_count(account):
    stock(account, 300, emailAddress=None)

    result = run_target(account, without_addresses(range(300)))

    assert result.code == 0
    assert "300 unchanged" in result.summary


def test_few_that_are_emptied_are_written_whatever_the_size_of_the_account(account):
    stock(account, 25)
    numbers = range(19)

    result = run_target(
        account, [*without_addresses(numbers), state("end")], batch_size_rows=5
    )

    assert (result.code, result.states) == (0, ["end"])
    assert result.summary.startswith("19 records: 0 created, 19 updated, ")
    assert emptied(account) == 19


def test_a_small_account_may_change_as_a_whole_but_not_lose_its_addresses(account):
    stock(account, 50)
    renamed = [record(id=str(n), name=f"New {n}") for n in range(30)]

    result = run_target(account, [STREAM, *renamed], max_updated_percent=10)
    lost = run_target(account, without_addresses(range(50)), batch_size_rows=10)

    assert result.code == 0
    assert lost.code == 1
    assert "empty it for 50 of the 50 existing" in lost.errors[0]
    assert emptied(account) == 0


def test_too_many_changes_stop_a_run_before_any_of_them(account):
    stock(account, 300)
    renamed = [record(id=str(n), name=f"New {n}") for n in range(300)]

    result = run_target(
        account, [STREAM, *renamed], batch_size_rows=10, max_updated_percent=50
    )

    assert result.code == 1
    assert "this run would change 1" in result.errors[0]
    assert "max_updated_percent" in result.errors[0]
    assert account.counts()["updates"] == 0


def test_new_customers_are_created_while_the_others_wait_for_a_verdict(account):
    stock(account, 30)
    messages = [
        STREAM,
        *(customer(n, emailAddress=None) for n in range(10)),
        *(customer(n, emailAddress="x@a.example") for n in range(30, 60)),
        state("end"),
    ]

    result = run_target(account, messages, batch_size_rows=5)

    assert (result.code, result.states) == (0, ["end"])
    assert "30 created, 10 updated" in result.summary
    assert emptied(account) == 10


@pytest.mark.parametrize("parallel", [1, 4])
def test_the_last_version_of_a_customer_that_waits_wins(account, parallel):
    stock(account, 40)
    messages = [
        STREAM,
        *(customer(n, emailAddress=None) for n in range(10)),
        state(1),
        *(customer(n, emailAddress=f"new{n}@a.example") for n in range(5)),
        customer(5, emailAddress=None),
        state("end"),
    ]

    result = run_target(
        account, messages, batch_size_rows=3, max_parallel_requests=parallel
    )

    assert (result.code, result.states[-1]) == (0, "end")
    assert result.summary.startswith("16 records: 0 created, 16 updated, 0 unchanged")
    held = account.customers()
    assert [held[str(n)]["emailAddress"] for n in range(11)] == [
        *(f"new{n}@a.example" for n in range(5)),
        *[None] * 5,
        "n10@a.example",
    ]


def test_what_waits_may_turn_out_to_be_refused_and_then_is_kept(account, tmp_path):
    stock(account, 40)
    account.faults(refuse_name="Bad")
    path = tmp_path / "rejects.jsonl"
    messages = [
        STREAM,
        record(id="0", name="Bad", emailAddress=None),
        *(customer(n, emailAddress=None) for n in range(1, 5)),
        state("end"),
    ]

    result = run_target(
        account, messages, rejects_path=str(path), max_rejects=1, batch_size_rows=2
    )

    assert (result.code, result.states) == (0, ["end"])
    assert "4 updated, 0 unchanged, 0 skipped, 1 rejected" in result.summary
    assert '"id":"0"' in path.read_text()


def test_a_column_that_cant_be_emptied_is_drift_and_holds_nothing_up(account):
    stock(account, 40)
    account.readings(not_updatable=["emailAddress"])
    messages = [*without_addresses(range(5)), state("end")]

    result = run_target(account, messages, batch_size_rows=2)

    assert (result.code, result.states) == (0, ["end"])
    assert "0 updated, 5 unchanged" in result.summary
    assert any("5 existing customers differ" in line for line in result.warnings)
