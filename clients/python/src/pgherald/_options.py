"""What both clients share."""

from __future__ import annotations

import json
import random
import ssl
from collections.abc import Callable, Mapping
from typing import get_args

import httpx

from ._effects import Config, Request, Response, Status, Transport
from ._errors import NoResponse, PgheraldError
from ._events import Loads

# The most bytes of a response that is no stream, if it is an error.
_MAX_ERROR = 16 << 10


def make_config(
    url: str,
    *,
    has_token: bool = False,
    headers: Mapping[str, str] | None = None,
    transport: Transport = "auto",
    connect_timeout: float = 30.0,
    idle_timeout: float = 75.0,
    max_event_bytes: int = 128 << 20,
    on_status: Callable[[Status], None] | None = None,
    loads: Loads = json.loads,
) -> Config:
    if transport not in get_args(Transport):
        raise ValueError(f"the transport must be auto, stream or poll, not {transport!r}")
    parsed = httpx.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("the server's URL must be one like https://example.com")
    base = url.partition("?")[0].partition("#")[0].rstrip("/").removesuffix("/api/events")
    return Config(
        url=base,
        headers={"User-Agent": "pgherald-python", **(headers or {})},
        has_token=has_token,
        transport=transport,
        connect_timeout=connect_timeout,
        idle_timeout=idle_timeout,
        max_event_bytes=max_event_bytes,
        on_status=on_status or (lambda status: None),
        loads=loads,
        jitter=lambda bound: random.uniform(0, bound),
    )


def request_arguments(config: Config, request: Request, is_stream: bool) -> dict[str, object]:
    """Returns the arguments of httpx's build_request."""
    headers = dict(request.headers)
    if is_stream:
        headers.setdefault("Accept-Encoding", "identity")  # a compressor would delay events
    read = config.idle_timeout if is_stream else min(30.0, config.idle_timeout)
    return {
        "method": request.method,
        "url": request.url,
        "params": request.params,
        "headers": headers,
        "timeout": httpx.Timeout(config.connect_timeout, read=read, pool=None),
    }


def response_of(response: httpx.Response, content: bytes = b"") -> Response:
    return Response(response.status_code, {k.lower(): v for k, v in response.headers.items()}, content)


def is_stream(response: httpx.Response) -> bool:
    return response_of(response).media_type == "text/event-stream" and response.status_code == 200


def silent() -> NoResponse:
    """Returns the error of a stream on which nothing arrived for too long."""
    return NoResponse("nothing arrived, not even a heartbeat", is_timeout=True)


def network_error(error: Exception, doing: str) -> PgheraldError:
    """Converts an error of httpx. The text has no URL, which may hold a secret."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return NoResponse(f"the server's certificate is not trusted: {cause}", is_temporary=False)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ReadTimeout):
        return silent() if doing == "read" else NoResponse("no response in time", is_timeout=True)
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects)):
        return NoResponse(f"no response: {type(error).__name__}", is_temporary=False)
    what = "the connection broke" if doing == "read" else "no response"
    return NoResponse(f"{what}: {error or type(error).__name__}")


# What httpx raises; a socket that another thread closes raises OSError or ValueError.
NETWORK_ERRORS = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError)
MAX_ERROR = _MAX_ERROR
