"""What a person is told: five counts that add up, progress, and metrics."""

from __future__ import annotations

import json
import random
import re
from collections import Counter

import pytest
from shown import new_seed
from target_command import record, run_command, run_target, schema, state

COUNTS = re.compile(
    r"(\d+) records?: (\d+) created, (\d+) updated, (\d+) unchanged, (\d+) skipped, "
    r"(\d+) rejected"
)


def some_record(choose):
    """A record that may be good, bad, or refused by Upwell."""
    number = str(choose.randrange(40))
    return record(
        id=choose.choice([number] * 9 + [None]),
        name=choose.choice([f"N {number}"] * 5 + [f"Refuse {number}", None, ["list"]]),
        email=choose.choice(["a@b.example"] * 4 + ["no address", None]),
        parent=choose.choice([str(choose.randrange(50)), None]),
        country=choose.choice(["US", "Germany", "Freedonia", None]),
    )


@pytest.mark.parametrize("load_method", ["upsert", "append-only", "update-only"])
def test_the_five_counts_add_up_to_the_records_read(account, tmp_path, load_method):
    seed = new_seed()
    choose = random.Random(seed)
    records = [some_record(choose) for _ in range(300)]
    settings = {
        "max_rejects": -1,
        "rejects_path": str(tmp_path / "rejects.jsonl"),
        "batch_size_rows": choose.choice([1, 7, 50]),
        "max_cleared_percent": 100,  # a random source is one that a guard stops
        "stream_maps": {
            "customers": {
                "name": "name",
                "emailAddress": "email.lower()",
                "billToSourceSystemId": "parent",
                "addresses": "[{'country': country}]",
            }
        },
    }
    stream = schema("id", "name", "email", "parent", "country")
    account.faults(refuse_name="^Refuse")
    run_target(account, [stream, *records[:100]], **settings)
    (tmp_path / "rejects.jsonl").unlink()

    result = run_target(
        account,
        [stream, *records, state("end")],
        load_method=load_method,
        **settings,
    )

    assert (result.code, result.states) == (0, ["end"])
    read, *outcomes = map(int, COUNTS.match(result.summary).groups())
    assert read == sum(outcomes) == 300
    assert "not dealt with" not in result.summary
    lines = (tmp_path / "rejects.jsonl").read_text().splitlines()
    assert sum('"type":"RECORD"' in line for line in lines) == outcomes[-1] > 0


def test_after_a_failure_the_summary_says_what_was_not_dealt_with(account):
    result = run_target(
        account,
        [schema("id", "name"), *(record(id=str(n), name="N") for n in range(5))],
        env={"TARGET_UPWELL_API_KEY": "another-key"},
    )

    assert result.code == 1
    assert "5 records: 0 created" in result.summary
    assert "5 not dealt with" in result.summary


JSON_LOGS = """
version: 1
disable_existing_loggers: false
formatters:
  structured:
    (): singer_sdk.logging.StructuredFormatter
handlers:
  stderr:
    class: logging.StreamHandler
    formatter: structured
    stream: ext://sys.stderr
root:
  level: INFO
  handlers: [stderr]
"""


@pytest.mark.slow
def test_meltano_gets_every_line_and_metric_structured(account, tmp_path):
    config = tmp_path / "logging.yaml"
    config.write_text(JSON_LOGS)
    account.faults(next=[{"fault": "503", "path": "/api/rest/bulk-customers"}])

    result = run_command(
        account,
        [
            schema("id", "name"),
            *(record(id=str(n), name=f"N {n}") for n in range(6)),
            record(id="bad", name=None),
        ],
        env={"SINGER_SDK_LOG_CONFIG": str(config)},
        batch_size_rows=4,
        max_rejects=1,
        rejects_path=str(tmp_path / "rejects.jsonl"),
    )

    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert {line["level"] for line in lines} >= {"info", "warning", "error"}
    messages = [line["message"] for line in lines]
    assert any(COUNTS.match(message) for message in messages)
    points = [line["metric_info"] for line in lines if "metric_info" in line]
    asked = Counter(
        (f"{r['method']} {r['path'].removeprefix('/api/rest')}", r["status"])
        for r in account.requests()
    )
    durations = [p for p in points if p["metric"] == "http_request_duration"]
    # One for all requests, however many there were.
    assert [p["tags"]["requests"] for p in durations] == [asked.total()]
    assert 0 < durations[0]["value"] <= durations[0]["tags"]["longest"]
    counted = Counter()
    for point in points:
        if point["metric"] == "http_request_count":
            counted[tagged(point)] += point["value"]
    assert counted == asked
    assert ("POST /bulk-customers", 503) in asked
    records = [p["value"] for p in points if p["metric"] == "record_count"]
    assert sum(records) == 7


def tagged(point):
    tags = point["tags"]
    assert tags["status"] == (
        "succeeded" if tags["http_status_code"] < 300 else "failed"
    )
    return tags["endpoint"], tags["http_status_code"]
