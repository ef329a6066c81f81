"""The entry point of `upwell-sandbox`, which says so when its extra is missing."""

from __future__ import annotations

import sys

_EXTRA = {"aiohttp", "click", "jinja2"}


def main() -> None:
    """Run the command.

    Raises:
        SystemExit: With the command's exit code.
    """
    try:
        from target_upwell.sandbox.commands import (  # noqa: PLC0415 - may be missing
            cli,
        )
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        sys.exit(
            f"upwell-sandbox needs {error.name}: pip install 'target-upwell[sandbox]'"
        )
    cli(prog_name="upwell-sandbox")
