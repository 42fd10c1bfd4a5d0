"""Orders of every kind over a network that does harm: what this client says and knows is what the exchange knows.

Most of it runs in memory and in virtual time, a little over sockets. `make chaos` runs it with more seeds and orders:
CHAOS_SEEDS=1,2,3 CHAOS_SOCKET_ORDERS=2000.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

import msgspec
import pytest

from mexc_async.backtest.memory import MemoryJoin
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import Prepared
from mexc_async.errors import ApiError, ConnectFailed, MexcError, OrderNotPlaced, OutcomeUnknown
from mexc_async.orders.handle import TrackedOrder
from mexc_async.orders.record import OrderState
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.retry import RetryPolicy
from mexc_async.runtime.clock import SYSTEM, Clock
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import run_virtual
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.sim.faults.faults import Fault, Kind, Strike
from mexc_async.sim.rest.port import Port
from mexc_async.sim.rest.server import SimConfig, Simulator, main_account
from mexc_async.sim.wallet.account_audit import AccountAudit
from mexc_async.spot.trading import NewOrder
from mexc_async.streams.session import Timing
from mexc_async.transport.config import Timeouts
from tests.support.streams import client, nothing_left, until
from tests.support.truth import compare, totals

SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "7").split(",")]
ORDERS = 300
SOCKET_ORDERS = int(os.environ.get("CHAOS_SOCKET_ORDERS", "100"))
TRADERS = 25
DEADLINE_S = 400 + SOCKET_ORDERS / 10
"""Time after which a part hangs."""
START_MS = 1_700_000_000_000
SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT")
NEVER_HELD = "SOLUSDT"
"""Symbol that nobody buys, so that every sale of it is refused."""
HELD = {"USDT": Decimal(10_000_000), "BTC": Decimal(100), "ETH": Decimal(1000), "XRP": Decimal(1_000_000)}
TIMING = Timing(ping_s=0.3, silence_s=1.0, ack_s=1.0, retry_s=0.02, longest_retry_s=0.2)
WINDOW_MS, TIMEOUT_S = 600, 0.5
SETTLE = OrderSettings(settle_s=150.0, lag_ms=200, keep_s=1e6, poll_s=0.2, watch_s=1.0)
TRANSPORTS = ("lane", "pool")
NAMING = "new_order|batch_orders|cancel_order|query_order"
LATE_MS = round(TIMEOUT_S * 1000)
FAULTS = (
    Fault(kind="hold", chance=0.03, delay_ms=50),
    Fault(kind="hold", on=NAMING, chance=0.015, delay_ms=LATE_MS),
    Fault(kind="hold", on=NAMING, chance=0.015, delay_ms=WINDOW_MS + 300),
    Fault(kind="hang_up", at="unread", chance=0.02),
    Fault(kind="reset", at="unread", chance=0.02),
    Fault(kind="hang_up", chance=0.015),
    Fault(kind="reset", chance=0.015),
    Fault(kind="mute", at="unread", chance=0.01),
    Fault(kind="late_answer", chance=0.015, delay_ms=50),
    Fault(kind="late_answer", chance=0.015, delay_ms=LATE_MS + 200),
    Fault(kind="truncate", chance=0.03),
    Fault(kind="clip", chance=0.02),
    Fault(kind="stall", chance=0.02),
    Fault(kind="answer_twice", chance=0.05),
    Fault(kind="repeat_answer", chance=0.05, delay_ms=1),
    Fault(kind="repeat_answer", chance=0.05, delay_ms=3),
    Fault(kind="request_twice", chance=0.05),
    Fault(kind="swap_requests", chance=0.03, delay_ms=50),
    Fault(kind="swap_answers", chance=0.1, delay_ms=50),
    Fault(kind="delay", chance=0.01, delay_ms=50),
    Fault(kind="delay", chance=0.01, delay_ms=1500),
    Fault(kind="cut", chance=0.005),
    Fault(kind="hang_up", on="spot@*", chance=0.005),
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
        return f"order-{next(self._names)}"

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


class World(NamedTuple):
    """An exchange without faults yet, its client, the best bids of its markets, and the strikes so far."""

    sim: Simulator
    mexc: Mexc
    prices: dict[str, Decimal]
    strikes: list[Strike]

    @property
    def struck(self) -> Counter[Kind]:
        return Counter(strike.fault.kind for strike in self.strikes)

    def story(self, orders: Iterable[str]) -> str:
        """List the strikes of some orders."""
        return "\n".join(str(strike) for strike in self.strikes if not set(orders).isdisjoint(strike.orders))


@asynccontextmanager
async def hostile(
    seed: int, transport: str, clock: Clock, join: MemoryJoin | None, **settings: Any
) -> AsyncIterator[World]:
    """Open a world. Afterwards there is no task or stream that was not there before."""
    usual: dict[str, Any] = {
        "credentials": Credentials(DEMO_KEY, DEMO_SECRET),
        "limits": "unlimited",
        "orders": SETTLE,
        "timeouts": Timeouts(connect_s=2.0, read_s=TIMEOUT_S, total_s=TIMEOUT_S),
        "retry": RetryPolicy(budget_s=20.0, first_s=0.02, longest_s=0.3),
        "recv_window_ms": WINDOW_MS,
        "transport": transport,
    }
    if join is not None:
        usual |= {"prepared": Prepared(network=join.network), "clock": clock}
    config = SimConfig(
        seed=seed, limits="none", flow=5, step_ms=50 if join is None else 0, accounts=(main_account(balances=HELD),)
    )
    strikes: list[Strike] = []
    listen = Port if join is None else join.listen
    async with Simulator(config, clock, listen, on_strike=strikes.append) as sim:
        async with client(sim.spot_ws, sim.rest, timing=TIMING, **usual | settings) as mexc:
            await mexc.warm_up(4)
            await mexc.orders.follow()
            prices = {each.symbol: each.bid_price or Decimal(0) for each in await mexc.spot.book_ticker()}
            yield World(sim, mexc, prices, strikes)
        await until(lambda: not len(sim.sockets))


def in_memory(seed: int, transport: str, act: Callable[[World], Awaitable[None]]) -> None:
    """Let something happen in a world in memory, in virtual time."""
    loop = VirtualLoop(START_MS, seed)

    async def main() -> None:
        async with nothing_left(), hostile(seed, transport, loop.clock, MemoryJoin()) as world:
            await act(world)

    run_virtual(main(), loop)


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


def wrongly_said(said: dict[str, Said], truth: AccountAudit) -> dict[str, Said]:
    """Return the orders of which the exchange knows the contrary of what their callers were told."""
    accepted = {line.client_id for line in truth.orders}
    return {name: word for name, word in said.items() if (word == "accepted") != (name in accepted)}


async def trade(world: World, seed: int, count: int) -> None:
    """Place and cancel orders under all faults; check that nothing is lost, doubled or wrongly believed."""
    sim, mexc, prices, _ = world
    random = Random(seed)
    before = totals(sim.statement())
    names = itertools.count(1)
    traders = [Trader(mexc, prices, Random(random.random()), names) for _ in range(TRADERS)]
    sim.inject(*FAULTS)
    async with asyncio.TaskGroup() as group:
        for trader in traders:
            group.create_task(trader.run(count // TRADERS))
    sim.clear_faults()
    troubles = {name: error for trader in traders for name, error in trader.troubles.items()}
    said = {name: word for trader in traders for name, word in trader.said.items()}
    wrong = wrongly_said(said, sim.statement())
    refusals = {name: error for trader in traders for name, error in trader.refusals.items() if name in wrong}
    assert not {**wrong, **troubles}, f"{wrong}\n{refusals}\n{troubles}\n{world.story([*wrong, *troubles])}"
    orders = mexc.orders.all()
    assert not [order for order in orders if order.status in (OrderState.UNKNOWN, OrderState.SENDING)]
    await mexc.orders.cancel_all()
    for order in orders:
        if order.error is None:
            await order.settled(30)
    compare(mexc, sim.statement(), before)
    assert mexc.orders.exposure().open_orders == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_believed_that_a_hostile_network_made_up(seed: int, transport: str) -> None:
    async def act(world: World) -> None:
        await trade(world, seed, ORDERS)
        assert {fault.kind for fault in FAULTS} - set(world.struck) <= {"delay", "cut"}  # few pushes in a short run

    in_memory(seed, transport, act)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_nothing_is_believed_over_sockets_either(transport: str) -> None:
    sockets = open_sockets()
    async with asyncio.timeout(DEADLINE_S), nothing_left():
        async with hostile(SEEDS[0], transport, SYSTEM, None) as world:
            await trade(world, SEEDS[0], SOCKET_ORDERS)
        await until(lambda: open_sockets() <= sockets)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_refusal_that_comes_twice_refuses_one_order(transport: str) -> None:
    async def act(world: World) -> None:
        sim, mexc, prices, _ = world
        random = Random(5)
        trader = Trader(mexc, prices, random, itertools.count(1))
        sim.inject(*(Fault(kind="repeat_answer", on="new_order", chance=0.13, delay_ms=ms) for ms in (0, 1, 3)))

        async def work(count: int) -> None:
            for _ in range(count):
                placed = await trader.place(trader.order(refused=random.random() < 0.5, rests=True))
                if placed is not None and random.random() < 0.5:
                    await trader.cancel(placed)

        await asyncio.gather(*(work(100) for _ in range(4)))
        sim.clear_faults()
        wrong, doubled = wrongly_said(trader.said, sim.statement()), world.struck["repeat_answer"]
        assert doubled > 50
        found = f"{doubled} answers came twice: {len(wrong)} orders and {len(trader.troubles)} cancels got another's"
        assert not {**wrong, **trader.troubles}, f"{found}\n{world.story([*wrong, *trader.troubles])}"

    in_memory(5, transport, act)
