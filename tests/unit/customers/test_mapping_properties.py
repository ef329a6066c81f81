"""What holds for every record, found by looking for one where it doesn't."""

from __future__ import annotations

import contextlib
import json
import re
from datetime import timedelta, timezone
from decimal import Decimal

import jsonschema
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from share import share

from target_upwell.customers import values
from target_upwell.customers.mapping import CustomerMapping
from target_upwell.customers.schema import (
    ADDRESS_MEMBERS,
    BILL_TO,
    PROPERTIES,
    SCHEMA,
    Kind,
    check,
)
from target_upwell.exceptions import Invalid

# `print_blob` makes a failure in CI reproducible here.
thorough = settings(
    max_examples=share(full=200, part=50), deadline=None, print_blob=True
)
ENCODE = msgspec.json.Encoder(decimal_format="number").encode
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
MODES = st.sampled_from(["ignore", "metadata", "reject"])

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
zones = st.integers(-15 * 60, 15 * 60).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.datetimes(timezones=st.none() | zones)
finite = st.decimals(allow_nan=False, allow_infinity=False, places=2) | st.floats(
    -1e15, 1e15
).map(lambda number: round(number, 3))
plain = st.none() | st.booleans() | st.integers() | finite | texts
json_values = st.recursive(
    plain, lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=3)
)
emails = st.from_regex(r"[a-z]{1,5}@[a-z]{1,5}", fullmatch=True)
scalars = st.none() | texts | st.integers() | finite
ids = st.integers() | finite | texts.filter(str.strip)


def spelled(names):
    """Names of properties, as taps spell them."""
    snake = [re.sub("(?<=[a-z])(?=[A-Z0-9])", "_", name).lower() for name in names]
    return st.sampled_from([*names, *snake, *(name.upper() for name in snake)])


def wrapped_too(relations):
    either = relations | st.builds(lambda relation: {"data": relation}, relations)
    return either | either.map(lambda relation: ENCODE(relation).decode())


countries = st.sampled_from(["US", "usa", "Canada", "México", "U.K.", None, " "])
members = dict.fromkeys(ADDRESS_MEMBERS, scalars) | {"country": countries}
addresses = st.fixed_dictionaries({}, optional=members) | st.none()
objects = st.dictionaries(texts, json_values, max_size=3)
rules = st.fixed_dictionaries(
    {}, optional={"due_option": st.none() | st.integers(-5, 90), "other": json_values}
)
likely = {
    Kind.TEXT: scalars,
    Kind.EMAIL: st.none() | emails,
    Kind.EMAILS: st.none() | st.lists(emails) | st.lists(emails).map(";".join),
    Kind.TIMESTAMP: moments
    | moments.map(str)
    | moments.map(lambda moment: moment.isoformat())
    | st.dates()
    | st.integers(100_000_000, 253402300799)
    | st.none(),
    Kind.JSON: json_values,
    Kind.ADDRESSES: wrapped_too(addresses | st.lists(addresses, max_size=3)),
    Kind.OBJECTS: wrapped_too(objects | st.lists(objects | st.none(), max_size=3)),
    Kind.RULE: wrapped_too(rules),
    Kind.SETTINGS: wrapped_too(objects),
}
likely_records = st.fixed_dictionaries(
    {"id": st.integers()},
    optional={name: likely[kind] for name, kind in PROPERTIES.items()}
    | {"sourceSystemId": ids, BILL_TO: scalars, "other": json_values},
)

awkward = (
    plain
    | st.text()
    | st.decimals()
    | st.floats()
    | moments
    | st.times()
    | st.binary(max_size=3)
    | st.sampled_from([Decimal("1E+1000000"), "[" * 5000, "\ud800", "\x00"])
)
anything = st.recursive(
    awkward,
    lambda v: (
        st.lists(v, max_size=3)
        | st.dictionaries(
            st.text() | st.sampled_from(["data", "country"]), v, max_size=3
        )
        | st.dictionaries(spelled(ADDRESS_MEMBERS), v, max_size=3)
        | st.builds(lambda value: {"data": value}, v)
    ),
)
any_records = st.dictionaries(
    spelled([*PROPERTIES, BILL_TO]) | st.text() | st.just("id"), anything
)


def mapping_of(record, unmapped="ignore", keys=("id",)):
    return CustomerMapping(
        stream="customers",
        properties=[*keys, *record] if record else [],
        key_properties=keys,
        source_system="TMS",
        unmapped=unmapped,
        needs_name=False,
    )


def undeclared(unmapped):
    return mapping_of([], unmapped)


@thorough
@given(any_records, MODES)
def test_a_record_is_mapped_or_invalid_and_nothing_else(record, unmapped):
    try:
        found = undeclared(unmapped)(record)
    except Invalid as exc:
        reason = str(exc)
        assert len(reason) < 500
        assert reason.isprintable()
        return
    assert set(found) <= {*PROPERTIES, BILL_TO}
    assert found["sourceSystem"]
    assert found["sourceSystemId"]
    VALIDATOR.validate(found)
    written = ENCODE(found)
    assert b"\\u0000" not in written
    json.loads(written, parse_constant=pytest.fail)  # NaN and the infinities


@thorough
@given(anything)
def test_what_is_no_record_is_invalid_too(record):
    try:
        undeclared("ignore")(record)
    except Invalid:
        return
    assert isinstance(record, dict)


@thorough
@given(likely_records, st.sampled_from(["ignore", "metadata"]))
def test_mapping_twice_is_mapping_once(record, unmapped):
    try:
        once = undeclared(unmapped)(record)
    except Invalid:
        return
    assert mapping_of(once, "reject", keys=())(once) == once
    # What the encoder writes is read back as the same, decimals and all.
    read = json.loads(ENCODE(once), parse_float=Decimal)
    again = mapping_of(read, "reject", keys=())(read)
    assert ENCODE(again) == ENCODE(mapping_of(again, "reject", keys=())(again))


@thorough
@given(likely_records)
def test_what_taps_send_is_valid(record):
    # The tests above would hold too if every record were refused.
    found = undeclared("ignore")(record)
    assert found["sourceSystemId"] in {
        str(record["id"]),
        values.text(record.get("sourceSystemId")),
    }


@thorough
@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_numbers_in_metadata_are_written_as_they_came(number):
    found = undeclared("ignore")({"id": 1, "metadata": {"rate": [number]}})
    assert f"[{number}]".encode() in ENCODE(found)


@thorough
@given(st.integers(-(10**40), 10**40))
@example(12345678901234567890)
def test_integers_are_written_digit_by_digit(number):
    record = {"id": number, "name": Decimal(number), "metadata": number}
    written = ENCODE(undeclared("ignore")(record)).decode()
    assert written.count(f'"{number}"') == 2
    assert f'"metadata":{number},' in written


@thorough
@given(st.decimals(-(10**12), 10**12, allow_nan=False, places=3))
@example(Decimal("1.10"))
def test_numbers_become_text_of_the_same_value(number):
    text = undeclared("ignore")({"id": number})["sourceSystemId"]
    assert Decimal(text) == number
    assert re.fullmatch(r"-?[0-9]+(\.[0-9]*[1-9])?", text)


@thorough
@given(st.datetimes(timezones=zones), st.sampled_from([" ", "T"]))
def test_zones_are_kept(moment, separator):
    text = moment.isoformat(sep=separator)
    found = undeclared("ignore")({"id": 1, "deletedAt": text})["deletedAt"]
    assert found == moment.isoformat()


SECRET = "s3cr3t"
secrets = st.sampled_from(
    [
        SECRET,
        f" {SECRET}@\n",
        f"{SECRET}@a@b",
        f"\x00{SECRET}",
        f"{SECRET}\ud800",
        f'["{SECRET}',
        f'"{SECRET}"',
        f'{{"data": "{SECRET}"}}',
        f'[{{"city": ["{SECRET}"]}}]',
        f"a@b;{SECRET}",
        SECRET * 100,
    ]
)
unquoted_members = [name for name in ADDRESS_MEMBERS if name != "country"]
with_secrets = st.recursive(
    secrets | awkward,
    lambda v: (
        st.lists(v, max_size=3)
        | st.dictionaries(spelled(unquoted_members) | texts, v, max_size=3)
        | st.builds(lambda value: {"data": value}, v)
    ),
)


@settings(max_examples=share(full=1000, part=100), deadline=None, print_blob=True)
@given(
    st.dictionaries(
        spelled([n for n, kind in PROPERTIES.items() if kind is not Kind.TIMESTAMP])
        | st.sampled_from([BILL_TO, "id", "other"]),
        with_secrets,
        max_size=4,
    ),
    MODES,
)
@example({"id": [SECRET]}, "ignore")
@example({"id": 1, "metadata": SECRET, "other": SECRET}, "metadata")
@example({"id": 1, "emailAddress": SECRET}, "ignore")
def test_a_reason_never_quotes_what_may_be_personal(record, unmapped):
    # Names of properties, countries, timestamps and whole numbers may be quoted.
    with contextlib.suppress(Invalid):
        undeclared(unmapped)(record)
        return
    with pytest.raises(Invalid) as caught:
        undeclared(unmapped)(record)
    assert SECRET not in str(caught.value)


def near(schema):
    """Values that match a schema, or almost."""
    kind = schema.get("type", "null")
    if "properties" in schema:
        members = {name: near(member) for name, member in schema["properties"].items()}
        required = {name: members.pop(name) for name in schema.get("required", [])}
        good = st.fixed_dictionaries(required, optional=members)
    elif kind == "array" or "array" in kind:
        good = st.lists(near(schema["items"]), max_size=2)
    elif kind == "integer":
        good = st.integers(-(2**31), 2**31 - 1) | st.sampled_from([2**31, 2**70, 3.0])
    else:
        good = st.sampled_from(["a@b", "US", "2024-01-02T03:04:05+00:00", SECRET, ""])
    return st.one_of(*[good] * 8, st.none(), json_values)


@settings(max_examples=share(full=1000, part=100), deadline=None, print_blob=True)
@given(near(SCHEMA))
def test_the_check_finds_what_jsonschema_finds_and_quotes_nothing_personal(found):
    reason = check(found)
    assert (reason is None) == VALIDATOR.is_valid(found)
    assert SECRET not in (reason or "")
