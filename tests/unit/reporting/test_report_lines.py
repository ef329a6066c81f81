"""The report: counts that add up, progress lines, and the SDK's metrics."""

from __future__ import annotations

import json
import logging
import threading

import pytest

from target_upwell.api.rate_limiter import RateLimiter
from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.batch import Row, Source
from target_upwell.delivery.outcomes import Counted, Outcome, Outcomes, Reject
from target_upwell.reporting.drift import Drift
from target_upwell.reporting.rejects import Rejects
from target_upwell.reporting.report import Report
from target_upwell.reporting.sync_log import SyncLog

ROW = Row(Source("customers", {}), {}, "customers 1", None, None, b"", "why")


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def report(clock):
    drift, rejects = Drift(None, CUSTOMERS), Rejects(-1, None)
    return Report(CUSTOMERS, drift, rejects, SyncLog(None, "", CUSTOMERS), clock)


@pytest.fixture
def limiter(clock):
    return RateLimiter(1, threading.Event(), clock)


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [r.getMessage() for r in caplog.records if r.name == "target-upwell"]


@pytest.fixture
def points(caplog):
    """Returns the metrics logged at a level and not yet returned."""

    def at(level):
        found = [
            json.loads(r.getMessage().removeprefix("METRIC: "))
            for r in caplog.records
            if r.getMessage().startswith("METRIC: ") and r.levelno == level
        ]
        caplog.clear()
        return found

    return at


def loaded(outcome, number, records=1):
    counted = [Counted(("T", str(n)), outcome, records) for n in range(number)]
    return Outcomes(counted=counted)


def test_a_progress_line_comes_every_ten_seconds(report, clock, limiter, said):
    report.records_read = 120
    report.record(loaded(Outcome.CREATED, 60))
    report.record(loaded(Outcome.UNCHANGED, 20, records=2))
    report.reject([Reject.invalid(ROW, "why")])

    with limiter.slot():
        for _ in range(40):
            clock.seconds += 0.5
            report.tick(limiter)

    assert said() == [
        f"120 records read, 100 loaded, 1 rejected, 1 request under way, {rate} "
        "records a second"
        for rate in (10, 5)
    ]


def test_while_everything_waits_for_the_server_the_progress_line_says_so(
    report, clock, limiter, said
):
    clock.seconds += 10
    for _ in range(2):
        with limiter.slot() as token:
            limiter.refused(token, 12)

    report.tick(limiter)

    assert said()[0].endswith("; waiting 12 s: Upwell asked for it")


def test_the_summary_counts_records_and_beside_them_customers(report, clock, said):
    report.records_read = 30
    report.record(loaded(Outcome.CREATED, 10))
    report.record(loaded(Outcome.UPDATED, 2, records=5))
    report.record(loaded(Outcome.UNCHANGED, 10))
    report.record(Outcomes(links=1))
    report.request("PUT /customers", 503, 0.1, again=False)
    report.request("PUT /customers", 200, 0.1, again=True)
    clock.seconds += 4

    report.summary("; a note")

    assert said() == [
        (
            "30 records: 10 created, 10 updated, 10 unchanged, 0 skipped, 0 rejected; "
            "10 customers created, 2 updated; 1 link set later; 2 requests, 1 retry, "
            "4.0 seconds, 8 records a second; a note"
        )
    ]


def test_what_the_map_filtered_out_and_what_is_not_dealt_with_add_up_to_what_was_read(
    report, said
):
    report.records_read = 10
    report.records_filtered = 3
    report.record(loaded(Outcome.CREATED, 1))
    report.reject(
        [Reject.invalid(ROW, "why")] * 2 + [Reject(ROW, "refused", "why", 400, "code")]
    )

    report.summary()

    assert said()[0].startswith(
        "10 records: 1 created, 0 updated, 0 unchanged, 0 skipped, 3 rejected "
        "(2 invalid, 1 refused); 1 customer created, 0 updated; 3 records were "
        "filtered out by the stream map; 3 not dealt with; 0 requests, 0 retries"
    )


def test_one_record_is_called_one_record(report, clock, said):
    report.records_read = 1
    report.request("GET /", 200, 0.1, again=False)
    clock.seconds += 1

    report.summary()

    assert said()[0].startswith("1 record: ")
    assert "; 1 request, 0 retries" in said()[0]


def test_single_requests_are_timed_at_debug_and_all_of_them_at_info(
    report, clock, limiter, caplog, points
):
    # Whatever level an earlier run in this process has left it at.
    caplog.set_level(logging.DEBUG, "singer_sdk.metrics")
    for seconds in (0.1, 0.2, 0.6):
        report.request("PUT /customers", 200, seconds, again=False)
    assert [p["value"] for p in points(logging.DEBUG)] == [0.1, 0.2, 0.6]
    clock.seconds += 10

    report.tick(limiter)

    (timer,) = points(logging.INFO)
    assert (timer["type"], timer["metric"]) == ("timer", "http_request_duration")
    assert timer["value"] == pytest.approx(0.3)
    assert timer["tags"].items() >= {"requests": 3, "longest": 0.6}.items()
    clock.seconds += 10
    report.tick(limiter)
    assert points(logging.INFO) == []


def test_a_thousand_requests_log_as_much_as_one(report, caplog, points):
    caplog.set_level(logging.INFO)
    for _ in range(1000):
        report.request("PUT /customers", 200, 0.1, again=False)

    report.summary()

    assert [p["metric"] for p in points(logging.INFO)] == [
        "http_request_duration",
        "http_request_count",
    ]


def test_the_totals_are_those_of_the_summary(report, clock):
    report.record(loaded(Outcome.SKIPPED, 2))
    report.request("PUT /customers", 200, 0.1, again=True)
    clock.seconds += 2.5

    assert report.totals() == {
        "created": 0,
        "updated": 0,
        "unchanged": 0,
        "skipped": 2,
        "rejected": 0,
        "requests": 1,
        "retries": 1,
        "seconds": 2.5,
    }
