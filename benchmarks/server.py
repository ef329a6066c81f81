"""A server that answers like the API, and as fast as it can.

The benchmark measures the target, so what answers it must not be what is slow: this
keeps customers in a dictionary and checks nothing. Whether they are right is what the
tests against the sandbox are for.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

API = "/api/rest"
RELATIONS = ("addresses", "customerRule")


class Account:
    """Customers by source id, and a count of requests."""

    def __init__(self, latency: float) -> None:
        """Start empty.

        Args:
            latency: Seconds from a request's arrival to its answer.
        """
        self._latency = latency
        self._customers: dict[str, dict[str, Any]] = {}
        self._requests = 0

    def application(self) -> web.Application:
        """Give the routes."""
        application = web.Application(
            client_max_size=1 << 30, middlewares=[self._answer_in_time]
        )
        application.add_routes(
            [
                web.post(f"{API}/bulk-customers", self._create),
                web.post(f"{API}/customers/search", self._search),
                web.put(f"{API}/customers", self._update),
                web.get("/_sandbox/counts", self._counts),
                web.delete("/_sandbox/requests", self._reset),
            ]
        )
        return application

    async def _create(self, request: web.Request) -> web.Response:
        inputs = (await self._body(request))["inputs"]
        stored = [_stored(one) for one in inputs]
        self._customers.update((one["sourceSystemId"], one) for one in stored)
        return _answer({"createCustomers": {"returning": stored}})

    async def _search(self, request: web.Request) -> web.Response:
        ids = (await self._body(request))["where"]["sourceSystemId"]["_in"]
        known = self._customers
        return _answer({"customers": [known[one] for one in ids if one in known]})

    async def _update(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        self._customers[body["sourceSystemId"]].update(body["input"])
        touched = {"affectedRows": 1}
        return _answer({"updateCustomer": touched, "updateCustomerRules": touched})

    @web.middleware
    async def _answer_in_time(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Answer requests to the API after the latency, its own work included."""
        if not request.path.startswith(API):
            return await handler(request)
        arrived = asyncio.get_running_loop().time()
        self._requests += 1
        response = await self._respond(request, handler)
        worked = asyncio.get_running_loop().time() - arrived
        await asyncio.sleep(self._latency - worked)
        return response

    async def _respond(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Answer a request to the API; others may refuse it."""
        return await handler(request)

    async def _body(self, request: web.Request) -> Any:  # noqa: ANN401 - any JSON value
        return msgspec.json.decode(await request.read())

    async def _counts(self, _request: web.Request) -> web.Response:
        return _answer({"requests": self._requests, "customers": len(self._customers)})

    async def _reset(self, _request: web.Request) -> web.Response:
        self._requests = 0
        return _answer({})


def _stored(one: dict[str, Any]) -> dict[str, Any]:
    """Word an input as the API would show it."""
    shown = {"id": f"cus_{one['sourceSystemId']}", **one}
    for name in RELATIONS:
        if name in shown:
            shown[name] = shown[name]["data"]
    return shown


def _answer(body: dict[str, Any]) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")


async def serve(account: Account) -> None:
    """Serve an account, and print the address."""
    runner = web.AppRunner(account.application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}{API}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Account(float(sys.argv[1]) / 1000)))
