"""A dry run tells what would happen, and is safe on a live account."""

from __future__ import annotations

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


def test_a_search_that_is_capped_does_not_make_it_guess_wrong(account):
    load(account, *(record(id=str(n), name=f"N {n}") for n in range(60)))
    account.faults(search_cap=10)

    result = dry_run(account, *(record(id=str(n), name=f"N {n}") for n in range(60)))

    assert "0 created, 0 updated, 60 unchanged" in result.summary
