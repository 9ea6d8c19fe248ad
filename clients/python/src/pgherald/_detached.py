"""Calls that block, in threads of their own: Python cannot interrupt a connect, a TLS handshake or a lookup of a name."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ._errors import PgheraldError

T = TypeVar("T")


class Closed(PgheraldError):
    """The program has closed the stream."""


class Late(Exception):
    """A call took longer than its limit."""


class Calls:
    """The threads of a client that may still run. A call that is no longer wanted ends with its own time limit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    @property
    def are_running(self) -> bool:
        with self._lock:
            return any(thread.is_alive() for thread in self._threads)

    def begin(self, run: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=run, name="pgherald-call", daemon=True)
        with self._lock:
            self._threads = {t for t in self._threads if t.is_alive()} | {thread}
            thread.start()
        return thread


class Waiter:
    """Waits for calls, until another thread closes it."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._changed = threading.Condition()
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def sleep(self, seconds: float) -> None:
        with self._changed:
            if self._changed.wait_for(lambda: self._is_closed, max(0.0, seconds)):
                raise Closed

    def call(self, work: Callable[[], T], discard: Callable[[T], None], limit: float | None = None) -> T:
        """Returns the result of a call, or raises its error.

        If it is closed, or the limit has passed, it raises Closed or Late at once. discard frees what the call returns
        after that.
        """
        outcome: list[tuple[Any, BaseException | None]] = []
        is_unwanted = False

        def run() -> None:
            result, error = None, None
            try:
                result = work()
            except BaseException as caught:
                error = caught
            with self._changed:
                outcome.append((result, error))
                self._changed.notify_all()
                if not is_unwanted:
                    return
            if error is None:
                with contextlib.suppress(Exception):
                    discard(result)  # type: ignore[arg-type]

        self._calls.begin(run)
        with self._changed:
            try:
                self._changed.wait_for(lambda: outcome or self._is_closed, limit)
                is_unwanted = self._is_closed or not outcome
            except BaseException:  # such as KeyboardInterrupt
                is_unwanted = True
                raise
            done = list(outcome)
        if done and is_unwanted and done[0][1] is None:
            discard(done[0][0])
        if self._is_closed:
            raise Closed
        if not done:
            raise Late
        result, error = done[0]
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]
