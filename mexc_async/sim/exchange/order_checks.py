"""Checks of an order before the exchange accepts it. The balance is checked by the hold that follows."""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.decimals import check_decimals
from mexc_async.sim.exchange.orders import OrderRequest
from mexc_async.sim.exchange.refusals import (
    Refusal,
    above_maximum,
    bad_combination,
    below_minimum,
    illegal,
    missing,
)
from mexc_async.sim.exchange.symbols import OFFLINE, PAUSED, SymbolFilters

_CLIENT_ID = re.compile(r"[A-Za-z0-9_.:\-]+")


def check_fields(request: OrderRequest) -> None:
    """Check that the fields that the order type needs are there and do not exclude each other. Raises Refusal."""
    if request.type == "MARKET":
        if request.quantity is None and request.quote_quantity is None:
            raise missing("quantity")
        if request.quantity is not None and request.quote_quantity is not None:
            raise bad_combination()
    elif request.quantity is None:
        raise missing("quantity")
    elif request.price is None:
        raise missing("price")
    for name, number in (
        ("quantity", request.quantity),
        ("quoteOrderQty", request.quote_quantity),
        ("price", request.price if request.type != "MARKET" else None),
    ):
        if number is not None and number <= 0:
            raise Refusal(10102, f"Parameter '{name}' must be greater than 0.")


def check_state(request: OrderRequest, rules: SymbolFilters) -> None:
    """Check that the symbol trades through the API, on this side and with this order type. Raises Refusal."""
    if rules.status == PAUSED:
        raise Refusal(30000, "Trading of this symbol is suspended.")
    if rules.status == OFFLINE:
        raise Refusal(30016, "Trading disabled.")
    if not rules.open_to_api:
        raise Refusal(assumptions.CLOSED_TO_API, "bad symbol")
    if rules.trade_sides not in (1, 2 if request.side == "BUY" else 3):
        raise Refusal(30001, "Current transaction direction is not allowed.")
    if request.type == "MARKET" and "MARKET" not in rules.order_types:
        raise Refusal(30018, "Market orders are disabled for this symbol.")


def check_numbers(request: OrderRequest, rules: SymbolFilters, reference_price: Decimal) -> None:
    """Check decimals, minimum and maximum. Raises Refusal.

    `reference_price` values a MARKET order that is sized by quantity.
    """
    price = request.price if request.type != "MARKET" and request.price is not None else reference_price
    if request.type != "MARKET":
        check_decimals("price", price, rules.price_decimals)
    if request.quantity is None:
        value = request.quote_quantity or Decimal(0)
        check_decimals("quoteOrderQty", value, max(8, rules.price_decimals))
    else:
        check_decimals("quantity", request.quantity, rules.quantity_decimals)
        if request.quantity < rules.min_quantity:
            raise below_minimum(rules.min_quantity, rules.base)
        value = price * request.quantity
    market = request.type == "MARKET"
    minimum = rules.min_value_market if market else rules.min_value
    maximum = rules.max_value_market if market else rules.max_value
    if value < minimum:
        raise below_minimum(minimum, rules.quote)
    if value > maximum:
        raise above_maximum(maximum, rules.quote)


def check_band(request: OrderRequest, rules: SymbolFilters, last_price: Decimal) -> None:
    """Check PERCENT_PRICE_BY_SIDE: a buy is not too far above the last price, a sell not too far below. Raises Refusal.

    MEXC's documentation multiplies by the bare ratio, which would forbid every normal order. The check adds one, as
    MEXC does in practice.
    """
    if request.price is None or request.type in ("MARKET", "LIMIT_MAKER"):
        return
    if request.side == "BUY":
        allowed = request.price <= last_price * (1 + rules.band)
    else:
        allowed = request.price >= last_price * (1 - rules.band)
    if not allowed:
        raise Refusal(30087, "Order price exceeds allowed range")


def check_account(request: OrderRequest, account: Account) -> None:
    """Check the number of open orders and that no open order uses the client order id. Raises Refusal."""
    if len(account.open_orders) >= assumptions.MAX_OPEN_ORDERS:
        raise Refusal(assumptions.TOO_MANY_OPEN_ORDERS, "Too many orders.")
    if request.client_id is None:
        return
    if len(request.client_id) > assumptions.MAX_CLIENT_ID_LENGTH or not _CLIENT_ID.fullmatch(request.client_id):
        raise illegal("newClientOrderId")
    known = account.find_order(None, request.client_id)
    if known is not None and known.is_open:
        raise Refusal(assumptions.DUPLICATE_CLIENT_ID, "Duplicate newClientOrderId: an open order has it.")


def in_steps(request: OrderRequest, tick: Decimal, step: Decimal) -> OrderRequest:
    """Return the request with exactly the symbol's decimals. A MARKET order loses its price."""
    price, quantity = request.price, request.quantity
    return msgspec.structs.replace(
        request,
        price=None if price is None or request.type == "MARKET" else price.quantize(tick),
        quantity=None if quantity is None else quantity.quantize(step),
    )
