"""What a response means, and what can go wrong with a run.

`MEANINGS` is the one table from HTTP status to meaning. The rest reads the bodies of
errors, in both shapes that Upwell is known to use, and never fails on any other.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import cache
from html.entities import html5
from http.client import responses
from typing import Any

from target_upwell import json_codec
from target_upwell.exceptions import NotJSON, Refusal
from target_upwell.printable import MOST_CHARACTERS, MOST_ID_CHARACTERS, one_line

MOST_REFUSAL_BYTES = 1024 * 1024
"""Of a body that is read for its words; what is larger has none, and takes long."""


class Meaning(Enum):
    """What the caller has to do about a response."""

    DONE = auto()
    REFUSED = auto()
    """The request was understood and turned down; the same again would be, too."""
    FORBIDDEN = auto()
    """Turned down for what the key may do, or by a firewall for what is in it."""
    TOO_LARGE = auto()
    RATE_LIMITED = auto()
    """Not looked at; to be sent again later, by everybody more slowly."""
    RETRYABLE = auto()
    """Not looked at; to be sent again later."""
    AMBIGUOUS = auto()
    """It may have been carried out or not."""
    FATAL = auto()
    """No request of this run will fare better."""


NOT_LOOKED_AT = frozenset({Meaning.RATE_LIMITED, Meaning.RETRYABLE})

_NOT_SERVED = (
    "requests of this kind are not served; check api_url, and what stands between "
    "here and Upwell, or ask Upwell"
)
_NOT_UPWELL = "this is not the Upwell API; check api_url"

MEANINGS: dict[int, tuple[Meaning, str]] = {
    2: (Meaning.DONE, ""),
    3: (
        Meaning.FATAL,
        "redirects are not followed, to keep the key here; check api_url",
    ),
    4: (Meaning.FATAL, _NOT_SERVED),
    400: (Meaning.REFUSED, ""),
    401: (
        Meaning.FATAL,
        "Upwell does not accept the API key; check api_key, or generate a new one",
    ),
    402: (Meaning.FATAL, "Upwell wants to be paid first; ask Upwell"),
    403: (
        Meaning.FORBIDDEN,
        "the API key may not do this; ask Upwell for its permissions",
    ),
    404: (Meaning.FATAL, "there is no such endpoint; check api_url"),
    405: (Meaning.FATAL, _NOT_UPWELL),
    407: (Meaning.FATAL, "the proxy wants a user name and password; check its address"),
    408: (Meaning.AMBIGUOUS, ""),
    409: (Meaning.REFUSED, ""),
    413: (Meaning.TOO_LARGE, ""),
    422: (Meaning.REFUSED, ""),
    425: (Meaning.RETRYABLE, ""),
    429: (Meaning.RATE_LIMITED, ""),
    501: (Meaning.FATAL, _NOT_UPWELL),
}
"""Status, or else its first digit, to meaning; and what to do where it ends the run.

The statuses are those of Upwell's page on error codes and of the gateways that may
stand before it. Only those that are about the content of a request are refusals: any
other would meet every row of the run.
"""


def meaning_of(status: int) -> Meaning:
    """Return what a status means to a request that it answers."""
    return _row(status)[0]


def remedy_for(status: int) -> str:
    """Return what a person can do about a status that ends the run."""
    return _row(status)[1]


def _row(status: int) -> tuple[Meaning, str]:
    unknown = Meaning.AMBIGUOUS, ""
    return MEANINGS.get(status) or MEANINGS.get(status // 100, unknown)


@cache
def spellings(secret: str) -> re.Pattern[str]:
    r"""Return a pattern that finds a secret however it is escaped.

    A server may quote what it does not like in JSON within JSON, in an address or on a
    page: `\/`, `%2F` and `&#x2F;` are a `/`.
    """
    names: dict[str, list[str]] = {}
    for name, characters in html5.items():
        names.setdefault(characters, []).append(name)
    return re.compile("".join(_spelled(c, names.get(c, [])) for c in secret))


def _spelled(character: str, names: list[str]) -> str:
    number = ord(character)
    entity = "|".join([f"#0*{number};", f"#x0*{number:x};", *names])
    return (
        rf"(?:\\{{0,8}}{re.escape(character)}|(?i:\\{{1,8}}(?:u{number:04x}|x{number:02x})"
        rf"|%(?:25){{0,8}}{number:02x}|&(?:amp;){{0,8}}(?:{entity})))"
    )


def read_refusal(status: int, body: bytes, secret: re.Pattern[str]) -> Refusal:
    """Return what the body of a refusal says, without a secret, see `spellings`.

    It is `{"path", "error", "code"}` as the API sends at run time, `{"error": {"code",
    "message", "details"}}` as its documentation shows, or anything that a proxy makes
    up.
    """

    def shown(words: str, most: int = MOST_CHARACTERS) -> str:
        return one_line(secret.sub("***", words).strip(), most)

    code, words, row = _parts(body)
    phrase = responses.get(status, "no reason given")
    return Refusal(status, shown(code, MOST_ID_CHARACTERS), shown(words) or phrase, row)


def _parts(body: bytes) -> tuple[str, str, int | None]:
    """Return the code, the words and the row of a refusal, as far as it has them."""
    try:
        content = json_codec.decode(body) if len(body) <= MOST_REFUSAL_BYTES else None
    except NotJSON:
        content = None
    if not isinstance(content, dict):
        return "", "", None
    error = content.get("error")
    if isinstance(error, dict):
        message, details = _text(error.get("message")), _details(error.get("details"))
        words = ": ".join(filter(None, (message, details)))
        return _text(error.get("code")), words, None
    row = re.search(r"objects\[(\d{1,9})\]", _text(content.get("path")))
    words = _text(error) or _text(content.get("message"))  # as gateways write it
    return _text(content.get("code")), words, int(row[1]) if row else None


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
