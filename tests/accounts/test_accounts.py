"""Several accounts behind one address: shared parts, separate parts, and partial results."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mexc_async.accounts.accounts import Accounts
from mexc_async.accounts.events import BulkProgress
from mexc_async.call_log.files import verified
from mexc_async.client.mexc import Mexc
from mexc_async.errors import (
    ConfigError,
    InsufficientBalance,
    InvalidRequest,
    MexcError,
    OutcomeUnknown,
    RateLimited,
)
from mexc_async.limits.limiter import RateLimiter
from mexc_async.limits.profiles import Limits
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.clock import SYSTEM
from mexc_async.runtime.events import Event
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET, AccountSpec
from mexc_async.sim.rest.server import SimConfig, Simulator, main_account
from mexc_async.spot.models import Account
from mexc_async.spot.trading import CancelOpenOrders
from mexc_async.spot.wallet import UniversalTransfer
from mexc_async.spot.wallet_models import TransferId
from tests.support.settings import flat
from tests.support.streams import nothing_left

D = Decimal
GRID = AccountSpec(name="grid", api_key="mx0simGRID0000001", api_secret="grid-secret", balances={"USDT": D(500)})
LOGINS = {"master": Credentials(DEMO_KEY, DEMO_SECRET), "grid": Credentials(GRID.api_key, GRID.api_secret)}
WRONG = {**LOGINS, "wrong": Credentials("mx0unknown000001", "x")}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(SimConfig(flow=0, limits="none", accounts=(main_account(), GRID))) as simulator:
        yield simulator


def accounts_of(sim: Simulator, logins: dict[str, Credentials] | None = None, **settings: Any) -> Accounts[Mexc]:
    usual: dict[str, Any] = {"rest": sim.rest, "ws": sim.spot_ws, "limits": "unlimited"}
    return Mexc.accounts(LOGINS if logins is None else logins, **flat(**usual | settings))


async def test_each_account_is_a_client_over_one_transport(sim: Simulator) -> None:
    async with nothing_left(), accounts_of(sim) as accounts:
        assert list(accounts) == ["master", "grid"]
        assert len({id(accounts[name]._transport) for name in accounts}) == 1
        assert (await accounts["grid"].spot.account()).balance("USDT").free == 500
        order = await accounts["grid"].orders.limit_buy("XRPUSDT", quantity=D(20), price=D("0.5"))
        assert accounts["master"].orders.get(order.client_order_id) is None
        await order.cancel()
        with pytest.raises(KeyError):
            accounts["nobody"]


async def test_what_fails_for_one_account_leaves_the_others_alone(sim: Simulator) -> None:
    async with accounts_of(sim, WRONG) as accounts:
        told: list[Event] = []
        accounts.hooks.add(told.append)
        found = await accounts.balances()
        assert list(found) == ["master", "grid", "wrong"]
        assert isinstance(found["master"], Account)
        assert isinstance(found["wrong"], MexcError)
        assert told[-1] == BulkProgress("balances", 3, 3, 1)
        assert [event.done for event in told if isinstance(event, BulkProgress)] == [1, 2, 3]
        assert set(await accounts.balances(["grid"])) == {"grid"}
        with pytest.raises(InvalidRequest, match="'nobody' is none of master, grid, wrong"):
            await accounts.balances(["nobody"])


async def test_everything_is_cancelled_everywhere(sim: Simulator) -> None:
    async with accounts_of(sim) as accounts:
        for name in accounts:
            await accounts[name].spot.new_order(
                symbol="XRPUSDT", side="BUY", type="LIMIT", quantity=D(20), price=D("0.5")
            )
        await accounts.cancel_everywhere()
        for name in ("main", "grid"):
            assert {line.status for line in sim.statement(name).orders} == {"CANCELED"}


async def test_an_accounts_budget_is_its_own_and_the_address_has_one(sim: Simulator) -> None:
    limits = Limits.custom("unlimited", orders=(1, 60.0), ip=(10, 60.0))
    async with accounts_of(sim, limits=limits, check_rules=False) as accounts:
        terms: dict[str, Any] = {"symbol": "XRPUSDT", "type": "LIMIT", "quantity": D(20), "price": D("0.5")}
        for name in accounts:
            await accounts[name].spot.new_order(side="BUY", **terms)
        with pytest.raises(RateLimited, match="orders@grid"):
            await accounts["grid"].using(max_wait_s=0).spot.new_order(side="BUY", **terms)
        used = {use.limit: use.used for use in accounts.limits.report().limits}
        assert (used["orders@master"], used["orders@grid"]) == (1, 1)
        before = used["ip"]
        await accounts["master"].spot.query_order(symbol="XRPUSDT", order_id=sim.statement("main").orders[0].order_id)
        after = {use.limit: use.used for use in accounts["grid"].limits.report().limits}
        assert after["ip"] == before + 2


@pytest.mark.parametrize("names", [{}, {1: LOGINS["grid"]}, {"a@b": LOGINS["grid"]}, {"": LOGINS["grid"]}])
def test_names_that_cannot_be_are_refused(names: dict[str, Credentials]) -> None:
    with pytest.raises(ConfigError, match="accounts"):
        Mexc.accounts(names)


# --- many transfers ---


class Teller:
    """A client that answers transfers by their amount."""

    def __init__(self) -> None:
        self.spot: Any = None
        self.sent: list[Decimal] = []

    async def send(self, request: Any, /) -> Any:
        self.sent.append(request.amount)
        if request.amount == 2:
            raise InsufficientBalance("too little")
        if request.amount == 3:
            raise OutcomeUnknown("no answer")
        return TransferId(tran_id=f"T{request.amount}")

    async def open(self) -> Teller:
        return self

    async def aclose(self) -> None:
        """Nothing to close."""


def transfer(amount: int, back: bool = False, to: str = "FUTURES") -> UniversalTransfer:
    ends: dict[str, Any] = {"from_account_type": "SPOT", "to_account_type": to}
    if back:
        ends = {"from_account_type": to, "to_account_type": "SPOT"}
    return UniversalTransfer(asset="USDT", amount=D(amount), **ends)


async def test_many_transfers_give_each_its_result_and_stop_a_pair_that_is_in_doubt() -> None:
    teller = Teller()
    accounts = Accounts({"master": teller}, RateLimiter(Limits.named("unlimited"), SYSTEM))
    async with accounts:
        told: list[Event] = []
        accounts.hooks.add(told.append)
        moved = await accounts.transfer_many(
            [transfer(1), transfer(2), transfer(4), transfer(3), transfer(5), transfer(6, back=True)], via="master"
        )
    assert [(each.tran_id, each.is_done, each.is_skipped) for each in moved] == [
        ("T1", True, False),
        (None, False, False),
        ("T4", True, False),
        (None, False, False),
        (None, False, True),
        (None, False, True),
    ]
    assert isinstance(moved[1].error, InsufficientBalance)
    assert all(isinstance(each.error, OutcomeUnknown) for each in moved[3:])
    assert teller.sent == [1, 2, 4, 3]
    assert told[-1] == BulkProgress("transfer_many", 6, 6, 4)


async def test_accounts_share_a_call_log_and_each_finds_its_own_orders_there(sim: Simulator, tmp_path: Path) -> None:
    log, placed = tmp_path / "calls.jsonl", {}
    async with accounts_of(sim, call_log=log) as accounts:
        for name in accounts:
            order = await accounts[name].orders.limit_buy("XRPUSDT", quantity=D(20), price=D("0.5"))
            placed[name] = order.client_order_id
    assert verified(log).is_closed
    async with accounts_of(sim, call_log=log) as accounts:
        for name in accounts:
            assert [order.client_order_id for order in await accounts[name].orders.restore()] == [placed[name]]
    assert verified(log).is_whole


async def test_share_spent_is_that_of_the_accounts_own_budget(sim: Simulator) -> None:
    async with accounts_of(sim, limits=Limits.custom("unlimited", orders=(10, 60.0))) as accounts:
        await accounts["grid"].spot.cancel_open_orders(symbol="XRPUSDT")
        route = CancelOpenOrders.route
        assert (accounts["grid"].limits.spent(route), accounts["master"].limits.spent(route)) == (0.1, 0.0)
