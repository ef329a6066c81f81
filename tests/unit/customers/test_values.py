from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest

from target_upwell.customers import values
from target_upwell.exceptions import Invalid


class TestText:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("Acme", "Acme"),
            ("  Acme \n", "Acme"),
            ("\u00a0\u2003Acme\u3000", "Acme"),
            ("Åkeri 株式会社 🚚", "Åkeri 株式会社 🚚"),
            ("", None),
            (" \t\u00a0", None),
            (None, None),
            (12, "12"),
            (12.0, "12"),
            (12.5, "12.5"),
            (0.1, "0.1"),
            (1e22, "10000000000000000000000"),
            (-7, "-7"),
            (Decimal("12.50"), "12.5"),
            (Decimal("1E+3"), "1000"),
            (Decimal("-0.0"), "0"),
            (Decimal("0.000001"), "0.000001"),
            (12345678901234567890, "12345678901234567890"),
            (10**30, "1" + "0" * 30),
        ],
    )
    def test_is_trimmed_and_numbers_become_text(self, given, expected):
        assert values.text(given) == expected

    @pytest.mark.parametrize("given", ["a\x00b", "\x00", "ä\x00", " \x00 "])
    def test_with_u0000_is_refused(self, given):
        with pytest.raises(Invalid, match=r"U\+0000"):
            values.text(given)

    def test_with_half_a_surrogate_pair_is_refused(self):
        with pytest.raises(Invalid, match="half of a surrogate pair"):
            values.text("a\ud83d")

    @pytest.mark.parametrize("given", [True, False, [], ["a"], {}, b"a", date.min])
    def test_is_not_made_of_other_types(self, given):
        with pytest.raises(Invalid, match="is neither text nor a number"):
            values.text(given)

    @pytest.mark.parametrize(
        "given",
        [
            float("nan"),
            float("inf"),
            Decimal("NaN"),
            Decimal("sNaN"),
            Decimal("-Infinity"),
            Decimal("1E+1000000"),
            Decimal("1E-1000000"),
            pytest.param(10**5000, id="huge"),
        ],
    )
    def test_is_not_made_of_numbers_that_are_no_id(self, given):
        with pytest.raises(Invalid, match="not a finite number of usual size"):
            values.text(given)


class TestWholeNumber:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (30, 30),
            ("30", 30),
            (" -30 ", -30),
            ("30.0", 30),
            (Decimal("30.00"), 30),
            (30.0, 30),
            (None, None),
            (" ", None),
        ],
    )
    def test_is_read_from_what_stands_for_one(self, given, expected):
        found = values.whole_number(given)
        assert found == expected
        assert type(found) is type(expected)

    @pytest.mark.parametrize("given", [30.5, Decimal("0.1"), "30.5", "Net 30", "٣"])
    def test_is_not_rounded_or_guessed(self, given):
        with pytest.raises(Invalid, match="is not a whole number"):
            values.whole_number(given)

    @pytest.mark.parametrize(
        "given", [True, [], "1" * 5000, pytest.param(10**5000, id="huge")]
    )
    def test_is_refused_from_other_values(self, given):
        with pytest.raises(Invalid):
            values.whole_number(given)


def test_a_method_that_is_not_called_is_told_of():
    with pytest.raises(Invalid, match=r"^a method without its \(\) is neither text"):
        values.text("ap@acme.example".lower)


class TestEmail:
    @pytest.mark.parametrize("given", ["ap@acme.example", "ä+b@acme", "a@b"])
    def test_with_one_at_sign_passes(self, given):
        assert values.email(f" {given} ") == given

    @pytest.mark.parametrize("given", [None, "", "  "])
    def test_blank_is_null(self, given):
        assert values.email(given) is None

    @pytest.mark.parametrize(
        "given",
        [
            "acme",
            "@acme",
            "ap@",
            "a b@c",
            "a@b c",
            "a\u00a0b@c",
            "a@b\nc",
            "a@b;",
            "a@b,",
            "<a@b>",
            "a@b\u200b",
            "\ufeffa@b",
            12,
        ],
    )
    def test_without_two_parts_around_one_at_sign_is_refused(self, given):
        with pytest.raises(Invalid, match="not an e-mail address: one @ between"):
            values.email(given)

    @pytest.mark.parametrize("given", ["a@b@c", "a@b;c@d", "a@b, c@d", "a@b c@d"])
    def test_of_several_one_has_to_be_taken(self, given):
        with pytest.raises(Invalid, match=r"more than one @.*; take one"):
            values.email(given)


class TestEmails:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (["a@x", "b@x"], ["a@x", "b@x"]),
            (("a@x",), ["a@x"]),
            (["a@x", None, " ", " b@x "], ["a@x", "b@x"]),
            (["b@x", "a@x", "b@x"], ["b@x", "a@x"]),
            ("a@x, b@x;c@x", ["a@x", "b@x", "c@x"]),
            ("a@x;;, ", ["a@x"]),
            (' ["a@x", "b@x"]', ["a@x", "b@x"]),
            ("[]", []),
            (" ; ,", []),
            ([], []),
            ([None], []),
            (None, None),
            ("  ", None),
        ],
    )
    def test_come_from_a_list_or_from_text(self, given, expected):
        assert values.emails(given) == expected

    def test_name_the_member_that_is_none(self):
        with pytest.raises(Invalid) as caught:
            values.emails(["a@x", "nobody"])
        assert str(caught.value).startswith("[1]: not an e-mail address: one @")

    @pytest.mark.parametrize("given", [12, True, {"a@x": 1}, "[1", ["a@x;b@x"]])
    def test_refuse_what_is_no_list_of_them(self, given):
        with pytest.raises(Invalid):
            values.emails(given)


class TestJsonValue:
    @pytest.mark.parametrize(
        "given",
        [
            None,
            True,
            "  text is not trimmed ",
            "",
            0,
            pytest.param(10**4000, id="long"),
            1.5,
            [],
            {},
            [[None, {"a": [1, "b", False]}]],
            '{"text": "that is JSON stays text"}',
        ],
    )
    def test_passes_unchanged(self, given):
        assert values.json_value(given) == given

    def test_keeps_decimals_for_the_encoder(self):
        found = values.json_value({"rate": [Decimal("1.10")]})
        assert str(found["rate"][0]) == "1.10"

    def test_writes_dates_and_times_as_iso_text(self):
        zone = timezone(timedelta(hours=-6))
        given = [datetime(2024, 1, 2, 3, 4, tzinfo=zone), date(2024, 1, 2), time(3, 4)]
        expected = ["2024-01-02T03:04:00-06:00", "2024-01-02", "03:04:00"]
        assert values.json_value(given) == expected

    @pytest.mark.parametrize(
        "given",
        [
            float("nan"),
            float("-inf"),
            Decimal("NaN"),
            Decimal("sNaN"),
            Decimal("Infinity"),
            Decimal("1E+20000"),
            pytest.param(10**5000, id="huge"),
            "\x00",
            "\udc00",
            b"bytes",
            {1, 2},
            object(),
        ],
    )
    @pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"a": [v]}])
    def test_refuses_what_json_or_postgresql_cannot_hold(self, given, wrap):
        with pytest.raises(Invalid):
            values.json_value(wrap(given))

    @pytest.mark.parametrize("name", ["a\x00", "\ud800", 1, None])
    def test_refuses_such_names_too(self, name):
        with pytest.raises(Invalid):
            values.json_value({"a": {name: 1}})

    @pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"a": v}])
    def test_goes_a_hundred_levels_deep_and_no_further(self, wrap):
        nested: object = []
        for _ in range(values.MAX_NESTING - 1):
            nested = wrap(nested)
        assert values.json_value(nested) == nested
        with pytest.raises(Invalid, match="deeper than 100 levels"):
            values.json_value(wrap(nested))

    def test_that_holds_itself_is_refused(self):
        loop: list[object] = []
        loop.append(loop)
        with pytest.raises(Invalid, match="deeper"):
            values.json_value(loop)


class TestFromJson:
    def test_reads_fractions_as_decimals(self):
        assert str(values.from_json("[1.10]")[0]) == "1.10"

    @pytest.mark.parametrize(
        "given",
        ["", "{", "nonsense", pytest.param("[" * 100_000, id="deep"), "1" * 5000],
    )
    def test_refuses_what_is_no_json(self, given):
        with pytest.raises(Invalid, match="text that is not JSON"):
            values.from_json(given)


class TestShown:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("Acme", "'Acme'"),
            ("a\n\x1b[31m\u202e", r"'a\n\x1b[31m\u202e'"),
            ("x" * 40, repr("x" * 40)),
            ("x" * 41, repr("x" * 37 + "...")),
            (None, "null"),
            (True, "a boolean"),
            (12, "12"),
            (Decimal("1.50"), "1.50"),
            (10**60, "1" + "0" * 36 + "..."),
            pytest.param(10**5000, "a huge number", id="huge"),
            ({"name": "private"}, "an object"),
            (["private"], "a list"),
            (b"private", "a value of type bytes"),
            (date(2024, 1, 2), "2024-01-02"),
        ],
    )
    def test_is_short_escaped_and_never_a_record(self, given, expected):
        assert values.shown(given) == expected
