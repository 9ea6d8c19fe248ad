"""Flows of single requests."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

from ._effects import Config, Fetch, Flow, GetToken, Request, Response, Sleep, Status, TokenReason
from ._errors import NoResponse, PgheraldError, Refused, demanded_delay
from ._filters import Params

T = TypeVar("T")

# Bounds of the delay before another attempt, in seconds.
_MIN_BACKOFF = 1.0  # upper bound of the random part after the first failure; it doubles
_MAX_BACKOFF = 30.0
_MAX_RETRY_AFTER = 3600.0  # longest delay that a server may demand

# Keys that are the same in every path. Proxies change paths with others, such as "..".
_PLAIN_KEY = re.compile(r"[\w-]+", re.ASCII)


def backoff(config: Config, demanded: float, failures: int) -> float:
    """Returns the delay that the server demands, plus a random part whose bound doubles with every failure.

    The random part spreads the reconnects of clients that lost the same server.
    """
    bound = min(_MIN_BACKOFF * 2 ** min(failures - 1, 10), _MAX_BACKOFF)
    return min(demanded, _MAX_RETRY_AFTER) + config.jitter(bound)


def make_request(
    config: Config, method: str, parts: tuple[str, ...], params: Params, reason: TokenReason
) -> Flow[Request]:
    headers = dict(config.headers)
    if config.has_token and (token := (yield GetToken(reason))):
        headers["Authorization"] = f"Bearer {token}"
    path = "/".join(_segment(part) for part in parts)
    return Request(method, f"{config.url}/api/{path}", params, headers)


def _segment(part: str) -> str:
    return quote(part, safe="") if part.strip(".") else part.replace(".", "%2E")


def get_json(config: Config, parts: tuple[str, ...], params: Params) -> Flow[Any]:
    """Makes one attempt, and another with a new token after a 401."""
    reason: TokenReason = "connect"
    while True:
        request = yield from make_request(config, "GET", parts, params, reason)
        request.headers["Accept"] = "application/json"
        response: Response = yield Fetch(request)
        if response.status == 401 and config.has_token and reason == "connect":
            reason = "rejected"
            continue
        return json_of(config, response)


def json_of(config: Config, response: Response) -> Any:
    if response.status != 200 or response.media_type != "application/json":
        raise Refused(response.status, response.headers, response.content)
    try:
        return config.loads(response.content.decode("utf-8"))
    except ValueError as error:
        raise NoResponse(f"read the response: {error}") from error


def get_row(config: Config, name: str, key: str) -> Flow[dict[str, Any] | None]:
    is_plain = _PLAIN_KEY.fullmatch(key) is not None
    parts = ("collections", name, key) if is_plain else ("collections", name)
    try:
        row: dict[str, Any] = yield from get_json(config, parts, [] if is_plain else [("key", key)])
    except Refused as error:
        if error.status == 404 and error.is_servers:
            return None
        raise
    return row


def retried(config: Config, attempt: Callable[[], Flow[T]]) -> Flow[T]:
    """Makes attempts until one succeeds or another cannot help."""
    failures = 0
    while True:
        try:
            return (yield from attempt())
        except PgheraldError as error:
            demanded = demanded_delay(error)
            if demanded is None:
                raise
            failures += 1
            delay = backoff(config, demanded, failures)
            config.on_status(Status(error, delay))
        yield Sleep(delay)
