"""Files that a run appends lines to, for a person to read or for a later run to load.

They hold personal data, so only their owner may read them. A line counts as written
when it is on the disk.
"""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

from target_upwell.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Iterable

OWNER_ONLY = 0o600


class AppendedFile:
    """A file of lines that is only ever appended to; threads share it."""

    def __init__(self, path: str, setting: str) -> None:
        """Open a file, at the start of the run, so that a bad path fails early.

        Args:
            path: Where it is; it is made if it is not there.
            setting: The setting that names it, for messages.

        Raises:
            RunError: If it can't be written.
        """
        self.path = path
        self._setting = setting
        self._lock = threading.Lock()
        self._broken: RunError | None = None
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, OWNER_ONLY)
            self._cut_torn_line()
        except OSError as error:
            raise self._failure(error) from None

    def append(self, lines: Iterable[bytes]) -> None:
        """Append lines and wait until they are on the disk.

        Raises:
            RunError: If they can't be written. Some of them may be.
        """
        content = b"".join(line + b"\n" for line in lines)
        with self._lock:
            # After a failure the last line may be torn, and nothing may follow it.
            if self._broken:
                raise self._broken
            try:
                while content:
                    content = content[os.write(self._file, content) :]
                os.fsync(self._file)
            except OSError as error:
                self._broken = self._failure(error)
                raise self._broken from None

    def _cut_torn_line(self) -> None:
        """Drop a line that a dying run left unfinished; it never counted as written."""
        end = os.fstat(self._file).st_size
        kept = end
        while kept:
            start = max(0, kept - 65_536)
            newline = os.pread(self._file, kept - start, start).rfind(b"\n")
            if newline >= 0:
                kept = start + newline + 1
                break
            kept = start
        if kept < end:
            os.truncate(self._file, kept)

    def _failure(self, error: OSError) -> RunError:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        remedy = "free some space" if full else "name a file that can be written"
        return RunError(
            f"{self._setting}: {self.path!r} can't be written: {error.strerror}; "
            f"{remedy}"
        )
