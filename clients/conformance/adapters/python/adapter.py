"""The adapter of clients/python for the conformance suite: adapter.py sync, or adapter.py async."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "python" / "src"))

import pgherald  # noqa: E402

_lock = threading.Lock()


def show(line: dict[str, Any]) -> None:
    with _lock:
        print(json.dumps(line), flush=True)


class Shown:
    """Shows what a scenario receives."""

    def __init__(self, start: dict[str, Any]) -> None:
        self.id: str = start["start"]
        self._tokens = 0
        self._is_stale = False
        self._rows: dict[str, Any] = {}

    def next_token(self, _reason: str) -> str:
        with _lock:
            self._tokens += 1
            return f"token-{self._tokens}"

    def event(self, event: pgherald.Event) -> None:
        if event.sync is not None:
            if event.sync.mode == "reset":
                show({"id": self.id, "reset": event.sync.reason})
            if (event.sync.mode == "stale") != self._is_stale:
                self._is_stale = not self._is_stale
                show({"id": self.id, "stale": self._is_stale})
        elif event.id is not None:
            envelope = {"id": event.id, "type": event.type, "key": event.key or "", "data": event.data}
            show({"id": self.id, "oversized" if event.oversized else "event": envelope})

    def change(self, change: pgherald.Change, keys: list[str]) -> None:
        """Shows what a program has that applies the changes, and not the rows of the collection itself."""
        for key in change.deleted:
            del self._rows[key]
        self._rows |= change.put
        show({"id": self.id, "rows": self._rows, "keys": keys})

    def error(self, error: Exception) -> None:
        show({"id": self.id, "error": f"{type(error).__name__}: {error}"})


def where_of(start: dict[str, Any]) -> dict[str, str]:
    return {field: pgherald.eq(value) for field, value in start.get("where", {}).items()}


def how_of(start: dict[str, Any]) -> dict[str, Any]:
    return {"transport": start.get("transport", "auto"), "connect_timeout": start.get("connectTimeout", 30_000) / 1000}


def window_of(start: dict[str, Any]) -> dict[str, Any]:
    return {"order": start.get("order"), "limit": start.get("limit")}


class Sync:
    """Plays each scenario in a thread."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[threading.Thread, Any]] = {}
        self._http = httpx.Client(limits=httpx.Limits(max_connections=None))  # each reads the certificates of the system

    def start(self, start: dict[str, Any]) -> None:
        shown = Shown(start)
        token = shown.next_token if start.get("tokens") else None
        client = pgherald.Client(start["url"], token=token, http=self._http, **how_of(start))
        source: pgherald.Stream | pgherald.Collection
        if start["open"] == "collection":
            source = client.collection(start["collection"], where_of(start), **window_of(start))
        else:
            source = client.stream(pgherald.Filter(since=start.get("since")))

        def play() -> None:
            try:
                if isinstance(source, pgherald.Collection):
                    for change in source.changes():
                        shown.change(change, list(source.rows))
                else:
                    for event in source.events():
                        shown.event(event)
            except Exception as error:
                shown.error(error)

        thread = threading.Thread(target=play)
        self._running[shown.id] = thread, source
        thread.start()

    def stop(self, name: str) -> None:
        self._running[name][1].close()

    def run(self) -> None:
        for line in sys.stdin:
            command = json.loads(line)
            if "stop" in command:
                self.stop(command["stop"])
            else:
                self.start(command)
        for name, (thread, _) in self._running.items():
            self.stop(name)
            thread.join()
        self._http.close()


async def play(start: dict[str, Any], http: httpx.AsyncClient) -> None:
    shown = Shown(start)

    async def token(reason: str) -> str:
        return shown.next_token(reason)

    client = pgherald.AsyncClient(start["url"], token=token if start.get("tokens") else None, http=http, **how_of(start))
    try:
        if start["open"] == "collection":
            collection = client.collection(start["collection"], where_of(start), **window_of(start))
            async with aclosing(collection.changes()) as changes:
                async for change in changes:
                    shown.change(change, list(collection.rows))
        else:
            async with aclosing(client.stream(pgherald.Filter(since=start.get("since"))).events()) as events:
                async for event in events:
                    shown.event(event)
    except Exception as error:
        shown.error(error)


async def run_async() -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    running: dict[str, asyncio.Task[None]] = {}
    http = httpx.AsyncClient(limits=httpx.Limits(max_connections=None))
    while line := await lines.readline():
        command = json.loads(line)
        if "stop" in command:
            running[command["stop"]].cancel()
        else:
            running[command["start"]] = asyncio.create_task(play(command, http))
    for task in running.values():
        task.cancel()
    await asyncio.gather(*running.values(), return_exceptions=True)
    await http.aclose()


show({"ready": True, "can": ["events", "collections", "tokens", "order", "pages"]})
if sys.argv[1:] == ["async"]:
    asyncio.run(run_async())
else:
    Sync().run()
