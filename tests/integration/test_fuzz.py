"""Lines that no tap should send, through the real command: 20,000 in `make test-full`.

It may stop with one line, and it may reject. It may not print a traceback, hang, or
let a STATE out ahead of its data. To see a failure again: FUZZ_SEED=... pytest.
"""

from __future__ import annotations

import io
import json
import os
import random
from decimal import Decimal

import pytest
from hostile_lines import SCHEMAS, STREAM_MAPS, HostileLines
from share import share
from target_command import run_target

from target_upwell.exceptions import RunError
from target_upwell.singer.reader import MessageReader
from target_upwell.singer.signals import Signals

RUNS = share(full=50, part=10)
LINES_OF_A_RUN = 400
SEED = int(os.environ.get("FUZZ_SEED") or random.randrange(10**9))
REJECTS = ("rejected (", "more of this kind follow")


def lines_of(hostile):
    """The lines of one run: any that it has to survive, and a last one that it may not.

    After every fiftieth there is a record that is right, and a STATE.
    """
    lines = [hostile.line(message) for message in SCHEMAS]
    for number in range(LINES_OF_A_RUN // 50):
        lines += [hostile.survivable() for _ in range(48)]
        lines += hostile.good(number)
    return [*lines, hostile.fatal()]


@pytest.mark.parametrize("run", range(RUNS))
def test_a_run_survives_or_stops_in_one_line(account, tmp_path, run):
    seed = SEED + run
    print("FUZZ_SEED:", SEED)  # noqa: T201 - pytest shows it where the test fails
    account.clear()
    lines = lines_of(HostileLines(seed, links=run % 2 == 0))
    rejects = tmp_path / "rejects.jsonl"
    result = run_target(
        account,
        lines,
        stream_maps=STREAM_MAPS,
        unknown_streams="ignore",
        max_rejects=-1,
        rejects_path=str(rejects),
        batch_size_rows=50,
        flattening_enabled=run % 3 == 0,
        flattening_max_depth=2,
        validate_records=run % 4 == 0,
    )
    assert result.code in {0, 1}, result.stderr
    for word in ("Traceback", "defect", "Exception ignored"):
        assert word not in result.stderr
    stopped = [line for line in result.errors if not line.startswith(REJECTS)]
    assert len(stopped) == result.code
    if stopped and "of the input" in stopped[0]:
        # None but the last line may end a run.
        assert f"line {len(lines)} of the input" in stopped[0]
    stored = account.customers()
    # A STATE may hold more digits than Python makes a whole number of.
    lines = result.stdout.splitlines()
    values = [json.loads(line, parse_int=Decimal) for line in lines]
    states = [value for value in values if isinstance(value, dict)]
    covered = [int(s["good"]) for s in states if type(s.get("good")) is Decimal]
    for number in range(max(covered, default=-1) + 1):
        assert f"good-{number}" in stored
    if result.code == 0:
        assert {f"good-{n}" for n in range(LINES_OF_A_RUN // 50)} <= stored.keys()
    if rejects.exists():
        lines = rejects.read_bytes().split(b"\n")[:-1]
        written = [json.loads(line)["type"] for line in lines]
        assert written.count("RECORD") == rejected(result)


def rejected(result):
    """How many records the summary counts as rejected."""
    return int(result.summary.split(" rejected")[0].rsplit(" ", 1)[1])


def test_the_reader_hands_on_what_it_does_not_refuse():
    print("FUZZ_SEED:", SEED)  # noqa: T201 - likewise
    hostile = HostileLines(SEED)
    reader = MessageReader(Signals(10.0), lambda: None)
    kinds = ("SCHEMA", "RECORD", "STATE", "ACTIVATE_VERSION", "BATCH")
    for _ in range(share(full=20_000, part=2000)):
        seen = []
        line = hostile.fatal()
        try:
            reader.process_lines(io.BytesIO(line), dict.fromkeys(kinds, seen.append))
        except RunError as error:
            words = str(error)
            assert words.startswith("line 1 of the input ")
            assert words.isprintable()
            assert not seen
