"""What is found out about a stream map before any record comes."""

from __future__ import annotations

import pytest

from target_upwell.exceptions import MappingError
from target_upwell.singer.map_check import (
    check_definition,
    unknown_names,
    unmatched,
)

COLUMNS = ("number", "company", "billing_email", "tags")
FUNCTIONS = ("str", "int", "json")


def unknown(expression, prop="name"):
    found = unknown_names({prop: expression}, COLUMNS, FUNCTIONS)
    return [one.name for one in found]


@pytest.mark.parametrize(
    "expression",
    [
        "company",
        "company.upper() if company else None",
        "str(number) + config['prefix'] + __stream_name__ + __original_stream_name__",
        "_['company'] or record['tags'] or record.company or record.get('gone')",
        "[tag.upper() for tag in tags if tag]",
        "{k: v for k, v in record.items()}",
        "json.dumps(tags)",
        "f'{company}: {number}'",
        "record['gone'] if 'gone' in record else None",
        "{'Holland': 'NL'}.get(company, company)",
        "True and None",
    ],
)
def test_what_is_there_is_known(expression):
    assert unknown(expression) == []


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("email", ["email"]),
        ("company or comapny or email", ["comapny", "email"]),
        ("record['email']", ["email"]),
        ("_.email.lower()", ["email"]),
        ("[{'city': city} for x in tags]", ["city"]),
        ("len(company)", ["len"]),
        ("company(number)", ["company"]),
        ("self", ["self"]),
        ("fake.name()", ["fake"]),
    ],
)
def test_what_is_not_there_is_found(expression, names):
    assert unknown(expression) == names


def test_self_is_the_column_of_the_same_name():
    assert unknown("self.upper()", "company") == []


def test_faker_is_there_if_it_is_installed():
    assert unknown_names({"name": "fake.name()"}, COLUMNS, (*FUNCTIONS, "fake")) == []


def test_a_long_expression_is_cut():
    definition = {"name": "email + " + "x" * 10_000}
    first = unknown_names(definition, COLUMNS, FUNCTIONS)[0]
    assert len(first.problem) < 300


def test_the_nearest_columns_are_named():
    definition = {"emailAddress": "email", "name": "compnay", "x": "zzz"}
    found = unknown_names(definition, COLUMNS, FUNCTIONS)
    assert [one.problem for one in found] == [
        (
            "emailAddress: the stream has no column 'email'; did you mean "
            "'billing_email'? (in: email)"
        ),
        (
            "name: the stream has no column 'compnay'; did you mean 'company'? "
            "(in: compnay)"
        ),
        (
            "x: the stream has no column 'zzz'; there are 'billing_email', 'company', "
            "'number', 'tags' (in: zzz)"
        ),
    ]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("legal_name if", "name: the expression is not valid: "),
        ("company +", "company + >>>"),
        ("company + + ]", "company + + >>> ]"),
        ("company\n  + number", ">>> "),
        ("", "name: the expression is empty"),
        ("# nothing", "name: the expression is empty"),
        ("a; b", "not a single expression"),
        ("a = 1", "not a single expression"),
        ("a\x00", "name: the expression "),
        ("(" * 10_000, "name: the expression "),
    ],
)
def test_an_expression_that_can_not_be_read_is_named_and_shown(expression, words):
    with pytest.raises(MappingError) as error:
        check_definition({"name": expression}, COLUMNS, ())
    assert words in str(error.value)


def test_streams_that_no_stream_is_named_are_found():
    maps = {
        "erp": {},
        "cust*": {"__alias__": "customers"},
        "gone": None,
        "customers": {"__source__": "lost"},
        "__else__": None,
    }
    assert unmatched(maps, ["erp", "customers_eu"]) == ["gone", "lost"]
