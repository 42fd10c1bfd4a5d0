"""Bad input is refused before anything is sent, in one line that names the value and the rule."""

from __future__ import annotations

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mexc_async.errors import InvalidRequest
from mexc_async.schema.endpoint import Request
from mexc_async.spot.account import ApiKeyInfoQuery, MyTradesQuery, SetApiKeyInfo, SetMxDeduct, TradeFeeQuery
from mexc_async.spot.announcements import AnnouncementsQuery
from mexc_async.spot.broker import BrokerCreateApiKey, BrokerCreateSubAccount, BrokerUniversalTransfer, BrokerWithdraw
from mexc_async.spot.enums import AccountType, CommissionType, DepositStatus, OrderType, Side
from mexc_async.spot.market import (
    AggTradesQuery,
    DepthQuery,
    ExchangeInfoQuery,
    KlinesQuery,
    PriceTickerQuery,
    TradesQuery,
)
from mexc_async.spot.rebates import AffiliateCommissionDetailQuery, AffiliateReferralQuery
from mexc_async.spot.subaccounts import (
    CreateSubAccount,
    CreateSubAccountApiKey,
    SubAccountsQuery,
    SubUniversalTransfer,
    SubUniversalTransferHistoryQuery,
)
from mexc_async.spot.trading import (
    AddStpGroupUid,
    AllOrdersQuery,
    BatchOrders,
    CancelOpenOrders,
    CancelOrder,
    CreateStpGroup,
    NewOrder,
    OpenOrdersQuery,
    OrderQuery,
)
from mexc_async.spot.trading import TestOrder as CheckOrder  # pytest collects what begins with Test
from mexc_async.spot.user_stream import KeepAliveListenKey
from mexc_async.spot.wallet import (
    ConvertDust,
    DepositHistoryQuery,
    InternalTransferRequest,
    UniversalTransfer,
    UniversalTransferHistoryQuery,
    Withdraw,
    WithdrawApply,
    WithdrawHistoryQuery,
)

ONE = Decimal(1)
LIMIT: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": ONE, "price": ONE}
MARKET: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": ONE}


def refusal(request: type[Request[Any]], **params: Any) -> str:
    with pytest.raises(InvalidRequest) as raised:
        request(**params)
    assert isinstance(raised.value, ValueError)
    text = str(raised.value)
    assert len(text.splitlines()) == 1
    return text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symbol": "btcusdt"}, "symbol 'btcusdt' has 'b': symbols are upper case without a separator, as in BTCUSDT"),
        ({"symbol": "BTC/USDT"}, "symbol 'BTC/USDT' has '/': symbols are upper case without a separator, as in BTCUSD"),
        ({"symbol": "BTC-USDT"}, "symbol 'BTC-USDT' has '-'"),
        ({"symbol": "BTC_USDT"}, "symbol 'BTC_USDT' has '_'"),
        ({"symbol": "BTC USDT"}, "symbol 'BTC USDT' has ' '"),
        ({"symbol": "BTCUSDT,MXUSDT"}, "symbol 'BTCUSDT,MXUSDT' has ','"),
        ({"symbol": "-"}, "symbol '-' has '-': symbols are upper case without a separator, as in BTCUSDT"),
        ({"symbol": ""}, "symbol '' is empty"),
        ({"symbol": "BTCUSDT\n"}, "symbol 'BTCUSDT\\n' is not printable"),
        ({"symbol": None}, "symbol None is a NoneType, not text"),
        ({"symbol": 5}, "symbol 5 is an int, not text"),
        ({"side": "buy"}, "side 'buy' is not one of 'BUY', 'SELL'"),
        ({"side": "HOLD"}, "side 'HOLD' is not one of 'BUY', 'SELL'"),
        ({"side": Side("HOLD")}, "is not one of 'BUY', 'SELL'"),
        ({"side": None}, "side None is not one of 'BUY', 'SELL'"),
        ({"side": 1}, "side 1 is not one of"),
        (
            {"type": "limit"},
            "type 'limit' is not one of 'LIMIT', 'MARKET', 'LIMIT_MAKER', 'IMMEDIATE_OR_CANCEL', 'FILL",
        ),
        ({"type": "LIMIT_ORDER"}, "type 'LIMIT_ORDER' is not one of"),
        ({"type": OrderType.STOP_LIMIT_ORDER}, "is not one of 'LIMIT'"),
        ({"quantity": True}, "quantity True is a bool: amounts are Decimal"),
        ({"quantity": 0.1}, "quantity 0.1 is a float, rounded already: amounts are Decimal('0.1'), a whole"),
        ({"price": float("nan")}, "price nan is a float"),
        ({"price": "1E-7"}, "price '1E-7' is not an exact amount: text is digits, with a point before decimals, as in"),
        ({"price": [1]}, "price [1] is a list: amounts are Decimal, a whole number or text"),
        ({"quantity": Decimal("NaN")}, "quantity NaN is not a number that an order can carry"),
        ({"quantity": Decimal("sNaN")}, "quantity sNaN is not a number"),
        ({"price": Decimal("Infinity")}, "price Infinity is not a number"),
        ({"price": Decimal("-Infinity")}, "price -Infinity is not a number"),
        ({"quantity": Decimal("-0.5")}, "quantity -0.5 must be above zero"),
        ({"quantity": Decimal(0)}, "quantity 0 must be above zero"),
        ({"price": Decimal("-0.00")}, "price -0.00 must be above zero"),
        ({"price": Decimal("1E-21")}, "price 1.000000e-21 is not an amount: it must lie within 1e-20 and 1e20"),
        ({"price": Decimal("1E+21")}, "is not an amount"),
        ({"price": Decimal("1E+999999")}, "is not an amount"),
        ({"price": Decimal("1." + "1" * 41)}, "is not an amount: it must lie within 1e-20 and 1e20, in 40 digits"),
        ({"price": None}, "type LIMIT needs quantity and price; price is missing"),
        ({"quantity": None}, "type LIMIT needs quantity and price; quantity is missing"),
        ({"type": "LIMIT_MAKER", "price": None}, "type LIMIT_MAKER needs quantity and price; price is missing"),
        ({"type": OrderType.FILL_OR_KILL, "price": None}, "type FILL_OR_KILL needs quantity and price"),
        ({"type": "IMMEDIATE_OR_CANCEL", "quantity": None}, "type IMMEDIATE_OR_CANCEL needs quantity and price"),
        ({"quote_order_qty": ONE}, "quote_order_qty 1 goes with type MARKET, not LIMIT"),
        ({"new_client_order_id": ""}, "new_client_order_id '' is empty"),
        ({"new_client_order_id": "x" * 33}, "must be 1 to 32 visible ASCII characters"),
        ({"new_client_order_id": "a b"}, "new_client_order_id 'a b' must be 1 to 32 visible ASCII characters"),
        ({"new_client_order_id": "我的"}, "new_client_order_id '我的' must be"),
        ({"new_client_order_id": 7}, "new_client_order_id 7 is an int, not text"),
        (
            {"stp_mode": "CANCEL_MAKER"},
            "stp_mode 'CANCEL_MAKER' is not one of '', 'cancel_maker', 'cancel_taker', 'can",
        ),
    ],
)
@pytest.mark.parametrize("request_type", [NewOrder, CheckOrder])
def test_limit_order_is_refused(request_type: type[Request[Any]], change: dict[str, Any], message: str) -> None:
    assert message in refusal(request_type, **LIMIT | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantity": None}, "type MARKET takes quantity or quote_order_qty, one of them; neither given"),
        ({"quote_order_qty": ONE}, "type MARKET takes quantity or quote_order_qty, one of them; both given"),
        ({"price": Decimal("1E+1")}, "type MARKET takes no price, got 10"),
        ({"quantity": None, "quote_order_qty": Decimal(0)}, "quote_order_qty 0 must be above zero"),
        ({"quantity": None, "quote_order_qty": 5.0}, "quote_order_qty 5.0 is a float, rounded already"),
    ],
)
def test_market_order_is_refused(change: dict[str, Any], message: str) -> None:
    assert message in refusal(NewOrder, **MARKET | change)


@pytest.mark.parametrize(
    "order",
    [
        LIMIT,
        LIMIT | {"side": Side.SELL, "type": OrderType.LIMIT_MAKER},
        LIMIT | {"type": "IMMEDIATE_OR_CANCEL", "stp_mode": "", "new_client_order_id": "x" * 32},
        LIMIT | {"type": "FILL_OR_KILL", "stp_mode": "cancel_both", "new_client_order_id": "!~"},
        LIMIT | {"price": Decimal("1E-20"), "quantity": Decimal("9.9E+20")},
        LIMIT | {"symbol": "币安人生USDT"},
        MARKET,
        MARKET | {"quantity": None, "quote_order_qty": Decimal("5.5")},
    ],
)
def test_good_order_is_taken(order: dict[str, Any]) -> None:
    NewOrder(**order)
    CheckOrder(**order)


def test_small_decimal_is_rendered_plainly() -> None:
    order = NewOrder(**LIMIT | {"quantity": Decimal("1E-7"), "price": Decimal("6.5E+4")})
    assert dict(order.params())["quantity"] == "0.0000001"
    assert dict(order.params())["price"] == "65000"


@given(st.decimals(min_value=Decimal("1E-20"), max_value=Decimal("1E20"), allow_nan=False))
def test_any_amount_is_either_refused_or_rendered_exactly(amount: Decimal) -> None:
    try:
        order = NewOrder(**LIMIT | {"quantity": amount})
    except InvalidRequest:
        assert len(amount.as_tuple().digits) > 40 or not -20 <= amount.adjusted() <= 20
    else:
        text = dict(order.params())["quantity"]
        assert Decimal(text) == amount
        assert "E" not in text


@pytest.mark.parametrize(
    ("request_type", "params", "message"),
    [
        (DepthQuery, {"symbol": "btc"}, "symbol 'btc' has 'b'"),
        (DepthQuery, {"symbol": "BTCUSDT", "limit": 0}, "limit 0 must be from 1 to 5000"),
        (DepthQuery, {"symbol": "BTCUSDT", "limit": 5001}, "limit 5001 must be from 1 to 5000"),
        (DepthQuery, {"symbol": "BTCUSDT", "limit": -1}, "limit -1 must not be negative"),
        (DepthQuery, {"symbol": "BTCUSDT", "limit": True}, "limit True is a bool, not a whole number"),
        (DepthQuery, {"symbol": "BTCUSDT", "limit": 5.0}, "limit 5.0 is a float, not a whole number"),
        (DepthQuery, {"symbol": "BTCUSDT", "limit": "5"}, "limit '5' is a str, not a whole number"),
        (TradesQuery, {"symbol": "BTCUSDT", "limit": 1001}, "limit 1001 must be from 1 to 1000"),
        (
            KlinesQuery,
            {"symbol": "BTCUSDT", "interval": "1h"},
            "interval '1h' is 60m at MEXC",
        ),
        (KlinesQuery, {"symbol": "BTCUSDT", "interval": "1w"}, "interval '1w' is 1W at MEXC"),
        (KlinesQuery, {"symbol": "BTCUSDT", "interval": "1m", "start_time": -1}, "start_time -1 must not be negative"),
        (KlinesQuery, {"symbol": "BTCUSDT", "interval": "1m", "start_time": 1.5}, "start_time 1.5 is a float"),
        (AggTradesQuery, {"symbol": "BTCUSDT", "end_time": "now"}, "end_time 'now' is a str, not a whole number"),
        (ExchangeInfoQuery, {"symbols": "BTCUSDT,"}, "symbols '' is empty"),
        (ExchangeInfoQuery, {"symbols": "BTCUSDT, MXUSDT"}, "symbols ' MXUSDT' has ' '"),
        (ExchangeInfoQuery, {"symbols": ["BTCUSDT"]}, "symbols ['BTCUSDT'] is a list, not text"),
        (PriceTickerQuery, {"symbols": "BTCUSDT,mx"}, "symbols 'mx' has 'm'"),
        (PriceTickerQuery, {"symbol": "A", "symbols": "A,B"}, "symbol 'A' and symbols 'A,B': give one of them"),
        (OpenOrdersQuery, {"symbol": "a"}, "symbol 'a' has 'a'"),
        (CancelOpenOrders, {"symbol": ""}, "symbol '' is empty"),
        (CancelOpenOrders, {"symbol": None}, "symbol None is a NoneType"),
        (CancelOrder, {"symbol": "BTCUSDT"}, "give order_id or orig_client_order_id; neither given"),
        (CancelOrder, {"symbol": "BTCUSDT", "order_id": ""}, "order_id '' is empty"),
        (CancelOrder, {"symbol": "BTCUSDT", "order_id": 5}, "order_id 5 is an int, not text"),
        (CancelOrder, {"symbol": "BTCUSDT", "orig_client_order_id": "a b"}, "must be 1 to 32 visible ASCII"),
        (OrderQuery, {"symbol": "BTCUSDT"}, "give order_id or orig_client_order_id; neither given"),
        (AllOrdersQuery, {"symbol": "BTCUSDT", "limit": 0}, "limit 0 must be from 1 to 1000"),
        (MyTradesQuery, {"symbol": "BTCUSDT", "limit": 1001}, "limit 1001 must be from 1 to 1000"),
        (MyTradesQuery, {"symbol": "BTCUSDT", "order_id": ""}, "order_id '' is empty"),
        (TradeFeeQuery, {"symbol": "mxusdt"}, "symbol 'mxusdt' has 'm'"),
        (SetMxDeduct, {"mx_deduct_enable": "true"}, "mx_deduct_enable 'true' is a str, not True or False"),
        (SetMxDeduct, {"mx_deduct_enable": 1}, "mx_deduct_enable 1 is an int, not True or False"),
        (ApiKeyInfoQuery, {"access_key": ""}, "access_key '' is empty"),
        (SetApiKeyInfo, {"api_key": "k", "ip_white_list": None}, "ip_white_list None is a NoneType"),
        (CreateStpGroup, {"trade_group_name": ""}, "trade_group_name '' is empty"),
        (AddStpGroupUid, {"uid": 5, "trade_group_id": "1"}, "uid 5 is an int, not text"),
    ],
)
def test_parameter_of_trading_is_refused(
    request_type: type[Request[Any]], params: dict[str, Any], message: str
) -> None:
    assert message in refusal(request_type, **params)


TRANSFER: dict[str, Any] = {"from_account_type": "SPOT", "to_account_type": "FUTURES", "asset": "USDT", "amount": ONE}
WITHDRAWAL: dict[str, Any] = {"coin": "USDT", "address": "T1", "amount": ONE}
INTERNAL: dict[str, Any] = {"to_account_type": "UID", "to_account": "1", "asset": "USDT", "amount": ONE}
TRANSFERS: dict[str, Any] = {"from_account_type": "SPOT", "to_account_type": "FUTURES"}
SUB_KEY: dict[str, Any] = {"sub_account": "grid0001", "note": "n", "permissions": "SPOT_ACCOUNT_READ,SPOT_DEAL_WRITE"}
DAY = 86_400_000


@pytest.mark.parametrize(
    ("request_type", "params", "message"),
    [
        (Withdraw, WITHDRAWAL | {"amount": 5.0}, "amount 5.0 is a float, rounded already"),
        (Withdraw, WITHDRAWAL | {"amount": Decimal(0)}, "amount 0 must be above zero"),
        (Withdraw, WITHDRAWAL | {"address": ""}, "address '' is empty"),
        (Withdraw, WITHDRAWAL | {"memo": ""}, "memo '' is empty"),
        (Withdraw, WITHDRAWAL | {"withdraw_order_id": "a\n"}, "withdraw_order_id 'a\\n' is not printable"),
        (WithdrawApply, WITHDRAWAL | {"coin": None}, "coin None is a NoneType"),
        (BrokerWithdraw, WITHDRAWAL | {"network": "TRC20", "amount": Decimal("-1")}, "amount -1 must be above zero"),
        (UniversalTransfer, TRANSFER | {"amount": 1.5}, "amount 1.5 is a float, rounded already: amounts are Decimal"),
        (UniversalTransfer, TRANSFER | {"from_account_type": "spot"}, "'spot' is not one of 'SPOT', 'FUTURES'"),
        (UniversalTransfer, TRANSFER | {"to_account_type": "SPOT"}, "to_account_type are both SPOT"),
        (
            SubUniversalTransfer,
            TRANSFER | {"to_account_type": AccountType.SPOT},
            "from SPOT of the main account to ",
        ),
        (
            BrokerUniversalTransfer,
            TRANSFER | {"from_account": "a", "to_account": "a", "to_account_type": "SPOT"},
            "the transfer goes from SPOT of a to itself",
        ),
        (InternalTransferRequest, INTERNAL | {"to_account_type": "PHONE"}, "is not one of 'EMAIL', 'UID', 'MOBILE'"),
        (InternalTransferRequest, INTERNAL | {"to_account_type": "MOBILE"}, "MOBILE needs area_code, which is missing"),
        (InternalTransferRequest, INTERNAL | {"amount": Decimal("NaN")}, "amount NaN is not a number"),
        (CreateSubAccount, {"sub_account": "short", "note": "n"}, "'short' must be 8 to 32 letters and digits"),
        (CreateSubAccount, {"sub_account": "with-dash1", "note": "n"}, "must be 8 to 32 letters and digits"),
        (CreateSubAccount, {"sub_account": "grid0001", "note": ""}, "note '' is empty"),
        (CreateSubAccountApiKey, SUB_KEY | {"permissions": ""}, "permissions '' is empty"),
        (CreateSubAccountApiKey, SUB_KEY | {"permissions": "SPOT_DEAL_READ,"}, "permissions '' is not one of"),
        (CreateSubAccountApiKey, SUB_KEY | {"permissions": "SPOT_WITHDRAW_WRITE"}, "is not one of 'SPOT_ACCOUNT_READ'"),
        (CreateSubAccountApiKey, SUB_KEY | {"ip": "1.2.3"}, "ip '1.2.3' is not an IP address, as in 203.0.113.7"),
        (CreateSubAccountApiKey, SUB_KEY | {"ip": "1.2.3.4, 5.6.7.8"}, "ip ' 5.6.7.8' is not an IP address"),
        (CreateSubAccountApiKey, SUB_KEY | {"ip": ",".join(["::1"] * 21)}, "ip holds 21: at most 20, joined by commas"),
        (BrokerCreateApiKey, SUB_KEY | {"ip": ",".join(["::1"] * 5)}, "ip holds 5: at most 4, joined by commas"),
        (SetApiKeyInfo, {"api_key": "k", "ip_white_list": "10.0.0.0/8"}, "'10.0.0.0/8' is not an IP address"),
        (SetApiKeyInfo, {"api_key": "k", "ip_white_list": ""}, "ip_white_list '' is empty"),
        (SubAccountsQuery, {"is_freeze": "true"}, "is_freeze 'true' is a str, not True or False"),
        (SubAccountsQuery, {"limit": 201}, "limit 201 must be from 1 to 200"),
        (SubAccountsQuery, {"page": 0}, "page 0 must be from 1 to 1000000"),
        (SubUniversalTransferHistoryQuery, TRANSFERS | {"limit": 501}, "limit 501 must be from 1 to 500"),
        (UniversalTransferHistoryQuery, TRANSFERS | {"size": 101}, "size 101 must be from 1 to 100"),
        (DepositHistoryQuery, {"status": "13"}, "status '13' is not one of '1', '2'"),
        (DepositHistoryQuery, {"status": 5}, "status 5 is not one of '1'"),
        (DepositHistoryQuery, {"limit": 1001}, "limit 1001 must be from 1 to 1000"),
        (DepositHistoryQuery, {"start_time": 2, "end_time": 1}, "start_time 2 is after end_time 1"),
        (DepositHistoryQuery, {"start_time": 0, "end_time": 7 * DAY + 1}, "at most 7 days in one call"),
        (WithdrawHistoryQuery, {"start_time": 0, "end_time": 8 * DAY}, "at most 7 days in one call"),
        (AffiliateCommissionDetailQuery, {"start_time": 0, "end_time": 31 * DAY}, "at most 30 days in one call"),
        (AllOrdersQuery, {"symbol": "A", "start_time": 0, "end_time": 7 * DAY + 1}, "at most 7 days in one call"),
        (Withdraw, WITHDRAWAL | {"include_fee": "true"}, "include_fee 'true' is a str, not True or False"),
        (AffiliateCommissionDetailQuery, {"type": 4}, "type 4 is not one of"),
        (AffiliateCommissionDetailQuery, {"type": True}, "type True is not one of"),
        (AffiliateReferralQuery, {"page_size": 0}, "page_size 0 must be from 1"),
        (
            KlinesQuery,
            {"symbol": "A", "interval": "1m", "start_time": 2, "end_time": 1},
            "start_time 2 is after end_time",
        ),
        (AggTradesQuery, {"symbol": "A", "start_time": 2, "end_time": 1}, "start_time 2 is after end_time 1"),
        (MyTradesQuery, {"symbol": "A", "start_time": 2, "end_time": 1}, "start_time 2 is after end_time 1"),
        (AllOrdersQuery, {"symbol": "A", "start_time": 2, "end_time": 1}, "start_time 2 is after end_time 1"),
        (ConvertDust, {"asset": ",".join("ABCDEFGHIJKLMNOP")}, "asset holds 16: at most 15, joined by commas"),
        (ConvertDust, {"asset": "A,,B"}, "asset '' is empty"),
        (AnnouncementsQuery, {"language": "en"}, "language 'en' must be a locale, such as en-US"),
        (AnnouncementsQuery, {"limit": 12}, "limit 12 must be a multiple of 5"),
        (AnnouncementsQuery, {"limit": 105}, "limit 105 must be from 5 to 100"),
        (AnnouncementsQuery, {"limit": "5"}, "limit '5' is a str"),
    ],
)
def test_parameter_of_the_account_is_refused(
    request_type: type[Request[Any]], params: dict[str, Any], message: str
) -> None:
    assert message in refusal(request_type, **params)


@pytest.mark.parametrize(
    "request_",
    [
        Withdraw(**WITHDRAWAL, withdraw_order_id="0b3fca5e-7bb0-4d3e-a7b8-26f9ff5c8d0f"),
        SubUniversalTransfer(**TRANSFER | {"to_account": "grid0001", "to_account_type": "SPOT"}),
        SubUniversalTransfer(**TRANSFER),
        InternalTransferRequest(**INTERNAL | {"to_account_type": "MOBILE", "area_code": "86"}),
        CreateSubAccountApiKey(**SUB_KEY, ip="203.0.113.7,2001:db8::1"),
        DepositHistoryQuery(status=DepositStatus.SUCCESS, start_time=0, end_time=7 * DAY, limit=1000),
        AllOrdersQuery(symbol="A", start_time=0, end_time=7 * DAY),
        Withdraw(**WITHDRAWAL, include_fee=True),
        PriceTickerQuery(symbols="A,B"),
        WithdrawHistoryQuery(status="7"),
        AffiliateCommissionDetailQuery(type=1),
        AffiliateCommissionDetailQuery(type=CommissionType.ETF, start_time=5),
        AnnouncementsQuery(language="zh-Hant", limit=100),
    ],
)
def test_parameters_that_keep_to_the_rules_are_taken(request_: Request[Any]) -> None:
    params = dict(request_.params())
    assert all(isinstance(value, str) for value in params.values())
    assert params.get("type") in (None, "1", "3")
    assert params.get("status") in (None, "5", "7")


@pytest.mark.parametrize("bad", ["hunter2", "0" * 31, 5, ""])
def test_password_is_no_part_of_an_error_or_a_repr(bad: Any) -> None:
    text = refusal(BrokerCreateSubAccount, sub_account="a", note="n", password=bad)
    assert text == "password must be 32 hex digits, the MD5 of the password"
    good = "0123456789abcdef" * 2
    made: list[Request[Any]] = [
        BrokerCreateSubAccount(sub_account="a", note="n", password=good),
        BrokerWithdraw(coin="A", network="B", address="C", amount=ONE, password=good),
        KeepAliveListenKey(listen_key=good),
    ]
    for request in made:
        assert good not in repr(request) + str(request) + rich_text(request)
        assert good in dict(request.params()).values()


def rich_text(value: object) -> str:
    with Console(file=StringIO(), width=200) as console:
        console.print(value)
        assert isinstance(console.file, StringIO)
        return console.file.getvalue()


def test_times_of_aggregated_trades_go_together() -> None:
    assert "start_time and end_time" in refusal(AggTradesQuery, symbol="BTCUSDT", start_time=1)
    assert "start_time and end_time" in refusal(AggTradesQuery, symbol="BTCUSDT", end_time=1)
    AggTradesQuery(symbol="BTCUSDT", start_time=1, end_time=2)


def orders(*symbols: str) -> list[NewOrder]:
    return [NewOrder(**LIMIT | {"symbol": symbol}) for symbol in symbols]


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([], "orders holds 0: a batch takes 1 to 20"),
        (orders(*["BTCUSDT"] * 21), "orders holds 21: a batch takes 1 to 20"),
        (orders("BTCUSDT", "MXUSDT"), "orders name BTCUSDT, MXUSDT: a batch takes one symbol"),
        (["BTCUSDT"], "orders"),
        ("BTCUSDT", "orders"),
        ([LIMIT], "orders"),
        (None, "orders"),
        ([CheckOrder(**LIMIT)], "orders"),
    ],
)
def test_batch_is_refused(batch: Any, message: str) -> None:
    assert message in refusal(BatchOrders, orders=batch)


def test_full_batch_is_taken() -> None:
    assert len(BatchOrders(orders=orders(*["BTCUSDT"] * 20)).orders) == 20
    assert len(BatchOrders(orders=tuple(orders("BTCUSDT"))).orders) == 1


@given(st.text(max_size=40))
def test_client_order_id_is_taken_or_refused_in_one_line(text: str) -> None:
    if 1 <= len(text) <= 32 and all("!" <= char <= "~" for char in text):
        assert dict(NewOrder(**LIMIT | {"new_client_order_id": text}).params())["newClientOrderId"] == text
    else:
        assert refusal(NewOrder, **LIMIT | {"new_client_order_id": text})
