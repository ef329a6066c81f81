"""The customer input: its properties and its JSON Schema, as data.

A second Upwell resource would be a second such file. How a record's values are
coerced into these properties is `mapping.py`'s business.
"""

from __future__ import annotations

import json
from enum import Enum
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import jsonschema_rs
import msgspec

from target_upwell.customers.values import kind_of, shown_name
from target_upwell.resource import Endpoint, RelatedRow, Resource, UpdateEndpoint

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(Enum):
    """What a property holds, and so how a record's value is coerced."""

    TEXT = "text"
    EMAIL = "e-mail address"
    EMAILS = "e-mail addresses"
    TIMESTAMP = "timestamp"
    JSON = "JSON"
    ADDRESSES = "addresses"
    OBJECTS = "list of objects"
    RULE = "rule"
    SETTINGS = "settings"


_TYPES_IN_WORDS = {
    "array": "a list",
    "integer": "a whole number",
    "object": "an object",
    "string": "text",
}
_MAX_REASON_CHARACTERS = 300
_IMPERSONAL = frozenset(
    {"additionalProperties", "maximum", "minItems", "minLength", "minimum", "required"}
)
"""Keywords whose findings quote names of properties, whole numbers, or nothing."""


class _Identity(TypedDict):
    id: Annotated[str, msgspec.Meta(min_length=1)]
    sourceSystem: str | None
    sourceSystemId: str | None


class Customer(_Identity, total=False):
    """A customer as Upwell shows it, with the properties that can be compared."""

    addresses: list[dict[str, Any]] | None
    billToCustomerId: str | None
    ccEmailAddresses: list[str | None] | None
    customerRule: dict[str, Any] | None
    emailAddress: str | None
    metadata: Any
    name: str | None


PROPERTIES: dict[str, Kind] = {
    "addresses": Kind.ADDRESSES,
    "addressesLastUpdatedAt": Kind.TIMESTAMP,
    "billToCustomerId": Kind.TEXT,
    "ccEmailAddresses": Kind.EMAILS,
    "collectorId": Kind.TEXT,
    "contacts": Kind.OBJECTS,
    "contactsLastUpdatedAt": Kind.TIMESTAMP,
    "customerEmailSettings": Kind.SETTINGS,
    "customerIntegrationSettings": Kind.SETTINGS,
    "customerRule": Kind.RULE,
    "deletedAt": Kind.TIMESTAMP,
    "emailAddress": Kind.EMAIL,
    "metadata": Kind.JSON,
    "name": Kind.TEXT,
    "paymentLineItems": Kind.OBJECTS,
    "remittanceLineItems": Kind.OBJECTS,
    "sourceSystem": Kind.TEXT,
    "sourceSystemId": Kind.TEXT,
}
"""Those of a customer input, as the API spells them."""

READABLE = PROPERTIES.keys() & Customer.__annotations__.keys()
"""Shown in replies, so that they can be compared."""

RELATIONS = frozenset(
    name
    for name, kind in PROPERTIES.items()
    if kind in {Kind.ADDRESSES, Kind.OBJECTS, Kind.RULE, Kind.SETTINGS}
)
"""What an update's `input` does not take; the others are columns."""

BILL_TO = "billToSourceSystemId"
"""The parent by its id in the source: this target's own, never sent."""

PARENT = "billToCustomerId"
"""The parent by its Upwell id."""

NAME = "name"
"""Needed to create a customer; it can't be cleared."""

RULE = "customerRule"
"""The relation whose columns an update can set."""

CUSTOMERS = Resource(
    name="customers",
    singular="customer",
    key=("sourceSystem", "sourceSystemId"),
    properties=frozenset(PROPERTIES),
    bulk=Endpoint("POST", "/bulk-customers", "createCustomers"),
    search=Endpoint("POST", "/customers/search", "customers"),
    update=UpdateEndpoint(
        Endpoint("PUT", "/customers", "updateCustomer"),
        input="input",
        columns=tuple(name for name in PROPERTIES if name not in RELATIONS),
        free_columns=frozenset({"metadata"}),
        related=RelatedRow(
            property=RULE,
            input="customerRulesInput",
            reply="updateCustomerRules",
            columns=("dueOption",),
        ),
    ),
    deleted="deletedAt",
    caseless=frozenset(
        name for name, kind in PROPERTIES.items() if kind in {Kind.EMAIL, Kind.EMAILS}
    ),
    record=Customer,
    hints={
        "country: '...' is not a country": (
            "translate it in the stream map, with its two-letter code for XX: "
            "'XX' if country == {value} else country"
        )
    },
)
"""SEEN in Upwell's reference; the shapes of the replies too."""

SCHEMA: dict[str, Any] = json.loads(
    resources.files(__package__).joinpath("customer.schema.json").read_text("utf-8")
)

_ADDRESSES = SCHEMA["properties"]["addresses"]["properties"]["data"]
ADDRESS_MEMBERS = tuple(sorted(_ADDRESSES["items"]["properties"]))


def as_new(customer_input: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a bulk insert sends: no nulls, and no parent by its source id.

    A rule's nulls clear columns of an existing customer and are left out here too.
    """
    new = {
        name: value
        for name, value in customer_input.items()
        if value is not None and name != BILL_TO
    }
    rule = new.get(RULE)
    if rule and None in rule["data"].values():
        said = {n: value for n, value in rule["data"].items() if value is not None}
        new.pop(RULE)
        if said:
            new[RULE] = {"data": said}
    return new


_VALIDATOR = jsonschema_rs.validator_for(SCHEMA)


def check(customer_input: Mapping[str, Any]) -> str | None:
    """Return why a customer input doesn't match `SCHEMA`, or None if it does.

    The reason names the path and holds no value but whole numbers.
    """
    return None if _VALIDATOR.is_valid(customer_input) else _reason(customer_input)


def _reason(customer_input: Mapping[str, Any]) -> str | None:
    # The authority, which words the finding; a hundred times slower.
    import jsonschema  # noqa: PLC0415

    errors = jsonschema.Draft7Validator(SCHEMA).iter_errors(customer_input)
    error = jsonschema.exceptions.best_match(errors)
    if error is None:
        return None
    path = "".join(
        f"[{step}]" if isinstance(step, int) else f".{shown_name(step)}"
        for position, step in enumerate(error.absolute_path)
        if not (position == 1 and step == "data")
    )
    worded = _worded(error)
    return (f"{path[1:]}: {worded}" if path else worded)[:_MAX_REASON_CHARACTERS]


def _worded(error: Any) -> str:  # noqa: ANN401 - what jsonschema found
    """Word a finding without the value: it may be personal, or a whole record."""
    if error.validator in _IMPERSONAL:
        return str(error.message)
    found, due = kind_of(error.instance), error.validator_value
    if error.validator == "type":
        (kind,) = {due} if isinstance(due, str) else {*due} - {"null"}
        return f"must be {_TYPES_IN_WORDS[kind]}, not {found}"
    return f"{found} that does not fit {error.validator} {due!r}"
