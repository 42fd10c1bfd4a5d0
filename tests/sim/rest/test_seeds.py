"""A seed gives the same exchange in every release: books, orders of the background market, past, keys and addresses."""

from __future__ import annotations

from hashlib import sha256

import pytest

from mexc_async.runtime.clock import Clock
from mexc_async.sim.exchange.events import BookEvent, Event, TradeEvent
from mexc_async.sim.exchange.matching import Side
from mexc_async.sim.exchange.symbols import OFFLINE
from mexc_async.sim.rest.server import SimConfig, Simulator

NOW = 1_700_000_000_000
SIDES: tuple[Side, Side] = ("BUY", "SELL")


def simulator(seed: int) -> Simulator:
    return Simulator(SimConfig(seed=seed), Clock(wall_ns=lambda: NOW * 1_000_000))


def digest(*values: object) -> str:
    return sha256("\n".join(map(str, values)).encode()).hexdigest()[:16]


def books(sim: Simulator) -> str:
    markets = sim.exchange.markets.values()
    return digest(*(market.levels(side, 1000) for market in markets for side in SIDES), *(m.version for m in markets))


def events(sim: Simulator) -> str:
    """Return the digest of the first 3 seconds of the background market."""
    seen: list[Event] = []
    sim.exchange.subscribe(seen.append)
    for now_ms in range(NOW, NOW + 3000, 50):
        sim._liquidity.advance(now_ms)
    values = [
        (each.symbol, each.version, each.time_ms, each.bids, each.asks)
        if isinstance(each, BookEvent)
        else (each.symbol, each.trade.trade_id, each.trade.price, each.trade.quantity, each.trade.time_ms)
        for each in seen
        if isinstance(each, BookEvent | TradeEvent)
    ]
    assert len(values) > 300
    return digest(*values)


def past(sim: Simulator) -> str:
    values: list[object] = []
    for market in sim.exchange.markets.values():
        if market.rules.status != OFFLINE:
            trades = market.history.trades(300)
            bars = [*market.history.bars("1m", NOW, None, None, 100), *market.history.bars("1d", NOW, None, None, 30)]
            values += [(each.price, each.quantity, each.time_ms) for each in trades]
            values += [(bar.open_ms, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.value) for bar in bars]
    return digest(*values)


def names(sim: Simulator) -> str:
    """Return the digest of uids, keys, address books and other ids."""
    (account,) = sim.exchange.accounts.values()
    permissions = ("SPOT_ACCOUNT_READ",)
    issued = [
        sim.exchange.keys.issue(account.uid, permissions=permissions, ips=(), note="n", now_ms=NOW) for _ in range(3)
    ]
    book = sim.wallet.withdrawals.address_book(account)
    opened = [
        sim.wallet.deposits.generate(account, network)
        for currency in sim.wallet.currencies.all()
        for network in currency.networks
        if network.deposits
    ]
    return digest(
        account.uid,
        *((key.key, key.secret) for key in issued),
        *((entry.coin, entry.network, entry.address, entry.memo, entry.label) for entry in book),
        *opened,
        *(sim._listen_keys.create(account.uid, NOW) for _ in range(3)),
        *(sim.wallet.ids.hex() for _ in range(3)),
    )


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (
            7,
            {
                "books": "bd476ac9b584b472",
                "events": "b7272ae253d0073d",
                "past": "f342c59bc77b131d",
                "names": "712b2264d85f30dd",
            },
        ),
        (
            31,
            {
                "books": "291f2da9df463d85",
                "events": "b4d3e18dde90a7ad",
                "past": "42d8d5a599e99698",
                "names": "6a89421b7c7eeedc",
            },
        ),
    ],
)
def test_a_seed_gives_what_it_always_gave(seed: int, expected: dict[str, str]) -> None:
    found = {view.__name__: view(simulator(seed)) for view in (books, events, past, names)}
    assert found == expected
