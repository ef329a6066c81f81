"""What a response means, and what can go wrong with a run.

`MEANINGS` is the one table from HTTP status to meaning. The rest reads the bodies of
errors, in both shapes that Upwell is known to use, and never fails on any other.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

from target_upwell import json_codec
from target_upwell.exceptions import NotJSON, Refusal

# A person reads it in one line, and a proxy's page would fill the log.
MOST_MESSAGE_CHARACTERS = 300


class Meaning(Enum):
    """What the caller has to do about a response."""

    DONE = auto()
    REFUSED = auto()
    """The request was understood and turned down; the same again would be, too."""
    TOO_LARGE = auto()
    RATE_LIMITED = auto()
    """Not looked at; to be sent again later, by everybody more slowly."""
    RETRYABLE = auto()
    """Not looked at; to be sent again later."""
    AMBIGUOUS = auto()
    """It may have been carried out or not."""
    FATAL = auto()
    """No request of this run will fare better."""


MEANINGS: dict[int, tuple[Meaning, str]] = {
    401: (
        Meaning.FATAL,
        "Upwell does not accept the API key; check api_key, or generate a new one",
    ),
    403: (
        Meaning.FATAL,
        "the API key may not do this; ask Upwell for its permissions",
    ),
    404: (Meaning.FATAL, "there is no such endpoint; check api_url"),
    405: (Meaning.FATAL, "this is not the Upwell API; check api_url"),
    408: (Meaning.AMBIGUOUS, ""),
    413: (Meaning.TOO_LARGE, ""),
    425: (Meaning.RETRYABLE, ""),
    429: (Meaning.RATE_LIMITED, ""),
    501: (Meaning.FATAL, "this is not the Upwell API; check api_url"),
}
"""Status to meaning, and for what ends the run what to do about it.

The rest goes by its class, see `meaning_of`. The statuses are those of Upwell's page on
error codes and of the gateways that may stand before it.
"""


def meaning_of(status: int) -> Meaning:
    """Tell what a status means to a request that it answers."""
    if status in MEANINGS:
        return MEANINGS[status][0]
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return Meaning.DONE
    if status < HTTPStatus.BAD_REQUEST:
        return Meaning.FATAL
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return Meaning.REFUSED
    return Meaning.AMBIGUOUS


def remedy_for(status: int) -> str:
    """Say what a person can do about a status that ends the run."""
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return "redirects are not followed, to keep the key here; check api_url"
    return MEANINGS[status][1]


def read_refusal(status: int, body: bytes) -> Refusal:
    """Read the body of a refusal.

    Args:
        status: The HTTP status.
        body: The body: `{"path", "error", "code"}` as the API sends at run time,
            `{"error": {"code", "message", "details"}}` as its documentation shows, or
            anything that a proxy makes up.
    """
    try:
        content = json_codec.decode(body)
    except NotJSON:
        content = None
    if not isinstance(content, dict):
        return Refusal(status, "", _phrase(status))
    error = content.get("error")
    if isinstance(error, dict):
        message = error.get("message")
        details = _details(error.get("details"))
        words = ": ".join(filter(None, (_text(message), details)))
        return Refusal(status, _text(error.get("code")), _line(words, status))
    row = re.search(r"objects\[(\d{1,9})\]", _text(content.get("path")))
    return Refusal(
        status,
        _text(content.get("code")),
        _line(_text(error), status),
        int(row[1]) if row else None,
    )


def _details(details: Any) -> str:  # noqa: ANN401 - any JSON value
    """Word the details of an error, which come as an object or a list of them."""
    items = details if isinstance(details, list) else [details]
    worded = (
        f"{_text(item.get('field'))} "
        f"({_text(item.get('issue')) or _text(item.get('message'))})"
        for item in items
        if isinstance(item, dict)
    )
    return ", ".join(worded)


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, str) else ""


def _line(words: str, status: int) -> str:
    """Bring words from outside into one short printable line."""
    shown = "".join(c if c.isprintable() else " " for c in words)
    shown = " ".join(shown.split()) or _phrase(status)
    if len(shown) > MOST_MESSAGE_CHARACTERS:
        return f"{shown[:MOST_MESSAGE_CHARACTERS]}..."
    return shown


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
