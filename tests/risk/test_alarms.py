"""Unusual activity: foreign orders, too many calls, refusals that this client did not cause."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mexc_async.call_log.anomalies import HOUR_MS
from mexc_async.call_log.log import CallLog
from mexc_async.client.mexc import Mexc
from mexc_async.errors import ConfigError, GuardRefused, MexcError
from mexc_async.limits.profiles import Limits
from mexc_async.rest.retry import RetryPolicy
from mexc_async.risk import alarms
from mexc_async.risk.alarms import Alarms, AlarmSettings
from mexc_async.risk.events import UnusualActivity
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.spot.trading import NewOrder
from tests.support.call_logs import of_kind
from tests.support.fake_transport import FakeClient, fake_client, refusal
from tests.support.streams import Told, nothing_left, sim_client, until

D = Decimal
XRP = "XRPUSDT"


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(SimConfig(flow=0, limits="none")) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "JUDGE_S", 0.05)


def reports(events: list[Any]) -> list[UnusualActivity]:
    return [event for event in events if isinstance(event, UnusualActivity)]


async def rest(mexc: Mexc, **more: Any) -> str:
    """Place an order that does not trade; return the exchange's id."""
    await mexc.load_rules()
    ticker = await mexc.spot.book_ticker(symbol=XRP)
    assert ticker.bid_price is not None
    price = mexc.rules(XRP).price(ticker.bid_price * D("0.9"))
    order = await mexc.spot.new_order(symbol=XRP, side="BUY", type="LIMIT", quantity=D(50), price=price, **more)
    return order.order_id


async def test_order_of_somebody_else_is_reported(
    sim: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "calls.jsonl"
    async with nothing_left(), sim_client(sim, call_log=log) as mexc, sim_client(sim, order_id_prefix="x") as other:
        told = Told(mexc)
        async with mexc.streams.orders():
            with caplog.at_level(logging.WARNING, "mexc_async"):
                await rest(mexc)
                stranger = await rest(other, new_client_order_id="manual-1")
                await until(lambda: reports(told.events))
        (event,) = reports(told.events)
        assert (event.rule, event.order_id, event.client_order_id) == ("foreign_order", stranger, "manual-1")
        assert not event.is_halted
        assert f"order {stranger}" in event.text
        assert f"unusual activity: {event.text}" in caplog.text
    (line,) = of_kind(log, "unusual")
    assert (line["rule"], line["order"], line["order_id"]) == ("foreign_order", "manual-1", stranger)


async def test_order_found_open_is_reported_with_its_symbol(sim: Simulator) -> None:
    async with sim_client(sim) as mexc, sim_client(sim, order_id_prefix="x") as other:
        told = Told(mexc)
        stranger = await rest(other)
        await mexc.spot.open_orders()
        await until(lambda: reports(told.events))
        await mexc.spot.open_orders()
        assert [(event.order_id, event.symbol) for event in reports(told.events)] == [(stranger, XRP)]


async def test_orders_of_this_client_and_of_those_it_knows_are_not_reported(sim: Simulator) -> None:
    settings = AlarmSettings(known_prefixes=("sib",))
    async with (
        sim_client(sim, alarms=settings) as mexc,
        sim_client(sim, order_id_prefix="sib") as sibling,
        sim_client(sim) as before,
        sim_client(sim, order_id_prefix="x") as other,
    ):
        told = Told(mexc)
        await rest(before)  # the same client before a restart
        await rest(sibling)
        async with mexc.streams.orders():
            await rest(mexc)
            await rest(mexc, new_client_order_id="chosen-by-hand")
            await rest(sibling)
            stranger = await rest(other)
            await mexc.spot.open_orders()
            await until(lambda: reports(told.events))
        assert [event.order_id for event in reports(told.events)] == [stranger]


async def test_adopted_order_is_no_stranger(sim: Simulator) -> None:
    async with sim_client(sim) as mexc, sim_client(sim, order_id_prefix="old") as old, sim_client(sim) as other:
        told = Told(mexc)
        await rest(old)
        await mexc.orders.adopt("old")
        stranger = await rest(other, new_client_order_id="not-ours")
        await mexc.spot.open_orders()
        await until(lambda: reports(told.events))
        assert [event.order_id for event in reports(told.events)] == [stranger]


async def test_report_may_halt_orders_but_never_cancels(sim: Simulator) -> None:
    async with sim_client(sim, alarms=AlarmSettings(halt=True)) as mexc, sim_client(sim) as other:
        told = Told(mexc)
        mine = await rest(mexc)
        await rest(other, new_client_order_id="not-ours")
        await mexc.spot.open_orders()
        await until(lambda: reports(told.events))
        (event,) = reports(told.events)
        assert event.is_halted
        count = len(sim.statement().orders)
        with pytest.raises(GuardRefused, match=re.escape(f"trading is halted: {event.text}")) as caught:
            await rest(mexc)
        assert caught.value.rule == "halt"
        (refused,) = await mexc.orders.place_many(
            [NewOrder(symbol=XRP, side="BUY", type="MARKET", quote_order_qty=D(20))]
        )
        assert isinstance(refused.error, GuardRefused)
        assert len(sim.statement().orders) == count
        await mexc.spot.cancel_order(symbol=XRP, order_id=mine)
        mexc.orders.resume()
        await rest(mexc)


# Rate refusals

LIMITS = Limits.custom("unlimited", ip=(100, 10.0), orders=(10, 10.0))


@pytest.mark.parametrize(("spent_before", "is_reported"), [(0, True), (4, True), (5, False), (9, False)])
async def test_429_is_somebody_elses_while_the_own_budget_is_unspent(spent_before: int, is_reported: bool) -> None:
    async with fake_client(limits=LIMITS, retry=RetryPolicy(budget_s=0)) as at:
        for _ in range(spent_before):
            await buy(at)
        at.transport.on("POST /api/v3/order", refusal(-1, 429))
        with suppress(MexcError):
            await buy(at)
        found = reports(at.events)
        assert bool(found) is is_reported
        if found:
            assert (found[0].rule, "HTTP 429 on POST /api/v3/order" in found[0].text) == ("foreign_429", True)


async def buy(at: FakeClient) -> None:
    await at.view.spot.new_order(symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=D(1), price=D(2))


async def test_one_report_of_refusals_a_minute_is_enough() -> None:
    async with fake_client(limits=LIMITS, retry=RetryPolicy(budget_s=0)) as at:
        at.transport.on("/api/v3/depth", refusal(-1, 429, Retry_After="0.01"))
        for _ in range(3):
            with suppress(MexcError):
                await at.view.spot.depth(symbol="BTCUSDT")
        assert len(reports(at.events)) == 1


async def test_429_tells_nothing_without_a_budget() -> None:
    async with fake_client(limits="unlimited", retry=RetryPolicy(budget_s=0)) as at:
        at.transport.on("/api/v3/depth", refusal(-1, 429))
        with suppress(MexcError):
            await at.view.spot.depth(symbol="BTCUSDT")
        assert not reports(at.events)


# Too many calls


def has_counted(watch: Alarms, endpoint: str, total: int) -> bool:
    return sum(watch._counts.by_endpoint.get(endpoint, {}).values()) == total


async def test_hour_with_far_too_many_calls_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(alarms, "COUNT_S", 0.001)
    now_ms = [1000 * HOUR_MS]
    async with fake_client(call_log=CallLog(tmp_path / "calls.jsonl")) as at:
        monkeypatch.setattr(at.api.clock, "now_ms", lambda: now_ms[0])
        watch = at.alarms
        watch.start()
        watch.start()
        total = 0
        for calls in (10, 10, 10, 60):
            for _ in range(calls):
                await at.view.spot.ping()
            total += calls
            await until(partial(has_counted, watch, "GET /api/v3/ping", total))
            now_ms[0] += HOUR_MS
        (event,) = reports(at.events)
        assert event.rule == "call_rate"
        assert event.text.endswith("calls of GET /api/v3/ping this hour, where 10 are usual")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"known_prefixes": "grid"}, "known_prefixes 'grid'"),
        ({"known_prefixes": ("",)}, "known_prefixes"),
        ({"factor": 0.5}, "factor 0.5"),
        ({"factor": float("nan")}, "factor nan"),
    ],
)
def test_wrong_setting_is_named(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        AlarmSettings(**settings)
