"""A strategy for rehearsals: many coroutines move money, each sum until it is moved, and none twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from random import Random, random
from typing import Any
from weakref import WeakKeyDictionary

from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings, Settings
from mexc_async.errors import ConnectFailed, MexcError, TransferNotMade
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.retry import RetryPolicy
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.config import SimConfig
from mexc_async.sim.wallet.account_audit import AccountAudit
from mexc_async.sim.wallet.wallet import WalletRules
from mexc_async.spot.subaccounts import SubUniversalTransfer
from mexc_async.spot.wallet import UniversalTransfer, Withdraw
from mexc_async.transport.config import Timeouts

EXCHANGE = SimConfig(limits="none", flow=0, wallet=WalletRules(withdraw_step_s=3600))
WINDOW_MS, LAG_MS, TIMEOUT_S = 600, 300, 0.5
SETTINGS = Settings(
    limits="unlimited",
    allow_withdraw=True,
    recv_window_ms=WINDOW_MS,
    orders=OrderSettings(settle_s=60.0, lag_ms=2 * LAG_MS),
    network=NetworkSettings(
        timeouts=Timeouts(connect_s=2.0, read_s=TIMEOUT_S, total_s=TIMEOUT_S),
        retry=RetryPolicy(budget_s=10.0, first_s=0.02, longest_s=0.3),
    ),
)
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
Moves = Counter[tuple[str, Decimal | str]]
"""Transfers by kind and amount, withdrawals by the caller's id."""


class Books:
    """What the callers of one client wanted, and what they were told is done."""

    def __init__(self) -> None:
        self.wanted = Moves()
        self.done = Moves()


_books: WeakKeyDictionary[Mexc, Books] = WeakKeyDictionary()


async def main(mexc: Mexc, *, moves: int = 40, movers: int = 10) -> None:
    """Make so many moves, by so many movers at once: the same few amounts again and again, so that equal ones occur."""
    books = _books.setdefault(mexc, Books())
    await mexc.spot.create_sub_account(sub_account="gridtrader1", note="chaos")
    (entry, *_) = (await mexc.spot.withdraw_address(coin="USDT")).data
    address = {"address": entry.address, "net_work": entry.net_work}
    async with asyncio.TaskGroup() as group:
        for _ in range(movers):
            group.create_task(Mover(mexc, address, books).run(moves // movers))


class Mover:
    """One coroutine of many."""

    def __init__(self, mexc: Mexc, address: dict[str, Any], books: Books) -> None:
        self.mexc = mexc
        self.random = Random(random())
        self.address = address
        self.books = books

    async def run(self, moves: int) -> None:
        """Make so many moves."""
        for _ in range(moves):
            what, request = self._request()
            self.books.wanted[what] += 1
            await self._until_done(request)
            self.books.done[what] += 1

    def _request(self) -> tuple[tuple[str, Decimal | str], UniversalTransfer | SubUniversalTransfer | Withdraw]:
        roll, amount = self.random.random(), Decimal(self.random.randint(1, 12))
        if roll < 0.4:
            return ("own", amount), UniversalTransfer(
                from_account_type="SPOT", to_account_type="FUTURES", asset="USDT", amount=amount
            )
        if roll < 0.8:
            return ("sub", amount), SubUniversalTransfer(
                to_account="gridtrader1", from_account_type="SPOT", to_account_type="SPOT", asset="USDT", amount=amount
            )
        name = f"out-{self.random.getrandbits(60)}"
        return ("out", name), Withdraw(coin="USDT", amount=20 + amount, withdraw_order_id=name, **self.address)

    async def _until_done(self, request: Any) -> None:
        """Send it, and again only after proof that it was not made."""
        while True:
            try:
                await self.mexc.send(request)
            except (TransferNotMade, ConnectFailed):
                await asyncio.sleep(self.random.random() / 20)
            except MexcError as error:
                if not (error.outcome_known and error.retryable):
                    raise
            else:
                return


def ledger_equals_intent(mexc: Mexc, truth: AccountAudit) -> None:
    """Demand that the exchange made every move that was told to be done, once, and none that nobody wanted."""
    books = _books[mexc]
    made = Moves((line.kind, line.amount) for line in truth.transfers)
    made.update(("out", line.order_id or "") for line in truth.withdrawals)
    assert not made - books.wanted, f"made too often: {dict(made - books.wanted)}"
    assert not books.done - made, f"told to be done, and not made: {dict(books.done - made)}"
