"""Pushes of the private channels, and the balances that they carry."""

from __future__ import annotations

from typing import Any

from mexc_async.spot.push import Push
from mexc_async.spot.push_models import BalanceChange
from tests.support.stream_client import Stage, Stream

ACCOUNT, DEALS, ORDERS = (f"spot@private.{kind}.v3.api.pb" for kind in ("account", "deals", "orders"))


async def pushes_so_far(stream: Stream) -> list[Push[Any]]:
    """Return all pushes so far."""
    await stream.request("PING")
    found = []
    while stream.frames:
        found.append(await stream.push())
    return found


def of(pushes: list[Push[Any]], kind: type[Any]) -> list[Any]:
    return [push.body for push in pushes if isinstance(push.body, kind)]


async def check_balances(on: Stage, pushes: list[Push[Any]]) -> None:
    """Check that the last push of each asset agrees with REST."""
    rest = {row["asset"]: row for row in (await on.call("GET", "/api/v3/account")).body["balances"]}
    last = {each.asset: each for each in of(pushes, BalanceChange)}
    assert last
    for asset, change in last.items():
        assert (change.free_text, change.locked_text) == (rest[asset]["free"], rest[asset]["locked"])
