"""Finds the files that a target-upwell will write, so that the page can show them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SETTINGS = {
    "rejects": "rejects_path",
    "drift": "drift_path",
    "sync log": "sync_log_path",
}


def known_files(command: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the files that a command names by its environment or configuration.

    Args:
        command: The command and its arguments, such as `--config config.json`.
        environ: Its environment, which overrides the configuration.

    Returns:
        The name of each file to its absolute path.
    """
    configured: dict[str, Any] = {}
    for config in _config_paths(command):
        configured |= _object(config)
    found = {}
    for name, setting in _SETTINGS.items():
        variable = f"TARGET_UPWELL_{setting.upper()}"
        path = environ.get(variable) or configured.get(setting)
        if path and isinstance(path, str):
            found[name] = os.path.abspath(path)  # noqa: PTH100 - links stay
    return found


def _config_paths(command: Sequence[str]) -> list[str]:
    paths = []
    for argument, following in zip(command, [*command[1:], ""], strict=True):
        option, equals, value = argument.partition("=")
        if option == "--config":
            paths.append(value if equals else following)
    return [path for path in paths if path not in ("", "ENV")]


def _object(path: str) -> dict[str, Any]:
    """Return a configuration; empty if it can't be read, which the command reports."""
    try:
        content = json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
