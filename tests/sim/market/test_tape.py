"""Playback of a recorded market into the exchange."""

from __future__ import annotations

import gzip
from collections import defaultdict
from decimal import Decimal
from math import inf
from pathlib import Path

import pytest

from mexc_async.runtime.clock import Clock
from mexc_async.sim.exchange.accounts import Account, AccountSpec
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.matching import Side
from mexc_async.sim.exchange.orders import Order, OrderRequest
from mexc_async.sim.market.listing import MarketData, starting_balances
from mexc_async.sim.market.tape import PAUSE_MS, BadTape, Snapshot, TapePlayer, TapeTrade, read_tape
from mexc_async.sim.rest.server import SimConfig, Simulator

D = Decimal
NOW = 1_700_000_000_000
RECORDED = Path(__file__).resolve().parents[4] / "shared" / "data" / "book-tape.jsonl.gz"

LINES = """\
{"ts_ms":1000,"symbol":"AB-GBP","kind":"snapshot","bids":[["9.9","1.5"],["9.8","2"]],"asks":[["10.1","1"],["10.2","2"]]}
{"ts_ms":1100,"symbol":"AB-GBP","kind":"depth","bids":[["9.7","3"],["9.8","0"]],"asks":[["10.3","0"]]}
{"ts_ms":1200,"symbol":"AB-GBP","kind":"trade","price":"9.8","quantity":"2","maker_side":"buy","trade_id":1}
{"ts_ms":1300,"symbol":"AB-GBP","kind":"depth","bids":[],"asks":[["9.6","4"]]}
"""


def write(path: Path, text: str) -> Path:
    file = path / "tape.jsonl"
    file.write_text(text)
    return file


def play(path: Path, *, loop: bool = False) -> tuple[Exchange, TapePlayer, Account]:
    tape = read_tape(path)
    exchange = Exchange(tape.rules, seed=1, now_ms=NOW)
    account = exchange.open_account(
        AccountSpec(name="a", api_key="k", api_secret="s"), NOW, starting_balances(tape.rules)
    )
    return exchange, TapePlayer(exchange, tape, now_ms=NOW, loop=loop), account


def order(exchange: Exchange, account: Account, side: Side, price: str, quantity: str) -> Order:
    request = OrderRequest(symbol="ABGBP", side=side, type="LIMIT", quantity=D(quantity), price=D(price))
    return exchange.place(account, request, NOW)


def levels(exchange: Exchange, side: Side) -> list[tuple[str, str]]:
    return [(str(price), str(quantity)) for price, quantity in exchange.market("ABGBP").levels(side, 10)]


def test_snapshots_and_depth_make_the_book(tmp_path: Path) -> None:
    exchange, player, _ = play(write(tmp_path, LINES))
    assert levels(exchange, "BUY") == [("9.9", "1.5"), ("9.8", "2.0")]
    player.advance(NOW + 100)
    assert levels(exchange, "BUY") == [("9.9", "1.5"), ("9.7", "3.0")]


def test_a_level_that_crosses_withdraws_the_tapes_own(tmp_path: Path) -> None:
    exchange, player, _ = play(write(tmp_path, LINES))
    player.advance(NOW + 300)
    assert levels(exchange, "BUY") == []
    assert levels(exchange, "SELL")[0] == ("9.6", "4.0")
    assert player.is_finished


def test_trades_fill_users_who_rest_in_the_way(tmp_path: Path) -> None:
    exchange, player, account = play(write(tmp_path, LINES))
    mine = order(exchange, account, "BUY", "9.9", "1")
    player.advance(NOW + 200)
    assert (mine.status, mine.executed) == ("PARTIALLY_FILLED", D("0.5"))  # 1.5 from the tape rested before it


def test_levels_that_cross_users_fill_them(tmp_path: Path) -> None:
    exchange, player, account = play(write(tmp_path, LINES))
    mine = order(exchange, account, "BUY", "9.6", "1")
    player.advance(NOW + 300)
    assert mine.status == "FILLED"
    assert levels(exchange, "SELL")[0] == ("9.6", "3.0")


def test_users_take_from_the_tape(tmp_path: Path) -> None:
    exchange, _, account = play(write(tmp_path, LINES))
    assert order(exchange, account, "BUY", "10.1", "1").status == "FILLED"
    assert levels(exchange, "SELL") == [("10.2", "2.0")]


def test_a_tape_that_paused_goes_on_where_it_was(tmp_path: Path) -> None:
    exchange, player, _ = play(write(tmp_path, LINES))
    other, paused, _ = play(write(tmp_path, LINES))
    paused.pause(5000)
    for ms in range(0, 400, 10):
        player.advance(NOW + ms)
        paused.advance(NOW + 5000 + ms)
        assert levels(exchange, "BUY") == levels(other, "BUY")
    assert player.is_finished
    assert paused.is_finished


def test_it_loops(tmp_path: Path) -> None:
    exchange, player, _ = play(write(tmp_path, LINES), loop=True)
    player.advance(NOW + 300)
    player.advance(NOW + 300 + PAUSE_MS)
    assert levels(exchange, "BUY") == [("9.9", "1.5"), ("9.8", "2.0")]
    assert levels(exchange, "SELL") == [("10.1", "1.0"), ("10.2", "2.0")]
    assert not player.is_finished


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no messages"),
        (LINES + "oops\n", "line 5"),
        (LINES + '{"ts_ms":1,"symbol":"AB-GBP","kind":"other"}', "line 5"),
        (LINES + LINES, "line 5: ts_ms 1000 is before the message above, 1300; sort the tape by time"),
        ('{"kind":"info","exchange_info":[{"symbol":"ABGBP"}]}', "line 1: Object missing required field"),
        ('{"kind":"info","taker_fee":"5"}', "line 1: taker_fee 5 is not a ratio from 0 to 0.1"),
        ('{"ts_ms":1,"symbol":"ABGBP","kind":"depth"}', "line 1: symbol 'ABGBP' is not BASE-QUOTE"),
        ('{"ts_ms":1,"symbol":"A-B","kind":"depth","bids":[["-1","1"]]}', "line 1: level -1 x 1"),
        ('{"ts_ms":1,"symbol":"A-B","kind":"depth","bids":[["x","1"]]}', "line 1"),
        ('{"ts_ms":1,"symbol":"A-B","kind":"depth","bids":[["1","1"]]}', "A-B has no two-sided snapshot and no trade"),
    ],
)
def test_a_malformed_tape_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BadTape) as caught:
        read_tape(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadTape, match="No such file"):
        read_tape(tmp_path / "nothing")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(LINES.encode())[:50])
    with pytest.raises(BadTape, match=r"cut\.gz"):
        read_tape(tmp_path / "cut.gz")


INFO = (
    '{"kind":"info","maker_fee":"0.0001","clock_offset_ms":-250,"exchange_info":[{"symbol":"ABGBP","baseAsset":"AB",'
    '"baseAssetPrecision":2,"quoteAsset":"GBP","quotePrecision":2,"quoteAmountPrecision":"5","baseSizePrecision":"0.5",'
    '"maxQuoteAmount":"1000","takerCommission":"0.0002","orderTypes":["LIMIT","LIMIT_MAKER"]}]}\n'
)


def test_a_tape_carries_rules_fees_and_clock(tmp_path: Path) -> None:
    path = write(tmp_path, INFO + LINES)
    (rules,) = read_tape(path).rules
    assert (rules.tick, rules.step, rules.min_value, rules.max_value) == (D("0.01"), D("0.1"), D(5), D(1000))
    assert (rules.maker_fee, rules.taker_fee) == (D("0.0001"), D("0.0002"))
    assert rules.order_types == ("LIMIT", "LIMIT_MAKER")
    simulator = Simulator(SimConfig(tape=path), Clock(wall_ns=lambda: NOW * 1_000_000))
    assert simulator.clock.wall_ms() == NOW - 250
    given = read_tape(path, MarketData(maker_fee=D("0.003"), clock_offset_ms=40))
    assert (given.rules[0].maker_fee, given.rules[0].taker_fee) == (D("0.003"), D("0.0002"))
    assert given.data.clock_offset_ms == 40


def test_a_tape_says_what_it_lacks(tmp_path: Path) -> None:
    assert read_tape(write(tmp_path, LINES)).warnings == ()
    (warning,) = read_tape(write(tmp_path, LINES.replace('"trade"', '"depth"'))).warnings
    assert "no trades of ABGBP" in warning


def test_only_the_recorded_symbols_are_listed_if_wished(tmp_path: Path) -> None:
    simulator = Simulator(SimConfig(tape=write(tmp_path, LINES), generated=False))
    assert list(simulator.exchange.markets) == ["ABGBP"]
    with pytest.raises(ValueError, match="generated=False"):
        SimConfig(generated=False)


def test_it_is_due_at_its_next_message(tmp_path: Path) -> None:
    _, player, _ = play(write(tmp_path, LINES))
    seen = []
    while player.due_ms < inf:
        seen.append(player.due_ms - NOW)
        player.advance(int(player.due_ms))
    assert seen == [0, 100, 200, 300]
    assert player.is_finished


@pytest.mark.skipif(not RECORDED.is_file(), reason="the recorded tape is not beside the repository")
def test_the_recorded_tape_plays_to_its_end_and_again() -> None:
    simulator = Simulator(SimConfig(tape=RECORDED))
    exchange = simulator.exchange
    tape = read_tape(RECORDED)
    assert len(tape.rules) == 10
    player = TapePlayer(exchange, tape, now_ms=NOW)
    length = tape.messages[-1].ts_ms - tape.messages[0].ts_ms
    for now_ms in range(NOW, NOW + length + 5000, 1000):
        player.advance(now_ms)
        for rules in tape.rules:
            market = exchange.market(rules.symbol)
            bid, ask = market.book.bids.best(), market.book.asks.best()
            assert bid is None or ask is None or bid < ask
    (account,) = exchange.accounts.values()
    balances = exchange.balances.balances(account.uid)
    for rules in tape.rules:
        assert balances[rules.base].free > 0
        assert balances[rules.quote].free > 0


@pytest.mark.skipif(not RECORDED.is_file(), reason="the recorded tape is not beside the repository")
def test_the_recorded_tape_leaves_the_books_that_its_messages_add_up_to() -> None:
    tape = read_tape(RECORDED)
    books: dict[tuple[str, str], dict[Decimal, Decimal]] = defaultdict(dict)
    for message in tape.messages:
        if isinstance(message, TapeTrade):
            continue
        for side, levels in (("BUY", message.bids), ("SELL", message.asks)):
            book = books[message.symbol.replace("-", ""), side]
            if isinstance(message, Snapshot):
                book.clear()
            for price, quantity in levels:
                book[price] = quantity
                if not quantity:
                    del book[price]
    exchange = Exchange(tape.rules, seed=1, now_ms=NOW)
    player = TapePlayer(exchange, tape, now_ms=NOW, loop=False)
    player.advance(NOW + tape.end_ms - tape.start_ms)
    assert player.is_finished
    for (symbol, side), book in books.items():
        assert dict(exchange.market(symbol).levels("BUY" if side == "BUY" else "SELL", 10**6)) == book
