from __future__ import annotations

import random

import pytest
from sandbox_server import Sandbox
from share import share
from shown import new_seed, show
from target_command import record, run_target, schema
from target_command import state as state_of

SCHEMA = schema("id", "name", "email_address")
CUSTOMERS = 2000
RUNS = share(full=3, part=1)
FAULTS = ("429", "500", "502", "503", "reset", "lost-reply")


def customer(number, version):
    return record(
        id=str(number),
        name=f"{number} v{version}",
        email_address=f"a{number}@b.example",
    )


def stored_names(sandbox):
    everything = sandbox.control("GET", "/customers")
    names = {one["sourceSystemId"]: one["name"] for one in everything}
    assert len(everything) == len(names), "a customer is there twice"
    return names


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        ("reset", False),
        ("500", False),
        ("502", False),
        ("503", False),
        ("lost-reply", True),
        ("502", True),
        ("504", True),
    ],
)
def test_after_an_unknown_outcome_it_looks_before_it_posts_again(account, fault, after):
    bulk = {"fault": fault, "path": "/api/rest/bulk-customers"}
    account.faults(next=[{**bulk, "after": after}])

    result = run_target(account, [SCHEMA, customer(1, 1), customer(2, 1)])

    assert result.code == 0
    assert "2 records: 2 created, 0 updated, 0 unchanged" in result.summary
    assert account.customers().keys() == {"1", "2"}
    paths = [one["path"].rpartition("/")[2] for one in account.requests()]
    again = ["search"] if after else ["search", "bulk-customers"]
    assert paths == ["search", "bulk-customers", *again]
    assert account.counts()["creates"] == 2


def test_a_post_whose_answer_takes_too_long_is_looked_for_and_not_sent_again(account):
    account.hold("/api/rest/bulk-customers", before=False)

    result = run_target(
        account, [SCHEMA, customer(1, 1), customer(2, 1)], request_timeout=1
    )

    account.release()
    assert result.code == 0
    assert "no answer in time" in result.stderr
    assert "2 records: 2 created, 0 updated, 0 unchanged" in result.summary
    assert account.counts()["creates"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("number", range(RUNS))
def test_nothing_is_lost_doubled_or_stale_however_requests_fail(number):
    seed = new_seed()
    chance = random.Random(seed)
    percents = {name: round(chance.uniform(3, 5), 2) for name in FAULTS}
    show(f"run {number}, percent of requests: {percents}")
    options = [f"--fault-{name}={percent}" for name, percent in percents.items()]
    settings = {"batch_size_rows": 50, "max_parallel_requests": 8}
    with Sandbox(*options, "--seed", str(seed), "--retry-after", "none") as sandbox:
        first = [customer(one, 1) for one in range(CUSTOMERS)]
        created = run_target(sandbox, [SCHEMA, *first, state_of({"at": 1})], **settings)
        assert created.code == 0, created.stderr
        assert created.states == [{"at": 1}]
        assert "2000 records: 2000 created, 0 updated, 0 unchanged" in created.summary
        assert len(stored_names(sandbox)) == CUSTOMERS

        changed = set(chance.sample(range(CUSTOMERS), CUSTOMERS // 10))
        second = [customer(one, 2 if one in changed else 1) for one in range(CUSTOMERS)]
        updated = run_target(
            sandbox, [SCHEMA, *second, state_of({"at": 2})], **settings
        )
        counts = sandbox.counts()

        assert updated.code == 0, updated.stderr
        assert updated.states == [{"at": 2}]
        assert "2000 records: 0 created, 200 updated, 1800 unch" in updated.summary
        assert stored_names(sandbox) == {
            str(one): f"{one} v{2 if one in changed else 1}" for one in range(CUSTOMERS)
        }
        assert counts["creates"] == CUSTOMERS
    show(counts["requests_by_answer"])
