"""STATE on standard output: whole lines, or a failure that says why.

A line that was written in part is worse than none: whoever keeps it resumes from
nothing. So each line is written to its end, whether standard output is a file, a pipe,
or a pipe that does not block, and whatever buffering Python was started with. While
nobody reads the pipe the writer waits, but never inside a write, so that a signal can
end the wait.
"""

from __future__ import annotations

import errno
import os
import select
import sys
from typing import TYPE_CHECKING

from target_upwell.exceptions import RunError, Stopped

if TYPE_CHECKING:
    from target_upwell.singer.signals import Signals

MILLISECONDS_BETWEEN_LOOKS = 200
"""How often a wait for a reader looks whether a signal came."""

_CHUNK_BYTES = select.PIPE_BUF
"""A pipe that is ready for writing takes this much without blocking."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED = (errno.EPIPE, errno.EBADF, errno.ECONNRESET)


class StateWriter:
    """Writes STATE lines to standard output; its owner calls it one at a time."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        # A view, since what is left of 16 MB is cut four thousand times.
        self._rest = memoryview(b"")

    def write(self, value: bytes) -> None:
        """Write the value of a STATE message as one whole line.

        What an earlier call could not write goes first, so that no line is ever
        continued with another one.

        Raises:
            RunError: If nobody reads standard output, or its disk is full, say.
            Stopped: If nobody read it within the grace after a signal.
        """
        self._rest = memoryview(b"".join((self._rest, value, b"\n")))
        try:
            self._write_rest()
        except (OSError, ValueError) as error:
            code = error.errno if isinstance(error, OSError) else errno.EBADF
            what = "STATE can't be written to standard output:"
            why = f"{what} {os.strerror(code or 0)};"
            if code in _CLOSED:
                why = "nobody reads the STATE any more: standard output is closed;"
            elif code in _FULL:
                why = f"{what} the disk is full; free some space and"
            raise RunError(
                f"{why} run it again, it goes on where it stopped"
            ) from error

    def _write_rest(self) -> None:
        # Python has none when the process was started with it closed.
        if not sys.stdout:
            raise ValueError
        try:
            file = sys.stdout.fileno()
        except (OSError, AttributeError):
            # An object in the place of standard output, as a caller may put there.
            sys.stdout.write(str(self._rest, "utf-8"))
            sys.stdout.flush()
            self._rest = self._rest[:0]
            return
        ready = select.poll()
        ready.register(file, select.POLLOUT)
        while self._rest:
            # An error of the file makes it ready too, and the write then says which.
            if ready.poll(MILLISECONDS_BETWEEN_LOOKS):
                try:
                    written = os.write(file, self._rest[:_CHUNK_BYTES])
                except BlockingIOError:
                    continue
                self._rest = self._rest[written:]
            elif not self._signals.remaining:
                raise Stopped
