"""`validate_records`: records against the tap's schema, whatever that holds."""

from __future__ import annotations

import socket
from decimal import Decimal

import pytest

from target_upwell.exceptions import Invalid, MappingError
from target_upwell.tap_schema import TapSchema


def schema(**limit):
    return TapSchema({"type": "object", "properties": {"limit": limit}})


@pytest.mark.parametrize(
    ("due", "value", "fits"),
    [
        # What tap-postgres writes for a numeric column.
        (1e-38, Decimal("12345678901234567890.123"), True),
        (Decimal("1e-38"), Decimal("0.1"), True),
        (1e-38, 10**30, True),
        (1e-38, 1e300, True),
        (1e-38, Decimal("1e9999"), True),
        (0.01, 0.07, True),
        (0.01, Decimal("-1.10"), True),
        (0.01, Decimal("0.001"), False),
        (2, 3, False),
        (2, -4, True),
        (2, float("nan"), True),
        (2, True, True),
        (2, "3", True),
    ],
    ids=str,
)
def test_a_multiple_is_told_exactly(due, value, fits):
    tap_schema = schema(multipleOf=due)
    if fits:
        tap_schema.check({"limit": value})
    else:
        with pytest.raises(Invalid, match=r"^limit: .*multipleOf is"):
            tap_schema.check({"limit": value})


@pytest.mark.parametrize(
    "broken",
    [{"type": "nonsense"}, {"multipleOf": 0}, {"multipleOf": Decimal("NaN")}],
    ids=str,
)
def test_a_schema_that_is_none_is_refused_at_once(broken):
    with pytest.raises(MappingError, match="not a valid JSON schema: "):
        schema(**broken)


def test_limits_may_be_written_as_older_taps_do():
    tap_schema = schema(maximum=100, exclusiveMaximum=True, multipleOf=0.01)
    tap_schema.check({"limit": Decimal("99.99")})
    for value in (100, Decimal("0.001")):
        with pytest.raises(Invalid, match=r"^limit: does not fit"):
            tap_schema.check({"limit": value})


@pytest.mark.parametrize(
    "reference", ["#/definitions/none", "other.json", "http://127.0.0.1:{port}/x"]
)
def test_a_reference_that_leads_nowhere_is_named_and_nothing_is_fetched(reference):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        reference = reference.format(port=server.getsockname()[1])
        with pytest.raises(MappingError, match=r"schema: .*(none|other|127.0.0.1)"):
            schema(**{"$ref": reference})
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_record_that_does_not_fit_is_told_by_its_path_without_its_value():
    with pytest.raises(Invalid) as invalid:
        schema(type="integer").check({"limit": "Zebediah Quimby"})
    assert str(invalid.value) == (
        "limit: does not fit the tap's schema: type is integer"
    )


def test_a_schema_that_refers_to_itself_ends():
    schema(**{"$ref": "#/properties/limit"}).check({"limit": 1})


def test_a_limit_of_a_schema_within_that_has_an_id_is_named():
    inner = {"$id": "inner.json", "type": "integer"}
    whole = {
        "$id": "https://tap.example/schema",
        "definitions": {"inner": inner},
        "properties": {"limit": {"$ref": "inner.json"}},
    }
    with pytest.raises(Invalid, match=r"^limit: .*schema: type is not met$"):
        TapSchema(whole).check({"limit": "Zebediah Quimby"})


def test_a_pattern_that_takes_for_ever_is_not_fitted():
    hopeless = schema(pattern=r"^(a+)+\1$(?=b)")
    with pytest.raises(Invalid, match=r"^limit: .*schema: pattern is "):
        hopeless.check({"limit": "a" * 50 + "b"})


@pytest.mark.parametrize("text", ["\ud800", "Zebediah \udfff"])
def test_text_that_is_not_unicode_is_the_fault_of_its_record(text):
    with pytest.raises(Invalid, match="holds what no schema can check") as invalid:
        schema(pattern="^x").check({"limit": text})
    assert "Zebediah" not in str(invalid.value)
