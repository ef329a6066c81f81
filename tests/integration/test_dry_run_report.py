"""A dry run reports what the real run would, in the same words, and touches no file."""

from __future__ import annotations

import random

import pytest
from shown import new_seed
from target_command import record, run_target, schema, state

STREAM = schema(
    "id",
    "name",
    "emailAddress",
    "billToSourceSystemId",
    "collectorId",
    "deletedAt",
    customerRule={},
    addresses={},
    metadata={},
)
BEND = {"streetLine1": "1 Main St", "city": "Bend", "country": "US"}
OSLO = {"streetLine1": "2 Havn " + "x" * 300, "city": "Oslo", "country": "NO"}


def run(account, *records, **settings):
    account.reset()
    return run_target(account, [STREAM, *records, state("end")], **settings)


def load(account, *records, **settings):
    result = run(account, *records, **settings)
    assert result.code == 0, result.stderr


def dry_run(account, *records, **settings):
    result = run(account, *records, dry_run=True, **settings)
    counts = account.counts()
    assert (counts["creates"], counts["updates"], result.states) == (0, 0, [])
    return result


def customer(source_id, **properties):
    return record(**{"id": source_id, "name": f"N {source_id}", **properties})


def counts(result):
    return result.summary.split(";")[0]


def shown(result):
    return [
        message.removeprefix("dry run: ").strip()
        for message in result.messages("INFO")
        if message.startswith("dry run: ")
    ]


def test_it_sees_the_whole_input_whatever_is_allowed_to_be_rejected(account):
    bad = [customer(f"bad{n}", emailAddress="no address") for n in range(25)]

    result = dry_run(account, *bad, customer("1"), customer("2"), batch_size_rows=1)

    assert result.code == 1
    assert counts(result).startswith("27 records: 2 created, ")
    examples = [line for line in result.errors if line.startswith("rejected (inv")]
    assert len(examples) == 20
    assert "25 records were rejected and `max_rejects` allows none" in result.errors[-1]


def test_it_says_of_drift_what_the_real_run_says(account):
    load(account, customer("former"))
    load(
        account,
        customer("1", addresses=[BEND]),
        customer("2", billToSourceSystemId="former"),
        customer("3"),
    )
    records = [
        customer("1", addresses=[OSLO]),
        customer("2", billToSourceSystemId="nobody"),
        customer("3", billToSourceSystemId="nobody"),
        customer("4", billToSourceSystemId="nobody"),
        customer("5", billToSourceSystemId="4"),
    ]

    dry = dry_run(account, *records)
    real = run(account, *records)

    assert (dry.code, real.code) == (0, 0)
    assert dry.warnings == real.warnings
    assert counts(dry) == counts(real)
    assert "1 customer keeps its former parent" in "\n".join(dry.warnings)
    assert "2 customers were loaded without their parents" in "\n".join(dry.warnings)
    assert "1 existing customer differs from Upwell in addresses" in dry.warnings[1]


@pytest.mark.parametrize("load_method", ["upsert", "append-only", "update-only"])
def test_what_it_says_of_random_sources_is_what_then_happens(
    account, tmp_path, load_method
):
    choose = random.Random(new_seed())
    ids = [str(n) for n in range(30)]

    def source():
        for _ in range(60):
            properties = {"name": choose.choice(["A", "B", None])}
            for name, values in {
                "emailAddress": [None, "a@a.example", "b@a.example", "bad"],
                "billToSourceSystemId": [None, *ids, "nobody"],
                "customerRule": [None, {"dueOption": 1}, {"dueOption": 2}],
                "addresses": [[], [BEND], [OSLO]],
            }.items():
                if choose.random() < 0.6:
                    properties[name] = choose.choice(values)
            yield customer(choose.choice(ids), **properties)

    settings = {
        "max_rejects": -1,
        "rejects_path": str(tmp_path / "rejects.jsonl"),
        "load_method": load_method,
        "max_cleared_percent": 100,
    }
    load(account, *(customer(n) for n in choose.sample(ids, 15)))
    records = list(source())

    dry = dry_run(account, *records, **settings)
    real = run(account, *records, **settings)

    assert counts(dry) == counts(real)
    assert (" 0 created" in counts(real)) == (load_method == "update-only")
    assert (" 0 updated" in counts(real)) == (load_method == "append-only")
    assert _drift(dry) == _drift(real)


def _drift(result):
    return sorted(
        line.partition(" (")[0].partition(":")[0]
        for line in result.warnings
        if " customer" in line and not line.startswith("dry run")
    )


def test_a_change_is_shown_whole_and_nothing_else(account):
    load(
        account,
        customer("1", metadata={"limit": 1.5, "note": "y" * 200}, collectorId="c"),
    )
    line = (
        b'{"type":"RECORD","stream":"customers","record":{"id":"1","name":"New",'
        b'"emailAddress":null,"deletedAt":null,"collectorId":"c",'
        b'"metadata":{"limit":2.50,"rate":0.1}}}'
    )

    result = run(account, line, dry_run=True)

    assert shown(result)[:3] == [
        "would update customers 1:",
        'name: "N 1" -> "New"',
        'collectorId: (Upwell does not show it) -> "c"',
    ]
    before, _, after = shown(result)[3].partition(" -> ")
    assert before.startswith("metadata: {")
    assert "y" * 200 in before
    assert after in ('{"limit":2.50,"rate":0.1}', '{"limit":2.5,"rate":0.1}')
    assert not any("null" in line or "Decimal" in line for line in shown(result))


def test_a_new_customer_is_shown_whole_without_nulls_and_with_its_parent(account):
    result = dry_run(
        account,
        customer("hq"),
        customer("1", addresses=[OSLO], emailAddress=None, billToSourceSystemId="hq"),
    )

    lines = shown(result)
    start = lines.index("would create customers 1:")
    address, *others = lines[start + 2 : start + 6]
    assert lines[start + 1] == 'name: "N 1"'
    assert address.startswith("addresses: ")
    assert OSLO["streetLine1"] in address
    assert others == [
        'sourceSystem: "TMSEZ"',
        'sourceSystemId: "1"',
        'billToCustomerId: "(the id of customer hq)"',
    ]


def test_a_customer_that_comes_again_is_created_once(account):
    records = [
        *(customer(str(n)) for n in range(3)),
        *(customer(str(n)) for n in range(3)),
        customer("0", name="Another"),
    ]

    dry = dry_run(account, *records, batch_size_rows=3)
    real = run(account, *records, batch_size_rows=3)

    assert "7 records: 3 created, 1 updated, 3 unchanged" in counts(dry)
    assert counts(dry) == counts(real)


def test_links_that_would_be_set_once_the_parent_is_there_are_no_drift(account):
    load(account, customer("1"))
    records = [customer("1", billToSourceSystemId="hq"), customer("hq")]

    dry = dry_run(account, *records, batch_size_rows=1, max_parallel_requests=1)

    assert dry.warnings == []


def test_what_a_load_method_leaves_alone_has_no_drift(account):
    load(account, customer("1"))
    child = [customer(n, billToSourceSystemId="nobody") for n in ("1", "2")]

    assert dry_run(account, child[0], load_method="append-only").warnings == []
    assert dry_run(account, child[1], load_method="update-only").warnings == []


def test_it_creates_opens_and_changes_no_file(account, tmp_path):
    load(account, customer("1", addresses=[BEND]))
    kept = tmp_path / "kept.jsonl"
    torn = '{"type":"RECORD","stream":"a'
    kept.write_text(torn)
    kept.chmod(0o400)
    before = kept.stat()
    settings = {
        "rejects_path": str(kept),
        "drift_path": str(tmp_path / "drift.jsonl"),
        "sync_log_path": str(tmp_path / "log.jsonl"),
        "max_rejects": 5,
    }

    result = dry_run(
        account,
        customer("1", addresses=[OSLO]),
        customer("2", emailAddress="bad"),
        **settings,
    )

    assert result.code == 0
    assert list(tmp_path.iterdir()) == [kept]
    after = kept.stat()
    assert (kept.read_text(), after.st_mtime_ns) == (torn, before.st_mtime_ns)


@pytest.mark.parametrize("number", [30, 150])
def test_it_says_which_guard_would_stop_and_ends_as_the_real_run(account, number):
    addresses = [
        customer(str(n), emailAddress=f"n{n}@a.example") for n in range(number)
    ]
    load(account, *addresses)
    lost = [customer(str(n), emailAddress=None) for n in range(number)]

    dry = dry_run(account, *lost, batch_size_rows=20)
    real = run(account, *lost, batch_size_rows=20)

    assert (dry.code, real.code) == (1, 1)
    assert f"{number} updated" in dry.summary
    told = next(line for line in dry.warnings if "a guard would stop the run" in line)
    assert "emailAddress: this run would empty it for" in told
    assert "max_cleared_percent" in told
    assert "a real run would stop: emailAddress: " in dry.errors[-1]


def test_it_names_the_field_policies_in_force(account):
    policy = {"emailAddress": "fill_if_empty", "billToSourceSystemId": "create_only"}

    result = dry_run(account, customer("1"), field_policy=policy)

    assert (
        "field_policy: emailAddress fill_if_empty, billToCustomerId create_only"
        in result.messages("INFO")
    )


def test_changes_that_a_person_can_judge_are_not_hidden_by_those_that_never_show(
    account,
):
    moved = "2026-11-01T00:00:00+00:00"
    customers = [customer(str(n), addressesLastUpdatedAt=moved) for n in range(9)]
    load(account, *customers)

    renamed = customer("8", name="New", addressesLastUpdatedAt=moved)
    said = shown(dry_run(account, *customers[:8], renamed))

    unseen = "addressesLastUpdatedAt would be sent for 9 customers"
    assert said[-3:-1] == [
        f"{unseen} (Upwell does not show it)",
        "name would change for 1 customer",
    ]
    assert 'name: "N 8" -> "New"' in said
    assert [one for one in said if one.startswith("would update")] == [
        *(f"would update customers {n}:" for n in range(3)),
        "would update customers 8:",
    ]
