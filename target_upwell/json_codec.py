"""JSON in and out, with numbers kept exactly as they are written.

A customer's metadata may hold 1.10 or an integer of thirty digits; both must reach
Upwell as they left the source. Nothing here knows what the JSON means.
"""

from __future__ import annotations

import json
import threading
from decimal import Decimal, InvalidOperation
from functools import cache, partial
from typing import Any

import msgspec
import simplejson

from target_upwell.exceptions import NotJSON

MOST_LEVELS = 200
"""Nesting that is decoded; Python's own limit on recursion is about five times that."""

MOST_DIGITS = 4300
"""Digits of an integer that Python makes an `int` of; longer ones become `Decimal`."""

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")

_UNREADABLE = (
    msgspec.DecodeError,
    UnicodeDecodeError,
    RecursionError,
    ArithmeticError,
)

_dumps = partial(simplejson.dumps, separators=(",", ":"), allow_nan=True)

_one_at_a_time = threading.Lock()
"""While msgspec learns a type, another thread that uses it crashes the process."""


def decode(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Decode JSON, floats as `Decimal`.

    What the fast decoder refuses but many taps write, NaN and lone surrogates, is left
    to the standard library; the record that holds it is rejected later, by itself.

    Raises:
        NotJSON: If the text is not valid JSON, is not UTF-8, or is nested too deeply.
    """
    try:
        value = _decoder.decode(text)
    except _UNREADABLE:
        value = _decode_leniently(text)
    if text.count(b"[") + text.count(b"{") > MOST_LEVELS and _too_deep(value):
        raise NotJSON("it is nested too deeply")
    return value


def _decode_leniently(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text, parse_float=_fraction, parse_int=_whole_number)
    except json.JSONDecodeError as error:
        raise NotJSON(f"{error.msg} at column {error.colno}") from None
    except UnicodeDecodeError as error:
        raise NotJSON(f"byte {error.start + 1} is not UTF-8") from None
    except RecursionError:
        raise NotJSON("it is nested too deeply") from None


def _fraction(text: str) -> Decimal:
    """Return a number that is kept exactly; NaN if its exponent is beyond all use."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("NaN")


def _whole_number(digits: str) -> int | Decimal:
    """Return a number that is kept exactly, whatever its length."""
    return int(digits) if len(digits) <= MOST_DIGITS else Decimal(digits)


def _too_deep(value: Any, room: int = MOST_LEVELS) -> bool:  # noqa: ANN401
    """Return whether lists and objects are nested deeper than there is room for."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return not room or any(_too_deep(member, room - 1) for member in value)


def decode_as(kind: Any, text: bytes) -> Any:  # noqa: ANN401 - any type
    """Decode JSON into a type, strictly; floats as `Decimal` where it allows any value.

    Raises:
        NotJSON: If the text is not valid JSON, or does not fit the type; the message
            quotes none of it.
    """
    with _one_at_a_time:
        decoder = _decoder_of(kind)
    try:
        return decoder.decode(text)
    except _UNREADABLE:
        raise NotJSON("it is not what was expected") from None


@cache
def _decoder_of(kind: Any) -> Any:  # noqa: ANN401 - any type, and its decoder
    return msgspec.json.Decoder(kind, float_hook=Decimal)


def encode(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Encode a JSON value without white space; `Decimal` becomes a number."""
    return _encoder.encode(value)


def encode_leniently(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Encode what `decode` returned as it was, NaN and lone surrogates included.

    A person may read and edit it, so letters of any script stay. With characters that
    nobody sees, half of a surrogate pair among them, all but ASCII is escaped.
    """
    text = _dumps(value, ensure_ascii=False)
    return (text if text.isprintable() else _dumps(value)).encode()


class _State(msgspec.Struct):
    value: msgspec.Raw = msgspec.Raw(b"null")


def state_value(line: bytes, decoded: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Return the value of a STATE message exactly as the tap wrote it.

    Where the line needed leniency the decoded value is encoded again.
    """
    try:
        return bytes(decode_as(_State, line).value)
    except NotJSON:
        return encode_leniently(decoded)
