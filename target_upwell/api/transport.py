"""One request and its whole answer, within bounds, over a thread's own connection.

It knows HTTP and nothing of Upwell: not what a status means, not how to ask again.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
import zlib
from http.client import HTTPException
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import requests
from requests.auth import AuthBase
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError, ReadTimeoutError, SSLError

from target_upwell.api.bounded import BoundedAdapter, Budget
from target_upwell.config import is_loopback
from target_upwell.exceptions import NoAnswer, RunError, UnreadableAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3.response import BaseHTTPResponse

    from target_upwell.config import Settings
    from target_upwell.resource import Endpoint

MOST_ANSWER_BYTES = 32 * 1024 * 1024
"""Of an answer, as it travels and unpacked: 200 customers have 160 kB each."""

_TOO_LARGE = f"an answer of more than {MOST_ANSWER_BYTES // 1024**2} MB"
_CHUNK_BYTES = 64 * 1024
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Answer(NamedTuple):
    """A whole answer.

    Attributes:
        status: The HTTP status.
        headers: The headers, whatever the case of a name.
        body: The body, unpacked.
        seconds: How long it took, from connecting to the last byte.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Transport:
    """Sends requests to one address; threads share it, each with its own connection."""

    def __init__(self, settings: Settings) -> None:
        """Send requests.

        Args:
            settings: The address, the key, and how long an exchange may take.
        """
        self._url = settings.api_url.rstrip("/")
        self._auth = _RawKey(settings.api_key)
        self._seconds = settings.request_timeout
        self._local = threading.local()
        # Its warnings quote headers as the server sent them.
        logging.getLogger("urllib3").setLevel(logging.ERROR)

    def send(self, endpoint: Endpoint, body: bytes) -> Answer:
        """Send one request, and return the whole answer.

        Raises:
            NoAnswer: If none came, or not as a whole.
            RunError: If the machine's certificates can't be read.
        """
        session = self._session()
        began = time.monotonic()
        session.budget.begin(self._seconds, MOST_ANSWER_BYTES)
        try:
            with session.request(
                endpoint.method,
                self._url + endpoint.path,
                data=body,
                stream=True,
                timeout=self._seconds,
                allow_redirects=False,
            ) as response:
                content = _content(response.raw)
        except (OSError, ValueError, HTTPError, HTTPException) as error:
            why = _TOO_LARGE if session.budget.out_of_bytes else _no_answer(error)
        else:
            seconds = time.monotonic() - began
            return Answer(response.status_code, response.headers, content, seconds)
        # Out here it holds on to nothing of the failed connection.
        raise NoAnswer(why, time.monotonic() - began)

    def _session(self) -> _Session:
        """Return this thread's session; it keeps its connection alive."""
        session: _Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = _Session(self._url, self._auth)
        return session


class _Session(requests.Session):
    """A session that follows no redirect, keeps no cookie, and keeps to a budget."""

    def __init__(self, url: str, auth: AuthBase) -> None:
        super().__init__()
        self.budget = Budget()
        self.auth = auth
        # Only gzip: what unpacks it here can stop in time.
        self.headers.update(
            {
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
            }
        )
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # The environment is read here and not anew for each request.
        self.trust_env = False
        if not is_loopback(url):
            # A proxy would see the key of a request that is not encrypted.
            self.proxies = dict(get_environ_proxies(url, no_proxy=None))
        if url.startswith("https:"):
            self.verify = _certificates()
        for scheme in ("http://", "https://"):
            self.mount(scheme, BoundedAdapter(self.budget))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return nothing: `requests` reads an address even if it may not follow it."""


class _RawKey(AuthBase):
    """Sends the key as it is; having it, `requests` never asks `~/.netrc`."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._key
        return request


def _certificates() -> str | bool:
    """Return the file or folder of trusted certificates that the environment names.

    Raises:
        RunError: If there are none in it.
    """
    for variable in _BUNDLE_VARIABLES:
        place = os.environ.get(variable)
        if not place:
            continue
        folder = Path(place).is_dir()
        try:
            ssl.create_default_context(
                cafile=None if folder else place, capath=place if folder else None
            )
        except (OSError, ValueError):
            raise RunError(
                f"{variable}: it names no file of certificates that can be read; "
                "correct it, or remove it from the environment"
            ) from None
        return place
    return True


def _content(raw: BaseHTTPResponse) -> bytes:
    """Read a body and unpack it, both within bounds.

    Raises:
        UnreadableAnswer: If it is too large, or not what it says it is.
    """
    encoding = raw.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "", "gzip"}:
        raise UnreadableAnswer(
            "an answer that is packed in a way that was not asked for"
        )
    unpacker = zlib.decompressobj(_GZIP_WINDOW) if encoding == "gzip" else None
    parts: list[bytes] = []
    room = MOST_ANSWER_BYTES
    while chunk := raw.read(_CHUNK_BYTES, decode_content=False):
        try:
            part = unpacker.decompress(chunk, room + 1) if unpacker else chunk
        except zlib.error:
            raise UnreadableAnswer("an answer that can't be unpacked") from None
        room -= len(part)
        if room < 0:
            raise UnreadableAnswer(_TOO_LARGE)
        parts.append(part)
    if unpacker and parts and not unpacker.eof:
        raise UnreadableAnswer("an answer whose end is missing")
    return b"".join(parts)


_KINDS_OF_FAILURE: tuple[
    tuple[type[Exception] | tuple[type[Exception], ...], str], ...
] = (
    (requests.ConnectTimeout, "no connection in time"),
    ((requests.Timeout, ReadTimeoutError, TimeoutError), "no answer in time"),
    (
        (requests.exceptions.SSLError, SSLError),
        "the server's certificate was not accepted, or encryption failed",
    ),
    (requests.exceptions.ProxyError, "the proxy did not connect"),
)
_SIGNS_OF_FAILURE = (
    ("refused", "the connection was refused; check api_url"),
    ("resolve", "the host's name is not known; check api_url"),
)


def _no_answer(error: Exception) -> str:
    """Say how a request failed, without addresses or headers."""
    if isinstance(error, UnreadableAnswer):
        return str(error)
    for kind, meaning in _KINDS_OF_FAILURE:
        if isinstance(error, kind):
            return meaning
    text = str(error)
    for sign, meaning in _SIGNS_OF_FAILURE:
        if sign in text:
            return meaning
    return "the connection was lost"
