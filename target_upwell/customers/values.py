"""Coercions of single values: text, e-mail addresses, whole numbers, JSON.

Pure functions that know nothing of customers or of property names. Each takes
whatever a record holds and gives what the API takes, or raises `Invalid` with the
reason. What is in the API's form already comes back unchanged.

Reasons are logged, so they say what kind of value was found and quote none: it may be
personal. Only what never is gets quoted: whole numbers, dates, countries, and names of
properties.
"""

from __future__ import annotations

import json
import re
from datetime import date, time
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any

from target_upwell.exceptions import Invalid

SHOWN_CHARACTERS = 40
MAX_NUMBER_DIGITS = 100
"""A number with more digits, once written without an exponent, is no id or code."""
MAX_NESTING = 100
"""Levels of lists and objects; well below where an encoder's recursion ends."""

_INT64_BITS = 63
_MAX_INTEGER_BITS = 14_000
"""Python refuses to write integers of more than 4300 digits."""
_MAX_EXPONENT = 16_383
"""The most digits that PostgreSQL's numeric, and so its jsonb, takes in a fraction."""

_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+")

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, "text"),
    (type(None), "null"),
    (bool, "a boolean"),
    ((int, float, Decimal), "a number"),
    ((date, time), "a date or time"),
    (dict, "an object"),
    ((list, tuple), "a list"),
)
"""In this order: to Python, true is a number."""


def shown(value: object) -> str:
    """Quote a value that is never personal: on one line, shortened, escaped."""
    if isinstance(value, str):
        return repr(_cut(value))  # quoted last: a value can be megabytes long
    if isinstance(value, int) and value.bit_length() > _MAX_INTEGER_BITS:
        return "a huge number"
    if isinstance(value, bool) or not isinstance(
        value, (int, float, Decimal, date, time)
    ):
        return kind_of(value)
    return _cut(str(value))


def kind_of(value: object) -> str:
    """Say what kind of value it is, where quoting it could tell of a person."""
    for types, kind in _KINDS:
        if isinstance(value, types):
            return kind
    if callable(value):
        return "a method without its ()"
    return f"a value of type {type(value).__name__}"


def shown_name(name: str) -> str:
    """Word a name for a path: escaped and shortened likewise, without quotes."""
    return shown(name)[1:-1]


def _cut(written: str) -> str:
    if len(written) <= SHOWN_CHARACTERS:
        return written
    return written[: SHOWN_CHARACTERS - 3] + "..."


def checked(value: str) -> str:
    """Return the text if PostgreSQL and UTF-8 can hold it."""
    if "\x00" in value:
        raise Invalid("text with the character U+0000 can't be kept")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Invalid("text with half of a surrogate pair is invalid") from None
    return value


def text(value: object) -> str | None:
    """Return text without surrounding white space; blank is null, numbers are text."""
    if isinstance(value, str):
        stripped = value.strip()
        if stripped.isascii() and "\x00" not in stripped:  # almost all text
            return stripped or None
        return checked(stripped)
    if value is None:
        return None
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return number_text(value)
    raise Invalid(f"{kind_of(value)} is neither text nor a number")


def number_text(value: float | Decimal) -> str:
    """Write a number without an exponent and without trailing zeros of a fraction."""
    if isinstance(value, int) and value.bit_length() <= _INT64_BITS:  # almost all
        return str(value)
    # repr() gives the shortest digits that are this float; Decimal(float) does not.
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or abs(number.adjusted()) > MAX_NUMBER_DIGITS:
        raise Invalid("not a finite number of usual size")
    written = format(number, "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def whole_number(value: object) -> int | None:
    """Return an integer from a number or text that stands for one."""
    if type(value) is int and value.bit_length() <= _INT64_BITS:
        return value
    written = text(value)
    if written is None:
        return None
    digits = written.removesuffix(".0")
    if not re.fullmatch(rf"[+-]?[0-9]{{1,{MAX_NUMBER_DIGITS}}}", digits):
        raise Invalid(f"{shown(value)} is not a whole number")
    return int(digits)


def email(value: object) -> str | None:
    """Return an e-mail address."""
    address = text(value)
    if address is None:
        return None
    if address.count("@") > 1:
        raise Invalid(
            "not an e-mail address but more than one @, as several have; take one in "
            "the stream map"
        )
    # What is copied from a mail program brings characters that nobody sees.
    if not _EMAIL.fullmatch(address) or not address.isprintable():
        raise Invalid(
            "not an e-mail address: one @ between two parts without white space, "
            "comma, semicolon, angle bracket or invisible character"
        )
    return address


def emails(value: object) -> list[str] | None:
    """Return e-mail addresses from a list, or from text with commas or semicolons.

    An empty list stays one: it says that there are none.
    """
    if isinstance(value, str):
        written = value.strip()
        if not written:
            return None
        # The SDK's flattening turns a list into JSON text.
        is_json = written.startswith("[")
        value = from_json(written) if is_json else written.replace(";", ",").split(",")
    if value is None:
        return None
    if not isinstance(value, (list, tuple)):
        raise Invalid(f"{kind_of(value)} is not a list of e-mail addresses")
    found: dict[str, None] = {}
    for index, member in enumerate(value):
        try:
            address = email(member)
        except Invalid as exc:
            raise exc.under(f"[{index}]") from None
        if address is not None:
            found[address] = None
    return list(found)


def from_json(written: str) -> Any:  # noqa: ANN401 - any JSON value
    """Read JSON text, its fractions as decimals."""
    try:
        return json.loads(written, parse_float=Decimal)
    except (ValueError, RecursionError, InvalidOperation):
        raise Invalid("text that is not JSON") from None


def json_value(value: Any, room: int = MAX_NESTING) -> Any:  # noqa: ANN401 - likewise
    """Return a value that JSON, UTF-8 and PostgreSQL's jsonb can hold.

    Dates and times become ISO text. Decimals stay, for the encoder to write as
    numbers.
    """
    if isinstance(value, str):
        return checked(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float, Decimal)):
        return _storable(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if not room:
        raise Invalid(f"lists and objects are nested deeper than {MAX_NESTING} levels")
    if isinstance(value, dict):
        return _json_object(value, room)
    if isinstance(value, (list, tuple)):
        return [json_value(member, room - 1) for member in value]
    raise Invalid(f"{kind_of(value)} can't be written as JSON")


def _json_object(found: dict[Any, Any], room: int) -> dict[str, Any]:
    members = {}
    for name, member in found.items():
        if not isinstance(name, str):
            raise Invalid(f"{kind_of(name)} can't be the name of an object's member")
        try:
            members[checked(name)] = json_value(member, room - 1)
        except Invalid as exc:
            # The outermost name finds it; a hundred of them would hide it.
            if room < MAX_NESTING:
                raise
            raise exc.under(f".{shown_name(name)}") from None
    return members


def _storable(number: float | Decimal) -> float | Decimal:
    if isinstance(number, int):
        fits = number.bit_length() <= _MAX_INTEGER_BITS
    elif isinstance(number, float):
        fits = isfinite(number)
    else:
        fits = (
            number.is_finite()
            and abs(number.adjusted()) <= _MAX_EXPONENT
            and len(str(number)) <= _MAX_EXPONENT
        )
    if not fits:
        raise Invalid("not a finite number that can be stored")
    return number
