"""SIGTERM and SIGINT, and the wake-up pipe that ends a wait for input.

The handler only notes the signal and writes a byte to the wake-up pipe, so it never
interrupts anything half way; the SDK's own handler does and loses data
(meltano/sdk#3775). The reader waits on the pipe as well as on the input; all other
waits look at the flag.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

EXIT_BY_SIGNAL = 128
"""What a shell adds to the number of the signal that ended a process."""


class Signals:
    """The signal that came, if one did, and the wake-up pipe.

    Attributes:
        signal: The number of the first signal; none before it.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._came_at = 0.0
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
            weakref.finalize(self, os.close, end)

    def __bool__(self) -> bool:
        """Return whether a signal came."""
        return self.signal is not None

    def remaining(self, grace: float) -> float:
        """Return the seconds that are left of a grace period, which a signal begins."""
        if self.signal is None:
            return grace
        return max(0.0, self._came_at + grace - time.monotonic())

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

    def handle(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Note a signal; a second one ends the process at once."""
        if self.signal is not None:
            os._exit(EXIT_BY_SIGNAL + signum)
        self._came_at = time.monotonic()
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
