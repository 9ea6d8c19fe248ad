"""Parses the format of event streams as the HTML standard has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ._errors import EventTooLong

_LINE_END = re.compile(rb"[\r\n]")
_DIGITS = re.compile(rb"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Frame:
    """One block of a stream, up to its blank line."""

    id: str | None  # of its last id line
    data: str | None
    retry: float | None  # of its last retry line, in seconds


class FrameReader:
    """Takes the bytes of a stream in any pieces. Its time is linear in the bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit  # of the lines of a frame, in bytes
        self._line = bytearray()
        self._data: list[bytes] = []
        self._id: str | None = None
        self._retry: float | None = None
        self._size = 0  # of the present frame
        self._begun = False  # only the first line can begin with a byte order mark
        self._skips_lf = False  # the last line ended with CR: an LF that follows belongs to it

    def feed(self, piece: bytes) -> Iterator[Frame]:
        """Yields the frames that the piece completes. What the end of the stream cuts is never one."""
        at = 0
        while at < len(piece):
            if self._skips_lf:
                self._skips_lf = False
                if piece[at] == 0x0A:
                    at += 1
                    continue
            end = _LINE_END.search(piece, at)
            stop = end.start() if end else len(piece)
            self._size += stop - at
            if self._size > self._limit:
                raise EventTooLong
            self._line += piece[at:stop]
            if end is None:
                return
            at = stop + 1
            self._skips_lf = piece[stop] == 0x0D
            line, self._line = bytes(self._line), bytearray()
            if not self._begun:
                self._begun = True
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line:
                self._field(line)
            elif (frame := self._take()) is not None:
                yield frame

    def _take(self) -> Frame | None:
        data = b"\n".join(self._data).decode("utf-8", "replace") if self._data else None
        frame = Frame(self._id, data, self._retry)
        self._data, self._id, self._retry, self._size = [], None, None, 0
        return frame if frame != Frame(None, None, None) else None

    def _field(self, line: bytes) -> None:
        """Applies a line that is not empty. Comments and unknown fields change nothing."""
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace") or None
        elif name == b"retry" and _DIGITS.fullmatch(value):
            self._retry = int(value) / 1000
