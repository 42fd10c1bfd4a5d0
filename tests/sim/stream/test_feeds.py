"""Feeds flushed at their due times alone push the same as feeds looked at in every millisecond."""

from __future__ import annotations

from decimal import Decimal
from math import ceil, inf

import pytest

from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.symbols import SEEDED
from mexc_async.sim.market.liquidity import Liquidity
from mexc_async.sim.stream.feeds import Feeds
from mexc_async.sim.stream.socket_lifetime import SocketRules
from mexc_async.sim.stream.topics import Topic, parse_topic

D = Decimal
NOW = 1_700_000_000_000 // 60_000 * 60_000
BTC = "BTCUSDT"
END = NOW + 2500
NAMES = [
    f"spot@public.aggre.deals.v3.api.pb@100ms@{BTC}",
    f"spot@public.aggre.deals.v3.api.pb@10ms@{BTC}",
    f"spot@public.aggre.depth.v3.api.pb@100ms@{BTC}",
    f"spot@public.aggre.depth.v3.api.pb@10ms@{BTC}",
    f"spot@public.aggre.bookTicker.v3.api.pb@100ms@{BTC}",
    f"spot@public.bookTicker.batch.v3.api.pb@{BTC}",
    f"spot@public.limit.depth.v3.api.pb@{BTC}@5",
    f"spot@public.kline.v3.api.pb@{BTC}@Min1",
    f"spot@public.miniTicker.v3.api.pb@{BTC}@UTC+8",
    f"spot@public.deals.v3.api.pb@{BTC}",
    f"spot@public.bookTicker.v3.api.pb@{BTC}",
    f"spot@public.increase.depth.batch.v3.api.pb@{BTC}",
]


def topic(name: str) -> Topic:
    found = parse_topic(name, {BTC})
    assert found is not None
    return found


class World:
    """One market and its feeds."""

    def __init__(self, *names: str, flow: float, kline_ms: int = 1000) -> None:
        self.exchange = Exchange(SEEDED[:1], seed=5, now_ms=NOW)
        self.market = self.exchange.market(BTC)
        self.liquidity = Liquidity(self.exchange, [BTC], seed=5, now_ms=NOW, flow=flow)
        self.feeds = Feeds(self.exchange.markets, SocketRules(kline_ms=kline_ms))
        self.exchange.subscribe(self.feeds.on_event)
        for name in names:
            self.feeds.open(topic(name))

    def step(self, now_ms: int) -> list[tuple[int, str, bytes]]:
        self.liquidity.advance(now_ms)
        return [(now_ms, each.name, frame) for each, frame in self.feeds.due(now_ms)]

    def every_ms(self) -> list[tuple[int, str, bytes]]:
        return [push for now_ms in range(NOW, END) for push in self.step(now_ms)]

    def when_due(self, end_ms: int = END) -> list[tuple[int, str, bytes]]:
        found, now_ms = [], NOW - 1
        while (due_ms := min(self.feeds.due_ms, self.liquidity.due_ms)) < end_ms:
            now_ms = max(ceil(due_ms), now_ms + 1)
            found += self.step(now_ms)
        return found


@pytest.mark.parametrize("flow", [0.2, 8])
def test_pushes_at_due_times_are_those_of_every_millisecond(flow: float) -> None:
    pushes = World(*NAMES, flow=flow).when_due()
    assert pushes == World(*NAMES, flow=flow).every_ms()
    assert {name for _, name, _ in pushes} == set(NAMES)
    depths = [at for at, name, _ in pushes if name == NAMES[2]]
    assert depths
    assert all(at % 100 == 0 for at in depths)


def test_windows_without_events_are_not_due() -> None:
    world = World(*(name for name in NAMES if "aggre.bookTicker" not in name and "miniTicker" not in name), flow=0)
    first = world.when_due()
    assert {at for at, *_ in first} == {NOW}
    assert world.feeds.due_ms == NOW + 60_000  # the next bar
    assert [name for _, name, _ in world.when_due(NOW + 60_001)] == [NAMES[7]]


def test_an_event_is_pushed_at_the_end_of_its_window() -> None:
    world = World(NAMES[2], NAMES[3], flow=0)
    assert world.feeds.due_ms == inf
    world.exchange.quote(world.market, "BUY", D("60000.00"), D(1), NOW + 25)
    assert world.feeds.due_ms == NOW + 30
    world.feeds.close(topic(NAMES[3]))
    assert world.feeds.due_ms == NOW + 100
    assert world.feeds.due(NOW + 99) == []
    assert len(world.feeds.due(NOW + 100)) == 1
    assert world.feeds.due_ms == inf


def test_a_bar_opens_at_the_end_of_a_window_that_does_not_divide_it() -> None:
    world = World(NAMES[7], flow=0, kline_ms=7000)
    opening = NOW + 60_000
    assert [at for at, *_ in world.when_due(opening + 7001)] == [NOW, -(-opening // 7000) * 7000]


def test_a_later_subscriber_makes_states_due_and_changes_nothing_else() -> None:
    world = World(NAMES[2], NAMES[6], flow=0)
    world.when_due()
    world.exchange.quote(world.market, "BUY", D("60000.00"), D(1), END)
    due_ms = world.feeds.due_ms
    world.feeds.open(topic(NAMES[2]))
    assert world.feeds.due_ms == due_ms
    world.feeds.open(topic(NAMES[6]))
    assert world.feeds.due_ms == 0
    assert [each.name for each, _ in world.feeds.due(END)] == [NAMES[6]]
