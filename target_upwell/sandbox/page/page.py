"""The page at the sandbox's root, for a person to look at what landed.

Rendered here, readable without JavaScript, and nothing in it comes from elsewhere.
It reads and never writes, so it needs no key; that it is asked for by a loopback
name is checked for all requests in `server.py`.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from target_upwell.sandbox.account.values import encode
from target_upwell.sandbox.page.catalog import Catalog
from target_upwell.sandbox.server.endpoints import BASE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_upwell.sandbox.account.journal import Journal
    from target_upwell.sandbox.account.store import Store

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FILES = {
    "/_sandbox/page.css": ("page.css", "text/css"),
    "/_sandbox/icon.svg": ("icon.svg", "image/svg+xml"),
    # Browsers ask for it on their own account; the API must not count that.
    "/favicon.ico": ("icon.svg", "image/svg+xml"),
}
_FIRST_PROPERTIES = (
    "name",
    "sourceSystem",
    "sourceSystemId",
    "emailAddress",
    "ccEmailAddresses",
    "addresses",
    "customerRule",
    "metadata",
    "billToCustomerId",
)
_LONGEST_NUMBER = 15


class SandboxPage:
    """The handlers of the page and of its files."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._catalog = Catalog(store)
        self._journal = journal
        self._templates = Environment(
            loader=PackageLoader("target_upwell.sandbox.page"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["json"] = _json
        self._templates.globals["link"] = _link
        folder = resources.files("target_upwell.sandbox.page") / "templates"
        self._files = {
            path: ((folder / name).read_bytes(), content_type)
            for path, (name, content_type) in _FILES.items()
        }

    def routes(self) -> list[web.RouteDef]:
        """The page, its files, and nothing that writes."""
        return [
            web.get("/", self._page),
            *(web.get(path, self._file) for path in self._files),
        ]

    async def _file(self, request: web.Request) -> web.Response:
        body, content_type = self._files[request.path]
        return web.Response(body=body, content_type=content_type, headers=_HEADERS)

    async def _page(self, request: web.Request) -> web.Response:
        query = request.query
        page = _number(query, "page", 1)
        if "customer" in query:
            return self._customer(query["customer"], page)
        if "request" in query:
            return self._request(_number(query, "request", 0), page)
        if query.get("view") == "requests":
            refused = query.get("only") == "refused"
            found = self._catalog.requests(page, refused=refused)
            return self._render("requests.html", page=found, refused=refused)
        sought = query.get("q", "").strip()
        return self._render(
            "customers.html",
            page=self._catalog.customers(sought, page),
            sought=sought,
            api=f"{request.scheme}://{request.host}{BASE}",
        )

    def _customer(self, customer_id: str, page: int) -> web.Response:
        customer = self._catalog.customer(customer_id)
        if customer is None:
            return self._render("missing.html", what="customer", status=404)
        rest = customer.keys() - {*_FIRST_PROPERTIES, "timesUpdated"}
        ordered = [*_FIRST_PROPERTIES, *(name for name in customer if name in rest)]
        return self._render(
            "customer.html",
            customer=customer,
            given=[name for name in ordered if customer[name] not in (None, [])],
            absent=[name for name in ordered if customer[name] in (None, [])],
            page=self._catalog.history(customer_id, page),
        )

    def _request(self, number: int, page: int) -> web.Response:
        found = self._catalog.request(number)
        if found is None:
            return self._render("missing.html", what="request", status=404)
        effects = self._catalog.effects(number, page)
        return self._render("request.html", request=found, page=effects)

    def _render(
        self,
        template: str,
        *,
        status: int = 200,
        **values: Any,  # noqa: ANN401 - what the template shows
    ) -> web.Response:
        text = self._templates.get_template(template).render(
            totals=self._journal.totals(), **values
        )
        return web.Response(
            text=text, status=status, content_type="text/html", headers=_HEADERS
        )


def _link(**parameters: str | int) -> str:
    """An address within the page; parameters that are empty are left out."""
    given = {name: value for name, value in parameters.items() if value}
    return f"/?{urlencode(given)}" if given else "/"


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    """A natural number of the query; the default for whatever else is there."""
    text = query.get(name, "")
    if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER:
        return int(text)
    return default


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write a value as JSON for a person to read."""
    return msgspec.json.format(encode(value))
