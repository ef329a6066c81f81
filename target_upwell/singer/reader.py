"""Singer messages, line by line, from a pipe or a file.

Input is hostile: whatever stands in a line, it ends in a message that the target can
trust the shape of, or in one sentence that names the line and quotes none of it.
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_upwell.singer.signals import Signals

CHUNK_BYTES = 1 << 16

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
    """Reads messages, and leaves off when it is interrupted."""

    signals: Signals
    check: Callable[[], None]
    """Called when the wait for input was ended from outside; raises why."""

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
        """Hand each message to its callback.

        Args:
            file_input: Where the lines come from; standard input if none.
            callbacks: What to call for each type of message.

        Returns:
            How many messages of each type there were.

        Raises:
            InputError: If a line is no message.
        """
        counts: Counter[str] = Counter()
        stream = self.default_input if file_input is None else file_input
        for number, line in enumerate(self._lines(stream), 1):
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
        """Decode a line.

        Raises:
            InputError: If it is no JSON.
        """
        try:
            return json_codec.decode(line)
        except NotJSON as error:
            raise InputError(f"is no JSON: {error}") from None

    def _lines(self, stream: IO[Any]) -> Iterator[bytes]:
        try:
            file = stream.fileno()
        except (OSError, AttributeError):
            for line in stream:
                yield line.encode() if isinstance(line, str) else line
            return
        parts: list[bytes] = []
        for chunk in self._chunks(file):
            first, *others = chunk.split(b"\n")
            parts.append(first)
            if others:
                yield b"".join(parts)
                yield from others[:-1]
                parts = [others[-1]]
        yield b"".join(parts)

    def _chunks(self, file: int) -> Iterator[bytes]:
        """Read a file as it was when it was opened, or a pipe until it ends.

        A rejects file may be loaded and, at the same time, appended to.
        """
        status = os.fstat(file)
        left = status.st_size if stat.S_ISREG(status.st_mode) else None
        while left is None or left > 0:
            ready, _, _ = select.select([file, self.signals.fileno()], [], [])
            if self.signals.fileno() in ready:
                self.signals.drain()
                self.check()
            if file not in ready:
                continue
            chunk = os.read(
                file, CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)
            )
            if not chunk:
                return
            if left is not None:
                left -= len(chunk)
            yield chunk


def _checked(message: Any) -> str:  # noqa: ANN401 - any JSON value
    """Give the type of a message whose shape is right.

    Raises:
        InputError: If it is not.
    """
    if not isinstance(message, dict):
        raise InputError("is no Singer message")
    kind = message.get("type")
    if not isinstance(kind, str) or kind not in _SHAPES:
        raise InputError(
            f"is no Singer message: its type is none of {', '.join(_SHAPES)}"
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
                "is a SCHEMA message with 'key_properties' that are no text"
            )
    return kind
