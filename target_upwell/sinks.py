"""The sink: shapes records, fills the open batch, and hands full batches over.

Every source stream that is named `customers` after its stream map leads into the one
`CustomersSink` of a run. What differs from one to the other is a `CustomersStream`.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from singer_sdk import Target
from singer_sdk.sinks import BatchSink

from target_upwell import json_codec
from target_upwell.customers.mapping import CustomerMapping
from target_upwell.customers.schema import CUSTOMERS, as_new
from target_upwell.delivery.batch import ENVELOPE_BYTES, Row
from target_upwell.exceptions import Invalid
from target_upwell.tap_schema import TapSchema

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from target_upwell.config import Settings
    from target_upwell.customers.collisions import Collisions
    from target_upwell.delivery.batch import Batch, Source
    from target_upwell.run import Run

STREAM = CUSTOMERS.name
"""The name that a stream has to have after the stream map."""

_SDK_COUNTS = hasattr(Target, "create_sink")
"""From 0.55 on the SDK's `record_count` is what was drained; before, the target's."""

OLDEST_OPEN_BATCH_SECONDS = 30.0
"""A slow stream's batch is loaded as it is after this, so that STATE can follow."""

SHAPED_TOGETHER = 20
"""Records, at most. Mapping and shaping each record by turns costs more CPU, since
neither's code then stays in the processor's caches."""


class CustomersStream:
    """One source stream of customers: turns its records into rows."""

    def __init__(  # noqa: PLR0913 - what shapes a stream of its own
        self,
        settings: Settings,
        source: Source,
        properties: Collection[str],
        key_properties: Sequence[str],
        collisions: Collisions,
        *,
        lists_all: bool,
    ) -> None:
        """Prepare for its records, by the properties and keys that its map gives.

        Where these are not all of them, records may bring a name.

        Raises:
            MappingError: If its records can't become customers, or are to be checked
                by a broken schema.
        """
        self._source = source
        self._tap_keys = tuple(source.schema_message.get("key_properties") or ())
        self._collisions = collisions
        self._most_bytes = settings.batch_size_bytes
        self.mapping = CustomerMapping(
            stream=STREAM,
            properties=properties,
            key_properties=key_properties,
            source_system=settings.source_system,
            unmapped=settings.unmapped_properties,
            needs_name=lists_all and settings.load_method != "update-only",
        )
        # The tap's own: types that the SDK gives to what a map makes are guesses.
        tap_schema = source.schema_message["schema"]
        self._tap_schema = TapSchema(tap_schema) if settings.validate_records else None

    def row(self, record: dict[str, Any], raw: dict[str, Any]) -> Row:
        """Turn a mapped record into a row; one that is no customer says why."""
        try:
            if self._tap_schema:
                self._tap_schema.check(raw)
            customer_input = self.mapping(record)
            body = json_codec.encode(as_new(customer_input))
            if ENVELOPE_BYTES + len(body) > self._most_bytes:
                raise Invalid(
                    f"it takes {len(body)} bytes, and batch_size_bytes allows a "
                    f"request of {self._most_bytes}"
                )
        except Invalid as invalid:
            name = f"{STREAM} {self.mapping.identity(record)}"
            row = self.reject(raw, name, invalid)
            row.key = self.mapping.source_key(record)
            return row
        key = CUSTOMERS.key_of(customer_input)
        if customer_input.get("name"):
            origin = (self._source.stream, *map(raw.get, self._tap_keys))
            self._collisions.see(key, customer_input["name"], origin)
        return Row(self._source, raw, f"{STREAM} {key[1]}", key, customer_input, body)

    def reject(self, raw: dict[str, Any], name: str, reason: Invalid) -> Row:
        """Return the row of a record that can't become a customer."""
        size = len(json_codec.encode_leniently(raw))
        return Row(self._source, raw, name, invalid=str(reason), size=size)


class CustomersSink(BatchSink):
    """Gathers the customers of a run in batches."""

    def __init__(
        self,
        target: Any,  # noqa: ANN401 - a TargetUpwell, which is made of sinks
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        """Prepare for records; the schema is that of the first stream."""
        super().__init__(target, stream_name, schema, key_properties)
        self._target = target
        self._run: Run = target.parts
        self._most_bytes: int = target.settings.batch_size_bytes
        self._unshaped: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def get_validator(self) -> None:
        """Return no validator: each source stream has a schema of its own."""

    def get_batch_processing_timer(self) -> Any:  # noqa: ANN401 - no timer
        """Return what logs nothing: a timer would time the hand-over of a batch."""
        return nullcontext()

    def start_batch(self, context: dict[str, Any]) -> None:
        """Open a batch."""
        context["batch"] = self._run.scheduler.open_batch(CUSTOMERS.name)

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Take a mapped record; its context is its `stream` and the `raw` record."""
        self._unshaped.append((record, context))
        if len(self._unshaped) == SHAPED_TOGETHER:
            self.shape()

    def shape(self) -> None:
        """Shape the records taken, and add them to the open batch.

        To be called before a STATE is noted, which must not pass them.
        """
        taken, self._unshaped = self._unshaped, []
        for record, context in taken:
            self._add(context["stream"].row(record, context["raw"]))

    def add(self, row: Row) -> None:
        """Add a row to the open batch, after the records taken before."""
        self.shape()
        self._add(row)

    def _add(self, row: Row) -> None:
        """Add a row to the open batch; hand the batch over when it is full."""
        self._run.report.records_read += 1
        if not _SDK_COUNTS:
            self.record_counter_metric.increment()
        if self._run.missing and row.key and not row.invalid:
            self._run.missing.see(row.key)
        batch = self._open_batch()
        if not batch.has_room(row, self._most_bytes):
            self._target.drain_one(self)
            batch = self._open_batch()
        batch.add(row)
        self.tally_record_read()
        if self.is_full:
            self._target.drain_one(self)

    def leave_out(self) -> None:
        """Count a record that its stream map leaves out."""
        self._run.report.records_read += 1
        self._run.report.records_filtered += 1

    def process_batch(self, context: dict[str, Any]) -> None:
        """Hand a full batch to a worker; wait while all of them are busy."""
        self._run.scheduler.submit(context["batch"])

    def drain_if_old(self) -> None:
        """Hand a batch over that has been open for long, full or not."""
        self.shape()
        if self._pending_batch is None:
            return
        batch: Batch = self._pending_batch["batch"]
        if time.monotonic() - batch.opened_at >= OLDEST_OPEN_BATCH_SECONDS:
            self._target.drain_one(self)

    def _open_batch(self) -> Batch:
        batch: Batch = self._get_context({})["batch"]
        return batch
