"""Tests of the fallback to pages, by time."""

from __future__ import annotations

import json
import unittest
from dataclasses import replace
from typing import Any
from unittest import mock

import pgherald
from pgherald._effects import Emit, Fetch, Open, Read, Response, Sleep
from pgherald._errors import StreamMute
from pgherald._options import make_config
from pgherald._stream import StreamFlow


class Proxy:
    """Plays a flow with time of its own. It lets no stream through until a time."""

    def __init__(self, works_at: float, **options: Any) -> None:
        self.now = 0.0
        self.requests: list[str] = []
        self.statuses: list[str] = []
        self._works_at = works_at
        config = make_config("http://x", on_status=lambda status: self.statuses.append(str(status.error)), **options)
        self.stream = StreamFlow(replace(config, jitter=lambda bound: 0.0), pgherald.Filter())

    def play(self, *, until: float) -> list[pgherald.Event]:
        """Returns what comes until an event of the log, or the end of the time."""
        emitted: list[pgherald.Event] = []
        flow = self.stream.follow(whole=False)
        answer: Any = None
        error: Exception | None = None
        with mock.patch("time.monotonic", lambda: self.now):
            while self.now < until:
                effect = flow.send(answer) if error is None else flow.throw(error)
                answer = error = None
                match effect:
                    case Emit(event):
                        emitted.append(event)
                        if event.id is not None:
                            break
                    case Open():
                        self.requests.append(f"{self.now:g} stream")
                        answer = Response(200, {"content-type": "text/event-stream"})
                    case Read(limit) if self.now < self._works_at:
                        self.now += limit or 75.0
                        error = StreamMute(limit or 75.0)
                    case Read():
                        answer = b'id: c1\ndata: {"id":1,"type":"a","data":1,"timestamp":1}\n\n'
                    case Fetch(request):
                        params = dict(request.params)
                        self.requests.append(f"{self.now:g} page {params.get('wait', '')}".strip())
                        self.now += float(params.get("wait", "0ms")[:-2]) / 1000
                        page = {"events": [], "cursor": f"p{len(self.requests)}", "more": False}
                        answer = Response(200, {"content-type": "application/json"}, json.dumps(page).encode())
                    case Sleep(seconds):
                        self.now += max(0.0, seconds)
        flow.close()
        return emitted


class FallbackTest(unittest.TestCase):
    def test_pages_until_a_stream_works(self) -> None:
        proxy = Proxy(works_at=120.0)
        emitted = proxy.play(until=1000.0)
        self.assertEqual(
            proxy.requests,
            ["0 stream", "10 page", "10 page 25000ms", "35 page 25000ms", "60 page 25000ms", "85 stream", "95 page", "95 page 25000ms"]
            + [f"{at} page 25000ms" for at in (120, 145, 170, 195)]
            + ["220 stream"],
        )
        self.assertEqual([event.id for event in emitted if event.id], [1])
        self.assertEqual(proxy.statuses, ["the stream did not begin, for 10 s"])

    def test_streams_only(self) -> None:
        proxy = Proxy(works_at=12.0, transport="stream", connect_timeout=5.0)
        proxy.play(until=1000.0)
        self.assertEqual(proxy.requests, ["0 stream", "5 stream", "10 stream", "15 stream"])

    def test_an_unknown_transport(self) -> None:
        with self.assertRaises(ValueError):
            make_config("http://x", transport="pigeon")  # type: ignore[arg-type]


if __name__ == "__main__":
    unittest.main()
