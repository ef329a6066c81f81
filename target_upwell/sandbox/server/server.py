"""The HTTP side: aiohttp in front of the operations.

It checks the key, injects faults, holds requests when a test asks for it, and writes
the log.
"""

from __future__ import annotations

import asyncio
import ipaddress
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from target_upwell.sandbox.account import values
from target_upwell.sandbox.account.journal import Entry, Journal
from target_upwell.sandbox.account.refusal import Refusal
from target_upwell.sandbox.account.store import Store
from target_upwell.sandbox.page.page import SandboxPage
from target_upwell.sandbox.server import endpoints
from target_upwell.sandbox.server.api import Api
from target_upwell.sandbox.server.changeable import Changeable
from target_upwell.sandbox.server.control import Control, Holds
from target_upwell.sandbox.server.faults import Faults, FaultSettings, NextFault
from target_upwell.sandbox.server.readings import Readings

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_SHUTDOWN_GRACE_S = 2.0
_RETRY_AFTER_S = 1.0
_REASONS = {
    "413": "Request Entity Too Large",
    "502": "Bad Gateway",
    "503": "Service Temporarily Unavailable",
    "504": "Gateway Time-out",
}


@dataclass(frozen=True)
class Options:
    """How a sandbox is set up.

    Attributes:
        host: The loopback address to listen on.
        port: The port; 0 for any that is free.
        database: The file of the account, or `:memory:`.
        api_key: The key that requests must carry.
        seed: Makes the random faults repeatable.
        faults: The faults to begin with.
        readings: The readings of the documentation to begin with.
        files: Files that the page may show: name -> path.
    """

    host: str = "127.0.0.1"
    port: int = 0
    database: str = ":memory:"
    api_key: str = "sandbox-key"
    seed: int | None = None
    faults: FaultSettings = field(default_factory=FaultSettings)
    readings: Readings = field(default_factory=Readings)
    files: Mapping[str, str] = field(default_factory=dict)


class Server:
    """A sandbox, served while the `async with` block runs.

    Attributes:
        url: The address of the API, once it is served.
        root: The address without the path.
    """

    url: str
    root: str

    def __init__(self, options: Options) -> None:
        self._options = options
        self._store = Store(options.database)
        self._faults = Faults(options.faults, options.seed)
        self._holds = Holds()
        self._readings = Changeable(options.readings)
        self._api = Api(self._store, self._faults, self._readings)
        self.journal = Journal(self._store)
        # Larger bodies are refused here, not by aiohttp: 0 is no limit.
        self._app = web.Application(client_max_size=0, middlewares=[guard])
        changeable: dict[str, Changeable[Any]] = {
            "faults": self._faults,
            "readings": self._readings,
        }
        control = Control(self._store, self.journal, self._holds, changeable)
        page = SandboxPage(self._store, self.journal, endpoints.BASE, options.files)
        self._app.add_routes([*control.routes(), *page.routes()])
        self._app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            self._app, access_log=None, shutdown_timeout=_SHUTDOWN_GRACE_S
        )

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            OSError: When the port is taken.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._options.host, self._options.port)
        try:
            await site.start()
        except OSError:
            await self._close()
            raise
        host, port = self._runner.addresses[0][:2]
        self.root = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self.url = f"{self.root}{endpoints.BASE}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the requests under way come to their end, and close the account."""
        await self._close()

    async def _close(self) -> None:
        self._holds.release()
        await self._runner.cleanup()
        self._store.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/_sandbox/"):
            not_found = Refusal("Endpoint not found", "not-found", status=404)
            return _json(not_found.body(), 404)
        entry = self.journal.begin(request.method, request.path)
        try:
            response = await self._answer(request, entry)
            if response is None:
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
            entry.status = response.status
            return response
        finally:
            self.journal.end(entry)

    async def _answer(
        self, request: web.Request, entry: Entry
    ) -> web.StreamResponse | None:
        """Return the answer to a request, or None to cut its connection."""
        # Before the body is read: nobody without the key can fill the memory.
        if request.headers.get("Authorization") != self._options.api_key:
            return self._refused(entry, _unauthorized())
        try:
            body = await request.read()
        except (ConnectionError, web.RequestPayloadError):
            return None
        settings = self._faults.settings
        fault = self._faults.choose(request.method, request.path)
        if settings.latency:
            await asyncio.sleep(settings.latency / 1000)
        if settings.max_body is not None and len(body) > settings.max_body:
            entry.fault = "413"
            return _by_proxy("413")
        wait = self._faults.over_the_limit()
        if wait is not None:
            entry.fault = "rate-limit"
            return self._too_many(entry, wait)
        late = fault is not None and (fault.after or fault.fault == "lost-reply")
        if fault is not None and not late:
            return self._inject(fault, entry)
        await self._holds.wait(request.path, before=True)
        response = self._perform(request, body, entry)
        await self._holds.wait(request.path, before=False)
        return response if fault is None else self._inject(fault, entry)

    def _perform(self, request: web.Request, body: bytes, entry: Entry) -> web.Response:
        try:
            endpoint, in_path = endpoints.match(request.method, request.path)
            entry.route = f"{endpoints.BASE}{endpoint.path}"
            variables = endpoints.variables(endpoint, body, request.query, in_path)
            reply = getattr(self._api, endpoint.operation)(variables, entry)
        except Refusal as refusal:
            return self._refused(entry, refusal)
        except sqlite3.OperationalError:
            return self._refused(entry, _database_error())
        return _json(reply)

    def _inject(self, fault: NextFault, entry: Entry) -> web.Response | None:
        entry.fault, entry.refusal = fault.fault, None
        if fault.fault in ("reset", "lost-reply"):
            return None
        if fault.fault == "429":
            return self._too_many(entry, _RETRY_AFTER_S)
        if fault.fault == "500":
            return self._refused(entry, _database_error())
        return _by_proxy(fault.fault)

    def _too_many(self, entry: Entry, wait: float) -> web.Response:
        return self._refused(
            entry,
            Refusal("Rate limit exceeded", "rate-limit-exceeded", status=429),
            self._faults.retry_after(wait),
        )

    def _refused(
        self, entry: Entry, refusal: Refusal, headers: dict[str, str] | None = None
    ) -> web.Response:
        entry.refusal = refusal
        if self._readings.settings.error_shape == "documented":
            return _json(refusal.documented_body(values.now()), refusal.status, headers)
        return _json(refusal.body(), refusal.status, headers)


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a web page elsewhere may send, and forbid content sniffing.

    Such a page could reach the sandbox through a name of its own that resolves to
    this machine, or send it a request that needs no key.
    """
    if not is_loopback(_host_name(request.host)):
        response = _forbidden("the sandbox answers to loopback names only")
    elif _changes_sandbox(request) and not _from_here(request):
        response = _forbidden("the sandbox can't be changed from another origin")
    else:
        response = await handler(request)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response


def _host_name(host: str) -> str:
    """Return the name in a Host header; "" if it can't be read."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _changes_sandbox(request: web.Request) -> bool:
    own = request.path.startswith("/_sandbox")
    return own and request.method not in {"GET", "HEAD"}


def _from_here(request: web.Request) -> bool:
    """Return whether the request is a tool's, or from the sandbox's own page."""
    here = f"{request.scheme}://{request.host}"
    return request.headers.get("Origin", here) == here


def _forbidden(message: str) -> web.StreamResponse:
    return _json(Refusal(message, "forbidden").body(), 403)


def is_loopback(host: str) -> bool:
    """Return whether a name or an address is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _json(
    body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(body),
        content_type="application/json",
        headers=headers,
    )


def _unauthorized() -> Refusal:
    return Refusal(
        "Authentication hook unauthorized this request", "access-denied", status=401
    )


def _database_error() -> Refusal:
    return Refusal("database query error", "unexpected", status=500)


def _by_proxy(status: str) -> web.Response:
    """Return a proxy's error page, in the words of nginx."""
    title = f"{status} {_REASONS[status]}"
    return web.Response(
        status=int(status),
        text=f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n"
        "</body>\r\n</html>\r\n",
        content_type="text/html",
    )
