"""Tests of the order of rows and of windows."""

from __future__ import annotations

import random
import unittest
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from pgherald._order import Row, RowOrder, sort_key
from pgherald._snapshot import Snapshot
from pgherald._window import Window, window_size

FIELDS: list[dict[str, Any]] = [
    {"name": "id", "kind": "integer"},
    {"name": "n", "kind": "numeric"},
    {"name": "at", "kind": "timestamptz"},
    {"name": "mood", "kind": "enum", "labels": ["zz", "aa"]},
    {"name": "text", "kind": "text"},
]
ORDERED: dict[str, list[Any]] = {
    "n": ["-Infinity", -1000, -12.5, Decimal("-12.49"), 0, Decimal("1e-7"), 2, 10, "9007199254740992", 9007199254740993, "Infinity", "NaN", None],
    "at": [
        "-infinity",
        "4713-01-01T00:00:00+00:00 BC",
        "0044-03-15T00:00:00+00:00 BC",
        "0044-03-16T00:00:00+00:00 BC",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:00.5+00:00",
        "10000-01-01T00:00:00+00:00",
        "infinity",
        None,
    ],
    "mood": ["zz", "aa", None],
}


def in_order(order: str, table: dict[str, Row], key: tuple[str, ...] = ("id",)) -> list[str]:
    rows = RowOrder(order, key, FIELDS)
    entries = [rows.entry(key, row) for key, row in table.items()]
    return [entry.key for entry in sorted(entries, key=cmp_to_key(rows.compare))]


class OrderTest(unittest.TestCase):
    def test_values_are_ordered_as_postgresql_does(self) -> None:
        for field, values in ORDERED.items():
            table = {str(i): {field: value} for i, value in enumerate(values)}
            mixed = dict(sorted(table.items(), key=lambda item: hash(item[0]) % 7))
            self.assertEqual(in_order(field, mixed), list(table))
            self.assertEqual(in_order(f"{field}.desc", mixed), list(table)[::-1])

    def test_hostile_values_are_guesses(self) -> None:
        hostile: dict[str, list[Any]] = {
            "numeric": ["--1", "", "1.2.3", {}, "0x1", True, "1" * 300_000],
            "timestamptz": ["soon", "99999999999-01-01", 17],
            "enum": ["new", {}],
            "text": ["a"],
        }
        for kind, values in hostile.items():
            for value in values:
                found, is_exact = sort_key({"kind": kind, "labels": ["a"]}, value)
                self.assertFalse(is_exact, f"{kind} {value!r}")
                self.assertLess(found, (1, 0))  # and it compares with others

    def test_keys(self) -> None:
        self.assertEqual(in_order("", {"9": {}, "10": {}}), ["9", "10"])
        self.assertEqual(in_order("n.desc", {"9": {"n": 1}, "10": {"n": 1}}), ["10", "9"])
        self.assertEqual(in_order('"n".desc', {"[9, 2]": {"n": 1}, "[10, 1]": {"n": 1}}, ("id", "n")), ["[10, 1]", "[9, 2]"])

    def test_snapshots(self) -> None:
        snapshot = Snapshot("100:105:101,103")
        for xid, want in {"99": True, "101": False, "104": True, "105": False, "": False, "x": False, None: False}.items():
            self.assertEqual(xid in snapshot, want, xid)
        self.assertFalse("1" in Snapshot("nonsense"))


class WindowTest(unittest.TestCase):
    def test_it_holds_what_the_list_has(self) -> None:
        """Applies random histories, and compares with the list after each step."""
        chance = random.Random(7)
        reloads = 0
        for history in range(60):
            order = RowOrder(("", "n", "n.desc", "mood,n.desc")[history % 4], ["id"], FIELDS)
            limit = 1 + chance.randrange(6)

            def row() -> Row:
                return {"n": chance.choice([None, *range(20)]), "mood": chance.choice(["zz", "aa"])}

            table = {str(chance.randrange(60)): row() for _ in range(30)}

            def listed() -> dict[str, Row]:
                entries = [order.entry(key, row) for key, row in table.items()]
                return {e.key: e.row for e in sorted(entries, key=cmp_to_key(order.compare))}

            def load() -> Window:
                entries = [order.entry(key, row) for key, row in listed().items()]
                held = entries[: window_size(limit)]
                return Window(order, limit, held, held[-1] if len(held) < len(entries) else None)

            window = load()
            for _ in range(60):
                changes = {str(chance.randrange(60)): chance.choice([None, row()]) for _ in range(1 + chance.randrange(4))}
                for key, changed in changes.items():
                    table.pop(key, None)
                    if changed is not None:
                        table[key] = changed
                window.apply(changes)
                if window.needs_reload:
                    reloads += 1
                    window = load()
                self.assertEqual(list(window.rows.items()), list(listed().items())[:limit])
                if len(table) > limit:
                    self.assertTrue(window.has_more)
        self.assertGreater(reloads, 5)


if __name__ == "__main__":
    unittest.main()
