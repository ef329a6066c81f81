"""What is found out about a stream map before any record comes."""

from __future__ import annotations

import re

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
    return [re.search(r"'([^']*)'", one.problem)[1] for one in found]


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
        ("self", ["name"]),
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
            "'number', 'tags'; a constant is quoted twice: \"'zzz'\" (in: zzz)"
        ),
    ]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("legal_name if", "name: the expression is not valid: "),
        ("company +", "company + >>>"),
        ("company + + ]", "company + + >>> ]"),
        ("company\n  + number", "here:  >>> + number"),
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


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"__filters__": "number"}, "no `__filters__`; did you mean '__filter__'?"),
        ({"__filter": "number"}, "no `__filter`; did you mean '__filter__'?"),
        ({"__esle__": None}, "there is no `__esle__`; did you mean '__else__'?"),
        ({"__key_property__": "number"}, "did you mean '__key_properties__'?"),
        ({"__x__": "number"}, "no `__x__`; there are '__alias__', '__else__', "),
        (
            {"__source__": "erp", "__alias__": "customers"},
            "`__alias__` has no effect beside `__source__`",
        ),
    ],
)
def test_an_option_of_a_stream_map_that_does_nothing_is_named(definition, words):
    with pytest.raises(MappingError) as error:
        check_definition({"name": "company", **definition}, COLUMNS, ())
    assert words in str(error.value)


@pytest.mark.parametrize("column", ["__deleted", "__v", "__typename", "__row"])
def test_a_column_may_be_named_much_like_an_option(column):
    check_definition({"name": "company", column: "__NULL__"}, (), ())


def test_a_column_may_be_named_like_an_option():
    check_definition({"name": "company", "__op__": "__NULL__"}, ("__op__",), ())


@pytest.mark.parametrize(
    "column", ["Company Name", "class", "Company.Name", "company-name", "2nd", "📦"]
)
def test_a_column_that_is_no_name_is_told_how_to_write(column):
    columns = (column, "number")
    try:
        check_definition({"name": column}, columns, ())
        (first, *_) = unknown_names({"name": column}, columns, FUNCTIONS)
        problem = first.problem
    except MappingError as error:
        problem = str(error)
    assert f"; write record[{column!r}] for the column" in problem
    check_definition({"name": f"record[{column!r}]"}, columns, ())


@pytest.mark.parametrize(
    ("columns", "words"),
    [(COLUMNS, "'number' is removed"), ((), "'number' is not in the SCHEMA")],
)
def test_a_key_that_is_gone_is_told_from_one_that_never_was(columns, words):
    definition = {"number": None, "name": "record['company']"}
    with pytest.raises(MappingError, match=words):
        check_definition(definition, columns, ["number"])


def test_streams_that_no_stream_is_named_are_found():
    maps = {
        "erp": {},
        "cust*": {"__alias__": "customers"},
        "gone": None,
        "customers": {"__source__": "lost"},
        "__else__": None,
    }
    assert unmatched(maps, ["erp", "customers_eu"]) == ["gone", "lost"]


def test_a_stream_may_be_named_like_a_pattern():
    assert unmatched({"Sheet [1]": {}}, ["Sheet [1]"]) == []
