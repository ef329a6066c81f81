"""A server that sends bytes as a test writes them, HTTP or not."""

from __future__ import annotations

import contextlib
import socket
import threading


class RawServer:
    """Answers each request with what `script` sends; leaving the `with` block stops it.

    Attributes:
        url: Where it is.
        stopped: Set when the test is over, for scripts that go on for long.
    """

    def __init__(self, script, tls=None, host="127.0.0.1"):
        self._script = script
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.stopped = threading.Event()
        place = f"[{host}]" if ":" in host else host
        self.url = f"http://{place}:{self._listener.getsockname()[1]}/api/rest"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                if self._tls:
                    with contextlib.suppress(OSError):
                        connection = self._tls.wrap_socket(connection, server_side=True)
                with connection, contextlib.suppress(OSError):
                    self._read_request(connection)
                    self._script(connection.sendall, self.stopped.wait)

    def _read_request(self, connection):
        """Read all of it: what is left unread would cut the answer short."""
        with connection.makefile("rb") as request:
            length = 0
            for line in iter(request.readline, b"\r\n"):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
                elif not line:
                    return
            request.read(length)


class Tunnel:
    """A proxy that leads to one server, whatever it is asked for.

    Attributes:
        place: Where it is, host and port.
        asked: The head of each request.
    """

    def __init__(self, url, tls=None):
        self._port = int(url.split(":")[2].split("/")[0])
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.place = f"localhost:{self._listener.getsockname()[1]}"
        self.asked = []

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _serve(self):
        connection, _ = self._listener.accept()
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_side=True)
        with connection, socket.create_connection(("127.0.0.1", self._port)) as other:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += connection.recv(1)
            self.asked.append(head)
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(other, connection))
            back.start()
            _pump(connection, other)
            back.join()


def _pump(one, other):
    with contextlib.suppress(OSError):
        while part := one.recv(65536):
            other.sendall(part)
        other.shutdown(socket.SHUT_WR)
