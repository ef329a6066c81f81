"""A dry run tells what would happen, and is safe on a live account."""

from __future__ import annotations

import pytest
from target_command import record, run_target, schema, state

STREAM = schema(
    "id",
    "name",
    "emailAddress",
    "billToSourceSystemId",
    customerRule={},
    addresses={},
    metadata={},
)


def load(account, *messages, **settings):
    result = run_target(account, [STREAM, *messages], **settings)
    assert result.code == 0, result.stderr
    account.reset()


def dry_run(account, *messages, **settings):
    """Run dry and check that nothing was written."""
    before = account.customers()
    result = run_target(account, [STREAM, *messages], dry_run="true", **settings)
    counts = account.counts()
    assert (counts["creates"], counts["updates"], account.changes()) == (0, 0, [])
    assert {r["path"] for r in account.requests()} <= {"/api/rest/customers/search"}
    assert account.customers() == before
    assert result.states == []
    return result


def shown(result):
    return [m for m in result.messages("INFO") if m.startswith("dry run: ")]


def test_it_counts_and_names_what_would_change_and_writes_nothing(account):
    load(
        account,
        record(id="1", name="One", emailAddress="one@a.example"),
        record(id="2", name="Two", customerRule={"dueOption": 30}),
        record(id="3", name="Three"),
    )

    result = dry_run(
        account,
        record(id="1", name="Uno", emailAddress="uno@a.example"),
        record(id="2", name="Dos", customerRule={"dueOption": 45}),
        record(id="3", name="Three"),
        record(id="4", name="Four"),
        state("never"),
    )

    assert result.code == 0
    assert result.summary.startswith(
        "4 records: 1 created, 2 updated, 1 unchanged, 0 skipped, 0 rejected; "
    )
    assert shown(result) == [
        "dry run: would update customers 1:",
        'dry run:     name: "One" -> "Uno"',
        'dry run:     emailAddress: "one@a.example" -> "uno@a.example"',
        "dry run: would update customers 2:",
        'dry run:     name: "Two" -> "Dos"',
        "dry run:     customerRule.dueOption: 30 -> 45",
        "dry run: would create customers 4:",
        'dry run:     name: "Four"',
        'dry run:     sourceSystem: "TMSEZ"',
        'dry run:     sourceSystemId: "4"',
        "dry run: name would change for 2 customers",
        "dry run: emailAddress would change for 1 customer",
        "dry run: customerRule.dueOption would change for 1 customer",
        "dry run: nothing was written, and no STATE goes out",
    ]


def test_only_the_first_few_are_shown(account):
    result = dry_run(
        account, *(record(id=str(n), name=f"{n} " + "x" * 500) for n in range(50))
    )

    created = [m for m in shown(result) if "would create" in m]
    assert len(created) == 3
    assert all(len(m) < 200 for m in created)
    assert "50 created" in result.summary


def test_what_a_real_run_does_is_what_the_dry_run_said(account):
    load(
        account,
        record(id="hq", name="HQ"),
        record(id="1", name="One", billToSourceSystemId="hq"),
        record(id="2", name="Two", billToSourceSystemId="hq"),
        record(id="3", name="Three", emailAddress="c@d.example"),
    )
    news = [
        record(id="1", name="One", billToSourceSystemId=None),
        record(id="2", name="Two", billToSourceSystemId="hq"),
        record(id="3", name="Three", emailAddress=None),
        record(id="4", name="Four", billToSourceSystemId="hq"),
    ]

    rehearsed = dry_run(account, *news).summary.split(";")[0]
    played = run_target(account, [STREAM, *news]).summary.split(";")[0]

    assert rehearsed == played
    assert "1 created, 2 updated, 1 unchanged" in played


@pytest.mark.parametrize(
    ("load_method", "counts"),
    [
        ("append-only", "1 created, 0 updated, 0 unchanged, 1 skipped"),
        ("update-only", "0 created, 1 updated, 0 unchanged, 1 skipped"),
    ],
)
def test_it_follows_the_load_method(account, load_method, counts):
    load(account, record(id="1", name="One"))

    result = dry_run(
        account,
        record(id="1", name="Uno"),
        record(id="2", name="Two"),
        load_method=load_method,
    )

    assert counts in result.summary


def test_rejects_over_the_limit_fail_it_as_they_would_a_real_run(account):
    bad = record(id="1", name="One", addresses=[{"country": "Freedonia"}])

    result = dry_run(account, bad, record(id="2", name="Two"))

    assert result.code == 1
    assert "addresses[0].country: 'Freedonia' is not a country" in result.errors[-1]


def test_rejects_within_the_limit_are_told_and_not_kept(account, tmp_path):
    path = tmp_path / "rejects.jsonl"

    result = dry_run(
        account,
        record(id="1", name=None),
        record(id="2", name="Two"),
        max_rejects=1,
        rejects_path=str(path),
    )

    assert result.code == 0
    assert "1 created, 0 updated, 0 unchanged, 0 skipped, 1 rejected" in result.summary
    assert result.errors[0].startswith("rejected (invalid): customers 1: name")
    assert not path.exists()


def test_a_search_that_is_capped_does_not_make_it_guess_wrong(account):
    load(account, *(record(id=str(n), name=f"N {n}") for n in range(60)))
    account.faults(search_cap=10)

    result = dry_run(account, *(record(id=str(n), name=f"N {n}") for n in range(60)))

    assert "0 created, 0 updated, 60 unchanged" in result.summary
