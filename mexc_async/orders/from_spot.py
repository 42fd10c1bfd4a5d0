"""Conversion between the spot API's answers and pushes about orders, and order records."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

from mexc_async.errors import ProtocolError
from mexc_async.orders.record import OrderFill, OrderRecord
from mexc_async.spot.enums import OrderStatus, OrderType, Side
from mexc_async.spot.models import BatchResult, CancelledOrder, Fill, Order, OrderAck
from mexc_async.spot.push_models import FillPush, OrderPush
from mexc_async.spot.trading import NewOrder

OrderNews: TypeAlias = Order | OrderPush | CancelledOrder | Fill | FillPush
"""Any answer or push with news of one order."""

ZERO = Decimal(0)
ENDED = frozenset({"CANCELED", "PARTIALLY_CANCELED", "REJECTED", "EXPIRED"})
"""The last two are not in MEXC's documents; another connector lists them (reference: `order_status_extra`)."""


def record_of(order: NewOrder) -> OrderRecord:
    """Return the record of an order that is about to be sent; it must have its client order id."""
    assert order.new_client_order_id is not None
    return OrderRecord(
        order.new_client_order_id,
        order.symbol,
        order.side,
        order.type,
        order.quantity,
        order.price,
        order.quote_order_qty,
        order.stp_mode or "",
    )


def adopted(order: Order, client_order_id: str) -> OrderRecord:
    """Return the record of an order that the exchange reported, as after a restart, without its progress."""
    is_sized_in_quote = order.type == OrderType.MARKET and bool(order.quote_order_qty or not order.quantity)
    return OrderRecord(
        client_order_id,
        order.symbol,
        order.side,
        order.type,
        None if is_sized_in_quote else order.quantity,
        None if order.type == OrderType.MARKET else order.price,
        order.quote_order_qty if is_sized_in_quote else None,
        order.stp_mode,
    )


def ids_of(news: OrderNews) -> tuple[str, str | None]:
    """Return the exchange's id of the order that this is about, and its client order id where that is given."""
    if isinstance(news, CancelledOrder):
        return news.order_id, news.orig_client_order_id
    return news.order_id, news.client_order_id or None


def _repeats(record: OrderRecord, ack: OrderAck) -> bool:
    """Return True if an ack repeats an order's terms and amounts as they were written, and contradicts none."""
    return (
        ack.symbol == record.symbol
        and ack.side == record.side
        and record.order_id is None
        and ack.client_order_id is None
        and ack.price_text == str(record.price)
        and ack.quantity_text == str(record.quantity)
    )


def is_about(record: OrderRecord, answer: OrderAck | Order | CancelledOrder) -> bool:
    """Return True if an answer can be about this order, as far as it repeats its ids and terms.

    A host that answers twice makes every later answer on that connection the one to the question before. A client order
    id proves more than an order id, which the record may have from another order's ack.
    """
    if type(answer) is OrderAck and _repeats(record, answer):
        return True  # nearly every ack
    try:
        if isinstance(answer, OrderAck):
            name, price = answer.client_order_id, answer.price if record.type != OrderType.MARKET else None
        else:
            name, price = ids_of(answer)[1], None
        quantity = answer.quantity
    except ProtocolError:  # an amount that is not a number
        return False
    return (
        answer.symbol == record.symbol
        and (name == record.client_order_id or (not name and record.order_id in (None, answer.order_id)))
        and answer.side in (None, record.side)
        and (None in (price, record.price) or price == record.price)
        and (not record.quantity or quantity is None or quantity == record.quantity)
    )


def learn(record: OrderRecord, news: OrderNews) -> bool:
    """Add the news to an order's record; return False if it was known."""
    if isinstance(news, Fill | FillPush):
        return record.fill(news.order_id, fill_of(news))
    status = news.status
    executed = news.executed_quantity or ZERO
    quote = news.executed_quote_quantity or ZERO
    is_filled = status is OrderStatus.FILLED
    has_ended = status in ENDED  # an answer without such a status may be a repeated ack of the placing
    is_cancelled = has_ended and not is_filled
    return record.report(news.order_id, executed, quote, is_cancelled=is_cancelled, is_filled=is_filled)


def fill_of(news: Fill | FillPush) -> OrderFill:
    """Return a trade, from whatever source, as an order's fill."""
    return OrderFill(
        trade_id=news.id if isinstance(news, Fill) else news.trade_id,
        price=news.price,
        quantity=news.quantity,
        quote_quantity=news.quote_quantity,
        fee=news.commission or ZERO,
        fee_asset=news.commission_asset,
        time=news.time,
        is_maker=bool(news.is_maker),
    )


def ack_of(record: OrderRecord) -> OrderAck:
    """Build the answer that placing the order would have had."""
    assert record.order_id is not None
    return OrderAck(
        symbol=record.symbol,
        order_id=record.order_id,
        price_text=None if record.price is None else f"{record.price:f}",
        quantity_text=None if record.quantity is None else f"{record.quantity:f}",
        type=OrderType(record.type),
        side=Side(record.side),
        client_order_id=record.client_order_id,
    )


def batch_result_of(record: OrderRecord) -> BatchResult:
    """Build the item that the order would have had in a batch's answer."""
    error = record.error
    if record.is_placed or error is None:
        return BatchResult(symbol=record.symbol, order_id=record.order_id, client_order_id=record.client_order_id)
    return BatchResult(symbol=record.symbol, client_order_id=record.client_order_id, code=error.code, msg=error.message)


def cancelled_of(record: OrderRecord) -> CancelledOrder:
    """Build the answer that cancelling the order would have had, with its final state."""
    assert record.order_id is not None
    return CancelledOrder(
        symbol=record.symbol,
        order_id=record.order_id,
        price=record.price,
        quantity=record.quantity,
        type=OrderType(record.type),
        side=Side(record.side),
        orig_client_order_id=record.client_order_id,
        executed_quantity=record.filled_quantity,
        executed_quote_quantity=record.filled_quote_quantity,
        status=OrderStatus(record.state),
    )


def cancelled(order: Order) -> CancelledOrder:
    """Build the same answer for an order without a record."""
    return CancelledOrder(
        symbol=order.symbol,
        order_id=order.order_id,
        price=order.price,
        quantity=order.quantity,
        type=order.type,
        side=order.side,
        orig_client_order_id=order.client_order_id,
        executed_quantity=order.executed_quantity,
        executed_quote_quantity=order.executed_quote_quantity,
        status=order.status,
    )
