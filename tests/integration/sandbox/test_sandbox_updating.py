from __future__ import annotations

import pytest

KEY = {"sourceSystem": "TMSEZ", "sourceSystemId": "1"}
SET = "$.selectionSet.updateCustomers.args._set"


@pytest.fixture
def customer(create):
    return create(
        {
            **KEY,
            "name": "Acme",
            "emailAddress": "ar@acme.example",
            "customerRule": {"data": {"dueOption": 30}},
        }
    )["1"]


@pytest.fixture
def put(sandbox):
    def put(changes, rules=None, *, key=KEY, path="/customers", status=200):
        body = {**key, "input": changes, "customerRulesInput": rules or {}}
        response = sandbox.call("PUT", path, body)
        assert response.status_code == status, response.text
        return response.json()

    return put


def test_an_update_by_source_key_counts_and_shows_the_customer(customer, put):
    reply = put({"name": "Apex"})

    (updated,) = reply["updateCustomer"]["returning"]
    assert reply["updateCustomer"]["affectedRows"] == 1
    assert reply["updateCustomerRules"] == {"affectedRows": 0}
    assert updated["updatedAt"] > customer["updatedAt"]
    assert updated == customer | {"name": "Apex", "updatedAt": updated["updatedAt"]}


def test_an_update_by_id_shows_the_bare_customer(customer, put):
    reply = put({"name": "Apex"}, key={}, path=f"/customers/{customer['id']}")

    assert reply["updateCustomer"]["name"] == "Apex"
    assert reply["updateCustomerRules"] == {"affectedRows": 0}


def test_a_null_clears_and_an_absent_property_stays(sandbox, customer, put):
    put({"emailAddress": None})

    stored = sandbox.customer("TMSEZ", "1")
    assert stored["emailAddress"] is None
    assert stored["name"] == customer["name"]


@pytest.mark.usefixtures("customer")
def test_a_name_cannot_be_cleared(put):
    refusal = put({"name": None}, status=400)

    assert refusal == {
        "path": f"{SET}.name",
        "error": "expected a string for type 'String', but found null",
        "code": "validation-failed",
    }


@pytest.mark.usefixtures("customer")
def test_rules_are_updated_along(put):
    reply = put({"name": "Acme"}, {"dueOption": 45})

    assert reply["updateCustomerRules"] == {"affectedRows": 1}
    (updated,) = reply["updateCustomer"]["returning"]
    assert updated["customerRule"]["dueOption"] == 45


def test_a_customer_without_a_rule_has_none_to_update(create, put):
    create({**KEY, "name": "Acme"})

    assert put({"name": "A"}, {"dueOption": 45})["updateCustomerRules"] == {
        "affectedRows": 0
    }


def test_an_update_of_nobody_succeeds_without_effect(sandbox, put):
    assert put({"name": "A"}, {"dueOption": 1}) == {
        "updateCustomer": {"affectedRows": 0, "returning": []},
        "updateCustomerRules": {"affectedRows": 0},
    }
    assert put({"name": "A"}, key={}, path="/customers/cus_nobody") == {
        "updateCustomer": None,
        "updateCustomerRules": {"affectedRows": 0},
    }
    assert sandbox.counts()["updates"] == 0


def test_an_empty_input_touches_nothing(sandbox, customer, put):
    assert put({})["updateCustomer"] == {"affectedRows": 0, "returning": []}
    by_id = put({}, key={}, path=f"/customers/{customer['id']}")
    assert by_id["updateCustomer"] == {}
    assert sandbox.customer("TMSEZ", "1")["updatedAt"] == customer["updatedAt"]


def test_a_rule_can_change_while_an_empty_input_touches_nothing(sandbox, customer, put):
    reply = put({}, {"dueOption": 7})

    assert reply == {
        "updateCustomer": {"affectedRows": 0, "returning": []},
        "updateCustomerRules": {"affectedRows": 1},
    }
    stored = sandbox.customer("TMSEZ", "1")
    assert stored["customerRule"]["dueOption"] == 7
    assert stored["updatedAt"] == customer["updatedAt"]


@pytest.mark.parametrize("name", ["addresses", "contacts", "customerRule", "id"])
@pytest.mark.usefixtures("customer")
def test_only_columns_can_be_updated(put, name):
    assert put({name: {"data": []}}, status=400) == {
        "path": f"{SET}.{name}",
        "error": f"field '{name}' not found in type: 'CustomersSetInput'",
        "code": "validation-failed",
    }


@pytest.mark.usefixtures("customer")
def test_an_unknown_rule_is_refused_and_the_customer_left_alone(sandbox, put):
    refusal = put({"name": "Apex"}, {"terms": 1}, status=400)

    assert refusal["path"] == "$.selectionSet.updateCustomerRules.args._set.terms"
    assert sandbox.customer("TMSEZ", "1")["name"] == "Acme"


def test_a_key_that_another_customer_has_is_refused(sandbox, customer, create, put):
    create({**KEY, "sourceSystemId": "2", "name": "Other"})

    refusal = put({"name": "Apex", "sourceSystemId": "2"}, status=400)

    assert refusal["error"].startswith("Uniqueness violation. ")
    assert refusal["path"] == "$"
    assert sandbox.customer("TMSEZ", "1")["name"] == customer["name"]


@pytest.mark.usefixtures("customer")
def test_an_update_to_an_unknown_parent_is_refused(put):
    refusal = put({"billToCustomerId": "cus_nobody"}, status=400)

    assert refusal["error"].startswith("Foreign key violation. ")


def test_customers_may_bill_to_each_other(customer, create, put):
    other = create(
        {
            **KEY,
            "sourceSystemId": "2",
            "name": "Other",
            "billToCustomerId": customer["id"],
        }
    )["2"]

    reply = put({"billToCustomerId": other["id"]})

    assert reply["updateCustomer"]["returning"][0]["billToCustomerId"] == other["id"]


@pytest.mark.usefixtures("customer")
def test_a_bad_timestamp_is_refused(put):
    assert put({"deletedAt": "soon"}, status=400)["code"] == "data-exception"


def test_a_rule_is_not_found_under_a_key_that_has_just_changed(customer, put):
    reply = put({"sourceSystemId": "9"}, {"dueOption": 1})

    assert reply["updateCustomer"]["affectedRows"] == 1
    assert reply["updateCustomerRules"] == {"affectedRows": 0}
    assert reply["updateCustomer"]["returning"][0]["id"] == customer["id"]


@pytest.mark.usefixtures("customer")
def test_the_source_key_may_come_by_query(sandbox):
    reply = sandbox.call(
        "PUT",
        "/customers",
        {"input": {"name": "Apex"}, "customerRulesInput": {}},
        params=KEY,
    ).json()

    assert reply["updateCustomer"]["affectedRows"] == 1


@pytest.mark.parametrize("missing", ["sourceSystem", "sourceSystemId"])
def test_a_missing_variable_is_named(sandbox, missing):
    body = {**KEY, "input": {"name": "A"}, "customerRulesInput": {}}
    del body[missing]

    response = sandbox.call("PUT", "/customers", body)

    assert response.status_code == 400
    assert response.json() == {
        "path": "$",
        "error": f'expecting a value for non-nullable variable: "{missing}"',
        "code": "validation-failed",
    }
