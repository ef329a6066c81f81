"""The sync log: Upwell's id of each record, and who changed what, when, and from what.

One JSON line for each that was created, updated or found unchanged, between a line at
the start of the run and one at its end. Lines are on the disk before the STATE that
covers them goes out.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from target_upwell import json_codec
from target_upwell.delivery.outcomes import Outcome
from target_upwell.exceptions import NotJSON, RunError
from target_upwell.printable import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from target_upwell.delivery.outcomes import Counted
    from target_upwell.reporting.files import AppendedFile
    from target_upwell.resource import Resource

logger = logging.getLogger("target-upwell.sync-log")

BEGINNINGS = (b'{"run":',)
"""How the lines of the sync log begin."""

VALUE_SETTINGS = (
    "faker_config",
    "field_policy",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_max_key_length",
    "flattening_separator",
    "load_method",
    "null_handling",
    "source_system",
    "stream_map_config",
    "stream_maps",
    "unmapped_properties",
)
"""The settings that decide which values a record brings to Upwell."""

DIGEST_CHARACTERS = 16

TAIL_BYTES = 64 * 1024 * 1024
"""How far back the last run is looked for, where it died before its last line."""

_LOGGED = frozenset({Outcome.CREATED, Outcome.UPDATED, Outcome.UNCHANGED})


class SyncLog:
    """The sync log of a run, if the user wants one; threads share it.

    `digest` stands for the settings that change values, see `digest_of`. It raises
    `RunError` where its file can't be read or written.
    """

    def __init__(
        self,
        file: AppendedFile | None,
        digest: str,
        resource: Resource,
        run: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._file = file
        self._digest = digest
        self._resource = resource
        self._run = run or uuid4().hex
        self._clock = clock
        self._lock = threading.Lock()
        self._without_id = 0

    def begin(self, version: str, load_method: str) -> None:
        """Log that the run begins; warn if the last one mapped records otherwise."""
        if not self._file:
            return
        if _last_digest(self._file) not in {None, self._digest}:
            logger.warning(
                "the stream map, or another setting that changes values, is not that "
                "of the last run in %r; an incremental tap will not send old %s "
                "again: to have them sent, run meltano run --full-refresh with your "
                "tap and target-upwell",
                self._file.path,
                self._resource.name,
            )
        self._append("started", version=version, load_method=load_method)

    def record(self, loaded: Iterable[Counted]) -> None:
        """Log what became of records; once `sync` returns it is on the disk."""
        known = [one for one in loaded if one.outcome in _LOGGED]
        if not known or not self._file:
            return
        with self._lock:
            self._without_id += sum(one.id is None for one in known)
        # One wait for the disk a batch would cost a slow disk's time each time.
        self._file.append(self._lines(known), sync=False)

    def sync(self) -> None:
        """Wait until what was logged is on the disk."""
        if self._file:
            self._file.sync()

    def end(self, totals: Mapping[str, Any], *, failed: bool) -> None:
        """Log that the run has ended, with its counts."""
        try:
            self._append("failed" if failed else "finished", **totals)
        except RunError as error:
            # What became of each record is in it already.
            logger.warning("%s", error)

    def summary(self) -> Iterator[str]:
        """Yield what there is to say of it at the end of the run."""
        if self._file and self._without_id:
            things = counted(
                self._without_id, self._resource.singular, self._resource.name
            )
            have = "has" if self._without_id == 1 else "have"
            yield f"{things} {have} no id in {self._file.path!r}: no answer showed it"

    def _lines(self, loaded: Iterable[Counted]) -> Iterator[bytes]:
        system, source_id = self._resource.key
        at = self._now()
        for one in loaded:
            yield json_codec.encode(
                {
                    "run": self._run,
                    "at": at,
                    system: one.key[0],
                    source_id: one.key[1],
                    "id": one.id,
                    "outcome": one.outcome.value,
                    "changes": {
                        name: {"before": before, "after": after}
                        for name, (before, after) in one.changes.items()
                    },
                }
            )

    def _append(self, outcome: str, **more: Any) -> None:  # noqa: ANN401 - any JSON
        line = {"run": self._run, "at": self._now(), "outcome": outcome}
        if self._file:
            content = json_codec.encode({**line, "digest": self._digest, **more})
            self._file.append([content])

    def _now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")


def _last_digest(file: AppendedFile) -> str | None:
    """Return the digest of the last run in a file."""
    for line in file.last_lines(TAIL_BYTES):
        # Only the first and the last line of a run have one.
        if b'"digest":' not in line or not line.startswith(BEGINNINGS):
            continue
        with contextlib.suppress(NotJSON):
            digest = json_codec.decode(line).get("digest")
            if isinstance(digest, str):
                return digest
    return None


def digest_of(config: Mapping[str, Any]) -> str:
    """Return a digest of the settings that decide which values reach Upwell."""
    values = {name: config[name] for name in VALUE_SETTINGS if config.get(name)}
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_CHARACTERS]
