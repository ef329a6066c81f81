"""The Singer target: messages in, STATE out, and the parts put together.

Each override of an underscored method of the SDK says why.
"""

from __future__ import annotations

import logging
from typing import IO, TYPE_CHECKING, Any, cast

import click
from singer_sdk.exceptions import RecordsWithoutSchemaException

from target_upwell.api.check import print_check
from target_upwell.config import CONFIG_SCHEMA, Settings
from target_upwell.customers import field_policy
from target_upwell.customers.collisions import Collisions
from target_upwell.customers.mapping import check_written
from target_upwell.customers.names import few, listed
from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.batch import Source
from target_upwell.exceptions import (
    Invalid,
    MappingError,
    RunError,
    Stopped,
)
from target_upwell.reporting.sync_log import digest_of
from target_upwell.run import Run
from target_upwell.singer.batch_files import batch_records
from target_upwell.singer.configuration import ConfiguredTarget
from target_upwell.singer.full_tables import FullTables
from target_upwell.singer.map_check import unmatched, why_unknown
from target_upwell.singer.reader import MessageReader
from target_upwell.singer.signals import EXIT_BY_SIGNAL, Signals
from target_upwell.singer.state_writer import StateWriter
from target_upwell.singer.stream_maps import StreamMapping, stream_mappings
from target_upwell.sinks import STREAM, CustomersSink, CustomersStream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.plugin_base import _ConfigInput

    from target_upwell.resource import SourceKey

logger = logging.getLogger("target-upwell")

GRACE_SECONDS = 10.0
"""How long a signal lets requests under way go on."""

_Way = tuple[StreamMapping, CustomersStream]
"""From a source stream by one of its stream maps to customers."""


class TargetUpwell(ConfiguredTarget):
    """Singer target that keeps the customers of an Upwell account up to date."""

    name = "target-upwell"
    config_jsonschema = CONFIG_SCHEMA
    default_sink_class = CustomersSink

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's own
        """Check the configuration and put the parts together; nothing runs yet."""
        self.signals = Signals(GRACE_SECONDS)
        reader = MessageReader(self.signals, self._between_reads)
        super().__init__(message_reader=reader, **kwargs)
        policies = field_policy.in_force(self._config.get("field_policy", {}))
        self.settings = Settings.of({**self._config, "field_policy": policies})
        self.parts = Run(
            self.settings,
            digest_of(self._config),
            self.signals,
            StateWriter(self.signals).write,
        )
        # One sink: nothing to drain side by side.
        self.max_parallelism = 1
        self._sink: CustomersSink | None = None
        self._schemas: dict[str, dict[str, Any]] = {}
        self._streams: dict[str, list[_Way]] = {}
        self._unmapped_told: set[str] = set()
        self._merged: dict[SourceKey, tuple[str, str]] = {}
        self._collisions = Collisions()
        self._full_tables = FullTables(self.initialized_at / 1000)
        self._ignored_versions = False
        self._early_state: bytes | None = None

    # The command

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
        check: bool = False,
    ) -> int:
        """Run, describe the target or check the account; return the exit code."""
        if about:
            cls.print_about(about_format)
            return 0
        logging.getLogger("singer_sdk.mapper").addFilter(_without_values)
        target = cls(
            config=dict(config.config) if config else {},
            parse_env_config=bool(config and config.parse_env),
        )
        if check:
            return print_check(target.settings, CUSTOMERS)
        try:
            return target.run(file_input)
        except RecordsWithoutSchemaException as error:
            raise RunError(str(error)) from error

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command, with an option of this target's own."""
        command = super().get_singer_command()
        command.params.append(
            click.Option(
                ["--check"],
                is_flag=True,
                help="Find out what the Upwell account does, without writing anything.",
            )
        )
        return command

    def run(self, file_input: IO[str] | None) -> int:
        """Read to the end, a failure or a signal, and return the exit code."""
        self.parts.start()
        try:
            self.listen(file_input)
        except Stopped:
            return EXIT_BY_SIGNAL + (self.signals.signal or 0)
        finally:
            self.parts.close()
        return 0

    def _handle_termination(self, signum: int, frame: object) -> None:  # noqa: ARG002
        """Note a signal; the SDK's own re-enters the drain (meltano/sdk#3775)."""
        self.signals.handle(signum)

    def _between_reads(self) -> None:
        """Do what is due while the reader waits, or end the reading."""
        self.parts.scheduler.check()
        if self._sink:
            self._sink.drain_if_old()

    # Messages

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        """Set up a stream; the SDK's would make a sink for each of its names."""
        stream = message_dict["stream"]
        if self._schemas.get(stream) == message_dict:
            return
        self._schemas[stream] = message_dict
        if not isinstance(message_dict["schema"].get("properties", {}), dict):
            raise RunError(f"stream {stream!r}: its properties are not an object")
        self._full_tables.schema(stream, message_dict.get("bookmark_properties"))
        replaced = self._streams.get(stream, [])
        self._note(replaced)
        before = [mapping for mapping, _ in replaced]
        source = Source(stream, message_dict)
        mappings = stream_mappings(self.mapper, source, before)
        self._streams[stream] = [
            (mapping, self._customers_stream(mapping))
            for mapping in mappings
            if mapping.stream == STREAM and not mapping.removes
        ]
        leads_here = bool(self._streams[stream])
        for mapping in mappings:
            if mapping.stream == STREAM or mapping.removes:
                continue
            # What a user wrote must not lead nowhere, even if another map leads here.
            if mapping.by_user or not leads_here:
                self._refuse_unknown(mapping)

    def _customers_stream(self, mapping: StreamMapping) -> CustomersStream:
        """Prepare for the customers of a stream; the first one makes the sink."""
        source, keys = mapping.source, mapping.key_properties
        try:
            mapping.check()
            if self.settings.unmapped_properties != "metadata":
                check_written(STREAM, mapping.written, keys)
            stream = CustomersStream(
                self.settings,
                source,
                mapping.schema["properties"],
                keys,
                self._collisions,
                lists_all=mapping.lists_all,
            )
            if source.stream not in self._streams:
                self._warn_unmapped([(mapping, stream)])
        except MappingError as error:
            name = source.stream
            place = "" if name == STREAM else f" (the tap's stream {name!r})"
            raise RunError(f"{error}{place}") from None
        if not self._sink:
            self._sink = cast(
                "CustomersSink", self.add_sink(STREAM, mapping.schema, keys)
            )
            if self._early_state is not None:
                self.parts.scheduler.checkpoint(self._early_state)
        return stream

    def _refuse_unknown(self, mapping: StreamMapping) -> None:
        """Refuse a stream that is not about customers."""
        stream = mapping.source.stream
        if self.settings.unknown_streams == "fail":
            maps = self.mapper.stream_maps_dict
            raise RunError(
                why_unknown(stream, mapping.stream, STREAM, maps, self._schemas)
            )
        logger.info("stream %r is not named %r and is ignored", stream, STREAM)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        """Map a record and hand it on; in the SDK's one bad record ends the run."""
        streams = self._streams.get(message_dict["stream"])
        if streams is None:
            raise RecordsWithoutSchemaException(
                f"a record of stream {message_dict['stream']!r} came before its "
                "SCHEMA; the tap does not follow the Singer specification"
            )
        self._full_tables.record(message_dict["stream"], message_dict.get("version"))
        raw = message_dict["record"]
        sink = cast("CustomersSink", self._sink)
        for mapping, stream in streams:
            try:
                record = mapping.map(raw)
            except Invalid as invalid:
                sink.add(stream.reject(raw, mapping.name(raw), invalid))
                continue
            if record is None:
                sink.leave_out()
            else:
                sink.process_record(record, {"stream": stream, "raw": raw})

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """Read the records of files; the SDK's leaves out stream maps and checks."""
        stream = message_dict["stream"]
        root, encoding = self.settings.batch_root, message_dict["encoding"]
        for record in batch_records(root, encoding, message_dict["manifest"]):
            # A stream map may drop all of them, and nobody else would ask.
            self._between_reads()
            self._process_record_message({"stream": stream, "record": record})

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Note a checkpoint; the SDK's writes STATE only when all is drained.

        Its `_latest_state` stays unset, or its `drain_all` would write it.
        """
        self._full_tables.state()
        if self._sink:
            self._sink.shape()
        if self.settings.dry_run:
            return
        if self._schemas and not self._sink:
            # It must not pass records that a mistyped alias leaves out.
            self._early_state = message_dict["value"]
        else:
            self.parts.scheduler.checkpoint(message_dict["value"])

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Note it for whoever wants to know which customers have left the source."""
        stream = message_dict["stream"]
        self._full_tables.activate(stream, message_dict.get("version"))
        if not self.parts.missing and not self._ignored_versions:
            self._ignored_versions = True
            logger.info(
                "ACTIVATE_VERSION is ignored (stream %r): missing_customers is ignore",
                stream,
            )

    def process_endofpipe(self) -> None:
        """Deliver the rest."""
        if self._schemas and not self._sink:
            arrived = ", ".join(repr(stream) for stream in self._streams)
            unused = unmatched(self.mapper.stream_maps_dict, self._schemas)
            raise RunError(
                f"no stream named {STREAM!r} arrived; these did: {arrived}; "
                + (
                    f"`stream_maps` has {listed(unused)}, which no stream is named"
                    if unused
                    else "alias one of them in stream_maps"
                )
            )
        ways = [way for ways in self._streams.values() for way in ways]
        for stream_mapping, _ in ways:
            stream_mapping.check()
        self._note(ways)
        super().process_endofpipe()
        self._warn_merged()
        self._warn_collided()
        self.parts.finish(self._why_incomplete())

    def _why_incomplete(self) -> str:
        """Return why the source may hold customers that did not come; "" if none."""
        maps = self.mapper.stream_maps_dict.items()
        expected = {name: one for name, one in maps if isinstance(one, dict)}
        for stream in unmatched(expected, self._schemas):
            return f"stream {stream!r} of `stream_maps` did not come"
        led_here = (stream for stream, pairs in self._streams.items() if pairs)
        reasons = map(self._full_tables.why_incomplete, led_here)
        return next(filter(None, reasons), "")

    def _note(self, ways: Iterable[_Way]) -> None:
        """Note what the records of ways that have ended have shown."""
        if self._sink:
            self._sink.shape()
        self._warn_unmapped(ways)
        for _, stream in ways:
            self._merged |= stream.mapping.merged_ids

    def _warn_unmapped(self, ways: Iterable[_Way]) -> None:
        """Name what is dropped and in no expression: at the SCHEMA and at the end."""
        new = {
            name
            for mapping, stream in ways
            for name in stream.mapping.unmapped_properties - self._unmapped_told
            if not mapping.uses(name)
        }
        if self.settings.unmapped_properties != "ignore" or not new:
            return
        self._unmapped_told |= new
        logger.warning(
            "these properties match no customer property and are dropped: %s; map "
            "them, remove them with __NULL__ in the stream map, or set "
            "unmapped_properties",
            listed(new),
        )

    def _warn_merged(self) -> None:
        """Name ids that differ in white space or form and are one customer."""
        if self._merged:
            logger.warning(
                "different ids became one customer: %s; make them alike in the "
                "source or the stream map",
                few([" and ".join(ids) for ids in self._merged.values()]),
            )

    def _warn_collided(self) -> None:
        """Name customers that several records of the source would be."""
        if found := str(self._collisions):
            logger.warning(
                "different records of the source became one customer, and the last one "
                "wins: %s; where they are different customers, map a sourceSystem for "
                "each stream, or make sourceSystemId of the whole key",
                found,
            )


def _without_values(entry: logging.LogRecord) -> bool:
    """Return whether a line of the mapper's log is free of records' values."""
    return entry.levelno > logging.DEBUG
