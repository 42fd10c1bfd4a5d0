"""REST answers about the account, converted to the pushes that the private stream missed."""

from __future__ import annotations

from decimal import Decimal

from mexc_async.spot.enums import Side
from mexc_async.spot.models import Fill, Order
from mexc_async.spot.push_models import FillPush, OrderPush


def order_push(order: Order) -> OrderPush:
    """Convert an order from REST to a push."""
    remaining = None if order.quantity is None else order.quantity - order.executed_quantity
    return OrderPush(
        order_id=order.order_id,
        status=order.status,
        type=order.type,
        side=order.side,
        create_time=order.time,
        client_order_id=order.client_order_id or "",
        price_text=_text(order.price),
        quantity_text=_text(order.quantity),
        average_price_text=_text(order.average_price),
        remaining_quantity_text=_text(remaining),
        executed_quantity_text=_text(order.executed_quantity),
        executed_quote_quantity_text=_text(order.executed_quote_quantity),
    )


def fill_push(fill: Fill) -> FillPush:
    """Convert a trade of the account from REST to a push."""
    return FillPush(
        price_text=_text(fill.price),
        quantity_text=_text(fill.quantity),
        quote_quantity_text=_text(fill.quote_quantity),
        side=Side.BUY if fill.is_buyer else Side.SELL,
        trade_id=fill.id,
        order_id=fill.order_id,
        time=fill.time,
        is_maker=bool(fill.is_maker),
        is_self_trade=bool(fill.is_self_trade),
        client_order_id=fill.client_order_id or "",
        commission_text=_text(fill.commission),
        commission_asset=fill.commission_asset,
    )


def _text(number: Decimal | None) -> str:
    return "" if number is None else f"{number:f}"
