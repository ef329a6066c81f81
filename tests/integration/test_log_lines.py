"""Whatever a tap sends, each line of the log is one short printable line."""

from __future__ import annotations

import logging

import pytest
from singer_sdk import metrics
from target_command import record, run_target, schema, state

from target_upwell.cli import in_one_line

NASTY = "\x1b[31mred\x1b[0m\nERROR forged | line\r\u202e" + "x" * 50_000


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
@pytest.mark.parametrize(
    "messages",
    [
        [schema("id", "name", stream=NASTY), record(id="1", name="A", stream=NASTY)],
        [schema("id", "name", NASTY), record(id="1", name="A", **{NASTY: "v"})],
        [schema("id", "name"), record(id=NASTY, name=None)],
        [
            schema("id", "name", billToSourceSystemId={}),
            record(id="1", name="A", billToSourceSystemId=NASTY),
        ],
        [
            schema("id", "name", addresses={}),
            record(id="1", name="A", addresses=[{NASTY: 1}]),
        ],
        [
            schema("id", "name", addresses={}),
            record(id="1", name="A", addresses=[{"country": NASTY}]),
        ],
        [{"type": NASTY}],
        [{"type": "ACTIVATE_VERSION", "stream": NASTY, "version": 1}],
        [
            {
                "type": "BATCH",
                "stream": NASTY,
                "encoding": {"format": NASTY},
                "manifest": [NASTY],
            }
        ],
    ],
)
def test_no_line_is_forged_or_long(account, messages, level):
    result = run_target(
        account,
        [*messages, state(1)],
        env={"LOGLEVEL": level, "TARGET_UPWELL_LOGLEVEL": level},
    )

    lines = result.stderr.split("\n")
    assert lines[-1] == ""
    for line in lines[:-1]:
        assert line.isprintable(), line
        # A traceback, which only DEBUG shows, holds the message whole.
        assert level == "DEBUG" or len(line) < 11_000
        assert not line.startswith("ERROR forged")


def test_metrics_stay_what_structured_logs_are_made_of():
    point = metrics.Point("counter", metrics.Metric.RECORD_COUNT, 1, {"stream": "a\nb"})
    logged = logging.LogRecord(
        "singer_sdk.metrics", logging.INFO, __file__, 1, "METRIC: %s", (point,), None
    )
    assert in_one_line(logged)
    assert logged.args == (point,)
    assert "\n" not in logged.getMessage()
