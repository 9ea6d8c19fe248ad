"""The client for programs with asyncio."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import httpx

from ._collection import Change, CollectionFlow, Page, Query, Row, list_page
from ._async_driver import AsyncDriver, AsyncToken
from ._effects import Flow, Status, Transport
from ._events import Event, Loads
from ._filters import Where, texts, where_params
from ._options import make_config
from ._requests import get_json, get_row
from ._stream import Filter, StreamFlow

T = TypeVar("T")


class AsyncClient:
    """Follows one server. Tasks may share it, but each stream and collection is for one task.

    token is awaited with "connect", "renew" or "rejected", and returns a bearer token. If it raises, a stream tries again.
    on_status receives what a stream does between events. loads parses JSON: with
    functools.partial(json.loads, parse_float=decimal.Decimal) numbers keep all digits.
    """

    def __init__(
        self,
        url: str,
        *,
        token: AsyncToken | None = None,
        headers: Mapping[str, str] | None = None,
        transport: Transport = "auto",
        connect_timeout: float = 30.0,
        idle_timeout: float = 75.0,
        max_event_bytes: int = 128 << 20,
        on_status: Callable[[Status], None] | None = None,
        loads: Loads = json.loads,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._config = make_config(
            url,
            has_token=token is not None,
            headers=headers,
            transport=transport,
            connect_timeout=connect_timeout,
            idle_timeout=idle_timeout,
            max_event_bytes=max_event_bytes,
            on_status=on_status,
            loads=loads,
        )
        self._token = token
        self._owns_http = http is None
        self._http = http or httpx.AsyncClient(follow_redirects=True, limits=httpx.Limits(max_connections=None))

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections, unless the httpx client is the caller's. End the streams first."""
        if self._owns_http:
            await self._http.aclose()

    async def events(self, selected: Filter = Filter()) -> AsyncGenerator[Event, None]:
        """Yields the events of a stream, each once, and its states, but no heartbeats.

        It ends with an error only if another attempt would not help, such as Refused. A program that leaves the loop
        closes the connection at once with contextlib.aclosing(client.events()).
        """
        async with aclosing(self.stream(selected).events()) as events:
            async for event in events:
                if not event.is_heartbeat:
                    yield event

    def stream(self, selected: Filter = Filter()) -> AsyncStream:
        """Returns a stream that is not connected yet."""
        return AsyncStream(self._driver(), StreamFlow(self._config, selected))

    def collection(
        self,
        name: str,
        where: Where | None = None,
        any: str | Sequence[str] = (),
        *,
        order: str | None = None,
        limit: int | None = None,
    ) -> AsyncCollection:
        """Returns the rows of a collection that match, or the first ones in an order such as "total.desc,id".

        The order has up to four filter fields; then, and by default, the key decides. Rows are loaded by changes().
        """
        return AsyncCollection(self._driver(), CollectionFlow(self._config, name, Query(where, any, order, limit)))

    async def collections(self) -> list[dict[str, Any]]:
        """Returns what the server serves. Like page and row it makes one attempt, and another after a 401."""
        answer = await self._run(get_json(self._config, ("collections",), []))
        return list(answer["collections"])

    async def page(
        self,
        name: str,
        where: Where | None = None,
        any: str | Sequence[str] = (),
        *,
        order: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        count: bool = False,
    ) -> Page:
        """Returns a page of a collection's rows."""
        params = where_params(where) + [("any", group) for group in texts(any)]
        return await self._run(list_page(self._config, name, params, order=order, limit=limit, after=after, count=count))

    async def row(self, name: str, key: str) -> Row | None:
        """Returns the row with a key; None if there is none, or if the client may not see it."""
        return await self._run(get_row(self._config, name, key))

    def _driver(self) -> AsyncDriver:
        return AsyncDriver(self._config, self._http, self._token)

    async def _run(self, flow: Flow[T]) -> T:
        return await self._driver().run(flow)


class AsyncStream:
    """A position in the events that a filter selects. It connects while one of its iterators runs.

    A further iterator continues where the one before ended. Only one may run at a time.
    """

    def __init__(self, driver: AsyncDriver, flow: StreamFlow) -> None:
        self._driver = driver
        self._flow = flow

    @property
    def cursor(self) -> str | None:
        """Where the stream continues: after the last complete transaction that was yielded."""
        return self._flow.position.cursor

    def events(self) -> AsyncGenerator[Event, None]:
        """Yields each event as it arrives, with heartbeats."""
        return self._driver.items(self._flow.follow(whole=False))

    def transactions(self) -> AsyncGenerator[list[Event], None]:
        """Yields the events of each transaction together, once it is complete. A state or a heartbeat comes alone."""
        return self._driver.items(self._flow.follow(whole=True))


class AsyncCollection:
    """Rows that stay equal to the database while an iterator of changes() runs. Only one may run at a time."""

    def __init__(self, driver: AsyncDriver, flow: CollectionFlow) -> None:
        self._driver = driver
        self._flow = flow

    @property
    def rows(self) -> Mapping[str, Row]:
        """The rows by key, in the order that was given; in none without an order and a limit."""
        return self._flow.rows

    @property
    def has_more(self) -> bool:
        """Whether the limit leaves out rows."""
        return self._flow.has_more

    @property
    def is_stale(self) -> bool:
        """Whether the rows may be older than the database, as far as the server said."""
        return self._flow.is_stale

    def changes(self) -> AsyncGenerator[Change, None]:
        """Loads the rows and follows them.

        It yields the first load, each transaction that concerns the rows, each further load, and the beginning and end
        of a time in which they are stale.
        """
        return self._driver.items(self._flow.follow())
