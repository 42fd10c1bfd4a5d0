"""A client that trades XRPUSDT on a simulated exchange."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mexc_async.client.mexc import Mexc
from mexc_async.orders.handle import TrackedOrder
from mexc_async.orders.record import OrderState
from mexc_async.orders.tracker import OrderSettings
from mexc_async.sim.rest.server import Simulator
from mexc_async.transport.config import Timeouts
from tests.support.streams import sim_client

D = Decimal
XRP = "XRPUSDT"
FIFTY = D(50)
FAST = OrderSettings(settle_s=8.0, lag_ms=150, poll_s=0.05, watch_s=0.3)
SOON = Timeouts(read_s=0.4)  # silence ends a call soon; a loaded machine still has time to connect


def trader(sim: Simulator, **settings: Any) -> Mexc:
    usual: dict[str, Any] = {"limits": "unlimited", "orders": FAST, "timeouts": SOON, "recv_window_ms": 400}
    return sim_client(sim, **usual | settings)


async def best(mexc: Mexc, symbol: str = XRP) -> tuple[Decimal, Decimal]:
    ticker = await mexc.spot.book_ticker(symbol=symbol)
    assert ticker.bid_price is not None
    assert ticker.ask_price is not None
    return ticker.bid_price, ticker.ask_price


async def resting(mexc: Mexc, quantity: Decimal = FIFTY, below: str = "0.95", **more: Any) -> TrackedOrder:
    """Place a buy that does not trade."""
    bid, _ = await best(mexc)
    price = mexc.rules(XRP).price(bid * D(below))
    return await mexc.orders.limit_buy(XRP, quantity=quantity, price=price, **more)


def state(order: TrackedOrder) -> OrderState:
    """Return its present state."""
    return order.status
