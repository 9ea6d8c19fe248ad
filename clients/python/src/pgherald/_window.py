"""The first rows of a list."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from functools import cmp_to_key

from ._order import Entry, Row, RowOrder

# The most rows that a window holds beyond its limit, so that a row that leaves needs no load.
_MAX_RESERVE = 50


def window_size(limit: int) -> int:
    """Returns how many rows to load for a limit."""
    return limit + min(limit, _MAX_RESERVE)


class Window:
    """Holds the first rows of a list, in order.

    If the list goes on, it holds exactly the rows up to its bound, wherever rows move: those after it are unknown.
    """

    def __init__(self, order: RowOrder, limit: int | None, entries: list[Entry], bound: Entry | None) -> None:
        """Takes the entries of a list, which are in its order. After the bound the list goes on."""
        self._order = order
        self._limit = limit
        self._bound = bound
        self._is_uncertain = False  # rows may be in a wrong place or missing: only the database knows their order
        self._sort_key = cmp_to_key(order.compare)
        if all(entry.is_exact for entry in entries):
            # Pages are of different times, and so are rows that were loaded one by one.
            entries = sorted(entries, key=self._sort_key)
            if bound is not None:
                entries = [entry for entry in entries if order.compare(entry, bound) <= 0]
        self._entries = entries
        self._by_key = {entry.key: entry for entry in entries}

    @property
    def rows(self) -> dict[str, Row]:
        """The rows within the limit, in order."""
        return {entry.key: entry.row for entry in self._entries[: self._limit]}

    @property
    def has_more(self) -> bool:
        """Whether the list goes on after the rows."""
        return self._bound is not None or (self._limit is not None and len(self._entries) > self._limit)

    @property
    def needs_reload(self) -> bool:
        """Whether only the database knows which rows to show, or where."""
        lacks_rows = self._limit is not None and self._bound is not None and len(self._entries) < self._limit
        return self._is_uncertain or lacks_rows

    def apply(self, states: Mapping[str, Row | None]) -> None:
        """Changes rows; None removes one. It puts those that come before the bound into their places."""
        moved: list[Entry] = []
        leaving: set[str] = set()
        for key, row in states.items():
            before = self._by_key.get(key)
            if row is None:
                leaving.add(key)
                continue
            entry = self._order.entry(key, row)
            if before is not None and before.sort == entry.sort:
                before.row = row  # in its place
                continue
            leaving.add(key)
            self._is_uncertain = self._is_uncertain or not entry.is_exact
            if self._bound is None or self._order.compare(entry, self._bound) <= 0:
                moved.append(entry)
        if not leaving.isdisjoint(self._by_key):
            self._entries = [entry for entry in self._entries if entry.key not in leaving]
        for key in leaving:
            self._by_key.pop(key, None)
        if moved:
            moved.sort(key=self._sort_key)
            self._entries = list(heapq.merge(self._entries, moved, key=self._sort_key))
            self._by_key.update((entry.key, entry) for entry in moved)
        self._shrink()

    def _shrink(self) -> None:
        """Drops the last entries if they have become too many. The list goes on after those that remain."""
        if self._limit is None or len(self._entries) <= window_size(self._limit) + self._limit:
            return
        size = window_size(self._limit)
        for entry in self._entries[size:]:
            del self._by_key[entry.key]
        del self._entries[size:]
        self._bound = self._entries[-1]
