"""Settings from the environment, for `--config=ENV`, and from the `.env` beside it.

The SDK's own reading is not used: 0.54 looks for `.env` from its own folder upwards,
0.55 lets the file override what is set, and both take a mistyped boolean for false.
"""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, Any

from dotenv import dotenv_values

from target_upwell.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_BOOLEANS = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(
    ("false", "0", "no", "off", ""), False
)

_READ: dict[str, tuple[Callable[[str], Any], str]] = {
    "integer": (int, "a whole number"),
    "boolean": (lambda value: _BOOLEANS[value.lower()], "true or false"),
    "object": (partial(json.loads, parse_float=Decimal), "valid JSON"),
}
"""For the types that are no text: how a value is read, and what it must be."""


def dotenv(path: Path) -> dict[str, str]:
    """Return the variables of a `.env` file; none if there is no such file."""
    try:
        text = path.read_text("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        return {}
    except UnicodeDecodeError:
        why = "it is not UTF-8; save it as UTF-8"
    except OSError as error:
        why = f"it can't be read: {error.strerror}"
    else:
        found = dotenv_values(stream=StringIO(text))
        return {name: value for name, value in found.items() if value is not None}
    raise ConfigurationError([f"{path}: {why}"])


def settings(
    schema: Mapping[str, Any], prefix: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Return the settings that an environment holds, by names with a prefix."""
    found: dict[str, Any] = {}
    problems: list[str] = []
    for name, definition in schema["properties"].items():
        variable = f"{prefix}{name.upper()}"
        if variable not in environment:
            continue
        types = definition.get("type", ())
        read, due = next((_READ[kind] for kind in _READ if kind in types), (str, ""))
        try:
            found[name] = read(environment[variable])
        except (KeyError, ValueError, RecursionError):
            problems += [f"{name}: the environment variable {variable} must be {due}"]
    if problems:
        raise ConfigurationError(problems)
    return found
