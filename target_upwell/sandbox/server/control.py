"""The sandbox's own endpoints, below `/_sandbox`: to look inside, and to test with.

They need no key. They know the account, the log, the settings that can be changed
and the holds, and nothing of the API.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from target_upwell.sandbox.account.customer import full

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_upwell.sandbox.account.customer import Stored
    from target_upwell.sandbox.account.journal import Journal
    from target_upwell.sandbox.account.store import Store
    from target_upwell.sandbox.server.changeable import Changeable


class Hold(msgspec.Struct, forbid_unknown_fields=True):
    """Which requests wait, and where.

    Attributes:
        path: The path of the requests.
        before: Whether they wait before they take effect, or after.
    """

    path: str
    before: bool = True


class Holds:
    """Makes requests wait until they are released, so that tests need no sleep."""

    def __init__(self) -> None:
        self._hold: Hold | None = None
        self._released = asyncio.Event()
        self.waiting = 0

    def set(self, hold: Hold) -> None:
        """Hold requests from now on, in place of an earlier hold."""
        self.release()
        self._hold = hold
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let all held requests go on, and hold no more."""
        self._hold = None
        self._released.set()

    async def wait(self, path: str, *, before: bool) -> None:
        """Wait, if requests to this path are held at this point."""
        hold = self._hold
        if hold is None or hold.path != path or hold.before is not before:
            return
        self.waiting += 1
        try:
            await self._released.wait()
        finally:
            self.waiting -= 1


class Control:
    """Serves the sandbox's own endpoints."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        holds: Holds,
        changeable: Mapping[str, Changeable[Any]],
    ) -> None:
        self._store = store
        self._journal = journal
        self._holds = holds
        self._changeable = changeable

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the endpoints."""
        return [
            *(
                route
                for name in self._changeable
                for route in (
                    web.get(f"/_sandbox/{name}", self._settings),
                    web.put(f"/_sandbox/{name}", self._change),
                    web.delete(f"/_sandbox/{name}", self._restore),
                )
            ),
            web.get("/_sandbox/held", self._held),
            web.put("/_sandbox/hold", self._set_hold),
            web.delete("/_sandbox/hold", self._release),
            web.get("/_sandbox/requests", self._requests),
            web.delete("/_sandbox/requests", self._reset),
            web.get("/_sandbox/changes", self._changes),
            web.get("/_sandbox/counts", self._counts),
            web.get("/_sandbox/customers", self._customers),
            web.delete("/_sandbox/customers", self._clear),
            web.get(
                "/_sandbox/customers/{source_system}/{source_system_id}",
                self._customer,
            ),
        ]

    async def _settings(self, request: web.Request) -> web.Response:
        return _json(self._asked(request).settings)

    async def _change(self, request: web.Request) -> web.Response:
        changeable = self._asked(request)
        try:
            given = msgspec.json.decode(await request.read(), type=dict[str, Any])
            changeable.change(given)
        except ValueError as error:
            return _json({"error": str(error)}, status=400)
        return _json(changeable.settings)

    async def _restore(self, request: web.Request) -> web.Response:
        changeable = self._asked(request)
        changeable.restore()
        return _json(changeable.settings)

    def _asked(self, request: web.Request) -> Changeable[Any]:
        return self._changeable[request.path.rpartition("/")[2]]

    async def _held(self, _request: web.Request) -> web.Response:
        return _json(self._holds.waiting)

    async def _set_hold(self, request: web.Request) -> web.Response:
        try:
            self._holds.set(msgspec.json.decode(await request.read(), type=Hold))
        except ValueError as error:
            return _json({"error": str(error)}, status=400)
        return web.Response(status=204)

    async def _release(self, _request: web.Request) -> web.Response:
        self._holds.release()
        return web.Response(status=204)

    async def _requests(self, _request: web.Request) -> web.Response:
        return _json(self._journal.requests())

    async def _reset(self, _request: web.Request) -> web.Response:
        self._journal.reset()
        return web.Response(status=204)

    async def _changes(self, _request: web.Request) -> web.Response:
        return _json(self._journal.changes())

    async def _counts(self, _request: web.Request) -> web.Response:
        return _json(self._journal.counts())

    async def _customers(self, _request: web.Request) -> web.Response:
        return _json(self._full(self._store.find("1 ORDER BY number", [])))

    async def _clear(self, _request: web.Request) -> web.Response:
        self._store.clear()
        return web.Response(status=204)

    async def _customer(self, request: web.Request) -> web.Response:
        found = self._full(
            self._store.find(
                "source_system = ? AND source_system_id = ?",
                [
                    request.match_info["source_system"],
                    request.match_info["source_system_id"],
                ],
            )
        )
        if found:
            return _json(found[0])
        return _json({"error": "no such customer"}, status=404)

    def _full(self, customers: Sequence[Stored]) -> list[dict[str, Any]]:
        related = self._store.related(customers)
        return [full(customer, related) for customer in customers]


def _json(value: Any, status: int = 200) -> web.Response:  # noqa: ANN401 - any JSON value
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )
