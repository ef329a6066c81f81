"""The sandbox's page shows foreign data to a browser, and must not be used by it."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
import requests
from page_reader import look
from sandbox_server import Sandbox

SCRIPT = "<script>alert(1)</script>"
BREAKOUT = "\"'><img src=x onerror=alert(1)>{{ 7919*7907 }}"
VIEWS = ("/", "/?view=requests", "/?view=requests&only=refused", "/?customer=none")
FILES = ("/_sandbox/page.css", "/_sandbox/icon.svg", "/favicon.ico")
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)


@pytest.fixture
def hostile(account):
    """The addresses of pages that show what somebody hostile has sent."""
    text = f"{SCRIPT}{BREAKOUT}"
    customer = {
        "name": text,
        "sourceSystem": text,
        "sourceSystemId": text,
        "emailAddress": text,
        "ccEmailAddresses": [text],
        "metadata": {text: {text: [text, {text: {text: text}}]}},
        "addresses": {"data": [{"city": text}]},
    }
    answer = account.call("POST", "/bulk-customers", {"inputs": [customer]})
    customer_id = answer.json()["createCustomers"]["returning"][0]["id"]
    account.call("GET", f"/{SCRIPT}{BREAKOUT}")
    account.call("POST", "/bulk-customers", {"inputs": [{**customer, text: text}]})
    number, _, refused = (request["number"] for request in account.requests())
    return [
        "/",
        "/?view=requests",
        f"/?request={number}",
        f"/?request={refused}",
        f"/?customer={customer_id}",
        "/?" + urlencode({"q": text}),
        "/?" + urlencode({"customer": text}),
        "/?" + urlencode({"file": text}),
        "/?" + urlencode({"view": text, "page": text, "only": text}),
    ]


def test_what_was_sent_is_text_and_nothing_else(account, hostile):
    for address in hostile:
        page = look(account, address)

        used = {name for name, _ in page.tags}
        assert used.isdisjoint({"script", "iframe", "object", "base", "style"})
        images = [attributes for name, attributes in page.tags if name == "img"]
        assert [image["src"] for image in images] == ["/_sandbox/icon.svg"]
        events = [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
        assert events == []
        assert "62615533" not in page.text


def test_a_customer_named_script_is_shown_by_that_name(account, hostile):
    page = look(account, hostile[0])

    assert page.tables[0][1][0] == f"{SCRIPT}{BREAKOUT}"
    detail = look(account, hostile[4])
    assert detail.headings[0] == f"{SCRIPT}{BREAKOUT}"
    assert detail.title == f"{SCRIPT}{BREAKOUT} · Upwell sandbox"


def test_it_loads_nothing_from_elsewhere(account, hostile):
    for address in [*VIEWS, *hostile]:
        for name, attributes in look(account, address).tags:
            for attribute in {"href", "src", "action", "srcset", "poster"} & {
                *attributes
            }:
                where = attributes[attribute]
                own = where.startswith("/") and not where.startswith("//")
                assert own or where == "#content", (name, where)
            assert "style" not in attributes


def test_its_style_loads_nothing_at_all(account):
    css = look(account, "/_sandbox/page.css").html

    assert re.search(r"url\(|@import|@font-face|https?:", css) is None


@pytest.mark.parametrize("address", [*VIEWS, *FILES])
def test_a_strict_policy_goes_with_every_answer(account, address):
    headers = look(account, address).headers

    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("address", [*VIEWS, *FILES])
def test_it_is_refused_under_another_host_name(account, address):
    for host in ("evil.example", "evil.example:80", "10.0.0.1", ""):
        page = look(account, address, Host=host)

        assert page.status == 403
        assert "customer" not in page.html.lower()


def test_it_needs_no_key_and_tells_none():
    with Sandbox(api_key="a-key-of-my-own") as sandbox:
        for address in VIEWS:
            page = look(sandbox, address)
            assert page.status in {200, 404}
            assert "a-key-of-my-own" not in page.html


def test_looking_leaves_no_trace(account, hostile):
    before = account.requests(), account.customers(), account.counts()

    for address in [*VIEWS, *FILES, *hostile]:
        look(account, address)

    assert (account.requests(), account.customers(), account.counts()) == before


def test_faults_spare_it(account):
    account.faults(fault_500=100)

    assert look(account).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_it_can_only_be_looked_at(account, method):
    response = requests.request(method, f"{account.root}/", timeout=20)

    assert response.status_code == 401, "it is the API that answers, and wants a key"
