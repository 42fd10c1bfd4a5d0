"""Listen key endpoints: the group `userstream` of the reference."""

from __future__ import annotations

from mexc_async.sim.rest.answers import Json
from mexc_async.sim.rest.endpoint import Call, ServedEndpoint

_PATH = "/api/v3/userDataStream"
_READ = "SPOT_ACCOUNT_READ"
_ONE = (("ip", 1),)


def create(call: Call) -> Json:
    """Create a listen key."""
    return {"listenKey": call.listen_keys.create(call.account.uid, call.now_ms)}


def list_keys(call: Call) -> Json:
    """Return the account's listen keys and the number that it may still create."""
    keys = call.listen_keys
    names: list[Json] = [*keys.of(call.account.uid, call.now_ms)]
    return {"total": keys.most, "listenKey": names, "available": keys.most - len(names)}


def extend(call: Call) -> Json:
    """Extend a listen key by another hour."""
    key = call.parameters.text("listenKey")
    call.listen_keys.extend(call.account.uid, key, call.now_ms)
    return {"listenKey": key}


def close(call: Call) -> Json:
    """Close a listen key and the streams that use it."""
    key = call.parameters.text("listenKey")
    call.listen_keys.close(call.account.uid, key, call.now_ms)
    return {"listenKey": key}


ENDPOINTS = (
    ServedEndpoint("POST", _PATH, create, _ONE, _READ),
    ServedEndpoint("GET", _PATH, list_keys, _ONE, _READ),
    ServedEndpoint("PUT", _PATH, extend, _ONE, _READ),
    ServedEndpoint("DELETE", _PATH, close, _ONE, _READ),
)
