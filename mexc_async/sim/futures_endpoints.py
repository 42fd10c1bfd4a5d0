"""The one futures call that spot clients make: those that load all markets ask for the contracts as well."""

from __future__ import annotations

from mexc_async.sim.answers import Json
from mexc_async.sim.endpoints import Call, Endpoint


def contracts(call: Call) -> Json:
    """The contracts, of which there are none here yet."""
    return {"success": True, "code": 0, "data": []}


ENDPOINTS = (Endpoint("GET", "/api/v1/contract/detail", contracts, ()),)
