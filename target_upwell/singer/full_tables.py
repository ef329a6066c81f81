"""Which source streams have sent all that their tables hold.

A FULL_TABLE stream sends records that carry a version, and ACTIVATE_VERSION. By the
Singer specification that message follows the last record, and so says that all of them
came. Taps of the Meltano SDK send it before the first record instead, and one STATE
after the last: not, though, where that is the very STATE that they began with, so that
they have to begin with none. A tap that dies sends neither, and its pipe ends like any
other.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

SDK_RECORDS_BETWEEN_STATES = 10_000
"""After so many records a tap of the SDK sends a STATE in mid-stream as well."""

EARLIEST_MILLISECONDS = 10**11
"""Versions are the time at which the tap began: those of the SDK are in seconds,
which are fewer than this, those of other taps in milliseconds."""

NO_TIME = 10**15
"""From here on a version is no time, in milliseconds either."""

OLDEST_VERSION_SECONDS = 10
"""A tap begins when the target does. One that goes on with a load which was cut short
keeps its version, and sends only the rest of the table; so does an incremental one,
which sends nothing where nothing is new. Either may run again within a minute."""


@dataclass(slots=True)
class _Table:
    """What one stream has sent."""

    version: int | None = None
    records: int = 0
    states: int = 0  # since the last record
    closed: bool = False  # ACTIVATE_VERSION came after the last record
    mixed: bool = False  # a record or message had another version, or none
    activated: int = 0  # ACTIVATE_VERSION messages

    @property
    def by_sdk(self) -> bool:
        """Whether its tap is one of the SDK."""
        return (self.version or 0) < EARLIEST_MILLISECONDS

    @property
    def is_whole(self) -> bool:
        """Whether what came at the end comes only after the last record."""
        if not self.by_sdk:
            return self.closed or (not self.records and self.states > 0)
        in_between = self.records and self.records % SDK_RECORDS_BETWEEN_STATES == 0
        return self.states > (1 if in_between else 0)


class FullTables:
    """Judges by a run's messages which of its source streams are complete."""

    def __init__(self, began: float) -> None:
        """Judge a run that began at a time, in seconds since 1970."""
        self._began = began
        self._tables: defaultdict[str, _Table] = defaultdict(_Table)
        self._bookmarked: set[str] = set()

    def schema(self, stream: str, bookmark_properties: object) -> None:
        """Take note of a SCHEMA message."""
        if bookmark_properties:
            self._bookmarked.add(stream)

    def record(self, stream: str, version: Any) -> None:  # noqa: ANN401 - any JSON value
        """Take note of a record."""
        table = self._table(stream, version)
        table.records += 1
        table.states = 0
        table.closed = False

    def activate(self, stream: str, version: Any) -> None:  # noqa: ANN401 - any JSON value
        """Take note of an ACTIVATE_VERSION message."""
        table = self._table(stream, version)
        table.activated += 1
        table.closed = table.records > 0

    def state(self) -> None:
        """Take note of a STATE message."""
        for table in self._tables.values():
            table.states += 1

    def why_incomplete(self, stream: str) -> str:
        """Return why a stream may not have sent all of its table; "" if it has."""
        table = self._tables.get(stream)
        if table is None or table.version is None:
            return (
                f"stream {stream!r} sent no versions, so it is not a FULL_TABLE "
                "stream, or its tap sends no ACTIVATE_VERSION"
            )
        why = ""
        age = self._began - table.version / (1 if table.by_sdk else 1000)
        if table.mixed:
            why = f"stream {stream!r} sent records of several versions, or of none"
        elif stream in self._bookmarked and not table.by_sdk:
            # A tap of the SDK names them for a FULL_TABLE stream too.
            why = f"stream {stream!r} is incremental: it has bookmark_properties"
        elif age > OLDEST_VERSION_SECONDS:
            why = (
                f"the load of stream {stream!r} began {age:.0f} seconds before this "
                "run, so this may be the rest of one that was cut short"
            )
        elif table.by_sdk and table.activated > 1:
            why = (
                f"the tap reads stream {stream!r} in parts, one for each record of "
                "another stream, and does not say which is the last"
            )
        elif not table.is_whole:
            why = (
                f"stream {stream!r} ended as one does that is cut short; a tap of the "
                "Meltano SDK says more with meltano run --full-refresh"
            )
        return why

    def _table(self, stream: str, version: Any) -> _Table:  # noqa: ANN401 - any JSON value
        table = self._tables[stream]
        if type(version) is not int or not 0 < version < NO_TIME:
            table.mixed = True
        elif table.version is None:
            table.version = version
        elif version != table.version:
            table.mixed = True
        return table
