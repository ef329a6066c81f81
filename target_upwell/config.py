"""The settings: what a user may set, and what the rest of the program is told.

One JSON schema, `CONFIG_SCHEMA`, is the source of `--about`, and through it of every
table of settings in the documentation. `Settings` is the checked, typed form; nothing
else in the program looks into the configuration.
"""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import ValidationError

LoadMethod = Literal["upsert", "append-only", "update-only"]

MOST_MESSAGE_CHARACTERS = 200

# A header's value as HTTP allows it; anything else `requests` would print in its error.
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")

_BOOLEANS = ("true", "1", "yes", "on", "false", "0", "no", "off", "")

CONFIG_SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property(
        "api_key",
        th.StringType(),
        required=True,
        secret=True,
        title="API key",
        description=(
            "Key of your Upwell integration, from Settings, API Keys in the Upwell "
            "dashboard. It is sent as it is in the Authorization header."
        ),
    ),
    th.Property(
        "source_system",
        th.StringType(),
        required=True,
        title="Source system",
        description=(
            "The constant that names your system in Upwell, such as TMSEZ. Together "
            "with a record's own id it identifies a customer. A record may map a "
            "sourceSystem of its own."
        ),
    ),
    th.Property(
        "api_url",
        th.StringType(),
        default="https://api.upwell.com/api/rest",
        title="API address",
        description=(
            "Address of the Upwell REST API. It must be https, except on this machine."
        ),
    ),
    th.Property(
        "load_method",
        th.StringType(allowed_values=["upsert", "append-only", "update-only"]),
        default="upsert",
        title="Load method",
        description=(
            "upsert creates and updates; append-only leaves existing customers as they "
            "are; update-only never creates. What a method leaves alone is counted as "
            "skipped."
        ),
    ),
    th.Property(
        "batch_size_rows",
        th.IntegerType(minimum=1),
        default=200,
        title="Batch size in rows",
        description="Customers in one bulk request, at most.",
    ),
    th.Property(
        "batch_size_bytes",
        th.IntegerType(minimum=1000),
        default=1_000_000,
        title="Batch size in bytes",
        description="Bytes in the body of one bulk request, at most.",
    ),
    th.Property(
        "max_parallel_requests",
        th.IntegerType(minimum=1, maximum=64),
        default=4,
        title="Parallel requests",
        description="Requests under way at once over the whole run, at most.",
    ),
    th.Property(
        "request_timeout",
        th.IntegerType(minimum=1, maximum=3600),
        default=60,
        title="Request timeout",
        description="Seconds to wait for a connection, and for an answer.",
    ),
    th.Property(
        "max_retries",
        th.IntegerType(minimum=0),
        default=8,
        title="Retries",
        description=(
            "Attempts after the first, for failures that are worth trying again: rate "
            "limits, server errors, lost connections."
        ),
    ),
    th.Property(
        "null_handling",
        th.StringType(allowed_values=["clear", "keep"]),
        default="clear",
        title="Null handling",
        description=(
            "What a null does to an existing customer: clear empties the field in "
            "Upwell, keep leaves it. A new customer is created without its nulls."
        ),
    ),
    th.Property(
        "unmapped_properties",
        th.StringType(allowed_values=["ignore", "metadata", "reject"]),
        default="ignore",
        title="Unmapped properties",
        description=(
            "What becomes of properties that are no customer property: ignore drops "
            "them with one warning, metadata puts them under the customer's metadata, "
            "reject rejects the record."
        ),
    ),
    th.Property(
        "unknown_streams",
        th.StringType(allowed_values=["fail", "ignore"]),
        default="fail",
        title="Unknown streams",
        description=(
            "What to do about a stream that is not named customers after the stream "
            "map: fail stops the run, ignore drops its records."
        ),
    ),
    th.Property(
        "max_rejects",
        th.IntegerType(minimum=-1),
        default=0,
        title="Rejects allowed",
        description=(
            "Records that may be rejected before the run stops; -1 for any number."
        ),
    ),
    th.Property(
        "rejects_path",
        th.StringType(),
        title="Rejects file",
        description=(
            "File that rejected records are appended to, as Singer messages that can "
            "be loaded again. Required when max_rejects is not 0."
        ),
    ),
    th.Property(
        "drift_path",
        th.StringType(),
        title="Drift file",
        description=(
            "JSON Lines file that lists what could not be carried over to existing "
            "customers: relations that differ, links without a parent."
        ),
    ),
    th.Property(
        "dry_run",
        th.BooleanType(),
        default=False,
        title="Dry run",
        description="Look up, plan and report; write nothing and emit no STATE.",
    ),
    th.Property(
        "validate_records",
        th.BooleanType(),
        default=False,
        title="Validate records",
        description=(
            "Check each record against the schema of the tap as well. It costs most of "
            "the CPU time; what goes to Upwell is checked in any case."
        ),
    ),
).to_dict()


@dataclass(frozen=True)
class Settings:
    """The checked settings of a run; each is described in `CONFIG_SCHEMA`."""

    api_key: str
    source_system: str
    api_url: str
    load_method: LoadMethod
    batch_size_rows: int
    batch_size_bytes: int
    max_parallel_requests: int
    request_timeout: int
    max_retries: int
    null_handling: Literal["clear", "keep"]
    unmapped_properties: Literal["ignore", "metadata", "reject"]
    unknown_streams: Literal["fail", "ignore"]
    max_rejects: int
    dry_run: bool
    validate_records: bool
    rejects_path: str | None = None
    drift_path: str | None = None

    def __repr__(self) -> str:
        """Name the address only: the key must not reach a log by way of a repr."""
        return f"Settings(api_url={self.api_url!r})"

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings:
        """Take the settings out of a configuration that `problems` found none in."""
        given = {name: config[name] for name in cls._names() if name in config}
        for name, value in given.items():
            # To JSON Schema 200.0 is an integer as well.
            if isinstance(value, float | Decimal):
                given[name] = int(value)
        return cls(**given)

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return tuple(cls.__dataclass_fields__)


def problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Find what the JSON schema can't say is wrong with a configuration.

    Args:
        config: A configuration whose values have the types of `CONFIG_SCHEMA`.

    Yields:
        One sentence for each problem: the setting, what is wrong, what to do. The key
        itself is in none of them.
    """
    if not _HEADER_VALUE.fullmatch(config["api_key"]):
        yield (
            "api_key: it is empty or holds white space or a character that can't be "
            "sent in a header; copy it again from the Upwell dashboard"
        )
    if not config["source_system"].strip() or "\x00" in config["source_system"]:
        yield "source_system: it is empty; name your system, for example TMSEZ"
    yield from _address_problems(config["api_url"])
    if config["max_rejects"] != 0 and not config.get("rejects_path"):
        yield (
            f"max_rejects: {config['max_rejects']} needs rejects_path as well, the "
            "file that keeps what was rejected"
        )


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # Older Pythons don't look into ::ffff:127.0.0.1 by themselves.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


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
        # Somebody may have put the key here.
        yield "api_url: it must be an address that begins with https://"
    elif parts.scheme == "http" and not is_loopback(url):
        yield f"api_url: {url!r} must be https, or the key would travel in the clear"
    elif parts.query or parts.fragment:
        # What follows them may well be a key.
        yield "api_url: it must end with the path, without ? or #"


def environment_problems(
    schema: Mapping[str, Any], prefix: str, environment: Mapping[str, str]
) -> Iterator[str]:
    """Find environment variables that can't be read as what their setting is.

    Args:
        schema: The JSON schema of the settings.
        prefix: What the variables' names begin with.
        environment: The environment.
    """
    for name, definition in schema["properties"].items():
        variable = f"{prefix}{name.upper()}"
        types = definition.get("type", [])
        if variable not in environment:
            continue
        value, wanted = environment[variable], ""
        try:
            if "integer" in types:
                wanted = "an integer"
                int(value)
            elif "boolean" in types:
                # The SDK takes whatever it does not know for false, and so would take
                # a mistyped dry_run.
                wanted = "true or false"
                _BOOLEANS.index(value.lower())
            elif "object" in types:
                wanted = "JSON"
                json.loads(value)
        except ValueError:
            yield f"{name}: the environment variable {variable} is not {wanted}"


def worded(error: ValidationError, prefix: str) -> str:
    """Word what is wrong with a configuration.

    Args:
        error: The finding.
        prefix: What the environment variables of the settings begin with.
    """
    path = ".".join(map(str, error.absolute_path))
    if error.validator == "required":
        # One finding for each that is missing; only the message says which.
        required: Any = error.validator_value
        missing = next(name for name in required if repr(name) in error.message)
        variable = f"{prefix}{missing.upper()}"
        return f"{missing}: it is missing; set it in --config, or set {variable}"
    if path == "api_key":
        return "api_key: it must be text"
    return f"{path}: {error.message[:MOST_MESSAGE_CHARACTERS]}"
