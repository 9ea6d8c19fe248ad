"""The client for programs with threads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import httpx

from ._collection import Change, CollectionFlow, Page, Query, Row, list_page
from ._detached import Calls
from ._driver import Driver, Token
from ._effects import Flow, Status, Transport
from ._events import Event, Loads
from ._filters import Where, texts, where_params
from ._options import make_config
from ._requests import get_json, get_row
from ._stream import Filter, StreamFlow

T = TypeVar("T")


class Client:
    """Follows one server. Threads may share it, but each stream and collection is for one thread.

    token is called with "connect", "renew" or "rejected", and returns a bearer token. If it raises, a stream tries again.
    on_status receives what a stream does between events. loads parses JSON: with
    functools.partial(json.loads, parse_float=decimal.Decimal) numbers keep all digits. idle_timeout is the silence after which a
    connection counts as dead, in seconds; it is 2.5 times the server's heartbeat and 2 s if that is shorter.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None = None,
        headers: Mapping[str, str] | None = None,
        transport: Transport = "auto",
        connect_timeout: float = 30.0,
        idle_timeout: float = 75.0,
        max_event_bytes: int = 128 << 20,
        on_status: Callable[[Status], None] | None = None,
        loads: Loads = json.loads,
        http: httpx.Client | None = None,
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
        self._calls = Calls()
        self._owns_http = http is None
        self._http = http or httpx.Client(follow_redirects=True, limits=httpx.Limits(max_connections=None))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections, unless the httpx client is the caller's. End the streams first."""
        if not self._owns_http:
            return
        try:
            self._http.close()
        except RuntimeError:  # of httpcore before 0.17, about the calls of streams that were closed while they connected
            if not self._calls.are_running:
                raise

    def events(self, selected: Filter = Filter()) -> Iterator[Event]:
        """Yields the events of a stream, each once, and its states, but no heartbeats.

        It ends with an error only if another attempt would not help, such as Refused.
        """
        return (event for event in self.stream(selected).events() if not event.is_heartbeat)

    def stream(self, selected: Filter = Filter()) -> Stream:
        """Returns a stream that is not connected yet."""
        return Stream(self._driver(), StreamFlow(self._config, selected))

    def collection(
        self,
        name: str,
        where: Where | None = None,
        any: str | Sequence[str] = (),
        *,
        order: str | None = None,
        limit: int | None = None,
    ) -> Collection:
        """Returns the rows of a collection that match, or the first ones in an order such as "total.desc,id".

        The order has up to four filter fields; then, and by default, the key decides. Rows are loaded by changes().
        """
        return Collection(self._driver(), CollectionFlow(self._config, name, Query(where, any, order, limit)))

    def collections(self) -> list[dict[str, Any]]:
        """Returns what the server serves. Like page and row it makes one attempt, and another after a 401."""
        answer = self._run(get_json(self._config, ("collections",), []))
        return list(answer["collections"])

    def page(
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
        return self._run(list_page(self._config, name, params, order=order, limit=limit, after=after, count=count))

    def row(self, name: str, key: str) -> Row | None:
        """Returns the row with a key; None if there is none, or if the client may not see it."""
        return self._run(get_row(self._config, name, key))

    def _driver(self) -> Driver:
        return Driver(self._config, self._http, self._token, self._calls)

    def _run(self, flow: Flow[T]) -> T:
        return self._driver().run(flow)


class Stream:
    """A position in the events that a filter selects. It connects while one of its iterators runs.

    A further iterator continues where the one before ended. Only one may run at a time.
    """

    def __init__(self, driver: Driver, flow: StreamFlow) -> None:
        self._driver = driver
        self._flow = flow

    @property
    def cursor(self) -> str | None:
        """Where the stream continues: after the last complete transaction that was yielded."""
        return self._flow.position.cursor

    def events(self) -> Iterator[Event]:
        """Yields each event as it arrives, with heartbeats."""
        return self._driver.items(self._flow.follow(whole=False))

    def transactions(self) -> Iterator[list[Event]]:
        """Yields the events of each transaction together, once it is complete. A state or a heartbeat comes alone."""
        return self._driver.items(self._flow.follow(whole=True))

    def close(self) -> None:
        """Ends the iterator, also one that waits in another thread. The stream cannot be used again."""
        self._driver.close()


class Collection:
    """Rows that stay equal to the database while an iterator of changes() runs. Only one may run at a time."""

    def __init__(self, driver: Driver, flow: CollectionFlow) -> None:
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

    def changes(self) -> Iterator[Change]:
        """Loads the rows and follows them.

        It yields the first load, each transaction that concerns the rows, each further load, and the beginning and end
        of a time in which they are stale.
        """
        return self._driver.items(self._flow.follow())

    def close(self) -> None:
        """Ends the iterator, also one that waits in another thread. The collection cannot be used again."""
        self._driver.close()
