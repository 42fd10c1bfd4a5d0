"""`mexc-async buy` and `sell`: one order, and what became of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from mexc_async.cli.acts import confirm
from mexc_async.cli.outcome import carry_out, fail
from mexc_async.cli.show import show
from mexc_async.cli.target import AsJson, Rest, Sim, Symbol, Yes, connect

if TYPE_CHECKING:
    from mexc_async.client import Mexc
    from mexc_async.net.tracked_order import TrackedOrder
    from mexc_async.spot.enums import SideName
    from mexc_async.spot.trading import NewOrder

ENDS_AT_ONCE_S = 10.0
"""How long the end of an order that does not rest is waited for, unless told otherwise."""

Quantity = Annotated[str | None, typer.Option(help="How much, in base: in BTC for BTCUSDT.")]
Price = Annotated[str | None, typer.Option(help="Limit; without one the order is a MARKET order.")]
Quote = Annotated[str | None, typer.Option(help="For a MARKET order, instead of --quantity: worth so much, in quote.")]
Type = Annotated[
    str | None, typer.Option("--type", help="LIMIT, LIMIT_MAKER, IMMEDIATE_OR_CANCEL, FILL_OR_KILL or MARKET.")
]
Id = Annotated[str | None, typer.Option(help="Your own id for the order; one is made if not given.")]
Wait = Annotated[
    float | None, typer.Option(help="Seconds to wait for its end: 10 where it ends at once, 0 where it rests.")
]


def _command(side: SideName) -> Callable[..., None]:
    def order(
        symbol: Symbol,
        quantity: Quantity = None,
        price: Price = None,
        quote: Quote = None,
        kind: Type = None,
        client_order_id: Id = None,
        wait: Wait = None,
        yes: Yes = False,
        json: AsJson = False,
        sim: Sim = False,
        rest: Rest = None,
    ) -> None:
        from mexc_async.cli.flags import build
        from mexc_async.errors import ConfigError, InvalidRequest
        from mexc_async.spot.trading import NewOrder

        given = {
            "symbol": symbol,
            "side": side,
            "type": kind or ("MARKET" if price is None else "LIMIT"),
            "quantity": quantity,
            "price": price,
            "quote_order_qty": quote,
            "new_client_order_id": client_order_id,
        }
        try:
            if wait is not None and not 0 <= wait <= 86_400:
                raise InvalidRequest(f"--wait {wait:g} must be from 0 to 86400 seconds")
            request = build(NewOrder, {name: text for name, text in given.items() if text is not None})
            mexc = connect(rest, sim, signed=True, changes=True)
        except (ConfigError, InvalidRequest) as error:
            fail(error)
        confirm(mexc, _described(request), yes)

        async def work(mexc: Mexc) -> None:
            order = await _placed(mexc, request)
            try:
                await _follow(mexc, order, wait)
            finally:
                show(_summary(order), json)

        carry_out(mexc, work)

    order.__doc__ = (
        f"{side.title()}, and show what became of the order; interrupted before it is known to stand, it is cancelled."
    )
    return order


buy, sell = _command("BUY"), _command("SELL")


def _described(order: NewOrder) -> str:
    size = f"{order.quantity:f}" if order.quantity is not None else f"for {order.quote_order_qty:f} in quote"
    if order.price is None or order.quantity is None:
        return f"{order.side} {size} {order.symbol} at the market's price"
    return (
        f"{order.side} {size} {order.symbol} at {order.price:f} ({order.type}), worth {order.price * order.quantity:f}"
    )


async def _placed(mexc: Mexc, request: NewOrder) -> TrackedOrder:
    """Place it. Whatever keeps its answer away, Ctrl-C too, it is cancelled then and what became of it is told."""
    from mexc_async.errors import OutcomeUnknown

    session = mexc.orders.session()
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(session)
            order = await session.place(request)
            stack.pop_all()  # it stands, and outlives this command
            return order
    except (asyncio.CancelledError, OutcomeUnknown):
        for opened in session.opened:
            print(f"not waited for any longer: {opened!r}", file=sys.stderr)
        raise


async def _follow(mexc: Mexc, order: TrackedOrder, wait: float | None) -> None:
    """Wait for its end, as long as that is worth it."""
    from mexc_async.errors import OrderNotFound, WaitTimeout
    from mexc_async.spot.enums import OrderType

    rests = order.type in (OrderType.LIMIT, OrderType.LIMIT_MAKER)
    wait_s = (0.0 if rests else ENDS_AT_ONCE_S) if wait is None else wait
    with suppress(WaitTimeout):
        if wait_s:
            if rests:
                print(f"{order.client_order_id} stands; waiting {wait_s:g} s for its end", file=sys.stderr)
            await order.settled(wait_s)
    if not order.is_final:
        with suppress(OrderNotFound):  # not visible yet; its answer is what is known
            await mexc.spot.query_order(symbol=order.symbol, orig_client_order_id=order.client_order_id)


def _summary(order: TrackedOrder) -> dict[str, object]:
    return {
        "symbol": order.symbol,
        "side": order.side,
        "type": order.type,
        "status": order.status,
        "price": order.price,
        "quantity": order.quantity,
        "filled_quantity": order.filled_quantity,
        "filled_quote_quantity": order.filled_quote_quantity,
        "average_price": order.average_price,
        "fees": order.fees,
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
        "fills": order.fills,
    }
