"""What people wrote in Upwell stays, where the user wants it to."""

from __future__ import annotations

import json

import pytest
from target_command import record, run_target, schema, state

STREAM = schema(
    "id",
    "name",
    "emailAddress",
    "collectorId",
    "billToSourceSystemId",
    ccEmailAddresses={},
    metadata={},
    customerRule={},
    addresses={},
    contacts={},
)
BEND = {"streetLine1": "1 Main St", "city": "Bend", "country": "US"}
OSLO = {"streetLine1": "2 Havn", "city": "Oslo", "country": "NO"}
POLICIES = ["fill_if_empty", "create_only"]

# For each property what the source says first, what a person makes of it, and what the
# source says from then on.
COLUMNS = {
    "name": ("First", "Person", "Later"),
    "emailAddress": ("first@a.example", "person@a.example", "later@a.example"),
    "ccEmailAddresses": (["a@a.example"], ["person@a.example"], ["b@a.example"]),
    "metadata": ({"a": 1}, {"person": True}, {"a": 2}),
}


def load(account, *records, **settings):
    result = run_target(account, [STREAM, *records, state("end")], **settings)
    assert (result.code, result.states) == (0, ["end"]), result.stderr
    return result


def change(account, source_id, columns, rule=None):
    """Change a customer as a person would, in Upwell."""
    answer = account.call(
        "PUT",
        "/customers",
        {
            "sourceSystem": "TMSEZ",
            "sourceSystemId": source_id,
            "input": columns,
            "customerRulesInput": rule or {},
        },
    )
    assert answer.status_code == 200, answer.text
    account.reset()


def customer(source_id="1", name="One", **properties):
    return record(id=source_id, name=name, **properties)


def listed(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", COLUMNS)
def test_a_persons_change_survives_each_run_and_is_drift(
    account, tmp_path, name, policy
):
    first, persons, later = COLUMNS[name]
    settings = {"field_policy": {name: policy}}
    load(account, customer(**{name: first}), **settings)
    change(account, "1", {name: persons})

    for said in (first, later, later):
        load(account, customer(**{name: said}), **settings)
    path = tmp_path / "drift.jsonl"
    result = load(account, customer(**{name: None}), drift_path=str(path), **settings)

    assert account.customers()["1"][name] == persons
    assert account.counts()["updates"] == 0
    assert result.warnings == []
    if name == "name":  # which a null leaves alone in any case
        assert not path.exists()
        return
    (line,) = listed(path)
    assert {n: line[n] for n in ("property", "kind", "upwell", "source")} == {
        "property": name,
        "kind": "policy",
        "upwell": persons,
        "source": None,
    }


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "name"])
def test_fill_if_empty_fills_what_is_empty_and_create_only_does_not(account, name):
    load(account, customer("1"), customer("2"))
    said = COLUMNS[name][0]

    load(account, customer("1", **{name: said}), field_policy={name: "fill_if_empty"})
    load(account, customer("2", **{name: said}), field_policy={name: "create_only"})

    held = account.customers()
    assert (held["1"][name], held["2"][name]) == (said, None)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_rule_that_a_person_changed_stays(account, tmp_path, policy):
    settings = {"field_policy": {"customerRule": policy}}
    load(account, customer(customerRule={"dueOption": 30}), **settings)
    change(account, "1", {}, {"dueOption": 60})
    path = tmp_path / "drift.jsonl"

    load(account, customer(customerRule={"dueOption": 45}), **settings)
    load(
        account,
        customer(customerRule={"dueOption": None}),
        drift_path=str(path),
        **settings,
    )

    assert account.customers()["1"]["customerRule"]["dueOption"] == 60
    (line,) = listed(path)
    assert (line["property"], line["kind"], line["upwell"]) == (
        "customerRule.dueOption",
        "policy",
        60,
    )


def test_what_upwell_never_shows_is_set_once_and_never_again(account):
    settings = {"field_policy": {"collectorId": "create_only"}}
    load(account, customer(collectorId="first"), **settings)

    result = load(account, customer(collectorId="later"), **settings)

    assert account.customers()["1"]["collectorId"] == "first"
    assert "1 unchanged" in result.summary


@pytest.mark.parametrize(
    ("policy", "held", "level"),
    [
        ("create_only", [BEND], "INFO"),
        ("create_only", [], "INFO"),
        ("fill_if_empty", [BEND], "INFO"),
        # Nothing can fill it: the user has to know.
        ("fill_if_empty", [], "WARNING"),
    ],
)
def test_addresses_that_are_to_stay_are_no_warning(account, policy, held, level):
    load(account, customer(addresses=held))

    result = load(
        account, customer(addresses=[OSLO]), field_policy={"addresses": policy}
    )

    (line,) = [m for m in result.messages(level) if " addresses" in m and ": 1" in m]
    assert line.endswith(": 1")


def test_contacts_that_are_to_be_set_once_are_no_warning(account):
    contacts = [{"firstName": "Ann", "emailAddress": "ann@a.example"}]
    settings = {"field_policy": {"contacts": "create_only"}}
    load(account, customer(contacts=contacts), **settings)

    assert load(account, customer(contacts=contacts), **settings).warnings == []


PARENTS = ["billToCustomerId", "billToSourceSystemId"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "parent", ["there", "before it", "in a later batch", "never comes"]
)
def test_a_parent_that_a_person_chose_stays(account, tmp_path, policy, parent):
    load(account, customer("hq"), customer("there"), customer("1"))
    hq = account.customers()["hq"]["id"]
    change(account, "1", {"billToCustomerId": hq})
    path = tmp_path / "drift.jsonl"
    wanted = "there" if parent == "there" else "new"
    records = [customer("1", billToSourceSystemId=wanted)]
    if parent == "before it":
        records.insert(0, customer("new"))
    elif parent == "in a later batch":
        records.append(customer("new"))

    result = load(
        account,
        *records,
        field_policy={"billToCustomerId": policy},
        drift_path=str(path),
        batch_size_rows=1 if parent == "in a later batch" else 200,
    )

    held = account.customers()
    assert held["1"]["billToCustomerId"] == hq
    assert result.warnings == []
    lines = listed(path)
    assert {(one["property"], one["kind"], one["upwell"]) for one in lines} == {
        ("billToCustomerId", "policy", hq)
    }


@pytest.mark.parametrize("name", PARENTS)
def test_a_parent_is_filled_in_where_there_is_none(account, name):
    load(account, customer("1"), customer("2"))

    load(
        account,
        customer("1", billToSourceSystemId="hq"),
        customer("hq"),
        batch_size_rows=1,
        field_policy={name: "fill_if_empty"},
    )
    load(
        account,
        customer("2", billToSourceSystemId="hq"),
        field_policy={name: "create_only"},
    )

    held = account.customers()
    assert held["1"]["billToCustomerId"] == held["hq"]["id"]
    assert held["2"]["billToCustomerId"] is None


def test_a_new_customer_gets_what_is_set_once_its_parent_included(account):
    load(
        account,
        customer(
            "1",
            emailAddress="a@a.example",
            billToSourceSystemId="hq",
            customerRule={"dueOption": 30},
        ),
        customer("hq"),
        batch_size_rows=1,
        field_policy=dict.fromkeys(
            ("emailAddress", "billToCustomerId", "customerRule"), "create_only"
        ),
    )

    held = account.customers()
    assert held["1"]["billToCustomerId"] == held["hq"]["id"]
    assert held["1"]["emailAddress"] == "a@a.example"
    assert held["1"]["customerRule"]["dueOption"] == 30


def test_a_policy_that_can_not_be_kept_is_refused_at_start(account):
    policy = {"collectorId": "fill_if_empty"}

    result = run_target(account, [STREAM, customer()], field_policy=policy)

    assert result.code == 1
    assert "Upwell never shows whether it is empty" in result.errors[0]
    assert account.requests() == []
