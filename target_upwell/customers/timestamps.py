"""Points in time, from ISO 8601 text or epoch seconds to RFC 3339 text.

Pure, and the same on every Python: what `datetime.fromisoformat` reads differs
between releases, so one pattern says what is read.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from target_upwell.customers.values import shown
from target_upwell.exceptions import Invalid

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST_SECOND = 100_000_000
"""In 1973. A smaller number is a date such as 20261101, a day in a spreadsheet, or a 0
that stands for never, and would mark living customers as deleted."""
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999."""
_LAST_PLAUSIBLE = 4_102_444_800
"""The year 2100."""
_FINER = ((1000, "milliseconds by a thousand"), (10**6, "microseconds by a million"))
"""In words: figures are left out where reasons are counted by kind."""
_SHORTEST_MONTH = "28"

_ISO_8601 = re.compile(
    r"(?!0000)([0-9]{4})(-?)(0[1-9]|1[0-2])\2(0[1-9]|[12][0-9]|3[01])"
    r"(?:(?:[Tt]|[ ]+)([01][0-9]|2[0-3])(:?)([0-5][0-9])"
    r"(?:\6([0-5][0-9])(?:[.,]([0-9]{1,9}))?)?"
    r"[ ]?(?:[Zz]|UTC|GMT|([+-])(0[0-9]|1[0-5])(?::?([0-5][0-9]))?)?)?"
)
"""Offsets of 16 hours and more are no place's, and PostgreSQL refuses them."""


def timestamp(value: object) -> str | None:
    """Return RFC 3339 text with an offset; what names no zone is UTC.

    The zone is kept, not converted, and so are the digits of a fraction.
    Epoch seconds begin in 1973.

    Raises:
        Invalid: Neither ISO 8601 nor epoch seconds, or no such point in time.
    """
    if value is None:
        return None
    if isinstance(value, str):
        written = value.strip()
        return _from_iso(written) if written else None
    if isinstance(value, date):
        return _from_iso(value.isoformat())
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return _from_epoch(value)
    raise Invalid(f"{shown(value)} is neither ISO 8601 nor epoch seconds")


def _from_iso(written: str) -> str:
    found = _ISO_8601.fullmatch(written)
    if not found:
        hint = "; make epoch seconds a number: float(...)" if written.isdigit() else ""
        raise Invalid(f"{shown(written)} is not an ISO 8601 date and time{hint}")
    year, _, month, day, hour, _, minute, second, fraction, *offset = found.groups("00")
    if day > _SHORTEST_MONTH:
        try:
            date(int(year), int(month), int(day))
        except ValueError:
            raise Invalid(f"{shown(written)} is no day of the calendar") from None
    sign, hours, minutes = offset
    if hours == minutes == "00":
        sign = "+"
    # A date by itself has none of the groups of a time.
    fraction = "" if found[9] is None else "." + fraction
    return (
        f"{year}-{month}-{day}T{hour}:{minute}:{second}{fraction}"
        f"{sign}{hours}:{minutes}"
    )


def _from_epoch(seconds: float | Decimal) -> str:
    amount = Decimal(repr(seconds)) if isinstance(seconds, float) else Decimal(seconds)
    # Compared, and not computed with: a decimal's exponent can be astronomical.
    if not amount.is_finite():
        raise Invalid(f"{shown(seconds)} is not a point in time")
    if amount > _LAST_SECOND:
        hint = "write a date as text"
        for factor, division in _FINER:
            if _FIRST_SECOND * factor < amount < _LAST_PLAUSIBLE * factor:
                hint = f"divide {division} in the stream map"
        raise Invalid(f"{shown(seconds)} is out of range for epoch seconds; {hint}")
    if amount < _FIRST_SECOND:
        raise Invalid(
            f"{shown(seconds)} is too small for epoch seconds; write a date as text, "
            "and null for none"
        )
    whole, fraction = divmod(amount, 1)
    microseconds = int(fraction * 1_000_000)
    moment = _EPOCH + timedelta(seconds=int(whole), microseconds=microseconds)
    return moment.isoformat()
