"""Transfers and withdrawals under every fault at once: at the end the exchange's ledger equals the intent.

`make chaos` runs it with more seeds: CHAOS_SEEDS=1,2,3.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import ConnectFailed, MexcError, TransferNotMade
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.retry import RetryPolicy
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.sim.wallet.wallet import WalletRules
from mexc_async.spot.subaccounts import SubUniversalTransfer
from mexc_async.spot.wallet import UniversalTransfer, Withdraw
from mexc_async.transport.config import Timeouts
from tests.support.streams import nothing_left, sim_client

SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "7").split(",")]
MOVES, MOVERS = 500, 25
WINDOW_MS, LAG_MS, TIMEOUT_S = 600, 300, 0.5
SETTLE = OrderSettings(settle_s=60.0, lag_ms=2 * LAG_MS)
MONEY = "universal_transfer|sub_universal_transfer|withdraw"
HISTORIES = "universal_transfer_history|sub_universal_transfer_history|withdraw_history"
FAULTS = (
    Fault(kind="mute", on=MONEY, chance=0.03),
    Fault(kind="mute", on=MONEY, at="read", chance=0.03),
    Fault(kind="error", on=MONEY, status=504, chance=0.03),
    Fault(kind="error", on=MONEY, status=502, at="read", chance=0.03),
    Fault(kind="reset", on=MONEY, chance=0.03),
    Fault(kind="reset", on=MONEY, at="read", chance=0.03),
    Fault(kind="truncate", on=MONEY, chance=0.03),
    Fault(kind="hold", on=MONEY, chance=0.03, delay_ms=WINDOW_MS - 100),
    Fault(kind="hold", on=MONEY, chance=0.02, delay_ms=WINDOW_MS + 300),
    Fault(kind="lag", on=HISTORIES, chance=0.2, delay_ms=LAG_MS),
    Fault(kind="error", on=HISTORIES, status=502, chance=0.05),
    Fault(kind="restart", on=MONEY, chance=0.002, delay_ms=100),
)


class Mover:
    """One coroutine of many; moves the same few amounts again and again, so that equal transfers occur."""

    def __init__(self, mexc: Mexc, random: Random, address: dict[str, Any]) -> None:
        self.mexc = mexc
        self.random = random
        self.address = address
        self.intended = Counter[tuple[str, Decimal]]()
        self.withdrawals: list[str] = []
        self.again = 0

    async def run(self, moves: int) -> None:
        for _ in range(moves):
            await self.until_done(self.request())

    def request(self) -> UniversalTransfer | SubUniversalTransfer | Withdraw:
        roll, amount = self.random.random(), Decimal(self.random.randint(1, 12))
        if roll < 0.4:
            self.intended["own", amount] += 1
            return UniversalTransfer(from_account_type="SPOT", to_account_type="FUTURES", asset="USDT", amount=amount)
        if roll < 0.8:
            self.intended["sub", amount] += 1
            return SubUniversalTransfer(
                to_account="gridtrader1", from_account_type="SPOT", to_account_type="SPOT", asset="USDT", amount=amount
            )
        name = f"out-{self.random.getrandbits(60)}"
        self.withdrawals.append(name)
        return Withdraw(coin="USDT", amount=Decimal(20) + amount, withdraw_order_id=name, **self.address)

    async def until_done(self, request: Any) -> None:
        """Send it, and again only after proof that it was not made."""
        while True:
            try:
                await self.mexc.send(request)
            except (TransferNotMade, ConnectFailed):
                self.again += 1
                await asyncio.sleep(self.random.random() / 20)
                continue
            except MexcError as error:
                if not (error.outcome_known and error.retryable):
                    raise
                self.again += 1  # the count before it failed: nothing was sent
                continue
            return


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_ledger_equals_the_intent_after_chaos(seed: int) -> None:
    random = Random(seed)
    config = SimConfig(seed=seed, limits="none", flow=0, wallet=WalletRules(withdraw_step_s=3600))
    async with nothing_left(), Simulator(config) as sim:
        async with sim_client(
            sim,
            limits="unlimited",
            orders=SETTLE,
            allow_withdraw=True,
            timeouts=Timeouts(connect_s=2.0, read_s=TIMEOUT_S, total_s=TIMEOUT_S),
            retry=RetryPolicy(budget_s=10.0, first_s=0.02, longest_s=0.3),
            recv_window_ms=WINDOW_MS,
        ) as mexc:
            await mexc.spot.create_sub_account(sub_account="gridtrader1", note="chaos")
            (entry, *_) = (await mexc.spot.withdraw_address(coin="USDT")).data
            address = {"address": entry.address, "net_work": entry.net_work}
            sim.inject(*FAULTS)
            movers = [Mover(mexc, Random(random.random()), address) for _ in range(MOVERS)]
            async with asyncio.TaskGroup() as group:
                for mover in movers:
                    group.create_task(mover.run(MOVES // MOVERS))
            struck = {count.fault.kind for count in sim.fault_counts() if count.struck}
            sim.clear_faults()
        truth = sim.statement()
        made = Counter((line.kind, line.amount) for line in truth.transfers)
        assert made == sum((mover.intended for mover in movers), Counter[tuple[str, Decimal]]())
        asked = Counter(name for mover in movers for name in mover.withdrawals)
        assert Counter(line.order_id for line in truth.withdrawals) == asked
        assert sum(mover.again for mover in movers) > 0
        assert {"mute", "error", "reset", "hold", "lag"} <= struck
