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
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799
"""The years 1 to 9999."""
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
        raise Invalid(f"{shown(written)} is not an ISO 8601 date and time")
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
    if not amount.is_finite() or not _FIRST_SECOND <= amount <= _LAST_SECOND:
        hint = ""
        if amount.is_finite() and _LAST_SECOND < amount <= _LAST_SECOND * 1000:
            hint = "; divide milliseconds by 1000 in the stream map"
        raise Invalid(f"{shown(seconds)} is out of range for epoch seconds{hint}")
    whole, fraction = divmod(amount, 1)
    microseconds = int(fraction * 1_000_000)
    moment = _EPOCH + timedelta(seconds=int(whole), microseconds=microseconds)
    return moment.isoformat()
