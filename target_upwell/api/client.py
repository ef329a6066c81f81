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
from target_upwell.api.retry import Attempts, retry_after
from target_upwell.config import is_loopback
from target_upwell.delivery.batch import ENVELOPE
from target_upwell.exceptions import AmbiguousOutcome, Refused, RunError, TooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_upwell.api.rate_limiter import RateLimiter
    from target_upwell.config import Settings
    from target_upwell.exceptions import Refusal
    from target_upwell.resource import SourceKey

SHORTEST_PAUSE_SECONDS = 1.0
"""After "too many requests" that says no more: limits count by the second or longer."""

WORTH_ANOTHER = {Meaning.AMBIGUOUS, Meaning.RATE_LIMITED, Meaning.RETRYABLE}

_IDENTITY = ("id", "sourceSystem", "sourceSystemId")


class Observer(Protocol):
    """Is told of each request."""

    def __call__(
        self, endpoint: str, status: int, seconds: float, *, again: bool
    ) -> None:
        """Take note of a request, see `Report.request`."""


class Update(NamedTuple):
    """What an update touched."""

    customers: int
    rules: int


class Client:
    """The customers part of the Upwell API."""

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

    def attempts(self, what: str) -> Attempts:
        """Start counting attempts at something."""
        return Attempts(what, self._retries, self._stop)

    def search(self, source_system: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Find customers by their ids in the source.

        The limit is always sent: without one the API gives ten (SEEN). It may still
        give fewer than there are, so absence here is no proof (INFERRED).

        Returns:
            Customers as the API words them, in no order.

        Raises:
            Refused: If Upwell turned it down.
            TooLarge: If it asks for too many.
            RunError: If it failed for good.
            Stopped: If the run is being stopped.
        """
        body = json_codec.encode(
            {
                "limit": len(ids),
                "where": {
                    "sourceSystem": {"_eq": source_system},
                    "sourceSystemId": {"_in": list(ids)},
                },
            }
        )
        customers: list[dict[str, Any]] = self._send_until_known(
            "POST",
            "/customers/search",
            body,
            lambda reply: _customers(reply["customers"]),
        )
        return customers

    def create(self, inputs: Sequence[bytes]) -> list[dict[str, Any]]:
        """Insert customers, all of them or none.

        Args:
            inputs: Customer inputs, encoded.

        Returns:
            The customers, in no order.

        Raises:
            AmbiguousOutcome: If they are stored or not; look before sending them again.
            Refused: If Upwell turned them down.
            TooLarge: If the body is too large.
            RunError: If no request can succeed.
            Stopped: If the run is being stopped.
        """
        body = b"".join((ENVELOPE[0], b",".join(inputs), ENVELOPE[1]))
        customers: list[dict[str, Any]] = self._send_until_answered(
            "POST",
            "/bulk-customers",
            body,
            lambda reply: _customers(reply["createCustomers"]["returning"]),
        )
        return customers

    def update(
        self, key: SourceKey, changes: dict[str, Any], rule: dict[str, Any]
    ) -> Update:
        """Change the columns of one customer, and those of its rule.

        Args:
            key: Its source key.
            changes: Columns to set; a null clears one.
            rule: Columns of its rule to set.

        Raises:
            Refused: If Upwell turned it down.
            TooLarge: If the body is too large.
            RunError: If it failed for good.
            Stopped: If the run is being stopped.
        """
        request: dict[str, Any] = {
            "sourceSystem": key[0],
            "sourceSystemId": key[1],
            "input": changes,
        }
        if rule:
            request["customerRulesInput"] = rule
        touched: Update = self._send_until_known(
            "PUT",
            "/customers",
            json_codec.encode(request),
            lambda reply: Update(
                _count(reply["updateCustomer"]),
                _count(reply.get("updateCustomerRules")),
            ),
        )
        return touched

    def _send_until_known(
        self, method: str, path: str, body: bytes, read: Callable[[Any], Any]
    ) -> Any:  # noqa: ANN401 - as `read` gives it
        """Send what may be sent twice until its outcome is known."""
        attempts = self.attempts(f"{method} {path}")
        while True:
            try:
                return self._send_until_answered(method, path, body, read, attempts)
            except AmbiguousOutcome as unknown:
                attempts.wait(str(unknown), unknown.pause)

    def _send_until_answered(
        self,
        method: str,
        path: str,
        body: bytes,
        read: Callable[[Any], Any],
        attempts: Attempts | None = None,
    ) -> Any:  # noqa: ANN401 - as `read` gives it
        """Send until the server has looked at it, which it says it did not."""
        attempts = attempts or self.attempts(f"{method} {path}")
        while True:
            if self._dead:
                raise self._dead
            with self._limiter.slot() as began:
                response = self._exchange(method, path, body)
            meaning = meaning_of(response.status_code)
            if meaning is Meaning.RATE_LIMITED:
                wait = attempts.next_wait(self._summary(response))
                pause = _pause(response)
                if pause is None:
                    pause = max(wait, SHORTEST_PAUSE_SECONDS)
                self._limiter.refused(began, pause)
                continue
            self._limiter.answered()
            if meaning is Meaning.RETRYABLE:
                attempts.wait(self._summary(response), _pause(response))
                continue
            if meaning is Meaning.FATAL:
                what = f"{method} {path}: {self._summary(response)}"
                self._dead = RunError(f"{what}: {remedy_for(response.status_code)}")
                raise self._dead
            return self._outcome(response, meaning, read)

    def _exchange(self, method: str, path: str, body: bytes) -> requests.Response:
        """Send one request and read the whole answer.

        Raises:
            AmbiguousOutcome: If no whole answer came.
        """
        endpoint = f"{method} {path}"
        began = time.monotonic()
        status = 0
        try:
            response = self._session().request(
                method,
                self._url + path,
                data=body,
                timeout=self._timeout,
                allow_redirects=False,
            )
            status = response.status_code
        except requests.RequestException as error:
            raise AmbiguousOutcome(_no_answer(error)) from None
        finally:
            again = status == 0 or meaning_of(status) in WORTH_ANOTHER
            self._observe(endpoint, status, time.monotonic() - began, again=again)
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
                    f"an answer that can't be read ({self._summary(response)})"
                ) from None
        if meaning is Meaning.REFUSED:
            raise Refused(self._refusal(response))
        if meaning is Meaning.TOO_LARGE:
            raise TooLarge
        raise AmbiguousOutcome(self._summary(response), _pause(response))

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


def _customers(reply: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON value
    """Take customers that name themselves; anything else is no answer.

    Raises:
        TypeError: If it is no list of objects.
        ValueError: If one lacks its id or its source key.
    """
    if not isinstance(reply, list):
        raise TypeError("no list of customers")
    for customer in reply:
        if not all(isinstance(customer[name], str) for name in _IDENTITY):
            raise ValueError("a customer without an identity")
    return reply


def _count(result: Any) -> int:  # noqa: ANN401 - any JSON value
    """Read `affectedRows` of a mutation's response, which may be null."""
    return int(result["affectedRows"]) if result else 0
