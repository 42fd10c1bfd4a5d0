"""Withdrawals on their way: each carries an id of the client's own, by which its fate can be looked up."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from mexc_async.net.api import Api, Options, call_of
from mexc_async.net.order_ids import OrderIds
from mexc_async.spot.wallet import Withdraw, WithdrawApply


def look_after_withdrawals(api: Api, ids: OrderIds) -> None:
    """From now on, name every withdrawal that the user gave no id of his own."""

    async def withdraw(request: Withdraw | WithdrawApply, options: Options) -> Any:
        if request.withdraw_order_id is None:
            request = replace(request, withdraw_order_id=ids.next())
        return await api.run(call_of(request, options, request.withdraw_order_id), options)

    api.keepers[Withdraw] = api.keepers[WithdrawApply] = withdraw
