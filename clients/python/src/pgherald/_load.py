"""Loads the rows of a collection."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ._effects import Config, Flow
from ._errors import NoResponse, NoSuchCollection, PgheraldError
from ._events import Event
from ._filters import Params, Where, eq, texts, where_params
from ._order import Row, RowOrder, split_key
from ._requests import get_json, get_row
from ._snapshot import Snapshot
from ._window import Window, window_size

_MAX_PAGE = 500


class Reload(PgheraldError):
    """The rows must be loaded again."""


@dataclass(frozen=True, slots=True)
class Query:
    """Selects the rows of a collection."""

    where: Where | None = None
    any: str | Sequence[str] = ()
    order: str | None = None
    limit: int | None = None

    @property
    def is_set(self) -> bool:
        """Whether the order of the rows does not matter."""
        return self.order is None and self.limit is None

    def filter_params(self) -> Params:
        return where_params(self.where) + [("any", group) for group in texts(self.any)]


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list."""

    rows: list[Row | None]  # None for one that is too large for a list
    keys: list[str]  # of the rows, as in events
    cursor: str  # of the page's snapshot: streams continue there
    next: str | None  # None after the last page
    count: int | None  # of the rows of all pages
    unreadable: list[str] = field(default_factory=list)  # keys of rows whose text has no equivalent in UTF-8; None in rows
    snapshot: str = ""  # the transactions of the cursor, in the form of pg_snapshot


@dataclass(slots=True)
class Loading:
    """What was loaded."""

    described: Any
    rows: dict[str, Row] = field(default_factory=dict)
    window: Window | None = None  # of a query with an order or a limit
    cursor: str = ""  # of the first page: what was written after it comes as events
    snapshot: Snapshot = field(default_factory=Snapshot)  # of the first page
    later: dict[str, Snapshot] = field(default_factory=dict)  # by key, for rows of other snapshots than the first page's
    at: float = 0.0  # when, by time.monotonic

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(f["name"] for f in self.described["fields"])

    def without(self, events: list[Event]) -> list[Event]:
        """Returns the events that are not in the rows already. To apply the others would undo what is newer."""
        return [e for e in events if e.xid not in self.snapshot and e.xid not in self.later.get(e.key or "", Snapshot())]


def load_rows(config: Config, name: str, query: Query) -> Flow[Loading]:
    """Reads as many pages as the query needs."""
    loading = Loading((yield from _describe(config, name)))
    found, goes_on = yield from _load_pages(config, name, query, loading)
    bound: str | None = None
    for key, row in list(found.items()):
        loaded = row if row is not None else (yield from get_row(config, name, key))
        if loaded is None:
            continue  # deleted meanwhile
        loading.rows[key] = loaded
        # A row that was loaded by its key may have another place by now.
        if goes_on and (row is not None or bound is None):
            bound = key
    if not query.is_set:
        if goes_on and bound is None:
            raise NoResponse("load the rows: those of the first page are gone")
        order = RowOrder(query.order, loading.described["key"], loading.described["filter"])
        entries = {key: order.entry(key, row) for key, row in loading.rows.items()}
        loading.window = Window(order, query.limit, list(entries.values()), None if bound is None else entries[bound])
    loading.at = time.monotonic()
    return loading


def _load_pages(config: Config, name: str, query: Query, loading: Loading) -> Flow[tuple[dict[str, Row | None], bool]]:
    """Returns the rows, and whether the list goes on. A row that moved between two pages comes twice; the later state counts."""
    found: dict[str, Row | None] = {}
    size = None if query.limit is None else window_size(query.limit)
    after: str | None = None
    first: Page | None = None
    while True:
        most = _MAX_PAGE if size is None else min(_MAX_PAGE, size - len(found))
        page = yield from list_page(config, name, query.filter_params(), order=query.order, limit=most, after=after)
        if first is None:
            first = page
            loading.cursor, loading.snapshot = page.cursor, Snapshot(page.snapshot)
        for key, row in zip(page.keys, page.rows, strict=True):
            found.pop(key, None)
            if key in page.unreadable:  # nor can it be read by its key
                continue
            found[key] = row
            if page.snapshot != first.snapshot:
                loading.later[key] = Snapshot(page.snapshot)
        after = page.next
        if after is None or (size is not None and len(found) >= size):
            return found, after is not None


def _describe(config: Config, name: str) -> Flow[Any]:
    """Reads which columns the collection has now: another spec may have been applied."""
    all_of_them = yield from get_json(config, ("collections",), [])
    for described in all_of_them["collections"]:
        if described["name"] == name:
            return described
    raise NoSuchCollection(f"load the collection {name!r}: the server has none with this name")


def fetch_row(config: Config, name: str, query: Query, loading: Loading, key: str) -> Flow[Row | None]:
    """Loads a row whose event came without its data; None if the filter selects no row with this key."""
    params = query.filter_params()
    if not params:
        return (yield from get_row(config, name, key))
    columns = loading.described["key"]
    parts = split_key(key, len(columns))
    if len(parts) != len(columns) or not {f["name"] for f in loading.described["filter"]}.issuperset(columns):
        raise Reload
    params += [(f"where.{column}", eq(part)) for column, part in zip(columns, parts)]
    page = yield from list_page(config, name, params, limit=1)
    if page.keys != [key]:
        return None
    return page.rows[0] or (yield from get_row(config, name, key))


def list_page(
    config: Config,
    name: str,
    params: Params,
    *,
    order: str | None = None,
    limit: int | None = None,
    after: str | None = None,
    count: bool = False,
) -> Flow[Page]:
    options = {"order": order, "limit": limit, "after": after, "count": "exact" if count else None}
    params = [*params, *((option, str(value)) for option, value in options.items() if value is not None)]
    page = yield from get_json(config, ("collections", name), params)
    return Page(
        page["rows"],
        page["keys"],
        page["cursor"],
        page.get("next"),
        page.get("count"),
        page.get("unreadable") or [],
        str(page.get("snapshot", "")),
    )
