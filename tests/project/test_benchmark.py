"""A small version of the benchmark: what it counts, and that memory stays flat."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from target_command import record, run_target, schema

from benchmarks import bench, customers, processes, readme, shares

MOST_GROWTH = 1.1


class Code(NamedTuple):
    """As much of a code object as tells a part."""

    co_filename: str
    co_name: str


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    number = 4_000
    source = customers.write_file(folder / "new.singer", number)
    changed = customers.write_file(folder / "changed.singer", number, changed=0.05)
    full = customers.FULL_MAP
    cases = [
        bench.Case("new", bench.TARGET, source, stream_maps=full),
        bench.Case("unchanged", bench.TARGET, source, stream_maps=full),
        bench.Case("changed", bench.TARGET, changed, stream_maps=full),
    ]
    with processes.server(0) as server:
        for case in cases:
            case.run(server)
    plain = bench.Case("plain", bench.PLAIN, source, stream_maps=customers.FLAT_MAP)
    with processes.server(0) as server:
        plain.run(server)
    return {case.name: case for case in (*cases, plain)}


def test_a_first_load_needs_a_request_a_batch_and_a_few_lookups(costs):
    assert 20 < costs["new"].requests <= 20 + bench.PARALLEL + 1


def test_an_unchanged_run_needs_a_lookup_a_batch(costs):
    assert costs["unchanged"].requests == 20


def test_a_changed_run_needs_an_update_a_change_on_top(costs):
    assert costs["changed"].requests == 20 + 200


def test_the_plain_target_needs_a_request_a_batch(costs):
    assert costs["plain"].requests == 20


def test_ten_times_the_records_take_no_more_memory(tmp_path):
    peaks = bench.memory(tmp_path, few=4_000, times=10)
    assert peaks["40000"] <= peaks["4000"] * MOST_GROWTH


def test_the_reading_thread_s_time_is_shared_out(tmp_path):
    shared = bench.time_shares(tmp_path, 2_000)
    assert [*shared] == [*shares.PARTS.values(), shares.REST]
    assert sum(shared.values()) == pytest.approx(1, abs=0.01)


def test_the_innermost_part_counts():
    def stack(*places):
        frame = None
        for file, function in places:
            frame = SimpleNamespace(f_code=Code(f"x/{file}", function), f_back=frame)
        return frame

    reading = ("reader.py", "process_lines")
    mapping = ("mapping.py", "__call__")
    assert shares.part_of(stack(reading, mapping, ("values.py", "text"))) == "mapping"
    assert shares.part_of(stack(reading, ("routes.py", "take"))) == "handing on"
    assert shares.part_of(stack(("pipeline.py", "start"))) == shares.REST


def test_a_run_comes_through_each_part_of_the_profile(sandbox):
    seen = set()

    def look(frame, event, _argument):
        if event == "call":
            code = frame.f_code
            seen.add((Path(code.co_filename).name, code.co_name))

    records = [record(id=str(number), name="A") for number in range(50)]
    one_by_one = {"batch_size_rows": 1, "max_parallel_requests": 1}
    stream_maps = {"customers": {"name": "name"}}
    sys.setprofile(look)
    try:
        run_target(
            sandbox,
            [schema("id", "name"), *records],
            stream_maps=stream_maps,
            **one_by_one,
        )
    finally:
        sys.setprofile(None)
    assert shares.PARTS.keys() <= seen


def test_the_page_shows_the_last_results():
    results = json.loads(readme.RESULTS.read_text(encoding="utf-8"))
    assert readme.tables(results) in readme.README.read_text(encoding="utf-8")
