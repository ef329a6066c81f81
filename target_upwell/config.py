"""The settings: what a user may set, and what the rest of the program is told.

One JSON schema, `CONFIG_SCHEMA`, is the source of `--about`, and through it of every
table of settings in the documentation. `Settings` is the checked, typed form; nothing
else in the program looks into the configuration.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import urlsplit

from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Mapping

LoadMethod = Literal["upsert", "append-only", "update-only"]
FieldPolicy = Literal["overwrite", "fill_if_empty", "create_only"]

FIELD_POLICIES: tuple[FieldPolicy, ...] = get_args(FieldPolicy)

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
        description=(
            "Seconds that one attempt of a request may take as a whole, from "
            "connecting to the last byte of the answer."
        ),
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
            "What becomes of properties that match no customer property: ignore drops "
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
            "JSON Lines file that lists drift, where Upwell keeps differing from the "
            "source: relations of existing customers that differ, columns that can't "
            "be updated, parents that never came, customers that left the source."
        ),
    ),
    th.Property(
        "sync_log_path",
        th.StringType(),
        title="Sync log",
        description=(
            "JSON Lines file that keeps what became of every customer: Upwell's id, "
            "the outcome, and what an update changed."
        ),
    ),
    th.Property(
        "field_policy",
        th.ObjectType(
            additional_properties=th.StringType(allowed_values=list(FIELD_POLICIES))
        ),
        title="Field policy",
        description=(
            "For a customer property what an update may do to it: overwrite (the "
            "default); fill_if_empty sets it only where Upwell has nothing; "
            "create_only sets it when the customer is created and never again."
        ),
    ),
    th.Property(
        "max_updated_percent",
        th.IntegerType(minimum=0, maximum=100),
        default=100,
        title="Updates allowed, in percent",
        description=(
            "Share of the existing customers that a run has looked up that it may "
            "change; more stop it before they are written, once 100 are looked up and "
            "20 concerned."
        ),
    ),
    th.Property(
        "max_cleared_percent",
        th.IntegerType(minimum=0, maximum=100),
        default=20,
        title="Clears allowed, in percent",
        description=(
            "The same for each property that a run may empty, and with fewer than 100 "
            "at the end of the stream: one broken join in the source must not clear "
            "every e-mail address."
        ),
    ),
    th.Property(
        "missing_customers",
        th.StringType(allowed_values=["ignore", "report", "delete"]),
        default="ignore",
        title="Missing customers",
        description=(
            "What becomes of customers of this source system that a complete "
            "full-table stream no longer holds: ignore leaves them, report lists them "
            "as drift, delete also sets their deletedAt."
        ),
    ),
    th.Property(
        "max_deletes",
        th.IntegerType(minimum=0),
        default=0,
        title="Deletes allowed",
        description=(
            "Missing customers that one run may mark as deleted; more of them stop the "
            "run before the first."
        ),
    ),
    th.Property(
        "batch_root",
        th.StringType(),
        title="Folder of BATCH files",
        description=(
            "Folder that the files of BATCH messages may be read from; without it "
            "BATCH messages are refused."
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
    max_updated_percent: int
    max_cleared_percent: int
    missing_customers: Literal["ignore", "report", "delete"]
    max_deletes: int
    rejects_path: str | None = None
    drift_path: str | None = None
    sync_log_path: str | None = None
    batch_root: str | None = None
    field_policy: Mapping[str, FieldPolicy] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Name the address only: the key must not reach a log by way of a repr."""
        return f"Settings(api_url={self.api_url!r})"

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings:
        """Return the settings of a configuration that has passed the checks."""
        names = cls.__dataclass_fields__
        given = {name: config[name] for name in names if name in config}
        for name, value in given.items():
            # To JSON Schema 200.0 is an integer as well.
            if isinstance(value, float | Decimal):
                given[name] = int(value)
        return cls(**given)


def is_loopback(url: str) -> bool:
    """Return whether an address is on this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # Older Pythons don't look into ::ffff:127.0.0.1 by themselves.
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
