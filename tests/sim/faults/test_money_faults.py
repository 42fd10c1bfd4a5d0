"""Faults of transfers and withdrawals: a client that sends again doubles them, and the balances stay consistent."""

from __future__ import annotations

import asyncio
import contextlib
from random import Random
from typing import Any

import pytest

from mexc_async.sim.faults.faults import Fault, Faults, Kind
from mexc_async.sim.faults.request_faults import request_faults_of
from mexc_async.sim.rest.routes import ENDPOINTS
from mexc_async.sim.wallet.account_audit import TransferLine, WithdrawalLine
from mexc_async.sim.wallet.wallet import WalletRules
from tests.support.faulty import LOST_ANSWERS, LOST_REQUESTS, labels, market, release_waiting, until
from tests.support.naive_trader import Lost, NaiveTrader
from tests.support.stream_client import Stage

OWN, SUB = "/api/v3/capital/transfer", "/api/v3/capital/sub-account/universalTransfer"
SEND, SENT = "/api/v3/capital/withdraw", "/api/v3/capital/withdraw/history"
WAY: dict[str, Any] = {"fromAccountType": "SPOT", "toAccountType": "FUTURES"}
MOVE: dict[str, Any] = {**WAY, "asset": "USDT", "amount": "10"}
SLOW = WalletRules(withdraw_step_s=3600)
SHORT_S = 0.2
MONEY = "universal_transfer|sub_universal_transfer|internal_transfer|withdraw"


def once(fault: Fault) -> Fault:
    return Fault(kind=fault.kind, on=MONEY, times=1, at=fault.at, status=fault.status, delay_ms=fault.delay_ms)


def transfers(on: Stage) -> tuple[TransferLine, ...]:
    return on.simulator.statement().transfers


def withdrawals(on: Stage) -> tuple[WithdrawalLine, ...]:
    return on.simulator.statement().withdrawals


async def usdt_address(on: Stage) -> dict[str, Any]:
    book = await on.call("GET", "/api/v3/capital/withdraw/address", coin="USDT")
    return {"coin": "USDT", "address": book.body["data"][0]["address"], "netWork": "TRX", "amount": "20"}


async def stubbornly(trader: NaiveTrader, path: str, **parameters: Any) -> int | None:
    """Send again until an answer comes, and return the code of a refusal, else None."""
    while True:
        with contextlib.suppress(Lost):
            reply = await trader.send("POST", path, **parameters)
            if reply.status != 403:  # a firewall's page is not an answer
                return None if reply.status == 200 else int(reply.body["code"])


@pytest.mark.parametrize("fault", [each for each in LOST_ANSWERS if each.status != 403], ids=labels)
async def test_who_resends_a_transfer_whose_answer_is_lost_doubles_it(fault: Fault) -> None:
    async with market(once(fault)) as on:
        await stubbornly(NaiveTrader(on, SHORT_S), OWN, **MOVE)
        assert len(transfers(on)) == 2
        assert on.simulator.statement().futures["USDT"].free == 20


@pytest.mark.parametrize("fault", [each for each in LOST_REQUESTS if each.status != 403], ids=labels)
async def test_a_transfer_that_never_got_there_moves_nothing(fault: Fault) -> None:
    async with market(once(fault)) as on:
        with pytest.raises(Lost):
            await NaiveTrader(on, SHORT_S).send("POST", OWN, **MOVE)
        assert transfers(on) == ()
        assert on.simulator.statement().futures == {}


@pytest.mark.parametrize("fault", [each for each in LOST_ANSWERS if each.status != 403], ids=labels)
async def test_a_withdrawal_is_doubled_unless_it_has_an_id(fault: Fault) -> None:
    async with market(wallet=SLOW) as on:
        sent = await usdt_address(on)
        on.simulator.inject(once(fault))
        assert await stubbornly(NaiveTrader(on, SHORT_S), SEND, **sent, withdrawOrderId="one") == 730002
        assert [line.order_id for line in withdrawals(on)] == ["one"]
        on.simulator.clear_faults()
        on.simulator.inject(once(fault))
        assert await stubbornly(NaiveTrader(on, SHORT_S), SEND, **sent) is None
        assert len(withdrawals(on)) == 3
        rows = (await NaiveTrader(on).send("GET", SENT)).body
        assert [row["withdrawOrderId"] for row in rows] == [None, None, "one"]


def test_histories_that_may_lag_are_called_as_the_clients_methods() -> None:
    faults = Faults([Fault(kind="lag")])
    lagging = {endpoint.name for endpoint in ENDPOINTS if request_faults_of(faults, endpoint).lag_ms}
    assert lagging == {
        *("query_order", "open_orders", "all_orders", "my_trades", "withdraw_history"),
        *("universal_transfer_history", "universal_transfer_by_id", "internal_asset_transfer_record"),
        *("internal_transfer_history", "sub_universal_transfer_history", "broker_universal_transfer_history"),
    }


async def test_who_looks_too_soon_finds_no_transfer() -> None:
    async with market(Fault(kind="lag", delay_ms=600_000), wallet=SLOW) as on:
        trader = NaiveTrader(on)
        tran_id = (await trader.send("POST", OWN, **MOVE)).body["tranId"]
        await trader.send("POST", "/api/v3/capital/withdraw", **await usdt_address(on))
        other = {"toAccountType": "EMAIL", "toAccount": "main@sim.example", "asset": "USDT", "amount": "1"}
        assert (await trader.send("POST", "/api/v3/capital/transfer/internal", **other)).code == 10103
        assert (await trader.send("GET", OWN, **WAY)).body["total"] == 0
        assert (await trader.send("GET", f"{OWN}/tranId", tranId=tran_id)).code == 22222
        assert (await trader.send("GET", SENT)).body == []
        on.simulator.clear_faults()
        assert (await trader.send("GET", OWN, **WAY)).body["total"] == 1
        assert (await trader.send("GET", f"{OWN}/tranId", tranId=tran_id)).body["amount"] == "10"
        assert len((await trader.send("GET", SENT)).body) == 1


async def test_a_transfer_that_is_held_happens_after_its_sender_has_left() -> None:
    async with market(Fault(kind="hold", on="universal_transfer", times=1, delay_ms=600_000)) as on:
        with pytest.raises(Lost):
            await NaiveTrader(on, SHORT_S).send("POST", OWN, **MOVE)
        assert (await NaiveTrader(on).send("GET", OWN, **WAY)).body["total"] == 0
        release_waiting(on)
        await until(lambda: transfers(on))
        assert on.simulator.statement().balances["USDT"].free == 99_990


async def test_under_every_fault_balances_are_what_the_transfers_say() -> None:
    kinds: tuple[Kind, ...] = ("mute", "error", "reset", "truncate", "late_answer", "answer_twice")
    faults = [Fault(kind=kind, on=MONEY, chance=0.06, delay_ms=20) for kind in kinds]
    faults += [
        Fault(kind="reset", on=MONEY, chance=0.06, at="read"),
        Fault(kind="error", on=MONEY, chance=0.06, at="read"),
    ]
    async with market(*faults, wallet=WalletRules(withdraw_step_s=0)) as on:
        await NaiveTrader(on).send("POST", "/api/v3/sub-account/virtualSubAccount", subAccount="chaossub1", note="n")
        sent = await usdt_address(on)
        random = Random(5)

        async def go() -> None:
            trader = NaiveTrader(on, SHORT_S)
            for _ in range(25):
                amount = str(random.randint(10, 30))
                with contextlib.suppress(Lost):
                    match random.randrange(3):
                        case 0:
                            await trader.send("POST", OWN, **{**MOVE, "amount": amount})
                        case 1:
                            spot = {"fromAccountType": "SPOT", "toAccountType": "SPOT"}
                            to: dict[str, Any] = {**spot, "toAccount": "chaossub1", "asset": "USDT"}
                            await trader.send("POST", SUB, **to, amount=amount)
                        case _:
                            await trader.send("POST", SEND, **{**sent, "amount": amount})

        await asyncio.gather(*(go() for _ in range(4)))
        on.simulator.clear_faults()
        await NaiveTrader(on).send("GET", "/api/v3/account")
        truth = on.simulator.statement()
        assert truth.transfers
        assert truth.withdrawals
        assert {line.status for line in truth.withdrawals} == {"SUCCESS"}
        gone = sum(line.amount for line in truth.transfers) + sum(line.amount for line in truth.withdrawals)
        assert truth.balances["USDT"].free == 100_000 - gone
        kept = sum(line.amount for line in truth.transfers if line.kind == "own")
        assert truth.futures["USDT"].free == kept
        sub = on.simulator.statement("chaossub1")
        assert sub.balances["USDT"].free == sum(line.amount for line in sub.transfers)
