"""Listen keys, which open the private push streams. MEXC's page "Websocket User Data Streams"."""

from __future__ import annotations

from mexc_async.schema.endpoint import Auth, Cost, Priority, Request, Resource, Route, call
from mexc_async.schema.fields import Hiding
from mexc_async.spot.models import Answer


class ListenKey(Hiding, Answer, frozen=True, kw_only=True):
    """A key for a private stream. Anyone who holds it can read the account's pushes, so logs and `repr` hide it."""

    hidden = ("listen_key",)
    listen_key: str


class ListenKeys(Hiding, Answer, frozen=True, kw_only=True):
    """The account's valid listen keys."""

    hidden = ("listen_key",)
    listen_key: list[str]
    total: int | None = None
    """Maximum number of listen keys."""
    available: int | None = None
    """Number of listen keys that can still be created."""


def _route(method: str) -> Route:
    """Create a route; every call is safe to repeat, since none changes the account."""
    permission, costs = "SPOT_ACCOUNT_READ", (Cost("ip"),)
    return Route(method, "/api/v3/userDataStream", Auth.SIGNED, permission, costs, Priority.ACCOUNT, safe=True)


class CreateListenKey(Request[ListenKey], frozen=True, kw_only=True):
    """Create a listen key, valid for 60 minutes; MEXC may return an existing one."""

    route = _route("POST")


class ListenKeysQuery(Request[ListenKeys], frozen=True, kw_only=True):
    """List the valid listen keys."""

    route = _route("GET")


class KeepAliveListenKey(Hiding, Request[ListenKey], frozen=True, kw_only=True):
    """Extend a listen key to 60 minutes from now. Raises ListenKeyInvalid for an expired one."""

    route = _route("PUT")
    hidden = ("listen_key",)
    listen_key: str


class CloseListenKey(Hiding, Request[ListenKey], frozen=True, kw_only=True):
    """Close a listen key and its stream. Raises ListenKeyInvalid for an expired one."""

    route = _route("DELETE")
    hidden = ("listen_key",)
    listen_key: str


class UserStreams(Resource):
    """Endpoints of listen keys."""

    create_listen_key = call(CreateListenKey)
    list_listen_keys = call(ListenKeysQuery)
    keepalive_listen_key = call(KeepAliveListenKey)
    close_listen_key = call(CloseListenKey)
