"""Turns the `where` and `orderBy` of a search into SQL.

Pure functions; the values travel as parameters, never in the SQL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from target_upwell.sandbox.account import values
from target_upwell.sandbox.account.refusal import At, invalid
from target_upwell.sandbox.account.schema import SEARCHABLE, Column, Enum
from target_upwell.sandbox.account.validation import (
    CHECKS,
    check_enum,
    kind_of,
    member,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

TRUE = "1"
_COMPARISONS = {
    "_eq": "=",
    "_neq": "<>",
    "_gt": ">",
    "_gte": ">=",
    "_lt": "<",
    "_lte": "<=",
}
_LISTS = {"_in": "IN", "_nin": "NOT IN"}
_LIKES = {"_like": 0, "_ilike": int(re.IGNORECASE)}
_ORDERS = {
    "ASC": "ASC NULLS LAST",
    "ASC_NULLS_FIRST": "ASC NULLS FIRST",
    "ASC_NULLS_LAST": "ASC NULLS LAST",
    "DESC": "DESC NULLS FIRST",
    "DESC_NULLS_FIRST": "DESC NULLS FIRST",
    "DESC_NULLS_LAST": "DESC NULLS LAST",
}
_ORDER = Enum("OrderBy", tuple(_ORDERS))
_EXPRESSION_NAMES = {
    "text": "StringComparisonExp",
    "integer": "IntComparisonExp",
    "timestamptz": "TimestamptzComparisonExp",
    "timestamp": "TimestampComparisonExp",
    "text[]": "StringArrayComparisonExp",
    "jsonb": "JsonbComparisonExp",
}


@dataclass
class Condition:
    """A condition in SQL.

    Attributes:
        sql: The condition.
        parameters: The values of its marks, in order.
        source_system_ids: The ids that it names with `_eq` or `_in`.
        columns: The columns that it may name, by property.
    """

    sql: str = TRUE
    parameters: list[Any] = field(default_factory=list)
    source_system_ids: list[str] = field(default_factory=list)
    columns: Mapping[str, Column] = field(default_factory=dict)


def to_condition(where: Any, columns: Mapping[str, Column]) -> Condition:  # noqa: ANN401 - any JSON value
    """Turn a `CustomersBoolExp` into SQL.

    Args:
        where: The expression.
        columns: The columns that it may name, by property.

    Raises:
        Refusal: With the path from `where` to the fault.
    """
    condition = Condition(columns=columns)
    condition.sql = _expression(where, condition)
    return condition


def to_order(order_by: Any) -> str:  # noqa: ANN401 - any JSON value
    """Turn `orderBy`, one object or a list of them, into the SQL after ORDER BY.

    Raises:
        Refusal: With the path from `orderBy` to the fault.
    """
    terms = []
    for position, order in enumerate(_as_list(order_by)):
        with At(f"[{position}]"):
            if not isinstance(order, dict):
                raise invalid(
                    "expected an object for type 'CustomersOrderBy',"
                    f" but found {kind_of(order)}"
                )
            for name, direction in order.items():
                with At(member(name)):
                    terms.append(_order_term(name, direction))
    return ", ".join(terms)


def like(text: str | None, pattern: str, flags: int) -> bool | None:
    """Return what PostgreSQL's LIKE does; SQLite's own ignores case."""
    if text is None:
        return None
    return _like_pattern(pattern, flags).fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _like_pattern(pattern: str, flags: int) -> re.Pattern[str]:
    parts = []
    for piece in re.findall(r"\\.|.", pattern, re.DOTALL):
        if piece == "%":
            parts.append(".*")
        elif piece == "_":
            parts.append(".")
        else:
            parts.append(re.escape(piece[-1]))
    return re.compile("".join(parts), flags | re.DOTALL)


def _order_term(name: str, direction: Any) -> str:  # noqa: ANN401 - any JSON value
    if name not in SEARCHABLE:
        raise invalid(f"field '{name}' not found in type: 'CustomersOrderBy'")
    check_enum(_ORDER, direction)
    return f"{SEARCHABLE[name].column} {_ORDERS[direction]}"


def _expression(where: Any, condition: Condition) -> str:  # noqa: ANN401 - any JSON value
    if not isinstance(where, dict):
        raise invalid(
            "expected an object for type 'CustomersBoolExp',"
            f" but found {kind_of(where)}"
        )
    parts = []
    for name, value in where.items():
        with At(member(name)):
            if name in ("_and", "_or"):
                parts.append(_junction(name, value, condition))
            elif name == "_not":
                parts.append(f"NOT ({_expression(value, condition)})")
            elif name in condition.columns:
                parts.append(_comparison(condition.columns[name], value, condition))
            else:
                raise invalid(f"field '{name}' not found in type: 'CustomersBoolExp'")
    return _joined(parts, "AND") or TRUE


def _junction(name: str, value: Any, condition: Condition) -> str:  # noqa: ANN401 - any JSON value
    parts = []
    for position, part in enumerate(_as_list(value)):
        with At(f"[{position}]"):
            parts.append(_expression(part, condition))
    if name == "_and":
        return _joined(parts, "AND") or TRUE
    return _joined(parts, "OR") or "0"


def _joined(parts: list[str], word: str) -> str:
    """Join conditions as a balanced tree: SQLite limits the depth of expressions."""
    if len(parts) < 2:  # noqa: PLR2004 - one part needs no joining
        return "".join(parts)
    half = len(parts) // 2
    left, right = _joined(parts[:half], word), _joined(parts[half:], word)
    return f"({left} {word} {right})"


def _comparison(column: Column, value: Any, condition: Condition) -> str:  # noqa: ANN401 - any JSON value
    type_name = _EXPRESSION_NAMES[column.kind]
    if not isinstance(value, dict):
        raise invalid(
            f"expected an object for type '{type_name}', but found {kind_of(value)}"
        )
    parts = []
    for operator, operand in value.items():
        with At(member(operator)):
            parts.append(_operation(column, operator, operand, condition))
    return _joined(parts, "AND") or TRUE


def _operation(
    column: Column,
    operator: str,
    operand: Any,  # noqa: ANN401 - any JSON value
    condition: Condition,
) -> str:
    type_name = _EXPRESSION_NAMES[column.kind]
    scalar = column.kind not in ("text[]", "jsonb")
    if operator == "_isNull":
        if not isinstance(operand, bool):
            raise invalid(
                f"expected a boolean for type 'Boolean', but found {kind_of(operand)}"
            )
        return f"{column.column} IS {'' if operand else 'NOT '}NULL"
    if scalar and operator in _COMPARISONS:
        stored = _operand(column, operand)
        if operator == "_eq" and column.name == "sourceSystemId":
            condition.source_system_ids.append(stored)
        condition.parameters.append(stored)
        return f"{column.column} {_COMPARISONS[operator]} ?"
    if scalar and operator in _LISTS:
        stored_list = []
        for position, one in enumerate(_as_list(operand)):
            with At(f"[{position}]"):
                stored_list.append(_operand(column, one))
        if operator == "_in" and column.name == "sourceSystemId":
            condition.source_system_ids += stored_list
        # As one parameter: SQLite limits their number.
        condition.parameters.append(values.encode(stored_list))
        among = "(SELECT value FROM json_each(?))"
        return f"{column.column} {_LISTS[operator]} {among}"
    if column.kind == "text" and operator in _LIKES:
        condition.parameters.append(_operand(column, operand))
        return f"api_like({column.column}, ?, {_LIKES[operator]})"
    raise invalid(f"field '{operator}' not found in type: '{type_name}'")


def _operand(column: Column, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return values.to_stored(column, CHECKS[column.kind](value))


def _as_list(value: Any) -> list[Any]:  # noqa: ANN401 - any JSON value
    """Return a list; a list of one may be sent without its brackets."""
    return value if isinstance(value, list) else [value]
