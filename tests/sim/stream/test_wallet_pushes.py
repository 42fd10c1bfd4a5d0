"""Account pushes for funds that move outside the markets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.rest.server import main_account
from mexc_async.sim.wallet.back_office import DepositOrder, WithdrawalOrder
from mexc_async.sim.wallet.wallet import WalletRules
from mexc_async.spot.push_models import BalanceChange
from tests.support.private_pushes import ACCOUNT, check_balances, of, pushes_so_far
from tests.support.stream_client import stage

D = Decimal
SECOND = AccountSpec(name="second", api_key="k2", api_secret="s2", balances={})


async def test_every_move_is_pushed_with_its_reason() -> None:
    rules = WalletRules(deposit_s=0, withdraw_step_s=3600)
    accounts = (main_account(balances={"USDT": D(1000), "ADA": D(3), "MX": D(1)}), SECOND)
    async with stage(accounts=accounts, wallet=rules) as on:
        stream = await on.connect(await on.listen_key())
        await stream.subscribe(ACCOUNT)

        async def changes() -> list[tuple[str, str, Decimal, Decimal]]:
            pushes = await pushes_so_far(stream)
            await check_balances(on, pushes)
            found = of(pushes, BalanceChange)
            return [(each.asset, each.type, each.free_change, each.locked_change) for each in found]

        way: dict[str, Any] = {"fromAccountType": "SPOT", "toAccountType": "FUTURES"}
        await on.call("POST", "/api/v3/capital/transfer", **way, asset="USDT", amount="100")
        assert await changes() == [("USDT", "CONTRACT_TRANSFER", D(-100), D(0))]
        to: dict[str, Any] = {"toAccountType": "EMAIL", "toAccount": "second@sim.example"}
        await on.call("POST", "/api/v3/capital/transfer/internal", **to, asset="USDT", amount="50")
        assert await changes() == [("USDT", "WITHDRAW", D(-50), D(0))]
        on.simulator.order(DepositOrder(coin="USDT", amount=D(7)))
        assert await changes() == [("USDT", "DEPOSIT", D(7), D(0))]
        book = await on.call("GET", "/api/v3/capital/withdraw/address", coin="USDT")
        sent = {"coin": "USDT", "address": book.body["data"][0]["address"], "netWork": "TRX", "amount": "20"}
        made = await on.call("POST", "/api/v3/capital/withdraw", **sent)
        assert await changes() == [("USDT", "WITHDRAW", D(-20), D(20))]
        on.simulator.order(WithdrawalOrder(id=made.body["id"], status="SUCCESS"))
        assert await changes() == [("USDT", "WITHDRAW", D(0), D(-20))]
        await on.call("POST", "/api/v3/capital/convert", asset="ADA")
        ada, mx = of(await pushes_so_far(stream), BalanceChange)
        assert (ada.asset, ada.type, ada.free_change, ada.free_text) == ("ADA", "ENTRUST", D(-3), "0")
        assert mx.asset == "MX"
        assert mx.free_change > 0
