"""A server that answers what it is told to, and clients that ask it."""

from __future__ import annotations

import dataclasses
import http.server
import json
import threading
from collections import deque
from typing import NamedTuple

from served import Served

from target_upwell.api.client import Client
from target_upwell.api.rate_limiter import RateLimiter
from target_upwell.config import CONFIG_SCHEMA, Settings
from target_upwell.customers.schema import CUSTOMERS

KEY = "uk_live_4711secret"
CUSTOMER = {"id": "cus_1", "sourceSystem": "S", "sourceSystemId": "1", "name": "A"}
INPUT = b'{"name":"A","sourceSystem":"S","sourceSystemId":"1"}'
FOUND = json.dumps({"customers": [CUSTOMER]})
NEW = {("S", "1"): {name: CUSTOMER[name] for name in ("id", *CUSTOMERS.key)}}
CREATED = json.dumps({"createCustomers": {"returning": [CUSTOMER]}})
UPDATED = json.dumps(
    {
        "updateCustomer": {"affectedRows": 1, "returning": [CUSTOMER]},
        "updateCustomerRules": {"affectedRows": 0},
    }
)
DEFAULTS = {
    name: definition["default"]
    for name, definition in CONFIG_SCHEMA["properties"].items()
    if "default" in definition
}


class Answer(NamedTuple):
    """What the server says, or that it says nothing and hangs up."""

    status: int = 200
    body: str | bytes = ""
    headers: tuple[tuple[str, str], ...] = ()
    missing: int = 0
    hangs_up: bool = False


class Asked(NamedTuple):
    """A request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


class Connection(NamedTuple):
    """A client, and what it did besides asking."""

    client: Client
    observed: list
    stop: threading.Event
    waits: list
    pauses: list


class Waits(threading.Event):
    """An event that notes how long it was to be waited for, and waits no more."""

    def __init__(self):
        super().__init__()
        self.noted = []

    def wait(self, timeout=None):
        self.noted.append(timeout)
        return self.is_set()


class Gate(RateLimiter):
    """A limiter that notes its pauses, and does not pause."""

    def __init__(self, stop):
        super().__init__(4, stop)
        self.pauses = []

    def refused(self, token, pause):
        self.pauses.append(pause)
        super().refused(token, 0)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits for 40 ms

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(
            Asked(self.path, dict(self.headers), body, self.client_address[1])
        )
        answer = self.server.answers.popleft()
        if answer.hangs_up:
            self.close_connection = True
            return
        content = answer.body.encode() if isinstance(answer.body, str) else answer.body
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) + answer.missing))
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = bool(answer.missing)

    def do_PUT(self):
        self.do_POST()

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """Say nothing of clients that hang up on it."""


class AnsweringServer(Served):
    """The server; leaving the `with` block stops it.

    Attributes:
        url: Where it is.
        asked: The requests that came in.
        answers: What it will answer, in this order.
    """

    def __init__(self):
        super().__init__(_Server(("127.0.0.1", 0), _Handler))
        self.url = f"{self.origin}/api/rest"
        self.forget()

    def forget(self):
        """Forget what was asked and what was to be answered."""
        self._server.asked = self.asked = []
        self._server.answers = self.answers = deque()

    def connect(self, *answers, request_timeout=60, **settings):
        """Make a client of the server, that will answer this."""
        self.answers.extend(answers)
        given = {**DEFAULTS, "api_key": KEY, "source_system": "S", "max_retries": 2}
        given |= {"api_url": self.url, **settings}
        checked = dataclasses.replace(
            Settings.of(given), request_timeout=request_timeout
        )
        observed, stop = [], Waits()
        gate = Gate(stop)

        def observe(endpoint, status, seconds, *, again):
            assert seconds >= 0
            observed.append((endpoint, status, again))

        client = Client(checked, gate, stop, observe)
        return Connection(client, observed, stop, stop.noted, gate.pauses)


def search(client):
    """Ask for something that may be asked twice."""
    return client.search(CUSTOMERS, "S", ["1"])


def create(client):
    """Ask for something that must not be asked twice blindly."""
    return client.create(CUSTOMERS, {("S", "1"): INPUT})


def update(client):
    """Ask for a change, which may be asked twice."""
    return client.update(CUSTOMERS, ("S", "1"), {"name": "A"}, {})
