"""Files that a run appends lines to, for a person to read or a later run to load.

They hold personal data, so only their owner may read them. A line counts as written
when it is on the disk. What stands in a file already may be anybody's: it is never cut
or changed, but for a last line of this program's own that was torn when it died. What
the lines say is not known here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shlex
import stat
import threading
import time
from typing import TYPE_CHECKING

from target_upwell import json_codec
from target_upwell.exceptions import NotJSON, RunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

logger = logging.getLogger("target-upwell.files")

OWNER_ONLY = 0o600
OTHERS_MAY_READ = stat.S_IRGRP | stat.S_IROTH

LOCK_TIMEOUT_SECONDS = 60.0
"""Another run holds the lock for one append at a time, which takes milliseconds."""

SECONDS_BETWEEN_TRIES = 0.01

BLOCK_BYTES = 65_536

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class AppendedFile:
    """A file of lines that is only ever appended to; threads and runs share it."""

    def __init__(
        self, path: str, setting: str, beginnings: tuple[bytes, ...] = ()
    ) -> None:
        """Keep the arguments; nothing is opened.

        Args:
            path: Where it is; it is made when the first line is due.
            setting: The setting that names it, for messages.
            beginnings: How this program's own lines begin in this file.
        """
        self.path = path
        self.setting = setting
        self._beginnings = beginnings
        self._lock = threading.Lock()
        self._file: int | None = None
        self._failure: RunError | None = None
        self._unsynced = False

    def check(self) -> None:
        """Check, at the start of a run, that lines can be appended; open nothing.

        That it is a regular file, and not that of another setting, was checked with
        the settings.

        Raises:
            RunError: If it is clear already that they can't be.
        """
        try:
            self._check_path()
        except (OSError, ValueError) as error:
            raise self._worded(error) from None

    def append(self, lines: Iterable[bytes], *, sync: bool = True) -> None:
        """Append lines, all of them or none, and wait until they are on the disk.

        Args:
            lines: The lines, each without its end.
            sync: Whether to wait for the disk; `sync` does so later.

        Raises:
            RunError: If they can't be written. Nothing is written after that: a later
                line would overtake those that are missing.
        """
        content = b"".join(line + b"\n" for line in lines)
        with self._lock:
            if self._failure:
                raise self._failure
            try:
                file = self._open()
                with self._locked(file):
                    self._append(file, content, sync=sync)
            except RunError as error:
                self._failure = error
                raise
            except (OSError, ValueError) as error:
                self._failure = self._worded(error)
                raise self._failure from None

    def sync(self) -> None:
        """Wait until all that was appended is on the disk.

        Raises:
            RunError: If it can't be written.
        """
        with self._lock:
            if self._failure:
                raise self._failure
            if self._file is None or not self._unsynced:
                return
            try:
                os.fsync(self._file)
            except OSError as error:
                self._failure = self._worded(error)
                raise self._failure from None
            self._unsynced = False

    def close(self) -> None:
        """Close it, if it was opened."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def last_lines(self, tail_bytes: int) -> Iterator[bytes]:
        """Yield the lines that end in the tail of the file, the last one first.

        Args:
            tail_bytes: How far to look back.

        Raises:
            RunError: If it can't be read.
        """
        try:
            with open(self.path, "rb", buffering=0) as file:  # noqa: PTH123 - pathlib hides errors
                yield from _lines_backwards(file.fileno(), tail_bytes)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise self._worded(error) from None

    def _check_path(self) -> None:
        folder = os.path.dirname(os.path.abspath(self.path))  # noqa: PTH100, PTH120 - pathlib hides errors
        os.stat(os.path.join(folder, ""))  # noqa: PTH116, PTH118 - likewise
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        try:
            found = os.stat(self.path)  # noqa: PTH116 - likewise
        except FileNotFoundError:
            return
        if not os.access(self.path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if found.st_mode & OTHERS_MAY_READ:
            logger.warning(
                "%s: other users can read %r, which holds personal data; run: "
                "chmod 600 %s",
                self.setting,
                self.path,
                shlex.quote(self.path),
            )

    def _open(self) -> int:
        if self._file is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
            try:
                self._file = os.open(self.path, flags)
            except FileNotFoundError:
                self._file = os.open(self.path, flags | os.O_CREAT, OWNER_ONLY)
                self._sync_folder()
        return self._file

    def _sync_folder(self) -> None:
        """Put the new file's name on the disk, where the file system can do that."""
        with contextlib.suppress(OSError):
            folder = os.open(os.path.dirname(self.path) or ".", os.O_RDONLY)  # noqa: PTH120 - nothing else of pathlib is used
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    @contextlib.contextmanager
    def _locked(self, file: int) -> Iterator[None]:
        """Hold the file's lock against other runs.

        Raises:
            RunError: If another program does not let go of it.
        """
        deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise RunError(
                        f"{self.setting}: {self.path!r} can't be written: another "
                        f"program has kept it locked for {LOCK_TIMEOUT_SECONDS:.0f} "
                        "seconds"
                    ) from None
                time.sleep(SECONDS_BETWEEN_TRIES)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    def _append(self, file: int, content: bytes, *, sync: bool) -> None:
        before = self._end_of_lines(file)
        if _ends_within_a_line(file, before):
            content = b"\n" + content
        written = 0
        try:
            while written < len(content):
                written += os.write(file, content[written:])
            if sync:
                os.fsync(file)
            self._unsynced = not sync
        except OSError:
            # Only this run's own bytes: somebody may write without taking the lock.
            if os.fstat(file).st_size == before + written:
                os.ftruncate(file, before)
            raise

    def _end_of_lines(self, file: int) -> int:
        """Return the file's size, after a torn line of this program's own is cut."""
        size = os.fstat(file).st_size
        if not _ends_within_a_line(file, size):
            return size
        start = _start_of_last_line(file, size)
        if not self._may_be_own(os.pread(file, BLOCK_BYTES, start)):
            return size
        try:
            json_codec.decode(os.pread(file, size - start, start))
        except NotJSON:
            os.ftruncate(file, start)
            return start
        return size

    def _may_be_own(self, line: bytes) -> bool:
        return any(
            line.startswith(own) or own.startswith(line) for own in self._beginnings
        )

    def _worded(self, error: OSError | ValueError) -> RunError:
        what, remedy = str(error), "name a file that can be written"
        if isinstance(error, OSError):
            full = error.errno in _FULL
            what = "the disk is full" if full else error.strerror or what
            if full or error.errno == errno.EFBIG:
                remedy = "free some space"
        return RunError(
            f"{self.setting}: {self.path!r} can't be written: {what}; {remedy}"
        )


def _ends_within_a_line(file: int, size: int) -> bool:
    return size > 0 and os.pread(file, 1, size - 1) != b"\n"


def _start_of_last_line(file: int, size: int) -> int:
    end = size
    while end:
        start = max(0, end - BLOCK_BYTES)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _lines_backwards(file: int, tail_bytes: int) -> Iterator[bytes]:
    end = os.fstat(file).st_size
    first = max(0, end - tail_bytes)
    rest = b""
    while end > first:
        start = max(first, end - BLOCK_BYTES)
        head, *lines = (os.pread(file, end - start, start) + rest).split(b"\n")
        yield from reversed(lines)
        rest, end = head, start
    if not first:
        yield rest
