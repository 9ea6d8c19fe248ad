"""Renews the token of an open stream."""

from __future__ import annotations

import json
import time

from ._effects import Config, Fetch, Flow, Response, Sleep
from ._errors import PgheraldError, Refused
from ._events import Event
from ._requests import make_request

# The delay before another attempt to renew a token, in seconds.
_RETRY = 5.0


class _OtherRights(PgheraldError):
    """The new token has other rights: the stream lasts until the old one expires."""


def renewal_flow(config: Config, first: Event) -> Flow[bool]:
    """Renews the token again and again. Returns True if the stream needs a new connection instead.

    The end of the token is by the server's clock, so the first event's timestamp says how much time is left.
    """
    sync = first.sync
    if sync is None or sync.connection is None or not sync.expires:
        return False
    ahead = first.timestamp / 1000 - time.time() if first.timestamp else 0.0
    expires = sync.expires
    pause = 0.0  # the least one: a server that does not extend the token must not make the client spin
    while True:
        left = expires / 1000 - (time.time() + ahead)
        # When a fifth of the time is left, or a minute if that is more, but at most half of it.
        yield Sleep(max(pause, left - max(left / 5, min(60.0, left / 2))))
        pause = 1.0
        try:
            expires = yield from _renew(config, sync.connection, expires / 1000 - ahead)
        except _OtherRights:
            return False
        except PgheraldError:
            return True


def _renew(config: Config, connection: str, end: float) -> Flow[int]:
    """Tries to renew the token as long as there is time. Returns the new end."""
    while True:
        try:
            request = yield from make_request(config, "POST", ("events", connection, "token"), [], "renew")
            response: Response = yield Fetch(request)
            if response.status == 200:
                return int(json.loads(response.content)["expires"])
            raise Refused(response.status, response.headers, response.content)
        except Refused as error:
            if error.status == 409:
                raise _OtherRights from error
            if error.status == 404 or end - time.time() <= _RETRY:
                raise
        except PgheraldError:
            if end - time.time() <= _RETRY:
                raise
        except (ValueError, KeyError, TypeError) as error:
            raise PgheraldError("the response to a renewal is not one of pgherald") from error
        yield Sleep(_RETRY)
