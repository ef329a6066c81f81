"""A made-up Upwell resource: carriers, of two columns. Upwell has no such thing.

What a second resource of the target would bring: its description, a loader and a sink.
"""

from __future__ import annotations

import itertools
import threading
from functools import partial
from typing import TypedDict

from target_upwell import json_codec
from target_upwell.delivery.batch import Row, Source
from target_upwell.delivery.outcomes import (
    Counted,
    Outcome,
    Reject,
    in_order,
)
from target_upwell.delivery.tasks import Loaded
from target_upwell.resource import Endpoint, Resource, UpdateEndpoint
from target_upwell.upsert.inserts import Searched
from target_upwell.upsert.plan import Change, Entry

COLUMNS = ("scac", "fleet")


class Carrier(TypedDict):
    id: str
    network: str | None
    number: str | None
    scac: str | None
    fleet: int | None


CARRIERS = Resource(
    name="carriers",
    singular="carrier",
    key=("network", "number"),
    properties=frozenset({"network", "number", *COLUMNS}),
    bulk=Endpoint("POST", "/carriers-in-bulk", "insertCarriers"),
    search=Endpoint("POST", "/carriers/find", "foundCarriers"),
    update=UpdateEndpoint(
        Endpoint("PUT", "/carrier", "changeCarrier"), input="set", columns=COLUMNS
    ),
    deleted="gone",
    record=Carrier,
)
SOURCE = Source("carriers", {"type": "SCHEMA", "stream": "carriers", "schema": {}})


class CarrierLoader:
    """Loads batches of carriers: looks up, creates, updates."""

    def __init__(self, lookups, inserts, updates, guards, writers):
        self._lookups = lookups
        self._inserts = inserts
        self._updates = updates
        self._guards = guards
        self._writers = writers

    def load(self, batch):
        """Load a batch; whatever happens, return how far it came."""
        loaded = Loaded(batch.sequence)
        try:
            self._load(batch, loaded.outcomes)
        except Exception as error:  # noqa: BLE001 - returned
            loaded.failure = error
        return loaded

    def _load(self, batch, outcomes):
        rejects = [
            Reject.invalid(row, row.invalid) for row in batch.rows if row.invalid
        ]
        entries = {
            row.key: Entry(row.key, row.input, row.body, [row])
            for row in batch.rows
            if not row.invalid
        }
        found = self._lookups.find(entries)
        new = [entry for key, entry in entries.items() if key not in found]
        inserted = self._inserts.run(new, Searched.ONCE)
        assert not inserted.failure
        for key, carrier in inserted.created.items():
            one = Counted(key, Outcome.CREATED, 1, carrier["id"])
            outcomes.counted.append(one)
        rejects += (
            Reject.refused(entry.rows[0], refusal)
            for entry, refusal in inserted.refused
        )
        outcomes.rejects = in_order(rejects, batch.rows)
        found |= inserted.existing | inserted.unclear
        changes = {key: change_of(entries[key], found[key]) for key in found}
        cleared = [(key[1], change.cleared()) for key, change in changes.items()]
        self._guards.admit(len(found), cleared)
        self._writers.in_parallel(
            partial(self._update, key, change, found[key]["id"], outcomes)
            for key, change in changes.items()
        )

    def _update(self, key, change, upwell_id, outcomes):
        updated = self._updates.run(key, change.columns)
        assert updated.refusal is None
        outcome = Outcome.UPDATED if updated.changes else Outcome.UNCHANGED
        outcomes.counted.append(Counted(key, outcome, 1, upwell_id, updated.changes))
        outcomes.drift += updated.left_out


def change_of(entry, held):
    """What an update has to change."""
    both = {name: (held[name], entry.input[name]) for name in COLUMNS}
    return Change(
        {n: (before, after) for n, (before, after) in both.items() if before != after}
    )


class CarrierSink:
    """Shapes records into carriers, and fills batches."""

    def __init__(self, scheduler, report, rows):
        self._scheduler = scheduler
        self._report = report
        self._rows = rows
        self._open = None

    def process_record(self, record):
        """Shape a record and add it to the open batch."""
        self._report.records_read += 1
        self._open = self._open or self._scheduler.open_batch(CARRIERS.name)
        self._open.add(_row(record))
        if len(self._open.rows) >= self._rows:
            self.drain()

    def drain(self):
        """Hand over what is open."""
        batch, self._open = self._open, None
        if batch:
            self._scheduler.submit(batch)


def _row(record):
    key = ("N", str(record["number"]))
    carrier = {**dict(zip(CARRIERS.key, key, strict=True)), **record, "number": key[1]}
    name = f"carriers {key[1]}"
    if not record["scac"]:
        return Row(SOURCE, record, name, key, None, b"", "scac: it has none", 20)
    return Row(SOURCE, record, name, key, carrier, json_codec.encode(carrier), None)


class CarrierAccount:
    """An account that holds carriers, as a server sees it.

    Attributes:
        carriers: What it holds, by source key.
        asked: Method and path of each request, in order.
        faults: For a path, the answers that the next requests there get instead.
    """

    def __init__(self):
        self.carriers = {}
        self.asked = []
        self.faults = {}
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def answer(self, method, path, request):
        """Answer a request: its status, and the reply."""
        with self._lock:
            self.asked.append(f"{method} {path}")
            if self.faults.get(path):
                return self.faults[path].pop(0)
            what = {
                "/carriers-in-bulk": self._insert,
                "/carriers/find": self._find,
                "/carrier": self._change,
            }[path]
            return what(request)

    def _insert(self, request):
        new = {(one["network"], one["number"]): one for one in request["inputs"]}
        if new.keys() & self.carriers.keys():
            return refused("Uniqueness violation. duplicate key")
        for number, one in enumerate(new.values()):
            if one["fleet"] < 0:
                return refused("fleet: it is below 0", f"$.objects[{number}]")
        for key, one in new.items():
            self.carriers[key] = {"id": f"car_{next(self._ids)}", **one}
        returning = [self.carriers[key] for key in new]
        return 200, {"insertCarriers": {"returning": returning}}

    def _find(self, request):
        where = request["where"]
        found = [
            one
            for (network, number), one in self.carriers.items()
            if network == where["network"]["_eq"] and number in where["number"]["_in"]
        ]
        return 200, {"foundCarriers": found[: request["limit"]]}

    def _change(self, request):
        assert request.keys() == {"network", "number", "set"}
        if "scac" in request["set"]:
            return refused("field 'scac' not found in type: 'CarrierSetInput'")
        carrier = self.carriers.get((request["network"], request["number"]))
        if carrier:
            carrier.update(request["set"])
        return 200, {"changeCarrier": {"affectedRows": int(bool(carrier))}}


def refused(words, path=""):
    """A refusal, as Upwell words one."""
    return 400, {"error": words, "code": "validation-failed", "path": path}
