"""The sink: shapes each record and hands it on. It holds nothing.

One sink stands for one source stream that is named `customers` after the stream map.
The open batch lives in `delivery.py`, one for the run, so nothing here is ever drained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import InvalidRecord
from singer_sdk.sinks import Sink

from target_upwell.customers.mapping import CustomerMapping
from target_upwell.delivery.batch import ENVELOPE_BYTES, Row, body_of, named
from target_upwell.exceptions import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_upwell.delivery.batch import Source
    from target_upwell.resource import SourceKey
    from target_upwell.target import TargetUpwell

STREAM = "customers"
"""The name that a stream has to have after the stream map."""


class CustomersSink(Sink):
    """Turns the records of one source stream into rows."""

    def __init__(
        self,
        target: TargetUpwell,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        """Prepare for the records of a stream.

        Raises:
            MappingError: If its records can't become customers.
        """
        super().__init__(target, stream_name, schema, key_properties)
        settings = target.settings
        self._delivery = target.delivery
        self._report = target.report
        self._most_bytes = settings.batch_size_bytes
        self._mapping = CustomerMapping(
            stream=stream_name,
            properties=self.schema["properties"],
            key_properties=self.key_properties,
            source_system=settings.source_system,
            unmapped=settings.unmapped_properties,
            open_schema=not self.schema["properties"],
            needs_name=settings.load_method != "update-only",
        )
        self._ignores = settings.unmapped_properties == "ignore"
        self._warned = 0

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Hand a record on as a row.

        Args:
            record: The record after the stream map.
            context: Its `source`, and the `record` as the tap sent it.
        """
        source: Source = context["source"]
        try:
            self._fit_tap_schema(record)
            customer_input = self._mapping(record)
            body = body_of(customer_input)
            if ENVELOPE_BYTES + len(body) > self._most_bytes:
                raise Invalid(
                    f"it takes {len(body)} bytes, and batch_size_bytes allows a "
                    f"request of {self._most_bytes}"
                )
        except Invalid as invalid:
            name = named(STREAM, self._mapping.identity(record))
            key = self._mapping.source_key(record)
            self.reject(source, context["record"], name, str(invalid), key)
            return
        key = (customer_input["sourceSystem"], customer_input["sourceSystemId"])
        self._hand_on(
            Row(
                source=source,
                record=context["record"],
                name=named(STREAM, key[1]),
                key=key,
                input=customer_input,
                body=body,
                invalid=None,
            )
        )
        if self._ignores and len(self._mapping.unmapped_properties) > self._warned:
            self._warn_unmapped()

    def reject(
        self,
        source: Source,
        record: dict[str, Any],
        name: str,
        reason: str,
        key: SourceKey | None = None,
    ) -> None:
        """Hand on a record that can't become a customer, with the reason."""
        self._hand_on(
            Row(
                source=source,
                record=record,
                name=name,
                key=key,
                input=None,
                body=b"",
                invalid=reason,
            )
        )

    def process_batch(self, context: dict[str, Any]) -> None:
        """Never called: there is nothing here to drain."""
        raise NotImplementedError

    def _hand_on(self, row: Row) -> None:
        self._report.records_read += 1
        self.record_counter_metric.increment()
        self._delivery.add(row)

    def _fit_tap_schema(self, record: dict[str, Any]) -> None:
        """Check a record against the tap's schema, if the user wants it."""
        if self._validator is None:
            return
        try:
            self._validator.validate(record)
        except InvalidRecord as error:
            # The SDK's message quotes the value, which may be personal data.
            cause: Any = error.__cause__
            path = ".".join(map(str, cause.absolute_path)) or "the record"
            raise Invalid(
                f"{path}: does not fit the tap's schema: {cause.validator} is "
                f"{str(cause.validator_value)[:100]}"
            ) from None

    def _warn_unmapped(self) -> None:
        names = sorted(self._mapping.unmapped_properties)
        self._warned = len(names)
        self.logger.warning(
            "these properties are no customer properties and are dropped: %s; map "
            "them, remove them with null in the stream map, or set "
            "unmapped_properties",
            ", ".join(names),
        )
