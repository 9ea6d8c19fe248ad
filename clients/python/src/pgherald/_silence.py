"""How long nothing may arrive on a stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ._events import Sync

# What may delay a heartbeat on its way, in seconds.
_SLACK = 2.0


def silence_of(sync: Sync, limit: float) -> float | None:
    """Returns how long nothing may arrive after the first sync, in seconds, if that is shorter than the limit.

    At least two heartbeats are missing then, of a server that says how often they come.
    """
    interval = sync.heartbeat
    if not isinstance(interval, (int, float)) or interval <= 0:
        return None
    silence = 2.5 * interval / 1000 + _SLACK
    return silence if silence < limit else None


class Watchdog:
    """Ends a read that takes too long, from a thread of its own.

    httpx takes the limit of all reads of a response before the first one, and a thread for each read would cost more than
    the read.
    """

    def __init__(self, silence: float, end: Callable[[], None]) -> None:
        self.has_ended = False
        self._silence = silence
        self._end = end
        self._since: float | None = None  # when the present read began
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pgherald-watchdog", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Watches a read."""
        self._since = time.monotonic()

    def pause(self) -> None:
        """Watches nothing: the program takes the time that it needs."""
        self._since = None

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        left = self._silence
        while not self._stopped.wait(left):
            since = self._since
            left = self._silence if since is None else since + self._silence - time.monotonic()
            if left <= 0:
                self.has_ended = True
                return self._end()
