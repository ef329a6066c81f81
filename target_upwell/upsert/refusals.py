"""When refusals are no longer about single records.

One bad record costs one record; but where Upwell takes none, finding that out row by
row helps nobody. This counts what was refused in a row with nothing accepted between.
"""

from __future__ import annotations

import threading
from http import HTTPStatus

from target_upwell.exceptions import Refusal, RunError

MOST_SERVER_ERRORS = 5
"""Single records in succession that may be answered with 500 before it is an outage.
"""

MOST_ALIKE = 20
"""Records in succession that may be refused alike before the first one was accepted,
or with 403 at any time: a firewall may dislike a name, but hardly every one.
"""


SOURCE_SYSTEM = "source_system"
"""In the name of a constraint on the source key, as PostgreSQL would make it."""


class Refusals:
    """The refusals of single records over the whole run; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._any_accepted = False
        self._server_errors = 0
        self._alike = 0
        self._last = ""

    def accepted(self) -> None:
        """Note that Upwell took something."""
        with self._lock:
            self._any_accepted = True
            self._server_errors = 0
            self._alike = 0

    def note(self, refusal: Refusal) -> None:
        """Note that a single record was refused.

        Raises:
            RunError: If the next one would fare no better.
        """
        with self._lock:
            if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                self._server_errors += 1
                if self._server_errors >= MOST_SERVER_ERRORS:
                    raise RunError(
                        f"Upwell fails on one record after the other: {refusal}; "
                        "run it again later, it goes on where it stopped"
                    )
            forbidden = refusal.status == HTTPStatus.FORBIDDEN
            if self._any_accepted and not forbidden:
                return
            words = str(int(refusal.status)) if forbidden else refusal.message
            self._alike = self._alike + 1 if words == self._last else 1
            self._last = words
            if self._alike >= MOST_ALIKE:
                which = "last" if self._any_accepted else "first"
                raise RunError(
                    f"the {which} {self._alike} records were all refused alike, so the "
                    f"rest is not tried: {refusal}; fix the stream map, or ask Upwell "
                    "what this API key may do"
                )


def is_about_key(refusal: Refusal) -> bool:
    """Return whether a record can't be created because its source key is taken."""
    return SOURCE_SYSTEM in refusal.constraint


def hidden(refusal: Refusal) -> Refusal:
    """Return why a record can't be created though nothing with its key shows."""
    if is_about_key(refusal):
        why = "it exists in Upwell, but this API key can't see it"
    else:
        why = (
            f"{refusal.message}; nothing with this source key can be seen, so "
            "another one may hold the same value, or this API key can't see it"
        )
    return Refusal(refusal.status, refusal.code, why)
