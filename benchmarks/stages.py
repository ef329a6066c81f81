"""Where the time goes: each stage of a record's way by itself, and each lever.

All stages run on the same records in one process, by turns, and the best of several
rounds counts. The numbers are microseconds for one record; their ratios travel.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import jsonschema
from singer_sdk.mapper import CustomStreamMap
from singer_sdk.sinks.core import JSONSchemaValidator

from benchmarks import customers
from target_upwell import json_codec
from target_upwell.customers.mapping import CustomerMapping
from target_upwell.customers.schema import SCHEMA, check
from target_upwell.delivery.batch import body_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RECORDS = 2_000
ROUNDS = 7


def measure() -> dict[str, dict[str, float]]:
    """Measure stages and levers.

    Returns:
        Microseconds for one record: `stages` as they are used, `without` as they would
        be without what makes them fast.
    """
    made = [customers.record(number, 1) for number in range(RECORDS)]
    lines = [
        json.dumps({"type": "RECORD", "stream": customers.STREAM, "record": record})
        for record in made
    ]
    encoded = [line.encode() for line in lines]
    records = [json_codec.decode(line)["record"] for line in encoded]
    stream_map = _stream_map()
    mapped = [stream_map.transform(dict(record)) or {} for record in records]
    mapping = CustomerMapping(
        stream="customers",
        properties=stream_map.transformed_schema["properties"],
        key_properties=["sourceSystemId"],
        source_system="BENCH",
        unmapped="ignore",
    )
    inputs = [mapping(record) for record in mapped]
    authority = jsonschema.Draft7Validator(SCHEMA)
    tap_schema = JSONSchemaValidator(customers.SCHEMA["schema"])
    stages: dict[str, tuple[Callable[[Any], Any], Iterable[Any]]] = {
        "parsing": (json_codec.decode, encoded),
        "stream map": (lambda record: stream_map.transform(dict(record)), records),
        "mapping, with the check": (mapping, mapped),
        "check": (check, inputs),
        "encoding": (body_of, inputs),
    }
    without: dict[str, tuple[Callable[[Any], Any], Iterable[Any]]] = {
        "parsing with json": (json.loads, lines),
        "check with jsonschema": (authority.validate, inputs),
        "encoding with json": (lambda one: json.dumps(one, default=float), inputs),
        "check against the tap's schema, left out": (tap_schema.validate, records),
    }
    best = dict.fromkeys((*stages, *without), float("inf"))
    for _ in range(ROUNDS):
        for name, (stage, values) in {**stages, **without}.items():
            best[name] = min(best[name], _microseconds(stage, values))
    best["mapping"] = best.pop("mapping, with the check") - best["check"]
    return {
        "stages": {
            name: round(best[name], 1)
            for name in ("parsing", "stream map", "mapping", "check", "encoding")
        },
        "without": {name: round(best[name], 1) for name in without},
    }


def _stream_map() -> CustomStreamMap:
    expressions = dict(customers.FULL_MAP[customers.STREAM])
    expressions.pop("__alias__")
    return CustomStreamMap(
        stream_alias="customers",
        map_config={},
        faker_config={},
        raw_schema=customers.SCHEMA["schema"],
        key_properties=["customer_no"],
        map_transform=expressions,
        flattening_options=None,
        stream_name=customers.STREAM,
    )


def _microseconds(stage: Callable[[Any], Any], values: Iterable[Any]) -> float:
    began = time.process_time()
    for value in values:
        stage(value)
    return (time.process_time() - began) / RECORDS * 1e6


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
