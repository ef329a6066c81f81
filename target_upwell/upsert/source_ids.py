"""Source ids on two sides, on the disk: those that the source named, and Upwell's.

Millions of them must not grow the memory of a run, so they stand in a temporary
database, which SQLite removes by itself, even when the process is killed.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from target_upwell.exceptions import RunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BUFFERED = 1000
"""Ids that are written to the database at once."""

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE held (id TEXT PRIMARY KEY, upwell_id TEXT NOT NULL) WITHOUT ROWID;
"""
_MISSING = "FROM held WHERE id NOT IN (SELECT id FROM seen)"


class Held(NamedTuple):
    """A record of the account: its id in the source, and Upwell's."""

    id: str
    upwell_id: str


class SourceIds:
    """The ids of a run; one thread at a time may use them.

    Where the disk fails its methods raise `RunError`.
    """

    def __init__(self) -> None:
        self._database: sqlite3.Connection | None = None
        self._buffer: list[tuple[str]] = []

    def see(self, source_id: str) -> None:
        """Take an id that the source named; as often as it likes."""
        self._buffer.append((source_id,))
        if len(self._buffer) >= BUFFERED:
            with self._open():
                pass

    def hold(self, records: Iterable[Held]) -> bool:
        """Take records of the account, and return whether any of them is new."""
        with self._open() as database:
            cursor = database.executemany(
                "INSERT OR IGNORE INTO held VALUES (?, ?)", records
            )
            return cursor.rowcount > 0

    def count_missing(self) -> int:
        """Return how many records of the account the source did not name."""
        with self._open() as database:
            (count,) = database.execute(f"SELECT count(*) {_MISSING}").fetchone()
            return int(count)

    def missing(self, after: str, most: int) -> list[Held]:
        """Return so many records that the source did not name, by their ids."""
        with self._open() as database:
            found = database.execute(
                f"SELECT id, upwell_id {_MISSING} AND id > ? ORDER BY id LIMIT ?",
                (after, most),
            )
            return [Held(*row) for row in found]

    def close(self) -> None:
        """Remove it."""
        if self._database is not None:
            self._database.close()
            self._database = None

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open it, once, and write what waits to be written."""
        try:
            if self._database is None:
                # Without a name it is a temporary file that has none either.
                self._database = sqlite3.connect("", check_same_thread=False)
                self._database.executescript(_SCHEMA)
            ids, self._buffer = self._buffer, []
            with self._database:
                insert = "INSERT OR IGNORE INTO seen VALUES (?)"
                self._database.executemany(insert, ids)
                yield self._database
        except sqlite3.Error as error:
            raise RunError(
                f"the temporary file of source ids failed ({error}); set "
                "SQLITE_TMPDIR to a folder that has room for all of them"
            ) from None
