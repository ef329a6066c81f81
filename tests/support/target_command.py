"""The real command `target-upwell`, in this process or one of its own, for tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from in_process import call_command

COMMAND = str(Path(sysconfig.get_path("scripts"), "target-upwell"))
DEADLINE_S = 120


@dataclass
class Result:
    """How a run of the command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def states(self) -> list:
        """The values of STATE that went out, in order."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def errors(self) -> list[str]:
        """The messages at ERROR, without time and logger."""
        return self.messages("ERROR")

    @property
    def warnings(self) -> list[str]:
        """The messages at WARNING, without time and logger.

        On the oldest Python the SDK warns that it is old; that is no finding.
        """
        return [
            message
            for message in self.messages("WARNING")
            if "SingerSDKPythonEOLWarning" not in message
        ]

    @property
    def summary(self) -> str:
        """The line that sums the run up."""
        return next(m for m in self.messages("INFO") if re.match(r"\d+ records?: ", m))

    def messages(self, level: str) -> list[str]:
        """The messages of one level."""
        return [
            line.split("|", 3)[3].strip()
            for line in self.stderr.splitlines()
            if line.count("|") > 2 and line.split("|", 3)[1].strip() == level
        ]


def environment(sandbox, source_system: str = "TMSEZ", **settings) -> dict[str, str]:
    """Give the environment that points the command at a sandbox.

    Args:
        sandbox: The sandbox.
        source_system: The constant that names the source.
        settings: More settings, by their names.
    """
    inherited = {k: v for k, v in os.environ.items() if "UPWELL" not in k}
    given = {
        f"TARGET_UPWELL_{name.upper()}": value
        if isinstance(value, str)
        else json.dumps(value)
        for name, value in settings.items()
    }
    return {**inherited, **sandbox.env(source_system), **given}


def encoded(messages) -> bytes:
    """Encode messages as a tap would; bytes are lines as they are."""
    return b"".join(
        (m if isinstance(m, bytes) else json.dumps(m).encode()) + b"\n"
        for m in messages
    )


def run_target(sandbox, messages, *args, env=None, **settings) -> Result:
    """Run the command on messages to its end, in this process.

    Args:
        sandbox: The sandbox to load into.
        messages: What the tap sends.
        args: More arguments.
        env: More environment variables.
        settings: Settings, by their names.
    """
    given = {**environment(sandbox, **settings), **(env or {})}
    return Result(*call_command(["--config=ENV", *args], encoded(messages), given))


def run_command(sandbox, messages, *args, env=None, **settings) -> Result:
    """Run the command as `run_target` does, in a process of its own.

    For tests of what only a process has: how it starts and ends, what it inherits.
    """
    run = subprocess.run(
        [COMMAND, "--config=ENV", *args],
        input=encoded(messages),
        capture_output=True,
        env={**environment(sandbox, **settings), **(env or {})},
        timeout=DEADLINE_S,
        check=False,
    )
    return Result(run.returncode, run.stdout.decode(), run.stderr.decode())


def schema(*properties, stream="customers", keys=("id",), **types) -> dict:
    """Make a SCHEMA message; properties are text unless a type is given."""
    declared = {name: {"type": ["string", "null"]} for name in properties} | types
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": declared},
        "key_properties": list(keys),
    }


def record(stream="customers", **properties) -> dict:
    """Make a RECORD message."""
    return {"type": "RECORD", "stream": stream, "record": properties}


def state(value) -> dict:
    """Make a STATE message."""
    return {"type": "STATE", "value": value}
