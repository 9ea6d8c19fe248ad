"""Pages of events, where a proxy lets no stream through."""

from __future__ import annotations

import json
import time
from typing import Any

from ._effects import Transport
from ._errors import NoResponse, PgheraldError
from ._events import Event, make_event
from ._texts import texts_of

# The longest time between the beginning of a response and its first event: the server sends both at once.
MAX_MUTE = 10.0
# The longest time for which the server waits for an event.
LONGEST_WAIT = 25.0
# A server that does not wait must not make the client spin: the least time between two requests that find nothing.
MIN_PAUSE = 1.0

# When a client that asks for pages tries a stream again, at first and at most, in seconds.
_FIRST_PROBE = 60.0
_MAX_PROBE = 1800.0


class ChangeTransport(PgheraldError):
    """The client goes on with a stream in place of pages, or with pages in place of a stream."""


class Fallback:
    """Says whether a stream asks for pages."""

    def __init__(self, transport: Transport) -> None:
        self.is_active = transport == "poll"
        self.is_fixed = transport != "auto"
        self._probe_at = 0.0
        self._delay = _FIRST_PROBE

    @property
    def is_probe_due(self) -> bool:
        """Whether to try a stream again."""
        return self.is_active and not self.is_fixed and time.monotonic() >= self._probe_at

    def begin(self) -> None:
        self.is_active, self._delay = True, _FIRST_PROBE
        self.postpone()

    def postpone(self) -> None:
        """Lets the next probe wait, longer each time."""
        self._probe_at = time.monotonic() + self._delay
        self._delay = min(2 * self._delay, _MAX_PROBE)

    def end(self) -> None:
        """Goes back to streams."""
        self.is_active = self.is_active and self.is_fixed


def events_of(page: Any, text: str, mode: str | None) -> tuple[list[Event], str, str]:
    """Returns the events that a stream would have, the mode after them, and the cursor. mode is that before the page; text is the page's."""
    try:
        sync = page.get("sync")
        inside = page["events"]
        envelopes = [make_event(e, raw) for e, raw in zip(inside, texts_of(text, ("events",), inside), strict=True)]
        cursor = page["cursor"]
        if not isinstance(cursor, str):
            raise TypeError("its cursor is no text")
        shown = sync or ({"mode": "resumed"} if mode is None else {"mode": "live"} if mode == "stale" else None)
        events = [] if shown is None else [_control("sync", shown)]
        events += envelopes
        return events or [_control("heartbeat", {})], "live" if sync is None else str(sync["mode"]), cursor
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NoResponse(f"read a page of events: {error}") from error


def _control(kind: str, data: Any) -> Event:
    """Returns an event as a stream would have it."""
    envelope = {"type": kind, "data": data, "timestamp": time.time_ns() // 1_000_000}
    return make_event(envelope, json.dumps(envelope))
