"""Running the command and the server as processes, and what each cost.

Only the standard library and little else is imported here: the peak memory of a child
starts at that of the process which starts it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

API_KEY = "benchmark-key"

# What is installed is compiled already; what is run from here has to be, too.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Cost:
    """What one run cost.

    Attributes:
        wall: Seconds from start to end.
        cpu: CPU seconds, the system's included.
        peak: Most memory that was resident, in MB.
    """

    wall: float
    cpu: float
    peak: float


class Server:
    """A server that is running."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._root = url.removesuffix("/api/rest")

    def requests(self) -> int:
        """Count the requests since the last reset."""
        return int(self._call("GET", "/counts")["requests"])

    def customers(self) -> int:
        """Count the customers."""
        return int(self._call("GET", "/counts")["customers"])

    def figures(self) -> dict[str, Any]:
        """Give what a server with limits took and refused."""
        figures: dict[str, Any] = self._call("GET", "/limits")
        return figures

    def reset(self) -> None:
        """Start counting requests anew."""
        self._call("DELETE", "/requests")

    def _call(self, method: str, path: str) -> Any:  # noqa: ANN401 - any JSON value
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self._root}/_sandbox{path}", method=method
        )
        with urllib.request.urlopen(request) as response:  # noqa: S310 - loopback
            text = response.read()
        return json.loads(text) if text else None


@contextmanager
def server(latency_ms: int, limits: dict[str, Any] | None = None) -> Iterator[Server]:
    """Run a server with an empty account.

    Args:
        latency_ms: What each request waits, in milliseconds.
        limits: What it limits, see `limited_server.Limits`.
    """
    module = "server" if limits is None else "limited_server"
    with subprocess.Popen(
        [
            *(sys.executable, "-m", f"benchmarks.{module}", str(latency_ms)),
            *([] if limits is None else [json.dumps(limits)]),
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout  # noqa: S101 - for the type checker
            yield Server(process.stdout.readline().split()[-1])
        finally:
            process.terminate()


@contextmanager
def configuration(config: dict[str, Any]) -> Iterator[str]:
    """Write a configuration to a file of its own, and give its path."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        yield file.name


def run(
    command: Sequence[str], config: dict[str, Any], source: IO[bytes] | int
) -> Cost:
    """Run a target to its end.

    Args:
        command: How it is started.
        config: Its settings.
        source: Its standard input.

    Raises:
        RuntimeError: If it fails.
    """
    with configuration(config) as path:
        began = time.monotonic()
        with subprocess.Popen(
            [*command, "--config", path],
            stdin=source,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - began
    if process.returncode:
        raise RuntimeError(f"{command[-1]} ended with {process.returncode}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
