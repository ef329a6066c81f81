"""A server of HTTP on loopback, in a thread of its own."""

from __future__ import annotations

import threading


class Served:
    """Runs one of `http.server`; leaving the `with` block stops it.

    Attributes:
        origin: Where it is.
    """

    def __init__(self, server):
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, args=(0.01,), daemon=True
        )
        self.origin = f"http://127.0.0.1:{server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
