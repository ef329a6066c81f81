"""The checks of a configuration, and how their findings are worded.

No finding quotes a value: whichever setting it was put into, it may be the API key.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from target_upwell.config import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import ValidationError

# A header's value as HTTP allows it; anything else `requests` would print in its error.
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
"""What PostgreSQL has no place for, and halves of surrogate pairs."""

_FILES = ("rejects_path", "drift_path", "sync_log_path")
"""Files that a run appends to; no two of them may be one."""

_MIN_KEY_CHARACTERS = 8
"""From this length on a key is looked for inside other settings."""

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
}


def problems(config: Mapping[str, Any], sandbox_url: str = "") -> list[str]:
    """Return what the JSON schema can't say is wrong, a line for each setting.

    A trial run with the sandbox comes with the sandbox's address.
    """
    found = list(_problems(config))
    if not found and sandbox_url and _server(config["api_url"]) != _server(sandbox_url):
        found.append(
            "api_url: this is a trial run (UPWELL_SANDBOX_URL is set), and api_url is "
            "not the sandbox's address; add --config=ENV after the other --config, or "
            "remove api_url from the configuration"
        )
    key = config["api_key"]
    if found or len(key) < _MIN_KEY_CHARACTERS:
        return found
    # It would reach the log by way of that setting.
    return [
        f"{name}: it holds the API key, which belongs in api_key alone"
        for name, value in config.items()
        if name != "api_key" and key in json.dumps(value, default=str)
    ]


def _problems(config: Mapping[str, Any]) -> Iterator[str]:
    if not _HEADER_VALUE.fullmatch(config["api_key"]):
        yield (
            "api_key: it is empty or holds white space or a character that can't be "
            "sent in a header; copy it again from the Upwell dashboard"
        )
    if not config["source_system"].strip():
        yield "source_system: it is empty; name your system, for example TMSEZ"
    elif _UNSTORABLE.search(config["source_system"]):
        yield "source_system: it holds a character that Upwell can't store"
    yield from _address_problems(config["api_url"])
    if config["max_rejects"] != 0 and not config.get("rejects_path"):
        yield (
            f"max_rejects: {config['max_rejects']} needs rejects_path as well, the "
            "file that keeps what was rejected"
        )
    appends = config["load_method"] == "append-only"
    if appends and config["missing_customers"] == "delete":
        yield (
            "missing_customers: load_method append-only leaves existing customers as "
            "they are; set it to report or ignore"
        )
    for name in config.get("stream_maps", ()):
        if name.startswith("__") and name != "__else__":
            yield f"stream_maps: there is no {name}; __else__ is for all other streams"
    yield from _file_problems({n: config[n] for n in _FILES if config.get(n)})


def _address_problems(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        yield "api_url: it can't be read as an address"
        return
    if parts.username or parts.password:
        yield "api_url: it must not hold a user name or password"
    elif parts.scheme not in {"http", "https"} or not host:
        yield "api_url: it must be an address that begins with https://"
    elif not url.isprintable() or " " in url:
        yield "api_url: it holds white space or a character that no address has"
    elif parts.scheme == "http" and not is_loopback(url):
        yield "api_url: it must be https, or the key would travel in the clear"
    elif parts.query or parts.fragment:
        yield "api_url: it must end with the path, without ? or #"


def _server(url: str) -> tuple[object, ...] | None:
    """Return what tells a server from others; nothing if it can't be read."""
    try:
        parts = urlsplit(url)
        return parts.scheme, is_loopback(url) or parts.hostname, parts.port
    except ValueError:
        return None


def _file_problems(paths: Mapping[str, str]) -> Iterator[str]:
    """Find paths that no file can be appended to, and two that are one file."""
    settings: dict[object, str] = {}
    for setting, path in paths.items():
        found = None
        try:
            found = os.stat(path)  # noqa: PTH116 - its mode tells the kinds apart
            wrong = _not_a_file(found)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            # What opens it says more.
            wrong = "it ends with a slash" if path.endswith("/") else ""
        except OSError as error:
            wrong = f"it can't be looked up: {error.strerror}"
        except ValueError:
            wrong = "it holds a character that no path can hold"
        if wrong:
            yield f"{setting}: {wrong}; name a file"
            continue
        real = (found.st_dev, found.st_ino) if found else os.path.realpath(path)
        if real in settings:
            yield f"{setting}: it is the same file as {settings[real]}; name another"
        settings[real] = setting


def _not_a_file(found: os.stat_result) -> str:
    """Return why lines can't be appended to what was found; empty if they can."""
    if stat.S_ISDIR(found.st_mode):
        return "it is a folder"
    if not stat.S_ISREG(found.st_mode):
        return "it is a device or a pipe"
    for stream, name in ((sys.__stdout__, "output"), (sys.__stderr__, "error")):
        # A stream may have no file, or be closed.
        with suppress(OSError, ValueError):
            if stream and os.path.samestat(found, os.fstat(stream.fileno())):
                return f"standard {name} goes there"
    return ""


def worded(error: ValidationError, prefix: str, environ: Mapping[str, str]) -> str:
    """Return what is wrong with a configuration, in words for a person.

    A value may be that of an environment variable, whose name has a prefix. What is set
    there is missing only if it was not read.
    """
    while inner := [deeper for deeper in error.context or () if deeper.path]:
        # Of several forms that are allowed, the one that was meant.
        error = inner[0]
    path = ".".join(map(str, error.absolute_path))
    if error.validator == "required" and not path:
        # One finding for each that is missing; only the message says which.
        required: Any = error.validator_value
        missing = next(name for name in required if repr(name) in error.message)
        variable = f"{prefix}{missing.upper()}"
        if variable in environ:
            return f"{missing}: {variable} is set in the environment; add --config=ENV"
        return (
            f"{missing}: it is missing; set it in --config, or set {variable} and add "
            "--config=ENV"
        )
    variable = f"{prefix}{path.upper()}"
    is_its = variable in environ and environ[variable] == error.instance
    where = f"the environment variable {variable} " if is_its else ""
    return f"{path or 'the configuration'}: {where}{_due(error)}"


def _due(error: ValidationError) -> str:
    """Return what a value must be."""
    due: Any = error.validator_value
    schema: Any = error.schema
    if error.validator in {"minimum", "maximum"}:
        least = "least" if error.validator == "minimum" else "most"
        return f"must be at {least} {due}"
    options = schema["enum"] if error.validator == "enum" else _types_of(schema)
    words = [str(option) for option in options if option is not None]
    *others, last = words or ["what the documentation says"]
    return f"must be {', '.join(others)} or {last}" if others else f"must be {last}"


def _types_of(schema: Mapping[str, Any]) -> list[str]:
    """Return the types that a schema allows, in words and without null."""
    given = schema.get("type", [])
    types = [given] if isinstance(given, str) else given
    words = [_TYPES[name] for name in types if name != "null"]
    for form in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        words += [] if "const" in form else _types_of(form)
    return list(dict.fromkeys(words))
