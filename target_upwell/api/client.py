"""The Upwell API over HTTP: one method for each request that the target makes.

It knows how to ask, how often to ask again and what an answer means, and nothing of
plans. A search and an update may simply be sent again. A bulk insert may not: when its
outcome is unknown the caller is told so, and has to look before it sends another.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from target_upwell import json_codec
from target_upwell.api.replies import read_created, read_found, read_update
from target_upwell.api.responses import (
    Meaning,
    meaning_of,
    read_refusal,
    remedy_for,
    spellings,
)
from target_upwell.api.retry import Retry, retry_after
from target_upwell.api.transport import Transport
from target_upwell.exceptions import (
    AmbiguousOutcome,
    NoAnswer,
    NotJSON,
    Refused,
    RunError,
    TooLarge,
)
from target_upwell.resource import ENVELOPE

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from target_upwell.api.rate_limiter import RateLimiter
    from target_upwell.api.replies import Record, Update
    from target_upwell.api.transport import Answer
    from target_upwell.config import Settings
    from target_upwell.exceptions import Refusal
    from target_upwell.resource import Endpoint, Resource, SourceKey

T = TypeVar("T")

SPACED_SECONDS = 1.0
"""How far the limiter spaces a retry after a refusal for a rate limit by itself."""


class Observer(Protocol):
    """Is told of each request."""

    def __call__(
        self, endpoint: str, status: int, seconds: float, *, again: bool
    ) -> None:
        """Take note of a request, see `Report.request`."""


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
        self._transport = Transport(settings)
        self._secret = spellings(settings.api_key)
        self._retries = settings.max_retries
        self._limiter = limiter
        self._stop = stop
        self._observe = observe
        self._took: set[Endpoint] = set()
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
    ) -> list[Record]:
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
        where = {system: {"_eq": source_system}, source_id: {"_in": list(ids)}}
        return self.find(resource, where, len(ids))

    def find(
        self,
        resource: Resource,
        where: dict[str, Any],
        limit: int,
        order_by: Sequence[str] = (),
    ) -> list[Record]:
        """Find records by any condition.

        Args:
            resource: Their resource.
            where: The condition, as the API words it.
            limit: How many to give at most.
            order_by: Properties to order by, upwards.

        Returns:
            Records as the API shows them; their source key may be null.

        Raises:
            Refused: If Upwell turned it down.
            TooLarge: If it asks for too many.
            RetriesExhausted: If it failed once too often.
            RunError: If no request can succeed.
            Stopped: If the run is being stopped.
        """
        request: dict[str, Any] = {"limit": limit, "where": where}
        if order_by:
            request["orderBy"] = [{name: "ASC"} for name in order_by]
        body = json_codec.encode(request)
        return self._send_until_known(
            resource.search, body, partial(read_found, resource)
        )

    def create(
        self,
        resource: Resource,
        inputs: Mapping[SourceKey, bytes],
        retry: Retry | None = None,
    ) -> list[Record]:
        """Insert records, all of them or none.

        Args:
            resource: Their resource.
            inputs: What they are to be, encoded, by source key.
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
        body = b"".join((ENVELOPE[0], b",".join(inputs.values()), ENVELOPE[1]))
        return self._send_until_answered(
            resource.bulk,
            body,
            partial(read_created, resource, inputs),
            retry or self.retry(str(resource.bulk)),
        )

    def update(
        self,
        resource: Resource,
        key: SourceKey,
        columns: dict[str, Any],
        related: dict[str, Any],
    ) -> Update:
        """Change the columns of one record, and those of its related row.

        All inputs are always sent: Hasura takes an empty set, and refuses the null
        that one left out becomes (INFERRED).

        Args:
            resource: Its resource, one that has an update.
            key: Its source key.
            columns: Columns to set; a null clears one.
            related: Columns of its related row to set, if it has one.

        Raises:
            Refused: If Upwell turned it down.
            TooLarge: If the body is too large.
            RetriesExhausted: If it failed once too often.
            RunError: If no request can succeed.
            Stopped: If the run is being stopped.
        """
        update = resource.update
        request = {
            **dict(zip(resource.key, key, strict=True)),
            update.input: columns,
        }
        if update.related:
            request[update.related.input] = related
        return self._send_until_known(
            update.endpoint, json_codec.encode(request), partial(read_update, resource)
        )

    def _send_until_known(
        self, endpoint: Endpoint, body: bytes, read: Callable[[bytes], T]
    ) -> T:
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
        read: Callable[[bytes], T],
        retry: Retry,
    ) -> T:
        """Send until the server has looked at it, which it says it did not."""
        while True:
            answer = self._exchange(endpoint, body, again=retry.began)
            meaning = meaning_of(answer.status)
            if meaning in (Meaning.RATE_LIMITED, Meaning.RETRYABLE):
                retry.wait(
                    self._summary(answer),
                    _pause(answer),
                    answer.status,
                    spaced=SPACED_SECONDS * (meaning is Meaning.RATE_LIMITED),
                )
                continue
            return self._outcome(endpoint, answer, meaning, read)

    def _exchange(self, endpoint: Endpoint, body: bytes, *, again: bool) -> Answer:
        """Send one request when the limiter lets it, and return the answer.

        Raises:
            AmbiguousOutcome: If no whole answer came.
            RunError: If no request can succeed.
            Stopped: If the run is being stopped.
        """
        with self._limiter.slot() as token:
            if self._dead:
                raise self._dead
            try:
                answer = self._transport.send(endpoint, body)
            except NoAnswer as failure:
                self._observe(str(endpoint), 0, failure.seconds, again=again)
                raise AmbiguousOutcome(str(failure)) from None
            if meaning_of(answer.status) is Meaning.RATE_LIMITED:
                self._limiter.refused(token, _pause(answer))
            else:
                self._limiter.succeeded(token)
        self._observe(str(endpoint), answer.status, answer.seconds, again=again)
        return answer

    def _outcome(
        self,
        endpoint: Endpoint,
        answer: Answer,
        meaning: Meaning,
        read: Callable[[bytes], T],
    ) -> T:
        """Turn an answer into a result, or into the exception that it means."""
        if meaning is Meaning.DONE:
            try:
                result = read(answer.body)
            except NotJSON:
                raise AmbiguousOutcome(
                    f"an answer that can't be read ({self._summary(answer)})",
                    status=answer.status,
                ) from None
            self._took.add(endpoint)
            return result
        if meaning is Meaning.FORBIDDEN:
            # What took other requests may well be a firewall that dislikes this one.
            took = endpoint in self._took
            meaning = Meaning.REFUSED if took else Meaning.FATAL
        if meaning is Meaning.FATAL:
            what = f"{endpoint}: {self._summary(answer)}"
            self._dead = RunError(f"{what}: {remedy_for(answer.status)}")
            raise self._dead
        if meaning is Meaning.REFUSED:
            raise Refused(self._refusal(answer))
        if meaning is Meaning.TOO_LARGE:
            raise TooLarge
        raise AmbiguousOutcome(self._summary(answer), _pause(answer), answer.status)

    def _summary(self, answer: Answer) -> str:
        return f"{self._refusal(answer).message} ({answer.status})"

    def _refusal(self, answer: Answer) -> Refusal:
        return read_refusal(answer.status, answer.body, self._secret)


def _pause(answer: Answer) -> float | None:
    return retry_after(answer.headers.get("Retry-After"))
