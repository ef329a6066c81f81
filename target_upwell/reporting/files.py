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
from pathlib import Path
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

MOST_BEGINNING_BYTES = 64

BLOCK_BYTES = 4096
"""Read at once on the way back to the beginning of a line."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class AppendedFile:
    """A file of lines that is only ever appended to; threads and runs share it.

    `setting` names it in messages; `beginnings` are those of this program's own lines.
    It raises `RunError` where the system refuses. Nothing is written after that: a
    later line would overtake those that are missing.
    """

    def __init__(self, path: str, setting: str, beginnings: tuple[bytes, ...]) -> None:
        self.path = path
        self._setting = setting
        self._own = beginnings
        self._lock = threading.Lock()
        self._file: int | None = None
        self._failure: RunError | None = None
        self._unsynced = False
        self._end = -1  # after what was appended last

    def check(self) -> None:
        """Check, at the start of a run, that lines can be appended; open nothing.

        That it is a regular file, and not that of another setting, was checked with
        the settings.
        """
        with self._worded():
            path = Path(self.path).absolute()
            try:
                mode = path.stat().st_mode
                allowed = os.access(path, os.R_OK | os.W_OK)
            except FileNotFoundError:
                mode = 0
                path.parent.stat()
                allowed = os.access(path.parent, os.W_OK | os.X_OK)
            if not allowed:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if mode & OTHERS_MAY_READ:
            logger.warning(
                "%s: other users can read %r, which holds personal data; run: "
                "chmod 600 %s",
                self._setting,
                self.path,
                shlex.quote(self.path),
            )

    def append(
        self,
        lines: Iterable[bytes],
        *,
        head: Iterable[bytes] = (),
        sync: bool = True,
    ) -> None:
        """Append lines, each given without its end: all of them or none.

        The head has to stand before them; it is left out while the file still ends
        with what was appended last. Without `sync` they may reach the disk only with a
        later call of that name.
        """
        with self._writing():
            file = self._open()
            with _locked(file):
                if os.fstat(file).st_size != self._end:
                    lines = (*head, *lines)
                self._append(file, b"".join(line + b"\n" for line in lines), sync=sync)
                self._end = os.fstat(file).st_size

    def sync(self) -> None:
        """Wait until all that was appended is on the disk."""
        with self._writing():
            self._sync()

    def close(self) -> None:
        """Close it, if it was opened."""
        with self._lock:
            self._close()

    def last_lines(self, tail_bytes: int) -> Iterator[bytes]:
        """Yield the lines that end in the tail of the file, the last one first."""
        with (
            self._worded(),
            contextlib.suppress(FileNotFoundError),
            Path(self.path).open("rb") as opened,
        ):
            file = opened.fileno()
            end = os.fstat(file).st_size
            first = max(0, end - tail_bytes)
            while end >= first and (start := _line_start(file, end)) >= first:
                yield os.pread(file, end - start, start)
                end = start - 1

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Keep other threads out, and end all writing with the first failure."""
        with self._lock:
            if self._failure:
                raise self._failure
            try:
                with self._worded():
                    yield
            except RunError as error:
                self._failure = error
                raise

    @contextlib.contextmanager
    def _worded(self) -> Iterator[None]:
        """Word a failure of the system for a person."""
        try:
            yield
        except (OSError, ValueError) as error:
            what, remedy = str(error), "name a file that can be written"
            if isinstance(error, OSError):
                full = error.errno in _FULL
                what = "the disk is full" if full else error.strerror or what
                if full or error.errno == errno.EFBIG:
                    remedy = "free some space"
            raise RunError(
                f"{self._setting}: {self.path!r} can't be written: {what}; {remedy}"
            ) from None

    def _open(self) -> int:
        """Return the file that is at the path now; one that was moved is left alone."""
        if self._file is not None and not _is_at(self._file, self.path):
            self._sync()
            self._close()
        if self._file is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
            try:
                self._file = os.open(self.path, flags)
            except FileNotFoundError:
                self._file = os.open(self.path, flags | os.O_CREAT, OWNER_ONLY)
                _sync_folder(Path(self.path).parent)
            if not stat.S_ISREG(os.fstat(self._file).st_mode):
                raise ValueError("it is not a regular file")
        return self._file

    def _sync(self) -> None:
        if self._file is not None and self._unsynced:
            os.fsync(self._file)
            self._unsynced = False

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file, self._end = None, -1

    def _append(self, file: int, content: bytes, *, sync: bool) -> None:
        before = os.fstat(file).st_size
        if before and os.pread(file, 1, before - 1) != b"\n":
            torn = self._torn_line(file, before)
            if torn is None:
                content = b"\n" + content
            else:
                os.ftruncate(file, torn)
                before = torn
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

    def _torn_line(self, file: int, size: int) -> int | None:
        """Return where the last line begins, if it is a torn one of this program's."""
        start = _line_start(file, size)
        head = os.pread(file, MOST_BEGINNING_BYTES, start)
        if not any(head.startswith(o) or o.startswith(head) for o in self._own):
            return None
        try:
            json_codec.decode(os.pread(file, size - start, start))
        except NotJSON:
            return start
        return None


@contextlib.contextmanager
def _locked(file: int) -> Iterator[None]:
    """Hold a file's lock against other runs."""
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    "another program has kept it locked for "
                    f"{LOCK_TIMEOUT_SECONDS:.0f} seconds",
                ) from None
            time.sleep(SECONDS_BETWEEN_TRIES)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _is_at(file: int, path: str) -> bool:
    """Return whether an open file is the one at a path."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), Path(path).stat())
    return False


def _sync_folder(folder: Path) -> None:
    """Put a new file's name on the disk, where the file system can do that."""
    with contextlib.suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _line_start(file: int, end: int) -> int:
    """Return where the line begins that ends there."""
    while end:
        start = max(0, end - BLOCK_BYTES)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
