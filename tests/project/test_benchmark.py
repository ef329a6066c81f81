"""A small version of the benchmark: what it counts, and that memory stays flat."""

from __future__ import annotations

import json

import pytest

from benchmarks import bench, customers, processes, readme

MOST_GROWTH = 1.1


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


def test_the_page_shows_the_last_results():
    results = json.loads(readme.RESULTS.read_text(encoding="utf-8"))
    assert readme.tables(results) in readme.README.read_text(encoding="utf-8")
