"""Coercions of what hangs on a customer: addresses, contacts, rule, settings.

Pure. A relation arrives as an object, a list of them, `{"data": ...}`, or any of
these as JSON text, and leaves as the API's `{"data": ...}`. None means that it is
left out: the API takes an empty relation for none at all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from target_upwell.customers.countries import country_code
from target_upwell.customers.names import folded
from target_upwell.customers.schema import ADDRESS_MEMBERS
from target_upwell.customers.values import (
    checked,
    from_json,
    json_value,
    kind_of,
    shown,
    shown_name,
    text,
    whole_number,
)
from target_upwell.exceptions import Invalid

Item = dict[str, Any]
Member = tuple[str, Callable[[Any], Any]]


def country(value: object) -> str | None:
    """Return the ISO 3166-1 alpha-2 code of a country.

    Raises:
        Invalid: Not a country.
    """
    name = text(value)
    if name is None:
        return None
    code = country_code(name)
    if code is None:
        raise Invalid(f"{shown(name)} is not a country")
    return code


def _list(
    value: object, convert: Callable[[dict[Any, Any]], Item]
) -> dict[str, list[Item]] | None:
    found = _unwrapped(value)
    if found is None:
        return None
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, (list, tuple)):
        raise Invalid(f"{kind_of(found)} is neither a list of objects nor an object")
    data = []
    for index, member in enumerate(found):
        if member is None:
            continue
        try:
            if not isinstance(member, dict):
                raise Invalid(f"{kind_of(member)} is not an object")
            item = convert(member)
        except Invalid as exc:
            raise exc.under(f"[{index}]") from None
        if item:
            data.append(item)
    return {"data": data} if data else None


def _object(
    value: object, convert: Callable[[dict[Any, Any]], Item]
) -> dict[str, Item] | None:
    found = _unwrapped(value)
    if found is None:
        return None
    if not isinstance(found, dict):
        raise Invalid(f"{kind_of(found)} is not an object")
    data = convert(found)
    return {"data": data} if data else None


def _unwrapped(value: object) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        value = from_json(value) if value.strip() else None
    # Other keys beside `data` make it an object of that name's own.
    if isinstance(value, dict) and len(value) == 1 and "data" in value:
        return value["data"]
    return value


def _coerced(
    found: dict[Any, Any], member_of: Callable[[Any], Member], *, keeps_null: bool
) -> Item:
    item: Item = {}
    for name, value in found.items():
        member, convert = member_of(name)
        if member != name and member in found:
            continue  # the exact spelling wins
        try:
            coerced = convert(value)
        except Invalid as exc:
            raise exc.under(f".{shown_name(member)}") from None
        if item.get(member) is None:
            if keeps_null or coerced is not None:
                item[member] = coerced
        elif coerced is not None:
            raise Invalid(
                "several members match it; keep one of them", f".{shown_name(member)}"
            )
    return item


_BY_FOLDED_NAME = {folded(member): member for member in ADDRESS_MEMBERS}


@lru_cache(maxsize=256)
def _address_member(name: object) -> Member:
    member = _BY_FOLDED_NAME.get(folded(name)) if isinstance(name, str) else None
    if member is None:
        due = ", ".join(ADDRESS_MEMBERS)
        raise Invalid(f"{shown(name)} is not an address field; use {due}")
    return member, country if member == "country" else text


@lru_cache(maxsize=256)
def _rule_member(name: object) -> Member:
    if not isinstance(name, str):
        raise Invalid(f"{kind_of(name)} can't be the name of an object's member")
    if folded(name) == folded("dueOption"):
        return "dueOption", whole_number
    return checked(name), json_value


def _address(found: dict[Any, Any]) -> Item:
    return _coerced(found, _address_member, keeps_null=False)


def _rule(found: dict[Any, Any]) -> Item:
    return _coerced(found, _rule_member, keeps_null=True)


def _members(found: dict[Any, Any]) -> Item:
    return {
        name: member for name, member in json_value(found).items() if member is not None
    }


addresses = partial(_list, convert=_address)
"""Returns `{"data": [...]}` of postal addresses, whose members it knows."""
items = partial(_list, convert=_members)
"""Returns `{"data": [...]}` of objects whose members are sent as they are."""
settings = partial(_object, convert=_members)
"""Returns `{"data": {...}}` of an object whose members are sent as they are."""
rule = partial(_object, convert=_rule)
"""Returns `{"data": {...}}` of a customer's rule, its `dueOption` an integer; its nulls
stay, since they clear columns of an existing customer's rule."""
