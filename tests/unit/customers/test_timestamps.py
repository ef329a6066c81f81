from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from target_upwell.customers.timestamps import timestamp
from target_upwell.exceptions import Invalid


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2024-11-16T00:59:33.492433+00:00", "2024-11-16T00:59:33.492433+00:00"),
        ("2024-11-16T00:59:33Z", "2024-11-16T00:59:33+00:00"),
        ("2024-11-16t00:59:33z", "2024-11-16T00:59:33+00:00"),
        ("2024-11-16T00:59:33", "2024-11-16T00:59:33+00:00"),
        ("2024-11-16 00:59:33", "2024-11-16T00:59:33+00:00"),
        ("2024-11-16 00:59:33.000 +0200", "2024-11-16T00:59:33.000+02:00"),
        ("2024-11-16 00:59:33 UTC", "2024-11-16T00:59:33+00:00"),
        ("2024-11-16T00:59:33+02", "2024-11-16T00:59:33+02:00"),
        ("2024-11-16T00:59:33-05:30", "2024-11-16T00:59:33-05:30"),
        ("2024-11-16T00:59:33-00:00", "2024-11-16T00:59:33+00:00"),
        ("2024-11-16T00:59:33,5Z", "2024-11-16T00:59:33.5+00:00"),
        ("2024-11-16T00:59:33.123456789Z", "2024-11-16T00:59:33.123456789+00:00"),
        ("2024-11-16T00:59", "2024-11-16T00:59:00+00:00"),
        ("20241116T005933Z", "2024-11-16T00:59:33+00:00"),
        ("2024-11-16", "2024-11-16T00:00:00+00:00"),
        (" 2024-02-29 ", "2024-02-29T00:00:00+00:00"),
        (100_000_000, "1973-03-03T09:46:40+00:00"),
        (1731718773, "2024-11-16T00:59:33+00:00"),
        (1731718773.1, "2024-11-16T00:59:33.100000+00:00"),
        (Decimal("1731718773.492433"), "2024-11-16T00:59:33.492433+00:00"),
        (253402300799, "9999-12-31T23:59:59+00:00"),
        (date(2024, 11, 16), "2024-11-16T00:00:00+00:00"),
        (datetime(2024, 11, 16, 0, 59, 33), "2024-11-16T00:59:33+00:00"),  # noqa: DTZ001 - a naive one is the point
        (
            datetime(2024, 11, 16, tzinfo=timezone(timedelta(hours=-6))),
            "2024-11-16T00:00:00-06:00",
        ),
        (None, None),
        ("  ", None),
    ],
)
def test_becomes_rfc_3339_with_its_own_zone(given, expected):
    assert timestamp(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "yesterday",
        "16/11/2024",
        "2024-11",
        "2024-1116",
        "2024-13-01",
        "2023-02-29",
        "0000-01-01",
        "2024-11-16T24:00:00Z",
        "2024-11-16T00:60:00Z",
        "2024-11-16T00:00:60Z",
        "2024-11-16T00:5933Z",
        "2024-11-16T00:59:33+16:00",
        "2024-11-16T00:59:33+02:60",
        "2024-11-16T00:59:33+05:53:28",
        "2024-11-16T00:59:33 CET",
        "2024-11-16T",
        "\uff12\uff10\uff12\uff14-11-16",
        "1731718773",
        "2024-11-16\x00",
        253402300800,
        -62135596801,
        Decimal("1E-1000000"),
        float("nan"),
        float("inf"),
        Decimal("sNaN"),
        Decimal("1E+1000000"),
        pytest.param(10**5000, id="huge"),
        True,
        [],
        {},
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(seconds=1))),
    ],
)
def test_what_is_no_point_in_time_is_refused(given):
    with pytest.raises(Invalid):
        timestamp(given)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (1731718773000, "out of range .* divide milliseconds by a thousand"),
        (1731718773000000, "out of range .* divide microseconds by a million"),
        (20241116005933, "out of range .* write a date as text"),
        ("1731718773", "make epoch seconds a number: float"),
    ],
)
def test_a_number_of_another_form_gets_a_hint(given, hint):
    with pytest.raises(Invalid, match=hint):
        timestamp(given)


@pytest.mark.parametrize(
    "given", [0, -1, 45612, 20241116, Decimal(20241116), 99_999_999]
)
def test_a_date_without_separators_or_a_zero_for_never_is_no_point_in_time(given):
    with pytest.raises(Invalid, match=r"too small .* as text, and null for none"):
        timestamp(given)
