"""The benchmark's server with limits and faults.

A limit by the second, one on requests at once, a burst of refusals, and refusals and
other faults at random.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from benchmarks.server import Account, serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SEED = 1


class Limits(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the server limits.

    Attributes:
        a_second: Requests in any second.
        retry_after: Whether a refusal for that names the whole seconds to wait.
        at_once: Requests at once.
        burst: Seconds since the first request between which all are refused.
        refused: The share of requests that is refused for no reason.
        refused_after: The seconds that such a refusal says to wait, if it does.
        faults: The share of requests that fails in other ways.
    """

    a_second: int | None = None
    retry_after: bool = False
    at_once: int | None = None
    burst: tuple[float, float] | None = None
    refused: float = 0.0
    refused_after: int | None = None
    faults: float = 0.0


class LimitedAccount(Account):
    """An account behind limits, which counts what it took and what it refused."""

    def __init__(self, latency: float, limits: Limits) -> None:
        """Start empty."""
        super().__init__(latency)
        self._limits = limits
        self._latency = latency
        self._random = random.Random(SEED)  # noqa: S311 - no secret
        self._taken: deque[float] = deque()
        self._under_way = 0
        self._first = self._last = 0.0
        self._answered = self._refused = 0

    def application(self) -> web.Application:
        """Give the routes."""
        application = super().application()
        application.add_routes([web.get("/_sandbox/limits", self._figures)])
        return application

    async def _respond(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        now = time.monotonic()
        self._first = self._first or now
        headers = self._refusal(now)
        if headers is not None:
            self._refused += 1
            return web.json_response(
                {"error": "Rate limit exceeded"}, status=429, headers=headers
            )
        if self._limits.a_second:
            self._taken.append(now)
        self._under_way += 1
        try:
            if self._random.random() < self._limits.faults:
                return await self._fail(request, handler)
            response = await handler(request)
            # It is under way until its answer goes out.
            await asyncio.sleep(self._latency - (time.monotonic() - now))
        finally:
            self._under_way -= 1
        self._answered += 1
        self._last = time.monotonic()
        return response

    def _refusal(self, now: float) -> dict[str, str] | None:
        """Give the headers of a refusal; none if the request is taken."""
        limits = self._limits
        if self._random.random() < limits.refused:
            after = limits.refused_after
            return {} if after is None else {"Retry-After": str(after)}
        if limits.at_once and self._under_way >= limits.at_once:
            return {}
        if limits.burst and limits.burst[0] <= now - self._first < limits.burst[1]:
            return {}
        while self._taken and self._taken[0] <= now - 1:
            self._taken.popleft()
        if limits.a_second and len(self._taken) >= limits.a_second:
            wait = math.ceil(self._taken[0] + 1 - now)
            return {"Retry-After": str(wait)} if limits.retry_after else {}
        return None

    async def _fail(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        status = self._random.choice((500, 502, 503, 0, 0))
        if status:
            return web.Response(status=status)
        if self._random.random() < 1 / 2:
            await handler(request)  # carried out, and the answer lost
        if request.transport:
            request.transport.abort()
        return web.Response()

    async def _figures(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "answered": self._answered,
                "refused": self._refused,
                "seconds": self._last - self._first,
                "names": {key: one["name"] for key, one in self._customers.items()},
            }
        )


if __name__ == "__main__":
    asyncio.run(
        serve(
            LimitedAccount(
                float(sys.argv[1]) / 1000, msgspec.json.decode(sys.argv[2], type=Limits)
            )
        )
    )
