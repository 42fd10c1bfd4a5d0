"""REST answers in MEXC's exact shapes, as values that can be put into JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeAlias

import orjson

from mexc_async.sim.exchange.balances import Balances
from mexc_async.sim.exchange.bars import Bar, bar_close
from mexc_async.sim.exchange.decimals import short, text
from mexc_async.sim.exchange.history import Trade
from mexc_async.sim.exchange.keys import ApiKey
from mexc_async.sim.exchange.market_state import Market
from mexc_async.sim.exchange.orders import AccountTrade, Order
from mexc_async.sim.exchange.stp_groups import StpGroup
from mexc_async.sim.rest.paging import Page

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | orjson.Fragment | None"


def success(data: Json, now_ms: int, *, code: int = 0) -> Json:
    """Build a wrapped answer. The success code, 0 or 200, depends on the endpoint."""
    return {"data": data, "code": code, "msg": "success", "timestamp": now_ms}


def numbered(page: Page, found: Sequence[object], rows: list[Json]) -> Json:
    """Build one page of a history with its page count. `found` is the whole history."""
    return {"page": page.number, "totalRecords": len(found), "totalPageNum": page.count(found), "data": rows}


def symbol_row(market: Market) -> Json:
    """Build one symbol of exchangeInfo."""
    rules = market.rules
    return {
        "symbol": rules.symbol,
        "status": rules.status,
        "baseAsset": rules.base,
        "baseAssetPrecision": rules.base_decimals,
        "quoteAsset": rules.quote,
        "quotePrecision": rules.price_decimals,
        "quoteAssetPrecision": rules.price_decimals,
        "baseCommissionPrecision": rules.base_decimals,
        "quoteCommissionPrecision": rules.price_decimals,
        "orderTypes": list(rules.order_types),
        "isSpotTradingAllowed": rules.open_to_api,
        "isMarginTradingAllowed": False,
        "quoteAmountPrecision": text(rules.min_value),
        "baseSizePrecision": text(rules.min_quantity),
        "permissions": ["SPOT"],
        "filters": [
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": text(rules.band),
                "askMultiplierDown": text(rules.band),
            }
        ],
        "maxQuoteAmount": text(rules.max_value),
        "makerCommission": text(rules.maker_fee),
        "takerCommission": text(rules.taker_fee),
        "quoteAmountPrecisionMarket": text(rules.min_value_market),
        "maxQuoteAmountMarket": text(rules.max_value_market),
        "fullName": rules.full_name,
        "tradeSideType": rules.trade_sides,
        "contractAddress": "",
        "conceptPlateIds": [],
        "st": False,
    }


def depth(market: Market, limit: int, now_ms: int) -> Json:
    """Build the order book: bids high to low, asks low to high."""
    return {
        "lastUpdateId": market.version,
        "bids": [[text(price), text(quantity)] for price, quantity in market.levels("BUY", limit)],
        "asks": [[text(price), text(quantity)] for price, quantity in market.levels("SELL", limit)],
        "timestamp": now_ms,
    }


def historical_trade(made: Trade) -> dict[str, Json]:
    """Build a row of historicalTrades."""
    return {
        "id": None,
        "price": text(made.price),
        "qty": text(made.quantity),
        "quoteQty": text(made.value),
        "time": made.time_ms,
        "isBuyerMaker": made.buyer_is_maker,
        "isBestMatch": True,
    }


def trade(made: Trade) -> Json:
    """Build a row of trades: a row of historicalTrades with a tradeType."""
    return historical_trade(made) | {"tradeType": "ASK" if made.buyer_is_maker else "BID"}


def agg_trade(made: Trade) -> Json:
    """Build a row of aggTrades. Its time is cut to the second."""
    return {
        "a": None,
        "f": None,
        "l": None,
        "p": text(made.price),
        "q": text(made.quantity),
        "T": made.time_ms // 1000 * 1000,
        "m": made.buyer_is_maker,
        "M": True,
    }


def kline(bar: Bar, interval: str) -> Json:
    """Build a row of klines. The close time is the open time of the next bar."""
    return [
        bar.open_ms,
        text(bar.open),
        text(bar.high),
        text(bar.low),
        text(bar.close),
        text(bar.volume),
        bar_close(interval, bar.open_ms),
        text(bar.value),
    ]


def ticker_24hr(market: Market, now_ms: int) -> Json:
    """Build the statistics of the last 24 hours. The change is a ratio, not per cent."""
    day = market.history.day(now_ms)
    bid, ask = market.top("BUY"), market.top("SELL")
    change = market.last_price - day.open
    ratio = (change / day.open).quantize(Decimal("0.00000001"), rounding=ROUND_HALF_UP)
    return {
        "symbol": market.rules.symbol,
        "priceChange": text(change),
        "priceChangePercent": text(ratio),
        "prevClosePrice": text(day.open),
        "lastPrice": text(market.last_price),
        "bidPrice": text(bid[0]) if bid else "",
        "bidQty": text(bid[1]) if bid else "",
        "askPrice": text(ask[0]) if ask else "",
        "askQty": text(ask[1]) if ask else "",
        "openPrice": text(day.open),
        "highPrice": text(day.high),
        "lowPrice": text(day.low),
        "volume": text(day.volume),
        "quoteVolume": text(day.value),
        "openTime": day.open_ms,
        "closeTime": now_ms,
        "count": None,
    }


def ticker_price(market: Market) -> Json:
    """Build a row of ticker/price."""
    return {"symbol": market.rules.symbol, "price": text(market.last_price)}


def book_ticker(market: Market) -> Json:
    """Build a row of ticker/bookTicker. An empty side is null."""
    bid, ask = market.top("BUY"), market.top("SELL")
    return {
        "symbol": market.rules.symbol,
        "bidPrice": text(bid[0]) if bid else None,
        "bidQty": text(bid[1]) if bid else None,
        "askPrice": text(ask[0]) if ask else None,
        "askQty": text(ask[1]) if ask else None,
    }


def order_ack(order: Order) -> Json:
    """Build the acknowledgement of a new order. It has no status."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "price": text(order.price),
        "origQty": text(order.quantity),
        "type": order.type,
        "side": order.side,
        "stpMode": order.stp_mode,
        "transactTime": order.created_ms,
    }


def batch_ack(order: Order) -> Json:
    """Build the acknowledgement of one order of a batch."""
    answer: dict[str, Json] = {"symbol": order.symbol, "orderId": order.order_id, "orderListId": -1}
    if order.client_id is not None:
        answer["newClientOrderId"] = order.client_id
    return answer


def order(found: Order) -> Json:
    """Build an order as queries return it."""
    answer: dict[str, Json] = {
        "symbol": found.symbol,
        "orderId": found.order_id,
        "orderListId": -1,
        "clientOrderId": found.client_id,
        "price": text(found.price),
        "origQty": text(found.quantity),
        "executedQty": text(found.executed),
        "cummulativeQuoteQty": text(found.executed_value),
        "status": found.status,
        "timeInForce": None,
        "type": found.type,
        "side": found.side,
        "stopPrice": None,
        "icebergQty": None,
        "time": found.created_ms,
        "updateTime": found.updated_ms,
        "isWorking": True,
        "stpMode": found.stp_mode,
        "origQuoteOrderQty": text(found.quote_quantity),
    }
    if found.cancel_reason is not None:
        answer["cancelReason"] = found.cancel_reason
    return answer


def cancelled(found: Order, cancel_id: str | None) -> dict[str, Json]:
    """Build a cancelled order. `cancel_id` is the newClientOrderId that the cancel request carried."""
    return {
        "symbol": found.symbol,
        "origClientOrderId": found.client_id,
        "orderId": found.order_id,
        "clientOrderId": found.client_id if cancel_id is None else cancel_id,
        "price": text(found.price),
        "origQty": text(found.quantity),
        "executedQty": text(found.executed),
        "cummulativeQuoteQty": text(found.executed_value),
        "status": found.status,
        "timeInForce": "GTC",
        "type": found.type,
        "side": found.side,
    }


def my_trade(made: AccountTrade) -> Json:
    """Build a row of myTrades. Its time is cut to the second."""
    return {
        "symbol": made.symbol,
        "id": made.trade_id,
        "orderId": made.order_id,
        "orderListId": -1,
        "price": text(made.price),
        "qty": text(made.quantity),
        "quoteQty": text(made.value),
        "commission": text(made.fee),
        "commissionAsset": made.fee_asset,
        "time": made.time_ms // 1000 * 1000,
        "isBuyer": made.is_buyer,
        "isMaker": made.is_maker,
        "isBestMatch": True,
        "isSelfTrade": made.is_self_trade,
        "clientOrderId": made.client_id,
    }


def account(key: ApiKey, balances: Balances) -> Json:
    """Build the account with every balance that is not zero."""
    return {
        "makerCommission": None,
        "takerCommission": None,
        "buyerCommission": None,
        "sellerCommission": None,
        "canTrade": "SPOT_DEAL_WRITE" in key.permissions,
        "canWithdraw": "SPOT_WITHDRAW_WRITE" in key.permissions,
        "canDeposit": True,
        "updateTime": None,
        "accountType": "SPOT",
        "balances": [
            {
                "asset": asset,
                "free": short(balance.free),
                "locked": short(balance.locked),
                "available": short(balance.free),
            }
            for asset, balance in balances.balances(key.account).items()
            if balance.free or balance.locked
        ],
        "permissions": ["SPOT"],
    }


def fee_number(rate: Decimal) -> orjson.Fragment:
    """Format a fee ratio as tradeFee does: a JSON number with 18 decimals."""
    return orjson.Fragment(format(rate, ".18f").encode())


def api_key_info(key: ApiKey, status: str, now_ms: int) -> Json:
    """Build the details of a key. A key with an IP list does not expire."""
    created = datetime.fromtimestamp(key.created_ms / 1000, UTC)
    return {
        "note": key.note,
        "accessKey": key.key,
        "createTime": created.strftime("%Y-%m-%dT%H:%M:%S.000+00:00"),
        "permissions": ",".join(key.permissions),
        "remainingValidity": key.remaining_days(now_ms),
        "ipWhiteList": ",".join(key.ips),
        "status": status,
    }


def stp_group(group: StpGroup, *, with_uids: bool) -> dict[str, Json]:
    """Build a self-trade prevention group. Its members are one comma-separated text."""
    answer: dict[str, Json] = {
        "tradeGroupName": group.name,
        "tradeGroupId": group.group_id,
        "createTime": group.created_ms,
        "updateTime": group.updated_ms,
    }
    if with_uids:
        answer["tradeGroupUid"] = ",".join(group.uids)
    return answer
