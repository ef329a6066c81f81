from __future__ import annotations

import re
from decimal import Decimal

import pytest

from target_upwell.customers.mapping import MAX_NAMES, MAX_SHAPES, CustomerMapping
from target_upwell.customers.schema import BILL_TO, PROPERTIES, RELATIONS
from target_upwell.exceptions import Invalid, MappingError

RECORD = {"id": 7, "name": "Acme"}
KEY = {"sourceSystem": "TMS", "sourceSystemId": "7"}


def mapping(properties=RECORD, keys=("id",), unmapped="ignore", **options):
    return CustomerMapping(
        stream="customers",
        properties=properties,
        key_properties=keys,
        source_system=" TMS ",
        unmapped=unmapped,
        **options,
    )


def mapped(record, keys=("id",), **options):
    return mapping(record, keys, needs_name=False, **options)(record)


def reason(record, keys=("id",), **options):
    with pytest.raises(Invalid) as caught:
        mapped(record, keys, **options)
    return str(caught.value)


class TestNames:
    @pytest.mark.parametrize("spell", [str, str.upper, str.title, "_".join])
    def test_match_for_every_property_without_case_and_punctuation(self, spell):
        spelled = [spell(target) for target in (*PROPERTIES, BILL_TO)]
        assert not mapping(spelled).unmapped_properties
        assert mapped({"id": 7, spell("name"): "a"}) == {**KEY, "name": "a"}

    def test_the_exact_spelling_wins(self):
        record = {"id": 7, "NAME": "loud", "name": "exact", "Name": "proper"}
        assert mapped(record)["name"] == "exact"
        assert mapping(record).unmapped_properties == {"NAME", "Name"}
        assert mapped(record, unmapped="metadata")["metadata"] == {
            "NAME": "loud",
            "Name": "proper",
        }

    def test_two_other_spellings_stop_the_run_naming_both(self):
        with pytest.raises(MappingError) as caught:
            mapping(["id", "NAME", "Name"])
        assert str(caught.value) == (
            "stream 'customers': name: 'NAME', 'Name' all match it; keep one in the "
            "stream map, or spell one exactly"
        )

    def test_two_spellings_that_only_a_record_has_cost_that_record(self):
        map_record = mapping(["id", "Name"])
        with pytest.raises(Invalid, match="name: 'NAME', 'Name' all match it"):
            map_record({"id": 7, "Name": "a", "NAME": "b"})
        assert map_record({"id": 7, "NAME": "b"}) == {**KEY, "name": "b"}
        assert map_record({"id": 7, "Name": "a"}) == {**KEY, "name": "a"}

    def test_the_exact_spelling_wins_in_a_record_too(self):
        record = {"id": 7, "Name": "a", "name": "b"}
        map_record = mapping(["id", "Name"])
        assert map_record(record) == {**KEY, "name": "b"}
        assert map_record({"id": 7, "Name": "a"}) == {**KEY, "name": "a"}
        with pytest.raises(Invalid, match="'Name': no such customer property"):
            mapping(["id", "Name"], unmapped="reject")(record)

    def test_that_records_make_up_are_not_remembered_for_ever(self):
        map_record = mapping()
        for number in range(3 * MAX_NAMES):
            name = ("name", "Name", "NAME")[number % 3]
            found = map_record({"id": 7, f"x{number}": 1, name: "Acme"})
            assert found == {**KEY, "name": "Acme"}
        assert map_record._shape_of.cache_info().currsize <= MAX_SHAPES
        assert len(map_record.unmapped_properties) == MAX_NAMES


class TestAStreamThatCannotBeMapped:
    def test_for_want_of_a_name(self):
        with pytest.raises(MappingError, match=r"no property 'name'.*`name: company"):
            mapping(["id"])

    def test_is_fine_without_a_name_where_none_is_needed(self):
        assert mapping(["id"], needs_name=False)({"id": 7}) == KEY

    def test_for_want_of_a_source_key(self):
        with pytest.raises(MappingError) as caught:
            mapping(["name"], keys=())
        assert "no source key" in str(caught.value)
        assert '`__key_properties__: ["id"]`' in str(caught.value)

    def test_because_the_map_removed_the_key(self):
        with pytest.raises(MappingError, match=r"its key 'id' is not .*__key_prop"):
            mapping(["name"])

    def test_is_told_only_from_a_schema_that_lists_its_properties(self):
        map_record = mapping([], keys=())
        assert map_record({"source_system_id": 7}) == KEY
        with pytest.raises(Invalid, match="sourceSystemId: missing"):
            map_record({"name": "Acme"})


class TestSourceKey:
    def test_comes_from_the_record_first(self):
        record = {"id": 7, "source_system": "ERP", "source_system_id": " A-1 "}
        expected = {"sourceSystem": "ERP", "sourceSystemId": "A-1"}
        assert mapped(record) == expected

    @pytest.mark.parametrize("blank", [None, "", "  "])
    def test_takes_the_system_from_the_setting_where_the_record_has_none(self, blank):
        assert mapped({"id": 7, "source_system": blank}) == KEY

    @pytest.mark.parametrize("blank", [None, "", "  "])
    @pytest.mark.parametrize("declared", [True, False])
    def test_is_never_made_up_where_the_record_has_a_blank_one(self, blank, declared):
        record = {"id": 7, "source_system_id": blank}
        map_record = mapping(record if declared else [], needs_name=False)
        with pytest.raises(Invalid) as caught:
            map_record(record)
        assert str(caught.value) == (
            "sourceSystemId: null or blank; where a stream has this property the key "
            "properties don't stand in for it"
        )

    def test_is_never_made_up_where_other_records_of_the_stream_have_one(self):
        map_record = mapping(["id", "name", "SOURCE_SYSTEM_ID"])
        with pytest.raises(Invalid, match="sourceSystemId: missing; where a stream"):
            map_record({"id": 7, "name": "Acme"})

    def test_comes_from_the_key_properties_whatever_records_came_before(self):
        map_record = mapping([])
        assert map_record({"id": 7, "sourceSystemId": "A-1"})["sourceSystemId"] == "A-1"
        assert map_record({"id": 7}) == KEY

    def test_numbers_become_text_without_exponent_or_trailing_zero(self):
        for name, keys in (("id", ("id",)), ("sourceSystemId", ())):
            assert mapped({name: Decimal("1E+3")}, keys)["sourceSystemId"] == "1000"

    def test_several_key_properties_are_joined(self):
        record = {"company": "US", "number": 7}
        found = mapped(record, ("number", "company"))
        assert found["sourceSystemId"] == "7:US"

    def test_no_two_composite_keys_join_alike(self):
        keys = [("x:y", "z"), ("x", "y:z"), ("x%3Ay", "z"), ("x%253Ay", "z")]
        map_record = mapping(["a", "b", "name"], ("a", "b"))
        records = [{"a": a, "b": b} for a, b in keys]
        joined = [map_record(record)["sourceSystemId"] for record in records]
        assert joined == ["x%3Ay:z", "x:y%3Az", "x%253Ay:z", "x%25253Ay:z"]
        assert [map_record.identity(record) for record in records] == joined

    def test_a_single_key_stays_as_it_is(self):
        assert mapped({"id": "50%:a"})["sourceSystemId"] == "50%:a"

    @pytest.mark.parametrize(
        ("record", "expected"),
        [
            ({"id": None}, "sourceSystemId: key property 'id' is null or blank"),
            ({"id": " "}, "sourceSystemId: key property 'id' is null or blank"),
            ({"id": True}, "sourceSystemId: key property 'id': a boolean is neither"),
        ],
    )
    def test_is_refused_where_a_part_is_none(self, record, expected):
        assert reason(record).startswith(expected)

    def test_is_refused_where_a_part_is_missing(self):
        with pytest.raises(Invalid, match="key property 'id' is missing"):
            mapping()({"name": "Acme"})

    def test_can_be_a_customer_property_as_well(self):
        found = mapped({"name": "Acme"}, ("name",))
        assert found == {
            "sourceSystem": "TMS",
            "sourceSystemId": "Acme",
            "name": "Acme",
        }


class TestParent:
    def test_is_carried_as_text(self):
        assert mapped({"id": 7, "bill_to_source_system_id": 9.0})[BILL_TO] == "9"

    def test_upwells_own_id_wins(self):
        record = {"id": 7, "billToCustomerId": "cus_1", "billToSourceSystemId": "9"}
        assert mapped(record) == {**KEY, "billToCustomerId": "cus_1"}

    def test_a_null_id_of_upwells_gives_way(self):
        record = {"id": 7, "billToCustomerId": None, "billToSourceSystemId": "9"}
        assert mapped(record) == {**KEY, BILL_TO: "9"}

    def test_nulls_of_both_are_kept(self):
        record = {"id": 7, "billToCustomerId": None, "billToSourceSystemId": " "}
        assert mapped(record) == {**KEY, "billToCustomerId": None, BILL_TO: None}


class TestNulls:
    def test_of_columns_are_kept(self):
        nulls = dict.fromkeys(PROPERTIES.keys() - RELATIONS - KEY.keys())
        assert mapped({"id": 7, **nulls}) == {**KEY, **nulls}

    @pytest.mark.parametrize("value", [None, "", {}])
    def test_of_relations_are_left_out(self, value):
        assert mapped({"id": 7, **dict.fromkeys(RELATIONS, value)}) == KEY


OTHERS = {"tier": "gold", "limit": Decimal("1.10")}
WITH_OTHERS = {**RECORD, **OTHERS}


class TestUnmappedProperties:
    def test_are_dropped_and_named_once(self):
        map_record = mapping(WITH_OTHERS)
        assert map_record.unmapped_properties == {"tier", "limit"}
        assert map_record(WITH_OTHERS) == {**KEY, "name": "Acme"}
        assert map_record({**WITH_OTHERS, "extra": 1}) == {**KEY, "name": "Acme"}
        assert map_record.unmapped_properties == {"tier", "limit", "extra"}

    def test_can_go_under_metadata(self):
        found = mapped(WITH_OTHERS, unmapped="metadata")
        assert found == {**KEY, "name": "Acme", "metadata": OTHERS}

    def test_give_way_to_the_records_own_metadata(self):
        record = {**WITH_OTHERS, "Metadata": {"tier": "silver", "a": None}}
        found = mapped(record, unmapped="metadata")
        assert found["metadata"] == {**OTHERS, "tier": "silver", "a": None}

    def test_cannot_go_under_metadata_that_is_no_object(self):
        record = {**WITH_OTHERS, "metadata": [1]}
        expected = "metadata: a list is not an object, so that the unmapped properties"
        assert reason(record, unmapped="metadata").startswith(expected)

    def test_leave_null_metadata_alone_where_there_are_none(self):
        record = {"id": 7, "metadata": None}
        assert mapped(record, unmapped="metadata") == {**KEY, "metadata": None}

    def test_must_be_json_to_go_under_metadata(self):
        found = reason({"id": 7, "tier": float("nan")}, unmapped="metadata")
        assert found == "metadata.tier: not a finite number that can be stored"

    def test_can_cost_the_record(self):
        record = {"id": 7, **dict.fromkeys("abcdefg")}
        assert reason(record, unmapped="reject") == (
            "'a', 'b', 'c', 'd', 'e' and 2 more: no such customer property"
        )

    def test_do_not_include_the_key_that_names_the_customer(self):
        assert mapped(RECORD, unmapped="reject") == {**KEY, "name": "Acme"}
        assert mapped(RECORD, unmapped="metadata") == {**KEY, "name": "Acme"}
        for map_record in (mapping(), mapping([])):
            map_record(RECORD)
            assert map_record.unmapped_properties == set()

    @pytest.mark.parametrize("unmapped", ["reject", "metadata", "ignore"])
    def test_do_not_include_a_key_that_names_nothing(self, unmapped):
        record = {"id": 7, "sourceSystemId": "A-1"}
        assert mapped(record, unmapped=unmapped) == {**KEY, "sourceSystemId": "A-1"}
        assert mapping(record, needs_name=False).unmapped_properties == set()

    @pytest.mark.parametrize("unmapped", ["reject", "metadata", "ignore"])
    def test_do_not_include_what_taps_and_the_sdk_add(self, unmapped):
        added = ("_sdc_extracted_at", "_sdc_deleted_at", "_sdc_lsn", "__sdc_row")
        record = {**RECORD, **dict.fromkeys(added, "2026-01-01T00:00:00Z")}
        assert mapped(record, unmapped=unmapped) == {**KEY, "name": "Acme"}
        assert mapping(record).unmapped_properties == set()


class TestAReason:
    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            (
                {"addresses": [{"city": "x", "country": "Freedonia"}]},
                "addresses[0].country: 'Freedonia' is not a country",
            ),
            (
                {"EMAIL_ADDRESS": "nobody"},
                "emailAddress: not an e-mail address: one @ between two parts without",
            ),
            (
                {"ccEmailAddresses": "a@b;nobody"},
                "ccEmailAddresses[1]: not an e-mail address: one @ between",
            ),
            (
                {"customer_rule": {"due_option": "Net 30"}},
                "customerRule.dueOption: 'Net 30' is not a whole number",
            ),
            (
                {"customer_rule": {"due_option": 10**12}},
                "customerRule.dueOption: 1000000000000 is greater than the maximum",
            ),
            (
                {"deletedAt": "yesterday"},
                "deletedAt: 'yesterday' is not an ISO 8601 date and time",
            ),
            (
                {"name": "a\x00b"},
                "name: text with the character U+0000 can't be kept",
            ),
            ({"name": True}, "name: a boolean is neither text nor a number"),
            ({"contacts": [{}, 1]}, "contacts[1]: a number is not an object"),
            ({"metadata": [float("nan")]}, "metadata: not a finite number that can be"),
            (
                {"metadata": {"terms": {"limit": float("nan")}}},
                "metadata.terms: not a finite number that can be",
            ),
        ],
    )
    def test_names_the_property_what_was_found_and_what_was_due(self, change, expected):
        assert reason({"id": 7, **change}).startswith(expected)

    def test_is_given_for_integers_too_long_to_write(self):
        for target in (*PROPERTIES, BILL_TO):
            found = reason({"id": 7, target: 10**5000})
            assert re.match(rf"{target}: (a number|a huge number|not a finite)", found)

    @pytest.mark.parametrize("record", [None, 1, "x", [], [RECORD]])
    def test_is_given_for_what_is_no_record(self, record):
        with pytest.raises(Invalid, match="is not a record"):
            mapping()(record)

    def test_is_given_for_a_name_that_is_no_text(self):
        with pytest.raises(Invalid, match="a number is no name of a property"):
            mapping()({"id": 7, 1: 2})
