"""The texts of events within a JSON text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

_SPACE = re.compile(r"[ \t\n\r]*")
_decoder = json.JSONDecoder()


def texts_of(text: str, path: tuple[str, ...], parsed: Sequence[Any]) -> list[str]:
    """Returns the text of each element of an array in a JSON text, unchanged: parsed, the same array, has rounded floats.

    path has the names of the members that lead to the array.
    """
    try:
        texts = _elements(text, path) if parsed else []
    except (ValueError, IndexError, RecursionError):
        texts = []  # another parser than Python's reads more
    if len(texts) == len(parsed):
        return texts
    return [json.dumps(value, ensure_ascii=False, default=str) for value in parsed]


def _elements(text: str, path: tuple[str, ...]) -> list[str]:
    at = _skip(text, 0)
    for name in path:
        at = _member(text, at, name)
    texts: list[str] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        end = _end(text, at)
        texts.append(text[at:end])
        at = _next(text, end)
    return texts


def _member(text: str, at: int, name: str) -> int:
    """Returns where the value of a member of the object at `at` begins."""
    at = _skip(text, at + 1)
    while text[at] != "}":
        end = _end(text, at)
        value = _skip(text, _skip(text, end) + 1)
        if json.loads(text[at:end]) == name:
            return value
        at = _next(text, _end(text, value))
    raise ValueError(f"no member {name}")


def _next(text: str, end: int) -> int:
    """Returns where the element or member after a value begins, or where their end is."""
    at = _skip(text, end)
    return _skip(text, at + 1) if text[at] == "," else at


def _end(text: str, at: int) -> int:
    return _decoder.raw_decode(text, at)[1]


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
