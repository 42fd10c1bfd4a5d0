"""Orders of every kind behind a proxy that does harm: what this client says and knows is what the exchange knows.

`make chaos` runs it with more seeds and orders: CHAOS_SEEDS=1,2,3 CHAOS_PROXY_ORDERS=2000.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Literal

import aiohttp
import msgspec
import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import ApiError, ConnectFailed, MexcError, OrderNotPlaced, OutcomeUnknown
from mexc_async.orders.handle import TrackedOrder
from mexc_async.orders.record import OrderState
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.retry import RetryPolicy
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.sim.rest.server import SimConfig, Simulator, main_account
from mexc_async.sim.wallet.account_audit import AccountAudit
from mexc_async.spot.trading import NewOrder
from mexc_async.streams.session import Timing
from mexc_async.transport.pool import Timeouts
from tests.support.hostile_proxy import Fault, HostileProxy, Kind
from tests.support.streams import client, nothing_left, until
from tests.support.truth import compare, totals

SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "7").split(",")]
ORDERS = int(os.environ.get("CHAOS_PROXY_ORDERS", "300"))
TRADERS = 25
DEADLINE_S = 400 + ORDERS / 10
"""Time after which a part hangs."""
SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT")
NEVER_HELD = "SOLUSDT"
"""Symbol that nobody buys, so that every sale of it is refused."""
HELD = {"USDT": Decimal(10_000_000), "BTC": Decimal(100), "ETH": Decimal(1000), "XRP": Decimal(1_000_000)}
TIMING = Timing(ping_s=0.3, silence_s=1.0, ack_s=1.0, retry_s=0.02, longest_retry_s=0.2)
WINDOW_MS, TIMEOUT_S = 600, 0.5
SETTLE = OrderSettings(settle_s=150.0, lag_ms=200, keep_s=1e6, poll_s=0.2, watch_s=1.0)
TRANSPORTS = ("lane", "pool")
PLACE, ORDER = "POST /api/v3/order", "* /api/v3/order|POST /api/v3/batchOrders"
LOOK = "GET /api/v3/*rder*|GET /api/v3/myTrades"
STREAM = "GET /ws piece"
FAULTS = (
    Fault("delay_request", 0.03, least_s=0.01, most_s=0.1),
    Fault("delay_request", 0.03, ORDER, least_s=TIMEOUT_S, most_s=WINDOW_MS / 1000 + 0.3),
    Fault("truncate_request", 0.02),
    Fault("double_request", 0.05),
    Fault("swap_requests", 0.03, ORDER),
    Fault("cut_before", 0.02),
    Fault("cut_after", 0.03),
    Fault("delay_answer", 0.03, least_s=0.01, most_s=TIMEOUT_S + 0.2),
    Fault("truncate_answer", 0.03),
    Fault("clip_answer", 0.02),
    Fault("stall_answer", 0.02),
    Fault("double_answer", 0.1, ORDER, most_s=0.003),
    Fault("double_answer", 0.02, LOOK, most_s=0.003),
    Fault("swap_answers", 0.1, ORDER),
    Fault("swap_answers", 0.02, LOOK),
    Fault("hold_stream", 0.02, STREAM, least_s=0.05, most_s=1.5),
    Fault("cut_stream", 0.01, STREAM),
)
Said = Literal["accepted", "refused"]
Place = Callable[[NewOrder], Awaitable[None]]


class Trader:
    """One coroutine of many: places, cancels and replaces orders in every way there is, and records the answers."""

    def __init__(self, mexc: Mexc, prices: dict[str, Decimal], random: Random, names: itertools.count[int]) -> None:
        self.mexc = mexc
        self.random = random
        self.said: dict[str, Said] = {}
        """Answers that callers got, by client order id."""
        self.refusals: dict[str, MexcError] = {}
        """Errors that said that an order was not placed, by the same."""
        self.troubles: dict[str, MexcError] = {}
        """Orders that could not be settled in time, and refused cancels, by the same."""
        self._prices = prices
        self._names = names
        self._mine: list[TrackedOrder] = []

    async def run(self, count: int) -> None:
        placed = 0
        while placed < count:
            placed += await self._act()
            while len(self._mine) > 4:  # an account has 500 open orders at most
                await self.cancel(self._mine.pop(0))

    async def _act(self) -> int:
        roll = self.random.random()
        if roll < 0.1:
            return await self._place_batch()
        if roll < 0.2:
            return await self._place_alike()
        order = self.order(refused=roll < 0.4)
        placed = await self.place(order)
        if placed is None or placed.is_final:
            return 1
        self._mine.append(placed)
        if roll > 0.85:
            return 1 + await self._replace(placed)
        if roll > 0.6:
            await self.cancel(placed)
        return 1

    async def place(self, order: NewOrder) -> TrackedOrder | None:
        """Place an order in one of the ways; return its handle if it was accepted."""
        name = order.new_client_order_id or ""
        way = self.random.choice((self._by_spot, self._by_orders, self._prepared, self._presigned, self._started))
        try:
            await way(order)
        except (OrderNotPlaced, ApiError, ConnectFailed) as error:
            self.said[name] = "refused"
            self.refusals[name] = error
        except OutcomeUnknown as error:
            self.troubles[name] = error
        else:
            self.said[name] = "accepted"
            return self.mexc.orders[name]
        return None

    async def _by_spot(self, order: NewOrder) -> None:
        fields = {name: getattr(order, name) for name in order.__struct_fields__}
        await self.mexc.spot.new_order(**fields)

    async def _by_orders(self, order: NewOrder) -> None:
        await self.mexc.orders.place(order)

    async def _prepared(self, order: NewOrder) -> None:
        prepared = self.mexc.spot.prepare(symbol=order.symbol, side=order.side, type=order.type)
        given: dict[str, Any] = {"price": order.price, "quantity": order.quantity}
        name = order.new_client_order_id
        if self.random.random() < 0.5:
            await prepared.send(**given, new_client_order_id=name)
        else:
            await prepared.start(**given, new_client_order_id=name)

    async def _presigned(self, order: NewOrder) -> None:
        (rung,) = await self.mexc.spot.presign([order])
        await rung.send()

    async def _started(self, order: NewOrder) -> None:
        await self.mexc.start(order)

    async def _place_alike(self) -> int:
        """Place two orders at once that only their ids tell apart."""
        order = self.order(refused=False)
        twins = [order, msgspec.structs.replace(order, new_client_order_id=self._name())]
        self._mine += [placed for placed in await asyncio.gather(*map(self.place, twins)) if placed is not None]
        return 2

    async def _place_batch(self) -> int:
        refused = self.random.random() < 0.3
        symbol = NEVER_HELD if refused else self.random.choice(SYMBOLS)
        batch = [self.order(refused=refused, symbol=symbol, rests=True) for _ in range(4)]
        if self.random.random() < 0.5:
            for placed in await self.mexc.orders.place_many(batch):
                self.said[placed.client_order_id] = "accepted" if placed.error is None else "refused"
        else:
            try:
                results = [result.is_accepted for result in await self.mexc.spot.batch_orders(orders=tuple(batch))]
            except (ApiError, ConnectFailed, OrderNotPlaced):
                results = [False] * len(batch)
            except OutcomeUnknown as error:
                results = []
                self.troubles.update({order.new_client_order_id or "": error for order in batch})
            for order, is_accepted in zip(batch, results, strict=False):
                self.said[order.new_client_order_id or ""] = "accepted" if is_accepted else "refused"
        for order in batch:
            known = self.mexc.orders[order.new_client_order_id or ""]
            if known.error is None:
                self._mine.append(known)
        return len(batch)

    async def cancel(self, order: TrackedOrder) -> None:
        """Cancel an order in one of the ways, and maybe once more than needed."""
        for _ in range(self.random.choice((1, 1, 2))):
            try:
                if self.random.random() < 0.5:
                    await order.cancel()
                else:
                    await self.mexc.spot.cancel_order(symbol=order.symbol, orig_client_order_id=order.client_order_id)
            except MexcError as error:  # no cancel of an accepted order can be refused, or stay unknown
                self.troubles[order.client_order_id] = error
            else:
                assert order.is_final, order

    async def _replace(self, order: TrackedOrder) -> int:
        assert order.price is not None
        price = self.mexc.rules(order.symbol).price(order.price * (1 + Decimal(self.random.randint(-9, 9)) / 1000))
        if order.is_final or order.type not in ("LIMIT", "LIMIT_MAKER"):
            return 0
        try:
            new = await order.replace(price=price)
        except MexcError as error:
            name = error.client_order_id or order.client_order_id
            if name == order.client_order_id or isinstance(error, OutcomeUnknown):
                self.troubles[name] = error
            else:
                self.said[name] = "refused"
            if order.replaced_by is None:
                return 1
            new = order.replaced_by  # the earlier order was placed again
        if new is not order:
            self.said[new.client_order_id] = "accepted"
            self._mine.append(new)
        return 1

    def _name(self) -> str:
        return f"proxied-{next(self._names)}"

    def order(self, *, refused: bool, symbol: str = "", rests: bool | None = None) -> NewOrder:
        """Make an order far from the market, or one that trades at once, or one that is refused for lack of funds."""
        random = self.random
        symbol = symbol or (NEVER_HELD if refused else random.choice(SYMBOLS))
        side: Any = "SELL" if refused else random.choice(("BUY", "SELL"))
        rests = random.random() < 0.7 if rests is None else rests
        rules = self.mexc.rules(symbol)
        away = Decimal(random.randint(300, 900)) / 10_000 if rests else Decimal("-0.02")
        price = rules.price(self._prices[symbol] * (1 - away if side == "BUY" else 1 + away))
        kind: Any = random.choice(
            ("LIMIT", "LIMIT_MAKER") if rests else ("LIMIT", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL")
        )
        quantity = rules.quantity(Decimal(random.randint(600, 4000)) / 100 / price, "up")
        name = self._name()
        return NewOrder(symbol=symbol, side=side, type=kind, quantity=quantity, price=price, new_client_order_id=name)


@asynccontextmanager
async def behind_proxy(
    seed: int, transport: Literal["lane", "pool"], **settings: Any
) -> AsyncIterator[tuple[Simulator, HostileProxy, Mexc, dict[str, Decimal]]]:
    """Open an exchange, a proxy before it that is calm yet, a client behind that, and the best bids of the markets.

    Afterwards there is no task, connection or socket that was not there before.
    """
    sockets = open_sockets()
    usual: dict[str, Any] = {
        "credentials": Credentials(DEMO_KEY, DEMO_SECRET),
        "limits": "unlimited",
        "orders": SETTLE,
        "timeouts": Timeouts(connect_s=2.0, read_s=TIMEOUT_S, total_s=TIMEOUT_S),
        "retry": RetryPolicy(budget_s=20.0, first_s=0.02, longest_s=0.3),
        "recv_window_ms": WINDOW_MS,
        "order_transport": transport,
    }
    config = SimConfig(seed=seed, limits="none", flow=5, control=True, accounts=(main_account(balances=HELD),))
    async with nothing_left(), Simulator(config) as sim, HostileProxy(sim.rest, seed=seed) as proxy:
        async with client(proxy.ws, proxy.rest, timing=TIMING, **usual | settings) as mexc:
            await mexc.warm_up(4)
            await mexc.orders.follow()
            prices = {each.symbol: each.bid_price or Decimal(0) for each in await mexc.spot.book_ticker()}
            yield sim, proxy, mexc, prices
        await until(lambda: not proxy.links)
    await until(lambda: open_sockets() <= sockets)


def open_sockets() -> int:
    """Count the sockets of this process; 0 where that cannot be seen."""
    files = Path("/proc/self/fd")
    if not files.is_dir():
        return 0
    return sum(1 for file in files.iterdir() if file.is_symlink() and "socket:" in _target(file))


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""  # closed meanwhile


async def audit(sim: Simulator) -> AccountAudit:
    """Ask the exchange for the truth about the account."""
    async with aiohttp.ClientSession() as session, session.get(f"{sim.rest}/sim/ledger") as answer:
        return msgspec.json.decode(await answer.read(), type=AccountAudit)


def wrongly_said(said: dict[str, Said], truth: AccountAudit) -> dict[str, Said]:
    """Return the orders of which the exchange knows the contrary of what their callers were told."""
    accepted = {line.client_id for line in truth.orders}
    return {name: word for name, word in said.items() if (word == "accepted") != (name in accepted)}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_believed_that_a_hostile_proxy_made_up(seed: int, transport: Literal["lane", "pool"]) -> None:
    random = Random(seed)
    async with asyncio.timeout(DEADLINE_S), behind_proxy(seed, transport) as (sim, proxy, mexc, prices):
        before = totals(await audit(sim))
        names = itertools.count(1)
        traders = [Trader(mexc, prices, Random(random.random()), names) for _ in range(TRADERS)]
        proxy.unleash(*FAULTS)
        async with asyncio.TaskGroup() as group:
            for trader in traders:
                group.create_task(trader.run(ORDERS // TRADERS))
        proxy.calm()
        troubles = {name: error for trader in traders for name, error in trader.troubles.items()}
        said = {name: word for trader in traders for name, word in trader.said.items()}
        wrong = wrongly_said(said, await audit(sim))
        refusals = {name: error for trader in traders for name, error in trader.refusals.items() if name in wrong}
        assert not {**wrong, **troubles}, f"{wrong}\n{refusals}\n{troubles}\n{proxy.story([*wrong, *troubles])}"
        orders = mexc.orders.all()
        assert not [order for order in orders if order.status in (OrderState.UNKNOWN, OrderState.SENDING)]
        await mexc.orders.cancel_all()
        for order in orders:
            if order.error is None:
                await order.settled(30)
        compare(mexc, await audit(sim), before)
        assert mexc.orders.exposure().open_orders == 0
        assert {fault.kind for fault in FAULTS} - set(proxy.struck) <= {
            "hold_stream",
            "cut_stream",
        }  # few in a short run


def test_the_same_seed_does_the_same_harm() -> None:
    def harm(seed: int) -> list[tuple[Kind, ...]]:
        proxy = HostileProxy("http://127.0.0.1:1", seed=seed)
        proxy.unleash(*FAULTS)
        return [tuple(proxy.drawn(name)[2]) for _ in range(100) for name in ("POST /api/v3/order", "GET /api/v3/order")]

    assert harm(1) == harm(1) != harm(2)
    assert {kind for kinds in harm(1) for kind in kinds} == {f.kind for f in FAULTS if not f.kind.endswith("stream")}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_refusal_that_comes_twice_refuses_one_order(transport: Literal["lane", "pool"]) -> None:
    random = Random(5)
    async with asyncio.timeout(DEADLINE_S), behind_proxy(5, transport) as (sim, proxy, mexc, prices):
        trader = Trader(mexc, prices, random, itertools.count(1))
        proxy.unleash(Fault("double_answer", 0.375, PLACE, most_s=0.003, of="refused"))

        async def work(count: int) -> None:
            for _ in range(count):
                placed = await trader.place(trader.order(refused=random.random() < 0.5, rests=True))
                if placed is not None and random.random() < 0.5:
                    await trader.cancel(placed)

        await asyncio.gather(*(work(100) for _ in range(4)))
        proxy.calm()
        wrong, doubled = wrongly_said(trader.said, await audit(sim)), proxy.struck["double_answer"]
        assert doubled > 50
        found = f"{doubled} refusals came twice: {len(wrong)} orders and {len(trader.troubles)} cancels got another's"
        assert not {**wrong, **trader.troubles}, f"{found}\n{proxy.story([*wrong, *trader.troubles])}"
