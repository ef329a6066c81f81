"""The input of the benchmark: realistic customers, made by seed.

The stream map is that of the demo; its flat part is what a plain target can load.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import IO, Any

STREAM = "erp-customers"

_FIRST = [
    "Nordström",
    "Łódź",
    "Cascade",
    "Prairie",
    "Iron Bay",
    "São Luís",
    "Blue Mesa",
]
_SECOND = ["Freight", "Foods", "Steel", "Lumber", "Produce", "Plastics", "Brewing"]
_LAST = ["LLC", "Inc.", "GmbH", "& Sons", "Co-op", "Ltd"]
_CITIES = [("Tacoma", "WA"), ("Fargo", "ND"), ("Zürich", None), ("Mobile", "AL")]
_COUNTRIES = ["US", "USA", "United States", "CA", "MX"]

_TEXT = {"type": ["string", "null"]}
SCHEMA: dict[str, Any] = {
    "type": "SCHEMA",
    "stream": STREAM,
    "key_properties": ["customer_no"],
    "schema": {
        "type": "object",
        "properties": {
            "customer_no": {"type": "integer"},
            "name": _TEXT,
            "email": _TEXT,
            "street_1": _TEXT,
            "street_2": _TEXT,
            "city": _TEXT,
            "state": _TEXT,
            "postal_code": _TEXT,
            "country": _TEXT,
            "terms_days": {"type": ["integer", "null"]},
            "credit_limit": {"type": ["number", "null"]},
            "updated_at": {"type": ["string", "null"], "format": "date-time"},
        },
    },
}

_KEY = {"__alias__": "customers", "__key_properties__": ["sourceSystemId"]}

FLAT_MAP = {
    STREAM: {
        **_KEY,
        "__else__": None,
        "sourceSystemId": "str(customer_no)",
        "name": "name",
        "emailAddress": "email.partition(';')[0] if email else None",
    }
}

FULL_MAP = {
    STREAM: {
        **FLAT_MAP[STREAM],
        "ccEmailAddresses": "email.partition(';')[2] if email else None",
        "addresses": (
            "[{'streetLine1': street_1, 'streetLine2': street_2, 'city': city, "
            "'stateOrProvince': state, 'zipOrPostalCode': postal_code, "
            "'country': country}]"
        ),
        "customerRule": "{'dueOption': terms_days}",
        "metadata": "{'creditLimit': credit_limit, 'updatedAt': updated_at}",
    }
}

PLAIN_FULL_MAP = {
    STREAM: {
        **FULL_MAP[STREAM],
        # What this target does by itself, written out for one that does not.
        "ccEmailAddresses": "email.partition(';')[2].split(';') if email else []",
        "addresses": (
            "{'data': [{'streetLine1': street_1, 'streetLine2': street_2, "
            "'city': city, 'stateOrProvince': state, 'zipOrPostalCode': postal_code, "
            "'country': 'US' if country == 'USA' or country == 'United States' "
            "else country}]}"
        ),
        "customerRule": "{'data': {'dueOption': terms_days}}",
    }
}


def record(number: int, seed: int, *, changed: bool = False) -> dict[str, Any]:
    """Make one customer; the same number and seed give the same one."""
    dice = random.Random(f"{seed}-{number}")  # noqa: S311 - data, not secrets
    city, state = dice.choice(_CITIES)
    name = f"{dice.choice(_FIRST)} {dice.choice(_SECOND)} {dice.choice(_LAST)} {number}"
    email = f"ap{number}@example.com"
    if dice.random() < 0.3:  # noqa: PLR2004 - a share of the customers
        email += f"; billing{number}@example.com"
    return {
        "customer_no": number,
        "name": f"{name} (renamed)" if changed else name,
        "email": email if dice.random() < 0.9 else None,  # noqa: PLR2004 - likewise
        "street_1": f"{dice.randint(1, 9999)} Dock Road",
        "street_2": None,
        "city": city,
        "state": state,
        "postal_code": f"{dice.randint(1000, 99999):05}",
        "country": dice.choice(_COUNTRIES),
        "terms_days": dice.choice([15, 30, 45, None]),
        "credit_limit": dice.randint(1, 500) * 1000.5,
        "updated_at": f"2026-01-{dice.randint(1, 28):02}T00:00:00+00:00",
    }


def write(file: IO[str], number: int, *, seed: int = 1, changed: float = 0.0) -> None:
    """Write the messages of a tap: SCHEMA, records, and STATE after each thousand.

    Args:
        file: Where to.
        number: How many customers.
        seed: What they are made of.
        changed: The share of them that differs from what another call wrote.
    """
    step = round(1 / changed) if changed else 0
    file.write(json.dumps(SCHEMA) + "\n")
    for n in range(1, number + 1):
        made = record(n, seed, changed=bool(step) and n % step == 0)
        message = {"type": "RECORD", "stream": STREAM, "record": made}
        file.write(json.dumps(message) + "\n")
        if n % 1000 == 0 or n == number:
            file.write(json.dumps({"type": "STATE", "value": {"no": n}}) + "\n")


def write_file(path: Path, number: int, *, changed: float = 0.0) -> Path:
    """Write the messages of a tap to a file, unless it is there."""
    if not path.exists():
        with path.open("w") as file:
            write(file, number, changed=changed)
    return path
