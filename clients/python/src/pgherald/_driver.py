"""Runs flows with blocking calls."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx

from ._detached import Calls, Closed, Late, Waiter
from ._effects import Close, Config, Emit, Fetch, Flow, GetToken, Open, Read, Request, Response, Sleep, StartRenewal
from ._errors import PgheraldError, StreamMute, TokenError, TokenExpired
from ._options import MAX_ERROR, NETWORK_ERRORS, is_stream, network_error, request_arguments, response_of, silent
from ._silence import Watchdog

T = TypeVar("T")

Token = Callable[[str], "str | None"]


class Driver:
    """Does what one flow yields. Another thread may close it."""

    def __init__(self, config: Config, http: httpx.Client, token: Token | None, calls: Calls) -> None:
        self._config = config
        self._http = http
        self._token = token
        self._calls = calls
        self._waiter = Waiter(calls)
        self._response: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._watchdog: Watchdog | None = None
        self._renewal: Driver | None = None
        self._renewal_thread: threading.Thread | None = None
        self._needs_token = False

    def run(self, flow: Flow[T]) -> T:
        """Returns the flow's result. The flow emits nothing."""
        answer: Any = None
        error: PgheraldError | None = None
        try:
            while True:
                try:
                    effect = flow.send(answer) if error is None else flow.throw(error)
                except StopIteration as end:
                    result: T = end.value
                    return result
                answer, error = self._answer(effect)
        finally:
            flow.close()

    def items(self, flow: Flow[None]) -> Iterator[Any]:
        """Yields what the flow emits, until it ends or the driver is closed."""
        answer: Any = None
        error: PgheraldError | None = None
        try:
            while not self._waiter.is_closed:
                effect = flow.send(answer) if error is None else flow.throw(error)
                if isinstance(effect, Emit):
                    answer, error = None, None
                    yield effect.item
                else:
                    answer, error = self._answer(effect)
        except (StopIteration, Closed):
            return
        finally:
            flow.close()
            self._close_stream()

    def close(self) -> None:
        """Ends the flow: what blocks in another thread returns."""
        self._waiter.close()
        self._shut_down()

    def _answer(self, effect: object) -> tuple[Any, PgheraldError | None]:
        try:
            return self._perform(effect), None
        except PgheraldError as error:
            if self._waiter.is_closed:
                raise Closed from error
            return None, error

    def _perform(self, effect: object) -> Any:
        match effect:
            case Fetch(request):
                return self._fetch(request)
            case Open(request, limit):
                return self._open(request, limit)
            case Read(limit, silence):
                return self._read_watched(silence) if limit is None else self._read_within(limit)
            case Close():
                return self._close_stream()
            case Sleep(seconds):
                self._waiter.sleep(seconds)
            case GetToken(reason):
                return self._get_token(reason)
            case StartRenewal(flow):
                self._start_renewal(flow)
        return None

    def _get_token(self, reason: str) -> str | None:
        assert self._token is not None
        try:
            return self._token(reason)
        except Exception as error:
            raise TokenError(f"get a token: {error}") from error

    def _fetch(self, request: Request) -> Response:
        built = self._http.build_request(**request_arguments(self._config, request, False))  # type: ignore[arg-type]
        try:
            response = self._waiter.call(lambda: self._http.send(built), httpx.Response.close)
        except NETWORK_ERRORS as error:
            raise network_error(error, "fetch") from error
        return response_of(response, response.content)

    def _open(self, request: Request, limit: float) -> Response:
        built = self._http.build_request(**request_arguments(self._config, request, True))  # type: ignore[arg-type]
        try:
            response = self._waiter.call(lambda: self._http.send(built, stream=True), httpx.Response.close, limit)
            self._response, self._needs_token = response, False
            if self._waiter.is_closed:  # which did not see the response
                raise Closed
            self._pieces = response.iter_bytes()
            content = b"" if is_stream(response) else next(self._pieces, b"")[:MAX_ERROR]
        except Late as error:
            raise StreamMute(limit) from error
        except NETWORK_ERRORS as error:
            raise network_error(error, "open") from error
        return response_of(response, content)

    def _read_within(self, limit: float) -> bytes:
        try:
            return self._waiter.call(self._read, lambda piece: None, limit)
        except Late as error:
            self._shut_down()
            raise StreamMute(limit) from error

    def _read_watched(self, silence: float | None) -> bytes:
        if silence is None:
            return self._read()
        if self._watchdog is None:
            self._watchdog = Watchdog(silence, self._shut_down)
        self._watchdog.begin()
        try:
            piece = self._read()
        except PgheraldError as error:
            if self._watchdog.has_ended:
                raise silent() from error
            raise
        finally:
            self._watchdog.pause()
        if not piece and self._watchdog.has_ended:
            raise silent()
        return piece

    def _read(self) -> bytes:
        try:
            piece = next(self._pieces, b"")
        except NETWORK_ERRORS as error:
            if self._needs_token:
                raise TokenExpired("the token could not be renewed") from error
            raise network_error(error, "read") from error
        if self._needs_token:
            raise TokenExpired("the token could not be renewed")
        return piece

    def _close_stream(self) -> None:
        if self._renewal is not None and self._renewal_thread is not None:
            self._renewal.close()
            if self._renewal_thread is not threading.current_thread():
                self._renewal_thread.join()
            self._renewal = self._renewal_thread = None
        if self._watchdog is not None:
            self._watchdog.stop()
            self._watchdog = None
        if self._response is not None:
            with contextlib.suppress(*NETWORK_ERRORS):
                self._response.close()
            self._response, self._pieces = None, iter(())

    def _start_renewal(self, flow: Flow[bool]) -> None:
        driver = Driver(self._config, self._http, self._token, self._calls)

        def renew() -> None:
            with contextlib.suppress(Closed):
                if driver.run(flow):
                    self._needs_token = True
                    self._shut_down()

        self._renewal = driver
        self._renewal_thread = threading.Thread(target=renew, name="pgherald-renewal", daemon=True)
        self._renewal_thread.start()

    def _shut_down(self) -> None:
        """Makes a read in another thread return: to close a socket does not."""
        response = self._response
        stream = None if response is None else response.extensions.get("network_stream")
        connection = None if stream is None else stream.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
