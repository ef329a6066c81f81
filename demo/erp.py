"""A freight broker's ERP: one table of customers, made up from a seed.

Knows nothing of Upwell, nor of PostgreSQL beyond its `COPY`. The same seed gives the
same rows everywhere. Companies and people are inventions, and every mail domain ends
in `.example`, which belongs to nobody.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")

SCHEMA = Path(__file__).with_name("schema.sql").read_text("utf-8")

_FIRST_NUMBER = 100_001
_FIRST_CHANGE = datetime(2025, 1, 6, 8, tzinfo=timezone.utc)
_BETWEEN_CHANGES = timedelta(seconds=97)
_FAMILY = 8  # a headquarters, four customers on their own, three branches
_BRANCHES = 3

# fmt: off
_FRONTS = (
    "Ålund", "Brightwater", "Côte d'Argent", "Dűnehill", "Ébano", "Fjordgate",
    "Graumühle", "Harrowfield", "Ívarstead", "Jasperline", "Kestrel Bay", "Łąkowa",
    "Mañana Verde", "Northgrain", "Ørsholm", "Piñon Ridge", "Quillfeather",
    "Río Claro", "São Bento", "Tallgrass", "Überlauf", "Verglas", "Whitlock",
    "Yucca Flats", "Žitava", "東山",
)
_GOODS = (
    "Beverage", "Bottling", "Ceramics", "Citrus", "Cold Storage", "Dairy", "Fastener",
    "Flooring", "Foods", "Furniture", "Glass", "Grain", "Lumber", "Orchards",
    "Packaging", "Paper", "Pet Food", "Pipe & Valve", "Poultry", "Produce", "Steel",
    "Textile", 'Tool "Works"', "Tractor Parts",
)
_ENDS = (
    "& Sons", "Co.", "Corp.", "GmbH", "Inc.", "LLC", "Ltd.", "Ltée", "S.A. de C.V.",
)
_STREETS = (
    "Ash Hollow Rd", "Av. Revolución", "Chemin du Moulin", "Depot St", "Foundry Ln",
    "Industrial Pkwy", "Old Mill Rd", "Railhead Dr", "Rue Saint-Éloi", "Terminal Ave",
)
_REPS = ("A. Núñez", "B. Okafor", "C. Lindqvist", "D. Walsh", "E. Björk")
_MAILBOXES = ("accounting", "ap", "billing", "finance", "invoices")
_SEPARATORS = (";", "; ", ", ")
_TERMS = (("DUE", 0), ("N15", 15), ("N30", 30), ("N45", 45), ("N60", 60), (None, None))
_PLACES = (
    # A country as people type it, the shape of its postal codes, states, cities.
    (("US", "USA", "United States"), "#####",
     ("CO", "GA", "IL", "OH", "TX"), ("Cedar Point", "Dry Fork", "Millbrook")),
    (("CA", "CAN", "Canada"), "K#B #T#",
     ("ON",), ("Maple Crossing", "Trois-Épis")),
    (("MX", "MEX", "Mexico"), "#####",
     ("JAL", "NLE"), ("Peña Alta", "San Julián del Río")),
)
# fmt: on


@dataclass(frozen=True)
class Customer:
    """A row of `erp.customers`, in the order of its columns."""

    customer_no: int
    legal_name: str
    trading_name: str | None
    email: str | None
    street_1: str | None
    street_2: str | None
    city: str | None
    state: str | None
    postal_code: str | None
    country: str | None
    terms: str | None
    terms_days: int | None
    credit_limit: str | None
    sales_rep: str | None
    bill_to: int | None
    updated_at: datetime


def customers(count: int, *, start: int = 0, seed: int = 7) -> Iterator[Customer]:
    """Make up customers.

    Args:
        count: How many.
        start: How many came before; numbers and times go on from there.
        seed: Other seeds give other customers.

    Yields:
        Customers by rising number. No two were changed at the same time. A branch
        bills to a headquarters of a lower number.
    """
    for index in range(start, start + count):
        yield _customer(index, seed)


def copy(rows: Iterable[Customer]) -> str:
    """Write the statement that loads rows into `erp.customers`, rows included."""
    columns = ", ".join(field.name for field in fields(Customer))
    text = io.StringIO()
    text.write(f"COPY erp.customers ({columns}) FROM STDIN (FORMAT csv);\n")
    csv.writer(text, lineterminator="\n").writerows(map(astuple, rows))
    text.write("\\.\n")
    return text.getvalue()


def _customer(index: int, seed: int) -> Customer:
    dice = Random(f"{seed}/{index}")  # noqa: S311 - made-up rows, no secret
    headquarters = index - index % _FAMILY
    is_branch = index % _FAMILY >= _FAMILY - _BRANCHES
    countries, postal_code, states, cities = dice.choice(_PLACES)
    city = dice.choice(cities)
    company = _company(headquarters if is_branch else index, seed)
    terms, terms_days = dice.choice(_TERMS)
    street = f"{dice.randrange(1, 9900)} {dice.choice(_STREETS)}"
    located = dice.random() < 0.95  # noqa: PLR2004 - a share
    return Customer(
        customer_no=_FIRST_NUMBER + index,
        legal_name=f"{company}, {city}" if is_branch else company,
        trading_name=_perhaps(0.1, " ".join(company.split(" ")[:2]), dice),
        email=_emails(company, dice),
        street_1=street if located else None,
        street_2=_perhaps(0.3 * located, f"Dock {dice.randrange(1, 40)}", dice),
        city=city if located else None,
        state=dice.choice(states) if located else None,
        postal_code=_digits(postal_code, dice) if located else None,
        country=dice.choice(countries) if located else None,
        terms=terms,
        terms_days=terms_days,
        credit_limit=_perhaps(0.8, f"{dice.randrange(1, 400) * 250}.00", dice),
        sales_rep=_perhaps(0.9, dice.choice(_REPS), dice),
        bill_to=_FIRST_NUMBER + headquarters if is_branch else None,
        updated_at=_FIRST_CHANGE + index * _BETWEEN_CHANGES,
    )


def _company(index: int, seed: int) -> str:
    dice = Random(f"{seed}/{index}/name")  # noqa: S311 - made-up rows, no secret
    return " ".join(map(dice.choice, (_FRONTS, _GOODS, _ENDS)))


def _emails(company: str, dice: Random) -> str | None:
    """Up to three addresses in one column, as ERPs hold them."""
    plain = unicodedata.normalize("NFKD", company).encode("ascii", "ignore").decode()
    domain = re.sub(r"[^a-z]+", "-", plain.lower()).strip("-") + ".example"
    boxes = dice.sample(_MAILBOXES, dice.choice((0, 1, 1, 1, 2, 3)))
    return dice.choice(_SEPARATORS).join(f"{box}@{domain}" for box in boxes) or None


def _digits(shape: str, dice: Random) -> str:
    """Put a digit in every place marked with a hash."""
    return re.sub("#", lambda _: str(dice.randrange(10)), shape)


def _perhaps(share: float, value: T, dice: Random) -> T | None:
    """Leave a value out of all but a share of the rows."""
    return value if dice.random() < share else None
