"""JSON in and out: numbers as they are written, and errors that quote nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal

import pytest

from target_upwell import json_codec
from target_upwell.exceptions import NotJSON


@pytest.mark.parametrize(
    "text",
    [
        "1.10",
        "0.1",
        "-0.0",
        "123456789012345678901234567890",
        "12345678901234567890.12345678901234567890",
        '{"a":[1,2.50,{"b":null}],"c":true}',
        '"Łódź Spedycja 🚚"',
        '"\\u0000"',
        "[]",
    ],
)
def test_what_is_read_is_written_back_to_the_letter(text):
    assert json_codec.encode(json_codec.decode(text.encode())) == text.encode()


def test_fractions_are_decimals_and_whole_numbers_are_not():
    decoded = json_codec.decode(b"[1.10, 1, 1e2]")
    assert [type(number) for number in decoded] == [Decimal, int, Decimal]


@pytest.mark.parametrize(
    "text", [b"NaN", b'["\\ud800"]', b"[Infinity, -Infinity]", b'{"a": NaN}']
)
def test_what_taps_write_although_it_is_no_json_is_read_and_written_back(text):
    decoded = json_codec.decode(text)
    assert json_codec.encode_leniently(decoded).replace(b" ", b"") == text.replace(
        b" ", b""
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Müller & Søn «Ромашка» 東京", "Müller & Søn «Ромашка» 東京"),
        ("ü\u200b", r"\u00fc\u200b"),
        ("ü\u009b31m", r"\u00fc\u009b31m"),
        ("ü\ud800", r"\u00fc\ud800"),
    ],
)
def test_letters_stay_as_they_are_where_a_person_may_edit_them(text, written):
    assert json_codec.encode_leniently([text]) == f'["{written}"]'.encode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"name": "secret', "column 10"),
        (b"secret", "column 1"),
        (b"", "column 1"),
        (b'{"a": 1} secret', "column 10"),
        (b'["secret \xff"]', "UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 201 + b"]" * 201, "nested too deeply"),
        (b"1" * 5000 + b"secret", "column 5001"),
    ],
)
def test_what_can_not_be_read_is_one_error_that_quotes_none_of_it(text, words):
    with pytest.raises(NotJSON) as caught:
        json_codec.decode(text)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("text", [b"1" * 5000, b"-" + b"1" * 5000])
def test_a_whole_number_of_any_length_is_read_and_written_back(text):
    decoded = json_codec.decode(text)
    assert json_codec.encode(decoded) == text
    assert json_codec.encode_leniently([decoded]) == b"[%s]" % text


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_number_with_an_exponent_beyond_all_use_is_not_finite(sign):
    text = f"[1e{sign}99999999999999999999]".encode()
    assert not json_codec.decode(text)[0].is_finite()


def test_what_is_nested_as_deeply_as_allowed_can_be_written_back():
    text = b'{"a":[' * 100 + b"]}" * 100
    decoded = json_codec.decode(text)
    assert json_codec.encode_leniently(decoded) == text
    assert json_codec.encode(decoded) == text


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b'{"type":"STATE","value":{"a": 1.10,  "b":[ ]}}', b'{"a": 1.10,  "b":[ ]}'),
        (b'{"value":1e400,"type":"STATE"}', b"1e400"),
        (b'{"type":"STATE","value":null}', b"null"),
        (b'{"type":"STATE","value":{}}', b"{}"),
        (b'{"type": "STATE", "value": {"x": NaN}}', b'{"x":NaN}'),
        (b'{"type": "STATE", "value": "\\ud800"}', b'"\\ud800"'),
        (b'{"type": "STATE", "value": "\\u00fc\xc3\xbc"}', b'"\\u00fc\xc3\xbc"'),
    ],
)
def test_the_value_of_a_state_is_kept_as_the_tap_wrote_it(line, value):
    decoded = json.loads(line)["value"]
    assert json_codec.state_value(line, decoded) == value


FIRST_MEETINGS = """
import sys
import threading
from typing import Annotated, TypedDict

from msgspec import Meta

from target_upwell.json_codec import decode_as

sys.setswitchinterval(1e-6)
for number in range(50):
    members = {name: Annotated[int, Meta(ge=0)] | None for name in "abcdefgh"}
    kind = list[TypedDict("Record", members)]
    barrier = threading.Barrier(4)

    def decode():
        barrier.wait()
        decode_as(kind, b'[{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8}]')

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_may_be_the_first_to_decode_a_type_at_the_same_time():
    # What is at stake is the life of the process, so it has one of its own.
    run = subprocess.run([sys.executable, "-c", FIRST_MEETINGS], check=False)
    assert run.returncode == 0
