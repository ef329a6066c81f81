"""Records that can't be loaded: logged, summed up, and kept so that they load again.

The rejects file is a Singer stream of the records as the tap sent them. It holds
personal data; the log names no more than source keys and reasons.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from target_upwell import json_codec
from target_upwell.exceptions import RunError
from target_upwell.printable import counted, one_id, one_line
from target_upwell.reporting.kinds import Kinds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_upwell.delivery.outcomes import Reject
    from target_upwell.reporting.files import AppendedFile

logger = logging.getLogger("target-upwell.rejects")

LOGGED_IN_FULL = 20
"""Rejects of one kind of reason that are logged one by one."""

THEN_EVERY = 1000

BEGINNINGS = (b'{"type":"SCHEMA",', b'{"type":"RECORD","stream":')
"""How the lines of the rejects file begin."""


class Rejects:
    """The rejects of a run; threads share it.

    `limit` of them are allowed, any number if it is -1. A dry run goes on over it, so
    that all are seen. `hints` are those of a `Resource`.
    """

    def __init__(
        self,
        limit: int,
        file: AppendedFile | None,
        hints: Mapping[str, str] = MappingProxyType({}),
        *,
        dry_run: bool = False,
    ) -> None:
        self._limit = limit
        self._file = file
        self._hints = hints
        self._dry_run = dry_run
        self._lock = threading.Lock()
        self._count = 0
        self._kinds = Kinds()
        self._schemas: dict[str, dict[str, Any]] = {}
        self._first_over: Reject | None = None

    @property
    def excess(self) -> RunError | None:
        """Why a run stops for its rejects, if it does; in a dry run, would stop."""
        if self._first_over is None:
            return None
        allowed = str(self._limit or "none")
        if self._limit and self._file:
            kept = "is" if self._limit == 1 else f"{self._limit} are"
            allowed += f"; the first {kept} kept in {self._file.path!r}"
        were, them = ("was", "it") if self._count == 1 else ("were", "them")
        return RunError(
            f"{self._first_over}. {counted(self._count, 'record')} {were} rejected and "
            f"`max_rejects` allows {allowed}; fix {them} in the source or the stream "
            "map, or raise `max_rejects`"
        )

    def record(self, rejects: Sequence[Reject]) -> None:
        """Take the rejects of one batch; when this returns they are on the disk.

        Both batches and rejects come in the order of the stream, so that the last
        version of a record is also the last one when the file is loaded.

        Raises:
            RunError: If they are more than may be; those within the limit are written
                all the same, and their batch is not to be acknowledged. Or if they
                can't be written.
        """
        with self._lock:
            room = max(0, self._limit - self._count)
            kept = rejects if self._limit < 0 else rejects[:room]
            if self._file and kept:
                head = self._schemas_before(kept)
                self._file.append(self._lines(kept), head=map(_schema_line, head))
            self._count += len(rejects)
            for reject in rejects:
                self._log(reject)
            if len(kept) < len(rejects) and self._first_over is None:
                self._first_over = rejects[len(kept)]
            if self.excess and not self._dry_run:
                raise self.excess

    def summary(self) -> Iterator[str]:
        """Sum the rejects up by reason, with a few examples each."""
        with self._lock:
            for kind in self._kinds.most_common():
                hint = self._hint(kind.pattern, kind.values.most_common(1))
                yield (
                    f"{counted(kind.count, 'record')} rejected: {kind} "
                    f"({kind.names()}){hint}"
                )
            if self._file and self._count:
                yield f"rejected records are kept in {self._file.path!r}"

    def _hint(self, pattern: str, most: list[tuple[str, int]]) -> str:
        for ending, hint in self._hints.items():
            if pattern.endswith(ending) and most:
                return "; " + hint.replace("{value}", most[0][0])
        return ""

    def _schemas_before(self, rejects: Sequence[Reject]) -> list[dict[str, Any]]:
        """Return the schemas that rejects need and that were written before them."""
        first: dict[str, dict[str, Any]] = {}
        for reject in rejects:
            source = reject.row.source
            first.setdefault(source.stream, source.schema_message)
        return [one for name, one in first.items() if self._schemas.get(name) is one]

    def _lines(self, rejects: Sequence[Reject]) -> Iterator[bytes]:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        for reject in rejects:
            source = reject.row.source
            if self._schemas.get(source.stream) is not source.schema_message:
                self._schemas[source.stream] = source.schema_message
                yield _schema_line(source.schema_message)
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
        kind = self._kinds.add(one_line(reject.reason), one_id(reject.row.name))
        if kind.count <= LOGGED_IN_FULL or kind.count % THEN_EVERY == 0:
            logger.error("rejected (%s): %s", reject.kind, reject)
        if kind.count == LOGGED_IN_FULL:
            logger.error(
                "more of this kind follow; only every %dth is logged", THEN_EVERY
            )


def _schema_line(message: dict[str, Any]) -> bytes:
    return json_codec.encode_leniently({"type": "SCHEMA", **message})
