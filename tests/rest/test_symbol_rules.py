"""The symbols' rules: loaded on demand by one request, refreshed when old, usable meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from mexc_async.errors import ConfigError, ConnectionLost, InvalidRequest
from mexc_async.rest.symbol_rules import MAX_AGE_S, RELOAD_S, SymbolRulesCache
from mexc_async.runtime.clock import SYSTEM
from mexc_async.runtime.tasks import Tasks
from mexc_async.schema.answers import decode
from mexc_async.spot.models import ExchangeInfo
from tests.support.fake_transport import rules_of
from tests.support.manual_time import ManualTime


class Exchange:
    """Exchange with some symbols; counts its requests."""

    def __init__(self, *symbols: str) -> None:
        self.symbols = list(symbols)
        self.asked = 0
        self.fault: Exception | None = None

    async def __call__(self) -> ExchangeInfo:
        self.asked += 1
        await asyncio.sleep(0)
        if self.fault:
            raise self.fault
        info: ExchangeInfo = decode(ExchangeInfo, rules_of(*self.symbols).body)[0]
        return info


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@asynccontextmanager
async def book_of(exchange: Exchange, time: ManualTime | None = None) -> AsyncIterator[SymbolRulesCache]:
    tasks = Tasks()
    yield SymbolRulesCache(exchange, tasks, SYSTEM if time is None else time.clock)
    await tasks.aclose()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_before_loading_there_are_none() -> None:
    async with book_of(Exchange("BTCUSDT")) as rules:
        assert rules.age_s is None
        assert rules.symbols == []
        with pytest.raises(ConfigError, match=r"await mexc\.load_rules\(\)"):
            rules("BTCUSDT")


async def test_rules_round_and_are_found_without_asking_again(time: ManualTime) -> None:
    exchange = Exchange("BTCUSDT", "ETHUSDT")
    async with book_of(exchange, time) as rules:
        assert (await rules.find("BTCUSDT")).symbol == "BTCUSDT"
        time.now += 30
        assert rules.age_s == 30
        assert rules.symbols == ["BTCUSDT", "ETHUSDT"]
        assert rules("ETHUSDT").price(Decimal("1.239")) == Decimal("1.23")
        await rules.find("ETHUSDT")
        assert exchange.asked == 1
        with pytest.raises(InvalidRequest, match="'X' is not one of the exchange's 2"):
            rules("X")


async def test_callers_at_the_same_time_share_the_loading() -> None:
    exchange = Exchange("BTCUSDT")
    async with book_of(exchange) as rules:
        await asyncio.gather(rules.load(), *(rules.find("BTCUSDT") for _ in range(5)))
        assert exchange.asked == 1


async def test_an_unknown_symbol_loads_again_when_the_rules_are_a_minute_old(time: ManualTime) -> None:
    exchange = Exchange("BTCUSDT")
    async with book_of(exchange, time) as rules:
        await rules.load()
        exchange.symbols.append("NEWUSDT")
        time.now += RELOAD_S
        with pytest.raises(InvalidRequest):
            await rules.find("NEWUSDT")
        assert exchange.asked == 1
        time.now += 1
        assert (await rules.find("NEWUSDT")).symbol == "NEWUSDT"
        assert exchange.asked == 2


async def test_old_rules_serve_while_newer_ones_are_fetched(time: ManualTime) -> None:
    exchange = Exchange("BTCUSDT")
    async with book_of(exchange, time) as rules:
        first = await rules.find("BTCUSDT")
        time.now += MAX_AGE_S + 1
        assert await rules.find("BTCUSDT") is first
        assert await rules.find("BTCUSDT") is first
        await settle()
        assert exchange.asked == 2
        assert rules("BTCUSDT") is not first
        assert rules.age_s == 0


async def test_a_failed_refresh_is_logged_and_the_old_rules_stay(
    time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = Exchange("BTCUSDT")
    async with book_of(exchange, time) as rules:
        first = await rules.find("BTCUSDT")
        time.now += MAX_AGE_S + 1
        exchange.fault = ConnectionLost("gone")
        assert await rules.find("BTCUSDT") is first
        await settle()
        assert [(record.name, record.levelno) for record in caplog.records] == [("mexc_async", logging.WARNING)]
        assert await rules.find("BTCUSDT") is first


async def test_a_failed_first_loading_is_the_callers() -> None:
    exchange = Exchange("BTCUSDT")
    exchange.fault = ConnectionLost("gone")
    async with book_of(exchange) as rules:
        with pytest.raises(ConnectionLost):
            await rules.find("BTCUSDT")
        exchange.fault = None
        await rules.find("BTCUSDT")
