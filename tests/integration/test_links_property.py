"""Random forests of parents, in random order: all links right, and written once."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest
from shown import new_seed, show
from target_command import record, run_target, schema, state

STREAM = schema("id", "name", "sourceSystem", "billToSourceSystemId")
FORESTS = 6
CUSTOMERS = 60


def customer(system, number, parent):
    return record(
        id=number,
        name=f"N {number}",
        sourceSystem=system,
        billToSourceSystemId=parent,
    )


def forest(choose):
    """Parents of customers: trees and rings, and some that are nowhere."""
    numbers = [str(n) for n in range(CUSTOMERS)]
    few = choose.sample(numbers, choose.randint(1, CUSTOMERS))
    return {n: choose.choice([None, "gone", *few]) for n in numbers}


def links(account):
    found = defaultdict(dict)
    customers = account.control("GET", "/customers")
    names = {c["id"]: (c["sourceSystem"], c["sourceSystemId"]) for c in customers}
    for customer in customers:
        parent = names.get(customer["billToCustomerId"], (None, None))
        assert parent[0] in {None, customer["sourceSystem"]}
        found[customer["sourceSystem"]][customer["sourceSystemId"]] = parent[1]
    return found


def without_gone(parents):
    return {n: None if parent == "gone" else parent for n, parent in parents.items()}


@pytest.mark.parametrize("_example", range(4))
def test_all_links_are_right_and_a_second_run_writes_nothing(account, _example):
    choose = random.Random(new_seed())
    forests = {f"SYS{n}": forest(choose) for n in range(FORESTS)}
    stream = [
        customer(system, number, parent)
        for system, parents in forests.items()
        for number, parent in parents.items()
    ]
    # Some were there before, without their links.
    before = choose.sample(stream, choose.choice([0, 30]))
    bare = [
        customer(r["record"]["sourceSystem"], r["record"]["id"], None) for r in before
    ]
    run_target(account, [STREAM, *bare])
    choose.shuffle(stream)
    settings = {
        "batch_size_rows": choose.choice([1, 3, 17, 200, 1000]),
        "max_parallel_requests": choose.choice([1, 2, 8]),
    }
    show(settings)

    first = run_target(account, [STREAM, *stream, state("end")], **settings)

    assert (first.code, first.states[-1]) == (0, "end"), first.stderr
    expected = {system: without_gone(parents) for system, parents in forests.items()}
    assert links(account) == expected
    # Each is created once; a link costs one update at most.
    counts = account.counts()
    linked = sum(p is not None for ps in expected.values() for p in ps.values())
    assert counts["creates"] == FORESTS * CUSTOMERS
    assert counts["updates"] <= linked

    account.reset()
    choose.shuffle(stream)
    second = run_target(account, [STREAM, *stream, state("end")], **settings)

    assert (second.code, second.states[-1]) == (0, "end")
    assert links(account) == expected
    counts = account.counts()
    assert (counts["creates"], counts["updates"]) == (0, 0)
    assert f"{FORESTS * CUSTOMERS} unchanged" in second.summary


def test_the_last_version_s_parent_wins_while_eight_requests_are_under_way(account):
    choose = random.Random(new_seed())
    parents = [f"p{n}" for n in range(40)]
    versions = [
        (str(choose.randrange(150)), choose.choice([*parents, None]))
        for _ in range(3000)
    ]
    stream = [customer("TMSEZ", number, parent) for number, parent in versions]
    # The parents come in between, and some of them only at the end.
    for parent in parents:
        place = choose.choice([choose.randrange(3000), len(stream)])
        stream.insert(place, customer("TMSEZ", parent, None))

    result = run_target(
        account,
        [STREAM, *stream, state("end")],
        batch_size_rows=25,
        max_parallel_requests=8,
    )

    assert (result.code, result.states[-1]) == (0, "end")
    assert result.warnings == []
    expected = dict(versions) | dict.fromkeys(parents)
    assert links(account)["TMSEZ"] == expected
    assert account.counts()["most_in_flight"] > 1
