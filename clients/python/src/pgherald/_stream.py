"""The flow of a stream."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ._effects import Close, Config, Emit, Fetch, Flow, Open, Read, Response, Sleep, StartRenewal, Status, TokenReason
from ._errors import NoResponse, NotAnEvent, PgheraldError, Refused, StreamEnded, StreamMute, TokenExpired, demanded_delay
from ._events import Event, parse_events
from ._filters import Params, Where, texts, where_params
from ._frames import Frame, FrameReader
from ._pages import LONGEST_WAIT, MAX_MUTE, MIN_PAUSE, ChangeTransport, Fallback, events_of
from ._position import Position
from ._renewal import renewal_flow
from ._requests import backoff, json_of, make_request
from ._silence import silence_of


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects the events of a stream. Without arguments it selects all."""

    types: Sequence[str] = ()
    keys: str | Sequence[str] = ()  # of rows, in any table
    collection: str | None = None  # only what changes the rows of this collection; not with types
    where: Where | None = None  # comparisons of a collection, as eq and in_ write them; else values of fields
    any: str | Sequence[str] = ()  # groups of a collection's filter, as any_of writes them
    params: Sequence[tuple[str, str]] = ()  # further ones of the protocol, such as q.NAME, batch or conflate
    since: str | None = None  # the cursor after which the stream begins; None: now

    def to_params(self) -> Params:
        params = list(self.params)
        if self.types:
            params.append(("types", ",".join(self.types)))
        params += [("key", key) for key in texts(self.keys)]
        if self.collection is not None:
            params.append(("collection", self.collection))
        params += where_params(self.where)
        params += [("any", group) for group in texts(self.any)]
        if self.since is not None:
            params.append(("since", self.since))
        return params


class StreamFlow:
    """Follows a stream across connections. Only one flow of it may run at a time."""

    def __init__(self, config: Config, selected: Filter) -> None:
        self.position = Position(selected.since)
        self._config = config
        self._params = selected.to_params()
        self._retry = 0.0  # demanded by the server's last retry line, in seconds
        self._failures = 0  # attempts since the last frame
        self._reason: TokenReason = "connect"  # for the next request
        self._was_rejected = False  # the last token
        self._quick_at = float("-inf")  # of the last reconnect without a delay
        self._held: list[Event] = []  # of the present transaction, if they are yielded whole
        self._is_synced = False  # the present connection has begun with a sync
        self._is_expired = False
        self._silence: float | None = None  # how long nothing may arrive on the present connection; None: idle_timeout
        self._pages = Fallback(config.transport)

    def follow(self, whole: bool) -> Flow[None]:
        """Emits events, or whole transactions as lists. It ends with an error that another attempt would not cure."""
        while True:
            try:
                yield from self._connect(whole)
                error: PgheraldError = TokenExpired("the token has expired") if self._is_expired else StreamEnded()
            except PgheraldError as caught:
                error = caught
            finally:  # also if the program leaves its loop: another iterator continues here
                self._interrupt(whole)
            yield Close()
            if self._changes_transport(error) or self._reconnects_at_once(error):
                continue
            demanded = demanded_delay(error)
            if demanded is None:
                raise error
            self._failures += 1
            delay = backoff(self._config, max(demanded, self._retry), self._failures)
            self._config.on_status(Status(error, delay))
            yield Sleep(delay)

    def _interrupt(self, whole: bool) -> None:
        self._held.clear()
        if whole:
            self.position.discard()
        else:
            self.position.interrupt()

    def _reconnects_at_once(self, error: PgheraldError) -> bool:
        """Says whether another token is all that is missing.

        A server that goes on like that must not make the client spin: an expiry within a second of the last one waits
        as every failure does.
        """
        if not self._config.has_token:
            return False
        if isinstance(error, TokenExpired):
            self._reason = "renew"
            is_quick = time.monotonic() - self._quick_at < 1
            self._quick_at = time.monotonic()
            return not is_quick
        if isinstance(error, Refused) and error.status == 401 and not self._was_rejected:
            self._reason, self._was_rejected = "rejected", True
            return True
        return False

    def _changes_transport(self, error: PgheraldError) -> bool:
        """Says whether to connect again at once, in the other way.

        While neither works, they take turns, since the server may be the reason.
        """
        if isinstance(error, ChangeTransport):
            return True
        if not isinstance(error, StreamMute) or self._pages.is_fixed:
            return False
        if self._pages.is_active:
            self._pages.end()
            return False
        self._pages.begin()
        self._config.on_status(Status(error, None))
        return True

    def _connect(self, whole: bool) -> Flow[None]:
        """Receives events until that ends."""
        self._is_synced = self._is_expired = False
        self._silence = None
        if not self._pages.is_active:
            yield from self._read(whole, self._config.connect_timeout)
        elif not self._pages.is_probe_due:
            yield from self._poll(whole)
        else:
            self._pages.postpone()
            try:
                yield from self._read(whole, min(MAX_MUTE, self._config.connect_timeout))
            except PgheraldError as error:
                if self._pages.is_active:
                    raise ChangeTransport("no stream comes through yet") from error
                raise
            if self._pages.is_active:
                raise ChangeTransport("no stream comes through yet")

    def _read(self, whole: bool, limit: float) -> Flow[None]:
        """Opens the stream and reads it to its end."""
        request = yield from make_request(self._config, "GET", ("events",), self._params, self._reason)
        request.headers.update({"Accept": "text/event-stream, application/problem+json", "Cache-Control": "no-cache"})
        if self.position.cursor is not None:
            request.headers["Last-Event-ID"] = self.position.cursor
        response: Response = yield Open(request, limit)
        if response.status != 200 or response.media_type != "text/event-stream":
            raise Refused(response.status, response.headers, response.content)
        self._reason, self._was_rejected = "connect", False
        frames = FrameReader(self._config.max_event_bytes)
        mute: float | None = min(MAX_MUTE, self._config.connect_timeout)  # until the first event
        while piece := (yield Read(mute, self._silence)):
            for frame in frames.feed(piece):
                if frame.data is not None or frame.id is not None:
                    mute = None
                    self._pages.end()
                yield from self._handle(frame, whole)

    def _poll(self, whole: bool) -> Flow[None]:
        """Asks for one page after another, and emits what a stream would have."""
        mode: str | None = None  # of the stream that the pages stand for
        waits = False
        while True:
            began, before = time.monotonic(), self.position.cursor
            page, text = yield from self._page(waits)
            events, mode, cursor = events_of(page, text, mode)
            yield from self._take([*events[:-1], replace(events[-1], cursor=cursor)], cursor, whole)
            if mode == "draining" or self._is_expired:
                return
            if self._pages.is_probe_due:
                raise ChangeTransport("try a stream")
            has_more = page.get("more") is True
            if not page["events"] and (waits or (has_more and cursor == before)):
                yield Sleep(began + MIN_PAUSE - time.monotonic())
            waits = not has_more

    def _page(self, waits: bool) -> Flow[tuple[Any, str]]:
        cursor = self.position.cursor
        replaced = {"batch"} | ({"since", "lastEventId"} if cursor is not None else set())
        params = [(name, value) for name, value in self._params if name not in replaced]
        if cursor is not None:
            params.append(("since", cursor))
        if waits:
            params.append(("wait", f"{int(1000 * min(LONGEST_WAIT, self._config.idle_timeout / 2))}ms"))
        request = yield from make_request(self._config, "GET", ("events",), params, self._reason)
        request.headers["Accept"] = "application/json"
        try:
            response: Response = yield Fetch(request)
        except NoResponse as error:
            if error.is_timeout:
                raise StreamMute(self._config.idle_timeout) from error
            raise
        page = json_of(self._config, response)
        self._reason, self._was_rejected = "connect", False
        return page, response.content.decode("utf-8")

    def _handle(self, frame: Frame, whole: bool) -> Flow[None]:
        if frame.retry is not None:
            self._retry = frame.retry
        events: list[Event] = []
        if frame.data:
            try:
                events = parse_events(frame.data, frame.id, self._config.loads)
            except NotAnEvent as error:
                self._config.on_status(Status(error, None))
        yield from self._take(events, frame.id, whole)

    def _take(self, events: list[Event], cursor: str | None, whole: bool) -> Flow[None]:
        self._failures = 0
        is_complete = not events and self.position.advance(cursor)
        for event in events:  # several are a batch: each is seen once it is emitted
            if event.sync is not None:
                yield from self._sync(event, whole)
            is_new = event.id is None or self.position.admit(event.id)
            if event is events[-1]:
                # The cursor moves first: a program that leaves its loop with the event has seen it.
                is_complete = self.position.advance(cursor)
            if is_new:
                yield from self._emit(event, whole)
        if is_complete and self._held:
            held, self._held = self._held, []
            yield Emit(held)

    def _emit(self, event: Event, whole: bool) -> Flow[None]:
        """Emits an event, or holds it until its transaction is complete."""
        if not whole:
            yield Emit(event)
        elif event.sync is not None or event.is_heartbeat:
            yield Emit([event])
        else:
            self._held.append(event)

    def _sync(self, event: Event, whole: bool) -> Flow[None]:
        """Applies what a sync says about the events after it.

        A live that is not the first event of its stream follows a stale, and changes nothing.
        """
        sync = event.sync
        assert sync is not None
        is_first, self._is_synced = not self._is_synced, True
        if is_first:
            self._silence = silence_of(sync, self._config.idle_timeout)
        if sync.mode == "reset" or (sync.mode == "live" and is_first):
            self._interrupt(whole)
            self.position.reset()
        elif sync.repeats:
            self.position.expect_repeats()
        elif sync.mode == "expired":
            self._is_expired = True
        if is_first and sync.connection is not None and self._config.has_token:
            yield StartRenewal(renewal_flow(self._config, event))


