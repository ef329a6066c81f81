"""Text from outside becomes one short printable line, whatever it holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_upwell.printable import MOST_ID_CHARACTERS, one_id, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("Müller & Söhne 漢字", "Müller & Söhne 漢字"),
        ("10  042", "10  042"),
        ("one\ntwo\r\n three\tfour\u2028five\x85", "one two three four five"),
        ("\x1b[31mred\x00", r"\x1b[31mred\x00"),
        ("left\u202eright", r"left\u202eright"),
        ("half \ud800", r"half \ud800"),
        ("x" * 301, "x" * 300 + "..."),
        ("x" * 1_000_000, "x" * 300 + "..."),
        ("\n" * 2_000 + "far away", "..."),
    ],
)
def test_text_is_shown_as_one_line(text, shown):
    assert one_line(text) == shown


@given(st.text(st.characters()), st.integers(1, 50))
def test_any_text_becomes_one_short_printable_line(text, most):
    shown = one_line(text, most)
    assert shown.isprintable()
    assert len(shown) <= most + 3


def test_an_id_is_shown_shorter_than_other_text():
    assert one_id("9" * MOST_ID_CHARACTERS) == "9" * MOST_ID_CHARACTERS
    assert one_id("9" * 300) == "9" * MOST_ID_CHARACTERS + "..."


def test_ids_that_differ_in_white_space_are_told_apart():
    assert one_id("10\n042") == r"10\n042"
    assert one_id(" 10\t042 ") == r" 10\t042 "


@given(st.text(st.characters()))
def test_any_id_becomes_one_short_printable_line(text):
    shown = one_id(text)
    assert shown.isprintable()
    assert len(shown) <= MOST_ID_CHARACTERS + 3
