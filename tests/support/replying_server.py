"""An HTTP server that answers each request as a function says."""

from __future__ import annotations

import http.server
import json

from served import Served


class ReplyingServer(Served):
    """The server; leaving the `with` block stops it.

    Args:
        reply: Given method, path and JSON of a request, returns a status and the JSON
            of the answer.

    Attributes:
        url: Where it is.
    """

    api_key = "uk_live_4711secret"

    def __init__(self, reply):
        super().__init__(http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler))
        self._server.reply = reply
        self.url = self.origin

    def env(self, source_system):
        """The environment of a target that loads into it."""
        return {
            "TARGET_UPWELL_API_URL": self.url,
            "TARGET_UPWELL_API_KEY": self.api_key,
            "TARGET_UPWELL_SOURCE_SYSTEM": source_system,
        }


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, reply = self.server.reply(self.command, self.path, request)
        content = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_PUT(self):
        self.do_POST()

    def log_message(self, *_):
        pass
