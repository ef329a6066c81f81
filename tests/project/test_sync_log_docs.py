"""The SQL of docs/sync-log.md does what it says, on a sync log as runs write it."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest
from target_command import record, run_target, schema

from demo.postgres import postgres
from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.outcomes import Counted, Outcome
from target_upwell.reporting.files import AppendedFile
from target_upwell.reporting.sync_log import BEGINNINGS, SyncLog

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sync-log.md"
RUN = "2b81f0c4"
ORDERS = """
CREATE TABLE orders (number text, customer_number text);
INSERT INTO orders VALUES ('o1', '10043'), ('o2', '10042'), ('o3', '10042');
"""
IDS = [("o1", "cus_02"), ("o2", "cus_01"), ("o3", "cus_01")]
OLD, NEW, LAST = "ap@acme.example", 'billing"1"@acme.example', "last@acme.example"


def statements(language):
    """The blocks of a language, in the page's order."""
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"(?ms)^```sql {language}\n(.*?)^```$", text)


def write_log(path):
    """Write what two runs leave: one creates, the next one changes."""
    file = AppendedFile(str(path), "sync_log_path", BEGINNINGS)
    now = datetime(2026, 11, 25, 10, tzinfo=timezone.utc)
    times = iter(now + timedelta(seconds=n) for n in range(100))

    def one(number, outcome, given, **changes):
        return Counted(("TMSEZ", number), outcome, 1, given, changes)

    first = SyncLog(file, "d", CUSTOMERS, "r1", lambda: next(times))
    first.begin("0.1.0", "upsert")
    first.record([one("10042", Outcome.CREATED, "cus_01")])
    first.record([one("10043", Outcome.CREATED, "cus_02")])
    first.end({"created": 2}, failed=False)
    second = SyncLog(file, "d", CUSTOMERS, RUN, lambda: next(times))
    second.begin("0.1.0", "upsert")
    second.record([one("10042", Outcome.UNCHANGED, None)])
    changes = {"emailAddress": (OLD, NEW), "metadata": (None, {"a": [1.5, "\\"]})}
    changes["billToCustomerId"] = (None, "cus_01")
    second.record([one("10043", Outcome.UPDATED, "cus_02", **changes)])
    hidden = {"emailAddress": (NEW, LAST), "collectorId": (None, "u1")}
    second.record([one("10043", Outcome.UPDATED, "cus_02", **hidden)])
    second.end({"updated": 2}, failed=True)
    file.close()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with a sync log in it."""
    monkeypatch.chdir(tmp_path)
    write_log(tmp_path / "sync-log.jsonl")
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_postgresql_takes_the_file_and_answers():
    load, ids, history = statements("postgresql")

    with postgres() as server:
        assert server.run(load + "SELECT count(*) FROM sync_log;").split() == ["5"]
        rows = server.run(ORDERS + ids).split()
        assert [tuple(row.split("|")) for row in rows] == IDS
        changes = [row.split("|") for row in server.run(history).splitlines()]
        assert [row[1:] for row in changes] == [[RUN, OLD, NEW], [RUN, NEW, LAST]]


@pytest.mark.usefixtures("folder")
def test_duckdb_reads_the_file_and_answers():
    load, ids, history, _ = statements("duckdb")
    database = duckdb.connect()

    database.execute(load)
    assert database.sql("SELECT count(*) FROM sync_log").fetchall() == [(5,)]
    assert database.execute(ORDERS + ids).fetchall() == IDS
    changes = database.execute(history).fetchall()
    assert [row[1:] for row in changes] == [(RUN, OLD, NEW), (RUN, NEW, LAST)]


def test_an_undone_run_leaves_what_was_there_before_it(folder, account):
    load, *_, undo = statements("duckdb")
    database = duckdb.connect()
    database.execute(load)

    database.execute(undo)

    records = (folder / "undo-records.jsonl").read_text().splitlines()
    head = re.search(
        r"title=undo-schema\.jsonl\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL
    )
    columns = schema(
        "id", "name", emailAddress={}, metadata={}, billToSourceSystemId={}
    )
    old = record(id="10043", name="Acme", emailAddress=OLD)
    new = {"emailAddress": LAST, "metadata": {"a": 1}, "billToSourceSystemId": "10043"}
    run_target(account, [columns, old])
    run_target(account, [columns, record(id="10043", name="Acme", **new)])
    assert account.customers()["10043"]["billToCustomerId"]
    messages = [json.loads(line) for line in (head[1].strip(), *records)]
    result = run_target(account, messages)

    assert result.code == 0, result.stderr
    customer = account.customers()["10043"]
    assert customer["emailAddress"] == OLD
    assert customer["metadata"] is None
    assert customer["billToCustomerId"] is None
