"""Runs flows with asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import httpx

from ._effects import Close, Config, Emit, Fetch, Flow, GetToken, Open, Read, Request, Response, Sleep, StartRenewal
from ._errors import PgheraldError, StreamMute, TokenError, TokenExpired
from ._options import MAX_ERROR, NETWORK_ERRORS, is_stream, network_error, request_arguments, response_of, silent

T = TypeVar("T")

AsyncToken = Callable[[str], Awaitable["str | None"]]


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def _end(*tasks: asyncio.Future[Any]) -> None:
    """Cancels tasks and waits for them. It does not hide that the task that calls it is cancelled, too."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, PgheraldError):
            raise error


class AsyncDriver:
    """Does what one flow yields."""

    def __init__(self, config: Config, http: httpx.AsyncClient, token: AsyncToken | None) -> None:
        self._config = config
        self._http = http
        self._token = token
        self._response: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes] = _nothing()
        self._renewal: asyncio.Task[None] | None = None
        self._needs_token = asyncio.Event()

    async def run(self, flow: Flow[T]) -> T:
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
                answer, error = await self._answer(effect)
        finally:
            flow.close()

    async def items(self, flow: Flow[None]) -> AsyncGenerator[Any, None]:
        """Yields what the flow emits, until it ends."""
        answer: Any = None
        error: PgheraldError | None = None
        try:
            while True:
                try:
                    effect = flow.send(answer) if error is None else flow.throw(error)
                except StopIteration:
                    return
                if isinstance(effect, Emit):
                    answer, error = None, None
                    yield effect.item
                else:
                    answer, error = await self._answer(effect)
        finally:
            flow.close()
            await self._close_stream()

    async def _answer(self, effect: object) -> tuple[Any, PgheraldError | None]:
        try:
            return await self._perform(effect), None
        except PgheraldError as error:
            return None, error

    async def _perform(self, effect: object) -> Any:
        match effect:
            case Fetch(request):
                return await self._fetch(request)
            case Open(request, limit):
                return await self._within(limit, self._open(request))
            case Read(None, silence):
                return await self._read_watched(silence)
            case Read(limit):
                return await self._within(limit, self._read())
            case Close():
                return await self._close_stream()
            case Sleep(seconds):
                await asyncio.sleep(max(0.0, seconds))
            case GetToken(reason):
                return await self._get_token(reason)
            case StartRenewal(flow):
                self._renewal = asyncio.create_task(self._renew(flow))
        return None

    async def _within(self, limit: float | None, work: Coroutine[Any, Any, T]) -> T:
        """Returns the result of work. asyncio.timeout would not see the end of what anyio 3 cancels."""
        if limit is None:
            return await work
        task = asyncio.create_task(work)
        try:
            done, _ = await asyncio.wait({task}, timeout=limit)
            if not done:
                raise StreamMute(limit)
            return await task
        finally:
            await _end(task)

    async def _get_token(self, reason: str) -> str | None:
        assert self._token is not None
        try:
            return await self._token(reason)
        except Exception as error:
            raise TokenError(f"get a token: {error}") from error

    async def _fetch(self, request: Request) -> Response:
        try:
            built = self._http.build_request(**request_arguments(self._config, request, False))  # type: ignore[arg-type]
            response = await self._http.send(built)
        except NETWORK_ERRORS as error:
            raise network_error(error, "fetch") from error
        return response_of(response, response.content)

    async def _open(self, request: Request) -> Response:
        try:
            built = self._http.build_request(**request_arguments(self._config, request, True))  # type: ignore[arg-type]
            response = await self._http.send(built, stream=True)
            self._response = response
            self._needs_token.clear()
            self._pieces = response.aiter_bytes()
            content = b"" if is_stream(response) else (await anext(self._pieces, b""))[:MAX_ERROR]
        except NETWORK_ERRORS as error:
            raise network_error(error, "open") from error
        return response_of(response, content)

    async def _read_watched(self, silence: float | None) -> bytes:
        try:
            return await self._within(silence, self._read())
        except StreamMute as error:
            raise silent() from error

    async def _read(self) -> bytes:
        if self._renewal is None:
            return await self._next_piece()
        # The renewal may want another connection while nothing arrives.
        reading = asyncio.ensure_future(self._next_piece())
        waiting = asyncio.ensure_future(self._needs_token.wait())
        try:
            await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if self._needs_token.is_set():
                raise TokenExpired("the token could not be renewed")
            return await reading
        finally:
            await _end(reading, waiting)

    async def _next_piece(self) -> bytes:
        try:
            return await anext(self._pieces, b"")
        except NETWORK_ERRORS as error:
            raise network_error(error, "read") from error

    async def _renew(self, flow: Flow[bool]) -> None:
        driver = AsyncDriver(self._config, self._http, self._token)
        if await driver.run(flow):
            self._needs_token.set()

    async def _close_stream(self) -> None:
        if self._renewal is not None:
            await _end(self._renewal)
            self._renewal = None
        if self._response is not None:
            with contextlib.suppress(*NETWORK_ERRORS):
                await self._response.aclose()
            self._response, self._pieces = None, _nothing()
