"""A made-up resource is loaded by the same delivery, API and reporting code."""

from __future__ import annotations

import json
import math
import threading

import pytest
from answering_server import DEFAULTS
from carriers import CARRIERS, CarrierAccount, CarrierLoader, CarrierSink
from replying_server import ReplyingServer

from target_upwell.api.client import Client
from target_upwell.api.rate_limiter import RateLimiter
from target_upwell.config import Settings
from target_upwell.delivery.batch import Batch, Row
from target_upwell.delivery.scheduler import Scheduler
from target_upwell.delivery.workers import Workers
from target_upwell.reporting import drift, rejects, sync_log
from target_upwell.reporting.drift import Drift
from target_upwell.reporting.files import AppendedFile
from target_upwell.reporting.rejects import Rejects
from target_upwell.reporting.report import Report
from target_upwell.reporting.sync_log import SyncLog
from target_upwell.upsert.guards import Guards
from target_upwell.upsert.inserts import Inserts
from target_upwell.upsert.lookups import Lookups
from target_upwell.upsert.refusals import Refusals
from target_upwell.upsert.updates import Updates

ROWS = 4


@pytest.fixture
def account():
    account = CarrierAccount()
    with ReplyingServer(account.answer) as server:
        account.url = server.url
        yield account


class CarrierRun:
    """The parts of a run of carriers; but for the loader and the sink, the target's."""

    def __init__(self, account, folder):
        given = {**DEFAULTS, "api_key": "k", "source_system": "N"}
        settings = Settings.of(given | {"api_url": account.url, "max_retries": 2})
        self.states = []
        stop = threading.Event()
        self.files = {
            name: AppendedFile(str(folder / name), f"{name}_path", beginnings)
            for name, beginnings in {
                "rejects": rejects.BEGINNINGS,
                "drift": drift.beginnings(CARRIERS),
                "sync_log": sync_log.BEGINNINGS,
            }.items()
        }
        self.drift = Drift(self.files["drift"], CARRIERS)
        self.report = Report(
            CARRIERS,
            self.drift,
            Rejects(-1, self.files["rejects"]),
            SyncLog(self.files["sync_log"], "digest", CARRIERS),
        )
        client = Client(settings, RateLimiter(2, stop), stop, self.report.request)
        lookups = Lookups(client, CARRIERS, ROWS)
        refusals = Refusals()
        self.writers = Workers(2, "request", stop)
        loader = CarrierLoader(
            lookups,
            Inserts(client, lookups, refusals, CARRIERS, settings.batch_size_bytes),
            Updates(client, lookups, refusals, CARRIERS),
            Guards(CARRIERS, 100, 100),
            self.writers,
        )
        self.scheduler = Scheduler(
            load=loader.load,
            recorder=self.report,
            write=self.states.append,
            signals=_NoSignals(),
            stop=stop,
            parallel=2,
        )

    def load(self, records):
        """Load records to their end, with one STATE after them."""
        sink = CarrierSink(self.scheduler, self.report, ROWS)
        for record in records:
            sink.process_record(record)
        sink.drain()
        self.scheduler.checkpoint(b'{"end": 1}')
        self.scheduler.finish()
        self.scheduler.close()
        self.writers.close()
        self.drift.report()
        for file in self.files.values():
            file.close()
        return self.report.totals()


class _NoSignals:
    remaining = math.inf

    def __bool__(self):
        return False

    def wake(self):
        """Nobody waits for input."""


def carriers(*numbers, fleet=1, scac="ABCD"):
    return [{"number": one, "scac": scac, "fleet": fleet} for one in numbers]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_second_resource_is_created_updated_and_left_alone(account, tmp_path):
    created = CarrierRun(account, tmp_path).load(carriers(*range(10)))
    assert created["created"] == 10
    assert account.carriers["N", "7"]["fleet"] == 1
    assert account.asked.count("POST /carriers-in-bulk") == 3
    run = CarrierRun(account, tmp_path)
    again = run.load(carriers(*range(9)) + carriers(9, fleet=2))
    assert (again["updated"], again["unchanged"]) == (1, 9)
    assert account.carriers["N", "9"]["fleet"] == 2
    assert run.states == [b'{"end": 1}']
    logged = lines(tmp_path / "sync_log")
    assert logged[-1].keys() >= {"network", "number", "id"}
    assert {"fleet": {"before": 1, "after": 2}} in [one["changes"] for one in logged]


def test_what_it_can_not_take_is_rejected_and_its_drift_is_listed(
    account, tmp_path, caplog
):
    CarrierRun(account, tmp_path).load(carriers(1))
    totals = CarrierRun(account, tmp_path).load(
        [
            *carriers(1, scac="WXYZ"),
            *carriers(2, fleet=-1),
            *carriers(3, scac=""),
            *carriers(4),
        ]
    )
    assert (totals["created"], totals["unchanged"], totals["rejected"]) == (1, 1, 2)
    rejected = [one for one in lines(tmp_path / "rejects") if one["type"] == "RECORD"]
    assert [one["record"]["number"] for one in rejected] == [2, 3]
    (drifted,) = lines(tmp_path / "drift")
    found = [drifted[name] for name in ("number", "property", "upwell", "source")]
    assert found == ["1", "scac", "ABCD", "WXYZ"]
    assert "customer" not in caplog.text


def test_rate_limits_and_ambiguous_outcomes_are_survived_alike(account, tmp_path):
    account.faults = {
        "/carriers/find": [(429, {})],
        "/carriers-in-bulk": [(502, {}), (413, {})],
    }
    totals = CarrierRun(account, tmp_path).load(carriers(*range(4)))
    assert totals["created"] == 4
    assert totals["retries"] > 0


def test_a_record_of_its_own_key_holds_nothing_of_another_resource():
    row = Row(None, {}, "", ("S", "1"), {}, b"{}", None)
    batches = [Batch(name, 1, 0.0) for name in ("carriers", "customers")]
    for batch in batches:
        batch.add(row)
    assert batches[0].keys.isdisjoint(batches[1].keys)
