"""One request and its whole answer, within bounds, over a thread's own connection.

It knows HTTP and nothing of Upwell: not what a status means, not how to ask again.
"""

from __future__ import annotations

import io
import logging
import os
import socket
import ssl
import threading
import time
import weakref
from contextlib import suppress
from functools import cached_property, partial
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    HTTPError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import make_headers, parse_url

from target_upwell.config import is_loopback
from target_upwell.exceptions import AmbiguousOutcome, RunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Buffer
    from urllib3.response import BaseHTTPResponse
    from urllib3.util import Url

    from target_upwell.config import Settings
    from target_upwell.resource import Endpoint

MOST_ANSWER_BYTES = 32 * 1024 * 1024
"""Of a body, as it travels and unpacked: 200 customers have 160 kB each."""

_TOO_LONG = f"an answer of more than {MOST_ANSWER_BYTES // 1024**2} MB"
_INTERIM, _SUCCESS = 1, 2  # first digits of a status


class Answer(NamedTuple):
    """A whole answer; its seconds run from connecting to the last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Transport:
    """Sends requests to one address; threads share it, each with its own connection."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.api_url.rstrip("/")
        self._seconds = settings.request_timeout
        self._headers = {
            "Authorization": settings.api_key,
            "User-Agent": f"target-upwell/{version('target-upwell')}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        self._local = threading.local()
        # Its warnings quote headers as the server sent them.
        logging.getLogger("urllib3").setLevel(logging.ERROR)

    def send(self, endpoint: Endpoint, body: bytes) -> Answer:
        """Send one request, and return the whole answer.

        Raises:
            AmbiguousOutcome: If none came, or not as a whole.
            RunError: If the machine's certificates can't be read.
        """
        began = time.monotonic()
        connection: HTTPConnection | None = None
        try:
            url = parse_url(self._url + endpoint.path)
            method, path = endpoint.method, url.request_uri
            connection = self._connection(url)
            _connect(connection, began + self._seconds)
            # A server may refuse a body, close, and not read the rest of it.
            with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                connection.request(
                    method, path, body, self._headers, preload_content=False
                )
            response = connection.getresponse()
            content = _content(response)
        except AmbiguousOutcome as error:
            why = str(error)
        except (OSError, ValueError, HTTPError, HTTPException) as error:
            why = _no_answer(error, connection)
        else:
            seconds = time.monotonic() - began
            if response.status // 100 != _SUCCESS:
                # A success names its record. Should a refusal come twice, the second
                # one must not answer the next request.
                connection.close()
            return Answer(response.status, response.headers, content, seconds)
        # Out here nothing else holds on to the failed connection.
        if connection:
            connection.close()
        raise AmbiguousOutcome(why)

    def _connection(self, url: Url) -> HTTPConnection:
        """Return this thread's connection, or a new one if the server closed it."""
        connection: HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None or not connection.is_connected:
            connection = self._local.connection = self._new_connection(url)
        return connection

    def _new_connection(self, url: Url) -> HTTPConnection:
        host, port = (url.host or "").strip("[]"), url.port
        if url.scheme == "http":  # on this machine
            return HTTPConnection(host, port)
        proxy = None
        if not is_loopback(self._url):
            proxies = get_environ_proxies(self._url, no_proxy=None)
            proxy = select_proxy(self._url, proxies)
        if not proxy:
            return HTTPSConnection(host, port, ssl_context=self._certificates)
        its = parse_url(proxy if "://" in proxy else f"http://{proxy}")
        scheme = its.scheme or "http"
        connection = HTTPSConnection(
            (its.host or "").strip("[]"),
            its.port or (443 if scheme == "https" else 80),
            ssl_context=self._certificates,
            proxy=its,
            proxy_config=ProxyConfig(self._certificates, False, None, None),
        )
        headers = make_headers(proxy_basic_auth=unquote(its.auth)) if its.auth else {}
        connection.set_tunnel(host, port or 443, headers, scheme)
        return connection

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        """The certificates to trust, those that the environment names at first."""
        for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            if not (place := os.environ.get(variable)):
                continue
            try:
                if Path(place).is_dir():
                    return ssl.create_default_context(capath=place)
                return ssl.create_default_context(cafile=place)
            except (OSError, ValueError):
                raise RunError(
                    f"{variable}: it names no file of certificates that can be read; "
                    "correct it, or remove it from the environment"
                ) from None
        return ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)


def _connect(connection: HTTPConnection, ends: float) -> None:
    """Bound all that an exchange may take, and connect where need be."""
    connection.response_class = partial(_Response, ends)  # type: ignore[assignment]
    if not connection.sock:
        # All addresses of a host are tried, and the handshake obeys the time-out too.
        addresses = socket.getaddrinfo(
            connection.host, connection.port, type=socket.SOCK_STREAM
        )
        connection.timeout = _left(ends) / (len(addresses) + 1)
        connection.connect()
        # Nobody else does when its thread ends.
        weakref.finalize(connection, connection.sock.close)
    connection.timeout = _left(ends)


def _left(ends: float) -> float:
    """Return the seconds that are left of an exchange, or end it."""
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Response(HTTPResponse):
    """An answer that ends in time and within bounds, whatever pieces it comes in.

    A socket's time-out begins anew with each byte that arrives, while an answer's head,
    `100 Continue` again and again, or the length of a chunk is read.
    """

    def __init__(self, ends: float, sock: socket.socket, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(sock, **kwargs)
        self.fp = io.BufferedReader(_Reader(ends, sock, self.fp.detach()))

    def _read_status(self) -> tuple[str, int, str]:
        # `http.client` skips a 100 and takes 102 or 103 for the answer itself.
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if status // 100 == _INTERIM and status != HTTPStatus.SWITCHING_PROTOCOLS:
            status = HTTPStatus.CONTINUE
        return version, status, reason


class _Reader(io.RawIOBase):
    def __init__(self, ends: float, sock: socket.socket, file: io.RawIOBase) -> None:
        self._ends = ends
        self._sock = sock
        self._file = file
        self._room = MOST_ANSWER_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        self._sock.settimeout(_left(self._ends))
        number = self._file.readinto(buffer) or 0
        # Not only where a body is read: `http.client` takes -1 for a chunk's length.
        self._room -= number
        if self._room < 0:
            raise AmbiguousOutcome(_TOO_LONG)
        # What follows is the handshake, where this is a proxy's answer.
        self._sock.settimeout(_left(self._ends))
        return number

    def close(self) -> None:
        self._file.close()
        super().close()


def _content(response: BaseHTTPResponse) -> bytes:
    """Read a body and unpack it, both within bounds."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "", "gzip"}:
        raise AmbiguousOutcome("an answer that is packed in another way than asked for")
    content = response.read(MOST_ANSWER_BYTES + 1, decode_content=True)
    if len(content) > MOST_ANSWER_BYTES:
        raise AmbiguousOutcome(_TOO_LONG)
    return content


_Kind = type[Exception] | tuple[type[Exception], ...]
_FAILURES: tuple[tuple[_Kind, str, str], ...] = (
    (DecodeError, "", "an answer that can't be unpacked"),
    (HTTPError, "refused", "the connection was refused; check api_url"),
    (ConnectTimeoutError, "", "no connection in time"),
    ((TimeoutError, ReadTimeoutError), "", "no answer in time"),
    (
        (ssl.SSLError, SSLError),
        "",
        "the server's certificate was not accepted, or encryption failed",
    ),
    (socket.gaierror, "", "the host's name is not known; check api_url"),
    (OSError, "Tunnel", "the proxy did not connect"),
)
"""Kind of failure, what its text holds, and how it is worded."""


def _no_answer(error: Exception, connection: HTTPConnection | None) -> str:
    """Say how a request failed, without addresses or headers."""
    if connection and connection.proxy and not connection.has_connected_to_proxy:
        return "the proxy did not connect"
    for kind, sign, meaning in _FAILURES:
        if isinstance(error, kind) and sign in str(error):
            return meaning
    return "the connection was lost"
