"""The transactions that a list contains."""

from __future__ import annotations


class Snapshot:
    """A set of transactions, as PostgreSQL's pg_snapshot writes it: "100:105:100,103". Of another text it is empty."""

    def __init__(self, text: str = "") -> None:
        self._next = 0  # this transaction and later ones are not in it
        self._open: frozenset[int] = frozenset()  # earlier ones that are not in it either
        parts = text.split(":")
        if len(parts) == 3 and parts[1].isascii() and parts[1].isdigit():
            self._next = int(parts[1])
            self._open = frozenset(int(xid) for xid in parts[2].split(",") if xid.isascii() and xid.isdigit())

    def __contains__(self, xid: str | None) -> bool:
        """Says whether a transaction is in the snapshot. One that is not known is not."""
        if xid is None or not (xid.isascii() and xid.isdigit()):
            return False
        return int(xid) < self._next and int(xid) not in self._open
