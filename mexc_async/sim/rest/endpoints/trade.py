"""Orders and self-trade prevention groups: the group `trade` of the reference."""

from __future__ import annotations

import orjson

from mexc_async.sim.exchange import assumptions
from mexc_async.sim.exchange.bars import DAY
from mexc_async.sim.exchange.matching import Side
from mexc_async.sim.exchange.orders import ORDER_TYPES, STP_MODES, Order, OrderRequest
from mexc_async.sim.exchange.refusals import Refusal, bad_combination, illegal, missing, unknown_order
from mexc_async.sim.rest import answers
from mexc_async.sim.rest.answers import Json
from mexc_async.sim.rest.endpoint import Call, ServedEndpoint
from mexc_async.sim.rest.parameters import Parameters
from mexc_async.sim.wallet.subaccounts import check_main

MAX_BATCH = 20
MAX_SYMBOLS = 5
_REACH_MS = 7 * DAY
_SIDES: tuple[Side, ...] = ("BUY", "SELL")


def read_order(parameters: Parameters) -> OrderRequest:
    """Read an order from the parameters. Unknown ones, such as `timeInForce`, are ignored. Raises Refusal."""
    symbol = parameters.symbol()
    side: Side = parameters.word("side", _SIDES)
    kind = parameters.word("type", ORDER_TYPES)
    stp_mode = parameters.optional("stpMode") or ""
    if stp_mode not in STP_MODES:
        raise illegal("stpMode")
    return OrderRequest(
        symbol=symbol,
        side=side,
        type=kind,
        quantity=parameters.decimal("quantity"),
        quote_quantity=parameters.decimal("quoteOrderQty") if kind == "MARKET" else None,
        price=parameters.decimal("price"),
        client_id=parameters.optional("newClientOrderId"),
        stp_mode=stp_mode,
    )


def test_order(call: Call) -> Json:
    """Check an order without placing it."""
    call.exchange.check(call.account, read_order(call.parameters))
    return {}


def new_order(call: Call) -> Json:
    """Place an order."""
    return answers.order_ack(call.exchange.place(call.account, read_order(call.parameters), call.now_ms))


def batch_orders(call: Call) -> Json:
    """Place up to 20 orders of one symbol. A refused order is an item of the answer."""
    items = read_batch(call.parameters.text("batchOrders"))
    return [_place_item(call, item) for item in items[: call.faults.carried_out(len(items))]]


def read_batch(text: str) -> list[Parameters]:
    """Read the orders of a batch. Raises Refusal 730002."""
    try:
        decoded = orjson.loads(text)
    except orjson.JSONDecodeError:
        decoded = None
    if not isinstance(decoded, list) or not all(isinstance(item, dict) for item in decoded):
        raise Refusal(assumptions.MALFORMED_BATCH, "Parameter error: batchOrders is no JSON array of orders.")
    if not 1 <= len(decoded) <= MAX_BATCH:
        raise Refusal(assumptions.MALFORMED_BATCH, f"Parameter error: batchOrders takes 1 to {MAX_BATCH} orders.")
    if len({str(item.get("symbol")) for item in decoded}) > 1:
        raise Refusal(assumptions.MALFORMED_BATCH, "Parameter error: batchOrders takes orders of one symbol.")
    return [
        Parameters({name: value if isinstance(value, str) else str(value) for name, value in item.items()})
        for item in decoded
    ]


def client_ids(name: str, parameters: Parameters) -> set[str]:
    """Return the client order ids by which a request places or cancels orders; `*` for any. Raises Refusal."""
    match name:
        case "new_order":
            return {"*", parameters.optional("newClientOrderId") or ""}
        case "batch_orders":
            items = read_batch(parameters.text("batchOrders"))
            return {"*", *(item.optional("newClientOrderId") or "" for item in items)}
        case "cancel_order":
            return {parameters.optional("origClientOrderId") or ""} - {""}
    return {"*"}


def _place_item(call: Call, item: Parameters) -> Json:
    try:
        return answers.batch_ack(call.exchange.place(call.account, read_order(item), call.now_ms))
    except Refusal as refusal:
        answer: dict[str, Json] = {"msg": refusal.msg, "code": refusal.code}
        client_id = item.optional("newClientOrderId")
        return answer if client_id is None else {"newClientOrderId": client_id, **answer}


def cancel_order(call: Call) -> Json:
    """Cancel one open order."""
    symbol = call.parameters.symbol()
    order = call.find_order(symbol)
    call.exchange.market(symbol)
    cancelled = _cancel(call, [] if order is None else [order])
    if not cancelled:
        raise unknown_order()
    return answers.cancelled(cancelled[0], call.parameters.optional("newClientOrderId"))


def cancel_open_orders(call: Call) -> Json:
    """Cancel every open order of up to five symbols."""
    symbols = call.parameters.symbols()
    if symbols is None:
        raise missing("symbol")
    for symbol in _check_count(symbols):
        call.exchange.market(symbol)
    orders = _cancel(call, call.open_orders(symbols))
    return [{**answers.cancelled(order, None), "orderListId": -1} for order in orders]


def cancel_all_orders(call: Call) -> Json:
    """Cancel every open order."""
    _cancel(call, call.open_orders(None))
    return {"code": 200, "msg": "success", "timestamp": call.now_ms}


def _cancel(call: Call, orders: list[Order]) -> list[Order]:
    """Cancel the open orders. The fault `fill_first` may fill each one just before."""
    if call.faults.fill_part:
        for order in orders:
            call.exchange.meet(order, call.faults.fill_part, call.now_ms)
    return call.exchange.cancel(orders, call.now_ms)


def query_order(call: Call) -> Json:
    """Return one order."""
    symbol = call.parameters.symbol()
    call.exchange.market(symbol)
    order = call.find_order(symbol)
    if order is None:
        raise Refusal(-2013, "Order does not exist.")
    return answers.order(order)


def open_orders(call: Call) -> Json:
    """Return the open orders of some symbols or of all, newest first."""
    symbols = call.parameters.symbols()
    for symbol in _check_count(symbols or []):
        call.exchange.market(symbol)
    return [answers.order(order) for order in reversed(call.open_orders(symbols))]


def all_orders(call: Call) -> Json:
    """Return the orders of one symbol created in a span, newest first.

    The span is the last day by default. It starts seven days ago at the earliest.
    """
    symbol = call.parameters.symbol()
    call.exchange.market(symbol)
    end_ms = call.parameters.integer("endTime")
    start_ms = call.parameters.integer("startTime")
    if start_ms is not None and end_ms is not None and start_ms > end_ms:
        raise bad_combination()
    last_ms = call.now_ms if end_ms is None else end_ms
    first_ms = max(last_ms - DAY if start_ms is None else start_ms, call.now_ms - _REACH_MS)
    limit = call.parameters.limit(assumptions.ORDERS_LIMIT)
    found: list[Order] = []
    for order in call.account.orders_newest_first():
        if len(found) >= limit:
            break
        if order.symbol == symbol and first_ms <= order.created_ms <= last_ms and call.sees(order.created_ms):
            found.append(order)
    return [answers.order(order) for order in found]


def _check_count(symbols: list[str]) -> list[str]:
    if len(symbols) > MAX_SYMBOLS:
        raise illegal("symbol")
    return symbols


def _group_id(parameters: Parameters) -> int:
    parameters.text("tradeGroupId")
    return parameters.integer("tradeGroupId") or 0


def _uids(parameters: Parameters) -> list[str]:
    uids = parameters.text("uid").split(",")
    if not all(uid.isdigit() for uid in uids):
        raise illegal("uid")
    return uids


def create_stp_group(call: Call) -> Json:
    """Create a group. Only main accounts may do so."""
    check_main(call.account)
    name = call.parameters.text("tradeGroupName")
    group = call.exchange.stp_groups.create(call.account.uid, name, call.now_ms)
    return answers.success(answers.stp_group(group, with_uids=False), call.now_ms, code=200)


def get_stp_group(call: Call) -> Json:
    """Return the groups of this name."""
    groups = call.exchange.stp_groups.named(call.account.uid, call.parameters.text("tradeGroupName"))
    rows: list[Json] = [answers.stp_group(group, with_uids=bool(group.uids)) for group in groups]
    return answers.success(rows, call.now_ms, code=200)


def delete_stp_group(call: Call) -> Json:
    """Delete a group."""
    call.exchange.stp_groups.delete(call.account.uid, _group_id(call.parameters))
    return answers.success(True, call.now_ms, code=200)


def add_stp_group_uid(call: Call) -> Json:
    """Add members to a group."""
    uids = _uids(call.parameters)
    group = call.exchange.stp_groups.add(call.account.uid, _group_id(call.parameters), uids, call.now_ms)
    return answers.success(answers.stp_group(group, with_uids=True), call.now_ms, code=200)


def delete_stp_group_uid(call: Call) -> Json:
    """Remove members from a group."""
    uids = _uids(call.parameters)
    call.exchange.stp_groups.remove(call.account.uid, _group_id(call.parameters), uids, call.now_ms)
    return answers.success(True, call.now_ms, code=200)


_ORDER = (("uid", 1), ("orders", 1))
_BATCH = (*_ORDER, ("batchOrders", 1))
_GROUP = (("ip", 20),)
_READ, _WRITE = "SPOT_DEAL_READ", "SPOT_DEAL_WRITE"
_GROUP_READ, _GROUP_WRITE = "SPOT_ACCOUNT_READ", "SPOT_ACCOUNT_WRITE"

ENDPOINTS = (
    ServedEndpoint("POST", "/api/v3/order/test", test_order, (("ip", 1),), _WRITE),
    ServedEndpoint("POST", "/api/v3/order", new_order, _ORDER, _WRITE),
    ServedEndpoint("POST", "/api/v3/batchOrders", batch_orders, _BATCH, _WRITE),
    ServedEndpoint("DELETE", "/api/v3/order", cancel_order, _ORDER, _WRITE),
    ServedEndpoint("DELETE", "/api/v3/openOrders", cancel_open_orders, _ORDER, _WRITE),
    ServedEndpoint("DELETE", "/api/v3/order/all", cancel_all_orders, _ORDER, _WRITE),
    ServedEndpoint("GET", "/api/v3/order", query_order, (("ip", 2),), _READ),
    ServedEndpoint("GET", "/api/v3/openOrders", open_orders, (("ip", 3),), _READ),
    ServedEndpoint("GET", "/api/v3/allOrders", all_orders, (("ip", 10),), _READ),
    ServedEndpoint("POST", "/api/v3/strategy/group", create_stp_group, _GROUP, _GROUP_WRITE),
    ServedEndpoint("GET", "/api/v3/strategy/group", get_stp_group, _GROUP, _GROUP_READ),
    ServedEndpoint("DELETE", "/api/v3/strategy/group", delete_stp_group, _GROUP, _GROUP_WRITE),
    ServedEndpoint("POST", "/api/v3/strategy/group/uid", add_stp_group_uid, _GROUP, _GROUP_WRITE),
    ServedEndpoint("DELETE", "/api/v3/strategy/group/uid", delete_stp_group_uid, _GROUP, _GROUP_WRITE),
)

GUIDE_ENDPOINTS = (
    ServedEndpoint("POST", "/api/v3/order/place", new_order, _ORDER, _WRITE),
    ServedEndpoint("POST", "/api/v3/order/cancel", cancel_order, _ORDER, _WRITE),
    ServedEndpoint("DELETE", "/api/v3/order/cancel", cancel_order, _ORDER, _WRITE),
)
"""Alternative paths for POST and DELETE /api/v3/order, from some guides and gateways."""
