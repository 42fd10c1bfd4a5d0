"""The one futures endpoint that spot clients call: those that load all markets also ask for contracts."""

from __future__ import annotations

from mexc_async.sim.rest.answers import Json
from mexc_async.sim.rest.endpoint import Call, ServedEndpoint


def contracts(call: Call) -> Json:
    """Return an empty list of contracts, because futures are not simulated yet."""
    return {"success": True, "code": 0, "data": []}


ENDPOINTS = (ServedEndpoint("GET", "/api/v1/contract/detail", contracts, ()),)
