from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from decimal import Decimal

import jsonschema
import pytest

from target_upwell.customers.schema import (
    ADDRESS_MEMBERS,
    BILL_TO,
    PROPERTIES,
    READABLE,
    RELATIONS,
    SCHEMA,
    as_new,
    check,
)

KEY = {"sourceSystem": "TMS", "sourceSystemId": "1"}


def test_the_table_holds_the_apis_eighteen_properties():
    assert list(PROPERTIES) == [
        "addresses",
        "addressesLastUpdatedAt",
        "billToCustomerId",
        "ccEmailAddresses",
        "collectorId",
        "contacts",
        "contactsLastUpdatedAt",
        "customerEmailSettings",
        "customerIntegrationSettings",
        "customerRule",
        "deletedAt",
        "emailAddress",
        "metadata",
        "name",
        "paymentLineItems",
        "remittanceLineItems",
        "sourceSystem",
        "sourceSystemId",
    ]


def test_replies_show_half_of_them():
    assert {
        "addresses",
        "billToCustomerId",
        "ccEmailAddresses",
        "customerRule",
        "emailAddress",
        "metadata",
        "name",
        "sourceSystem",
        "sourceSystemId",
    } == READABLE


def test_relations_are_not_updatable():
    assert {
        "addresses",
        "contacts",
        "customerEmailSettings",
        "customerIntegrationSettings",
        "customerRule",
        "paymentLineItems",
        "remittanceLineItems",
    } == RELATIONS


class TestSchema:
    def test_is_a_json_schema(self):
        jsonschema.Draft7Validator.check_schema(SCHEMA)

    def test_lists_what_the_table_lists_and_this_targets_own(self):
        assert set(SCHEMA["properties"]) == {*PROPERTIES, BILL_TO}
        assert SCHEMA["additionalProperties"] is False

    def test_lists_the_members_of_an_address(self):
        address = SCHEMA["properties"]["addresses"]["properties"]["data"]["items"]
        assert set(address["properties"]) == set(ADDRESS_MEMBERS)

    def test_describes_each_property_to_a_person_with_examples_that_are_valid(self):
        for name, entry in SCHEMA["properties"].items():
            assert entry["title"], name
            assert entry["description"].endswith("."), name
            for example in entry.get("examples", []):
                assert check({**KEY, name: example}) is None


class TestCheck:
    def test_takes_null_for_columns_but_the_source_key(self):
        columns = PROPERTIES.keys() - RELATIONS
        taken = {name for name in columns if check({**KEY, name: None}) is None}
        assert taken == columns - KEY.keys()

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"name": 12}, "name: must be text, not a number"),
            ({"sourceSystemId": ""}, "sourceSystemId: '' should be non-empty"),
            ({"nmae": "x"}, "Additional properties are not allowed"),
            (
                {"addresses": {"data": [{"city": "x"}, {"country": "usa"}]}},
                "addresses[1].country: text that does not fit pattern '^[A-Z]{2}$'",
            ),
            (
                {"addresses": [{"city": "x"}]},
                "addresses: must be an object, not a list",
            ),
            (
                {"customerRule": {"data": {"dueOption": 2**31}}},
                "customerRule.dueOption: 2147483648 is greater than the maximum of",
            ),
            (
                {"ccEmailAddresses": ["a@b", "nobody"]},
                "ccEmailAddresses[1]: text that does not fit pattern",
            ),
            (
                {"customerRule": {"data": {"dueOption": 30.5}}},
                "customerRule.dueOption: must be a whole number, not a number",
            ),
            ({"deletedAt": "today"}, "deletedAt: text that does not fit"),
            ({"collectorId": True}, "collectorId: must be text, not a boolean"),
        ],
    )
    def test_names_the_path_and_what_was_due(self, change, reason):
        assert (check({**KEY, **change}) or "").startswith(reason)

    @pytest.mark.parametrize(
        "change",
        [
            {"metadata": 10**400},
            {"metadata": {"a": [Decimal("1e400"), Decimal("0.10"), 1e308]}},
            {"customerRule": {"data": {"dueOption": True}}},
            {"customerRule": {"data": {"dueOption": 10**30}}},
            {"customerRule": {"data": {"dueOption": None, "other": {"x": None}}}},
            {"emailAddress": "a@b\n"},
            {"name": "\u00e9"},
            {"name": ""},
            {"ccEmailAddresses": []},
            {"addresses": {"data": []}},
            {"addresses": {"data": [{}]}},
            {"addresses": {}},
            {"contacts": {"data": [{}]}},
            {"nmae": "x"},
        ],
    )
    def test_agrees_with_the_authority(self, change):
        valid = jsonschema.Draft7Validator(SCHEMA).is_valid({**KEY, **change})
        assert (check({**KEY, **change}) is None) == valid

    def test_names_what_is_missing(self):
        assert (
            check({"sourceSystem": "TMS"}) == "'sourceSystemId' is a required property"
        )

    @pytest.mark.parametrize(
        "customer_input",
        [
            {**KEY, "name": {"secret": "s3cret"}},
            {**KEY, "name": ["s3cret"]},
            {**KEY, "contacts": {"data": [{"a": "s3cret"}, []]}},
            {**KEY, "addresses": {"data": [{"city": "s3cret", "country": 1}]}},
            {"name": "s3cret"},
        ],
    )
    def test_never_quotes_a_record(self, customer_input):
        assert "s3cret" not in (check(customer_input) or "")

    def test_shortens_values_and_escapes_control_characters(self):
        reason = check({**KEY, "emailAddress": "\x1b[31m" + "x" * 1000}) or ""
        assert "\x1b" not in reason
        assert "x" * 40 not in reason
        many = {f"made up {number}": 1 for number in range(1000)}
        assert len(check({**KEY, **many}) or "") <= 300


@pytest.mark.parametrize(
    ("rule", "sent"),
    [
        ({"dueOption": 30}, {"customerRule": {"data": {"dueOption": 30}}}),
        ({"dueOption": None}, {}),
        ({"a": None, "b": {"c": None}}, {"customerRule": {"data": {"b": {"c": None}}}}),
    ],
)
def test_a_new_customer_is_sent_without_nulls_and_without_its_own_link(rule, sent):
    customer_input = {
        **KEY,
        "name": "Acme",
        "emailAddress": None,
        "metadata": {"kept": None},
        "billToSourceSystemId": "2",
        "customerRule": {"data": rule},
    }
    before = deepcopy(customer_input)
    expected = {**KEY, "name": "Acme", "metadata": {"kept": None}, **sent}
    assert as_new(customer_input) == expected
    assert customer_input == before


def test_importing_the_mapping_loads_neither_the_sdk_nor_what_only_some_runs_need():
    forbidden = [
        "singer_sdk",
        "requests",
        "jsonschema",
        "babel",
    ]
    code = f"""
import sys, target_upwell.customers.mapping
print([name for name in {forbidden!r} if name in sys.modules])
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
