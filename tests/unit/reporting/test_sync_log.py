"""The sync log: what became of each customer, with Upwell's id and what changed."""

from __future__ import annotations

import errno
import json
import logging
import os
import tracemalloc
from datetime import datetime, timezone
from decimal import Decimal

import pytest

from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.outcomes import Counted, Outcome
from target_upwell.exceptions import RunError
from target_upwell.reporting.files import AppendedFile
from target_upwell.reporting.sync_log import BEGINNINGS, SyncLog, digest_of

AT = "2026-11-25T10:00:00.000+00:00"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sync.jsonl"


@pytest.fixture
def log(path):
    """Makes sync logs in one file, and closes them at the end."""
    files = []

    def make(run="r1", digest="d1"):
        files.append(AppendedFile(str(path), "sync_log_path", BEGINNINGS))
        now = datetime(2026, 11, 25, 10, tzinfo=timezone.utc)
        return SyncLog(files[-1], digest, CUSTOMERS, run, lambda: now)

    yield make
    for file in files:
        file.close()


def one(number, outcome=Outcome.CREATED, given="cus_1", **changes):
    return Counted(("TMSEZ", str(number)), outcome, 1, given, changes)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_begins_and_ends_with_a_line_of_its_own(log, path):
    made = log()

    made.begin("1.0", "upsert")
    made.end({"created": 1, "drift": {"parent": 2}, "seconds": 1.5}, failed=False)

    run = {"run": "r1", "at": AT, "digest": "d1"}
    assert lines(path) == [
        {**run, "outcome": "started", "version": "1.0", "load_method": "upsert"},
        {
            **run,
            "outcome": "finished",
            "created": 1,
            "drift": {"parent": 2},
            "seconds": 1.5,
        },
    ]


def test_a_run_that_failed_says_so(log, path):
    log().end({}, failed=True)

    assert lines(path)[0]["outcome"] == "failed"


def test_each_customer_is_a_line_with_upwells_id_and_what_changed(log, path):
    log().record(
        [
            one(1),
            one(2, Outcome.UPDATED, "cus_2", name=("A", "B"), collectorId=(None, "u")),
            one(3, Outcome.UNCHANGED, "cus_3"),
        ]
    )

    first, second, third = lines(path)
    assert first == {
        "run": "r1",
        "at": AT,
        "sourceSystem": "TMSEZ",
        "sourceSystemId": "1",
        "id": "cus_1",
        "outcome": "created",
        "changes": {},
    }
    assert (second["id"], second["outcome"]) == ("cus_2", "updated")
    assert second["changes"] == {
        "name": {"before": "A", "after": "B"},
        "collectorId": {"before": None, "after": "u"},
    }
    assert (third["id"], third["outcome"]) == ("cus_3", "unchanged")


def test_what_was_left_alone_is_not_in_it(log, path):
    log().record([one(1, Outcome.SKIPPED)])

    assert not path.exists()


def test_a_customer_whose_id_no_answer_showed_is_counted(log, path):
    made = log()
    assert list(made.summary()) == []

    made.record([one(1, given=None)])
    assert list(made.summary()) == [
        f"1 customer has no id in {str(path)!r}: no answer showed it"
    ]
    made.record([one(2, given=None), one(3)])

    assert lines(path)[0]["id"] is None
    assert next(iter(made.summary())).startswith("2 customers have no id in")


def test_customers_are_on_the_disk_after_one_wait_for_it(log, path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(len(lines(path))))
    made = log()
    made.begin("1.0", "upsert")
    synced.clear()

    for number in range(3):
        made.record([one(number)])
    assert (len(lines(path)), synced) == (4, [])
    made.sync()
    made.sync()
    assert synced == [4]
    made.record([one(4)])
    made.end({}, failed=False)

    made.sync()

    assert synced == [4, 6]


def test_a_disk_that_fails_when_it_is_waited_for_ends_the_log(log, monkeypatch):
    def fail(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    made = log()
    made.record([one(1)])
    monkeypatch.setattr(os, "fsync", fail)

    for call in (made.sync, made.sync, lambda: made.record([one(2)])):
        with pytest.raises(RunError, match=r"sync_log_path: .* the disk is full"):
            call()


def test_all_lines_begin_as_those_of_this_program_do(log, path):
    made = log()
    made.begin("1.0", "upsert")
    made.record([one(1)])
    made.end({}, failed=False)

    assert all(line.startswith(BEGINNINGS) for line in path.read_bytes().splitlines())


def test_numbers_are_kept_as_they_are_written(log, path):
    log().record([one(1, Outcome.UPDATED, metadata=(Decimal("1.10"), 10**30))])

    assert b'"before":1.10,"after":1' + b"0" * 30 in path.read_bytes()


def warned(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


def test_another_map_than_that_of_the_last_run_is_warned_about_once(log, path, caplog):
    log("r1", "old").begin("1.0", "upsert")

    log("r2", "new").begin("1.0", "upsert")
    log("r3", "new").begin("1.0", "upsert")

    (warning,) = warned(caplog)
    assert f"is not that of the last run in {str(path)!r}" in warning
    assert "will not send old customers again" in warning
    assert "meltano run --full-refresh" in warning


def test_the_last_run_counts_even_if_it_died_in_the_middle(log, path, caplog):
    first = log("r1", "old")
    first.begin("1.0", "upsert")
    # Longer than what is read at once, and one that is like a digest.
    for number in range(1000):
        first.record([one(number, Outcome.UPDATED, name=('"digest":"x"', "y" * 99))])
    with path.open("ab") as file:
        file.write(b'{"run":"r1","digest":"to')

    log("r2", "new").begin("1.0", "upsert")

    assert len(warned(caplog)) == 1
    assert lines(path)[-1]["run"] == "r2"


@pytest.mark.parametrize("content", ["", "a note\n", '{"run":"digest":\n', "[]\n"])
def test_a_file_without_a_run_gives_no_warning(log, path, caplog, content):
    path.write_text(content)
    path.chmod(0o600)

    log().begin("1.0", "upsert")

    assert warned(caplog) == []


def test_the_memory_stays_flat(log):
    made = log()
    batch = [one(n, Outcome.UPDATED, name=("A", "B")) for n in range(200)]
    made.record(batch)
    tracemalloc.start()

    for _ in range(100):
        made.record(batch)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < 20_000


MAPPED = {"stream_maps": {"erp": {"name": "company", "emailAddress": "mail"}}}


@pytest.mark.parametrize(
    "change",
    [
        {"stream_maps": {"erp": {"name": "company", "emailAddress": "mail.lower()"}}},
        {"null_handling": "keep"},
        {"source_system": "OTHER"},
        {"unmapped_properties": "metadata"},
        {"stream_map_config": {"a": 1}},
        {"flattening_separator": "x"},
        {"field_policy": {"name": "create_only"}},
        {"load_method": "append-only"},
    ],
)
def test_a_setting_that_changes_values_changes_the_digest(change):
    config = {**MAPPED, "null_handling": "clear", "source_system": "TMSEZ"}

    assert digest_of({**config, **change}) != digest_of(config)


@pytest.mark.parametrize(
    "change",
    [
        {"stream_maps": {"erp": {"emailAddress": "mail", "name": "company"}}},
        {"api_key": "another"},
        {"max_parallel_requests": 16},
        {"rejects_path": "r.jsonl"},
        {"field_policy": {}},
        {"flattening_enabled": False},
    ],
)
def test_any_other_setting_does_not_change_the_digest(change):
    assert digest_of({**MAPPED, **change}) == digest_of(MAPPED)
