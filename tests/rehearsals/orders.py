"""A strategy for rehearsals: many coroutines place, cancel and replace orders in every way there is, and are told how.

What each caller was told must be what the exchange did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from random import Random, random
from typing import Any, Literal
from weakref import WeakKeyDictionary

import msgspec

from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings, Settings
from mexc_async.errors import ApiError, ConnectFailed, MexcError, OrderNotPlaced, OutcomeUnknown
from mexc_async.orders.handle import TrackedOrder
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.retry import RetryPolicy
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.config import SimConfig, main_account
from mexc_async.sim.wallet.account_audit import AccountAudit
from mexc_async.spot.trading import NewOrder
from mexc_async.streams.router import StreamSettings
from mexc_async.streams.session import Timing
from mexc_async.transport.config import Timeouts

SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT")
NEVER_HELD = "SOLUSDT"
"""Symbol that nobody buys, so that every sale of it is refused."""
HELD = {"USDT": Decimal(10_000_000), "BTC": Decimal(100), "ETH": Decimal(1000), "XRP": Decimal(1_000_000)}
EXCHANGE = SimConfig(limits="none", flow=0.3, accounts=(main_account(balances=HELD),))
WINDOW_MS, LAG_MS, TIMEOUT_S = 600, 400, 0.5
SETTINGS = Settings(
    limits="unlimited",
    recv_window_ms=WINDOW_MS,
    orders=OrderSettings(settle_s=150.0, lag_ms=2 * LAG_MS, poll_s=0.2, watch_s=1.0, id_prefix="chaos"),
    streams=StreamSettings(timing=Timing(ping_s=0.3, silence_s=1.0, ack_s=1.0, retry_s=0.02, longest_retry_s=0.2)),
    network=NetworkSettings(
        timeouts=Timeouts(connect_s=2.0, read_s=TIMEOUT_S, total_s=TIMEOUT_S),
        retry=RetryPolicy(budget_s=20.0, first_s=0.02, longest_s=0.3),
    ),
)
PLACING, PRIVATE = "new_order|batch_orders", "spot@private.*"
LOOKING = "query_order|open_orders|all_orders|my_trades"
FAULTS = (
    Fault(kind="mute", on=PLACING, chance=0.02),
    Fault(kind="mute", on=PLACING, at="read", chance=0.01),
    Fault(kind="error", on=PLACING, status=504, chance=0.02),
    Fault(kind="error", on=PLACING, status=403, chance=0.01),
    Fault(kind="error", on=PLACING, status=502, at="read", chance=0.01),
    Fault(kind="reset", on=PLACING, at="unread", chance=0.01),
    Fault(kind="reset", on=PLACING, at="read", chance=0.01),
    Fault(kind="reset", on=PLACING, chance=0.02),
    Fault(kind="truncate", on=PLACING, chance=0.02),
    Fault(kind="hold", on=PLACING, chance=0.02, delay_ms=WINDOW_MS - 100),
    Fault(kind="hold", on=PLACING, chance=0.01, delay_ms=WINDOW_MS + 300),
    Fault(kind="overtake", on=PLACING, chance=0.01, delay_ms=300),
    Fault(kind="late_answer", on=PLACING, chance=0.05, delay_ms=150),
    Fault(kind="answer_twice", on="*", chance=0.02),
    Fault(kind="mute", on="cancel_order", chance=0.02),
    Fault(kind="error", on="cancel_order", status=504, chance=0.02),
    Fault(kind="reset", on="cancel_order", chance=0.02),
    Fault(kind="fill_first", on="cancel_order", chance=0.1, part=0.5),
    Fault(kind="fill_first", on="cancel_order", chance=0.05, part=1.0),
    Fault(kind="lag", on=LOOKING, chance=0.2, delay_ms=LAG_MS),
    Fault(kind="cancel_lag", on="cancel_order", chance=0.05, delay_ms=LAG_MS),
    Fault(kind="error", on=LOOKING, status=502, chance=0.02),
    Fault(kind="duplicate", on=PRIVATE, chance=0.05),
    Fault(kind="delay", on=PRIVATE, chance=0.02, delay_ms=100),
    Fault(kind="reorder", on=PRIVATE, chance=0.05),
    Fault(kind="skip", on=PRIVATE, chance=0.02),
    Fault(kind="drop", on=PRIVATE, chance=0.002),
    Fault(kind="restart", on=PLACING, chance=0.001, delay_ms=200),
)
"""Faults of the exchange that this client overcomes: with them no call may end without a result."""
NAMING = f"{PLACING}|cancel_order|query_order"
LATE_MS = round(TIMEOUT_S * 1000)
NETWORK = (
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
"""Faults of the network that it overcomes, with any requests."""
REPEATED = tuple(Fault(kind="repeat_answer", on="new_order", chance=0.13, delay_ms=ms) for ms in (0, 1, 3))
"""Answers to orders that come twice, so that the second one may be taken for a later order's."""
KILLED = (
    Fault(kind="kill", on=f"{PLACING}|cancel_order", at="unread", chance=0.02, times=1, delay_ms=300),
    Fault(kind="kill", on=f"{PLACING}|cancel_order", chance=0.02, times=1, delay_ms=300),
    Fault(kind="kill", on=PRIVATE, chance=0.01, times=1, delay_ms=2000),
    Fault(kind="freeze", on=PRIVATE, chance=0.01, times=2, delay_ms=1500),
)
"""Ends of the client's process, which starts again a while later, and pauses of it."""
Said = Literal["accepted", "refused"]


class Told:
    """What the callers of one client were told."""

    def __init__(self) -> None:
        self.said: dict[str, Said] = {}
        """Answers, by client order id."""
        self.refusals: dict[str, MexcError] = {}
        """Errors that said that an order was not placed, by the same."""
        self.troubles: dict[str, MexcError] = {}
        """Orders that could not be settled in time, and refused cancels, by the same."""


_told: WeakKeyDictionary[Mexc, Told] = WeakKeyDictionary()


def told_by(mexc: Mexc) -> Told:
    """Return what the callers of a client were told."""
    return _told.setdefault(mexc, Told())


async def main(mexc: Mexc, *, orders: int = 100, traders: int = 25) -> None:
    """Place so many orders, by so many traders at once, and cancel what is left."""
    told = told_by(mexc)
    prices = await _ready(mexc)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(traders):
                group.create_task(Trader(mexc, prices, told).run(max(1, orders // traders)))
    finally:
        await mexc.orders.cancel_all()


async def _ready(mexc: Mexc) -> dict[str, Decimal]:
    """Load the rules, follow the orders, and return the best bids; repeat it until no fault is in the way."""
    while True:
        try:
            await mexc.load_rules()
            await mexc.orders.follow()
            return {each.symbol: each.bid_price or Decimal(0) for each in await mexc.spot.book_ticker()}
        except MexcError:
            await asyncio.sleep(0.1)


class Trader:
    """One coroutine of many: places, cancels and replaces orders, and records the answers."""

    def __init__(self, mexc: Mexc, prices: dict[str, Decimal], told: Told) -> None:
        self.mexc = mexc
        self.random = Random(random())
        self.told = told
        self._prices = prices
        self._mine: list[TrackedOrder] = []

    async def run(self, count: int) -> None:
        """Place so many orders."""
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
        ways: tuple[Callable[[NewOrder], Awaitable[object]], ...] = (
            self._by_spot,
            self.mexc.orders.place,
            self._prepared,
            self._presigned,
            self.mexc.start,
        )
        try:
            await self.random.choice(ways)(order)
        except (OrderNotPlaced, ApiError, ConnectFailed) as error:
            self.told.said[name] = "refused"
            self.told.refusals[name] = error
        except OutcomeUnknown as error:
            self.told.troubles[name] = error
        else:
            self.told.said[name] = "accepted"
            return self.mexc.orders[name]
        return None

    async def _by_spot(self, order: NewOrder) -> None:
        fields = {name: getattr(order, name) for name in order.__struct_fields__}
        await self.mexc.spot.new_order(**fields)

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
        said = self.told.said
        if self.random.random() < 0.5:
            for placed in await self.mexc.orders.place_many(batch):
                if isinstance(placed.error, OutcomeUnknown):
                    self.told.troubles[placed.client_order_id] = placed.error
                else:
                    said[placed.client_order_id] = "accepted" if placed.error is None else "refused"
        else:
            try:
                results = [result.is_accepted for result in await self.mexc.spot.batch_orders(orders=tuple(batch))]
            except (ApiError, ConnectFailed, OrderNotPlaced):
                results = [False] * len(batch)
            except OutcomeUnknown as error:
                results = []
                self.told.troubles.update({order.new_client_order_id or "": error for order in batch})
            for order, is_accepted in zip(batch, results, strict=False):
                said[order.new_client_order_id or ""] = "accepted" if is_accepted else "refused"
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
                self.told.troubles[order.client_order_id] = error
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
                self.told.troubles[name] = error
            else:
                self.told.said[name] = "refused"
            if order.replaced_by is None:
                return 1
            new = order.replaced_by  # the earlier order was placed again
        if new is not order:
            self.told.said[new.client_order_id] = "accepted"
            self._mine.append(new)
        return 1

    def _name(self) -> str:
        return f"chaos-{self.random.getrandbits(60)}"

    def order(self, *, refused: bool, symbol: str = "", rests: bool | None = None) -> NewOrder:
        """Make an order far from the market, or one that trades at once, or one that is refused for lack of funds."""
        rng = self.random
        symbol = symbol or (NEVER_HELD if refused else rng.choice(SYMBOLS))
        side: Any = "SELL" if refused else rng.choice(("BUY", "SELL"))
        rests = rng.random() < 0.7 if rests is None else rests
        rules = self.mexc.rules(symbol)
        away = Decimal(rng.randint(300, 900)) / 10_000 if rests else Decimal("-0.02")
        price = rules.price(self._prices[symbol] * (1 - away if side == "BUY" else 1 + away))
        kind: Any = rng.choice(("LIMIT", "LIMIT_MAKER") if rests else ("LIMIT", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL"))
        quantity = rules.quantity(Decimal(rng.randint(600, 4000)) / 100 / price, "up")
        name = self._name()
        return NewOrder(symbol=symbol, side=side, type=kind, quantity=quantity, price=price, new_client_order_id=name)


# Rules


def told_the_truth(mexc: Mexc, truth: AccountAudit) -> str | None:
    """Demand that what callers were told of their orders is what the exchange did."""
    told = told_by(mexc)
    accepted = {line.client_id for line in truth.orders}
    wrong = [name for name, word in told.said.items() if (word == "accepted") != (name in accepted)]
    return _first(f"{name} was {told.said[name]} ({told.refusals.get(name)}), which is untrue" for name in wrong)


def all_settled(mexc: Mexc, truth: AccountAudit) -> str | None:
    """Demand that every call had a result: for moderate faults only."""
    return _first(f"{name}: {type(error).__name__}: {error}" for name, error in told_by(mexc).troubles.items())


def exposure_is_true(mexc: Mexc, truth: AccountAudit) -> str | None:
    """Demand that the positions of the client's exposure follow from the exchange's orders."""
    signed: dict[str, Decimal] = {}
    for line in truth.orders:
        change = line.executed if line.side == "BUY" else -line.executed
        signed[line.symbol] = signed.get(line.symbol, Decimal(0)) + change
    exposure = mexc.orders.exposure()
    if exposure.open_orders:
        return f"{exposure.open_orders} orders count as open"
    return _first(
        f"position of {symbol} is {one.position}, the exchange's orders make {signed.get(symbol)}"
        for symbol, one in exposure.symbols.items()
        if (one.position, one.open_buys, one.open_sells) != (signed.get(symbol, Decimal(0)), 0, 0)  # type: ignore[comparison-overlap]  # a sum
    )


def _first(texts: Iterable[str]) -> str | None:
    return next(iter(texts), None)
