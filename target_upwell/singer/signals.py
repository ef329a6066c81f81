"""SIGTERM and SIGINT, and the wake-up pipe that ends a wait for input.

The handler only notes the signal and writes a byte to the wake-up pipe, so it never
interrupts anything half way; the SDK's own handler does and loses data
(meltano/sdk#3775). The reader waits on the pipe as well as on the input; all other
waits look at the flag.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
import weakref

EXIT_BY_SIGNAL = 128
"""What a shell adds to the number of the signal that ended a process."""


class Signals:
    """The signal that came, if one did, and the wake-up pipe.

    A signal begins a grace of some seconds, in which what is under way may end.

    Attributes:
        signal: The number of the first signal; none before it.
    """

    def __init__(self, grace: float) -> None:
        self.signal: int | None = None
        self._grace = grace
        self._deadline = math.inf
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
            weakref.finalize(self, os.close, end)

    def __bool__(self) -> bool:
        """Return whether a signal came."""
        return self.signal is not None

    @property
    def remaining(self) -> float:
        """The seconds that are left of the grace, which has no end before a signal."""
        return max(0.0, self._deadline - time.monotonic())

    def fileno(self) -> int:
        """Return the end of the wake-up pipe that becomes readable."""
        return self._read

    def wake(self) -> None:
        """End the reader's wait for input."""
        # A full pipe is readable, so one more byte is not needed.
        with contextlib.suppress(BlockingIOError):
            os.write(self._write, b"\0")

    def drain(self) -> None:
        """Empty the wake-up pipe, so that it can end the next wait."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 1024)

    def handle(self, signum: int) -> None:
        """Note a signal; a second one ends the process at once."""
        if self.signal is not None:
            os._exit(EXIT_BY_SIGNAL + signum)
        self._deadline = time.monotonic() + self._grace
        self.signal = signum
        self.wake()
