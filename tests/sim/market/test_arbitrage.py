"""Price gaps between three markets: a round of three orders has the requested profit."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any

import pytest

from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.orders import OrderRequest
from mexc_async.sim.market.arbitrage import Gap, GapRequest
from mexc_async.sim.rest.server import SimConfig, Simulator
from tests.support.stream_client import stage

D = Decimal


def trade_round(simulator: Simulator, gap: Gap, amount: Decimal) -> Decimal:
    """Trade `amount` of the first asset around the gap's markets, and return the amount received."""
    exchange = simulator.exchange
    account = next(iter(exchange.accounts.values()))
    for leg in gap.legs:
        amount = _trade(exchange, account, leg.symbol, leg.side, leg.price, amount, simulator._now_ms())
    return amount


def _trade(
    exchange: Exchange, account: Account, symbol: str, side: Any, price: Decimal, amount: Decimal, now_ms: int
) -> Decimal:
    market = exchange.market(symbol)
    fee = market.rules.taker_fee
    quantity = amount if side == "SELL" else amount / (price * (1 + fee))
    request = OrderRequest(
        symbol=symbol,
        side=side,
        type="FILL_OR_KILL",
        quantity=quantity.quantize(market.step, rounding=ROUND_DOWN),
        price=price,
    )
    made = exchange.place(account, request, now_ms)
    assert made.status == "FILLED"
    return made.executed if side == "BUY" else made.executed_value * (1 - fee)


@pytest.mark.parametrize(
    ("symbols", "start", "sides"),
    [
        (("BTCUSDT", "ETHBTC", "ETHUSDT"), "USDT", ["BUY", "BUY", "SELL"]),
        (("ETHUSDT", "ETHBTC", "BTCUSDT"), "USDT", ["BUY", "SELL", "SELL"]),
        (("ETHBTC", "ETHUSDT", "BTCUSDT"), "BTC", ["BUY", "SELL", "BUY"]),
    ],
)
@pytest.mark.parametrize("edge", ["0.005", "0", "-0.01"])
async def test_a_round_gains_the_edge(symbols: tuple[str, str, str], start: str, sides: list[str], edge: str) -> None:
    async with stage() as on:
        value = D("0.02") if start == "BTC" else D(1000)
        gap = on.simulator.open_gap(GapRequest(symbols=symbols, edge=D(edge), value=value))
        assert (gap.start_asset, [leg.side for leg in gap.legs]) == (start, sides)
        assert D(edge) <= gap.edge < D(edge) + D("0.0003")
        gain = trade_round(on.simulator, gap, value) / value - 1
        assert abs(gain - gap.edge) < D("0.0005")


async def test_a_gap_stays_in_a_moving_market_and_can_be_closed() -> None:
    simulator = Simulator(SimConfig(limits="none"))
    gap = simulator.open_gap(GapRequest(edge=D("0.02")))
    now_ms = simulator._now_ms()
    for market in simulator.exchange.markets.values():
        now_ms = max(now_ms, market.changed_ms)
    simulator._liquidity.advance(now_ms + 5000)
    again = simulator.exchange.market("ETHBTC").top("SELL")
    assert again is not None
    assert abs(again[0] / gap.legs[1].price - 1) < D("0.005")
    closed = simulator.open_gap(GapRequest(edge=D(0)))
    assert D(0) <= closed.edge < D("0.0003")


async def test_pushes_and_rest_show_the_gap() -> None:
    async with stage(control=True) as on:
        stream = await on.connect()
        await stream.subscribe("spot@public.aggre.bookTicker.v3.api.pb@10ms@ETHBTC")
        async with on.http.post(f"{on.simulator.rest}/sim/gap") as response:
            legs = (await response.json())["legs"]
        assert [leg["symbol"] for leg in legs] == ["BTCUSDT", "ETHBTC", "ETHUSDT"]
        price = D(legs[1]["price"])
        found = await stream.until(lambda push: push.body.ask_price == price)
        assert found
        rest = await on.get("/api/v3/ticker/bookTicker", symbol="ETHBTC")
        assert D(rest["askPrice"]) == price


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"symbols": ["BTCUSDT", "ETHBTC", "NOPEUSDT"]}, "'NOPEUSDT' is not listed"),
        ({"symbols": ["BTCUSDT", "ETHUSDT", "SOLUSDT"]}, "do not form a round"),
        ({"edge": "0.5"}, "edge 0.5 is not between"),
        ({"value": "0"}, "value 0 is not above 0"),
        ({"value": "x"}, "value"),
        ({"how": "now"}, "how"),
    ],
)
async def test_a_gap_that_cannot_be_is_refused(body: dict[str, Any], words: str) -> None:
    async with stage(control=True) as on, on.http.post(f"{on.simulator.rest}/sim/gap", json=body) as response:
        assert response.status == 400
        assert words in (await response.json())["msg"]
