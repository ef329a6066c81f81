"""How PostgreSQL would keep a value, and the values that it cannot keep.

Pure functions from a checked value to a stored one; what they refuse is a data
exception, which the API reports without naming the property.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec

from target_upwell.sandbox.account.refusal import Refusal

if TYPE_CHECKING:
    from target_upwell.sandbox.account.schema import Column, Kind

_TIMESTAMP = re.compile(
    r"\s*(\d{4})-(\d\d?)-(\d\d?)"
    r"(?:[Tt ]\s*(\d\d?):(\d\d)(?::(\d\d)(?:\.(\d{1,6})\d*)?)?"
    r"\s*(?:([Zz])|([+-])(\d\d)(?::?(\d\d))?)?)?\s*",
    re.ASCII,
)
_TYPE_NAMES = {
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
}


def encode(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write a value as JSON, its numbers as they were written."""
    return msgspec.json.encode(value).decode()


def to_stored(column: Column, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a column's value as the database keeps it.

    Args:
        column: The column.
        value: A value that passed the check of types.

    Returns:
        Text, an integer or None; lists and JSON as JSON text, timestamps in ISO
        8601, those with a zone in UTC.

    Raises:
        Refusal: A data exception, without a path.
    """
    if value is None:
        return None
    kind = column.kind
    if kind in ("jsonb", "text[]"):
        return to_stored_json(value)
    if kind in ("timestamptz", "timestamp"):
        return to_timestamp(value, kind)
    if isinstance(value, str) and "\x00" in value:
        raise _null_character()
    return value


def to_stored_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write a value as JSON text.

    Raises:
        Refusal: A data exception, for the character that PostgreSQL can't hold.
    """
    text = encode(value)
    # The six characters may stand in a text on their own, after a backslash.
    if "\\u0000" in text and _holds_null_character(value):
        raise Refusal("unsupported Unicode escape sequence", "data-exception")
    return text


def to_timestamp(text: str, kind: Kind) -> str:
    """Return a timestamp in ISO 8601.

    Without a zone UTC is meant. A `timestamp` has no zone: as in PostgreSQL, an
    offset that is sent with one is ignored.

    Raises:
        Refusal: A data exception, when it is not a timestamp.
    """
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        raise Refusal(
            f'invalid input syntax for type {_TYPE_NAMES[kind]}: "{text}"',
            "data-exception",
        )
    *parts, fraction, _, sign, hours, minutes = found.groups()
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    microsecond = int((fraction or "").ljust(6, "0"))
    try:
        moment = datetime(
            year, month, day, hour, minute, second, microsecond, tzinfo=timezone.utc
        )
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        if kind == "timestamp":
            return moment.replace(tzinfo=None).isoformat()
        return (moment + offset if sign == "-" else moment - offset).isoformat()
    except (ValueError, OverflowError):
        raise Refusal(
            f'date/time field value out of range: "{text}"', "data-exception"
        ) from None


def now() -> str:
    """Return the present, as the API writes it."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def _holds_null_character(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(map(_holds_null_character, (*value.keys(), *value.values())))
    if isinstance(value, list):
        return any(map(_holds_null_character, value))
    return False


def _null_character() -> Refusal:
    return Refusal('invalid byte sequence for encoding "UTF8": 0x00', "data-exception")
