"""Private channels: each account receives its own orders, fills and balances, as in REST answers."""

from __future__ import annotations

from decimal import Decimal

from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.exchange.orders import OrderRequest
from mexc_async.sim.rest.server import main_account
from mexc_async.spot.enums import OrderStatus, OrderType, Side
from mexc_async.spot.push_models import BalanceChange, FillPush, OrderPush
from tests.support.private_pushes import ACCOUNT, DEALS, ORDERS, check_balances, of, pushes_so_far
from tests.support.stream_client import Stage, Stream, stage

D = Decimal
BTC = "BTCUSDT"
SECOND = AccountSpec(name="second", api_key="k2", api_secret="s2")


async def keyed(on: Stage) -> Stream:
    """Open a socket that is subscribed to everything of the main account."""
    stream = await on.connect(await on.listen_key())
    await stream.subscribe(ACCOUNT, DEALS, ORDERS)
    return stream


async def test_an_order_that_rests_and_is_cancelled() -> None:
    async with stage() as on:
        stream = await keyed(on)
        sent = {"symbol": BTC, "side": "BUY", "type": "LIMIT", "quantity": "0.01", "price": "67000"}
        made = (await on.call("POST", "/api/v3/order", **sent, newClientOrderId="mine")).body
        pushes = await pushes_so_far(stream)
        (order,) = of(pushes, OrderPush)
        assert (order.order_id, order.client_order_id) == (made["orderId"], "mine")
        assert (order.status, order.type, order.side) == (OrderStatus.NEW, OrderType.LIMIT, Side.BUY)
        assert (order.price, order.quantity, order.quote_quantity) == (D(67000), D("0.01"), D(670))
        assert (order.remaining_quantity, order.executed_quantity) == (D("0.01"), 0)
        assert (order.last_fill_quantity_text, order.average_price) == (None, 0)
        (change,) = of(pushes, BalanceChange)
        assert (change.asset, change.type) == ("USDT", "ENTRUST_PLACE")
        assert change.free_change == -change.locked_change < 0
        await check_balances(on, pushes)
        rest = (await on.call("GET", "/api/v3/openOrders", symbol=BTC)).body[0]
        assert (rest["orderId"], rest["time"]) == (order.order_id, order.create_time)

        await on.call("DELETE", "/api/v3/order", symbol=BTC, orderId=made["orderId"])
        pushes = await pushes_so_far(stream)
        assert [each.status for each in of(pushes, OrderPush)] == [OrderStatus.CANCELED]
        assert [each.type for each in of(pushes, BalanceChange)] == ["ENTRUST_CANCEL"]
        await check_balances(on, pushes)
        by_channel = {push.channel: push for push in pushes}
        assert by_channel[ORDERS].symbol == BTC
        assert by_channel[ACCOUNT].symbol is None
        assert by_channel[ACCOUNT].create_time is not None
        assert by_channel[ORDERS].create_time is None


async def test_fills_are_my_trades() -> None:
    async with stage() as on:
        stream = await keyed(on)
        sent = {"symbol": BTC, "side": "SELL", "type": "MARKET", "quantity": "0.3"}
        await on.call("POST", "/api/v3/order", **sent, newClientOrderId="c1")
        pushes = await pushes_so_far(stream)
        rest = (await on.call("GET", "/api/v3/myTrades", symbol=BTC, limit=1000)).body
        fills = of(pushes, FillPush)
        assert len(fills) > 1
        for fill, row in zip(fills, reversed(rest), strict=True):
            assert (fill.trade_id, fill.order_id, fill.client_order_id) == (row["id"], row["orderId"], "c1")
            texts = (fill.price_text, fill.quantity_text, fill.quote_quantity_text, fill.commission_text)
            assert texts == (row["price"], row["qty"], row["quoteQty"], row["commission"])
            assert fill.commission_asset == row["commissionAsset"]
            assert fill.time // 1000 * 1000 == row["time"]
            assert (fill.side, fill.is_maker, fill.is_self_trade) == (Side.SELL, False, False)
        orders = of(pushes, OrderPush)
        assert [each.status for each in orders] == [
            OrderStatus.NEW,
            *[OrderStatus.PARTIALLY_FILLED] * (len(fills) - 1),
            OrderStatus.FILLED,
        ]
        assert [each.last_fill_quantity for each in orders[1:]] == [each.quantity for each in fills]
        last = orders[-1]
        assert last.executed_quantity == D("0.3")
        assert last.executed_quote_quantity == sum(each.quote_quantity for each in fills)
        assert abs(last.average_price - last.executed_quote_quantity / D("0.3")) <= D("0.005")
        assert (last.quote_quantity, last.remaining_quantity, last.remaining_quote_quantity) == (0, 0, 0)
        row = (await on.call("GET", "/api/v3/order", symbol=BTC, orderId=last.order_id)).body
        assert (row["status"], row["executedQty"]) == ("FILLED", last.executed_quantity_text)
        assert row["cummulativeQuoteQty"] == last.executed_quote_quantity_text
        assert {each.type for each in of(pushes, BalanceChange)} == {"ENTRUST"}
        await check_balances(on, pushes)


async def test_an_order_sized_by_value() -> None:
    async with stage() as on:
        stream = await keyed(on)
        await on.call("POST", "/api/v3/order", symbol=BTC, side="BUY", type="MARKET", quoteOrderQty="500")
        pushes = await pushes_so_far(stream)
        order = of(pushes, OrderPush)[-1]
        assert (order.status, order.quote_quantity, order.remaining_quote_quantity) == (OrderStatus.FILLED, D(500), 0)
        await check_balances(on, pushes)


async def test_a_partly_filled_order_that_cannot_rest() -> None:
    async with stage() as on:
        stream = await keyed(on)
        market = on.exchange.market(BTC)
        price, quantity = market.top("SELL") or (D(0), D(0))
        sent = {"symbol": BTC, "side": "BUY", "type": "IMMEDIATE_OR_CANCEL"}
        await on.call("POST", "/api/v3/order", **sent, quantity=f"{quantity + D('0.01')}", price=f"{price}")
        pushes = await pushes_so_far(stream)
        orders = of(pushes, OrderPush)
        assert [each.status for each in orders] == [
            OrderStatus.NEW,
            OrderStatus.PARTIALLY_FILLED,
            OrderStatus.PARTIALLY_CANCELED,
        ]
        assert orders[-1].type == OrderType.IMMEDIATE_OR_CANCEL
        assert orders[-1].remaining_quantity == D("0.01")
        await check_balances(on, pushes)


async def test_nothing_is_told_of_balances_that_end_as_they_were() -> None:
    async with stage() as on:
        stream = await keyed(on)
        sent = {"symbol": BTC, "side": "BUY", "type": "FILL_OR_KILL", "quantity": "1", "price": "67000"}
        await on.call("POST", "/api/v3/order", **sent)
        pushes = await pushes_so_far(stream)
        assert [each.status for each in of(pushes, OrderPush)] == [OrderStatus.NEW, OrderStatus.CANCELED]
        assert of(pushes, BalanceChange) == of(pushes, FillPush) == []


async def test_each_account_sees_its_own_side() -> None:
    async with stage(accounts=(main_account(), SECOND)) as on:
        stream = await keyed(on)
        price = (on.exchange.market(BTC).top("BUY") or (D(0), D(0)))[0] + D("0.05")
        sent = {"symbol": BTC, "quantity": "0.001", "price": f"{price}"}
        mine = (await on.call("POST", "/api/v3/order", **sent, side="BUY", type="LIMIT_MAKER")).body["orderId"]
        await pushes_so_far(stream)
        second = list(on.exchange.accounts.values())[1]
        request = OrderRequest(symbol=BTC, side="SELL", type="LIMIT", quantity=D("0.0004"), price=price)
        on.exchange.place(second, request, on.simulator._now_ms())
        pushes = await pushes_so_far(stream)
        (fill,) = of(pushes, FillPush)
        assert (fill.order_id, fill.is_maker, fill.side, fill.commission) == (mine, True, Side.BUY, 0)
        (order,) = of(pushes, OrderPush)
        assert (order.order_id, order.status, order.is_maker) == (mine, OrderStatus.PARTIALLY_FILLED, True)
        assert (order.type, order.remaining_quantity) == (OrderType.LIMIT_MAKER, D("0.0006"))
        await check_balances(on, pushes)


async def test_a_socket_without_a_key_sees_nothing_private() -> None:
    async with stage() as on:
        stream = await on.connect()
        answer = await stream.request("SUBSCRIPTION", ACCOUNT, DEALS, ORDERS)
        assert answer["msg"] == f"Not Subscribed successfully! [{ACCOUNT},{DEALS},{ORDERS}].  Reason： Blocked! "
