"""A Meltano project as a user of this package has one.

The project's `meltano.yml` is the one at the top of this repository. Only the loader
comes from this checkout in place of the package index, and all versions are those of
`constraints.txt`. Knows nothing of the sandbox: where Upwell is, the caller's
environment says.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).resolve().parents[1]

_PIP_URL = "pip_url: -e . # this checkout\n"
_FOREIGN = ("MELTANO_", "TAP_POSTGRES_", "TARGET_UPWELL_", "UPWELL_")


class MeltanoError(Exception):
    """A Meltano command failed; the message is the end of its log."""


def clean_environment() -> dict[str, str]:
    """Get this process's environment without anybody's real databases and accounts."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN)
    }


class Project:
    """A project in a folder of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Write the project's file; the folder is made.

        Args:
            folder: Where the project, its plugins and its state live.
            environment: What Meltano runs under: the settings of tap and target.
        """
        text = (REPOSITORY / "meltano.yml").read_text("utf-8")
        if text.count(_PIP_URL) != 1:
            raise ValueError(f"meltano.yml should hold one line {_PIP_URL!r}")
        checkout = shlex.quote(f"--editable={REPOSITORY}")
        folder.mkdir(parents=True)
        (folder / "meltano.yml").write_text(
            text.replace(_PIP_URL, f'pip_url: "{checkout}"\n'), "utf-8"
        )
        # Named from the folder: a path with a space in it would be two files.
        constraints = os.path.relpath(REPOSITORY / "constraints.txt", folder)
        self._folder = folder
        self._environment = {
            **environment,
            "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
            "MELTANO_CLI_LOG_FORMAT": "uncolored",
            "UV_BUILD_CONSTRAINT": constraints,
            "UV_CONSTRAINT": constraints,
        }

    def start(self, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a Meltano command.

        Args:
            arguments: What follows `meltano`.
            log: The file that gets what it prints.
        """
        command = [str(Path(sys.executable).with_name("meltano")), *arguments]
        with log.open("wb") as output:
            return subprocess.Popen(  # noqa: S603 - our own words
                command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def run(self, *arguments: str, log: Path) -> str:
        """Run a Meltano command.

        Args:
            arguments: What follows `meltano`.
            log: The file that gets what it prints.

        Returns:
            What it printed.

        Raises:
            MeltanoError: It failed.
        """
        with self.start(*arguments, log=log) as command:
            code = command.wait()
        text = log.read_text("utf-8", "replace")
        if code:
            tail = "\n".join(text.splitlines()[-40:])
            raise MeltanoError(
                f"{tail}\nmeltano {shlex.join(arguments)} ended with exit code"
                f" {code}; the whole log is {log}"
            )
        return text
