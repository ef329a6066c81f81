"""The tables of customer properties for the page on mapping.

The properties come from the package's JSON Schema, and the examples of coercion from
the mapping at work.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from markdown_table import table

from target_upwell.customers.mapping import CustomerMapping
from target_upwell.customers.schema import BILL_TO, PROPERTIES, RELATIONS, SCHEMA, Kind
from target_upwell.exceptions import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COERCIONS = {
    Kind.TEXT: "Surrounding white space is cut, blank text is a null, a number becomes "
    "text without an exponent or a trailing `.0`.",
    Kind.EMAIL: "Text with one `@` between two parts without white space, comma, "
    "semicolon, angle bracket or invisible character.",
    Kind.EMAILS: "A list, or text split at commas and semicolons; blanks are dropped.",
    Kind.TIMESTAMP: "ISO 8601 text, `20261101` among it, or epoch seconds as a number; "
    "sent with an offset, no zone means UTC. A number below 100,000,000, in 1973, is "
    "rejected: it is a date without separators, or a 0 for never.",
    Kind.JSON: "Any JSON value; it is not checked.",
    Kind.ADDRESSES: 'A list of objects, one object, `{"data": ...}`, or any of them '
    "as JSON text. Nulls inside are dropped.",
    Kind.OBJECTS: "The same forms as addresses; the members are sent as they are.",
    Kind.RULE: 'An object, `{"data": {...}}`, or JSON text; `dueOption` is a whole '
    "number, nulls stay to clear columns.",
    Kind.SETTINGS: 'An object, `{"data": {...}}`, or JSON text.',
}

NO_EXAMPLE = {
    Kind.TEXT: "an id that Upwell gave",
    Kind.OBJECTS: "not documented by Upwell",
    Kind.SETTINGS: "not documented by Upwell",
}
"""What stands for an example where Upwell doesn't say what the members are."""

WORKED: dict[str, tuple[Any, ...]] = {
    "sourceSystemId": (10042, Decimal("10042.0"), " C-7 "),
    "name": ("  Acme Freight ", ""),
    "emailAddress": ("ap@acme.example", "ap(at)acme.example"),
    "ccEmailAddresses": ("a@acme.example; b@acme.example,", ["a@acme.example", ""]),
    "addressesLastUpdatedAt": ("2026-02-01 09:30", 1769938200, "last week"),
    "addresses": (
        {"City": "Toronto", "Country": "CAN", "streetLine2": None},
        '[{"zip_or_postal_code": "02134", "country": "United States"}]',
        [{"country": "Freedonia"}],
        [],
    ),
    "customerRule": ({"due_option": "30"}, {"dueOption": 30.5}),
    "contacts": ([{"email": "cfo@acme.example", "phone": None}],),
    "metadata": ({"creditLimit": Decimal("25000.50")},),
}
"""Values as records hold them, for the table of examples."""


def property_tables() -> dict[str, str]:
    """Return the tables by the names of their places in the page."""
    return {
        "properties": table(
            ("Property", "What it is", "Kind", "Changed later", "Example"),
            _property_rows(),
        ),
        "address": table(("Member", "What it is", "Example"), _address_rows()),
        "kinds": table(
            ("Kind", "What a record may hold"),
            ((kind.value, words) for kind, words in COERCIONS.items()),
        ),
        "examples": table(
            ("Property", "In the record", "In the customer input"), _worked_rows()
        ),
    }


def _property_rows() -> Iterator[tuple[str, ...]]:
    for name, definition in SCHEMA["properties"].items():
        kind = PROPERTIES.get(name, Kind.TEXT)
        if name in {"sourceSystem", "sourceSystemId"}:
            changed = "no: it identifies the customer"
        elif name == BILL_TO:
            changed = "yes, as `billToCustomerId`"
        elif kind is Kind.RULE:
            changed = "yes"
        elif name in RELATIONS:
            changed = "no"
        else:
            changed = "yes"
        told = definition.get("description", definition["title"])
        example = _code_list(definition.get("examples", ())) or NO_EXAMPLE[kind]
        yield f"`{name}`", told, kind.value, changed, example


def _address_rows() -> Iterator[tuple[str, ...]]:
    item = SCHEMA["properties"]["addresses"]["properties"]["data"]["items"]
    for name, definition in item["properties"].items():
        told = definition.get("description", f"{definition['title']}.")
        yield f"`{name}`", told, _code_list(definition.get("examples", ()))


def _worked_rows() -> Iterator[tuple[str, ...]]:
    for name, examples in WORKED.items():
        mapping = CustomerMapping(
            stream="customers",
            properties=["id", name],
            key_properties=["id"],
            source_system="TMSEZ",
            unmapped="ignore",
            needs_name=False,
        )
        for value in examples:
            try:
                became = mapping({"id": "1", name: value})
            except Invalid as invalid:
                result = f"rejected: {invalid}"
            else:
                left_out = name not in became
                result = "left out" if left_out else _code(became[name])
            yield f"`{name}`", _code(value), result


def _code(value: object) -> str:
    written = json.dumps(value, ensure_ascii=False, default=_number)
    return f"`{written}`"


def _code_list(values: Iterable[object]) -> str:
    return ", ".join(_code(value) for value in values)


def _number(value: object) -> int | float:
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} is no example")
    return float(value)
