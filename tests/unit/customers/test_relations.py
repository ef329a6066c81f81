from __future__ import annotations

import json
from decimal import Decimal

import pytest

from target_upwell.customers import relations
from target_upwell.customers.schema import ADDRESS_MEMBERS, check
from target_upwell.exceptions import Invalid

CHICAGO = {"city": "Chicago", "country": "US"}
LISTS = pytest.mark.parametrize("convert", [relations.addresses, relations.items])
OBJECTS = pytest.mark.parametrize("convert", [relations.rule, relations.settings])


class TestListRelations:
    @LISTS
    @pytest.mark.parametrize(
        "given",
        [
            [CHICAGO],
            (CHICAGO,),
            CHICAGO,
            {"data": [CHICAGO]},
            {"data": CHICAGO},
            [None, CHICAGO, {}, {"city": None}, {**CHICAGO, "type": None}],
        ],
    )
    def test_take_every_form_and_give_the_apis(self, convert, given):
        expected = {"data": [CHICAGO]}
        if isinstance(given, list) and len(given) > 1:
            expected = {"data": [CHICAGO, CHICAGO]}
        assert convert(given) == expected
        assert convert(json.dumps(given)) == expected
        assert convert(expected) == expected

    @LISTS
    @pytest.mark.parametrize(
        "given",
        [None, "", " ", "null", [], {}, [None], [{}], {"data": []}, {"data": None}],
    )
    def test_without_any_member_are_left_out(self, convert, given):
        assert convert(given) is None

    @LISTS
    @pytest.mark.parametrize("given", [1, True, "[", "Chicago", "12", {"data": "x"}])
    def test_refuse_what_is_no_list_of_objects(self, convert, given):
        with pytest.raises(Invalid):
            convert(given)

    @LISTS
    def test_name_the_member_that_is_no_object(self, convert):
        with pytest.raises(Invalid) as caught:
            convert([CHICAGO, "Chicago"])
        assert str(caught.value) == "[1]: text is not an object"


class TestAddresses:
    def test_members_match_whatever_their_spelling(self):
        given = {
            "COMPANY_NAME": "Acme",
            "Name": "A/P",
            "phone number": "555",
            "street_line_1": "500 W Madison",
            "StreetLine2": "Suite 1",
            "CITY": "Chicago",
            "state_or_province": "IL",
            "zip_or_postal_code": "60661",
            "Country": "us",
            "type": "ADDRESS_BOOK",
        }
        (address,) = relations.addresses(given)["data"]
        assert sorted(address) == sorted(ADDRESS_MEMBERS)
        assert address["country"] == "US"

    def test_the_exact_spelling_wins(self):
        given = {"CITY": "Elgin", "city": "Chicago", "City": "Joliet"}
        assert relations.addresses(given) == {"data": [{"city": "Chicago"}]}
        given = {"CITY": "Elgin", "city": None}
        assert relations.addresses(given) is None

    def test_two_other_spellings_are_refused(self):
        with pytest.raises(Invalid, match=r"\[0\].city: several members match it"):
            relations.addresses({"CITY": "Elgin", "City": "Joliet"})

    @pytest.mark.parametrize(
        ("given", "expected"),
        [("02134", "02134"), (60661, "60661"), (Decimal("60661.0"), "60661")],
    )
    def test_postal_codes_stay_text(self, given, expected):
        found = relations.addresses({"zipOrPostalCode": given})
        assert found == {"data": [{"zipOrPostalCode": expected}]}

    def test_texts_are_trimmed_and_blank_ones_dropped(self):
        found = relations.addresses([{"city": " Chicago ", "streetLine2": " "}])
        assert found == {"data": [{"city": "Chicago"}]}

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ({"country": "Freedonia"}, "[0].country: 'Freedonia' is not a country"),
            ({"country": 840}, "[0].country: '840' is not a country"),
            ({"city": ["Chicago"]}, "[0].city: a list is neither text nor a number"),
        ],
    )
    def test_a_wrong_member_is_named(self, given, reason):
        with pytest.raises(Invalid) as caught:
            relations.addresses(given)
        assert str(caught.value) == reason

    @pytest.mark.parametrize("name", ["id", "county", "onConflict", 1])
    def test_an_unknown_member_is_refused(self, name):
        with pytest.raises(
            Invalid, match="is not an address field; use city, companyName"
        ):
            relations.addresses([{"city": "Chicago", name: "x"}])


class TestItems:
    def test_members_are_sent_as_they_are(self):
        given = [{"first_name": " Jo ", "tags": [1, None], "amount": Decimal("1.10")}]
        assert relations.items(given) == {"data": given}

    def test_refuse_what_is_no_json(self):
        with pytest.raises(Invalid, match=r"^\[0\]\.first_name: .*U\+0000"):
            relations.items([{"first_name": "\x00"}])


class TestObjectRelations:
    @OBJECTS
    @pytest.mark.parametrize("given", [{"a": 1}, {"data": {"a": 1}}])
    def test_take_every_form_and_give_the_apis(self, convert, given):
        assert convert(given) == {"data": {"a": 1}}
        assert convert(json.dumps(given)) == {"data": {"a": 1}}

    @OBJECTS
    @pytest.mark.parametrize(
        "given", [None, " ", "null", {}, {"data": {}}, {"data": None}]
    )
    def test_without_any_member_are_left_out(self, convert, given):
        assert convert(given) is None

    @OBJECTS
    @pytest.mark.parametrize(
        "given", [[], [{"a": 1}], 1, "x", {1: 2}, {"a": "\x00"}, {"\x00": 1}]
    )
    def test_refuse_what_is_no_json_object(self, convert, given):
        with pytest.raises(Invalid):
            convert(given)

    def test_nulls_of_settings_are_left_out(self):
        assert relations.settings({"a": 1, "b": None}) == {"data": {"a": 1}}
        assert relations.settings({"a": None}) is None

    def test_may_have_a_member_of_the_name_data(self):
        given = {"data": [1], "a": 1}
        assert relations.settings(given) == {"data": given}
        assert relations.settings({"data": given}) == {"data": given}


class TestRule:
    @pytest.mark.parametrize("name", ["dueOption", "due_option", "DUE OPTION"])
    @pytest.mark.parametrize("days", [30, "30", Decimal("30.0"), 30.0])
    def test_due_option_is_an_integer(self, name, days):
        found = relations.rule({name: days, "other_key": "as it is"})
        assert found == {"data": {"dueOption": 30, "other_key": "as it is"}}
        assert type(found["data"]["dueOption"]) is int

    @pytest.mark.parametrize("nothing", [None, "", " "])
    def test_its_nulls_stay_to_clear_columns(self, nothing):
        found = relations.rule({"due_option": nothing, "other": 1})
        assert found == {"data": {"dueOption": None, "other": 1}}
        assert relations.rule(found) == found
        only = {"data": {"dueOption": None}}
        assert relations.rule({"dueOption": None}) == only
        key = {"sourceSystem": "S", "sourceSystemId": "1"}
        assert check({**key, "customerRule": only}) is None

    def test_a_null_of_another_spelling_says_nothing(self):
        found = relations.rule({"due_option": None, "DUE_OPTION": 30})
        assert found == {"data": {"dueOption": 30}}

    def test_due_option_is_not_rounded(self):
        with pytest.raises(Invalid) as caught:
            relations.rule({"due_option": Decimal("30.5")})
        assert str(caught.value) == ".dueOption: 30.5 is not a whole number"

    def test_a_wrong_member_is_named_escaped_and_shortened(self):
        with pytest.raises(Invalid) as caught:
            relations.rule({"\x1b" + "x" * 1000: float("nan")})
        assert caught.value.path == r".\x1b" + "x" * 36 + "..."
