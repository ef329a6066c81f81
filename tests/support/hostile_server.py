"""An HTTP server on raw sockets that answers wrongly in every way known.

Each request meets a fault with a chance, drawn from a seed: an error or a hang-up
before anything is done, or a spoilt, cut, slow or lost answer after it was done. What
is done is done to an account model, so that a test can look at what is left.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import socket
import threading

_ROUTES = {
    "POST /api/rest/bulk-customers": "bulk",
    "POST /api/rest/customers/search": "search",
    "PUT /api/rest/customers": "update",
}
_HTML = b"<html><body>Bad gateway</body></html>"
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def answer(body, status=200, *, length=None, extra=b""):
    """Return a whole response."""
    length = len(body) if length is None else length
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {length}\r\n".encode()
    return head + extra + b"\r\n" + body


def _error(status):
    return lambda _body, _dice: answer(_HTML, status)


def _with(**members):
    """Return a way to spoil the members of an answer that are there."""

    def spoil(body, _dice):
        content = json.loads(body)
        for value in content.values():
            if isinstance(value, dict):
                value.update({k: v for k, v in members.items() if k in value})
        return answer(json.dumps(content).encode())

    return spoil


def _reordered(body, dice):
    content = json.loads(body)
    for value in content.values():
        rows = value.get("returning") if isinstance(value, dict) else value
        if isinstance(rows, list):
            dice.shuffle(rows)
    return answer(json.dumps(content).encode())


def _cut(body, dice):
    return answer(body)[: dice.randrange(len(answer(body)))]


BEFORE = {
    "500 before": _error(500),
    "502 before": _error(502),
    "503 before": _error(503),
    "504 before": _error(504),
    "408 before": _error(408),
    "425 before": _error(425),
    "nothing before": lambda *_: b"",
}
"""Faults of requests that are not carried out."""

AFTER = {
    "500 after": _error(500),
    "502 after": _error(502),
    "504 after": _error(504),
    "nothing after": lambda *_: b"",
    "cut": _cut,
    "cut in a chunk": lambda body, _: _CHUNKED + b"%x\r\n" % len(body) + body[:-3],
    "padded with spaces": lambda body, _: answer(b" " * 5000 + body + b"\n" * 5000),
    "doubled response": lambda body, _: answer(body) * 2,
    "doubled body": lambda body, _: answer(body * 2),
    "reordered": _reordered,
    "longer than it says": lambda body, _: answer(body, length=len(body) - 2),
    "oversized": lambda body, _: answer(body + b" " * 3_000_000),
    "utf-16": lambda body, _: answer(body.decode().encode("utf-16")),
    "latin-1": lambda body, _: answer(body[:-1] + b'"\xe9":1}'),
    "not gzip": lambda body, _: answer(body, extra=b"Content-Encoding: gzip\r\n"),
    "gzip": lambda body, _: answer(
        gzip.compress(body), extra=b"Content-Encoding: gzip\r\n"
    ),
    "cut gzip": lambda body, _: answer(
        gzip.compress(body)[:-9], extra=b"Content-Encoding: gzip\r\n"
    ),
    "continue": lambda body, _: b"HTTP/1.1 100 Continue\r\n\r\n" * 200 + answer(body),
    "null": lambda *_: answer(b"null"),
    "list": lambda *_: answer(b"[]"),
    "object": lambda *_: answer(b"{}"),
    "empty": lambda *_: answer(b""),
    "no HTTP": lambda *_: b"SSH-2.0-OpenSSH_9.6\r\n" * 20,
    "no status": lambda *_: b"HTTP/1.1 ???\r\n\r\n",
    "204": lambda *_: b"HTTP/1.1 204 No Content\r\n\r\n",
    "many headers": lambda body, _: answer(body, extra=b"X-A: b\r\n" * 300),
    "null rows": _with(returning=None, affectedRows=None),
    "rows of null": _with(returning=[None]),
    "no rows in text": _with(returning="none", affectedRows="none"),
    "cookie": lambda body, _: answer(body, extra=b"Set-Cookie: a=%d\r\n" % id(body)),
}
"""What becomes of the answers of requests that are carried out."""


class HostileServer:
    """The server; leaving the `with` block stops it.

    Args:
        account: The account that requests are carried out on.
        seed: What faults are drawn from.
        percent: Of the requests that meet one.

    Attributes:
        url: Where it is.
        asked: Requests that came in.
        met: The faults of the requests that met one, in order.
        percent: May be changed at any time.
        on_request: Is called with the number of each request, before it is answered.
    """

    def __init__(self, account, seed, percent=0):
        self.account = account
        self.percent = percent
        self.asked = 0
        self.met = []
        self.on_request = lambda _number: None
        self.api_key = "hostile-key"
        self._seed = seed
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/api/rest"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._connections = set()

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def fault(self, operation, dice):  # noqa: ARG002 - a test may look at it
        """Choose the fault of a request, or none."""
        hit = dice.uniform(0, 100) < self.percent
        return dice.choice([*BEFORE, *AFTER]) if hit else None

    def env(self, source_system="T"):
        """The environment of a target that loads into it."""
        return {
            "TARGET_UPWELL_API_URL": self.url,
            "TARGET_UPWELL_API_KEY": self.api_key,
            "TARGET_UPWELL_SOURCE_SYSTEM": source_system,
        }

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            thread.daemon = True
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        with (
            contextlib.suppress(OSError),
            connection,
            connection.makefile("rb") as file,
        ):
            while self._answer(connection, file):
                pass
        with self._lock:
            self._connections.discard(connection)

    def _answer(self, connection, file):
        """Answer one request; whether the connection goes on."""
        line = file.readline().split()
        if len(line) < 2:
            return False
        length = 0
        while (header := file.readline()) not in (b"\r\n", b""):
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = file.read(length)
        if len(body) < length:
            return False
        with self._lock:
            self.asked += 1
            number = self.asked
        self.on_request(number)
        dice = random.Random(f"{self._seed} {number}")
        operation = _ROUTES[b" ".join(line[:2]).decode()]
        name = self.fault(operation, dice)
        if name:
            self.met.append(f"{number} {operation}: {name}")
        if name in BEFORE:
            spoilt = BEFORE[name](b"", dice)
        else:
            status, reply = self._carry_out(operation, json.loads(body))
            if not name or (status != 200 and "after" not in name):
                connection.sendall(answer(reply, status))
                return True
            spoilt = AFTER[name](reply, dice)
        connection.sendall(spoilt)
        # Nobody could tell where the next answer begins.
        return False

    def _carry_out(self, operation, body):
        try:
            return 200, json.dumps(getattr(self.account, operation)(body)).encode()
        except Exception as refusal:
            if not hasattr(refusal, "body"):
                raise
            return refusal.status, json.dumps(refusal.body).encode()
