"""The Upwell API over HTTP: one method for each request that the target makes.

It knows how to ask, how often to ask again and what an answer means, and nothing of
plans. A search and an update may simply be sent again. A bulk insert may not: when its
outcome is unknown the caller is told so, and has to look before it sends another.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import requests
from requests.auth import AuthBase

from target_upwell import json_codec
from target_upwell.api.responses import Meaning, meaning_of, read_refusal, remedy_for
from target_upwell.api.retry import Retry, retry_after
from target_upwell.config import is_loopback
from target_upwell.exceptions import AmbiguousOutcome, Refused, RunError, TooLarge
from target_upwell.resource import ENVELOPE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_upwell.api.rate_limiter import RateLimiter
    from target_upwell.config import Settings
    from target_upwell.exceptions import Refusal
    from target_upwell.resource import Endpoint, Resource, SourceKey

SHORTEST_PAUSE_SECONDS = 1.0
"""After "too many requests" that says no more: limits count by the second or longer."""

WORTH_ANOTHER = {Meaning.AMBIGUOUS, Meaning.RATE_LIMITED, Meaning.RETRYABLE}


class Observer(Protocol):
    """Is told of each request."""

    def __call__(
        self, endpoint: str, status: int, seconds: float, *, again: bool
    ) -> None:
        """Take note of a request, see `Report.request`."""


class Update(NamedTuple):
    """How many rows an update touched, and how many of the related rows."""

    rows: int
    related: int


class Client:
    """The Upwell API, over all threads of a run."""

    def __init__(
        self,
        settings: Settings,
        limiter: RateLimiter,
        stop: threading.Event,
        observe: Observer,
    ) -> None:
        """Talk to an Upwell account.

        Args:
            settings: Where it is, the key, time-outs and retries.
            limiter: The gate for each request.
            stop: Set when the run is stopped; ends all waits.
            observe: Told of each request.
        """
        self._url = settings.api_url.rstrip("/")
        self._auth = _RawKey(settings.api_key)
        self._key = settings.api_key.encode()
        self._timeout = settings.request_timeout
        self._retries = settings.max_retries
        # A proxy would see the key of a request that is not encrypted.
        self._use_proxies = not is_loopback(settings.api_url)
        self._limiter = limiter
        self._stop = stop
        self._observe = observe
        self._local = threading.local()
        self._dead: RunError | None = None

    def retry(self, what: str, retries: int | None = None) -> Retry:
        """Return what counts the retries of one thing, and waits before each.

        Args:
            what: The thing, for messages.
            retries: How many there may be; as many as the setting says by default.
        """
        most = self._retries if retries is None else retries
        return Retry(what, most, self._stop)

    def search(
        self, resource: Resource, source_system: str, ids: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Find records by their ids in the source.

        The limit is always sent: without one the API gives ten (SEEN). It may still
        give fewer than there are, so absence here is no proof (INFERRED).

        Returns:
            Records as the API shows them, in no order.

        Raises:
            Refused: If Upwell turned it down.
            TooLarge: If it asks for too many.
            RetriesExhausted: If it failed once too often.
            RunError: If no request can succeed.
            Stopped: If the run is being stopped.
        """
        system, source_id = resource.key
        body = json_codec.encode(
            {
                "limit": len(ids),
                "where": {
                    system: {"_eq": source_system},
                    source_id: {"_in": list(ids)},
                },
            }
        )
        records: list[dict[str, Any]] = self._send_until_known(
            resource.search,
            body,
            lambda reply: _records(resource, reply[resource.search.reply]),
        )
        return records

    def create(
        self, resource: Resource, inputs: Sequence[bytes], retry: Retry | None = None
    ) -> list[dict[str, Any]]:
        """Insert records, all of them or none.

        Args:
            resource: Their resource.
            inputs: What they are to be, encoded.
            retry: Counts the retries, where they were sent before.

        Returns:
            The records, in no order.

        Raises:
            AmbiguousOutcome: If they are stored or not; look before sending them again.
            Refused: If Upwell turned them down.
            TooLarge: If the body is too large.
            RetriesExhausted: If Upwell was too busy once too often.
            RunError: If no request can succeed.
            Stopped: If the run is being stopped.
        """
        body = b"".join((ENVELOPE[0], b",".join(inputs), ENVELOPE[1]))
        records: list[dict[str, Any]] = self._send_until_answered(
            resource.bulk,
            body,
            lambda reply: _records(resource, reply[resource.bulk.reply]["returning"]),
            retry or self.retry(str(resource.bulk)),
        )
        return records

    def update(
        self,
        resource: Resource,
        key: SourceKey,
        columns: dict[str, Any],
        related: dict[str, Any],
    ) -> Update:
        """Change the columns of one record, and those of its related row.

        Both inputs are always sent: Hasura takes an empty set, and refuses the null
        that one left out becomes (INFERRED).

        Args:
            resource: Its resource, one that has an update.
            key: Its source key.
            columns: Columns to set; a null clears one.
            related: Columns of its related row to set.

        Raises:
            Refused: If Upwell turned it down.
            TooLarge: If the body is too large.
            RetriesExhausted: If it failed once too often.
            RunError: If no request can succeed.
            Stopped: If the run is being stopped.
        """
        operation = resource.update
        request = {
            **dict(zip(resource.key, key, strict=True)),
            operation.input: columns,
            operation.related_input: related,
        }
        touched: Update = self._send_until_known(
            operation.endpoint,
            json_codec.encode(request),
            lambda reply: Update(
                _count(reply[operation.endpoint.reply]),
                _count(reply.get(operation.related_reply)),
            ),
        )
        return touched

    def _send_until_known(
        self, endpoint: Endpoint, body: bytes, read: Callable[[Any], Any]
    ) -> Any:  # noqa: ANN401 - as `read` gives it
        """Send what may be sent twice until its outcome is known."""
        retry = self.retry(str(endpoint))
        while True:
            try:
                return self._send_until_answered(endpoint, body, read, retry)
            except AmbiguousOutcome as unknown:
                retry.wait(str(unknown), unknown.pause, unknown.status)

    def _send_until_answered(
        self,
        endpoint: Endpoint,
        body: bytes,
        read: Callable[[Any], Any],
        retry: Retry,
    ) -> Any:  # noqa: ANN401 - as `read` gives it
        """Send until the server has looked at it, which it says it did not."""
        while True:
            if self._dead:
                raise self._dead
            with self._limiter.slot() as began:
                response = self._exchange(endpoint, body)
            meaning = meaning_of(response.status_code)
            if meaning is Meaning.RATE_LIMITED:
                wait = retry.next_wait(self._summary(response), response.status_code)
                pause = _pause(response)
                if pause is None:
                    pause = max(wait, SHORTEST_PAUSE_SECONDS)
                self._limiter.refused(began, pause)
                continue
            self._limiter.answered()
            if meaning is Meaning.RETRYABLE:
                retry.wait(
                    self._summary(response), _pause(response), response.status_code
                )
                continue
            if meaning is Meaning.FATAL:
                what = f"{endpoint}: {self._summary(response)}"
                self._dead = RunError(f"{what}: {remedy_for(response.status_code)}")
                raise self._dead
            return self._outcome(response, meaning, read)

    def _exchange(self, endpoint: Endpoint, body: bytes) -> requests.Response:
        """Send one request and read the whole answer.

        Raises:
            AmbiguousOutcome: If no whole answer came.
        """
        began = time.monotonic()
        status = 0
        try:
            response = self._session().request(
                endpoint.method,
                self._url + endpoint.path,
                data=body,
                timeout=self._timeout,
                allow_redirects=False,
            )
            status = response.status_code
        except requests.RequestException as error:
            raise AmbiguousOutcome(_no_answer(error)) from None
        finally:
            again = status == 0 or meaning_of(status) in WORTH_ANOTHER
            self._observe(str(endpoint), status, time.monotonic() - began, again=again)
        return response

    def _outcome(
        self,
        response: requests.Response,
        meaning: Meaning,
        read: Callable[[Any], Any],
    ) -> Any:  # noqa: ANN401 - as `read` gives it
        """Turn an answer into a result, or into the exception that it means."""
        if meaning is Meaning.DONE:
            try:
                return read(json_codec.decode(response.content))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise AmbiguousOutcome(
                    f"an answer that can't be read ({self._summary(response)})",
                    status=response.status_code,
                ) from None
        if meaning is Meaning.REFUSED:
            raise Refused(self._refusal(response))
        if meaning is Meaning.TOO_LARGE:
            raise TooLarge
        raise AmbiguousOutcome(
            self._summary(response), _pause(response), response.status_code
        )

    def _summary(self, response: requests.Response) -> str:
        refusal = self._refusal(response)
        return f"{refusal.message} ({refusal.status})"

    def _refusal(self, response: requests.Response) -> Refusal:
        # A server may quote the key that it does not like.
        body = response.content.replace(self._key, b"***")
        return read_refusal(response.status_code, body)

    def _session(self) -> requests.Session:
        """Give this thread's session; it keeps its connection alive."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.auth = self._auth
            session.headers["Content-Type"] = "application/json"
            session.headers["Accept"] = "application/json"
            session.trust_env = self._use_proxies
            self._local.session = session
        return session


class _RawKey(AuthBase):
    """Sends the key as it is; having it, `requests` never asks `~/.netrc`."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._key
        return request


def _pause(response: requests.Response) -> float | None:
    return retry_after(response.headers.get("Retry-After"))


def _no_answer(error: requests.RequestException) -> str:
    """Say how a request failed, without addresses or headers."""
    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate was not accepted, or encryption failed"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy did not connect"
    text = str(error)
    for sign, meaning in (
        ("refused", "the connection was refused; check api_url"),
        ("resolve", "the host's name is not known; check api_url"),
    ):
        if sign in text:
            return meaning
    return "the connection was lost"


def _records(resource: Resource, reply: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Take records that name themselves; anything else is no answer.

    Raises:
        TypeError: If it is no list of objects.
        ValueError: If one lacks its id or its source key.
    """
    if not isinstance(reply, list):
        raise TypeError("no list of records")
    for record in reply:
        if not all(isinstance(record[name], str) for name in ("id", *resource.key)):
            raise ValueError("a record without an identity")
    return reply


def _count(result: Any) -> int:  # noqa: ANN401 - any JSON value
    """Read `affectedRows` of a mutation's response, which may be null."""
    return int(result["affectedRows"]) if result else 0
