"""The grammar of filters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

Params = list[tuple[str, str]]
# The conditions of each field: comparisons of a collection, or values of any other stream.
Where = Mapping[str, "str | Sequence[str]"]

_SPECIAL = re.compile(r'[,()"\\]|^$')
_SPECIAL_FIELD = re.compile(r'[.,()"\\]|^$')


def eq(value: object) -> str:
    """Compares a field with a value; None with null."""
    return "is.null" if value is None else f"eq.{_text(value)}"


def neq(value: object) -> str:
    """Compares that the value differs, which is never true for null; None: that the field is not null."""
    return "not.is.null" if value is None else f"neq.{_text(value)}"


def gt(value: object) -> str:
    return f"gt.{_text(value)}"


def gte(value: object) -> str:
    return f"gte.{_text(value)}"


def lt(value: object) -> str:
    return f"lt.{_text(value)}"


def lte(value: object) -> str:
    return f"lte.{_text(value)}"


def in_(values: Iterable[object]) -> str:
    """Compares a field with each of the values."""
    return f"in.({','.join(_quote(_text(value), _SPECIAL) for value in values)})"


def not_(comparison: str) -> str:
    """Returns the opposite of a comparison."""
    return comparison[4:] if comparison.startswith("not.") else f"not.{comparison}"


def any_of(*alternatives: Where) -> str:
    """Returns a group of alternatives, each with conditions of which all must hold."""
    return f"({','.join(map(_item, alternatives))})"


def where_params(where: Where | None) -> Params:
    return [(f"where.{field}", condition) for field, conditions in (where or {}).items() for condition in texts(conditions)]


def texts(value: str | Sequence[str] | None) -> Sequence[str]:
    """Returns one text or several as several."""
    return () if value is None else (value,) if isinstance(value, str) else value


def _item(where: Where) -> str:
    items = [f"{_quote(field, _SPECIAL_FIELD)}.{_quote_operand(c)}" for field, cs in where.items() for c in texts(cs)]
    return items[0] if len(items) == 1 else f"and({','.join(items)})"


def _quote_operand(comparison: str) -> str:
    """Quotes the value of a comparison, which in a group ends at a comma. Lists are quoted already."""
    operator, _, value = comparison.partition(".")
    if operator == "not":
        return f"not.{_quote_operand(value)}"
    return comparison if operator in ("in", "is") else f"{operator}.{_quote(value, _SPECIAL)}"


def _quote(word: str, special: re.Pattern[str]) -> str:
    return '"' + re.sub(r'["\\]', r"\\\g<0>", word) + '"' if special.search(word) else word


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return str(value)
