"""A dry run: a real run on parts that send searches and write nothing.

It shows the first customers and changes whole, so that a person can judge the stream
map by them.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_upwell import json_codec
from target_upwell.api.client import Client
from target_upwell.api.replies import Update
from target_upwell.customers.schema import CUSTOMERS, READABLE
from target_upwell.delivery.outcomes import Counted, Outcome
from target_upwell.printable import counted
from target_upwell.upsert.diff import merge
from target_upwell.upsert.lookups import Lookups

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_upwell.api.replies import Record
    from target_upwell.api.retry import Retry
    from target_upwell.config import Settings
    from target_upwell.delivery.batch import Batch
    from target_upwell.delivery.tasks import Loaded
    from target_upwell.resource import Resource, SourceKey
    from target_upwell.upsert.duplicates import Duplicates
    from target_upwell.upsert.loader import Loader
    from target_upwell.upsert.plan import Entry

logger = logging.getLogger("target-upwell.dry-run")

UNSHOWN = "(Upwell does not show it)"

SHOWN = 3
"""New customers and changes that are shown whole, each. Changes of nothing but what
Upwell never shows count apart: they come with every record, and would hide the others.
"""


class DryClient(Client):
    """A client that searches, and takes all writes without sending them."""

    def create(
        self,
        resource: Resource,
        inputs: Mapping[SourceKey, bytes],
        retry: Retry | None = None,  # noqa: ARG002 - nothing fails
    ) -> dict[SourceKey, Record]:
        """Return the records that would be created."""
        return {key: _new(resource, key) for key in inputs}

    def update(self, *_: object) -> Update:
        """Return what an update of a record that exists touches."""
        return Update(1, 1)


@dataclass(eq=False)
class DryLookups(Lookups):
    """Lookups that make sure, since no refusal tells of what they overlook.

    They also find what would have been created: of that the hashes of keys and inputs
    are kept, since nothing else remembers it.
    """

    created: dict[int, int] = field(default_factory=dict, init=False)

    def find(self, keys: Iterable[SourceKey]) -> dict[SourceKey, Record]:
        """Find records as `find_surely` does."""
        return self.find_surely(keys)

    def find_surely(self, keys: Iterable[SourceKey]) -> dict[SourceKey, Record]:
        """Find records, and those that would have been created."""
        asked = list(keys)
        new = {k: _new(self.resource, k) for k in asked if hash(k) in self.created}
        return new | super().find_surely(key for key in asked if key not in new)


@dataclass(eq=False)
class DryRun:
    """Loads batches on such parts and shows what became of them; threads share it."""

    settings: Settings
    lookups: DryLookups
    loader: Loader
    duplicates: Duplicates
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _changes: Counter[str] = field(default_factory=Counter, init=False)
    _shown: Counter[str] = field(default_factory=Counter, init=False)

    def load(self, batch: Batch) -> Loaded:
        """Load a batch; whatever happens, return how far it came."""
        entries = merge(batch.rows, self.settings.null_handling, batch.sequence)
        bodies = {entry.key: hash(entry.body) for entry in entries}
        new: list[Entry] = []
        again: list[Entry] = []
        for entry in entries:
            (again if hash(entry.key) in self.lookups.created else new).append(entry)
        loaded = self.loader.load_entries(new, batch.rows, batch.sequence)
        try:
            self._show_all(new, bodies, loaded.outcomes.counted)
        except Exception as error:  # noqa: BLE001 - returned with what was done
            loaded.failure = loaded.failure or error
        loaded.outcomes.counted += map(self._count_again, again)
        return loaded

    def summary(self, stop: str) -> None:
        """Log which properties would change, and what guard would stop a run."""
        for name, count in self._changes.most_common():
            those = counted(count, CUSTOMERS.singular, CUSTOMERS.name)
            if _readable(name):
                logger.info("dry run: %s would change for %s", name, those)
            else:
                logger.info("dry run: %s would be sent for %s %s", name, those, UNSHOWN)
        self.duplicates.report()
        if stop:
            logger.warning("dry run: a guard would stop the run: %s", stop)
        logger.info("dry run: nothing was written, and no STATE goes out")

    def _count_again(self, entry: Entry) -> Counted:
        """Count what would have been created before, and so be updated now."""
        before, now = self.lookups.created[hash(entry.key)], hash(entry.body)
        self.lookups.created[hash(entry.key)] = now
        outcome = Outcome.UNCHANGED if before == now else Outcome.UPDATED
        if self.settings.load_method == "append-only":
            outcome = Outcome.SKIPPED
        return Counted(entry.key, outcome, len(entry.rows))

    def _show_all(
        self,
        entries: list[Entry],
        bodies: Mapping[SourceKey, int],
        outcomes: list[Counted],
    ) -> None:
        """Show and remember what would be written, in the order of the stream."""
        by_key = {one.key: one for one in outcomes}
        created: list[Entry] = []
        for entry in entries:
            one = by_key.get(entry.key)
            if one and one.outcome is Outcome.CREATED:
                self.lookups.created[hash(entry.key)] = bodies[entry.key]
                created.append(entry)
                new = json_codec.decode(entry.body)
                lines = (f"{name}: {_shown(value)}" for name, value in new.items())
                self._show("new", f"create {entry.rows[0].name}", lines)
            elif one and one.outcome is Outcome.UPDATED:
                changes = {n: b for n, b in one.changes.items() if b != (None, None)}
                lines = (_change(name, *both) for name, both in changes.items())
                kind = "seen" if any(map(_readable, changes)) else "unseen"
                self._show(kind, f"update {entry.rows[0].name}", lines)
                with self._lock:
                    self._changes.update(changes.keys())
        self.duplicates.look(created)

    def _show(self, kind: str, what: str, lines: Iterable[str]) -> None:
        with self._lock:
            self._shown[kind] += 1
            if self._shown[kind] <= SHOWN:
                logger.info("dry run: would %s:", what)
                for line in lines:
                    logger.info("dry run:     %s", line)


def _new(resource: Resource, key: SourceKey) -> Record:
    """Return a record that would have been created, as far as anybody asks for it."""
    held = f"(the id of {resource.singular} {key[1]})"
    return {"id": held, **dict(zip(resource.key, key, strict=True))}


def _readable(name: str) -> bool:
    return name.partition(".")[0] in READABLE


def _change(name: str, before: Any, after: Any) -> str:  # noqa: ANN401 - JSON values
    shown = _shown(before) if _readable(name) else UNSHOWN
    return f"{name}: {shown} -> {_shown(after)}"


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a value whole, on one line."""
    return json_codec.encode(value).decode()
