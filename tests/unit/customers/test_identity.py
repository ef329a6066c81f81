"""How a record is named that may be invalid, and what is known of its source key."""

from __future__ import annotations

import pytest
from test_mapping import RECORD, mapping

from target_upwell.customers.mapping import MAX_NAMES, RECENT_IDS


class TestIdentity:
    @pytest.mark.parametrize(
        ("record", "named"),
        [
            ({"id": 7}, "7"),
            ({"id": 7, "source_system_id": " A-1 "}, "A-1"),
            ({"id": 7, "SOURCESYSTEMID": "loud", "sourceSystemId": "exact"}, "exact"),
            ({"id": 7, "sourceSystemId": None}, "null"),
            ({"id": None}, "null"),
            ({}, "null"),
            ({"id": {"secret": 1}}, "an object"),
            ({"id": 10**5000}, "a number"),
            ({"id": "a\x00b"}, "text"),
            ({"id": "x" * 100}, "x" * 37 + "..."),
            ({"id": "\x1b[31m\n"}, r"\x1b[31m"),
        ],
    )
    def test_is_what_the_record_has_of_an_id(self, record, named):
        assert mapping().identity(record) == named

    def test_joins_the_key_properties(self):
        map_record = mapping(RECORD, ("id", "name"))
        assert map_record.identity({"id": 7, "name": "Acme"}) == "7:Acme"
        assert map_record.identity({"name": "Acme"}) == "null:Acme"

    def test_says_that_there_is_none(self):
        assert mapping([], ()).identity({}) == "(no key)"


class TestTheSourceKeyOfAnInvalidRecord:
    @pytest.mark.parametrize(
        ("record", "key"),
        [
            ({"id": 7, "emailAddress": "nobody"}, ("TMS", "7")),
            ({"id": 7, "SOURCE_SYSTEM": "ERP", "source_system_id": 8.0}, ("ERP", "8")),
            ({"id": 7, "sourceSystem": None}, ("TMS", "7")),
            ({"id": 7, "sourceSystemId": " "}, None),
            ({"id": 7, "sourceSystem": []}, None),
            ({"id": []}, None),
            ({}, None),
        ],
    )
    def test_is_that_of_the_valid_one_as_far_as_it_is_known(self, record, key):
        assert mapping().source_key(record) == key


class TestIdsThatBecomeOneSourceKey:
    @pytest.mark.parametrize(
        ("first", "second", "quoted"),
        [
            ("10042", "10042 ", ("'10042'", "'10042 '")),
            (10042, "10042", ("10042", "'10042'")),
        ],
    )
    def test_are_named_as_they_came(self, first, second, quoted):
        map_record = mapping()
        for given in (first, second, first):
            map_record({"id": given, "name": "Acme"})
        assert map_record.merged_ids == {("TMS", "10042"): quoted}

    def test_may_be_mapped_or_composite(self):
        map_record = mapping(["source_system_id"], (), needs_name=False)
        map_record({"source_system_id": "7"})
        map_record({"source_system_id": "7\t"})
        assert map_record.merged_ids == {("TMS", "7"): ("'7'", r"'7\t'")}
        map_record = mapping(["a", "b"], ("a", "b"), needs_name=False)
        map_record({"a": "x", "b": 1})
        map_record({"a": "x", "b": " 1"})
        assert map_record.merged_ids == {("TMS", "x:1"): ("'x':1", "'x':' 1'")}

    def test_are_not_those_of_one_customer_that_comes_again(self):
        map_record = mapping()
        for version in range(3):
            map_record({"id": " 1", "name": f"Acme {version}", "sourceSystem": None})
            map_record({"id": "1", "name": "Acme", "sourceSystem": "OTHER"})
        assert map_record.merged_ids == {}

    def test_are_looked_for_at_constant_memory(self):
        map_record = mapping()
        for number in range(3 * RECENT_IDS):
            map_record({"id": number})
            map_record({"id": f"{number} "})
        assert len(map_record._recent_ids) <= RECENT_IDS + 1
        assert len(map_record.merged_ids) == MAX_NAMES
