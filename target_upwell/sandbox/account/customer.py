"""A customer as the API shows it, and as it is.

Turns a row of the database into the reply object, which hides half of what was
sent, or into the full state that only the sandbox itself shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_upwell.sandbox.account.schema import (
    ADDRESS_SHOWN,
    CUSTOMER_COLUMNS,
    KEPT_COLUMNS,
    RELATIONS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

Stored = tuple[Any, ...]
"""A row of the table `customers`: number, columns of the schema, times updated."""
Related = dict[int, dict[str, list[tuple[str, dict[str, Any]]]]]
"""Customer's number -> relation -> (id, row), in the order they were stored."""

_NAMES = (*KEPT_COLUMNS, *CUSTOMER_COLUMNS)
_JSON_NAMES = {name for name in _NAMES if name in {"ccEmailAddresses", "metadata"}}
_decoder = msgspec.json.Decoder(float_hook=lambda text: msgspec.Raw(text.encode()))


def decode(text: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
    """Read JSON, its fractions kept as they are written.

    Raises:
        ValueError: When it is not valid JSON in UTF-8.
    """
    return _decoder.decode(text)


def group(rows: Iterable[tuple[int, str, str, str]]) -> Related:
    """Gather related rows by customer and relation."""
    related: Related = {}
    for customer, relation, row_id, row in rows:
        of_customer = related.setdefault(customer, {})
        of_customer.setdefault(relation, []).append((row_id, decode(row)))
    return related


def _json(text: str | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text.encode())


def shown(stored: Stored, related: Related) -> dict[str, Any]:
    """Return the customer object of replies, to be encoded as JSON."""
    (
        number,
        customer_id,
        created_at,
        updated_at,
        balance,
        overdue_balance,
        overdue_invoice_count,
        _addresses_last_updated_at,
        bill_to_customer_id,
        cc_email_addresses,
        _collector_id,
        _contacts_last_updated_at,
        _deleted_at,
        email_address,
        metadata,
        name,
        source_system,
        source_system_id,
        _times_updated,
    ) = stored
    of_customer = related.get(number, {})
    rules = of_customer.get("customerRule")
    return {
        "addresses": [
            {key: row_id if key == "id" else row.get(key) for key in ADDRESS_SHOWN}
            for row_id, row in of_customer.get("addresses", ())
        ],
        "balance": balance,
        "billToCustomerId": bill_to_customer_id,
        "ccEmailAddresses": _json(cc_email_addresses),
        "createdAt": created_at,
        "customerRule": {"dueOption": rules[0][1].get("dueOption"), "id": rules[0][0]}
        if rules
        else None,
        "emailAddress": email_address,
        "id": customer_id,
        "metadata": _json(metadata),
        "name": name,
        "overdueBalance": overdue_balance,
        "overdueInvoiceCount": overdue_invoice_count,
        "sourceSystem": source_system,
        "sourceSystemId": source_system_id,
        "updatedAt": updated_at,
    }


def as_given(stored: Stored) -> dict[str, Any]:
    """Return the customer's columns by property name, to be encoded as JSON."""
    return {
        name: _json(value) if name in _JSON_NAMES else value
        for name, value in zip(_NAMES, stored[1:-1], strict=True)
    }


def full(stored: Stored, related: Related) -> dict[str, Any]:
    """Return all that is stored of a customer, to be encoded as JSON.

    A relation without rows is `[]`, or null where a customer has one at most. On
    top of the API's properties `timesUpdated` counts the updates.
    """
    of_customer = related.get(stored[0], {})
    state = {**as_given(stored), "timesUpdated": stored[-1]}
    for name, relation in RELATIONS.items():
        rows = [{"id": row_id, **row} for row_id, row in of_customer.get(name, ())]
        if relation.shape == "list" or len(rows) > 1:
            state[name] = rows
        else:
            state[name] = rows[0] if rows else None
    return state
