"""A dry run finds customers that exist already, under another source key or none."""

from __future__ import annotations

import pytest
from target_command import record, run_target, schema, state

STREAM = schema("id", "name", "emailAddress")


def put(account, *customers):
    """Put customers into Upwell as a person or another integration would."""
    answer = account.call("POST", "/bulk-customers", {"inputs": list(customers)})
    assert answer.status_code == 200, answer.text
    account.reset()


def other(source_id, **properties):
    return {"sourceSystem": "CRM", "sourceSystemId": source_id, **properties}


def dry_run(account, *records, **settings):
    messages = [STREAM, *records, state("never")]
    result = run_target(account, messages, dry_run=True, **settings)
    assert (result.code, result.states) == (0, []), result.stderr
    counts = account.counts()
    assert (counts["creates"], counts["updates"]) == (0, 0)
    return result


def told(result):
    """The lines about duplicates."""
    lines = [m for m in result.warnings if m.startswith("dry run: ")]
    return [line.removeprefix("dry run: ") for line in lines]


def customer(source_id, name, email=None):
    return record(id=source_id, name=name, emailAddress=email)


HEADER = (
    "of a new customer and one that is in Upwell already, under another source key or "
    "none; where they are the same, a load creates it a second time:"
)


def test_both_keys_are_named_and_what_the_two_have_in_common(account):
    put(
        account,
        other("a", name="  ACME Freight "),
        other("b", name="Bend", emailAddress="AP@bend.example"),
        other("c", name="Cargo", emailAddress="ap@cargo.example"),
        other("d", name="Acme Freight West"),
        {"name": "Manual", "emailAddress": "m@a.example"},
    )
    by_hand = next(
        one["id"]
        for one in account.control("GET", "/customers")
        if one["name"] == "Manual"
    )

    result = dry_run(
        account,
        customer("1", "Acme freight"),
        customer("2", "Bend Transport", "ap@Bend.example"),
        customer("3", "CARGO", "ap@cargo.example"),
        customer("4", "manual"),
        customer("5", "Nobody Else", "n@a.example"),
    )

    assert told(result)[0] == f"4 pairs {HEADER}"
    assert sorted(told(result)[1:]) == [
        "    TMSEZ 1 and CRM a: the same name",
        "    TMSEZ 2 and CRM b: the same e-mail address",
        "    TMSEZ 3 and CRM c: the same name and e-mail address",
        (
            f"    TMSEZ 4 and one without a source key, of the id {by_hand}: the same "
            "name"
        ),
    ]


def test_what_exists_under_its_own_key_is_no_duplicate(account):
    put(
        account,
        {"sourceSystem": "TMSEZ", "sourceSystemId": "1", "name": "Acme"},
        other("a", name="Acme"),
    )

    assert told(dry_run(account, customer("1", "Acme"))) == []


def test_a_customer_that_the_source_has_renumbered_is_one(account):
    put(account, {"sourceSystem": "TMSEZ", "sourceSystemId": "1", "name": "Acme"})

    result = dry_run(account, customer("0001", "Acme"))

    assert told(result)[1:] == ["    TMSEZ 0001 and TMSEZ 1: the same name"]


@pytest.mark.parametrize("name", ["100% Freight", "A_B", "A\\B", "50%_\\"])
def test_signs_that_a_search_takes_for_others_are_only_themselves(account, name):
    put(
        account,
        other("same", name=name.upper()),
        other("other", name="100x Freight"),
        other("another", name="AxB"),
    )

    result = dry_run(account, customer("1", name))

    assert told(result)[1:] == ["    TMSEZ 1 and CRM same: the same name"]


def test_twenty_pairs_are_listed_and_the_rest_counted_at_one_more_search_a_batch(
    account,
):
    put(account, *(other(str(n), name=f"N {n}") for n in range(25)))
    fresh = [customer(f"new{n}", f"n {n}") for n in range(25)]

    result = dry_run(account, *fresh, batch_size_rows=5)

    lines = told(result)
    assert lines[0].startswith("25 pairs of a new customer")
    assert len(lines) == 22
    assert lines[-1] == "    and 5 more"
    # Two make sure of what is not found by its key.
    assert len(account.requests()) == 5 * (2 + 1)


@pytest.mark.parametrize("cap", [1, 10, 13])
def test_a_search_that_is_capped_hides_none(account, cap):
    put(account, *(other(str(n), name=f"N {n}") for n in range(45)))
    account.faults(search_cap=max(cap, 10))

    result = dry_run(account, *(customer(f"new{n}", f"n {n}") for n in range(45)))

    assert told(result)[0].startswith("45 pairs ")


def test_a_search_that_is_too_large_for_a_single_one_is_told(account):
    account.faults(max_body=300)

    result = dry_run(account, customer("1", "x" * 100))

    (line,) = told(result)
    assert line == (
        "whether new customers exist under another source key can't be told: a search "
        "for a single one is too large for Upwell"
    )
    assert "1 created" in result.summary


def test_searches_that_are_too_large_are_halved(account):
    put(account, *(other(str(n), name=f"N {n}") for n in range(8)))
    account.faults(max_body=600)

    result = dry_run(account, *(customer(f"new{n}", f"n {n}") for n in range(8)))

    assert told(result)[0].startswith("8 pairs ")


def test_what_a_load_method_never_creates_is_not_looked_for(account):
    put(account, other("a", name="Acme"))

    result = dry_run(account, customer("1", "Acme"), load_method="update-only")

    assert told(result) == []
    assert len(account.requests()) == 2


def test_a_real_run_looks_for_none(account):
    put(account, other("a", name="Acme"))

    result = run_target(account, [STREAM, customer("1", "Acme")])

    assert (result.code, told(result)) == (0, [])
