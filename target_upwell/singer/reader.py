"""Singer messages, line by line, from a pipe or a file.

Nothing in the input is trusted: each line becomes a message whose shape is checked, or
one sentence that names the line and quotes none of it.
"""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from collections import Counter
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.singerlib.encoding.base import GenericSingerReader

from target_upwell import json_codec
from target_upwell.exceptions import InputError, NotJSON
from target_upwell.singer.lines import CHUNK_BYTES, numbered_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_upwell.singer.signals import Signals

MILLISECONDS_BETWEEN_LOOKS = 1000
"""How long the reader waits for input before it asks whether to go on."""

# What a message of each type must hold, and of which type.
_SHAPES: dict[str, dict[str, type | tuple[type, ...]]] = {
    "SCHEMA": {"stream": str, "schema": dict},
    "RECORD": {"stream": str, "record": dict},
    "STATE": {"value": object},
    "ACTIVATE_VERSION": {"stream": str},
    "BATCH": {"stream": str, "encoding": dict, "manifest": list},
}
_KINDS = {dict: "an object", str: "text", list: "a list"}


class MessageReader(GenericSingerReader[bytes]):
    """Reads messages, and asks between two reads whether to go on."""

    def __init__(self, signals: Signals, between_reads: Callable[[], None]) -> None:
        """Read nothing yet.

        Args:
            signals: Its wake-up pipe ends a wait for input.
            between_reads: Called before each read, and at least once a second while
                there is nothing to read. What it raises ends the reading.
        """
        super().__init__()
        self._signals = signals
        self._between_reads = between_reads

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input; without one, nothing."""
        # Python has none when the process was started with it closed.
        return sys.stdin.buffer if sys.stdin else io.BytesIO()

    def process_lines(
        self,
        file_input: IO[bytes] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        """Hand each message to its callback, and return how many there were by type.

        Raises:
            InputError: If a line is not a message, or is too long.
        """
        counts: Counter[str] = Counter()
        stream = self.default_input if file_input is None else file_input
        for number, line in numbered_lines(self._chunks(stream), "the input"):
            if not line.strip():
                continue
            try:
                message = self.deserialize_json(line)
                kind = _checked(message)
            except InputError as error:
                raise InputError(f"line {number} of the input {error}") from None
            if kind == "STATE":
                message["value"] = json_codec.state_value(line, message["value"])
            callbacks[kind](message)
            counts[kind] += 1
        return counts

    def deserialize_json(self, line: bytes) -> Any:  # noqa: ANN401
        """Decode a line; one that is not valid JSON is an `InputError`."""
        try:
            return json_codec.decode(line)
        except NotJSON as error:
            raise InputError(f"is not valid JSON: {error}") from None

    def _chunks(self, stream: IO[Any]) -> Iterator[bytes]:
        try:
            return self._chunks_of_file(stream.fileno())
        except (OSError, AttributeError):
            return self._chunks_of_object(stream)

    def _chunks_of_object(self, stream: IO[Any]) -> Iterator[bytes]:
        while chunk := stream.read(CHUNK_BYTES):
            self._between_reads()
            # Half a surrogate pair is the fault of the record that holds it.
            is_text = isinstance(chunk, str)
            yield chunk.encode(errors="surrogatepass") if is_text else chunk

    def _chunks_of_file(self, file: int) -> Iterator[bytes]:
        """Read a file as it was when it was opened, or a pipe until it ends.

        A rejects file may be loaded and, at the same time, appended to.
        """
        status = os.fstat(file)
        left = status.st_size if stat.S_ISREG(status.st_mode) else None
        waiting = select.poll()
        for awaited in (file, self._signals.fileno()):
            waiting.register(awaited, select.POLLIN)
        while left is None or left > 0:
            self._between_reads()
            # Not select.select, which fails at file descriptors beyond 1023.
            ready = dict(waiting.poll(MILLISECONDS_BETWEEN_LOOKS))
            if self._signals.fileno() in ready:
                self._signals.drain()
                continue
            if file not in ready:
                continue
            try:
                chunk = os.read(file, min(CHUNK_BYTES, left or CHUNK_BYTES))
            except BlockingIOError:
                continue
            except OSError as error:
                raise InputError(f"the input can't be read: {error.strerror}") from None
            if not chunk:
                return
            if left is not None:
                left -= len(chunk)
            yield chunk


def _checked(message: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return the type of a message; a wrong shape is an `InputError`."""
    if not isinstance(message, dict):
        raise InputError("is not a Singer message")
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in _SHAPES:
        raise InputError(
            f"is not a Singer message: its type is none of {', '.join(_SHAPES)}"
        )
    for name, wanted in _SHAPES[kind].items():
        if name not in message:
            raise InputError(f"is a {kind} message without {name!r}")
        if not isinstance(message[name], wanted):
            raise InputError(
                f"is a {kind} message whose {name!r} is not {_KINDS[wanted]}"  # type: ignore[index]
            )
    if kind == "SCHEMA":
        keys = message.get("key_properties") or []
        if not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
            raise InputError(
                "is a SCHEMA message whose 'key_properties' are not a list of text"
            )
    return kind
