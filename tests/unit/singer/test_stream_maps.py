"""The way of records through the user's stream maps, with the SDK's own mapper."""

from __future__ import annotations

import logging

import pytest
from singer_sdk.mapper import PluginMapper

from target_upwell.delivery.batch import Source
from target_upwell.exceptions import Invalid, RunError
from target_upwell.singer.stream_maps import stream_mappings

KEEP = {"sourceSystemId": "number", "name": "company"}


def mappings(
    stream_maps, *, stream="erp", columns=("number", "company", "email"), **settings
):
    message = {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"properties": {name: {"type": "string"} for name in columns}},
        "key_properties": ["number"],
    }
    config = {"stream_maps": stream_maps, "stream_map_config": {"prefix": "EU-"}}
    config |= settings
    mapper = PluginMapper(config, logging.getLogger("test"))
    return stream_mappings(mapper, Source(stream, message))


def mapping(definition, **given):
    (only,) = mappings({"erp": {"__alias__": "customers", **definition}}, **given)
    return only


RECORD = {"number": "1", "company": "Acme", "email": "s3cret@acme.example"}


def test_a_record_is_mapped_and_stays_as_it_was():
    sent = dict(RECORD)
    one = mapping({**KEEP, "__else__": None, "__key_properties__": ["sourceSystemId"]})
    assert one.map(sent) == {"sourceSystemId": "1", "name": "Acme"}
    assert sent == RECORD
    assert one.stream == "customers"
    assert one.key_properties == ("sourceSystemId",)
    assert list(one.schema["properties"]) == ["sourceSystemId", "name"]


def test_a_record_that_the_filter_leaves_out_is_none():
    assert mapping({**KEEP, "__filter__": "company != 'Acme'"}).map(RECORD) is None


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        (
            {"emailAddress": "email.lower() + 1"},
            "TypeError: can only concatenate str",
        ),
        (
            {"emailAddress": "email.lower() + 1"},
            "in emailAddress: email.lower() + 1",
        ),
        ({"metadata": "int(email)"}, "ValueError in metadata: int(email)"),
        ({"metadata": "record['phone']"}, "KeyError in metadata: record['phone']"),
        (
            {"name": "email.first.last"},
            "there; is it null, or the name wrong? in name: email.first.last",
        ),
        ({"__filter__": "int(email) > 1"}, "ValueError in __filter__: int(email) > 1"),
        # The same expression twice: the first one failed.
        ({"name": "int(email)", "metadata": "int(email)"}, "ValueError in name: "),
    ],
)
def test_a_failure_names_the_property_and_the_expression_and_no_value(
    definition, words
):
    with pytest.raises(Invalid) as failure:
        mapping({**KEEP, **definition}).map(RECORD)
    assert words in str(failure.value)
    assert "s3cret" not in str(failure.value)


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"emailAddress": "email"}, "the record has no 'email'; where it may be "),
        ({"emailAddress": "email"}, "record.get('email') in emailAddress: email"),
        ({"email": "self.lower()"}, "write record.get('email') in email: self.lower()"),
    ],
)
def test_a_column_that_a_record_lacks_is_named_with_what_to_write(definition, words):
    with pytest.raises(Invalid) as failure:
        mapping({**KEEP, **definition}).map({"number": "1", "company": "Acme"})
    assert words in str(failure.value)


def test_flattening_leaves_objects_and_lists_as_the_map_made_them():
    definition = {
        **KEEP,
        "metadata": "{'tags': tags, 'site': {'city': site['city']}}",
        "addresses": "[{'city': site['city']}]",
    }
    one = mapping(
        definition,
        columns=("number", "company", "site", "tags"),
        flattening_enabled=True,
        flattening_max_depth=1,
    )
    record = {"number": "1", "company": "Acme", "site": {"city": "Bonn"}, "tags": ["a"]}
    mapped = one.map(record)
    assert mapped["metadata"] == {"tags": ["a"], "site": {"city": "Bonn"}}
    assert mapped["addresses"] == [{"city": "Bonn"}]
    assert mapped["tags"] == '["a"]'


@pytest.mark.parametrize(
    "odd",
    [
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        {"anyOf": [{"type": ["string", "null"]}]},
        {"oneOf": [{"$ref": "#/definitions/kind"}]},
        {"$ref": "#/definitions/kind"},
        {"enum": ["a", "b"]},
        {"description": "of any kind"},
        {},
    ],
)
def test_flattening_keeps_columns_whatever_stands_for_their_type(odd):
    message = {
        "type": "SCHEMA",
        "stream": "erp",
        "schema": {
            "properties": {
                "number": odd,
                "kind": odd,
                "site": {"type": ["null", "object"], "properties": {"kind": odd}},
            }
        },
        "key_properties": ["number"],
    }
    config = {"flattening_enabled": True, "flattening_max_depth": 1}
    mapper = PluginMapper(config, logging.getLogger("test"))
    (one,) = stream_mappings(mapper, Source("erp", message))
    assert set(one.schema["properties"]) == {"number", "kind", "site__kind"}
    record = {"number": 1, "kind": "a", "site": {"kind": "b"}}
    assert one.map(record) == {"number": 1, "kind": "a", "site__kind": "b"}
    assert message["schema"]["properties"]["kind"] == odd


def test_a_filter_leaves_records_out_under_flattening_too():
    flattening = {"flattening_enabled": True, "flattening_max_depth": 1}
    one = mapping({**KEEP, "__filter__": "company != 'Acme'"}, **flattening)
    assert one.map(RECORD) is None


@pytest.mark.parametrize("source", [False, True])
def test_a_stream_that_is_named_like_a_pattern_has_its_map(source):
    stream = "Sheet [1]"
    definition = {**KEEP, "name": "company.lower() + x"}
    maps = {stream: definition}
    if source:
        maps = {stream: None, "customers": {"__source__": stream, **definition}}
    *_, one = mappings(maps, stream=stream)
    assert set(one.written) == set(KEEP)
    with pytest.raises(RunError, match="no column 'x'"):
        one.check()


def test_a_failure_is_one_records():
    one = mapping({**KEEP, "emailAddress": "email.lower()"})
    with pytest.raises(Invalid):
        one.map({**RECORD, "email": None})
    assert one.map(RECORD)["emailAddress"] == RECORD["email"]


def test_a_record_is_named_by_its_key_in_the_source():
    assert mapping(KEEP).name(RECORD) == "erp number=1"
    assert len(mapping(KEEP).name({"number": "9" * 10_000})) < 100


def test_each_map_of_a_stream_says_what_was_written_in_it():
    first, second, third = mappings(
        {
            "other": {"name": "x"},
            "er*": {"name": "int(company)"},
            "copy": {"__source__": "erp", "name": "float(company)"},
            "third": {"__source__": "e?p", "name": "company.x"},
        }
    )
    assert (first.stream, second.stream, third.stream) == ("erp", "copy", "third")
    for one, expression in (
        (first, "int(company)"),
        (second, "float(company)"),
        (third, "company.x"),
    ):
        with pytest.raises(Invalid, match="in name: ") as failure:
            one.map(RECORD)
        assert str(failure.value).endswith(expression)


def test_a_stream_that_is_not_mapped_passes_as_it_is():
    (one,) = mappings({})
    assert one.map(RECORD) == RECORD
    assert not one.removes


def test_a_stream_that_is_removed_says_so():
    (one,) = mappings({"erp": None})
    assert one.removes


def test_a_schema_that_comes_again_replaces_the_map():
    mapper = PluginMapper({"stream_maps": {}}, logging.getLogger("test"))
    for columns in ({"a": {}}, {"b": {}}):
        schema = {"properties": columns}
        source = Source("erp", {"stream": "erp", "schema": schema})
        (one,) = stream_mappings(mapper, source)
        assert one.schema["properties"] == columns


def test_a_map_that_can_not_work_ends_the_run():
    with pytest.raises(RunError, match=r"stream 'erp'.*`__key_properties__`"):
        mapping({"__else__": None, "name": "company"})
