"""Drift: where Upwell keeps differing from the source, since its API can't be told.

It is summed up once a run, with a few examples, and listed in full in a file of the
user's choice.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING

from target_upwell import json_codec
from target_upwell.printable import one_id, one_line
from target_upwell.reporting.kinds import Kinds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_upwell.delivery.outcomes import DriftEntry
    from target_upwell.reporting.files import AppendedFile
    from target_upwell.reporting.kinds import Kind
    from target_upwell.resource import Resource

logger = logging.getLogger("target-upwell.drift")

_FORMER_PARENT = "former parent"

_DIFFERS = (
    "1 existing {one} differs from Upwell in {property}",
    "{count} existing {many} differ from Upwell in {property}",
)
_WORDS = {
    "relation": _DIFFERS,
    "column": _DIFFERS,
    "parent": (
        "1 {one} was loaded without its parent",
        "{count} {many} were loaded without their parents",
    ),
    _FORMER_PARENT: (
        "1 {one} keeps its former parent",
        "{count} {many} keep their former parents",
    ),
    "policy": (
        "`field_policy` kept {property} of 1 {one} as it is in Upwell",
        "`field_policy` kept {property} of {count} {many} as it is in Upwell",
    ),
    "missing": (
        "1 {one} is in Upwell and no longer in the source",
        "{count} {many} are in Upwell and no longer in the source",
    ),
}
"""What is said of one and of many, by kind."""

_WHY = {
    "relation": "this API can't change it",
    "column": "this API key can't update it",
    "parent": "not in Upwell",
    _FORMER_PARENT: "the new one is not in Upwell",
}
"""The reason, where none is given."""


class Drift:
    """The drift of a run; threads share it."""

    def __init__(self, file: AppendedFile | None, resource: Resource) -> None:
        self._file = file
        self._resource = resource
        self._lock = threading.Lock()
        self._kinds = Kinds()
        self._never_shown: set[str] = set()

    def record(self, entries: Sequence[DriftEntry]) -> None:
        """Take what differs; when this returns it is listed on the disk."""
        if self._file and entries:
            self._file.append(map(self._line, entries))
        with self._lock:
            for entry in entries:
                keeps = entry.kind == "parent" and bool(entry.upwell)
                kind = _FORMER_PARENT if keeps else entry.kind
                why = one_line(entry.why) or _WHY.get(kind, "")
                self._kinds.add(why, _example(entry), kind, entry.property)

    def never_shown(self, names: Iterable[str]) -> None:
        """Warn once of properties that can't be compared, since Upwell hides them."""
        with self._lock:
            new = sorted(set(names) - self._never_shown)
            self._never_shown.update(new)
        for name in new:
            logger.warning(
                "%s of existing %s can't be compared or changed through this API; it "
                "is only set when a %s is created",
                name,
                self._resource.name,
                self._resource.singular,
            )

    def counts(self) -> dict[str, int]:
        """Return how much drift there was of each kind."""
        counts: Counter[str] = Counter()
        with self._lock:
            for one in self._kinds.most_common():
                kind = one.group[0]
                counts["parent" if kind == _FORMER_PARENT else kind] += one.count
        return dict(counts)

    def report(self) -> None:
        """Log what differs; what a policy withheld is as the user wants it."""
        with self._lock:
            for one in self._kinds.most_common():
                level = logging.INFO if one.group[0] == "policy" else logging.WARNING
                logger.log(level, "%s", self._worded(one))

    def _worded(self, one: Kind) -> str:
        kind, name = one.group
        words = _WORDS[kind][one.count > 1].format(
            count=one.count,
            property=name,
            one=self._resource.singular,
            many=self._resource.name,
        )
        why = f" ({one})" if str(one) else ""
        listed = f"; all are listed in {self._file.path!r}" if self._file else ""
        return f"{words}{why}: {', '.join(one.examples)}{listed}"

    def _line(self, entry: DriftEntry) -> bytes:
        system, source_id = self._resource.key
        return json_codec.encode(
            {
                system: entry.key[0],
                source_id: entry.key[1],
                "property": entry.property,
                "kind": entry.kind,
                "upwell": entry.upwell,
                "source": entry.source,
                "why": entry.why or None,
            }
        )


def _example(entry: DriftEntry) -> str:
    """Name a record, and whom it should belong to."""
    name = one_id(entry.key[1])
    if entry.kind != "parent":
        return name
    held = f" (still {one_id(str(entry.upwell))})" if entry.upwell else ""
    return f"{name} to {one_id(str(entry.source))}{held}"


def beginnings(resource: Resource) -> tuple[bytes, ...]:
    """Return how the lines of the drift file begin."""
    return (b'{"%s":' % resource.key[0].encode(),)
