"""Compiled stream map expressions: the same results and failures as the SDK's own."""

from __future__ import annotations

import ast
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from singer_sdk.exceptions import MapExpressionError
from singer_sdk.mapper import CustomStreamMap

from target_upwell.singer.expressions import compile_expressions

PROPERTIES = ("name", "email", "terms", "address", "tags", "self")


def stream_map(expressions):
    return CustomStreamMap(
        stream_alias="customers",
        map_config={"prefix": "EU-", "nested": {"a": 1}},
        faker_config={},
        raw_schema={"properties": {name: {} for name in PROPERTIES}},
        key_properties=None,
        map_transform={"__else__": None, **expressions},
        flattening_options=None,
        stream_name="erp-customers",
    )


def outcome(one, record):
    """The result of a map, or the type of its failure."""
    try:
        return one.transform(dict(record))
    except Exception as error:  # noqa: BLE001 - compared with the other's
        return type(error)


def compiled(expressions):
    fast = stream_map(expressions)
    compile_expressions(fast, lambda *_: None)
    return fast


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.decimals(-9, 9, places=2)
    | st.sampled_from(["", "a", "a;b", "Ä", "12"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["city", "a", "upper"]), inner, max_size=2)
    ),
    max_leaves=4,
)
RECORDS = st.dictionaries(st.sampled_from(PROPERTIES), VALUES)

ATOMS = st.sampled_from(
    [
        "name", "email", "terms", "address", "tags", "self", "record", "_", "config",
        "__stream_name__", "__original_stream_name__", "missing", "None", "True", "3",
        "1.5", "'x'", "''", "'city'", "str",
    ]
)  # fmt: skip


def grown(inner):
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.flatmap(
            lambda ab: st.sampled_from(
                [
                    f"({ab[0]} {op} {ab[1]})"
                    for op in ("+", "-", "*", "/", "%", "==", "!=", "<", ">=", "in",
                               "not in", "is", "and", "or", "<<")
                ]
            )
        ),
        inner.flatmap(
            lambda a: st.sampled_from(
                [
                    f"str({a})", f"int({a})", f"float({a})", f"bool({a})", f"md5({a})",
                    f"{a}.upper()", f"{a}.split(';')", f"{a}.partition(';')[0]",
                    f"{a}.city", f"{a}.get('city')", f"({a})[0]", f"({a})[1:]",
                    f"(not {a})", f"(-{a})", f"[{a}]", f"({a},)", f"{{'k': {a}}}",
                    f"({a} if {a} else 'z')", f"f'{{{a}}}'", f"[x for x in {a}]",
                    f"{a}.format()", f"{a}.__class__", f"json.dumps({a})",
                    f"({a} < 3 < 4)", f"dict(k={a})", f"max({a})",
                ]
            )
        ),
    )  # fmt: skip


def is_python(text):
    """Not `3.upper()`, nor one f-string in another's quotes before Python 3.12."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


EXPRESSIONS = st.recursive(ATOMS, grown, max_leaves=4).filter(is_python)


@settings(max_examples=300, deadline=None, print_blob=True)
@given(expression=EXPRESSIONS, record=RECORDS)
def test_a_compiled_expression_gives_what_the_sdk_gives(expression, record):
    fields = {"name": expression, "new": expression}
    assert outcome(compiled(fields), record) == outcome(stream_map(fields), record)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("email.replace(';', ',').partition(',')[0] if email else None", "a"),
        ("[{'city': address['city'], 'x': 'US'}]", [{"city": "Ü", "x": "US"}]),
        ("config['prefix'] + name", "EU-Ä"),
        ("self if self else 'none'", "none"),
        ("{'limit': terms * 2}", {"limit": Decimal("3.0")}),
        ("__original_stream_name__", "erp-customers"),
        ("str(terms)", "1.5"),
        ("name == 'Ä' and 'yes' or 'no'", "yes"),
    ],
)  # fmt: skip
def test_what_stream_maps_are_made_of_is_compiled(expression, expected, monkeypatch):
    record = {
        "name": "Ä", "email": "a;b", "terms": Decimal("1.5"), "address": {"city": "Ü"},
        "out": None,
    }  # fmt: skip
    fast = compiled({"out": expression})
    # The SDK's evaluator would be asked for whatever is not compiled.
    monkeypatch.setattr(fast, "expr_evaluator", None)
    assert fast.transform(record) == {"out": expected}


@pytest.mark.parametrize(
    "expression",
    [
        "__builtins__", "_attribute", "_Add", "_attribute(name, '__class__')", "eval",
        "str.mro()", "name.__class__.__mro__", "''.join.__self__", "name.format(1)",
        "(lambda: 1)()", "[n for n in (1, 2)]", "__import__('os')", "'x' * 10 ** 6",
        "2 ** 10 ** 6", "config.__class__", "record.clear()", "email is name is None",
        "self.pop('name')", "name.translate.__call__", "(name := 1)", "[*email]",
    ],
)  # fmt: skip
def test_nothing_is_allowed_that_the_sdk_does_not_allow(expression):
    fields, record = {"out": expression}, {"name": "Ä", "email": "a;b"}
    assert outcome(compiled(fields), record) == outcome(stream_map(fields), record)


def test_a_failure_is_the_sdks_and_says_where():
    failed = []
    fast = stream_map({"out": "missing"})
    compile_expressions(fast, lambda *where: failed.append(where))
    with pytest.raises(MapExpressionError) as error:
        fast.transform({"name": "x"})
    assert "'missing' is not defined" in str(error.value.__cause__)
    assert failed == [("out", "missing")]
