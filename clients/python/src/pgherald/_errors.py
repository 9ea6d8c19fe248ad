"""What can go wrong."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping


class PgheraldError(Exception):
    """The base of all errors of this package."""


class EventTooLong(PgheraldError):
    """An event is longer than max_event_bytes. It would arrive again after every reconnect, so the stream has ended."""

    def __init__(self) -> None:
        super().__init__("read an event: it is longer than max_event_bytes")


class StreamEnded(PgheraldError):
    """The server ended a stream. Only on_status receives it: the stream connects again."""

    def __init__(self) -> None:
        super().__init__("the server ended the stream")


class StreamMute(PgheraldError):
    """A stream did not begin in time. Only on_status receives it: the client connects again, or asks for pages."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the stream did not begin, for {seconds:g} s")


class NotAnEvent(PgheraldError):
    """A frame is not an event. Only on_status receives it: the stream goes on."""


class NoSuchCollection(PgheraldError):
    """The server has no collection with this name."""


class TokenError(PgheraldError):
    """The token callback raised its cause. A stream tries again."""


class Refused(PgheraldError):
    """The response is not the requested one."""

    def __init__(self, status: int, headers: Mapping[str, str], content: bytes = b"") -> None:
        self.status = status
        self.content_type = headers.get("content-type", "")
        self.retry_after = _retry_after(headers.get("retry-after", ""))
        self.is_servers = False  # the response has problem details, as pgherald's have, and is not a proxy's
        self.code = self.detail = ""
        if self.content_type.partition(";")[0].strip().lower() == "application/problem+json":
            try:
                problem = json.loads(content)
                self.code, self.detail = str(problem.get("code", "")), str(problem.get("detail", ""))
                self.is_servers = True
            except (ValueError, AttributeError):
                pass
        super().__init__(self._text())

    def _text(self) -> str:
        if self.status == 200:
            return f"the response is {self.content_type or 'without a content type'}, which was not requested"
        return f"the server answered {self.status}" + (f", {self.detail}" if self.detail else "")

    @property
    def is_temporary(self) -> bool:
        """Whether another attempt may succeed."""
        return self.status in (408, 425, 429) or self.status >= 500


def _retry_after(value: str) -> float:
    """Returns the delay of a Retry-After header, seconds or a date. An invalid or past value is 0."""
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0


class NoResponse(PgheraldError):
    """The network gave no response, or the connection broke. A stream tries again."""

    def __init__(self, message: str, *, is_temporary: bool = True, is_timeout: bool = False) -> None:
        super().__init__(message)
        self.is_temporary = is_temporary
        self.is_timeout = is_timeout


class TokenExpired(PgheraldError):
    """The token of a stream has expired or could not be renewed. Only on_status receives it."""


def demanded_delay(error: PgheraldError) -> float | None:
    """Returns the delay that an error demands before another attempt, or None if that would not help."""
    if isinstance(error, Refused):
        return error.retry_after if error.is_temporary else None
    if isinstance(error, NoResponse):
        return 0.0 if error.is_temporary else None
    return 0.0 if isinstance(error, (StreamEnded, StreamMute, TokenError, TokenExpired)) else None
