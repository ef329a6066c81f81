"""Signals, and whatever else has to end a wait for input.

The handler does nothing but note the signal. A byte in a pipe ends the reader's wait
for input, whoever writes it; all other waits look at the flag. So no handler ever runs
in the middle of something; the SDK's own does and loses data (meltano/sdk#3775).
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

EXIT_BY_SIGNAL = 128


class Signals:
    """What has come in between."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def __bool__(self) -> bool:
        """Whether a signal came."""
        return self.signal is not None

    def fileno(self) -> int:
        """Give the end of the pipe that becomes readable when a wait is to end."""
        return self._read

    def wake(self) -> None:
        """End the reader's wait for input."""
        # A full pipe is a pipe that wakes.
        with contextlib.suppress(BlockingIOError):
            os.write(self._write, b"\0")

    def drain(self) -> None:
        """Make the pipe wait again."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 1024)

    def handle(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Note a signal; a second one ends the process at once."""
        if self.signal is not None:
            os._exit(EXIT_BY_SIGNAL + signum)
        self.signal = signum
        self.wake()

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT while this lasts; for the main thread."""
        before = {
            signum: signal.signal(signum, self.handle)
            for signum in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)
