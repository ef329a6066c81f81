"""The Upwell API over HTTP: one method for each request that the target makes.

It knows how to ask, how often to ask again and what an answer means, and nothing of
plans. A search and an update may simply be sent again. A bulk insert may not: when its
outcome is unknown the caller is told so, and has to look before it sends another.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from target_upwell import json_codec
from target_upwell.api.replies import read_created, read_found, read_update
from target_upwell.api.responses import (
    NOT_LOOKED_AT,
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


class Client:
    """The Upwell API, over all threads of a run.

    Each request may raise `Refused` or `TooLarge` if Upwell turned it down,
    `RetriesExhausted` if it failed once too often, `RunError` if no request can
    succeed, and `Stopped` if the run is being stopped.
    """

    def __init__(
        self,
        settings: Settings,
        limiter: RateLimiter,
        stop: threading.Event,
        observe: Callable[..., None],
    ) -> None:
        """Talk to an Upwell account; `observe` is told of requests as `Report` is."""
        self._transport = Transport(settings)
        self._key = settings.api_key
        self._retries = settings.max_retries
        self._limiter = limiter
        self._stop = stop
        self._observe = observe
        self._took: set[Endpoint] = set()
        self._dead: RunError | None = None

    def retry(self, what: str, retries: int | None = None) -> Retry:
        """Return what counts the retries of one thing, by default as many as set."""
        most = self._retries if retries is None else retries
        return Retry(what, most, self._stop)

    def search(
        self, resource: Resource, source_system: str, ids: Sequence[str]
    ) -> list[Record]:
        """Return the records that have these ids in the source, in no order.

        The limit is always sent: without one the API gives ten (SEEN). It may still
        give fewer than there are, so absence here is no proof (INFERRED).
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
        """Return the records that meet a condition; their source key may be null.

        The condition is as the API words it; the order is upwards.
        """
        request: dict[str, Any] = {"limit": limit, "where": where}
        if order_by:
            request["orderBy"] = [{name: "ASC"} for name in order_by]
        body = json_codec.encode(request)
        return self._send(resource.search, body, partial(read_found, resource))

    def create(
        self,
        resource: Resource,
        inputs: Mapping[SourceKey, bytes],
        retry: Retry | None = None,
    ) -> dict[SourceKey, Record]:
        """Insert records, all of them or none, and return their ids by source key.

        The inputs are encoded, by source key; a retry counts where they were sent
        before.

        Raises:
            AmbiguousOutcome: If they are stored or not; look before sending them again.
        """
        body = b"".join((ENVELOPE[0], b",".join(inputs.values()), ENVELOPE[1]))
        read = partial(read_created, resource, inputs)
        return self._send(resource.bulk, body, read, retry, idempotent=False)

    def update(
        self,
        resource: Resource,
        key: SourceKey,
        columns: dict[str, Any],
        related: dict[str, Any],
    ) -> Update:
        """Change columns of one record and of its related row; a null clears one.

        All inputs are always sent: Hasura takes an empty set, and refuses the null
        that one left out becomes (INFERRED).
        """
        update = resource.update
        request = dict(zip(resource.key, key, strict=True)) | {update.input: columns}
        if update.related:
            request[update.related.input] = related
        body, read = json_codec.encode(request), partial(read_update, resource, key)
        return self._send(update.endpoint, body, read)

    def exchange(self, endpoint: Endpoint, body: bytes, *, again: bool) -> Answer:
        """Send one request when the limiter lets it, and return the answer.

        Raises:
            AmbiguousOutcome: If no whole answer came.
        """
        with self._limiter.slot() as token:
            if self._dead:
                raise self._dead
            began = time.monotonic()
            try:
                answer = self._transport.send(endpoint, body)
            except AmbiguousOutcome:
                seconds = time.monotonic() - began
                self._observe(str(endpoint), 0, seconds, again=again)
                raise
            meaning = meaning_of(answer.status)
            if meaning is Meaning.RATE_LIMITED:
                self._limiter.refused(token, _pause(answer))
            else:
                self._limiter.succeeded(token)
            if meaning is Meaning.DONE:
                self._took.add(endpoint)
        self._observe(str(endpoint), answer.status, answer.seconds, again=again)
        return answer

    def summary(self, answer: Answer) -> str:
        """Return what an answer says, in a few words with its status."""
        return f"{self._refusal(answer).message} ({answer.status})"

    def _send(
        self,
        endpoint: Endpoint,
        body: bytes,
        read: Callable[[bytes], T],
        retry: Retry | None = None,
        *,
        idempotent: bool = True,
    ) -> T:
        """Send until the outcome is known, or may not be sent again without looking."""
        retry = retry or self.retry(str(endpoint))
        while True:
            try:
                answer = self.exchange(endpoint, body, again=retry.failures > 0)
                return self._outcome(endpoint, answer, read)
            except AmbiguousOutcome as failure:
                meaning = meaning_of(failure.status)
                if not idempotent and meaning not in NOT_LOOKED_AT:
                    raise
                spaced = SPACED_SECONDS if meaning is Meaning.RATE_LIMITED else 0.0
                retry.wait(failure, spaced=spaced)

    def _outcome(
        self, endpoint: Endpoint, answer: Answer, read: Callable[[bytes], T]
    ) -> T:
        """Turn an answer into a result, or into the exception that it means."""
        meaning = meaning_of(answer.status)
        if meaning is Meaning.DONE:
            try:
                return read(answer.body)
            except NotJSON:
                why = f"an answer that can't be read ({self.summary(answer)})"
                raise AmbiguousOutcome(why, status=answer.status) from None
        if meaning is Meaning.FORBIDDEN:
            # What took other requests may well be a firewall that dislikes this one.
            took = endpoint in self._took
            meaning = Meaning.REFUSED if took else Meaning.FATAL
        if meaning is Meaning.FATAL:
            self._dead = RunError(
                f"{endpoint}: {self.summary(answer)}: {remedy_for(answer.status)}"
            )
            raise self._dead
        if meaning is Meaning.REFUSED:
            raise Refused(self._refusal(answer))
        if meaning is Meaning.TOO_LARGE:
            raise TooLarge
        raise AmbiguousOutcome(self.summary(answer), _pause(answer), answer.status)

    def _refusal(self, answer: Answer) -> Refusal:
        return read_refusal(answer.status, answer.body, spellings(self._key))


def _pause(answer: Answer) -> float | None:
    return retry_after(answer.headers.get("Retry-After"))
