from __future__ import annotations

import pytest

OBJECTS = "$.selectionSet.insertCustomers.args.objects"


@pytest.fixture
def fault(sandbox):
    """Send good rows and a bad one; give code, path from the bad one, and error."""

    def fault(bad):
        inputs = [{"name": "Good"}, {"name": "Better"}, bad]
        response = sandbox.call("POST", "/bulk-customers", {"inputs": inputs})
        assert response.status_code == 400, response.text
        assert sandbox.counts()["customers"] == 0
        refusal = response.json()
        assert refusal["path"].startswith(f"{OBJECTS}[2]")
        path = refusal["path"].removeprefix(f"{OBJECTS}[2]")
        return refusal["code"], path, refusal["error"]

    return fault


@pytest.mark.parametrize(
    "name", ["id", "tenantId", "createdAt", "balance", "email_address", "onConflict"]
)
def test_an_unknown_property_is_refused(fault, name):
    assert fault({"name": "A", name: "x"}) == (
        "validation-failed",
        f".{name}",
        f"field '{name}' not found in type: 'CustomersInsertInput'",
    )


def test_a_path_quotes_what_is_no_bare_name(fault):
    assert fault({"EMAIL ADDRESS": "x"})[1] == "['EMAIL ADDRESS']"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (7, "a number"),
        (7.5, "a number"),
        (True, "a boolean"),
        (["A"], "a list"),
        ({"a": 1}, "an object"),
        (None, "null"),
    ],
)
def test_a_name_that_is_no_text_is_refused(fault, value, kind):
    assert fault({"name": value}) == (
        "validation-failed",
        ".name",
        f"expected a string for type 'String', but found {kind}",
    )


@pytest.mark.parametrize("value", [None, "A", 1, []])
def test_a_row_that_is_no_object_is_refused(fault, value):
    code, path, error = fault(value)

    assert (code, path) == ("validation-failed", "")
    assert error.startswith("expected an object for type 'CustomersInsertInput', but")


@pytest.mark.parametrize(
    ("name", "type_name"),
    [
        ("addresses", "AddressesArrRelInsertInput"),
        ("contacts", "ContactsArrRelInsertInput"),
        ("customerRule", "CustomerRulesObjRelInsertInput"),
        ("customerEmailSettings", "CustomerEmailSettingsRelInsertInput"),
    ],
)
def test_a_list_where_data_is_due_is_refused(fault, name, type_name):
    assert fault({"name": "A", name: [{}]}) == (
        "validation-failed",
        f".{name}",
        f"expected an object for type '{type_name}', but found a list",
    )


def test_a_relation_without_data_is_refused(fault):
    assert fault({"name": "A", "addresses": {}}) == (
        "validation-failed",
        ".addresses.data",
        "missing required field 'data'",
    )


def test_on_conflict_is_not_known(fault):
    code, path, error = fault({"addresses": {"data": [], "onConflict": {}}})

    assert (code, path) == ("validation-failed", ".addresses.onConflict")
    assert error.startswith("field 'onConflict' not found")


@pytest.mark.parametrize("country", ["USA", "us", "United States", "AQ", ""])
def test_what_is_no_country_is_refused(fault, country):
    code, path, error = fault({"addresses": {"data": [{}, {"country": country}]}})

    assert (code, path) == ("validation-failed", ".addresses.data[1].country")
    assert error.startswith("expected one of the values ['AD', 'AE', ")
    assert error.endswith(f" for type 'CountriesEnum', but found '{country}'")


def test_a_country_that_is_no_text_is_refused(fault):
    assert fault({"addresses": {"data": [{"country": 1}]}})[2] == (
        "expected an enum value for type 'CountriesEnum', but found a number"
    )


def test_an_address_of_unknown_type_is_refused(fault):
    code, path, error = fault({"addresses": {"data": [{"type": "HOME"}]}})

    assert (code, path) == ("validation-failed", ".addresses.data[0].type")
    assert error == (
        "expected one of the values ['ADDRESS_BOOK'] for type 'AddressTypesEnum',"
        " but found 'HOME'"
    )


def test_an_unknown_column_of_an_address_is_refused(fault):
    assert fault({"addresses": {"data": [{"zip": "1"}]}}) == (
        "validation-failed",
        ".addresses.data[0].zip",
        "field 'zip' not found in type: 'AddressesInsertInput'",
    )


@pytest.mark.parametrize("value", [2847.5, 2147483648, 1e300])
def test_what_is_no_integer_is_refused(fault, value):
    code, path, error = fault({"customerRule": {"data": {"dueOption": value}}})

    assert (code, path) == ("parse-failed", ".customerRule.data.dueOption")
    assert error.endswith(
        " lies outside the bounds or is not an integer."
        " Maybe it is a float, or is there integer overflow?"
    )


def test_an_integer_as_text_is_refused(fault):
    assert fault({"customerRule": {"data": {"dueOption": "30"}}})[2] == (
        "expected a 32-bit integer for type 'Int', but found a string"
    )


def test_a_whole_number_with_a_fraction_of_zero_is_an_integer(sandbox):
    reply = sandbox.call(
        "POST", "/customers", {"input": {"name": "A", "customerRule": rule(30.0)}}
    ).json()

    assert reply["createCustomer"]["customerRule"]["dueOption"] == 30


def rule(due_option):
    return {"data": {"dueOption": due_option}}


def test_cc_addresses_are_a_list(fault):
    assert fault({"ccEmailAddresses": "a@b.example"}) == (
        "validation-failed",
        ".ccEmailAddresses",
        "expected a list for type '[String!]', but found a string",
    )


def test_a_cc_address_that_is_no_text_is_refused(fault):
    assert fault({"ccEmailAddresses": ["a@b.example", None]}) == (
        "validation-failed",
        ".ccEmailAddresses[1]",
        "expected a string for type 'String', but found null",
    )


def test_a_timestamp_is_text(fault):
    assert fault({"contactsLastUpdatedAt": 1700000000}) == (
        "validation-failed",
        ".contactsLastUpdatedAt",
        "expected a string for type 'timestamptz', but found a number",
    )


def test_a_child_may_not_name_its_parent(fault):
    code, path, error = fault({"paymentLineItems": {"data": [{"customerId": "x"}]}})

    assert (code, path) == ("validation-failed", ".paymentLineItems.data[0]")
    assert error.startswith('cannot insert "customer_id" columns')


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
