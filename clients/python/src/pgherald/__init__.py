"""Follows the tables of a pgherald server: as events, or as a set of rows that stays equal to the database.

It keeps the contract of pgherald's protocol: a stream yields each event once, across lost connections and restarts of
the server; it resumes at its cursor, waits for what the server demands plus a random time, and renews its token. A
collection shows transactions whole, follows rows that come to match its filter or no longer do, and loads what must be
loaded again.
"""

from ._async_client import AsyncClient, AsyncCollection, AsyncStream
from ._client import Client, Collection, Stream
from ._collection import Change, Page, Row
from ._effects import Status, TokenReason, Transport
from ._errors import (
    EventTooLong,
    NoResponse,
    NoSuchCollection,
    NotAnEvent,
    PgheraldError,
    Refused,
    StreamEnded,
    StreamMute,
    TokenError,
    TokenExpired,
)
from ._events import Event, Sync
from ._filters import Where, any_of, eq, gt, gte, in_, lt, lte, neq, not_
from ._stream import Filter

__all__ = [
    "AsyncClient",
    "AsyncCollection",
    "AsyncStream",
    "Change",
    "Client",
    "Collection",
    "Event",
    "EventTooLong",
    "Filter",
    "NoResponse",
    "NoSuchCollection",
    "NotAnEvent",
    "Page",
    "PgheraldError",
    "Refused",
    "Row",
    "Status",
    "Stream",
    "StreamEnded",
    "StreamMute",
    "Sync",
    "TokenError",
    "TokenExpired",
    "TokenReason",
    "Transport",
    "Where",
    "any_of",
    "eq",
    "gt",
    "gte",
    "in_",
    "lt",
    "lte",
    "neq",
    "not_",
]
