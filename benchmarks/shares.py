"""What the reading thread does with its time, from a sampling profile of a run.

A thread of the run's own looks at the reading thread every few milliseconds; each look
counts for the part of the way that it is in. A profiler that looks from outside stops
all threads to do so, and made the run twice as long.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.processes import ENVIRONMENT

if TYPE_CHECKING:
    from types import CodeType, FrameType

SECONDS_BETWEEN_LOOKS = 0.002

REST = "start-up and end"

PARTS = {
    ("scheduler.py", "_wait"): "waiting for requests",
    ("reader.py", "_chunks"): "waiting for input",
    ("batch.py", "body_of"): "encoding",
    ("schema.py", "check"): "check",
    ("mapping.py", "__call__"): "mapping",
    ("mapper.py", "transform"): "stream map",
    ("reader.py", "deserialize_json"): "parsing",
    ("reader.py", "process_lines"): "handing on",
}
"""Files and functions that tell a part; the innermost counts."""


def measure(config: str, source: Path) -> dict[str, float]:
    """Run the command and look at its reading thread.

    Args:
        config: The file with its configuration.
        source: Its standard input.

    Returns:
        The share of each part; they add up to 1.
    """
    with source.open("rb") as file:
        ran = subprocess.run(
            [sys.executable, "-m", "benchmarks.shares", "--config", config],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            check=True,
        )
    shares: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return shares


def part_of(frame: FrameType | None) -> str:
    """Tell the part of the way that a thread is in."""
    while frame:
        part = _part_told_by(frame.f_code)
        if part:
            return part
        frame = frame.f_back
    return REST


@cache
def _part_told_by(code: CodeType) -> str | None:
    return PARTS.get((Path(code.co_filename).name, code.co_name))


def _look(counts: Counter[str], ended: threading.Event) -> None:
    reader = threading.main_thread().ident or 0
    while not ended.wait(SECONDS_BETWEEN_LOOKS):
        counts[part_of(sys._current_frames()[reader])] += 1  # noqa: SLF001 - no other way


def main() -> None:
    """Run the command, and print the share of each part when it has ended."""
    counts = Counter(dict.fromkeys((*PARTS.values(), REST), 0))
    ended = threading.Event()
    looks = threading.Thread(target=_look, args=(counts, ended))
    looks.start()
    try:
        # Its import is part of start-up.
        from target_upwell import cli  # noqa: PLC0415

        cli.main()
    finally:
        ended.set()
        looks.join()
        total = sum(counts.values())
        print(json.dumps({part: count / total for part, count in counts.items()}))


if __name__ == "__main__":
    main()
