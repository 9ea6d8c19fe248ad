"""The flow of a collection."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ._effects import Close, Config, Emit, Flow, Sleep
from ._errors import PgheraldError
from ._events import Event, Sync
from ._load import Loading, Page, Query, Reload, fetch_row, list_page, load_rows
from ._order import Row
from ._requests import backoff, retried
from ._stream import Filter, StreamFlow

__all__ = ["Change", "CollectionFlow", "Page", "Query", "Row", "list_page"]

# The time after a load in which another one is delayed, in seconds.
_MIN_RELOAD = 5.0
# The time between two loads of a window, in seconds, and the most of them until one has a transaction.
_MIN_WINDOW_RELOAD = 1.0
_MAX_WINDOW_RELOADS = 10


@dataclass(frozen=True, slots=True)
class Change:
    """What a transaction, or a load of all rows, changes. Applied to a copy of the rows, it keeps the copy equal."""

    put: dict[str, Row] = field(default_factory=dict)  # new rows and new states of rows, by key
    deleted: list[str] = field(default_factory=list)  # keys of rows that are gone, no longer match, or are not among the first
    loaded: bool = False  # the rows were loaded, at first or again; put and deleted say what differs
    stale: bool = False  # the rows may be older than the database
    xids: list[str] = field(default_factory=list)  # the transactions whose changes are in the rows now
    cursor: str | None = None  # of the state that the rows show


# What events say about a row: the row, or that it is gone, or that it must be loaded.
_GONE = object()
_MISSING = object()


class CollectionFlow:
    """Loads the rows of a collection and follows them."""

    def __init__(self, config: Config, name: str, query: Query) -> None:
        if query.limit is not None and query.limit < 1:
            raise ValueError(f"the limit must be a positive number, not {query.limit}")
        self.rows: dict[str, Row] = {}  # in the order of the query, if it has one or a limit
        self.has_more = False
        self.is_stale = True
        self._config = config
        self._name = name
        self._query = query

    def follow(self) -> Flow[None]:
        """Emits changes. It ends with an error that another attempt would not cure."""
        soon = 0  # loads soon after another: a server that resets every cursor must not make the client spin
        try:
            while True:
                loading = yield from self._load()
                loaded_at = loading.at
                self.is_stale = False
                put, deleted = self._show(loading)
                yield Emit(Change(put, deleted, loaded=True, cursor=loading.cursor))
                try:
                    yield from self._follow(loading)
                except Reload:
                    yield Close()
                self.is_stale = True
                soon = soon + 1 if time.monotonic() - loaded_at < _MIN_RELOAD else 0
                if soon > 0:
                    yield Sleep(backoff(self._config, 0.0, soon))
        finally:
            self.is_stale = True

    def _load(self) -> Flow[Loading]:
        self.is_stale = True
        return (yield from retried(self._config, partial(load_rows, self._config, self._name, self._query)))

    def _follow(self, loading: Loading) -> Flow[None]:
        selected = Filter(collection=self._name, where=self._query.where, any=self._query.any, since=loading.cursor)
        stream = StreamFlow(self._config, selected)
        flow = stream.follow(whole=True)
        answer: Any = None
        error: PgheraldError | None = None
        while True:
            effect = flow.send(answer) if error is None else flow.throw(error)
            answer = error = None
            if isinstance(effect, Emit):
                loading, change = yield from self._change(loading, effect.item, stream.position.cursor)
                if change is not None:
                    yield Emit(change)
                continue
            try:
                answer = yield effect
            except PgheraldError as caught:
                error = caught

    def _change(self, loading: Loading, events: list[Event], cursor: str | None) -> Flow[tuple[Loading, Change | None]]:
        """Applies what a stream has emitted at once. A window may have been loaded again."""
        if (sync := events[0].sync) is not None:
            return loading, self._sync(sync, cursor)
        if events[0].is_heartbeat:
            return loading, None
        states = yield from self._states(loading, events)
        if loading.window is None:
            put, deleted = self._apply(states)
        else:
            loading.window.apply(states)
            loading = yield from self._ensure_window(loading, events)
            put, deleted = self._show(loading)
        xids = dict.fromkeys(e.xid for e in events if e.xid is not None)
        return loading, Change(put, deleted, stale=self.is_stale, xids=list(xids), cursor=cursor)

    def _states(self, loading: Loading, events: list[Event]) -> Flow[dict[str, Row | None]]:
        """Returns the state of each row that events concern, unless the rows that were loaded show it already."""
        states = _states_after(loading.without(events), loading.fields)
        for key, state in states.items():
            if state is _MISSING:
                fetch = partial(fetch_row, self._config, self._name, self._query, loading, key)
                states[key] = yield from retried(self._config, fetch)
            elif state is _GONE:
                states[key] = None
        return states

    def _ensure_window(self, loading: Loading, events: list[Event]) -> Flow[Loading]:
        """Loads the list again while only the database knows which rows the window shows.

        The stream goes on: what the new list contains is skipped.
        """
        was_stale = self.is_stale
        for _ in range(_MAX_WINDOW_RELOADS):
            assert loading.window is not None
            if not loading.window.needs_reload:
                self.is_stale = was_stale
                return loading
            yield Sleep(loading.at + _MIN_WINDOW_RELOAD - time.monotonic())
            loading = yield from self._load()
            # An event without a number is older than the list, since it came before.
            states = yield from self._states(loading, [e for e in events if e.xid is not None])
            assert loading.window is not None
            loading.window.apply(states)
        raise Reload

    def _apply(self, states: dict[str, Row | None]) -> tuple[dict[str, Row], list[str]]:
        """Changes the rows of a set, and returns what differs."""
        put: dict[str, Row] = {}
        deleted: list[str] = []
        for key, row in states.items():
            if row is not None:
                self.rows[key] = put[key] = row
            elif self.rows.pop(key, None) is not None:
                deleted.append(key)
        return put, deleted

    def _show(self, loading: Loading) -> tuple[dict[str, Row], list[str]]:
        """Shows the rows of a load, or of its window, and returns what differs from those before."""
        rows = loading.rows if loading.window is None else loading.window.rows
        put = {key: row for key, row in rows.items() if self.rows.get(key) != row}
        deleted = [key for key in self.rows if key not in rows]
        self.rows, self.has_more = rows, loading.window is not None and loading.window.has_more
        return put, deleted

    def _sync(self, sync: Sync, cursor: str | None) -> Change | None:
        was_stale = self.is_stale
        if sync.mode == "reset":
            raise Reload
        if sync.mode in ("stale", "live", "resumed"):
            self.is_stale = sync.mode == "stale"
        return None if self.is_stale == was_stale else Change(stale=self.is_stale, cursor=cursor)


def _states_after(events: list[Event], fields: frozenset[str]) -> dict[str, Any]:
    """Returns the state of each row that the events concern. Raises Reload if they do not say which rows these are."""
    states: dict[str, Any] = {}
    for event in events:
        key = _reset_key(event) if event.op == "reset" else event.key
        if event.op is None:
            continue  # of a later version
        if key is None:
            raise Reload
        states.pop(key, None)
        if event.op == "delete":
            states[key] = _GONE
        elif event.op == "reset" or not isinstance(event.data, dict):
            states[key] = _MISSING
        else:
            states[key] = {name: value for name, value in event.data.items() if name in fields}
    return states


def _reset_key(event: Event) -> str | None:
    """Returns the key of the only row to load again, or None if all rows must be."""
    if event.collection is None or not isinstance(event.data, dict):
        return None
    key = event.data.get("key")
    return key if isinstance(key, str) else None
