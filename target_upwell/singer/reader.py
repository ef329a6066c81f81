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
from target_upwell.exceptions import RunError
from target_upwell.singer.lines import CHUNK_BYTES, json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_upwell.singer.signals import Signals

MILLISECONDS_BETWEEN_LOOKS = 1000
"""How long the reader waits for input before it asks whether to go on."""

# What a message of each type must hold, and of which type.
_SHAPES: dict[str, dict[str, type]] = {
    "SCHEMA": {"stream": str, "schema": dict},
    "RECORD": {"stream": str, "record": dict},
    "STATE": {"value": object},
    "ACTIVATE_VERSION": {"stream": str},
    "BATCH": {"stream": str, "encoding": dict, "manifest": list},
}
_KINDS: dict[type, str] = {dict: "an object", str: "text", list: "a list"}


class MessageReader(GenericSingerReader[bytes]):
    """Reads messages, and asks between two reads whether to go on.

    `between_reads` is called before each read, and at least once a second while there
    is nothing to read. What it raises ends the reading.
    """

    def __init__(self, signals: Signals, between_reads: Callable[[], None]) -> None:
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
            RunError: If a line is not a message, or is too long.
        """
        counts: Counter[str] = Counter()
        stream = self.default_input if file_input is None else file_input
        for number, line, message in json_lines(self._chunks(stream), "the input"):
            if wrong := _wrong(message):
                raise RunError(f"line {number} of the input is {wrong}")
            kind = message["type"]
            if kind == "STATE":
                message["value"] = json_codec.state_value(line, message["value"])
            callbacks[kind](message)
            counts[kind] += 1
        return counts

    def deserialize_json(self, line: bytes) -> Any:  # noqa: ANN401
        """Decode a line, as the SDK wants a reader to."""
        return json_codec.decode(line)

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
        left = status.st_size if stat.S_ISREG(status.st_mode) else sys.maxsize
        waiting = select.poll()
        for awaited in (file, self._signals.fileno()):
            waiting.register(awaited, select.POLLIN)
        while left > 0:
            self._between_reads()
            # Not select.select, which fails at file descriptors beyond 1023.
            ready = dict(waiting.poll(MILLISECONDS_BETWEEN_LOOKS))
            if self._signals.fileno() in ready:
                self._signals.drain()
                continue
            if file not in ready:
                continue
            try:
                chunk = os.read(file, min(CHUNK_BYTES, left))
            except BlockingIOError:
                continue
            except OSError as error:
                raise RunError(f"the input can't be read: {error.strerror}") from None
            if not chunk:
                return
            left -= len(chunk)
            yield chunk


def _wrong(message: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return what is wrong with the shape of a message; "" if nothing is."""
    if not isinstance(message, dict):
        return "not a Singer message"
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in _SHAPES:
        return f"not a Singer message: its type is none of {', '.join(_SHAPES)}"
    for name, wanted in _SHAPES[kind].items():
        if name not in message:
            return f"a {kind} message without {name!r}"
        if not isinstance(message[name], wanted):
            return f"a {kind} message whose {name!r} is not {_KINDS[wanted]}"
    keys = (kind == "SCHEMA" and message.get("key_properties")) or []
    if not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
        return "a SCHEMA message whose 'key_properties' are not a list of text"
    return ""
