"""The order of a list, as the database has it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

Row = dict[str, Any]

# A value that compares as PostgreSQL compares the value of a row. A null is greater than any other.
SortKey = tuple[int, Any]

_NULL: SortKey = (1, 0)
_ITEM = re.compile(r'("(?:[^"\\]|\\.)*"|[^,."]+)(?:\.(asc|desc))?(?:,|$)')
_YEAR = re.compile(r"(\d{1,9})-(.*)", re.DOTALL)
_MAX_DIGITS = 200_000


@dataclass(slots=True)
class Entry:
    """A row in an order."""

    key: str
    row: Row
    sort: list[SortKey]  # of the terms of the order
    is_exact: bool  # sort says where the row is; otherwise it is a guess


class RowOrder:
    """Compares rows. The columns of the key follow the fields of the order, in the direction of the last one."""

    def __init__(self, order: str | None, key: Sequence[str], filter_fields: Sequence[Mapping[str, Any]]) -> None:
        fields = {field["name"]: field for field in filter_fields}
        items = [(_unquoted(name), -1 if direction == "desc" else 1) for name, direction in _ITEM.findall(order or "")]
        key_sign = items[-1][1] if items else 1
        self._terms = [(name, fields.get(name), sign) for name, sign in items]
        self._key_terms = [(fields.get(column), key_sign) for column in key]
        self._signs = [sign for _, sign in items] + [key_sign] * len(key)

    def entry(self, key: str, row: Row) -> Entry:
        """Returns a row with its place in the order."""
        parts = split_key(key, len(self._key_terms))
        keys = [sort_key(field, row.get(name)) for name, field, _ in self._terms]
        keys += [sort_key(field, part) for (field, _), part in zip(self._key_terms, parts)]
        is_exact = len(parts) == len(self._key_terms) and all(exact for _, exact in keys)
        return Entry(key, row, [found for found, _ in keys], is_exact)

    def compare(self, a: Entry, b: Entry) -> int:
        for left, right, sign in zip(a.sort, b.sort, self._signs):
            if left != right:
                return sign if left > right else -sign
        return (a.key > b.key) - (a.key < b.key)


def split_key(key: str, columns: int) -> list[Any]:
    """Returns the values of a key's columns. The key of several columns is a JSON array."""
    if columns == 1:
        return [key]
    try:
        parts = json.loads(key, parse_float=Decimal)
    except ValueError:
        return [key]
    return parts if isinstance(parts, list) else [key]


def sort_key(field: Mapping[str, Any] | None, value: Any) -> tuple[SortKey, bool]:
    """Returns what compares as the value, and whether that is certain.

    It is not if only the database knows the order: that of texts, and of labels that the client does not know.
    """
    if value is None:
        return _NULL, True
    kind = None if field is None else field.get("kind")
    if kind in ("integer", "numeric"):
        found = _number(value)
    elif kind in ("date", "timestamp", "timestamptz"):
        found = _time(str(value))
    elif kind == "enum" and field is not None:
        labels = list(field.get("labels") or ())
        found = (0, labels.index(value)) if value in labels else None
    else:
        return (0, (-1, _text(value))), kind in ("boolean", "uuid")
    return ((0, (-1, _text(value))), False) if found is None else ((0, found), True)


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _number(value: Any) -> tuple[int, Any] | None:
    """Orders numbers, and texts of numbers, such as a bigint that is shown as a text."""
    if isinstance(value, str):
        if len(value) > _MAX_DIGITS:
            return None
        try:
            value = Decimal(value)
        except InvalidOperation:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    if isinstance(value, (float, Decimal)) and math.isnan(value):
        return 3, 0
    if isinstance(value, (float, Decimal)) and math.isinf(value):
        return (2, 0) if value > 0 else (0, 0)
    return 1, value


def _time(text: str) -> tuple[int, Any] | None:
    """Orders dates and times in the form of PostgreSQL's JSON, in UTC: within a year by their characters."""
    if text in ("infinity", "-infinity"):
        return (2, 0) if text == "infinity" else (0, 0)
    if (match := _YEAR.fullmatch(text)) is None:
        return None
    year, rest = int(match[1]), match[2]
    return 1, (-year if rest.endswith(" BC") else year, rest)


def _unquoted(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word.startswith('"') else word
