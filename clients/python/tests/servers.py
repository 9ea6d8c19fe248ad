"""Servers for tests."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable
from typing import Any

LIVE = 'id: c0\ndata: {"type":"sync","data":{"mode":"live"},"timestamp":1}\n\n'
EVENT = 'id: c1\ndata: {"id":9007199254740993,"type":"a","data":{"n":12.10},"timestamp":1764000000123}\n\n'

# Returns the status, the content type and the body for a path and the number of requests before. None ends nothing.
Answer = Callable[[str, int], "tuple[int, str, str]"]


class Server:
    """Answers requests, and keeps streams open until it ends."""

    def __init__(self, answer: str | Answer, *, keeps: bool = True) -> None:
        self.ended = threading.Event()
        self.requested = threading.Event()
        self._answer: Answer = answer if callable(answer) else lambda path, n: (200, "text/event-stream", str(answer))
        self._keeps = keeps
        self._count = 0

    def __enter__(self) -> str:
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, content_type, body = server._answer(self.path, server._count)
                server._count += 1
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.end_headers()
                self.wfile.write(body.encode())
                self.wfile.flush()
                if server._keeps and content_type == "text/event-stream":
                    server.ended.wait()

            def log_message(self, *_: object) -> None:
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever).start()
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __exit__(self, *_: Any) -> None:
        self.ended.set()
        self._http.shutdown()
        self._http.server_close()
