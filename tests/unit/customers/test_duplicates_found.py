"""Customers that may be the same: what is searched for, and what counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_upwell.customers.duplicates import condition, in_common

TEXTS = st.none() | st.text("aA \\%_ß", max_size=4)
CUSTOMERS = st.fixed_dictionaries({}, optional={"name": TEXTS, "emailAddress": TEXTS})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"name": "Acme"}, {"name": " ACME "}, "name"),
        ({"name": "Acme"}, {"name": "Acme Ltd"}, ""),
        (
            {"name": "A", "emailAddress": "a@b"},
            {"emailAddress": "A@B"},
            "e-mail address",
        ),
        (
            {"name": "A", "emailAddress": "a@b"},
            {"name": "a", "emailAddress": "a@b"},
            "name and e-mail address",
        ),
        ({"name": None}, {"name": None}, ""),
        ({"name": " "}, {"name": ""}, ""),
        ({}, {"name": "A"}, ""),
    ],
)
def test_a_name_or_an_address_makes_two_customers_alike(one, other, same):
    assert in_common(one, other) == same
    assert in_common(other, one) == same


def test_nothing_to_search_by_is_no_condition():
    assert condition([{"name": " "}, {}]) is None


def test_each_text_is_searched_for_once():
    customers = [{"name": "Acme"}, {"name": "ACME "}, {"emailAddress": "a@b"}]
    found = condition(customers)
    assert found is not None
    assert len(found["_or"]) == 2 * 3


@given(st.lists(CUSTOMERS, max_size=4), CUSTOMERS)
def test_what_is_alike_is_searched_for(customers, other):
    alike = [one for one in customers if in_common(one, other)]
    found = condition(customers) or {"_or": []}
    if alike:
        assert any(_matches(one, other) for one in found["_or"])


def _matches(condition, customer):
    """Say whether Upwell finds a customer by one condition."""
    ((name, comparison),) = condition.items()
    text = customer.get(name)
    return text is not None and _is_like(
        text.casefold(), comparison["_ilike"].casefold()
    )


def _is_like(text, pattern):
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(_is_like(text[n:], pattern[1:]) for n in range(len(text) + 1))
    if pattern[0] == "\\":
        pattern = pattern[1:]
    elif pattern[0] == "_":
        return bool(text) and _is_like(text[1:], pattern[1:])
    return text[:1] == pattern[0] and _is_like(text[1:], pattern[1:])
