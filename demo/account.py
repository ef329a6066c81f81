"""The sandbox's account, seen from behind the counter.

Reads what the sandbox tells of itself under `/_sandbox`, which Upwell has not.
"""

from __future__ import annotations

import json
from typing import Any

import requests

_SHOWN = (
    "name",
    "emailAddress",
    "ccEmailAddresses",
    "addresses",
    "customerRule",
    "metadata",
    "billToCustomerId",
)
_TIMEOUT_SECONDS = 60


class Surprise(Exception):
    """The demo saw something else than it promises."""


class Account:
    """What Upwell would hold."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._requests_seen = 0
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy stands before this machine

    def new_requests(self) -> list[dict[str, Any]]:
        """List the requests that came in since the last call, oldest first."""
        everything: list[dict[str, Any]] = self._get("requests")
        new = everything[self._requests_seen :]
        self._requests_seen = len(everything)
        return new

    def customer(self, source_id: str) -> dict[str, Any]:
        """Get one customer.

        Raises:
            Surprise: There is none of this id, or more than one.
        """
        found: list[dict[str, Any]] = [
            customer
            for customer in self._get("customers")
            if customer["sourceSystemId"] == source_id
        ]
        if len(found) != 1:
            raise Surprise(f"Upwell holds {len(found)} customers with id {source_id}")
        return found[0]

    def _get(self, what: str) -> Any:  # noqa: ANN401 - JSON
        address = f"{self.url}/_sandbox/{what}"
        answer = self._session.get(address, timeout=_TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.json()


def describe(customer: dict[str, Any]) -> str:
    """Write a customer in a few lines, without what is null."""
    lines = []
    for name in _SHOWN:
        value = _without_nulls(customer.get(name))
        if value not in (None, [], {}):
            text = (
                value
                if isinstance(value, str)
                else json.dumps(value, ensure_ascii=False)
            )
            lines.append(f"    {name:<17} {text}")
    return "\n".join(lines)


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {
            name: _without_nulls(item)
            for name, item in value.items()
            if item is not None and name not in {"id", "type"}
        }
    return value
