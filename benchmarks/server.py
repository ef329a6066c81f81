"""A server that answers like the API, and as fast as it can.

The benchmark measures the target, so what answers it must not be what is slow: this
keeps customers in a dictionary and checks nothing. Whether they are right is what the
tests against the sandbox are for.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec
from aiohttp import web

RELATIONS = ("addresses", "customerRule")


class Account:
    """Customers by source id, and a count of requests."""

    def __init__(self, latency: float) -> None:
        """Start empty.

        Args:
            latency: What each request waits, in seconds.
        """
        self._latency = latency
        self._customers: dict[str, dict[str, Any]] = {}
        self._requests = 0

    def application(self) -> web.Application:
        """Give the routes."""
        application = web.Application(client_max_size=1 << 30)
        api = "/api/rest"
        application.add_routes(
            [
                web.post(f"{api}/bulk-customers", self._create),
                web.post(f"{api}/customers/search", self._search),
                web.put(f"{api}/customers", self._update),
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

    async def _body(self, request: web.Request) -> Any:  # noqa: ANN401 - any JSON value
        self._requests += 1
        body = await request.read()
        await asyncio.sleep(self._latency)
        return msgspec.json.decode(body)

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


async def _serve(latency: float) -> None:
    runner = web.AppRunner(Account(latency).application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}/api/rest", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]) / 1000))
