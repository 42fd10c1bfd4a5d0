"""A back-test against what is known otherwise: its own record of a live run, and a book that a few lines keep."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Coroutine
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest

from mexc_async import backtest
from mexc_async.backtest.direct import DirectJoin
from mexc_async.backtest.result import RunFill
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import Prepared
from mexc_async.errors import WouldTakeLiquidity
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.virtual_loop import VirtualLoop
from mexc_async.runtime.virtual_run import run_virtual
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET
from mexc_async.sim.exchange.events import BookEvent, DealEvent, Event, TradeEvent
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.market.models import MarketModels
from mexc_async.sim.rest.config import SimConfig
from mexc_async.sim.rest.server import Simulator

BTC = "BTCUSDT"
START_MS = 1_700_000_000_000
LENGTH_S = 60.0
TAPE = Path(__file__).resolve().parents[3] / "shared" / "data" / "book-tape.jsonl.gz"

Levels = dict[tuple[str, Decimal], Decimal]
Fills = list[tuple[str, Decimal, Decimal, int, bool]]


async def make_market(mexc: Mexc, *, seed: int = 0) -> None:
    """Quote both sides near the best prices, again and again."""
    random = Random(seed)
    rules = mexc.rules(BTC)
    async with mexc.books(BTC) as book:
        await asyncio.sleep(0.0035)  # never at the very moment of an event or a push, whose order could be either
        while True:
            await book.synced()
            assert book.mid is not None
            near = book.mid * Decimal(random.randrange(1, 6)) / 100_000
            bid, ask = rules.price(book.mid - near), rules.price(book.mid + near, "up")
            orders = []
            for place, price in ((mexc.orders.maker_buy, bid), (mexc.orders.maker_sell, ask)):
                with suppress(WouldTakeLiquidity):
                    orders.append(await place(BTC, quantity="0.004", price=price))
            await asyncio.sleep(random.randrange(10, 90) / 100)
            for order in orders:
                if not order.is_final:
                    await order.cancel()


class Recorder:
    """Writes what the market shows besides the users' orders as the lines of a tape.

    A new quote of the generated market makes way for itself: it withdraws the market's own levels that it crosses, and
    then fills users' orders at these prices. No exchange does that, and no tape can show it: then `is_faithful` is
    False.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._market = exchange.market(BTC)
        self._known: Levels = {}
        self._traded: Levels = {}
        """Quantity that the market's own levels have traded in this command."""
        self._filled: set[tuple[str, Decimal]] = set()
        self.is_faithful = True
        self.lines: list[dict[str, Any]] = []
        self._write("snapshot", START_MS, self._levels())
        exchange.subscribe(self._on_event)

    def _levels(self) -> Levels:
        sides = (("bids", self._market.house("BUY")), ("asks", self._market.house("SELL")))
        return {(name, price): order.quantity for name, house in sides for price, order in house.items()}

    def _on_event(self, event: Event) -> None:
        if isinstance(event, TradeEvent) and event.symbol == BTC:
            trade = event.trade
            maker, side = ("buy", "bids") if trade.buyer_is_maker else ("sell", "asks")
            self._count((side, trade.price), trade.quantity)
            self._line("trade", trade.time_ms, price=trade.price, quantity=trade.quantity, maker_side=maker)
        elif isinstance(event, DealEvent):
            key = "bids" if event.trade.is_buyer else "asks", event.trade.price
            self._count(key, -event.trade.quantity)
            self._filled.add(key)
        elif isinstance(event, BookEvent) and event.symbol == BTC:
            now, gone = self._levels(), Decimal(0)
            for key in self._filled:
                lost = self._known.get(key, gone) - now.get(key, gone)
                self.is_faithful &= lost == self._traded[key]
            self._traded, self._filled = {}, set()
            changed = {key: size for key, size in now.items() if self._known.get(key) != size}
            self._write("depth", event.time_ms, {**changed, **dict.fromkeys(self._known.keys() - now.keys(), gone)})

    def _count(self, key: tuple[str, Decimal], quantity: Decimal) -> None:
        self._traded[key] = self._traded.get(key, Decimal(0)) + quantity

    def _write(self, kind: str, time_ms: int, levels: Levels) -> None:
        self._known = self._levels()
        sides = {name: sorted(row for row in levels.items() if row[0][0] == name) for name in ("bids", "asks")}
        rows = {name: [[str(price), str(size)] for (_, price), size in found] for name, found in sides.items()}
        if levels:
            self._line(kind, time_ms, bids=rows["bids"][::-1], asks=rows["asks"])

    def _line(self, kind: str, time_ms: int, **fields: Any) -> None:
        text = {name: str(value) if isinstance(value, Decimal) else value for name, value in fields.items()}
        self.lines.append({"ts_ms": time_ms, "symbol": "BTC-USDT", "kind": kind, **text})


def live(seed: int) -> tuple[Fills, Recorder]:
    """Run the strategy on a generated market in virtual time; return its fills and the record of the market."""
    loop, join = VirtualLoop(START_MS, seed), DirectJoin()

    async def main() -> tuple[Fills, Recorder]:
        async with Simulator(SimConfig(seed=seed, limits="none", step_ms=0, flow=3), loop.clock, join.listen) as sim:
            recorder = Recorder(sim.exchange)
            async with Mexc(
                Credentials(DEMO_KEY, DEMO_SECRET),
                rest=sim.rest,
                ws=sim.spot_ws,
                limits="unlimited",
                clock=loop.clock,
                prepared=Prepared(network=join.network),
            ) as mexc:
                await ended(mexc, seed)
            account = next(iter(sim.exchange.accounts.values()))
            fills = [
                ("BUY" if one.is_buyer else "SELL", one.price, one.quantity, one.time_ms, one.is_maker)
                for one in account.trades
            ]
            return fills, recorder

    return run_virtual(main(), loop)


async def ended(mexc: Mexc, seed: int) -> None:
    """Run the strategy for a while."""
    await mexc.load_rules()
    work: Coroutine[Any, Any, None] = make_market(mexc, seed=seed)
    try:
        async with asyncio.timeout(LENGTH_S):
            await work
    except TimeoutError:
        pass


def test_a_run_is_repeated_by_its_own_record(tmp_path: Path) -> None:
    compared = 0
    for seed in range(20):
        fills, recorder = live(seed)
        if recorder.is_faithful:
            assert len(fills) > 10
            path = tmp_path / f"{seed}.jsonl"
            path.write_bytes(b"\n".join(map(orjson.dumps, recorder.lines)))
            assert replayed(path, seed) == fills
            compared += 1
        if compared == 3:
            return
    raise AssertionError(f"only {compared} records are faithful")


def replayed(path: Path, seed: int) -> Fills:
    """Run the strategy on a record; return its fills."""

    async def main(mexc: Mexc) -> None:
        await ended(mexc, seed)

    exchange = SimConfig(limits="none", models=MarketModels(queue="behind", impact="none"))
    result = backtest.run(main, tape=path, seed=seed, exchange=exchange, limits="unlimited")
    return [shown(fill) for fill in result.fills]


def shown(fill: RunFill) -> tuple[str, Decimal, Decimal, int, bool]:
    return fill.side, fill.price, fill.quantity, fill.time, fill.is_maker


def test_each_book_at_the_end_equals_one_that_twenty_lines_keep() -> None:
    if not TAPE.exists():
        pytest.skip(f"the recorded market {TAPE.name} is not here")
    expected = dict_books()
    seen: dict[str, tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]] = {}

    async def main(mexc: Mexc) -> None:
        symbols = [each.symbol for each in (await mexc.spot.exchange_info()).symbols]
        async with mexc.books(symbols) as books:
            try:
                await asyncio.sleep(3600)
            finally:
                for symbol, book in books.items():
                    view = book.exact
                    seen[symbol] = dict(view.bids()), dict(view.asks())

    backtest.run(main, tape=TAPE, exchange=SimConfig(limits="none"), limits="unlimited")
    assert seen == expected


def dict_books() -> dict[str, tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]]:
    """Return the books at the tape's end, by symbol: bids and asks."""
    books: dict[str, tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]] = {}
    with gzip.open(TAPE) as lines:
        for line in lines:
            message = orjson.loads(line)
            if message["kind"] == "trade":
                continue
            bids, asks = books.setdefault(message["symbol"].replace("-", ""), ({}, {}))
            if message["kind"] == "snapshot":
                bids.clear()
                asks.clear()
            for side, rows in ((bids, message["bids"]), (asks, message["asks"])):
                for price, quantity in rows:
                    side[Decimal(price)] = Decimal(quantity)
                    if not Decimal(quantity):
                        del side[Decimal(price)]
    return books
