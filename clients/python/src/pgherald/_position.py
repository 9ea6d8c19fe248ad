"""Where a stream is."""

from __future__ import annotations

from collections import deque

# The number of events that a stream remembers for a server that says that events may come again.
_MAX_RECENT = 1 << 16


class Position:
    """The cursor after the last complete transaction, and the events received since.

    Within a connection no event comes twice. After a reconnect the server sends every transaction that the cursor does
    not contain. A transaction whose last event did not arrive comes again as a whole, and several come in any order.
    A cursor without room for all that was received makes the server say that events repeat.
    """

    def __init__(self, cursor: str | None) -> None:
        self.cursor = cursor
        self._current: set[int] = set()  # received, of the transaction that is arriving
        self._partial: set[int] = set()  # received, of transactions that a broken connection cut
        self._recent: deque[int] = deque(maxlen=_MAX_RECENT)  # of complete transactions
        self._repeats: set[int] = set()  # what _recent held when the server said that events repeat

    def admit(self, event_id: int) -> bool:
        """Says whether an event is new, and remembers it."""
        is_known = event_id in self._partial or event_id in self._repeats
        self._partial.discard(event_id)
        self._repeats.discard(event_id)
        self._current.add(event_id)  # also if it is known: its transaction may be cut again
        return not is_known

    def advance(self, cursor: str | None) -> bool:
        """Moves to the cursor of a complete transaction, and says whether it is another one."""
        if cursor is None or cursor == self.cursor or not is_cursor(cursor):
            return False
        self.cursor = cursor
        self._recent.extend(self._current)
        self._current.clear()
        return True

    def interrupt(self) -> None:
        """Records that the connection has ended: the present transaction comes again."""
        self._partial |= self._current
        self.discard()

    def discard(self) -> None:
        """Does the same for a consumer that has dropped the events of the present transaction."""
        self._current.clear()
        self._repeats.clear()

    def expect_repeats(self) -> None:
        """Records that the server may send events again that it has sent before."""
        self._repeats = set(self._recent)

    def reset(self) -> None:
        """Forgets all events: the server continues from its present head, and sends no earlier one."""
        for known in (self._current, self._partial, self._repeats):
            known.clear()
        self._recent.clear()


def is_cursor(text: str) -> bool:
    """Says whether a text is safe in a request header."""
    return 0 < len(text) <= 4096 and all("!" <= c <= "~" for c in text)
