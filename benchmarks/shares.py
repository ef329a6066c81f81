"""What the reading thread does with its time, from a sampling profile of a run.

`py-spy` looks at the running command from outside, without slowing it down. Each look
at the reading thread counts for the part of the way that it finds it in.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LOOKS_A_SECOND = 200

REST = "start-up and end"

PARTS = {
    "Delivery._wait (target_upwell/delivery.py": "waiting for requests",
    "MessageReader._chunks (target_upwell/messages.py": "waiting for input",
    "body_of (target_upwell/batch.py": "encoding",
    "check (target_upwell/customer.py": "check",
    "CustomerMapping.__call__ (target_upwell/mapping.py": "mapping",
    "CustomStreamMap.transform (singer_sdk/mapper.py": "stream map",
    "MessageReader.deserialize_json (target_upwell/messages.py": "parsing",
    "MessageReader.process_lines (target_upwell/messages.py": "handing on",
}
"""Frames that tell a part; of two in one stack the one that comes first here."""


def measure(command: Sequence[str], source: Path) -> dict[str, float]:
    """Run a command and look at its main thread.

    Args:
        command: How it is started.
        source: Its standard input.

    Returns:
        The share of each part; they add up to 1.
    """
    with tempfile.TemporaryDirectory() as folder, source.open("rb") as file:
        profile = Path(folder, "profile")
        subprocess.run(
            [
                *(str(Path(sys.executable).with_name("py-spy")), "record"),
                *("--idle", "--threads", "--rate", str(LOOKS_A_SECOND)),
                *("--format", "raw", "--output", str(profile), "--", *command),
            ],
            stdin=file,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        return shares(profile.read_text(encoding="utf-8").splitlines())


def shares(profile: Iterable[str]) -> dict[str, float]:
    """Give the share of each part.

    Args:
        profile: Lines of `thread;frame;frame;... count`.
    """
    counts = Counter(dict.fromkeys((*PARTS.values(), REST), 0))
    for line in profile:
        stack, _, count = line.rpartition(" ")
        if ": MainThread" in stack:
            counts[_part(stack)] += int(count)
    return {part: count / counts.total() for part, count in counts.items()}


def _part(stack: str) -> str:
    return next((part for frame, part in PARTS.items() if frame in stack), REST)
