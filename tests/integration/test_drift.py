"""What an update can't reach is said once, and listed for somebody to fix."""

from __future__ import annotations

import json

from running_target import RunningTarget
from target_command import record, run_target, schema, state

STREAM = schema(
    "id",
    "name",
    "emailAddress",
    addresses={},
    contacts={},
    customerRule={},
    customerEmailSettings={},
)
BEND = {"streetLine1": "1 Main St", "city": "Bend", "country": "US"}
OSLO = {"streetLine1": "2 Havn", "city": "Oslo", "country": "NO"}
FULL = {
    **BEND,
    "companyName": "Bend Freight",
    "name": "Ann",
    "phoneNumber": "555-0100",
    "stateOrProvince": "OR",
    "zipOrPostalCode": "97701",
    "type": "ADDRESS_BOOK",
}


def customer(number, **properties):
    return record(id=str(number), name=f"N {number}", **properties)


def run(account, *messages, **settings):
    result = run_target(account, [STREAM, *messages], **settings)
    assert result.code == 0, result.stderr
    return result


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_addresses_that_differ_are_listed_and_the_columns_are_updated(
    account, tmp_path
):
    path = tmp_path / "drift.jsonl"
    run(account, *(customer(n, addresses=[BEND]) for n in range(8)))
    moved = [
        customer(n, addresses=[OSLO], emailAddress=f"n{n}@a.example") for n in range(7)
    ]

    result = run(account, *moved, state("end"), drift_path=str(path))

    assert result.states == ["end"]
    assert "7 updated" in result.summary
    stored = account.customers()
    assert stored["6"]["emailAddress"] == "n6@a.example"
    assert stored["6"]["addresses"][0]["city"] == "Bend"
    assert result.warnings == [
        (
            "7 existing customers differ from Upwell in addresses (this API can't "
            f"change it): 0, 1, 2, 3, 4; all are listed in {str(path)!r}"
        )
    ]
    listed = lines(path)
    assert len(listed) == 7
    assert listed[0].keys() == {
        "sourceSystem",
        "sourceSystemId",
        "property",
        "kind",
        "upwell",
        "source",
        "why",
    }
    assert (listed[3]["kind"], listed[3]["why"]) == ("relation", None)
    assert (listed[3]["sourceSystem"], listed[3]["sourceSystemId"]) == ("TMSEZ", "3")
    assert listed[3]["property"] == "addresses"
    assert listed[3]["source"] == [OSLO]
    (held,) = listed[3]["upwell"]
    assert {name: held[name] for name in BEND} == BEND


SAME = {
    "another order": ([BEND, OSLO], [OSLO, BEND]),
    "all members": ([FULL], [FULL]),
    "fewer members": ([FULL], [BEND]),
    "another spelling": (
        [BEND],
        [{**BEND, "country": "United States", "city": " Bend "}],
    ),
    "a telephone number, which Upwell never shows": (
        [FULL],
        [{**FULL, "phoneNumber": "555-0199"}],
    ),
    "none given": ([BEND], []),
    "null": ([BEND], None),
}
DIFFERENT = {
    "one fewer": ([BEND, OSLO], [BEND]),
    "one more": ([BEND], [BEND, OSLO]),
    "none before": ([], [BEND]),
    "another code": ([FULL], [{**FULL, "zipOrPostalCode": "97702"}]),
}


def test_addresses_are_compared_as_sets_on_what_the_record_gives(account, tmp_path):
    path = tmp_path / "drift.jsonl"
    cases = SAME | DIFFERENT
    run(account, *(customer(n, addresses=held) for n, (held, _) in cases.items()))

    run(
        account,
        *(customer(n, addresses=wanted) for n, (_, wanted) in cases.items()),
        drift_path=str(path),
    )

    assert {line["sourceSystemId"] for line in lines(path)} == set(DIFFERENT)
    assert account.counts()["updates"] == 0


def test_a_rule_can_be_changed_but_not_made(account, tmp_path):
    path = tmp_path / "drift.jsonl"
    run(account, customer(1), customer(2, customerRule={"dueOption": 30}))

    result = run(
        account,
        customer(1, customerRule={"dueOption": 45}),
        customer(2, customerRule={"dueOption": 45}),
        drift_path=str(path),
    )

    assert account.customers()["2"]["customerRule"]["dueOption"] == 45
    assert len(result.warnings) == 1
    assert result.warnings[0].startswith(
        "1 existing customer differs from Upwell in customerRule ("
    )
    assert lines(path) == [
        {
            "sourceSystem": "TMSEZ",
            "sourceSystemId": "1",
            "property": "customerRule",
            "kind": "relation",
            "upwell": None,
            "source": {"dueOption": 45},
            "why": None,
        }
    ]


def test_relations_that_upwell_never_shows_are_mentioned_once(account):
    contacts = [{"name": "Ann"}]
    created = run(
        account,
        *(customer(n, contacts=contacts) for n in range(4)),
    )
    assert created.warnings == []

    result = run(
        account,
        *(
            customer(n, contacts=contacts, customerEmailSettings={"send": True})
            for n in range(4)
        ),
        batch_size_rows=1,
    )

    assert sorted(result.warnings) == [
        f"{name} of existing customers can't be compared or changed through this API; "
        "it is only set when a customer is created"
        for name in ("contacts", "customerEmailSettings")
    ]
    assert "4 unchanged" in result.summary


NO_ROOM = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (0, 0))"


def test_a_list_that_cannot_be_written_stops_the_run_before_state_passes(
    account, tmp_path
):
    run(account, customer(1, addresses=[BEND]), customer(2))
    path = tmp_path / "drift.jsonl"

    with RunningTarget(
        account,
        patch=NO_ROOM,
        batch_size_rows=1,
        max_parallel_requests=1,
        drift_path=str(path),
    ) as target:
        target.send(
            STREAM,
            customer(2),
            state(1),
            customer(1, addresses=[OSLO]),
            customer(3),
            state(2),
        )
        target.close_stdin()
        result = target.wait()

    assert result.code == 1
    assert result.states == [1]
    assert result.errors[-1] == (
        f"drift_path: {str(path)!r} can't be written: File too large; free some space"
    )
    assert path.read_bytes() == b""
