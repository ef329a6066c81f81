"""The page at the sandbox's root, for a person to look at what landed.

Rendered here, readable without JavaScript, and nothing in it comes from elsewhere.
It reads and never writes, so it needs no key; that it is asked for under a loopback
name is checked for all requests in `server/server.py`.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from target_upwell.sandbox.account.values import encode
from target_upwell.sandbox.page import files
from target_upwell.sandbox.page.catalog import Catalog

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
_RESOURCES = {
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
_LONG_LIST = re.compile(r"(\[(?:'[^']*', ){2}'[^']*')(?:, '[^']*'){3,}\]")


class SandboxPage:
    """Serves the page and its resources.

    Args:
        store: The account.
        journal: The log of its requests.
        api_path: The path of the API, to say where to load to.
        files: The files of the run that can be looked at: name -> path.
    """

    def __init__(
        self, store: Store, journal: Journal, api_path: str, files: Mapping[str, str]
    ) -> None:
        self._api_path = api_path
        self._files = files
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
        self._templates.filters["brief"] = _brief
        self._templates.globals["link"] = _link
        folder = resources.files("target_upwell.sandbox.page") / "templates"
        self._resources = {
            path: ((folder / name).read_bytes(), content_type)
            for path, (name, content_type) in _RESOURCES.items()
        }

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the page and its resources, none of which writes."""
        return [
            web.get("/", self._page),
            *(web.get(path, self._resource) for path in self._resources),
        ]

    async def _resource(self, request: web.Request) -> web.Response:
        body, content_type = self._resources[request.path]
        return web.Response(body=body, content_type=content_type, headers=_HEADERS)

    async def _page(self, request: web.Request) -> web.Response:
        query = request.query
        page = _number(query, "page", 1)
        if "customer" in query:
            return self._customer(query["customer"], page)
        if "request" in query:
            return self._request(_number(query, "request", 0), page)
        if "file" in query:
            return self._file(query["file"], page)
        if query.get("view") == "requests":
            refused = query.get("only") == "refused"
            found = self._catalog.requests(page, refused=refused)
            return self._render("requests.html", page=found, refused=refused)
        sought = query.get("q", "").strip()
        return self._render(
            "customers.html",
            page=self._catalog.customers(sought, page),
            sought=sought,
            api=f"{request.scheme}://{request.host}{self._api_path}",
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
        return self._render(
            "request.html",
            request=found,
            refusal=self._catalog.refusal(number),
            page=self._catalog.effects(number, page),
        )

    def _file(self, name: str, page: int) -> web.Response:
        if name not in self._files:
            return self._render("missing.html", what="file", status=404)
        return self._render(
            "file.html", name=name, **files.read(self._files[name], page)
        )

    def _render(
        self,
        template: str,
        *,
        status: int = 200,
        **values: Any,  # noqa: ANN401 - what the template shows
    ) -> web.Response:
        text = self._templates.get_template(template).render(
            totals=self._journal.totals(), files=self._files, **values
        )
        return web.Response(
            text=text, status=status, content_type="text/html", headers=_HEADERS
        )


def _link(**parameters: str | int) -> str:
    """Return an address within the page; parameters that are empty are left out."""
    given = {name: value for name, value in parameters.items() if value}
    return f"/?{urlencode(given)}" if given else "/"


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    """Return a natural number of the query, or the default for anything else."""
    text = query.get(name, "")
    if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER:
        return int(text)
    return default


def _brief(text: str) -> str:
    """Leave the middle of a long list of values out of a refusal's text."""
    return _LONG_LIST.sub("\\1, \N{HORIZONTAL ELLIPSIS}]", text)


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write a value as JSON for a person to read."""
    return msgspec.json.format(encode(value))
