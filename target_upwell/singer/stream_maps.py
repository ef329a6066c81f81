"""The way of a record: through one stream map, into one sink.

Two source streams may share the name `customers`, so each keeps a way of its own, with
its own key properties and the SCHEMA that its rejects are written back with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simpleeval import AttributeDoesNotExist
from singer_sdk.mapper import CustomStreamMap

from target_upwell.delivery.batch import named
from target_upwell.singer.expressions import compile_expressions

if TYPE_CHECKING:
    from singer_sdk.mapper import StreamMap

    from target_upwell.delivery.batch import Source
    from target_upwell.sinks import CustomersSink


class StreamMapping:
    """The way of one source stream's records through one stream map into a sink."""

    def __init__(
        self, stream_map: StreamMap, sink: CustomersSink, source: Source
    ) -> None:
        self._failed: tuple[str | None, str] | None = None
        if isinstance(stream_map, CustomStreamMap):
            compile_expressions(stream_map, self._note_failure)
        self._transform = stream_map.transform
        self._keys = tuple(stream_map.raw_key_properties or ())
        self.sink = sink
        self._source = source

    def take(self, record: dict[str, Any]) -> None:
        """Map a record and hand it to the sink.

        An expression that fails is the fault of one record: the map worked on others.
        """
        try:
            # The map adds and removes properties; the reject file needs them as sent.
            mapped = self._transform(record.copy())
        except Exception as error:  # noqa: BLE001 - an expression can raise anything
            reason, self._failed = _why(error, self._failed), None
            self.sink.reject(self._source, record, self._name(record), reason)
            return
        if mapped is not None:
            context = {"source": self._source, "record": record}
            self.sink.process_record(mapped, context)

    def _note_failure(self, property_name: str | None, expression: str) -> None:
        self._failed = property_name, expression

    def _name(self, record: dict[str, Any]) -> str:
        keys = ", ".join(f"{key}={str(record.get(key))[:40]}" for key in self._keys)
        return named(self._source.stream, keys or "(no key)")


def _why(error: Exception, failed: tuple[str | None, str] | None) -> str:
    """Say why an expression failed, without values: they may be personal data."""
    cause = error.__cause__ or error
    words = ""
    if isinstance(cause, AttributeError | TypeError | NameError):
        words = f": {cause}"
    elif isinstance(cause, AttributeDoesNotExist):
        words = f": nothing has {cause.attr!r} there; is it null?"
    where = f" in {failed[0] or '__filter__'}: {failed[1]}" if failed else ""
    kind = type(cause).__name__
    return f"stream map: an expression failed with {kind}{words}{where}"[:300]
