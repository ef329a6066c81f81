"""The sandbox's account, through what the sandbox serves beside the API."""

from __future__ import annotations

from typing import Any

import requests

_TIMEOUT_SECONDS = 60
_BULK = {"method": "POST", "path": "/api/rest/bulk-customers"}


class Surprise(Exception):
    """The demo saw something other than it promises."""


class Account:
    """What Upwell would hold, and how it answers."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy stands before this machine

    def created(self) -> int:
        """Return how many customers were ever created."""
        created: int = self._call("GET", "counts")["creates"]
        return created

    def customers(self) -> dict[str, dict[str, Any]]:
        """Return the customers by their ids in the source.

        Raises:
            Surprise: Two have the same id.
        """
        every = self._call("GET", "customers")
        by_id = {customer["sourceSystemId"]: customer for customer in every}
        if len(by_id) < len(every):
            raise Surprise("Upwell holds a customer twice")
        return by_id

    def answer_after(self, milliseconds: int) -> None:
        """Have every request wait."""
        self._call("PUT", "faults", {"latency": milliseconds})

    def lose_replies(self, count: int) -> None:
        """Cut the connections of coming bulk requests once they are committed."""
        lost = {"fault": "lost-reply", **_BULK}
        self._call("PUT", "faults", {"next": [lost] * count})

    def replies_to_lose(self) -> int:
        """Return how many replies are still to be lost."""
        return len(self._call("GET", "faults")["next"])

    def _call(self, method: str, what: str, content: object = None) -> Any:  # noqa: ANN401 - JSON
        answer = self._session.request(
            method,
            f"{self.url}/_sandbox/{what}",
            json=content,
            timeout=_TIMEOUT_SECONDS,
        )
        answer.raise_for_status()
        return answer.json()
