"""Records that can't be loaded: one at a time, by the user's leave, and replayable.

The rejects file is a Singer stream of the records as the tap sent them. It holds
personal data; the log names no more than source keys and reasons.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from target_upwell import json_codec
from target_upwell.exceptions import TooManyRejects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_upwell.delivery.batch import Row
    from target_upwell.exceptions import Refusal
    from target_upwell.reporting.files import AppendedFile

logger = logging.getLogger("target-upwell.rejects")

LOGGED_IN_FULL = 20
"""Rejects of one kind of reason that are logged one by one."""

THEN_EVERY = 1000

EXAMPLES = 5

BEGINNINGS = (b'{"type":"SCHEMA",', b'{"type":"RECORD","stream":')
"""How the lines of the rejects file begin."""

_VARYING = (
    (re.compile(r"\[\d+\]"), "[]"),
    # Python quotes a text that holds an apostrophe the other way.
    (re.compile(r"""'[^']*'|"[^"]*'[^"]*\""""), "'...'"),
    # Numbers, but not the HTTP status, which stands behind a bracket.
    (re.compile(r"(?<![\w(+.])-?\d[\w.+-]*"), "..."),
)


@dataclass(frozen=True)
class Reject:
    """One record that can't be loaded, and why.

    Attributes:
        row: The record.
        kind: Found out here before sending, or by Upwell.
        reason: For a person, in one line.
        status: The HTTP status of Upwell's refusal.
        code: The code of Upwell's refusal.
    """

    row: Row
    kind: Literal["invalid", "refused"]
    reason: str
    status: int | None = None
    code: str | None = None

    @classmethod
    def invalid(cls, row: Row, reason: str) -> Reject:
        """Reject a record that this program finds fault with."""
        return cls(row, "invalid", reason)

    @classmethod
    def refused(cls, row: Row, refusal: Refusal) -> Reject:
        """Reject a record that Upwell turned down."""
        return cls(row, "refused", str(refusal), refusal.status, refusal.code)

    @classmethod
    def nameless(cls, rows: Iterable[Row]) -> list[Reject]:
        """Reject the records of a new customer that has no name."""
        reason = "name: it has none, and a new customer needs one"
        return [cls.invalid(row, reason) for row in rows]

    def __str__(self) -> str:
        """Name the record and the reason, and nothing else of it."""
        return f"{self.row.name}: {self.reason}"


class Rejects:
    """The rejects of a run; threads share it."""

    def __init__(self, limit: int, file: AppendedFile | None) -> None:
        """Keep account of rejects.

        Args:
            limit: Records that may be rejected; -1 for any number.
            file: Where they are kept; needed for any other limit than 0.
        """
        self._limit = limit
        self._file = file
        self._lock = threading.Lock()
        self._count = 0
        self._kinds: Counter[str] = Counter()
        self._by_reason: dict[str, list[str]] = {}
        self._schemas: dict[str, dict[str, Any]] = {}

    def take(self, rejects: Iterable[Reject], rows: Iterable[Row]) -> None:
        """Take the rejects of one batch; when this returns they are on the disk.

        They are kept in the order of the stream, so that the last version of a customer
        is also the last one when the file is loaded.

        Args:
            rejects: The rejects, in any order.
            rows: All rows of the batch.

        Raises:
            TooManyRejects: If they are more than may be. Those within the limit are
                written all the same; their batch is not to be acknowledged.
            RunError: If they can't be written.
        """
        by_row = {id(reject.row): reject for reject in rejects}
        if not by_row:
            return
        rejects = [by_row[id(row)] for row in rows if id(row) in by_row]
        with self._lock:
            room = len(rejects) if self._limit < 0 else self._limit - self._count
            kept, over = rejects[:room], rejects[room:]
            if self._file and kept:
                self._file.append(self._lines(kept))
            self._count += len(kept)
            for reject in rejects:
                self._log(reject)
        if over:
            allowed = f"{self._limit} may be" if self._limit else "none may be"
            raise TooManyRejects(
                f"{over[0]}. A record was rejected and {allowed} (max_rejects); mend "
                "it in the source or the stream map, or raise max_rejects"
            )

    def summary(self) -> Iterator[str]:
        """Sum the rejects up by reason, with a few examples each."""
        with self._lock:
            for reason, names in self._by_reason.items():
                shown = ", ".join(names)
                more = self._kinds[reason] - len(names)
                and_more = f" and {more} more" if more else ""
                yield f"rejected {self._kinds[reason]}: {reason} ({shown}{and_more})"
            if self._file and self._count:
                yield f"rejected records are kept in {self._file.path}"

    def _lines(self, rejects: Iterable[Reject]) -> Iterator[bytes]:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        for reject in rejects:
            source = reject.row.source
            if self._schemas.get(source.stream) is not source.schema_message:
                self._schemas[source.stream] = source.schema_message
                yield json_codec.encode_leniently(
                    {"type": "SCHEMA", **source.schema_message}
                )
            yield json_codec.encode_leniently(
                {
                    "type": "RECORD",
                    "stream": source.stream,
                    "record": reject.row.record,
                    "reject": {
                        "reason": reject.reason,
                        "kind": reject.kind,
                        "status": reject.status,
                        "code": reject.code,
                        "source_system_id": reject.row.key and reject.row.key[1],
                        "at": now,
                    },
                }
            )

    def _log(self, reject: Reject) -> None:
        kind = _kind_of(reject.reason)
        self._kinds[kind] += 1
        number = self._kinds[kind]
        examples = self._by_reason.setdefault(kind, [])
        if len(examples) < EXAMPLES:
            examples.append(reject.row.name)
        if number <= LOGGED_IN_FULL or number % THEN_EVERY == 0:
            logger.error("rejected (%s): %s", reject.kind, reject)
        if number == LOGGED_IN_FULL:
            logger.error(
                "more of this kind follow; only every %dth is logged", THEN_EVERY
            )


def _kind_of(reason: str) -> str:
    """Reduce a reason to its kind: without the values and positions that vary."""
    for varying, stand_in in _VARYING:
        reason = varying.sub(stand_in, reason)
    return reason
