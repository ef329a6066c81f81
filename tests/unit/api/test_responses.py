"""What responses mean, and how their bodies are read, whatever stands in them."""

from __future__ import annotations

import html
import json

import pytest

from target_upwell.api.responses import (
    MOST_REFUSAL_BYTES,
    Meaning,
    meaning_of,
    read_refusal,
    remedy_for,
    spellings,
)
from target_upwell.exceptions import Refusal

STATUSES = {
    Meaning.DONE: [200, 201, 204],
    Meaning.REFUSED: [400, 409, 422],
    Meaning.FORBIDDEN: [403],
    Meaning.TOO_LARGE: [413],
    Meaning.RETRYABLE: [425],
    Meaning.RATE_LIMITED: [429],
    Meaning.AMBIGUOUS: [102, 408, 500, 502, 503, 504, 520],
    Meaning.FATAL: [
        300,
        301,
        302,
        307,
        308,
        401,
        402,
        404,
        405,
        406,
        407,
        410,
        418,
        423,
        431,
        451,
        501,
    ],
}


def test_each_status_means_one_thing():
    wanted = {one: meaning for meaning, ones in STATUSES.items() for one in ones}
    assert {status: meaning_of(status) for status in wanted} == wanted


def test_whatever_ends_the_run_comes_with_a_remedy():
    ends = {Meaning.FATAL, Meaning.FORBIDDEN}
    fatal = [status for status in range(300, 600) if meaning_of(status) in ends]
    assert len(fatal) > 100
    assert [status for status in fatal if not remedy_for(status)] == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (300, "redirects are not followed, to keep the key here; check api_url"),
        (399, "redirects are not followed, to keep the key here; check api_url"),
        (400, ""),
        (401, "check api_key"),
        (402, "paid"),
        (403, "ask Upwell for its permissions"),
        (404, "check api_url"),
        (407, "proxy"),
        (501, "check api_url"),
        (500, ""),
        (418, "requests of this kind are not served; check api_url"),
    ],
)
def test_a_remedy_fits_its_status(status, words):
    remedy = remedy_for(status)
    assert words in remedy
    assert bool(remedy) is bool(words)
    assert ("redirects" in remedy) is (status < 400)


NO_SECRET = spellings("uk_live_4711secret")


def body(**content):
    return json.dumps(content).encode()


UNIQUENESS = (
    'Uniqueness violation. duplicate key value violates unique constraint "customers_x"'
)
ROW_3 = "$.selectionSet.insertCustomers.args.objects[3]"


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        pytest.param(
            body(
                path="$.selectionSet.insertCustomers.args.objects",
                error=UNIQUENESS,
                code="constraint-violation",
            ),
            Refusal(400, "constraint-violation", UNIQUENESS),
            id="the shape of the run time, without an index",
        ),
        pytest.param(
            body(path=f"{ROW_3}.name", error="bad", code="validation-failed"),
            Refusal(400, "validation-failed", "bad", 3),
            id="an index in the path",
        ),
        pytest.param(
            body(path=f"{ROW_3}.addresses.data[7].country", error="bad", code="x"),
            Refusal(400, "x", "bad", 3),
            id="the row's index, not that of its address",
        ),
        pytest.param(
            body(path="$.objects[99999999999999999999]", error="bad"),
            Refusal(400, "", "bad"),
            id="an index beyond all sense",
        ),
        pytest.param(
            body(path=["objects[1]"], error="bad", code=7),
            Refusal(400, "", "bad"),
            id="path and code of other types",
        ),
        pytest.param(
            body(error={"code": "VALIDATION_ERROR", "message": "No."}),
            Refusal(400, "VALIDATION_ERROR", "No."),
            id="the documented shape, without details",
        ),
        pytest.param(
            body(
                error={
                    "code": "VALIDATION_ERROR",
                    "message": "No.",
                    "details": {"field": "name", "issue": "too short"},
                }
            ),
            Refusal(400, "VALIDATION_ERROR", "No.: name (too short)"),
            id="details as an object",
        ),
        pytest.param(
            body(
                error={
                    "message": "No.",
                    "details": [
                        {"field": "name", "issue": "too short"},
                        "text",
                        {"field": "emailAddress", "message": "not one"},
                        None,
                    ],
                }
            ),
            Refusal(400, "", "No.: name (too short), emailAddress (not one)"),
            id="details as a list",
        ),
        pytest.param(
            body(error={"details": [{"field": "name", "issue": "bad"}]}),
            Refusal(400, "", "name (bad)"),
            id="details alone",
        ),
        pytest.param(
            body(message="Forbidden"),
            Refusal(400, "", "Forbidden"),
            id="the shape of a gateway",
        ),
        pytest.param(body(error={}), Refusal(400, "", "Bad Request"), id="no words"),
        pytest.param(body(error=None), Refusal(400, "", "Bad Request"), id="null"),
        pytest.param(body(error=[1]), Refusal(400, "", "Bad Request"), id="a list"),
        pytest.param(body(), Refusal(400, "", "Bad Request"), id="an empty object"),
        pytest.param(b"", Refusal(400, "", "Bad Request"), id="empty"),
        pytest.param(b"[]", Refusal(400, "", "Bad Request"), id="no object"),
        pytest.param(
            b"<html><body>400</body></html>", Refusal(400, "", "Bad Request"), id="HTML"
        ),
        pytest.param(
            b'{"error": "Uniq', Refusal(400, "", "Bad Request"), id="cut short"
        ),
        pytest.param(
            b'{"error": "\xff\xfe"}', Refusal(400, "", "Bad Request"), id="no UTF-8"
        ),
        pytest.param(
            body(error="one\ntwo\r\x1b[31mthree\u2028four\t five\x00"),
            Refusal(400, "", r"one two \x1b[31mthree four five\x00"),
            id="control characters",
        ),
        pytest.param(
            body(error=" \n "), Refusal(400, "", "Bad Request"), id="white space"
        ),
        pytest.param(
            b"[" * 100_000, Refusal(400, "", "Bad Request"), id="nested too deeply"
        ),
    ],
)
def test_a_refusal_is_read_from_whatever_the_body_is(content, wanted):
    assert read_refusal(400, content, NO_SECRET) == wanted


KEY = 'k/<e"y>é1'


def escaped(text):
    return "".join(f"\\u{ord(c):04X}" for c in text)


@pytest.mark.parametrize(
    "quoted",
    [
        KEY,
        json.dumps(KEY)[1:-1],
        json.dumps(json.dumps(KEY))[1:-1],
        KEY.replace("/", "\\/"),
        escaped(KEY),
        KEY.replace("<", "\\u003c").replace(">", "\\u003E"),
        "k%2f%3Ce%22y%3E%e91",
        "k%252f%253Ce%2522y%253E%25e91",
        KEY.replace("/", "\\x2F").replace("<", "\\x3c"),
        html.escape(KEY),
        html.escape(html.escape(KEY)),
        "".join(f"&#{ord(c)};" for c in KEY),
        "".join(f"&#x{ord(c):04X};" for c in KEY),
        KEY.replace("/", "&sol;").replace("\u00e9", "&eacute;"),
    ],
)
@pytest.mark.parametrize(
    "content",
    [
        {"error": "the key QUOTED is bad"},
        {"error": "no", "code": "QUOTED"},
        {"error": {"message": "QUOTED", "code": "QUOTED"}},
        {"error": {"details": [{"field": "QUOTED", "issue": "QUOTED"}]}},
        {"error": "x" * 290 + "QUOTED"},
    ],
)
def test_a_secret_is_masked_however_it_is_escaped(content, quoted):
    inside = json.dumps(content).replace("QUOTED", json.dumps(quoted)[1:-1])
    refusal = read_refusal(400, inside.encode(), spellings(KEY))
    assert "***" in str(refusal)
    assert quoted not in str(refusal)
    for part in ("k/", 'e"y', "003", "%2", "e&quot"):
        assert part not in str(refusal)


def test_a_secret_becomes_three_stars():
    refusal = read_refusal(400, body(error=f"the key {KEY} is bad"), spellings(KEY))
    assert refusal.message == "the key *** is bad"


def test_masking_takes_no_longer_for_a_text_of_backslashes():
    text = body(error="\\" * 200_000)
    assert read_refusal(400, text, spellings("a\\b\\c")).message


def test_an_answer_of_a_megabyte_has_no_words():
    text = body(error="Uniqueness violation. " + "x" * MOST_REFUSAL_BYTES)
    assert read_refusal(400, text, NO_SECRET).message == "Bad Request"


def test_a_code_from_outside_is_short_and_printable():
    code = read_refusal(400, body(error="no", code="x\n\x1b" * 1000), NO_SECRET).code
    assert code.isprintable()
    assert len(code) <= 103


def test_a_status_without_a_name_still_has_words():
    assert read_refusal(499, b"", NO_SECRET).message == "no reason given"


def test_long_words_are_cut_to_one_line():
    message = read_refusal(400, body(error="word " * 1000), NO_SECRET).message
    assert len(message) < 310
    assert message.endswith("...")


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (Refusal(400, "constraint-violation", UNIQUENESS), True),
        (Refusal(400, "constraint-violation", UNIQUENESS, 3), True),
        (Refusal(422, "RESOURCE_ALREADY_EXISTS", "There is one."), True),
        (Refusal(409, "", "Conflict"), True),
        (Refusal(400, "constraint-violation", "Not-NULL violation."), False),
        (Refusal(400, "", "a Uniqueness violation of sorts"), False),
    ],
)
def test_a_refusal_knows_whether_it_is_about_an_existing_customer(refusal, expected):
    assert refusal.is_uniqueness is expected


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (UNIQUENESS, "customers_x"),
        ("Foreign key violation. insert violates constraint 'a_b'", "a_b"),
        ("Not-NULL violation.", ""),
    ],
)
def test_a_refusal_names_the_constraint_of_its_message(message, name):
    assert Refusal(400, "constraint-violation", message).constraint == name


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("field 'collectorId' not found in type: 'CustomersSetInput'", "collectorId"),
        ('field "collectorId" not found in type: "CustomersSetInput"', "collectorId"),
        ("missing required field 'data'", ""),
        ("no field 'x' not found in type", ""),
    ],
)
def test_a_refusal_names_the_field_that_the_key_may_not_set(message, name):
    assert Refusal(400, "validation-failed", message).unknown_field == name


def test_a_refusal_is_worded_with_status_and_code():
    assert str(Refusal(400, "x-y", "no")) == "Upwell refused it: no (400, x-y)"
    assert str(Refusal(400, "", "no")) == "Upwell refused it: no (400)"
