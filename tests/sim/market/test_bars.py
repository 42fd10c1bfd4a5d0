"""Bars from files, and the market that is made of them."""

from __future__ import annotations

import gzip
from contextlib import suppress
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mexc_async.runtime.clock import Clock
from mexc_async.sim.exchange.accounts import Account, AccountSpec
from mexc_async.sim.exchange.bars import Bar
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.matching import Side
from mexc_async.sim.exchange.orders import Order, OrderRequest
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.market.bar_player import MOVES, BarPlayer
from mexc_async.sim.market.bars import BadBars, Bars, read_bars
from mexc_async.sim.market.listing import MarketData
from mexc_async.sim.market.models import MarketModels
from mexc_async.sim.market.recording import read_recording
from mexc_async.sim.market.tape import BadTape, Tape
from mexc_async.sim.rest.server import SimConfig, Simulator

D = Decimal
MINUTE = 60_000
START = 1_640_995_200_000  # 2022-01-01
RECORDED = Path(__file__).resolve().parents[4] / "shared" / "data" / "btc-1m-2022-01.csv.gz"
AB = MarketData(symbol="AB-USDT")
RICH = {"AB": D(10**9), "USDT": D(10**11)}

FILE = """\
timestamp,open,high,low,close,volume
2022-01-01 00:00:00,100,110,90,105,40
2022-01-01 00:01:00,105,106,104,104,8
2022-01-01 00:02:00,104,104,80,81,20
"""


def bar(minute: int, first: int, high: int, low: int, close: int, volume: str) -> Bar:
    made = Bar(START + minute * MINUTE, D(first))
    made.high, made.low, made.close, made.volume = D(high), D(low), D(close), D(volume)
    return made


BARS = [bar(0, 100, 110, 90, 105, "40"), bar(1, 105, 106, 104, 104, "8"), bar(2, 104, 104, 80, 81, "20")]


class On:
    """An exchange whose only symbol is made of bars, and an account on it."""

    def __init__(
        self, rows: list[Bar], *, seed: int = 1, now_ms: int = START, loop: bool = False, **models: Any
    ) -> None:
        self.bars = Bars({"AB-USDT": rows}, AB)
        self.exchange = Exchange(self.bars.rules, seed=seed, now_ms=now_ms)
        self.market = self.exchange.market("ABUSDT")
        self.account: Account = self.exchange.open_account(
            AccountSpec(name="a", api_key="k", api_secret="s", balances=RICH), now_ms
        )
        usual = MarketModels(**{"volume_share": D(1), **models})
        self.player = BarPlayer(self.exchange, self.bars, now_ms=now_ms, models=usual, seed=seed, loop=loop)

    def order(self, side: Side, price: int, quantity: str, kind: str = "LIMIT", now_ms: int = START) -> Order:
        request = OrderRequest(
            symbol="ABUSDT", side=side, type=kind, quantity=D(quantity), price=D(price) if kind == "LIMIT" else None
        )
        return self.exchange.place(self.account, request, now_ms)

    def klines(self) -> list[Bar]:
        return self.market.history.bars("1m", self.bars.end_ms - 1, START, None, 10**6)

    def path(self) -> list[int]:
        """Play everything and return the prices of the moves."""
        found = []
        while self.player.due_ms < inf:
            self.player.advance(int(self.player.due_ms))
            found.append(int(self.market.last_price))
        return found


@st.composite
def many_bars(draw: st.DrawFn) -> list[Bar]:
    rows = []
    for minute in range(draw(st.integers(2, 6))):
        low, high = sorted(draw(st.tuples(st.integers(50, 150), st.integers(50, 150))))
        first, close = draw(st.integers(low, high)), draw(st.integers(low, high))
        volume = draw(st.decimals("0.04", 1000, places=4))
        rows.append(bar(minute, first, high, low, close, str(volume)))
    return rows


@given(many_bars(), st.integers(0, 9))
@settings(deadline=None, max_examples=60)
def test_the_klines_are_the_bars(rows: list[Bar], seed: int) -> None:
    on = On(rows, seed=seed)
    on.player.advance(on.bars.end_ms)
    for made, given_bar in zip(on.klines(), rows, strict=True):
        assert (made.open_ms, made.open, made.high, made.low, made.close) == (
            given_bar.open_ms, given_bar.open, given_bar.high, given_bar.low, given_bar.close
        )  # fmt: skip
        assert abs(made.volume - given_bar.volume) <= on.market.step


sides = st.sampled_from(["BUY", "SELL"])
kinds = st.sampled_from(["LIMIT", "MARKET"])
orders = st.tuples(st.integers(0, 23), sides, kinds, st.integers(40, 160), st.integers(1, 400))
"""Number of the move after which it is placed, side, type, price, quantity."""


@given(many_bars(), st.lists(orders, max_size=20), st.sampled_from(["0.05", "0.5", "1"]), st.booleans())
@settings(deadline=None, max_examples=60)
def test_fills_never_exceed_their_share_of_what_traded(
    rows: list[Bar], wanted: list[tuple[int, str, str, int, int]], share: str, touch: bool
) -> None:
    on = On(rows, volume_share=D(share), fills_at_touch=touch)
    for move in range(len(rows) * MOVES):
        now_ms = int(on.player.due_ms)
        on.player.advance(now_ms)
        for _, name, kind, price, quantity in (each for each in wanted if each[0] == move):
            side: Side = "BUY" if name == "BUY" else "SELL"
            with suppress(Refusal):  # too far from the price, or nothing on the other side
                on.order(side, price, str(quantity), kind, now_ms)
        bid, ask = on.market.book.bids.best(), on.market.book.asks.best()
        assert bid is None or ask is None or bid < ask
    for row in rows:
        for is_buyer in (True, False):
            fills = [
                trade.quantity
                for trade in on.account.trades
                if trade.is_buyer is is_buyer and not trade.is_self_trade and 0 <= trade.time_ms - row.open_ms < MINUTE
            ]
            assert sum(fills, D(0)) <= row.volume * D(share) + MOVES * on.market.step


def test_the_price_makes_four_moves_a_bar_in_an_order_of_the_seed() -> None:
    paths = {tuple(On(BARS, seed=seed).path()) for seed in range(40)}
    assert len(paths) == 8  # two orders in each of three bars
    assert {path[:4] for path in paths} == {(100, 110, 90, 105), (100, 90, 110, 105)}
    assert On(BARS, seed=3).path() == On(BARS, seed=3).path()


def test_moves_come_a_quarter_of_a_bar_apart() -> None:
    on, seen = On(BARS), []
    while on.player.due_ms < inf:
        seen.append(on.player.due_ms - START)
        on.player.advance(int(on.player.due_ms))
    assert seen == [quarter * MINUTE / 4 for quarter in range(12)]
    assert on.player.is_finished


def test_after_a_rise_the_price_is_the_ask_and_after_a_fall_the_bid() -> None:
    on = On(BARS, spread_ticks=3, volume_share=D("0.5"))
    seen = {}
    while on.player.due_ms < inf:
        on.player.advance(int(on.player.due_ms))
        seen[int(on.market.last_price)] = (on.market.levels("BUY", 9), on.market.levels("SELL", 9))
    assert seen[110] == ([(D(107), D(5))], [(D(110), D(5))])
    assert seen[90] == ([(D(90), D(5))], [(D(93), D(5))])


def test_a_resting_order_is_filled_at_its_price_when_the_price_passes() -> None:
    on = On(BARS)
    bid, ask, low = on.order("BUY", 95, "1"), on.order("SELL", 108, "2"), on.order("BUY", 89, "1")
    on.player.advance(START + MINUTE - 1)
    assert [order.status for order in (bid, ask, low)] == ["FILLED", "FILLED", "NEW"]
    assert {(trade.price, trade.is_maker) for trade in on.account.trades} == {(D(95), True), (D(108), True)}
    (first, *_) = on.klines()
    assert (first.high, first.low, first.volume) == (D(110), D(90), D(40))  # its fills are part of the bar


def test_a_price_that_only_touches_fills_if_wished() -> None:
    for touch, status in ((True, "FILLED"), (False, "NEW")):
        on = On(BARS, fills_at_touch=touch)
        order = on.order("BUY", 90, "1")
        on.player.advance(START + MINUTE - 1)
        assert order.status == status


def test_an_order_larger_than_its_share_stays_and_fills_later() -> None:
    on = On(BARS, volume_share=D("0.1"))
    order = on.order("BUY", 99, "4")
    on.player.advance(START + MINUTE - 1)
    assert order.executed == 1  # a tenth of a quarter of 40, when the price falls
    on.player.advance(START + 3 * MINUTE - 1)
    assert order.executed == D("2.0")  # the two last moves of the last bar are below 99
    assert on.market.last_price == 81
    assert on.market.book.asks.best() is None  # this move's share is bought


def test_bars_of_zero_volume_trade_nothing(tmp_path: Path) -> None:
    on = On([bar(0, 100, 110, 90, 105, "40"), bar(1, 99, 99, 99, 99, "0"), bar(2, 104, 104, 80, 81, "20")])
    order = on.order("BUY", 60, "1")
    on.player.advance(START + 2 * MINUTE - 1)
    count = on.market.history.count
    assert count == MOVES
    assert order.executed == 0
    assert [(made.open, made.close, made.volume) for made in on.klines()][1] == (D(99), D(99), D(0))


def test_bars_open_at_full_intervals_in_any_time() -> None:
    on = On(BARS, now_ms=START + 5 * MINUTE + 17, loop=True)
    assert on.player.due_ms == START + 6 * MINUTE
    on.player.pause(10)
    assert on.player.due_ms == START + 7 * MINUTE
    on.player.advance(START + 10 * MINUTE - 1)
    assert on.player.due_ms == START + 10 * MINUTE  # again, from the first


def test_what_bars_cannot_show_is_said() -> None:
    rows = [*BARS, bar(7, 90, 91, 90, 91, "1"), bar(9, 90, 91, 90, 91, "1")]
    *usual, gaps = On(rows).bars.warnings
    assert "order book" in usual[0]
    assert "order of prices" in usual[1]
    assert gaps.startswith("ABUSDT: 5 bars are missing in 2 gaps, the longest 4 bars after 2022-01-01 00:02:00")


def test_a_volume_that_is_probably_in_quote_is_said() -> None:
    *_, warning = On([bar(number, 60_000, 60_000, 60_000, 60_000, "3000000") for number in range(2)]).bars.warnings
    assert warning.startswith("ABUSDT: an average bar trades 1.80e+11 of the quote asset; if the volume of the file")


def write(path: Path, text: str, name: str = "bars.csv") -> Path:
    file = path / name
    file.write_text(text)
    return file


JSON_LINES = """\
{"open_time":1640995200000,"open":"1","high":"1","low":"1","close":"1","volume":"2","close_time":1,"quote_volume":"2"}
{"open_time":1640995260000,"open":"1","high":"1","low":"1","close":"1","volume":"3","close_time":1,"quote_volume":"3"}
"""


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,open,high,low,close,volume\n2022-01-01T00:00:00Z,1,1,1,1,2\n2022-01-01T01:01:00+01:00,1,1,1,1,3\n",
        "Open,High,Low,Close,Volume,Date\n1,1,1,1,2,2022-01-01\n1,1,1,1,3,2022-01-01 00:01:00.000000\n",
        "1640995200,1,1,1,1,2\n1640995260,1,1,1,1,3\n",
        "1640995200000,1,1,1,1,2,1640995259999,2\n1640995260000,1,1,1,1,3,1640995319999,3\n",
        "ts,open,high,low,close,volume\n1640995200000000,1,1,1,1,2\n\n1640995260000000,1,1,1,1,3\n",
        JSON_LINES,
    ],
)
def test_usual_files_are_read(tmp_path: Path, text: str) -> None:
    bars = read_bars(write(tmp_path, text), AB)
    assert [(each.open_ms, each.close, each.volume) for each in bars.bars["ABUSDT"]] == [
        (START, D(1), D(2)),
        (START + MINUTE, D(1), D(3)),
    ]
    assert (bars.start_ms, bars.end_ms, bars.interval_ms) == (START, START + 2 * MINUTE, MINUTE)


def test_tapes_and_bars_are_told_apart_by_their_content(tmp_path: Path) -> None:
    trade = '{"ts_ms":1,"symbol":"A-B","kind":"trade","price":"1","quantity":"1","maker_side":"buy","trade_id":1}'
    assert isinstance(read_recording(write(tmp_path, trade), AB), Tape)
    assert isinstance(read_recording(write(tmp_path, JSON_LINES), AB), Bars)
    (tmp_path / "b.gz").write_bytes(gzip.compress(FILE.encode()))
    assert isinstance(read_recording(tmp_path / "b.gz", AB), Bars)
    with pytest.raises(BadTape, match="No such file"):
        read_recording(tmp_path / "none.csv")


def test_a_file_may_hold_several_symbols_or_name_one(tmp_path: Path) -> None:
    text = "symbol,time,open,high,low,close,volume\n" + "".join(
        f"{symbol},{START + minute * MINUTE},1,1,1,1,2\n" for minute in range(3) for symbol in ("BTCUSDT", "AB-BTC")
    )
    bars = read_bars(write(tmp_path, text))
    assert [rules.symbol for rules in bars.rules] == ["BTCUSDT", "ABBTC"]
    assert bars.rules[0].full_name == "Bitcoin"
    assert read_bars(write(tmp_path, FILE, "ethusdt-1m.csv")).rules[0].symbol == "ETHUSDT"


HEAD, FIRST = "timestamp,open,high,low,close,volume\n", "2022-01-01 00:00:00,100,110,90,105,40\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no bars"),
        (HEAD, "has no bars"),
        (HEAD + FIRST, "has one bar, which does not show its interval"),
        ("timestamp,open,high,low,close\n2022-01-01,1,1,1,1\n", "has no column volume, only timestamp, open"),
        ("open,high,low,close,volume\n1,1,1,1,1\n", "has no column of times"),
        (HEAD + FIRST + FIRST, "line 3: opens at 2022-01-01 00:00:00, not after the bar above, 2022-01-01 00:00:00"),
        (HEAD + FIRST.replace("110", "80"), "line 2: high 80 is below low 90"),
        (HEAD + FIRST.replace("105", "115"), "line 2: close 115 is not between low 90 and high 110"),
        (HEAD + FIRST.replace(",40", ","), "line 2: has no volume"),
        (HEAD + FIRST.replace(",40", ",0"), "line 2: volume is 0, but the price moved from 90 to 110"),
        (HEAD + FIRST.replace(",40", ",-4"), "line 2: volume -4 is below 0"),
        (HEAD + FIRST.replace(",40", ",nan"), "line 2: volume 'nan' is not a number"),
        (HEAD + FIRST.replace("100", "x"), "line 2: open 'x' is not a number"),
        (HEAD + FIRST.replace("90", "0"), "line 2: low 0 is not above 0"),
        (HEAD + FIRST.replace("2022-01-01", "yesterday"), "line 2: Invalid isoformat string: 'yesterday 00:00:00'"),
        (HEAD + "2022-01-01,1,1\n", "line 2: has 3 of 6 cells"),
        (HEAD + "0,1,1,1,1,0\n60,1,1,1,1,0\n", "ABUSDT has no volume in any bar"),
        (
            HEAD + "0,1,1,1,1,1\n60,1,1,1,1,1\n120,1,1,1,1,1\n150,1,1,1,1,1\n",
            "a bar 30 s after that of 1970-01-01 00:02",
        ),
        ('{"open_time":1,"open":[]}', "line 1: Expected `int | float | str | null`"),
    ],
)
def test_unusable_bars_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BadBars) as caught:
        read_bars(path, AB)
    assert str(caught.value).startswith(f"bars {path}")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("symbol", "message"),
    [("", "the symbol is not known: name the file"), ("ABUSDT", "symbol 'ABUSDT' is not BASE-QUOTE")],
)
def test_a_symbol_that_is_not_known_is_asked_for(tmp_path: Path, symbol: str, message: str) -> None:
    with pytest.raises(BadBars, match=message):
        read_bars(write(tmp_path, FILE), MarketData(symbol=symbol))


def test_a_simulator_plays_bars_alone(tmp_path: Path) -> None:
    now_ms = START
    config = SimConfig(tape=write(tmp_path, FILE), market_data=AB, generated=False, loop_tape=False)
    simulator = Simulator(config, Clock(wall_ns=lambda: now_ms * 1_000_000))
    assert list(simulator.exchange.markets) == ["ABUSDT"]
    assert simulator.recording is not None
    assert simulator.recording.end_ms == START + 3 * MINUTE
    assert simulator.exchange.market("ABUSDT").levels("SELL", 1)[0][0] == 100


@pytest.mark.skipif(not RECORDED.is_file(), reason="the real bars are not beside the repository")
def test_klines_of_real_bars_are_the_bars() -> None:
    data = MarketData(symbol="BTC-USDT", volume_in="quote")
    month = read_bars(RECORDED, data)
    (rows,) = month.bars.values()
    assert (len(rows), month.end_ms - month.start_ms) == (45_031, 45_031 * MINUTE)
    bars = Bars({"BTC-USDT": rows[:4_000]}, data)
    exchange = Exchange(bars.rules, seed=1, now_ms=bars.start_ms)
    player = BarPlayer(exchange, bars, now_ms=bars.start_ms)
    player.advance(bars.end_ms)
    history = exchange.market("BTCUSDT").history
    made = history.bars("1m", bars.end_ms - 1, bars.start_ms, None, 10**6)
    assert [(each.open_ms, each.open, each.high, each.low, each.close) for each in made] == [
        (each.open_ms, each.open, each.high, each.low, each.close) for each in rows[:4_000]
    ]
    step = exchange.market("BTCUSDT").step
    assert all(abs(one.value - other.value) <= step * other.high for one, other in zip(made, rows, strict=False))
