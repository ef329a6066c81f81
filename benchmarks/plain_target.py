"""What a user would otherwise write: a plain target from the SDK's template.

Batches of 200, the SDK's defaults, one request after another, inserts only.
"""

from __future__ import annotations

from typing import Any

import requests
from singer_sdk import BatchSink, Target
from singer_sdk import typing as th


class PlainSink(BatchSink):
    """Posts each batch as it is full."""

    max_size = 200

    def process_batch(self, context: dict[str, Any]) -> None:
        """Post a batch."""
        inputs = [
            {"sourceSystem": self.config["source_system"], **record}
            for record in context["records"]
        ]
        response = requests.post(
            f"{self.config['api_url']}/bulk-customers",
            data=self.encoded({"inputs": inputs}),
            headers={
                "Authorization": self.config["api_key"],
                "Content-Type": "application/json",
            },
            timeout=60,
        )
        response.raise_for_status()

    def encoded(self, body: dict[str, Any]) -> str:
        """Encode a body with the SDK's own encoder; floats are `Decimal` here."""
        from singer_sdk.singerlib.json import serialize_json  # noqa: PLC0415

        return serialize_json(body)


class PlainTarget(Target):
    """Singer target of a few lines."""

    name = "target-plain"
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType, required=True),
        th.Property("api_key", th.StringType, required=True, secret=True),
        th.Property("source_system", th.StringType, required=True),
    ).to_dict()
    default_sink_class = PlainSink


if __name__ == "__main__":
    PlainTarget.cli()
