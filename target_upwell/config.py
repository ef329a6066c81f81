"""The settings: what a user may set, and what the rest of the program is told.

`Settings` describes each once. `CONFIG_SCHEMA`, made of it, is the source of `--about`,
and through it of every table of settings in the documentation. Nothing else in the
program looks into the configuration.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from singer_sdk import typing as th

FieldPolicy = Literal["overwrite", "fill_if_empty", "create_only"]


def _setting(
    title: str,
    description: str,
    *,
    default: Any = MISSING,  # noqa: ANN401 - of the setting's type
    secret: bool = False,
    **limits: int,
) -> Any:  # noqa: ANN401 - a field of any type
    """Describe a setting; without a default it is required."""
    words = {"title": title, "description": description, "secret": secret}
    # The key must not reach a log by way of a repr.
    return field(
        default=default, repr=not secret, metadata={"words": words, "limits": limits}
    )


@dataclass(frozen=True)
class Settings:
    """The checked settings of a run."""

    api_key: str = _setting(
        "API key",
        "Key of your Upwell integration, from Settings, API Keys in the Upwell "
        "dashboard. It is sent as it is in the Authorization header.",
        secret=True,
    )
    source_system: str = _setting(
        "Source system",
        "The constant that names your system in Upwell, such as TMSEZ. Together with "
        "a record's own id it identifies a customer. A record may map a sourceSystem "
        "of its own.",
    )
    api_url: str = _setting(
        "API address",
        "Address of the Upwell REST API. It must be https, except on this machine.",
        default="https://api.upwell.com/api/rest",
    )
    load_method: Literal["upsert", "append-only", "update-only"] = _setting(
        "Load method",
        "upsert creates and updates; append-only leaves existing customers as they "
        "are; update-only never creates. What a method leaves alone is counted as "
        "skipped.",
        default="upsert",
    )
    batch_size_rows: int = _setting(
        "Batch size in rows",
        "Customers in one bulk request, at most.",
        default=200,
        minimum=1,
    )
    batch_size_bytes: int = _setting(
        "Batch size in bytes",
        "Bytes in the body of one bulk request, at most.",
        default=1_000_000,
        minimum=1000,
    )
    max_parallel_requests: int = _setting(
        "Parallel requests",
        "Requests under way at once over the whole run, at most.",
        default=4,
        minimum=1,
        maximum=64,
    )
    request_timeout: int = _setting(
        "Request timeout",
        "Seconds that one attempt of a request may take as a whole, from connecting "
        "to the last byte of the answer.",
        default=60,
        minimum=1,
        maximum=3600,
    )
    max_retries: int = _setting(
        "Retries",
        "Attempts after the first, for failures that are worth trying again: rate "
        "limits, server errors, lost connections.",
        default=8,
        minimum=0,
    )
    null_handling: Literal["clear", "keep"] = _setting(
        "Null handling",
        "What a null does to an existing customer: clear empties the field in Upwell, "
        "keep leaves it. A new customer is created without its nulls.",
        default="clear",
    )
    unmapped_properties: Literal["ignore", "metadata", "reject"] = _setting(
        "Unmapped properties",
        "What becomes of properties that match no customer property: ignore drops "
        "them with one warning, metadata puts them under the customer's metadata, "
        "reject rejects the record.",
        default="ignore",
    )
    unknown_streams: Literal["fail", "ignore"] = _setting(
        "Unknown streams",
        "What to do about a stream that is not named customers after the stream map: "
        "fail stops the run, ignore drops its records.",
        default="fail",
    )
    max_rejects: int = _setting(
        "Rejects allowed",
        "Records that may be rejected before the run stops; -1 for any number.",
        default=0,
        minimum=-1,
    )
    rejects_path: str | None = _setting(
        "Rejects file",
        "File that rejected records are appended to, as Singer messages that can be "
        "loaded again. Required when max_rejects is not 0.",
        default=None,
    )
    drift_path: str | None = _setting(
        "Drift file",
        "JSON Lines file that lists drift, where Upwell keeps differing from the "
        "source: relations of existing customers that differ, columns that can't be "
        "updated, parents that never came, customers that left the source.",
        default=None,
    )
    sync_log_path: str | None = _setting(
        "Sync log",
        "JSON Lines file that keeps what became of every customer: Upwell's id, the "
        "outcome, and what an update changed.",
        default=None,
    )
    field_policy: Mapping[str, FieldPolicy] = _setting(
        "Field policy",
        "For a customer property what an update may do to it: overwrite (the "
        "default); fill_if_empty sets it only where Upwell has nothing; create_only "
        "sets it when the customer is created and never again.",
        default=None,
    )
    max_updated_percent: int = _setting(
        "Updates allowed, in percent",
        "Share of the existing customers that a run has looked up that it may change; "
        "more stop it before they are written, once 100 are looked up and 20 "
        "concerned.",
        default=100,
        minimum=0,
        maximum=100,
    )
    max_cleared_percent: int = _setting(
        "Clears allowed, in percent",
        "The same for each property that a run may empty, and with fewer than 100 at "
        "the end of the stream: one broken join in the source must not clear every "
        "e-mail address.",
        default=20,
        minimum=0,
        maximum=100,
    )
    missing_customers: Literal["ignore", "report", "delete"] = _setting(
        "Missing customers",
        "What becomes of customers of this source system that a complete full-table "
        "stream no longer holds: ignore leaves them, report lists them as drift, "
        "delete also sets their deletedAt.",
        default="ignore",
    )
    max_deletes: int = _setting(
        "Deletes allowed",
        "Missing customers that one run may mark as deleted; more of them stop the "
        "run before the first.",
        default=0,
        minimum=0,
    )
    batch_root: str | None = _setting(
        "Folder of BATCH files",
        "Folder that the files of BATCH messages may be read from; without it BATCH "
        "messages are refused.",
        default=None,
    )
    dry_run: bool = _setting(
        "Dry run",
        "Look up, plan and report; write nothing and emit no STATE.",
        default=False,
    )
    validate_records: bool = _setting(
        "Validate records",
        "Check each record against the schema of the tap as well; what goes to Upwell "
        "is checked in any case.",
        default=False,
    )

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Settings:
        """Return the settings of a configuration that has passed the checks."""
        names = cls.__dataclass_fields__
        given: dict[str, Any] = {"field_policy": {}}
        given |= {name: config[name] for name in names if name in config}
        for name, value in given.items():
            # To JSON Schema 200.0 is an integer as well.
            if isinstance(value, float | Decimal):
                given[name] = int(value)
        return cls(**given)


def _type_of(hint: Any, limits: Mapping[str, int]) -> Any:  # noqa: ANN401 - of the SDK
    """Return the SDK's type for that of a setting."""
    if get_origin(hint) is Literal:
        return th.StringType(allowed_values=list(get_args(hint)))
    if get_origin(hint) is Mapping:
        _, policy = get_args(hint)
        return th.ObjectType(additional_properties=_type_of(policy, {}))
    kinds = {int: th.IntegerType(**limits), bool: th.BooleanType()}
    return kinds.get(hint, th.StringType())


def _schema() -> dict[str, Any]:
    hints = get_type_hints(Settings)
    properties = (
        th.Property(
            setting.name,
            _type_of(hints[setting.name], setting.metadata["limits"]),
            required=setting.default is MISSING,
            default=None if setting.default is MISSING else setting.default,
            **setting.metadata["words"],
        )
        for setting in fields(Settings)
    )
    return th.PropertiesList(*properties).to_dict()


CONFIG_SCHEMA = _schema()


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
