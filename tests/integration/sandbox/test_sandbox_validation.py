from __future__ import annotations

import re

import pytest

OBJECTS = "$.selectionSet.insertCustomers.args.objects"


FAULTS = [
    # A row, where in it the fault is, and what is said of it; ... is anything.
    *(
        ({"name": "A", name: "x"}, f".{name}", f"field '{name}' not found in type: ...")
        for name in ("id", "tenantId", "createdAt", "balance", "email_address")
    ),
    ({"onConflict": {}}, ".onConflict", "field 'onConflict' not found in type: ..."),
    ({"EMAIL ADDRESS": "x"}, "['EMAIL ADDRESS']", "field 'EMAIL ADDRESS' not found..."),
    *(
        ({"name": value}, ".name", f"expected a string for type 'String', but {found}")
        for value, found in (
            (7, "found a number"),
            (7.5, "found a number"),
            (True, "found a boolean"),
            (["A"], "found a list"),
            ({"a": 1}, "found an object"),
            (None, "found null"),
        )
    ),
    *(
        (row, "", "expected an object for type 'CustomersInsertInput', but...")
        for row in (None, "A", 1, [])
    ),
    *(
        ({name: [{}]}, f".{name}", f"expected an object for type '{kind}', but...list")
        for name, kind in (
            ("addresses", "AddressesArrRelInsertInput"),
            ("contacts", "ContactsArrRelInsertInput"),
            ("customerRule", "CustomerRulesObjRelInsertInput"),
            ("customerEmailSettings", "CustomerEmailSettingsRelInsertInput"),
        )
    ),
    ({"addresses": {}}, ".addresses.data", "missing required field 'data'"),
    (
        {"addresses": {"data": [], "onConflict": {}}},
        ".addresses.onConflict",
        "field 'onConflict' not found...",
    ),
    *(
        (
            {"addresses": {"data": [{}, {"country": country}]}},
            ".addresses.data[1].country",
            (
                "expected one of the values ['AD', 'AE', ... for type 'CountriesEnum', "
                f"but found '{country}'"
            ),
        )
        for country in ("USA", "us", "United States", "AQ", "")
    ),
    (
        {"addresses": {"data": [{"country": 1}]}},
        ".addresses.data[0].country",
        "expected an enum value for type 'CountriesEnum', but found a number",
    ),
    (
        {"addresses": {"data": [{"type": "HOME"}]}},
        ".addresses.data[0].type",
        (
            "expected one of the values ['ADDRESS_BOOK'] for type 'AddressTypesEnum', "
            "but found 'HOME'"
        ),
    ),
    (
        {"addresses": {"data": [{"zip": "1"}]}},
        ".addresses.data[0].zip",
        "field 'zip' not found in type: 'AddressesInsertInput'",
    ),
    (
        {"customerRule": {"data": {"dueOption": "30"}}},
        ".customerRule.data.dueOption",
        "expected a 32-bit integer for type 'Int', but found a string",
    ),
    (
        {"ccEmailAddresses": "a@b.example"},
        ".ccEmailAddresses",
        "expected a list for type '[String!]', but found a string",
    ),
    (
        {"ccEmailAddresses": ["a@b.example", None]},
        ".ccEmailAddresses[1]",
        "expected a string for type 'String', but found null",
    ),
    (
        {"contactsLastUpdatedAt": 1700000000},
        ".contactsLastUpdatedAt",
        "expected a string for type 'timestamptz', but found a number",
    ),
    (
        {"paymentLineItems": {"data": [{"customerId": "x"}]}},
        ".paymentLineItems.data[0]",
        'cannot insert "customer_id" columns...',
    ),
]


def refusal_of(sandbox, bad):
    """Send good rows and a bad one, and return the refusal."""
    inputs = [{"name": "Good"}, {"name": "Better"}, bad]
    response = sandbox.call("POST", "/bulk-customers", {"inputs": inputs})
    assert response.status_code == 400, response.text
    assert sandbox.counts()["customers"] == 0
    return response.json()


@pytest.mark.parametrize(("bad", "path", "error"), FAULTS)
def test_a_row_is_refused_by_its_path(sandbox, bad, path, error):
    refusal = refusal_of(sandbox, bad)

    assert refusal["code"] == "validation-failed"
    assert refusal["path"] == f"{OBJECTS}[2]{path}"
    assert re.fullmatch(".*".join(map(re.escape, error.split("..."))), refusal["error"])


@pytest.mark.parametrize("value", [2847.5, 2147483648, 1e300])
def test_what_is_no_integer_is_refused(sandbox, value):
    refusal = refusal_of(sandbox, {"customerRule": {"data": {"dueOption": value}}})

    assert refusal["code"] == "parse-failed"
    assert refusal["path"] == f"{OBJECTS}[2].customerRule.data.dueOption"
    assert refusal["error"].endswith(
        " lies outside the bounds or is not an integer."
        " Maybe it is a float, or is there integer overflow?"
    )


def test_a_whole_number_with_a_fraction_of_zero_is_an_integer(sandbox):
    reply = sandbox.call(
        "POST", "/customers", {"input": {"name": "A", "customerRule": rule(30.0)}}
    ).json()

    assert reply["createCustomer"]["customerRule"]["dueOption"] == 30


def rule(due_option):
    return {"data": {"dueOption": due_option}}


def test_only_the_first_fault_is_reported(sandbox):
    refusal = sandbox.call(
        "POST", "/bulk-customers", {"inputs": [{"name": 1}, {"name": 2}]}
    ).json()

    assert refusal["path"] == f"{OBJECTS}[0].name"


def test_types_are_checked_before_the_database_is_asked(sandbox):
    twice = {"name": "A", "sourceSystem": "T", "sourceSystemId": "1"}

    refusal = sandbox.call(
        "POST", "/bulk-customers", {"inputs": [twice, twice, {"foo": 1}]}
    ).json()

    assert refusal["path"] == f"{OBJECTS}[2].foo"


def test_a_relation_of_one_may_lack_its_brackets(sandbox):
    reply = sandbox.call(
        "POST",
        "/customers",
        {"input": {"name": "A", "addresses": {"data": {"city": "Tulsa"}}}},
    ).json()

    assert reply["createCustomer"]["addresses"][0]["city"] == "Tulsa"


def test_settings_may_be_one_row_or_several(sandbox):
    settings = {"customerEmailSettings": {"data": [{"a": 1}, {"a": 2}]}}
    one = {"customerIntegrationSettings": {"data": {"b": 1.5}}}
    key = {"sourceSystem": "T", "sourceSystemId": "1"}

    sandbox.call("POST", "/customers", {"input": {"name": "A"} | key | settings | one})

    stored = sandbox.customer("T", "1")
    assert [row["a"] for row in stored["customerEmailSettings"]] == [1, 2]
    assert stored["customerIntegrationSettings"]["b"] == 1.5


@pytest.mark.parametrize(
    "root",
    [
        ("POST", "/customers", "insertCustomersOne.args.object"),
        ("PUT", "/customers/cus_x", "updateCustomers.args._set"),
    ],
)
def test_the_path_names_the_operation(sandbox, root):
    method, path, root_path = root

    refusal = sandbox.call(method, path, {"input": {"foo": 1}}).json()

    assert refusal["path"] == f"$.selectionSet.{root_path}.foo"
