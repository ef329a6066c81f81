"""Checks a request's values against the types, before the database is asked.

Only the first error is reported, with the path to it. A check returns the
value in a form that the store can keep; what only the database would notice (an
invalid date, a key that exists) is not checked here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from target_upwell.sandbox.account.refusal import At, Refusal, invalid
from target_upwell.sandbox.account.schema import ENUMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_upwell.sandbox.account.schema import (
        Column,
        Enum,
        Kind,
        ObjectType,
        Relation,
    )

Value = Any
_INTEGER_LIMIT = 2**31


@dataclass
class Row:
    """An object that passed the check.

    Attributes:
        columns: The values by property name.
        relations: Its related rows by property name; none is empty.
    """

    columns: dict[str, Value]
    relations: dict[str, list[dict[str, Value]]] = field(default_factory=dict)


def kind_of(value: Value) -> str:
    """Return the API's word for the kind of a JSON value, such as `a list`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return "a number"


def member(name: str) -> str:
    """Return a path's step to a property, quoted where a bare name will not do."""
    if name.isascii() and name.isidentifier():
        return f".{name}"
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"


def check_text(value: Value) -> str:
    """Return the text, or refuse anything else."""
    if isinstance(value, str):
        return value
    raise invalid(f"expected a string for type 'String', but found {kind_of(value)}")


def check_integer(value: Value) -> int:
    """Return the 32-bit integer, or refuse anything else.

    A fraction and a number out of range are refused in the same words.
    """
    if kind_of(value) != "a number":
        raise invalid(
            f"expected a 32-bit integer for type 'Int', but found {kind_of(value)}"
        )
    number = Decimal(str(value)) if isinstance(value, int) else exact(value)
    limit = _INTEGER_LIMIT
    # The range first: turning 1e999999999 into an integer would take for ever.
    if not -limit <= number < limit or number != int(number):
        text = bytes(value).decode() if isinstance(value, msgspec.Raw) else value
        raise Refusal(
            f"The value {text} lies outside the bounds or is not an integer."
            " Maybe it is a float, or is there integer overflow?",
            "parse-failed",
        )
    return int(number)


def exact(number: msgspec.Raw) -> Decimal:
    """Return the value of a number that was kept as it was written."""
    return Decimal(bytes(number).decode())


def check_enum(enum: Enum, value: Value) -> str:
    """Return the member of the enum, or refuse anything else."""
    if not isinstance(value, str):
        raise invalid(
            f"expected an enum value for type '{enum.name}', but found {kind_of(value)}"
        )
    if value not in enum.members:
        members = ", ".join(f"'{name}'" for name in enum.members)
        raise invalid(
            f"expected one of the values [{members}] for type '{enum.name}',"
            f" but found '{value}'"
        )
    return value


def _check_texts(value: Value) -> list[str]:
    if not isinstance(value, list):
        raise invalid(
            f"expected a list for type '[String!]', but found {kind_of(value)}"
        )
    for position, text in enumerate(value):
        if not isinstance(text, str):
            with At(f"[{position}]"):
                check_text(text)
    return value


def _check_timestamp(value: Value, kind: Kind) -> str:
    if isinstance(value, str):
        return value
    raise invalid(f"expected a string for type '{kind}', but found {kind_of(value)}")


CHECKS: dict[Kind, Callable[[Value], Value]] = {
    "text": check_text,
    "text[]": _check_texts,
    "integer": check_integer,
    "timestamptz": lambda value: _check_timestamp(value, "timestamptz"),
    "timestamp": lambda value: _check_timestamp(value, "timestamp"),
    "jsonb": lambda value: value,
    "country": lambda value: check_enum(ENUMS["country"], value),
    "address type": lambda value: check_enum(ENUMS["address type"], value),
    "currency": lambda value: check_enum(ENUMS["currency"], value),
}


def check_object(value: Value, object_type: ObjectType) -> Row:
    """Check one object.

    Args:
        value: What was sent.
        object_type: What is due.

    Returns:
        Its columns, and its relations that are not empty.

    Raises:
        Refusal: With the path from this object to the fault.
    """
    if not isinstance(value, dict):
        raise invalid(
            f"expected an object for type '{object_type.name}',"
            f" but found {kind_of(value)}"
        )
    _refuse_unknown(value, object_type)
    columns, relations = object_type.columns, object_type.relations
    row = Row({})
    name = ""
    # Around the loop and not within: this runs for every property of every row.
    try:
        for name, given in value.items():
            if name in columns:
                row.columns[name] = _check_column(given, columns[name])
            elif name not in relations:
                row.columns[name] = given
            elif rows := _check_relation(given, relations[name]):
                row.relations[name] = rows
    except Refusal as refusal:
        refusal.path = member(name) + refusal.path
        raise
    return row


def _refuse_unknown(value: dict[str, Value], object_type: ObjectType) -> None:
    if object_type.open:
        return
    for name in value:
        if name not in object_type.columns and name not in object_type.relations:
            raise invalid(
                f"field '{name}' not found in type: '{object_type.name}'", member(name)
            )


def _check_column(value: Value, column: Column) -> Value:
    if value is not None:
        return CHECKS[column.kind](value)
    if not column.nullable:
        # Whatever can't be null is text.
        check_text(value)
    return None


def _check_relation(value: Value, relation: Relation) -> list[dict[str, Value]]:
    # A relation that is null is one that was not sent.
    if value is None:
        return []
    if not isinstance(value, dict):
        raise invalid(
            f"expected an object for type '{relation.type_name}',"
            f" but found {kind_of(value)}"
        )
    for name in value:
        if name != "data":
            raise invalid(
                f"field '{name}' not found in type: '{relation.type_name}'",
                member(name),
            )
    if "data" not in value:
        raise invalid("missing required field 'data'", ".data")
    data = value["data"]
    with At(".data"):
        if relation.shape == "object" or (
            relation.shape == "either" and not isinstance(data, list)
        ):
            return [_check_child(data, relation.row)]
        rows = []
        # A list of one may be sent without its brackets.
        for position, child in enumerate(data if isinstance(data, list) else [data]):
            with At(f"[{position}]"):
                rows.append(_check_child(child, relation.row))
        return rows


def _check_child(value: Value, row: ObjectType) -> dict[str, Value]:
    columns = check_object(value, row).columns
    if row.parent is not None and row.parent in columns:
        raise invalid(
            'cannot insert "customer_id" columns as their values are already'
            " being determined by parent insert"
        )
    return columns
