"""JSON in and out, with numbers kept exactly as they are written.

A customer's metadata may hold 1.10 or an integer of thirty digits; both must reach
Upwell as they left the source. Nothing here knows what the JSON means.
"""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import simplejson

from target_upwell.exceptions import NotJSON

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


class _State(msgspec.Struct):
    value: msgspec.Raw = msgspec.Raw()


_state_decoder = msgspec.json.Decoder(_State)


def decode(text: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Decode JSON, floats as `Decimal`.

    What the fast decoder refuses but many taps write, NaN and lone surrogates, is left
    to the standard library; the record that holds it is rejected later, by itself.

    Raises:
        NotJSON: If the text is no JSON, is not UTF-8, or is nested too deeply.
    """
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError):
        pass
    try:
        return json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise NotJSON(f"{error.msg} at column {error.colno}") from None
    except UnicodeDecodeError as error:
        raise NotJSON(f"byte {error.start + 1} is not UTF-8") from None
    except RecursionError:
        raise NotJSON("it is nested too deeply") from None
    except (ValueError, ArithmeticError):
        raise NotJSON("it holds a number that is too long") from None


def decode_as(kind: Any, text: bytes) -> Any:  # noqa: ANN401 - any type
    """Decode JSON into a type, strictly; floats as `Decimal` where it allows any value.

    Raises:
        NotJSON: If the text is not valid JSON, or does not fit the type; the message
            quotes none of it.
    """
    try:
        return _decoder_of(kind).decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError):
        raise NotJSON("it is not what was expected") from None


@cache
def _decoder_of(kind: Any) -> Any:  # noqa: ANN401 - any type, and its decoder
    return msgspec.json.Decoder(kind, float_hook=Decimal)


def encode(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Encode a JSON value without white space; `Decimal` becomes a number."""
    return _encoder.encode(value)


def encode_leniently(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Encode what `decode` gave as it was, NaN and lone surrogates included."""
    text: str = simplejson.dumps(value, separators=(",", ":"), allow_nan=True)
    return text.encode()


def state_value(line: bytes, decoded: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Give the value of a STATE message as the tap wrote it, to the letter.

    Args:
        line: The whole message.
        decoded: The value, decoded; the way out where `line` needed leniency.
    """
    try:
        raw = bytes(_state_decoder.decode(line).value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return encode_leniently(decoded)
    return raw or b"null"
