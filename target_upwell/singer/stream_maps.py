"""The user's stream maps: what becomes of one source stream's records on their way in.

Expressions are evaluated by the SDK. A source stream may have several maps, and two
source streams may share the name `customers`, so each map keeps the SCHEMA message that
its rejects are written back with. Knows nothing of sinks or of customers.
"""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from simpleeval import AttributeDoesNotExist
from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError
from singer_sdk.mapper import CustomStreamMap, RemoveRecordTransform

from target_upwell.delivery.batch import named
from target_upwell.exceptions import Invalid, RunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk.mapper import PluginMapper, StreamMap

    from target_upwell.delivery.batch import Source

FILTER, SOURCE = "__filter__", "__source__"

_MAX_REASON_CHARACTERS = 300
_MAX_KEY_CHARACTERS = 40


class StreamMapping:
    """The way of one source stream's records through one stream map.

    Args:
        stream_map: The SDK's map.
        source: The stream that its records come from.
        definition: What the user wrote: expressions by property.

    Attributes:
        source: As given.
        stream: The stream's name after the map.
        removes: The map lets no record through.
        schema: The JSON schema of what the map gives.
        key_properties: The key properties of what the map gives.
    """

    def __init__(
        self,
        stream_map: StreamMap,
        source: Source,
        definition: Mapping[str, Any] | None = None,
    ) -> None:
        self.source = source
        self.stream: str = stream_map.stream_alias
        self.removes = isinstance(stream_map, RemoveRecordTransform)
        self.schema: dict[str, Any] = stream_map.transformed_schema
        self.key_properties = tuple(stream_map.transformed_key_properties or ())
        self._source_keys = tuple(stream_map.raw_key_properties or ())
        self._stream_map = stream_map
        self._definition = definition or {}

    def map(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """Return what the map makes of a record, or None if it leaves the record out.

        Raises:
            Invalid: An expression failed, which is the fault of this one record: the
                map worked on others.
        """
        try:
            # A copy, since an expression may change it; a reject is written as sent.
            return self._stream_map.transform(record.copy())
        except Exception as error:  # noqa: BLE001 - an expression can raise anything
            raise Invalid(self._reason(error)) from None

    def name(self, record: Mapping[str, Any]) -> str:
        """Return how to name a record to a person: by its key in the source."""
        keys = ", ".join(
            f"{key}={str(record.get(key))[:_MAX_KEY_CHARACTERS]}"
            for key in self._source_keys
        )
        return named(self.source.stream, keys or "(no key)")

    def _reason(self, error: Exception) -> str:
        """Say why an expression failed, without values: they may be personal data."""
        cause = error.__cause__ or error
        words = ""
        if isinstance(cause, AttributeError | TypeError | NameError):
            words = f": {cause}"
        elif isinstance(cause, AttributeDoesNotExist):
            words = f": nothing has {cause.attr!r} there; is it null?"
        where = ""
        if isinstance(self._stream_map, CustomStreamMap):
            # The SDK's errors don't name the property; its evaluator stopped there.
            expression = getattr(self._stream_map.expr_evaluator, "expr", "")
            written = [n for n, e in self._definition.items() if e == expression]
            where = f" in {written[0]}: {expression}" if written else ""
        kind = type(cause).__name__
        reason = f"stream map: an expression failed with {kind}{words}{where}"
        return reason[:_MAX_REASON_CHARACTERS]


def stream_mappings(mapper: PluginMapper, source: Source) -> list[StreamMapping]:
    """Register a stream by its SCHEMA message and return the ways of its records.

    Args:
        mapper: The SDK's mapper, which holds the user's stream maps.
        source: The stream.

    Raises:
        RunError: A stream map can't work with this SCHEMA, or either is broken.
    """
    stream, message = source.stream, source.schema_message
    mapper.stream_maps.pop(stream, None)
    try:
        mapper.register_raw_stream_schema(
            # The maps share and change what they are given; a reject needs it as sent.
            stream,
            {"properties": {}, **message["schema"]},
            message.get("key_properties"),
        )
    except (StreamMapConfigError, MapExpressionError) as error:
        words = " ".join(str(error).split())[:_MAX_REASON_CHARACTERS]
        raise RunError(f"stream {stream!r}: {words}{_remedy(error)}") from None
    except Exception as error:  # noqa: BLE001 - hostile schemas, empty expressions
        raise RunError(
            f"stream {stream!r}: its SCHEMA or its stream map can't be used "
            f"({type(error).__name__})"
        ) from None
    written = _definitions(mapper.stream_maps_dict, stream)
    return [
        StreamMapping(stream_map, source, definition)
        for stream_map, definition in zip(
            mapper.stream_maps[stream], written, strict=True
        )
    ]


def _definitions(
    stream_maps: Mapping[str, Any], stream: str
) -> list[Mapping[str, Any]]:
    """Return what the user wrote for each map of a stream, in the SDK's order.

    The last one under the stream's own name, then those that name it as their source.
    """
    own: Mapping[str, Any] = {}
    more = []
    for name, definition in stream_maps.items():
        written = definition if isinstance(definition, dict) else {}
        if fnmatch(stream, written.get(SOURCE, name)):
            if SOURCE in written:
                more.append(written)
            else:
                own = written
    return [own, *more]


def _remedy(error: Exception) -> str:
    if "was not detected in schema" in str(error):
        return (
            " The stream map removes it: name the properties that identify a record "
            'with `__key_properties__`, for example ["sourceSystemId"].'
        )
    return ""
