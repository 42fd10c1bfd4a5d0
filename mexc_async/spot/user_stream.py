"""Listen keys, which open the private push streams. MEXC's page "Websocket User Data Streams"."""

from __future__ import annotations

from mexc_async.core.endpoint import Auth, Cost, Priority, Request, Resource, Route, call
from mexc_async.core.fields import Hiding
from mexc_async.spot.models import Answer


class ListenKey(Hiding, Answer, frozen=True, kw_only=True):
    """A key for a private stream; who has it can read the account's pushes, so it is kept out of logs."""

    hidden = ("listen_key",)
    listen_key: str


class ListenKeys(Hiding, Answer, frozen=True, kw_only=True):
    """The account's keys that are in force."""

    hidden = ("listen_key",)
    listen_key: list[str]
    total: int | None = None
    """How many there may be."""
    available: int | None = None
    """How many more."""


def _route(method: str) -> Route:
    """None of these calls changes anything of the account, and each may be repeated."""
    permission, costs = "SPOT_ACCOUNT_READ", (Cost("ip"),)
    return Route(method, "/api/v3/userDataStream", Auth.SIGNED, permission, costs, Priority.ACCOUNT, safe=True)


class CreateListenKey(Request[ListenKey], frozen=True, kw_only=True):
    """A listen key, valid for 60 minutes; it may be one that is already in force."""

    route = _route("POST")


class ListenKeysQuery(Request[ListenKeys], frozen=True, kw_only=True):
    """The listen keys in force."""

    route = _route("GET")


class KeepAliveListenKey(Hiding, Request[ListenKey], frozen=True, kw_only=True):
    """Make a listen key valid for 60 minutes from now. Raises ListenKeyInvalid for one that ran out."""

    route = _route("PUT")
    hidden = ("listen_key",)
    listen_key: str


class CloseListenKey(Hiding, Request[ListenKey], frozen=True, kw_only=True):
    """End a listen key and its stream. Raises ListenKeyInvalid for one that ran out."""

    route = _route("DELETE")
    hidden = ("listen_key",)
    listen_key: str


class UserStreams(Resource):
    """Listen keys."""

    create_listen_key = call(CreateListenKey)
    list_listen_keys = call(ListenKeysQuery)
    keepalive_listen_key = call(KeepAliveListenKey)
    close_listen_key = call(CloseListenKey)
