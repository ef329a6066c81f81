"""Measure how close the target stays to the limits of a server, and what faults cost.

Each customer is a request of its own here. What the server limits, it measures: the
requests that it answered in the time between the first and the last. `make bench`
measures it, too; `python -m benchmarks.limits` measures nothing else.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks import processes, readme

TARGET = [str(Path(sys.executable).with_name("target-upwell"))]
LATENCY_MS = 20
UPDATES_LATENCY_MS = 100
BURSTS = 3
FAULTY_RUNS = 3
SCHEMA = {
    "type": "SCHEMA",
    "stream": "customers",
    "key_properties": ["id"],
    "schema": {"properties": {"id": {"type": "string"}, "name": {"type": "string"}}},
}
RECORD = {"type": "RECORD", "stream": "customers"}


class Load(NamedTuple):
    """What one run came to.

    Attributes:
        wall: Seconds, start-up included.
        figures: What the server counted.
    """

    wall: float
    figures: dict[str, Any]

    @property
    def a_second(self) -> float:
        """Requests answered a second."""
        return float(self.figures["answered"] / self.figures["seconds"])

    @property
    def refused(self) -> float:
        """The share of requests that was refused."""
        refused = self.figures["refused"]
        return float(refused / (refused + self.figures["answered"]))


def names(count: int, changed: int = 0) -> dict[str, str]:
    """Give the names of customers by their ids, of which the first have changed."""
    return {str(i): f"Customer {i}{' B' * (i < changed)}" for i in range(count)}


def run(server: processes.Server, customers: dict[str, str], **config: object) -> float:
    """Load customers, and give the seconds that it took."""
    settings = {
        "api_url": server.url,
        "api_key": processes.API_KEY,
        "source_system": "BENCH",
        **config,
    }
    with tempfile.TemporaryFile() as source:
        records = [
            {"type": "RECORD", "stream": "customers", "record": {"id": i, "name": name}}
            for i, name in customers.items()
        ]
        source.writelines(
            json.dumps(one).encode() + b"\n" for one in [SCHEMA, *records]
        )
        source.seek(0)
        return processes.run(TARGET, settings, source).wall


def load(count: int, at_once: int, limits: dict[str, Any]) -> Load:
    """Load so many new customers, one a request, from a server with limits."""
    with processes.server(LATENCY_MS, limits) as server:
        settings = {"batch_size_rows": 1, "max_parallel_requests": at_once}
        wall = run(server, names(count), **settings)
        return Load(wall, server.figures())


def by_the_second() -> list[list[Any]]:
    """Measure limits by the second."""
    rows = []
    for a_second, count in ((5, 200), (15, 240), (50, 600)):
        for retry_after in (False, True):
            limits = {"a_second": a_second, "retry_after": retry_after}
            one = load(count, 4, limits)
            used = f"{one.a_second / a_second:.0%} of it used"
            named = "with" if retry_after else "without"
            rows.append(
                [
                    f"{a_second} requests a second, {named} `Retry-After`",
                    f"{used}, {one.refused:.1%} refused",
                    "85%, less than 10%",
                ]
            )
    return rows


def others() -> list[list[Any]]:
    """Measure a limit on requests at once, a burst, and refusals for no reason."""
    at_once = load(3000, 16, {"at_once": 8})
    # By turns, since the machine's speed drifts.
    pairs = [
        (load(1500, 8, {}), load(1500, 8, {"burst": [1.0, 3.0]})) for _ in range(BURSTS)
    ]
    burst = median(disturbed.wall - one.wall for one, disturbed in pairs)
    undisturbed = pairs[-1][0]
    shaky = load(1500, 8, {"refused": 0.01})
    slow = load(1500, 8, {"refused": 0.01, "refused_after": 1})
    eight = load(3000, 8, {})
    return [
        [
            "8 requests at once, 16 allowed by the setting",
            f"{at_once.a_second / eight.a_second:.0%} of what the setting 8 does",
            "85%",
        ],
        [
            "all refused for 2 seconds",
            f"{burst:.1f} seconds longer",
            "4",
        ],
        [
            "1% refused for no reason",
            f"{shaky.a_second / undisturbed.a_second:.0%} of the throughput without",
            "75%",
        ],
        [
            "the same with `Retry-After: 1`",
            f"{slow.a_second / undisturbed.a_second:.0%} of the throughput without",
            "75%",
        ],
    ]


def updates() -> list[list[Any]]:
    """Measure a thousand updates, against start-up plus what the setting allows."""
    rows = []
    for at_once, most in ((16, 1.2), (4, 1.1)):
        with processes.server(UPDATES_LATENCY_MS, {}) as server:
            start_up = run(server, {})
            run(server, names(1000))
            wall = run(server, names(1000, 1000), max_parallel_requests=at_once)
        least = start_up + (1000 + 5) * UPDATES_LATENCY_MS / 1000 / at_once
        rows.append(
            [
                f"1,000 updates at {UPDATES_LATENCY_MS} ms, {at_once} at once",
                f"{wall / least:.2f} times start-up plus the limit",
                f"{most}",
            ]
        )
    return rows


def faults() -> list[list[Any]]:
    """Measure runs with few changes through faults of all kinds.

    A request that fails six times in a row may wait for a minute: the median counts.
    """
    customers = names(2000, 200)
    limits = {"refused": 0.05, "refused_after": 0, "faults": 0.23}
    walls: list[float] = []
    right = True
    for _ in range(FAULTY_RUNS):
        with processes.server(LATENCY_MS, limits) as server:
            run(server, names(2000), max_retries=12)
            walls.append(run(server, customers, max_retries=12))
            right &= server.figures()["names"] == customers
    walls_in_words = f"{median(walls):.1f} seconds, {max(walls):.1f} the slowest"
    return [
        [
            "2,000 unchanged customers, 200 of them updated, 28% faults",
            f"{walls_in_words} of {FAULTY_RUNS}; {'all right' if right else 'WRONG'}",
            "45",
        ]
    ]


def measure() -> list[list[Any]]:
    """Measure all of it."""
    return [*by_the_second(), *others(), *updates(), *faults()]


def main() -> None:
    """Measure, and write it down beside the other results."""
    os.chdir(Path(__file__).parent.parent)
    results = json.loads(readme.RESULTS.read_text(encoding="utf-8"))
    began = time.monotonic()
    results["limits"] = measure()
    print(f"{time.monotonic() - began:.0f} seconds")
    readme.RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    readme.write()
    print(readme.limits(results))


if __name__ == "__main__":
    main()
