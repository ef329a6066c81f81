"""What the sandbox can be told to do where Upwell's documentation leaves it open."""

from __future__ import annotations

import pytest
from sandbox_server import Sandbox

KEY = {"sourceSystem": "T", "sourceSystemId": "1"}
SETS = {"input": "CustomersSetInput", "customerRulesInput": "CustomerRulesSetInput"}
ROOTS = {"input": "updateCustomers", "customerRulesInput": "updateCustomerRules"}


@pytest.fixture
def customer(create):
    rule = {"data": {"dueOption": 30}}
    return create({**KEY, "name": "Acme", "customerRule": rule})["1"]


def put(sandbox, changes, rules=None, path="/customers"):
    key = KEY if path == "/customers" else {}
    body = {**key, "input": changes, "customerRulesInput": rules or {}}
    return sandbox.call("PUT", path, body)


def found(sandbox, **where):
    answer = sandbox.call("POST", "/customers/search", {"where": where})
    assert answer.status_code == 200, answer.text
    return [customer["name"] for customer in answer.json()["customers"]]


@pytest.mark.parametrize("null", [True, False])
@pytest.mark.parametrize("missing", SETS)
@pytest.mark.parametrize("by_id", [True, False])
def test_a_set_that_is_missing_or_null_is_refused(
    sandbox, customer, missing, by_id, null
):
    sets = {name: {} for name in SETS}
    if null:
        sets[missing] = None
    else:
        del sets[missing]
    path = f"/customers/{customer['id']}" if by_id else "/customers"

    answer = sandbox.call("PUT", path, {**({} if by_id else KEY), **sets})

    assert answer.status_code == 400
    assert answer.json() == {
        "path": f"$.selectionSet.{ROOTS[missing]}.args._set",
        "error": f"expected an object for type '{SETS[missing]}', but found null",
        "code": "validation-failed",
    }


@pytest.mark.usefixtures("customer")
def test_a_set_that_is_missing_can_count_as_empty(sandbox):
    sandbox.readings(missing_set_is_empty=True)

    answer = sandbox.call("PUT", "/customers", {**KEY, "input": {"name": "Apex"}})

    assert answer.json()["updateCustomer"]["affectedRows"] == 1
    assert answer.json()["updateCustomerRules"] == {"affectedRows": 0}
    assert sandbox.call("PUT", "/customers", KEY).status_code == 200


def test_a_property_that_may_not_be_inserted_is_unknown(sandbox, refused):
    sandbox.readings(not_insertable=["collectorId", "contacts"])

    for name, value in {"collectorId": "c", "contacts": {"data": []}}.items():
        refusal = refused({**KEY, "name": "Acme", name: value})
        assert refusal == {
            "path": f"$.selectionSet.insertCustomers.args.objects[0].{name}",
            "error": f"field '{name}' not found in type: 'CustomersInsertInput'",
            "code": "validation-failed",
        }


@pytest.mark.usefixtures("customer")
def test_a_column_that_may_not_be_updated_is_unknown_even_where_no_row_matches(sandbox):
    sandbox.readings(not_updatable=["metadata"], rule_not_updatable=["dueOption"])

    assert put(sandbox, {"name": "Apex"}).status_code == 200
    refusal = put(sandbox, {"metadata": None}).json()
    assert refusal["error"] == "field 'metadata' not found in type: 'CustomersSetInput'"
    refusal = put(sandbox, {}, {"dueOption": 1}, path="/customers/nobody").json()
    assert refusal["error"] == (
        "field 'dueOption' not found in type: 'CustomerRulesSetInput'"
    )


def test_an_empty_set_can_count_a_row_and_change_nothing(sandbox, customer):
    sandbox.readings(empty_set_counts=True)

    reply = put(sandbox, {}).json()
    by_id = put(sandbox, {}, path=f"/customers/{customer['id']}").json()

    assert reply["updateCustomer"] == {"affectedRows": 1, "returning": [customer]}
    assert reply["updateCustomerRules"] == {"affectedRows": 1}
    assert by_id["updateCustomer"] == customer
    assert sandbox.counts()["updates"] == 0
    sandbox.clear()
    assert put(sandbox, {}).json() == {
        "updateCustomer": {"affectedRows": 0, "returning": []},
        "updateCustomerRules": {"affectedRows": 0},
    }


def test_reads_can_hide_deleted_customers_whose_keys_stay_taken(sandbox, create):
    gone = create({**KEY, "name": "Gone", "deletedAt": "2026-01-01T00:00:00"})["1"]
    create({**KEY, "sourceSystemId": "2", "name": "Here"})
    assert sorted(found(sandbox)) == ["Gone", "Here"]

    sandbox.readings(search_hides_deleted=True)

    assert found(sandbox) == ["Here"]
    assert found(sandbox, _or=[{"name": {"_eq": "Gone"}}, {}]) == ["Here"]
    assert sandbox.call("GET", f"/customers/{gone['id']}").json() == {"customer": None}
    listed = sandbox.call("GET", "/customers").json()
    assert listed["customersAggregate"]["aggregate"]["count"] == 1
    again = {"inputs": [{**KEY, "name": "Gone"}]}
    answer = sandbox.call("POST", "/bulk-customers", again)
    assert answer.json()["error"].startswith("Uniqueness violation. ")


def test_a_search_finds_by_deleted_at_or_refuses_to(sandbox, create):
    create({**KEY, "name": "Gone", "deletedAt": "2026-01-01T00:00:00"})
    create({**KEY, "sourceSystemId": "2", "name": "Here"})
    where = {"deletedAt": {"_isNull": True}}
    assert found(sandbox, **where) == ["Here"]

    sandbox.readings(search_refuses_deleted_at=True)

    answer = sandbox.call("POST", "/customers/search", {"where": where})
    assert answer.status_code == 400
    assert answer.json() == {
        "path": "$.selectionSet.customers.args.where.deletedAt",
        "error": "field 'deletedAt' not found in type: 'CustomersBoolExp'",
        "code": "validation-failed",
    }


def test_refusals_can_have_the_shape_of_the_documentation(sandbox):
    sandbox.readings(error_shape="documented")
    message = "field 'rank' not found in type: 'CustomersInsertInput'"
    row = "$.selectionSet.insertCustomers.args.objects[0].rank"

    answer = sandbox.call("POST", "/bulk-customers", {"inputs": [{"rank": 1}]})
    unauthorized = sandbox.call("GET", "/customers", key="other")

    body = answer.json()
    assert answer.status_code == 400
    assert body.pop("timestamp")
    assert body == {
        "error": {
            "code": "VALIDATION_ERROR",
            "message": message,
            "details": [{"field": row, "message": message}],
        },
        "status": "error",
    }
    assert unauthorized.status_code == 401
    assert unauthorized.json()["error"]["code"] == "INVALID_API_KEY"


def test_readings_are_restored_and_unknown_names_refused(sandbox):
    before = sandbox.control("GET", "/readings")
    with pytest.raises(AssertionError, match="not_updatable: addresses, rank not foun"):
        sandbox.readings(not_updatable=["rank", "addresses"])
    assert sandbox.control("GET", "/readings") == before
    sandbox.readings(empty_set_counts=True)
    sandbox.control("DELETE", "/readings")
    assert sandbox.control("GET", "/readings") == before


def test_the_command_takes_every_reading_and_what_bounds_requests():
    options = (
        *("--search-cap", "4", "--max-body", "99", "--refuse-name", "^Bad"),
        *("--retry-after", "date", "--rate-limit", "7", "--latency", "1"),
        *("--not-insertable", "contacts, collectorId"),
        *("--not-updatable", "deletedAt"),
        *("--rule-not-updatable", "dueOption"),
        *("--missing-set-is-empty", "--empty-set-counts", "--search-hides-deleted"),
        *("--search-refuses-deleted-at", "--error-shape", "documented"),
    )
    with Sandbox(*options) as sandbox:
        assert (
            sandbox.control("GET", "/faults").items()
            >= {
                "search_cap": 4,
                "max_body": 99,
                "refuse_name": "^Bad",
                "retry_after": "date",
                "rate_limit": 7,
                "latency": 1,
            }.items()
        )
        assert sandbox.control("GET", "/readings") == {
            "not_insertable": ["contacts", "collectorId"],
            "not_updatable": ["deletedAt"],
            "rule_not_updatable": ["dueOption"],
            "missing_set_is_empty": True,
            "empty_set_counts": True,
            "search_hides_deleted": True,
            "search_refuses_deleted_at": True,
            "error_shape": "documented",
        }
