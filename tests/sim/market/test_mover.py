"""Movers advanced at their due times alone do the same as movers advanced in every millisecond."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from math import ceil, inf
from pathlib import Path

import pytest

from mexc_async.sim.exchange.accounts import Account, AccountSpec
from mexc_async.sim.exchange.events import Event
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.orders import OrderRequest
from mexc_async.sim.exchange.symbols import SEEDED
from mexc_async.sim.market.liquidity import Liquidity
from mexc_async.sim.market.mover import Mover
from mexc_async.sim.market.tape import PAUSE_MS, TapePlayer, read_tape
from mexc_async.sim.wallet.wallet import Wallet, WalletRules
from mexc_async.sim.wallet.withdrawals import WithdrawRequest

D = Decimal
NOW = 1_700_000_000_000
RULES = WalletRules(deposit_s=0.7, withdraw_step_s=0.1)
TAPE = """\
{"ts_ms":1000,"symbol":"AB-GBP","kind":"snapshot","bids":[["9.9","1.5"]],"asks":[["10.1","1"]]}
{"ts_ms":1100,"symbol":"AB-GBP","kind":"depth","bids":[["9.7","3"]],"asks":[]}
{"ts_ms":1437,"symbol":"AB-GBP","kind":"trade","price":"9.8","quantity":"2","maker_side":"buy"}
"""

Seen = list[tuple[int, Event]]


def every_ms(mover: Mover, end_ms: int) -> Iterator[int]:
    yield from range(NOW, end_ms)


def when_due(mover: Mover, end_ms: int) -> Iterator[int]:
    """Yield a mover's due times, for the next millisecond where it is due already."""
    now_ms = NOW - 1
    while (due_ms := mover.due_ms) < end_ms:
        now_ms = max(ceil(due_ms), now_ms + 1)
        yield now_ms


def run(mover: Mover, exchange: Exchange, times: Callable[[Mover, int], Iterator[int]], ms: int) -> Seen:
    """Advance a mover and return the events with the times at which they were seen."""
    seen: Seen = []
    now_ms = NOW
    leave = exchange.subscribe(lambda event: seen.append((now_ms, event)))
    for now_ms in times(mover, NOW + ms):
        mover.advance(now_ms)
    leave()
    return seen


def background() -> tuple[Mover, Exchange]:
    exchange = Exchange(SEEDED, seed=3, now_ms=NOW)
    return Liquidity(exchange, list(exchange.markets), seed=3, now_ms=NOW, flow=2), exchange


def player(path: Path, *, loop: bool) -> tuple[TapePlayer, Exchange]:
    file = path / "tape.jsonl"
    file.write_text(TAPE)
    tape = read_tape(file)
    exchange = Exchange(tape.rules, seed=3, now_ms=NOW)
    return TapePlayer(exchange, tape, now_ms=NOW, loop=loop), exchange


def test_the_background_market() -> None:
    seen = run(*background(), when_due, 600)
    assert seen == run(*background(), every_ms, 600)
    assert len({at for at, _ in seen}) > 50
    assert all(at == event.time_ms for at, event in seen if hasattr(event, "time_ms"))


def test_a_market_that_stands_still_is_never_due() -> None:
    exchange = Exchange(SEEDED, seed=3, now_ms=NOW)
    assert Liquidity(exchange, list(exchange.markets), seed=3, now_ms=NOW, flow=0).due_ms == inf


def test_a_tape(tmp_path: Path) -> None:
    seen = run(*player(tmp_path, loop=True), when_due, 4 * PAUSE_MS)
    assert seen == run(*player(tmp_path, loop=True), every_ms, 4 * PAUSE_MS)
    assert {at - NOW for at, _ in seen} >= {100, 437, 1537, 1874}


def test_a_tape_that_has_ended_is_never_due(tmp_path: Path) -> None:
    tape, exchange = player(tmp_path, loop=False)
    assert tape.due_ms == NOW
    tape.pause(50)
    assert tape.due_ms == NOW + 50
    run(tape, exchange, when_due, 10_000)
    assert tape.is_finished
    assert tape.due_ms == inf


@pytest.fixture
def wallet() -> tuple[Wallet, Exchange, Account]:
    exchange = Exchange(SEEDED, seed=3, now_ms=NOW)
    made = Wallet(exchange, seed=3, rules=RULES)
    account = exchange.open_account(AccountSpec(name="a", api_key="k", api_secret="s"), NOW)
    made.open(account, None)
    return made, exchange, account


def test_a_deposit_is_due_with_its_last_confirmation(wallet: tuple[Wallet, Exchange, Account]) -> None:
    mover, exchange, account = wallet
    assert mover.due_ms == inf
    currency = mover.currencies.get("USDT")
    mover.deposits.arrive(account, currency, currency.by_short("TRX"), D(10), NOW)
    ((at, event),) = run(mover, exchange, when_due, 5000)
    assert (at, event.free_change) == (NOW + 700, D(10))  # type: ignore[union-attr]  # a BalanceEvent
    assert mover.due_ms == inf


def test_a_withdrawal_is_due_at_each_of_its_steps(wallet: tuple[Wallet, Exchange, Account]) -> None:
    mover, _, account = wallet
    currency = mover.currencies.get("USDT")
    (entry, *_) = mover.withdrawals.address_book(account, "USDT")
    request = WithdrawRequest(
        currency=currency, network=currency.by_short(entry.network), address=entry.address, amount=D(20)
    )
    made = mover.withdrawals.apply(account, request, NOW)
    steps = []
    for at in when_due(mover, NOW + 5000):
        mover.advance(at)
        steps.append((at - NOW, made.status.name))
    names = ["AUDITING", "WAIT", "PROCESSING", "WAIT_PACKAGING", "WAIT_CONFIRM", "SUCCESS"]
    assert steps == [(100 * (number + 1), name) for number, name in enumerate(names)]


def test_a_rebate_is_due_after_a_fill(wallet: tuple[Wallet, Exchange, Account]) -> None:
    mover, exchange, account = wallet
    market = exchange.market("BTCUSDT")
    exchange.quote(market, "SELL", market.last_price, D(1), NOW)
    assert mover.due_ms == inf
    exchange.place(account, OrderRequest(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=D("0.01")), NOW)
    assert mover.due_ms == 0
    mover.advance(NOW)
    assert mover.due_ms == inf
