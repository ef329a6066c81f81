"""Compare the target with a plain one from the SDK's template, side by side.

All runs of a comparison are interleaved and repeated, on the same input and against
the same kind of local server; the median counts. Machines differ, so the ratios are
the result. `make bench` prints them and writes `results.json`, from which the tables of
`benchmarks/README.md` and the pictures are made.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import customers, limits, processes, readme
from benchmarks.processes import Cost

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
REPEATS = 3
CUSTOMERS = 40_000
LATENCY_MS = 100
BATCH = 200
PARALLEL = 4

TARGET = [str(Path(sys.executable).with_name("target-upwell"))]
PLAIN = [sys.executable, "-m", "benchmarks.plain_target"]


class Case:
    """One target, one configuration, one input."""

    def __init__(
        self, name: str, command: list[str], source: Path, **config: object
    ) -> None:
        self.name = name
        self.command = command
        self.source = source
        self.config = config
        self.costs: list[Cost] = []
        self.requests = 0

    def run(self, server: processes.Server) -> None:
        """Run it once against a server."""
        server.reset()
        with self.source.open("rb") as file:
            cost = processes.run(self.command, self.settings(server), file)
        self.costs.append(cost)
        self.requests = server.requests()

    def settings(self, server: processes.Server) -> dict[str, Any]:
        """Give the configuration for a run against a server."""
        return {
            "api_url": server.url,
            "api_key": processes.API_KEY,
            "source_system": "BENCH",
            **self.config,
        }

    def result(self, records: int) -> dict[str, Any]:
        """Give the medians over all repeats."""
        wall = median(cost.wall for cost in self.costs)
        return {
            "wall": round(wall, 2),
            "rows_per_second": round(records / wall),
            "cpu": round(median(cost.cpu for cost in self.costs), 2),
            "peak_mb": round(median(cost.peak for cost in self.costs)),
            "requests": self.requests,
        }


def compare(
    cases: list[Case], latency_ms: int, repeats: int, records: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run cases by turns, each time into an empty account."""
    for _ in range(repeats):
        for case in cases:
            with processes.server(latency_ms) as server:
                case.run(server)
    for case in cases:
        yield case.name, case.result(records)


def new_customers(folder: Path, number: int, repeats: int) -> dict[str, Any]:
    """Load new customers, beside the plain target."""
    source = customers.write_file(folder / f"{number}.singer", number)
    full, flat = customers.FULL_MAP, customers.FLAT_MAP
    plain_full = customers.PLAIN_FULL_MAP
    one = customers.write_file(folder / "1.singer", 1)
    results = dict(
        compare(
            [
                # By turns with the others, since the machine's speed drifts.
                Case("start-up", TARGET, one, stream_maps=full),
                Case("upwell, full map", TARGET, source, stream_maps=full),
                Case("plain, flat map", PLAIN, source, stream_maps=flat),
            ],
            LATENCY_MS,
            repeats,
            number,
        )
    )
    cpu = dict(
        compare(
            [
                Case("upwell, flat map", TARGET, source, stream_maps=flat),
                Case("plain, flat map", PLAIN, source, stream_maps=flat),
                Case("upwell, full map", TARGET, source, stream_maps=full),
                Case(
                    "plain, full map, no validation",
                    PLAIN,
                    source,
                    stream_maps=plain_full,
                    validate_records=False,
                ),
            ],
            0,
            repeats,
            number,
        )
    )
    return {f"{LATENCY_MS} ms": results, "0 ms": cpu}


def later_runs(folder: Path, number: int, repeats: int) -> dict[str, Any]:
    """Load the same customers again, and again with one in twenty changed."""
    source = customers.write_file(folder / f"{number}.singer", number)
    changed = customers.write_file(folder / f"{number}-5.singer", number, changed=0.05)
    full = customers.FULL_MAP
    first = Case("first", TARGET, source, stream_maps=full)
    again = Case("unchanged", TARGET, source, stream_maps=full)
    partly = Case("5% changed", TARGET, changed, stream_maps=full)
    for _ in range(repeats):
        with processes.server(LATENCY_MS) as server:
            for case in (first, again, partly):
                case.run(server)
    return {case.name: case.result(number) for case in (again, partly)}


def with_sync_log(folder: Path, number: int, repeats: int) -> dict[str, Any]:
    """Load new customers with and without a sync log, by turns."""
    source = customers.write_file(folder / f"{number}.singer", number)
    full, path = customers.FULL_MAP, str(folder / "sync-log.jsonl")
    cases = [
        Case("without", TARGET, source, stream_maps=full),
        Case("with", TARGET, source, stream_maps=full, sync_log_path=path),
    ]
    return dict(compare(cases, 0, repeats, number))


def at_once(folder: Path, number: int, repeats: int) -> list[dict[str, Any]]:
    """Load with different numbers of requests at once."""
    source = customers.write_file(folder / f"{number}.singer", number)
    cases = [
        Case(
            str(parallel),
            TARGET,
            source,
            stream_maps=customers.FULL_MAP,
            max_parallel_requests=parallel,
        )
        for parallel in (1, 2, 4, 8, 16)
    ]
    return [
        {"parallel": int(name), **result}
        for name, result in compare(cases, LATENCY_MS, repeats, number)
    ]


def start_up(folder: Path, repeats: int) -> dict[str, float]:
    """Measure the CPU seconds of a run of one customer, and of importing the SDK."""
    source = customers.write_file(folder / "1.singer", 1)
    imports = [sys.executable, "-c", "import singer_sdk"]
    runs = dict(
        compare(
            [
                Case("one customer", TARGET, source, stream_maps=customers.FULL_MAP),
                Case("the SDK alone", imports, source),
            ],
            0,
            repeats,
            1,
        )
    )
    return {name: run["cpu"] for name, run in runs.items()}


def memory(folder: Path, few: int, times: int) -> dict[str, float]:
    """Compare the peak memory of few records with that of many times as many."""
    source = customers.write_file(folder / f"{few}.singer", few)
    case = Case("memory", TARGET, source, stream_maps=customers.FULL_MAP)
    peaks = {}
    with processes.server(0) as server:
        for count in (1, times):
            # The shell's cat streams, so that nothing here grows with the input.
            with subprocess.Popen(
                ["cat", *[str(source)] * count],  # noqa: S607 - whichever it is
                stdout=subprocess.PIPE,
            ) as cat:
                assert cat.stdout  # noqa: S101 - for the type checker
                cost = processes.run(TARGET, case.settings(server), cat.stdout)
            peaks[f"{few * count}"] = round(cost.peak, 1)
    return peaks


def peak(folder: Path, number: int, **config: object) -> float:
    """Measure the peak memory of loading so many customers, in MB."""
    source = customers.write_file(folder / f"{number}.singer", number)
    case = Case("peak", TARGET, source, stream_maps=customers.FULL_MAP, **config)
    with processes.server(0) as server:
        case.run(server)
    return case.costs[0].peak


def main() -> None:
    """Measure all there is to measure, and write it down."""
    os.chdir(HERE.parent)
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="of each run")
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = {
            "date": date.today().isoformat(),  # noqa: DTZ011 - a day will do
            "customers": CUSTOMERS,
            "batch": BATCH,
            "latency_ms": LATENCY_MS,
            "parallel": PARALLEL,
            "repeats": repeats,
            "versions": {
                "python": sys.version.split()[0],
                **{p: version(p) for p in ("target-upwell", "singer-sdk")},
            },
            "new": new_customers(folder, CUSTOMERS, repeats),
            "later": later_runs(folder, CUSTOMERS, repeats),
            "sync_log": with_sync_log(folder, CUSTOMERS, repeats),
            "at_once": at_once(folder, CUSTOMERS, repeats),
            "limits": limits.measure(),
            "start_up_cpu": start_up(folder, 3 * repeats),
            "memory_mb": memory(folder, 50_000, 20),
        }
    readme.RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    readme.write()
    print(readme.tables(results))


if __name__ == "__main__":
    main()
