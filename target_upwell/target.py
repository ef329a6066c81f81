"""The Singer target: messages in, STATE out, and the parts put together.

This file and `sinks.py` are the only ones that know the SDK. Each override of one of
its underscored methods says why.
"""

from __future__ import annotations

import gc
import logging
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk.exceptions import InvalidJSONSchema, RecordsWithoutSchemaException
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities

from target_upwell.api.check import print_check
from target_upwell.config import CONFIG_SCHEMA, Settings
from target_upwell.customers.mapping import check_written
from target_upwell.customers.names import listed
from target_upwell.customers.schema import CUSTOMERS
from target_upwell.delivery.batch import Source
from target_upwell.exceptions import (
    InputError,
    Invalid,
    MappingError,
    RunError,
    Stopped,
)
from target_upwell.run import Run
from target_upwell.singer.batch_files import BatchFiles
from target_upwell.singer.configured import ConfiguredTarget
from target_upwell.singer.map_check import unmatched, why_unknown
from target_upwell.singer.reader import MessageReader
from target_upwell.singer.signals import EXIT_BY_SIGNAL, Signals
from target_upwell.singer.state_writer import StateWriter
from target_upwell.singer.stream_maps import StreamMapping, stream_mappings
from target_upwell.sinks import STREAM, CustomersSink

if TYPE_CHECKING:
    from types import FrameType

    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.plugin_base import _ConfigInput

logger = logging.getLogger("target-upwell")

GRACE_SECONDS = 10.0
"""How long a signal lets requests under way go on."""


class TargetUpwell(ConfiguredTarget):
    """Singer target that keeps the customers of an Upwell account up to date."""

    name = "target-upwell"
    config_jsonschema = CONFIG_SCHEMA
    default_sink_class = CustomersSink
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.VALIDATE_RECORDS,
    ]

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's own
        """Check the configuration and put the parts together; nothing runs yet."""
        self.signals = Signals()
        reader = MessageReader(self.signals, self._between_reads)
        super().__init__(message_reader=reader, **kwargs)
        self.settings = Settings.of(self._config)
        state_writer = StateWriter(self.signals, GRACE_SECONDS)
        run = Run(self.settings, self.signals, state_writer.write)
        self.delivery = run.delivery
        self.report = run.report
        self._run = run
        self._sources: dict[str, Source] = {}
        self._routes: dict[str, list[tuple[StreamMapping, CustomersSink]]] = {}
        self._batch_files = BatchFiles(self.settings.batch_root)
        self._ignored_versions = False
        self._no_customers_yet: int | None = None

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
        """Run the command, and return its exit code.

        Args:
            about: Describe the target instead.
            about_format: How to write the description.
            config: The configuration.
            file_input: Where messages come from, if not from standard input.
            check: Look at the account instead, and write nothing.

        Raises:
            TargetUpwellError: What went wrong.
        """
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
        with target.signals.handled():
            try:
                return target.run(file_input)
            except RecordsWithoutSchemaException as error:
                raise InputError(str(error)) from error

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
        """Read to the end of the input, or to a failure or signal.

        Returns:
            The exit code.

        Raises:
            Exception: What went wrong. All that could be saved is saved.
        """
        # What start-up made stays to the end; the collector need not look at it again.
        gc.freeze()
        self._run.start()
        try:
            self.listen(file_input)
        except Stopped:
            self._run.close(self.signals.remaining(GRACE_SECONDS))
            return EXIT_BY_SIGNAL + (self.signals.signal or 0)
        except Exception:
            self._run.close(None)
            raise
        return 0

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Note a signal; the SDK's own re-enters the drain (meltano/sdk#3775)."""
        self.signals.handle(signum, frame)

    def _between_reads(self) -> None:
        """Do what is due while the reader waits, or end the reading."""
        self.delivery.check()

    # Messages. All overridden because the SDK's own hold records in sinks, end the run
    # at one bad record, and write STATE only when everything is drained.

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        """Set up the way of a stream's records."""
        stream = message_dict["stream"]
        known = self._sources.get(stream)
        if known and known.schema_message == message_dict:
            return
        properties = message_dict["schema"].get("properties", {})
        try:
            if not isinstance(properties, dict):
                raise MappingError(f"stream {stream!r}: its properties are no object")
            source = self._sources[stream] = Source(stream, message_dict)
            mappings = stream_mappings(self.mapper, source)
            self._routes[stream] = [
                (mapping, self._sink(mapping))
                for mapping in mappings
                if mapping.stream == STREAM and not mapping.removes
            ]
        except MappingError as error:
            place = "" if stream == STREAM else f" (the tap's stream {stream!r})"
            raise RunError(f"{error}{place}") from None
        except InvalidJSONSchema:
            raise RunError(
                f"stream {stream!r}: its SCHEMA is no JSON schema, so that "
                "validate_records can't check by it"
            ) from None
        if self._routes[stream]:
            if self._no_customers_yet is not None:
                self.delivery.release(self._no_customers_yet)
                self._no_customers_yet = None
            return
        for mapping in mappings:
            if not mapping.removes:
                self._refuse_unknown(mapping)
        if self._no_customers_yet is None and not any(self._routes.values()):
            # STATE must not pass records that a mistyped alias leaves out.
            self._no_customers_yet = self.delivery.open()

    def _sink(self, mapping: StreamMapping) -> CustomersSink:
        mapping.check()
        if self.settings.unmapped_properties != "metadata":
            check_written(STREAM, mapping.written, mapping.key_properties)
        sink: Any = self.add_sink(STREAM, mapping.schema, mapping.key_properties)
        return sink  # type: ignore[no-any-return]

    def _refuse_unknown(self, mapping: StreamMapping) -> None:
        """Refuse a stream that is not about customers."""
        stream = mapping.source.stream
        if self.settings.unknown_streams == "fail":
            maps = self.mapper.stream_maps_dict
            raise RunError(
                why_unknown(stream, mapping.stream, STREAM, maps, self._sources)
            )
        logger.info("stream %r is not named %r and is ignored", stream, STREAM)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        """Send a record on its way."""
        routes = self._routes.get(message_dict["stream"])
        if routes is None:
            raise RecordsWithoutSchemaException(
                f"a record of stream {message_dict['stream']!r} came before its "
                "SCHEMA; the tap does not follow the Singer specification"
            )
        record = message_dict["record"]
        for mapping, sink in routes:
            try:
                mapped = mapping.map(record)
            except Invalid as invalid:
                name = mapping.name(record)
                sink.reject(mapping.source, record, name, str(invalid))
                continue
            if mapped is not None:
                context = {"source": mapping.source, "record": record}
                sink.process_record(mapped, context)

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """Send the records of files on their way, as if they had come one by one."""
        stream = message_dict["stream"]
        for record in self._batch_files.records(
            message_dict["encoding"], message_dict["manifest"]
        ):
            # A stream map may drop all of them, and nobody else would ask.
            self._between_reads()
            self._process_record_message({"stream": stream, "record": record})

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Note a checkpoint.

        The SDK's `_latest_state` stays unset, or its `drain_all` would write it.
        """
        if not self.settings.dry_run:
            self.delivery.checkpoint(message_dict["value"])

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Ignore it: Upwell has no way to delete what a full load left out."""
        if not self._ignored_versions:
            self._ignored_versions = True
            logger.info(
                "ACTIVATE_VERSION is ignored (stream %r): customers can't be deleted",
                message_dict["stream"],
            )

    def process_endofpipe(self) -> None:
        """Deliver the rest."""
        if self._no_customers_yet is not None:
            arrived = ", ".join(repr(stream) for stream in self._routes)
            unused = unmatched(self.mapper.stream_maps_dict, self._sources)
            raise RunError(
                f"no stream named {STREAM!r} arrived; these did: {arrived}; "
                + (
                    f"`stream_maps` has {listed(unused)}, which no stream is named"
                    if unused
                    else "alias one of them in stream_maps"
                )
            )
        for routes in self._routes.values():
            for mapping, _ in routes:
                mapping.check()
        self._run.finish()
        for sink in {sink for routes in self._routes.values() for _, sink in routes}:
            # 0.55 of the SDK closes the counter of records there, 0.54 in `clean_up`.
            getattr(sink, "_clean_up", sink.clean_up)()


def _without_values(entry: logging.LogRecord) -> bool:
    """Return whether a line of the mapper's log is free of records' values."""
    return entry.levelno > logging.DEBUG
