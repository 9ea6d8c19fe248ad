"""Tests of single parts. clients/conformance tests the clients as a whole."""

from __future__ import annotations

import asyncio
import decimal
import functools
import importlib.util
import io
import json
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import unittest
import urllib.parse
import zipfile
from collections.abc import Iterator
from contextlib import aclosing, redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pgherald
from pgherald._collection import CollectionFlow, Query
from pgherald._effects import Fetch, Open, Read, Response, Sleep
from pgherald._errors import _retry_after
from pgherald._frames import Frame, FrameReader
from pgherald._options import make_config
from pgherald._position import Position
from pgherald._silence import Watchdog, silence_of

from readme import ROOT, examples
from servers import EVENT, LIVE, Server

TEXT = (
    "\ufeffdata: é\r\ndata:  b\r\n\r\n: comment\nid: c1\n\nid\ndata\n\nevent: x\rdata: 1\rid: c2\r\r"
    "unknown: y\n\ndata: \ufeff日本\nid: c\x003\n\nretry: 5\n\nretry: soon\n\ndata: cut"
)
FRAMES = [
    Frame(None, "é\n b", None),
    Frame("c1", None, None),
    Frame(None, "", None),
    Frame("c2", "1", None),
    Frame(None, "\ufeff日本", None),
    Frame(None, None, 0.005),
]


class FramesTest(unittest.TestCase):
    def test_every_split(self) -> None:
        data = TEXT.encode()
        for i in range(len(data)):
            reader = FrameReader(1 << 20)
            self.assertEqual([*reader.feed(data[:i]), *reader.feed(data[i:])], FRAMES, f"cut at byte {i}")
        reader = FrameReader(1 << 20)
        self.assertEqual([frame for byte in data for frame in reader.feed(bytes([byte]))], FRAMES)

    def test_too_long(self) -> None:
        reader = FrameReader(1000)
        for text in (b"data: " + b"x" * 1001, b"data: 12345678\n" * 100):
            with self.assertRaises(pgherald.EventTooLong):
                list(FrameReader(1000).feed(text))
        self.assertEqual(len(list(reader.feed(b": comment\n\ndata: 1\n\n" * 500))), 500)


class FiltersTest(unittest.TestCase):
    def test_comparisons(self) -> None:
        for got, want in {
            pgherald.eq("a,b"): "eq.a,b",
            pgherald.eq(None): "is.null",
            pgherald.eq(True): "eq.true",
            pgherald.neq(None): "not.is.null",
            pgherald.in_(["a", "b,c", 'd"\\', ""]): r'in.(a,"b,c","d\"\\","")',
            pgherald.gte(decimal.Decimal("12.50")): "gte.12.50",
            pgherald.lt(datetime(2026, 1, 2, 3, 4, 5, 6, UTC)): "lt.2026-01-02T03:04:05.000006+00:00",
            pgherald.not_(pgherald.not_("eq.x")): "eq.x",
            pgherald.any_of({"a.b": "eq.x,y", "c": ["gt.1", "not.eq.a(b"]}, {"d": "is.null"}): '(and("a.b".eq."x,y",c.gt.1,c.not.eq."a(b"),d.is.null)',
        }.items():
            self.assertEqual(got, want)


class PositionTest(unittest.TestCase):
    def test_repeats_are_known_across_transactions(self) -> None:
        position = Position(None)
        self.assertTrue(position.admit(1))
        position.advance("c1")
        position.interrupt()
        position.expect_repeats()
        self.assertFalse(position.admit(1))
        self.assertTrue(position.admit(2))

    def test_retry_after(self) -> None:
        for value, want in {"7": 7.0, "-7": 0.0, "soon": 0.0, "": 0.0, "Tue, 24 Nov 2020 11:00:00 GMT": 0.0}.items():
            self.assertEqual(_retry_after(value), want)


class CollectionTest(unittest.TestCase):
    def test_resets_and_unreadable_rows(self) -> None:
        config = replace(make_config("http://x"), jitter=lambda bound: bound)
        collection = CollectionFlow(config, "orders", Query())
        flow = collection.follow()
        answer = {"collections": [{"name": "orders", "key": ["id"], "fields": [], "filter": []}]}
        page = {"rows": [{"id": 1}, None], "keys": ["1", "2"], "unreadable": ["2"], "cursor": "c1"}
        sleeps: list[float] = []
        given: object = None
        for _ in range(100):
            match flow.send(given):
                case Fetch(request):
                    content = json.dumps(page if request.params else answer).encode()
                    given = Response(400 if request.url.endswith("/2") else 200, {"content-type": "application/json"}, content)
                case Open():
                    given = Response(200, {"content-type": "text/event-stream"})
                case Read():
                    given = LIVE.replace("live", "reset").encode()
                case Sleep(seconds):
                    sleeps.append(seconds)
                    given = None
                case _:
                    given = None
            if len(sleeps) == 3:
                break
        self.assertEqual((sleeps, collection.rows), ([1.0, 2.0, 4.0], {"1": {"id": 1}}))
        flow.close()


class RowTest(unittest.TestCase):
    def test_rows_of_any_key(self) -> None:
        paths = []

        def answer(path: str, n: int) -> tuple[int, str, str]:
            paths.append(path.removeprefix("/api/collections/"))
            return 200, "application/json", "{}"

        with Server(answer) as url, pgherald.Client(url) as client:
            for key in ("17", "a-b_c", "", ".", "..", "a/b", "[7, 2]", "é"):
                self.assertEqual(client.row("orders", key), {})
        keys = [urllib.parse.parse_qs(path.partition("?")[2], keep_blank_values=True).get("key") for path in paths]
        self.assertEqual(keys, [None, None, [""], ["."], [".."], ["a/b"], ["[7, 2]"], ["é"]])
        self.assertEqual([path.partition("?")[0] for path in paths], ["orders/17", "orders/a-b_c"] + 6 * ["orders"])


class ClientTest(unittest.TestCase):
    def test_close_from_another_thread(self) -> None:
        with Server(LIVE) as url, pgherald.Client(url) as client:
            stream = client.stream()
            modes = []
            for event in stream.events():
                modes.append(event.sync and event.sync.mode)
                threading.Thread(target=stream.close).start()  # while the loop waits for the next event
            self.assertEqual(modes, ["live"])
            self.assertEqual(stream.cursor, "c0")

    def test_close_while_connecting(self) -> None:
        """A server that accepts a connection and never answers keeps neither the loop nor the client."""
        with socket.create_server(("127.0.0.1", 0)) as server, pgherald.Client(f"http://127.0.0.1:{server.getsockname()[1]}") as client:
            sources: list[pgherald.Stream | pgherald.Collection] = [client.stream(), client.collection("orders")]
            for source in sources:
                items: Iterator[object] = source.events() if isinstance(source, pgherald.Stream) else source.changes()
                ended = threading.Event()

                def follow(items: Iterator[object] = items, ended: threading.Event = ended) -> None:
                    list(items)
                    ended.set()

                threading.Thread(target=follow, daemon=True).start()
                connection, _ = server.accept()
                with connection:
                    source.close()
                    self.assertTrue(ended.wait(20), "the loop goes on, although the stream is closed")  # and not 30 s, the time limit

    def test_numbers_keep_their_digits(self) -> None:
        loads = functools.partial(json.loads, parse_float=decimal.Decimal)
        with Server(LIVE + EVENT) as url, pgherald.Client(url, loads=loads) as client:
            event = next(e for e in client.events() if e.sync is None)
        self.assertEqual((event.id, event.data), (9007199254740993, {"n": decimal.Decimal("12.10")}))
        self.assertEqual(event.time, datetime(2025, 11, 24, 16, 0, 0, 123000, UTC))

    def test_async_cancel(self) -> None:
        async def first(url: str) -> pgherald.Event:
            async with pgherald.AsyncClient(url) as client, aclosing(client.events()) as events:
                async for event in events:
                    return event
            raise AssertionError("no event")

        with Server(LIVE) as url:
            self.assertEqual(asyncio.run(first(url)).type, "sync")

    def test_another_loop_continues(self) -> None:
        row = 'data: {"id":%d,"type":"a","timestamp":1}\n\n'
        batch = 'id: c1\ndata: {"type":"batch","data":{"events":[%s]},"timestamp":1}\n\n'
        for events in (
            row % 1 + row % 2 + "id: c1\n" + row % 3,
            batch % ",".join('{"id":%d,"type":"a","timestamp":1}' % i for i in (1, 2, 3)),
        ):
            with Server(LIVE.replace("live", "resumed") + events) as url, pgherald.Client(url) as client:
                stream = client.stream(pgherald.Filter(since="c0"))
                ids = []
                for last in (1, 3):
                    for event in stream.events():
                        if event.id is not None:
                            ids.append(event.id)
                            cursor = stream.cursor
                        if event.id == last:
                            break
                    self.assertEqual(cursor, "c0" if last == 1 else "c1")
                self.assertEqual(ids, [1, 2, 3])

    def test_async_cancel_while_the_renewal_ends(self) -> None:
        async def run(url: str) -> None:
            renewing, ending, released = asyncio.Event(), asyncio.Event(), asyncio.Event()

            async def token(reason: str) -> str:
                if reason == "renew":
                    try:
                        renewing.set()
                        await asyncio.Event().wait()
                    finally:
                        ending.set()
                        await released.wait()
                return "t"

            async def follow() -> None:
                async with pgherald.AsyncClient(url, token=token) as client, aclosing(client.events()) as events:
                    async for _ in events:
                        pass

            task = asyncio.create_task(follow())
            await renewing.wait()
            server.ended.set()
            await ending.wait()
            task.cancel()
            released.set()
            with self.assertRaises(asyncio.CancelledError):
                await asyncio.wait_for(task, 120)

        server = Server('id: c0\ndata: {"type":"sync","data":{"mode":"live","connection":"x","expires":2},"timestamp":1}\n\n')
        with server as url:
            asyncio.run(run(url))

    def test_silence_follows_the_heartbeat(self) -> None:
        for heartbeat, want in ((8000, 22.0), (1, 2.0025), (60_000, None), (0, None), (-8000, None), (None, None), ("8000", None)):
            self.assertEqual(silence_of(pgherald.Sync("live", heartbeat=heartbeat), 75.0), want, heartbeat)  # type: ignore[arg-type]

    def test_a_watchdog_ends_the_read_that_is_too_long(self) -> None:
        ended = threading.Event()
        dog = Watchdog(0.05, ended.set)
        self.assertFalse(ended.wait(0.2), "no read was watched")
        dog.begin()
        self.assertTrue(ended.wait(120))
        self.assertTrue(dog.has_ended)
        dog.stop()

    def test_a_url_without_a_host(self) -> None:
        for url in ("", "example.com", "ftp://example.com", "http://"):
            with self.assertRaises(ValueError):
                pgherald.Client(url)


class PackageTest(unittest.TestCase):
    def test_examples(self) -> None:
        """Runs the examples of README.md, which end when the server refuses another stream."""
        described = {"name": "orders", "key": ["id"], "fields": [{"name": "id"}, {"name": "total"}], "filter": [{"name": "id", "kind": "integer"}, {"name": "total", "kind": "numeric"}]}
        page = {"rows": [{"id": 7, "total": 99.5}], "keys": ["7"], "cursor": "c0", "snapshot": "800:800:", "next": None}
        paid = 'retry: 0\n\nid: c1\ndata: {"id":1,"type":"order_paid","data":{"order":7},"timestamp":1}\n\n'
        row = 'id: c1\ndata: {"id":1,"type":"a","data":{"id":8,"total":100},"collection":"orders","op":"insert","key":"8","xid":"800","timestamp":1}\n\n'

        def answer(path: str, n: int) -> tuple[int, str, str]:
            if path.startswith("/api/collections"):
                return 200, "application/json", json.dumps(page if "?" in path else {"collections": [described]})
            if n in (0, 2):
                return 200, "text/event-stream", LIVE + (row if "collection=" in path else paid)
            return 410, "text/plain", ""

        shown = []
        for example in examples():
            with Server(answer, keeps=False) as url, redirect_stdout(io.StringIO()) as out, self.assertRaises(pgherald.Refused):
                exec(compile(example.replace("http://127.0.0.1:8080", url), "README.md", "exec"), {"__name__": "__main__"})
            shown.append(out.getvalue().splitlines())
        self.assertEqual(
            shown,
            [
                ["continue after c0", "order_paid {'order': 7}", "continue after c1"],
                ["1 put, 0 gone", "7 99.5", "1 put, 0 gone", "8 100", "7 99.5"],
                ["sync {'mode': 'live'}", "order_paid {'order': 7}"],
            ],
        )

    @unittest.skipUnless(importlib.util.find_spec("setuptools") and importlib.util.find_spec("wheel"), "there is no setuptools")
    def test_the_distributions(self) -> None:
        """The sdist and the wheel have the licence and the marker of types."""
        build = "import sys; from setuptools import build_meta as b; to = sys.argv[1]; b.build_sdist(to); b.build_wheel(to)"
        with tempfile.TemporaryDirectory() as directory:
            source = Path(shutil.copytree(ROOT, Path(directory, "source"), ignore=shutil.ignore_patterns("tests", "__pycache__", "*.egg-info", "build")))
            subprocess.run([sys.executable, "-W", "ignore", "-c", build, directory], cwd=source, check=True, capture_output=True)
            with tarfile.open(next(Path(directory).glob("*.tar.gz"))) as sdist:
                names = {name.partition("/")[2] for name in sdist.getnames()}
            self.assertLessEqual({"LICENSE", "README.md", "src/pgherald/py.typed"}, names)
            with zipfile.ZipFile(next(Path(directory).glob("*.whl"))) as wheel:
                names = {name.rpartition("dist-info/")[2] for name in wheel.namelist()}
            self.assertIn("pgherald/py.typed", names)
            self.assertTrue({"LICENSE", "licenses/LICENSE"} & names, names)

    def test_the_licence(self) -> None:
        self.assertEqual((ROOT / "LICENSE").read_bytes(), (ROOT.parents[1] / "LICENSE").read_bytes())


if __name__ == "__main__":
    unittest.main()
