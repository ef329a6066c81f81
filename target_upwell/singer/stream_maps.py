"""The user's stream maps: what becomes of one source stream's records on their way in.

Expressions are evaluated by the SDK. A source stream may have several maps, and two
source streams may share the name `customers`, so each map keeps the SCHEMA message that
its rejects are written back with. Knows nothing of sinks or of customers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from simpleeval import AttributeDoesNotExist, NameNotDefined
from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError
from singer_sdk.mapper import CustomStreamMap, RemoveRecordTransform

from target_upwell.exceptions import Invalid, MappingError, RunError
from target_upwell.printable import one_line
from target_upwell.singer.map_check import (
    ELSE,
    FILTER,
    SOURCE,
    check_definition,
    expressions,
    is_for,
    unknown_names,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from singer_sdk.mapper import PluginMapper, StreamMap

    from target_upwell.delivery.batch import Source

FIRST_RECORDS = 200
"""Records that are asked for a name which an open SCHEMA does not list."""

_MORE_COLUMNS = (
    "additionalProperties",
    "patternProperties",
    *("allOf", "anyOf", "oneOf", "$ref"),
)
"""What in a SCHEMA stands for columns beside its `properties`."""

_MAX_UNKNOWN_SHOWN = 3
_MAX_KEY_CHARACTERS = 40


class StreamMapping:
    """The way of one source stream's records through one stream map.

    Attributes:
        stream: The stream's name after the map.
        removes: The map lets no record through.
        schema: The JSON schema of what the map gives.
        lists_all: It has all properties; otherwise records may bring others.
        key_properties: Those of what the map gives.
        lists_columns: The SCHEMA lists columns, and so did those before it.
        found: Columns that the map asks for and that only records have.
        written: The properties that the user wrote into the map.
        by_user: The user wrote a map for this way; otherwise records pass as they are.
    """

    def __init__(
        self,
        stream_map: StreamMap,
        source: Source,
        definition: Mapping[str, Any],
        columns: Iterable[str],
        *,
        lists_columns: bool,
    ) -> None:
        """Find the names in what the user wrote that the source does not have."""
        self.source = source
        self.stream: str = stream_map.stream_alias
        self.removes = isinstance(stream_map, RemoveRecordTransform)
        self.schema: dict[str, Any] = stream_map.transformed_schema
        self.lists_columns = lists_columns
        self.lists_all = lists_columns or ELSE in definition
        self.key_properties = tuple(stream_map.transformed_key_properties or ())
        self._source_keys = tuple(stream_map.raw_key_properties or ())
        self._stream_map = stream_map
        self._expressions = expressions(definition)
        self.written = tuple(n for n in self._expressions if n != FILTER)
        self.by_user = bool(definition)
        raw = source.schema_message["schema"]
        self._is_open = not lists_columns or any(
            raw.get(keyword, False) is not False for keyword in _MORE_COLUMNS
        )
        functions: list[str] = []
        if isinstance(stream_map, CustomStreamMap):
            functions += stream_map.functions
            functions += ["fake"] if stream_map.fake else []
        self._unknown = unknown_names(definition, columns, functions)
        self._records_asked = 0
        self.found: set[str] = set()

    def check(self) -> None:
        """Check the map against the SCHEMA, or against the records seen if it is open.

        To be called before the first record and after the last.

        Raises:
            RunError: A name in an expression is not there.
        """
        unknown = self._unknown
        if self._is_open and not self._records_asked:
            unknown = [one for one in unknown if one.column is None]
        if not unknown:
            return
        problems = [one.problem for one in unknown[:_MAX_UNKNOWN_SHOWN]]
        if len(unknown) > _MAX_UNKNOWN_SHOWN:
            problems.append(f"and {len(unknown) - _MAX_UNKNOWN_SHOWN} more")
        raise RunError(
            f"stream {self.source.stream!r}, stream map: {'; '.join(problems)}"
        )

    def map(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """Return what the map makes of a record, or None if it leaves the record out.

        Raises:
            Invalid: An expression failed, which is the fault of this one record: the
                map worked on others.
            RunError: None of the first records has a name that an expression takes.
        """
        if self._unknown:
            self._ask(record)
        try:
            # A copy, since an expression may change it; a reject is written as sent.
            return self._transformed(record.copy())
        except Exception as error:  # noqa: BLE001 - an expression can raise anything
            raise Invalid(self._reason(error)) from None

    def _transformed(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """Return what the SDK makes of a record, with objects that a user wrote whole.

        Its flattening, after the map, would make JSON text of them.
        """
        stream_map = self._stream_map
        flattens = stream_map.flattening_enabled
        if not flattens or not isinstance(stream_map, CustomStreamMap):
            return stream_map.transform(record)
        mapped = stream_map._transform_fn(record)  # noqa: SLF001
        if not mapped:
            return None
        whole = {
            name: mapped.pop(name)
            for name in self.written
            if isinstance(mapped[name], dict | list)
        }
        return stream_map.flatten_record(mapped) | whole

    def _ask(self, record: Mapping[str, Any]) -> None:
        """Look in a record for the names that the open SCHEMA does not list."""
        self.found.update(record.keys() & {one.column for one in self._unknown})
        self._unknown = [one for one in self._unknown if one.column not in record]
        self._records_asked += 1
        if self._records_asked == FIRST_RECORDS:
            self.check()

    def uses(self, column: str) -> bool:
        """Return whether an expression names a column."""
        word = re.compile(rf"(?<!\w){re.escape(column)}(?!\w)")
        return any(map(word.search, self._expressions.values()))

    def name(self, record: Mapping[str, Any]) -> str:
        """Return how to name a record to a person: by its key in the source."""
        keys = ", ".join(
            f"{key}={str(record.get(key))[:_MAX_KEY_CHARACTERS]}"
            for key in self._source_keys
        )
        return f"{self.source.stream} {keys or '(no key)'}"

    def _reason(self, error: Exception) -> str:
        """Say why an expression failed, without values: they may be personal data."""
        cause = error.__cause__ or error
        prop = where = words = ""
        if isinstance(self._stream_map, CustomStreamMap):
            # The SDK's errors don't name the property; its evaluator stopped there.
            expression = getattr(self._stream_map.expr_evaluator, "expr", "")
            written = (n for n, e in self._expressions.items() if e == expression)
            prop = next(written, "")
            where = f" in {prop}: {expression}" if prop else ""
        if isinstance(cause, NameNotDefined):
            column = prop if cause.name == "self" else cause.name
            words = f": the record has no {column!r}; where it may be missing, write "
            words += f"record.get({column!r})"
        elif isinstance(cause, AttributeError | TypeError | NameError):
            words = f": {cause}"
        elif isinstance(cause, AttributeDoesNotExist):
            words = (
                f": nothing has {cause.attr!r} there; is it null, or the name wrong?"
            )
        kind = type(cause).__name__
        return one_line(f"stream map: an expression failed with {kind}{words}{where}")


def stream_mappings(
    mapper: PluginMapper, source: Source, before: Collection[StreamMapping] = ()
) -> list[StreamMapping]:
    """Register a stream by its SCHEMA message and return the ways of its records.

    Args:
        mapper: The SDK's.
        source: The stream.
        before: The ways by its SCHEMA so far. That of tap-mongodb is without columns
            at first, and lists those of a few types later.

    Raises:
        RunError: A stream map can't work with this SCHEMA, or either is broken.
    """
    stream, message = source.stream, source.schema_message
    schema = {"properties": {}, **message["schema"]}
    keys = message.get("key_properties")
    lists_columns = bool(schema["properties"])
    lists_columns = lists_columns and all(one.lists_columns for one in before)
    if not lists_columns:
        # More that is known of the records.
        found = (column for one in before for column in one.found)
        for column in (*(keys or ()), *found):
            schema["properties"] = {column: {}} | schema["properties"]
    mapper.stream_maps.pop(stream, None)
    definitions = _definitions(mapper.stream_maps_dict, stream)
    try:
        for definition in filter(None, definitions):
            check_definition(definition, schema["properties"], keys or ())
        mapper.register_raw_stream_schema(stream, _plain(schema), keys)
    except MappingError as error:
        raise RunError(f"stream {stream!r}, stream map: {error}") from None
    except (StreamMapConfigError, MapExpressionError) as error:
        raise RunError(f"stream {stream!r}: {one_line(str(error))}") from None
    except Exception as error:  # noqa: BLE001 - hostile schemas, empty expressions
        raise RunError(
            f"stream {stream!r}: its SCHEMA or its stream map can't be used "
            f"({type(error).__name__})"
        ) from None
    pairs = zip(mapper.stream_maps[stream], definitions, strict=True)
    return [
        StreamMapping(
            one, source, definition, schema["properties"], lists_columns=lists_columns
        )
        for one, definition in pairs
    ]


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a SCHEMA without what its properties have in the place of a type.

    The SDK's flattening fails on an `enum` or a `$ref`, and loses an `anyOf`.
    Nothing else looks at types.
    """
    properties = {}
    for name, property_ in schema["properties"].items():
        plain = property_
        if isinstance(property_, dict):
            plain = property_ if "type" in property_ else {}
            if isinstance(plain.get("properties"), dict):
                plain = _plain(plain)
        properties[name] = plain
    return {**schema, "properties": properties}


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
        if is_for(written.get(SOURCE, name), stream):
            if SOURCE in written:
                more.append(written)
            else:
                own = written
    return [own, *more]
