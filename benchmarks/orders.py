"""Cost of order tracking on top of sending: client CPU per order, on a transport that answers at once.

`untracked` is the request pipeline alone; `mexc_async` adds order execution and tracking, as in `new_order`.
`with pushes` adds the order's pushes NEW, fill and FILLED, decoded in advance. `with rules` checks each order against
its symbol's rules, as a client does by default. `guarded` adds every pre-trade limit of `mexc.orders.limits`, against a
live book; `guard_us_per_op` is the difference between the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time, time_ns

import orjson

from benchmarks.harness import OWN, Report, Row, Sample, Settings, interleave, loop_factory, summarise
from mexc_async.books.book import OrderBook
from mexc_async.books.live_book import Books
from mexc_async.call_log.files import verified
from mexc_async.call_log.log import CallLog
from mexc_async.client.wiring import Parts, Policy, wire
from mexc_async.limits.limiter import RateLimiter
from mexc_async.limits.profiles import Limits
from mexc_async.orders.ids import OrderIds
from mexc_async.orders.record import OrderState
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.call import Options
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.clock import SYSTEM
from mexc_async.runtime.hooks import Hooks
from mexc_async.schema.answers import Reply
from mexc_async.spot.enums import OrderStatus, OrderType, Side
from mexc_async.spot.push import Push
from mexc_async.spot.push_models import FillPush, OrderPush
from mexc_async.spot.trading import NewOrder
from mexc_async.streams.websocket import SocketConfig
from mexc_async.transport.request_fields import Fields
from mexc_async.transport.transport import OnConnected
from mexc_async.transport.urls import ExchangeUrls

UNTRACKED = "untracked"
RULED = f"{OWN} with rules"
GUARDED = f"{OWN} guarded"
LOGGED = f"{OWN} with call log"
NEW_BOOK_EVERY = 10
"""Orders between two updates of the book, since figures derived from a book are cached until it changes."""
CASE = "an order"
ORDER = NewOrder(symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=Decimal("0.0005"), price=Decimal("93387.28"))
OPTIONS = Options()
KEY = Credentials("mx0benchKEY", "bench-secret")
RULES = {
    "symbol": "BTCUSDT",
    "status": "1",
    "baseAsset": "BTC",
    "baseAssetPrecision": 8,
    "quoteAsset": "USDT",
    "quotePrecision": 2,
    "quoteAssetPrecision": 2,
    "baseCommissionPrecision": 8,
    "quoteCommissionPrecision": 2,
    "orderTypes": ["LIMIT"],
    "isSpotTradingAllowed": True,
    "quoteAmountPrecision": "1",
    "baseSizePrecision": "0.000001",
    "maxQuoteAmount": "4000000",
}


class Instant:
    """A transport that answers every order at once, each with its own id."""

    def __init__(self) -> None:
        self._numbers = count(1)

    async def send(
        self,
        method: str,
        target: str,
        headers: Fields,
        timeout_s: float | None,
        on_connected: OnConnected,
        body: bytes = b"",
    ) -> Reply:
        on_connected(None)
        if target.startswith("/api/v3/exchangeInfo"):
            return Reply(200, {}, orjson.dumps({"timezone": "CST", "serverTime": 1, "symbols": [RULES]}))
        if target.startswith("/api/v3/time"):
            return Reply(200, {}, b'{"serverTime":%d}' % (time_ns() // 1_000_000))
        ack = (
            '{"symbol":"BTCUSDT","orderId":"%s","orderListId":-1,"price":"93387.28","origQty":"0.0005",'
            '"type":"LIMIT","side":"BUY","transactTime":1700000000000}'
        )
        return Reply(200, {}, (ack % f"C02__{next(self._numbers)}").encode())

    def distrust(self) -> None:
        """Do nothing: there is no connection."""

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


def run(settings: Settings) -> Report:
    """Measure CPU per order of each subject, and the excess over `untracked` in the same round."""
    orders = 50 if settings.quick else 4000
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        subjects = {name: _measured(runner, place, orders) for name, place in SUBJECTS.items()}
        for warm in subjects.values():
            warm()
        results = interleave(subjects, settings.rounds)
    for sample, alone in zip(results[LOGGED], results[OWN], strict=True):
        sample["call_log_us_per_op"] = sample["cpu_us_per_op"] - alone["cpu_us_per_op"]
    for sample, alone in zip(results[GUARDED], results[RULED], strict=True):
        sample["guard_us_per_op"] = sample["cpu_us_per_op"] - alone["cpu_us_per_op"]
    for name, samples in results.items():
        if name != UNTRACKED:
            for sample, bare in zip(samples, results[UNTRACKED], strict=True):
                sample["overhead_us_per_op"] = sample["cpu_us_per_op"] - bare["cpu_us_per_op"]
    rows: list[Row] = summarise(CASE, results, [UNTRACKED], ["cpu_us_per_op"])
    notes = [
        f"overhead_us_per_op: same-round difference to {UNTRACKED}",
        f"guard_us_per_op: to {RULED}; call_log_us_per_op: to {OWN}",
    ]
    return Report(rows, [], notes)


async def _untracked(orders: int) -> Sample:
    api = _wired(Policy(credentials=KEY)).api
    ids = OrderIds("m", SYSTEM)
    started = process_time()
    for _ in range(orders):
        await api.deliver(ids.named(ORDER), OPTIONS)
    return _ended(started, orders)


async def _tracked(orders: int, with_pushes: bool = False, with_rules: bool = False) -> Sample:
    parts = _wired(Policy(credentials=KEY, orders=OrderSettings(check_rules=with_rules)))
    api, calls, tracker = parts.api, parts.calls, parts.tracker
    await api.rules.load()
    pushes = [_pushes(f"C02__{number}") for number in range(1, orders + 1)]
    started = process_time()
    for told in pushes:
        await calls.send(ORDER, OPTIONS)
        if with_pushes:
            for push in told:
                tracker.on_push(push)
    sample = _ended(started, orders)
    assert {record.state for record in tracker.table} == {OrderState.FILLED if with_pushes else OrderState.NEW}
    return sample


async def _logged(orders: int) -> Sample:
    """Return the client with both entries of every order in a call log."""
    with TemporaryDirectory() as folder:
        log = CallLog(Path(folder) / "calls.log")
        parts = _wired(Policy(credentials=KEY, orders=OrderSettings(check_rules=False)), log)
        calls = parts.calls
        log.open()
        await parts.api.clock_sync.ensure()
        started = process_time()
        for _ in range(orders):
            await calls.send(ORDER, OPTIONS)
        sample = _ended(started, orders)
        assert parts.log is not None
        parts.log.close()
        assert verified(Path(folder) / "calls.log").entries >= 2 * orders
    return sample


async def _guarded(orders: int) -> Sample:
    books = _StandingBooks(_wired(Policy(credentials=KEY)).books)
    parts = _wired(Policy(credentials=KEY), books=books)
    calls = parts.calls
    parts.orders.limits(
        round="down",
        collar=Decimal("0.05"),
        max_order_notional=Decimal(10**6),
        max_symbol_notional=Decimal(10**12),
        max_total_notional=Decimal(10**12),
        max_open_orders=orders,
        max_daily_loss=Decimal(10**6),
        symbols="BTCUSDT",
    )
    await parts.api.rules.load()
    started = process_time()
    for number in range(orders):
        if number % NEW_BOOK_EVERY == 0:
            books.move()
        await calls.send(ORDER, OPTIONS)
    sample = _ended(started, orders)
    assert parts.orders.exposure().open_orders == orders
    return sample


class _StandingBooks(Books):
    """A stand-in for live books: one book, in sync."""

    def __init__(self, books: Books) -> None:
        super().__init__(books.api, books.router)
        self._book = OrderBook()
        self._book.load([("93387.28", "1")], [("93387.30", "1")], 1)

    def in_step(self, symbol: str) -> OrderBook:
        return self._book

    def move(self) -> None:
        """Apply an update as from the stream."""
        self._book.apply([("93387.28", "2")], [], self._book.version + 1)


SUBJECTS: dict[str, Callable[[int], Coroutine[None, None, Sample]]] = {
    UNTRACKED: _untracked,
    OWN: _tracked,
    RULED: partial(_tracked, with_rules=True),
    GUARDED: _guarded,
    LOGGED: _logged,
    f"{OWN} with pushes": partial(_tracked, with_pushes=True),
}


def _wired(policy: Policy, log: CallLog | None = None, books: Books | None = None) -> Parts:
    return wire(
        policy,
        Instant(),
        RateLimiter(Limits.named("unlimited"), SYSTEM),
        order_transport=None,
        urls=ExchangeUrls("http://127.0.0.1:9"),
        socket=SocketConfig(),
        call_log=log,
        hooks=Hooks(),
        guard_books=books,
    )


def _pushes(order_id: str) -> tuple[Push[OrderPush], Push[FillPush], Push[OrderPush]]:
    """Create the pushes of an order that fills at once, decoded; another benchmark measures the decoder."""

    def order(status: OrderStatus, executed: str, quote: str) -> Push[OrderPush]:
        body = OrderPush(
            order_id=order_id, status=status, type=OrderType.LIMIT, side=Side.BUY, create_time=1,
            executed_quantity_text=executed, executed_quote_quantity_text=quote,
        )  # fmt: skip
        return Push(channel="spot@private.orders.v3.api.pb", body=body, symbol="BTCUSDT")

    fill = FillPush(
        price_text="93387.28", quantity_text="0.0005", quote_quantity_text="46.69364", side=Side.BUY,
        trade_id=f"{order_id}X1", order_id=order_id, time=1, commission_text="0.02", commission_asset="USDT",
    )  # fmt: skip
    return (
        order(OrderStatus.NEW, "0", "0"),
        Push(channel="spot@private.deals.v3.api.pb", body=fill, symbol="BTCUSDT"),
        order(OrderStatus.FILLED, "0.0005", "46.69364"),
    )


def _ended(started: float, orders: int) -> Sample:
    return {"cpu_us_per_op": (process_time() - started) / orders * 1e6}


def _measured(
    runner: asyncio.Runner, place: Callable[[int], Coroutine[None, None, Sample]], orders: int
) -> Callable[[], Sample]:
    return lambda: runner.run(place(orders))
