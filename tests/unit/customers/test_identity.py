"""How a record is named that may be invalid, and what is known of its source key."""

from __future__ import annotations

import pytest
from test_mapping import RECORD, mapping


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
        assert mapping([], (), open_schema=True).identity({}) == "(no key)"


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
