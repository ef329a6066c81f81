"""A small version of the benchmark: what it counts, and that memory stays flat."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from share import share
from shown import show

from benchmarks import bench, customers, processes, readme

MOST_GROWTH = 1.1
ROOT = Path(__file__).resolve().parents[2]


def in_a_new_process(call):
    """What a call to the benchmark gives.

    The peak memory of a process starts at that of its parent, and pytest's is higher
    than the target's.
    """
    code = "import json; from pathlib import Path; from benchmarks import bench"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}; print(json.dumps({call}))"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(ran.stdout)


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
    peaks = in_a_new_process(f"bench.memory(Path({str(tmp_path)!r}), 4_000, 10)")
    assert peaks["40000"] <= peaks["4000"] * MOST_GROWTH


@pytest.mark.slow
def test_the_sync_log_takes_no_more_memory_the_more_customers_there_are(tmp_path):
    # The keys seen, by which missing customers are found, are kept as well.
    kept = {
        "sync_log_path": str(tmp_path / "sync-log.jsonl"),
        "missing_customers": "report",
    }
    peaks = [
        in_a_new_process(f"bench.peak(Path({str(tmp_path)!r}), {number}, **{kept})")
        for number in (4_000, share(full=200_000, part=40_000))
    ]
    show(f"peaks in MB: {peaks}")
    assert peaks[1] <= peaks[0] * MOST_GROWTH


def test_the_page_shows_the_last_results():
    results = json.loads(readme.RESULTS.read_text(encoding="utf-8"))
    assert readme.tables(results) in readme.README.read_text(encoding="utf-8")
