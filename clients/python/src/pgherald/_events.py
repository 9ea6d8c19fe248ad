"""Events and states of streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ._errors import NotAnEvent
from ._texts import texts_of

Loads = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Sync:
    """The state of a stream, as the server sends it.

    The modes are live, resumed (missed events follow), reset (events may be missing: load everything again), stale (the
    server cannot read the database), draining and expired. A later version may have others.
    """

    mode: str
    reason: str | None = None  # of reset
    since: str | None = None  # of stale: when the server last read the database (RFC 3339)
    events: int | None = None  # of resumed: how many missed events follow, if it is known
    repeats: bool = False  # of resumed: the server sends events again, which the stream drops
    connection: str | None = None
    expires: int | None = None  # end of the token, in Unix milliseconds
    heartbeat: int | None = None  # the time between two heartbeats, in milliseconds; with the first event of a stream


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the log. It is one of the stream itself if sync is set, or is_heartbeat."""

    type: str
    id: int | None = None  # in the log; None for events of the stream itself
    data: Any = None
    has_data: bool = False  # false if the event is oversized, or its row left the selection
    timestamp: int = 0  # Unix milliseconds of the database's clock
    key: str | None = None  # of the row; on streams of collections, and if oversized
    oversized: bool = False  # too large to be sent: fetch the row, unless op is delete
    collection: str | None = None  # on streams of collections; None if it is not known which ones are meant
    op: str | None = None  # insert, update, delete or reset; None if ops has one for each selection
    moved: bool = False  # an update made the row come into the selection or leave it
    xid: str | None = None  # the transaction, as pgherald.xid() gives it to its writer
    q: tuple[str, ...] = ()  # the named selections that the event concerns
    ops: Mapping[str, Any] = field(default_factory=dict)
    raw: str = ""  # the envelope, as the server sent it
    cursor: str | None = None  # to resume after this event; None within a transaction
    sync: Sync | None = None
    is_heartbeat: bool = False

    @property
    def time(self) -> datetime:
        """When the row was written, by the database's clock."""
        return datetime.fromtimestamp(self.timestamp / 1000, UTC)


def parse_events(text: str, cursor: str | None, loads: Loads) -> list[Event]:
    """Returns the event of a frame, or those of a batch."""
    try:
        event = make_event(loads(text), text)
        if event.id is None and event.type == "batch":
            envelopes = event.data["events"]
            texts = texts_of(text, ("data", "events"), envelopes)
            inside = [make_event(e, raw) for e, raw in zip(envelopes, texts, strict=True)]
            return [*inside[:-1], replace(inside[-1], cursor=cursor)] if inside else []
        return [replace(event, cursor=cursor)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NotAnEvent(f"a frame is not an event of pgherald: {error}") from error


def make_event(envelope: Any, raw: str) -> Event:
    """Returns the event of an envelope. Raises the errors of Python if it is none."""
    kind, event_id, data = envelope["type"], envelope.get("id"), envelope.get("data")
    if not isinstance(kind, str):
        raise TypeError("its type is no text")
    return Event(
        type=kind,
        id=None if event_id is None else int(event_id),
        data=data,
        has_data="data" in envelope,
        timestamp=int(envelope.get("timestamp", 0)),
        key=_text(envelope.get("key")),
        oversized=envelope.get("oversized") is True,
        collection=_text(envelope.get("collection")),
        op=_text(envelope.get("op")),
        moved=envelope.get("moved") is True,
        xid=_text(envelope.get("xid")),
        q=tuple(envelope.get("q") or ()),
        ops=envelope.get("ops") or {},
        raw=raw,
        sync=_sync(data) if event_id is None and kind == "sync" else None,
        is_heartbeat=event_id is None and kind == "heartbeat",
    )


def _sync(data: Any) -> Sync:
    return Sync(
        mode=str(data["mode"]),
        reason=_text(data.get("reason")),
        since=_text(data.get("since")),
        events=data.get("events"),
        repeats=data.get("repeats") is True,
        connection=_text(data.get("connection")),
        expires=data.get("expires"),
        heartbeat=data.get("heartbeat"),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
