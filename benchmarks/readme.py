"""The tables of `benchmarks/README.md`, made from the results of the last run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
README = HERE / "README.md"
BEGIN = "<!-- tables: made by make bench -->"
END = "<!-- tables: end -->"

COLUMNS = ("rows_per_second", "wall", "cpu", "peak_mb", "requests")

CORE_IN_USE = 0.9
"""The part of a core from which on it may be what limits."""

Results = dict[str, Any]


def write() -> None:
    """Put the tables into the page."""
    page = README.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    made = f"{before}{BEGIN}\n{tables(results)}{END}{after}"
    README.write_text(made, encoding="utf-8")


def tables(results: Results) -> str:
    """Make the tables."""
    versions = ", ".join(f"{name} {v}" for name, v in results["versions"].items())
    number = f"{results['customers']:,}"
    return "\n".join(
        [
            (
                f"\nMeasured on {results['date']} with {versions}; runs of each: "
                f"{results['repeats']}.\n"
            ),
            f"**{number} new customers, {results['latency_ms']} ms latency.**\n",
            _runs(_loads(results)),
            _ratios_with_latency(results),
            f"**{number} new customers, no latency.**\n",
            _runs(results["new"]["0 ms"]),
            _ratios_without_latency(results["new"]["0 ms"]),
            f"**The same customers again, {results['latency_ms']} ms latency.**\n",
            _later(results),
            f"**{number} new customers with a sync log, no latency.**\n",
            _sync_log(results["sync_log"]),
            "**Requests at once**\n",
            _at_once(results),
            "**Limits of a server, 20 ms latency**\n",
            limits(results),
            "**Memory and start-up**\n",
            _memory(results),
        ]
    )


def _table(head: list[str], rows: list[list[Any]]) -> str:
    lines: list[list[Any]] = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)


def _runs(runs: dict[str, Results]) -> str:
    return _table(
        ["target", "rows a second", "seconds", "CPU seconds", "peak MB", "requests"],
        [[name, *(r[column] for column in COLUMNS)] for name, r in runs.items()],
    )


def _limit(results: Results, requests: int) -> float:
    """Give the seconds that so many requests take, if all else took none."""
    seconds: float = requests * results["latency_ms"] / 1000 / results["parallel"]
    return seconds


def _loads(results: Results) -> dict[str, Results]:
    runs = results["new"][f"{results['latency_ms']} ms"]
    return {name: run for name, run in runs.items() if name != "start-up"}


def _ratios_with_latency(results: Results) -> str:
    runs = results["new"][f"{results['latency_ms']} ms"]
    ours, plain = runs["upwell, full map"], runs["plain, flat map"]
    least = round(results["customers"] / results["batch"])
    limit = _with_start_up(results, least)
    return (
        f"{ours['rows_per_second'] / plain['rows_per_second']:.1f} times the rows a "
        f"second of the plain target, and {ours['wall'] / limit:.2f} times start-up "
        f"({_start_up(results)['cpu']} CPU seconds between these runs) plus the limit "
        f"(batches x latency / {results['parallel']} at once).\n"
    )


def _ratios_without_latency(runs: dict[str, Results]) -> str:
    flat = runs["plain, flat map"]["cpu"] / runs["upwell, flat map"]["cpu"]
    full = runs["upwell, full map"]["cpu"]
    full /= runs["plain, full map, no validation"]["cpu"]
    return (
        f"With the flat map {flat:.1f} times less CPU than the plain target; with the "
        f"full map {full:.2f} times that of the plain target with the same map and "
        "its validation off.\n"
    )


def _later(results: Results) -> str:
    return _table(
        ["run", "requests", "seconds", "of start-up plus the limit", "CPU seconds"],
        [
            [
                name,
                r["requests"],
                r["wall"],
                f"{r['wall'] / _with_start_up(results, r['requests']):.2f}",
                r["cpu"],
            ]
            for name, r in results["later"].items()
        ],
    )


def _sync_log(runs: dict[str, Results]) -> str:
    costs = [runs[name]["cpu"] for name in ("with", "without")]
    return (
        f"{costs[0]} CPU seconds with a sync log, {costs[1]} without one: "
        f"{costs[0] / costs[1]:.2f} times. The disk is waited for once a STATE.\n"
    )


def _with_start_up(results: Results, requests: int) -> float:
    """Give the seconds of a run whose own work takes none."""
    start_up: float = _start_up(results)["cpu"]
    return start_up + _limit(results, requests)


def _start_up(results: Results) -> Results:
    run: Results = results["new"][f"{results['latency_ms']} ms"]["start-up"]
    return run


def _at_once(results: Results) -> str:
    each = results["batch"] / (results["latency_ms"] / 1000)
    rows = results["at_once"]
    table = _table(
        ["at once", "rows a second", "of the API's limit", "of one core"],
        [
            [
                row["parallel"],
                row["rows_per_second"],
                f"{row['rows_per_second'] / (each * row['parallel']):.0%}",
                f"{_cores(row):.0%}",
            ]
            for row in rows
        ],
    )
    full = cpu_limits_from(results)
    if not full:
        return table
    return (
        f"{table}\nFrom {full} requests at once on, one core is in use: it is the CPU "
        "that limits, and no longer the API.\n"
    )


def cpu_limits_from(results: Results) -> int | None:
    """Give the number of requests at once from which on one core is in use."""
    rows = results["at_once"]
    full = (row["parallel"] for row in rows if _cores(row) >= CORE_IN_USE)
    return min(full, default=None)


def _cores(row: Results) -> float:
    """Give the CPU seconds a second; Python uses hardly more than one."""
    cores: float = row["cpu"] / row["wall"]
    return cores


def limits(results: Results) -> str:
    """Make the table of limits."""
    return _table(["the server", "measured", "bound"], results["limits"])


def _memory(results: Results) -> str:
    (few, low), (many, high) = results["memory_mb"].items()
    start_up, sdk = results["start_up_cpu"].values()
    return (
        f"Peak memory is {low:.0f} MB with {int(few):,} records and {high:.0f} MB with "
        f"{int(many):,}: {high / low:.2f} times. A run of one customer takes "
        f"{start_up} CPU seconds, importing the SDK alone {sdk}.\n"
    )
