"""What a flow wants done. Flows hold the logic; a driver, with threads or with asyncio, does what they yield."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from ._errors import PgheraldError
from ._events import Loads
from ._filters import Params

T = TypeVar("T")

TokenReason = Literal["connect", "renew", "rejected"]

# How events are received: a stream, pages (long polling), or by default a stream, and pages where a proxy lets none through.
Transport = Literal["auto", "stream", "poll"]


@dataclass(frozen=True, slots=True)
class Status:
    """What a stream or a collection does between events."""

    error: PgheraldError  # why the connection or the request ended, or why a frame was skipped
    retry_in: float | None  # seconds until the next attempt; None if the stream just goes on, or asks for pages instead


@dataclass(frozen=True, slots=True)
class Config:
    """How a client connects."""

    url: str  # without a slash at the end
    headers: Mapping[str, str]
    has_token: bool
    transport: Transport
    connect_timeout: float
    idle_timeout: float
    max_event_bytes: int
    on_status: Callable[[Status], None]
    loads: Loads
    jitter: Callable[[float], float]  # random, from 0 to its argument


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    params: Params
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str]  # with lower-case names
    content: bytes = b""  # of a stream: empty

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Fetch:
    """Send a request and read the whole Response."""

    request: Request


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request, and read the Response unless it is an event stream, which stays open.

    Raises StreamMute if the response takes longer than the limit, in seconds.
    """

    request: Request
    limit: float


@dataclass(frozen=True, slots=True)
class Read:
    """Read bytes of the open stream; none at its end. Raises TokenExpired if the renewal wants that.

    Raises StreamMute if they take longer than the limit, in seconds, and NoResponse if they take longer than the silence;
    without either, idle_timeout counts.
    """

    limit: float | None = None
    silence: float | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """Close the stream, if one is open, and end its renewal."""


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


@dataclass(frozen=True, slots=True)
class GetToken:
    """Call the token callback; the answer is a token or None."""

    reason: TokenReason


@dataclass(frozen=True, slots=True)
class StartRenewal:
    """Run a flow beside this one until the stream is closed. If it returns True, the stream needs another token."""

    flow: Flow[bool]


@dataclass(frozen=True, slots=True)
class Emit(Generic[T]):
    """Yield an item to the program."""

    item: T


Effect = Fetch | Open | Read | Close | Sleep | GetToken | StartRenewal | Emit[Any]
Flow = Generator[Effect, Any, T]
