"""Answers: (status, headers, body) to a typed value or an error."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from mexc_async import errors
from mexc_async.error_codes import SPOT_CODES
from mexc_async.errors import MexcError, ProtocolError
from mexc_async.orders.foreign_refusals import NEVER_OF_A_CANCEL, NEVER_OF_AN_ORDER
from mexc_async.orders.from_spot import is_about
from mexc_async.orders.record import OrderRecord
from mexc_async.schema.answers import Reply, decode, decode_json, error_of, first_bytes, is_refusal, scrub
from mexc_async.schema.endpoint import Route, result_type
from mexc_async.schema.json_values import plain
from mexc_async.spot.models import (
    Account,
    Depth,
    Empty,
    ExchangeInfo,
    Kline,
    Order,
    OrderAck,
    PriceTicker,
    Trade,
    Wrapped,
)
from mexc_async.spot.rebates import AffiliateListQuery, AffiliateWithdrawQuery
from mexc_async.spot.wallet_models import Currency, TransferId, TransferPage
from tests.support.reference import read, spot_endpoints

ROUTE = Route("POST", "/api/v3/order")
SECRET = "45d0b3c26f2644f19bfb98b07741b2f5"
SIGNATURE = "fd3e4e8543c5188531eb7279d68ae7d26a573d0fc5ab0d18eb692451654d837a"
KEY = "mx0aBYs33eIilxBWC5"
CDN_PAGE = b"<html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>CloudFront</body></html>"


def fault(status: int, body: bytes | str = b"", **headers: str) -> MexcError | None:
    text = body.encode() if isinstance(body, str) else body
    return error_of(ROUTE, Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, text))


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "text"),
    [
        (400, '{"code":700002,"msg":"Signature for this request is not valid."}', "SignatureRejected", 700002, "Signa"),
        (400, '{"msg":"Order price exceeds allowed range","code":30087}', "OrderRejected", 30087, "Order price exce"),
        (400, '{"code":700003,"msg":"Timestamp for this request is outside"}', "TimestampRejected", 700003, "Timest"),
        (400, '{"code":10101,"msg":"资金不足"}', "InsufficientBalance", 10101, "资金不足"),
        (200, '{"code":600,"msg":"参数错误","timestamp":1,"traceId":"6a"}', "InvalidParameter", 600, "参数错误"),
        (200, '{"code":30004,"msg":null}', "InsufficientBalance", 30004, "position (balance) too low"),
        (400, '{"code":-1121,"msg":"Invalid symbol.","_extend":null}', "InvalidSymbol", -1121, "Invalid symbol."),
        (400, '{"code":"10072","message":"no"}', "InvalidKey", 10072, "no"),
        (400, ' \n{"code":-2013,"msg":"Order does\\nnot exist."}', "OrderNotFound", -2013, "Order does not exist."),
        (400, '{"code":424242,"msg":"new"}', "ApiError", 424242, "new"),
        (400, '{"code":424242}', "ApiError", 424242, "refused without a reason"),
        (400, '{"code":200,"msg":"odd"}', "ApiError", 200, "odd"),
        (401, "", "PermissionDenied", None, "no authority"),
        (401, '{"code":700007,"msg":"No permission"}', "PermissionDenied", 700007, "No permission"),
        (403, CDN_PAGE, "ProtocolError", None, "not an answer of the exchange: <html> <head><title>403 Forbidden"),
        (400, "", "ProtocolError", None, "not an answer of the exchange: empty"),
        (400, '{"code":700002,"msg":"Sig', "ProtocolError", None, 'not an answer of the exchange: {"code":700002'),
        (400, '{"code":"E_1","msg":"no"}', "ApiError", None, "no"),
        (200, '{"code":"E_1","msg":"no"}', "ApiError", None, "no"),
        (404, "<html>no</html>", "ApiError", None, "the host has no such path, so nothing was done"),
        (405, "", "ApiError", None, "the host has no such path"),
        (404, '{"code":-2013,"msg":"Order does not exist."}', "OrderNotFound", -2013, "Order does not exist."),
        (301, "", "ProtocolError", None, "the answer is a redirect, which the client never follows"),
        (307, CDN_PAGE, "ProtocolError", None, "the answer is a redirect"),
        (500, '{"code":500,"msg":"maintenance"}', "ExchangeUnavailable", 500, "maintenance"),
        (502, "<html>Bad gateway</html>", "ExchangeUnavailable", None, "the exchange failed: <html>Bad gateway</html>"),
        (503, "", "ExchangeUnavailable", None, "the exchange failed: empty"),
        (504, '{"code":30004,"msg":"x"}', "ExchangeUnavailable", 30004, "x"),
        (200, '{"code":503,"msg":"busy"}', "ExchangeUnavailable", 503, "busy"),
        (400, '{"code":"30002","msg":5}', "OrderRejected", 30002, "5"),
        (200, '{"code":"30002","msg":1.10}', "OrderRejected", 30002, "1.10"),
        (400, '{"code":30002.0,"message":123456789012345678901}', "OrderRejected", 30002, "123456789012345678901"),
        (200, '{"code":true,"msg":"no"}', "ApiError", None, "no"),
        (200, '{"code":[30002],"msg":"no"}', "ApiError", None, "no"),
        (200, '{"code":0.5,"msg":["no"]}', "ApiError", None, "refused without a reason"),
        (200, '{"code":null,"msg":"no"}', "NoneType", None, ""),
    ],
)
def test_refusal_becomes_the_error_of_its_code_or_status(
    status: int, body: str | bytes, kind: str, code: int | None, text: str
) -> None:
    error = fault(status, body)
    assert type(error).__name__ == kind
    if error is None:
        return
    assert (error.code, error.status) == (code, status)
    assert error.message.startswith(text)
    assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    ("status", "header", "kind", "seconds"),
    [
        (429, {"Retry_After": "7"}, "TooManyRequests", 7.0),
        (429, {"Retry_After": "0.5"}, "TooManyRequests", 0.5),
        (429, {}, "TooManyRequests", 1.0),
        (429, {"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "TooManyRequests", 1.0),
        (429, {"Retry_After": "-5"}, "TooManyRequests", 1.0),
        (429, {"Retry_After": "nan"}, "TooManyRequests", 1.0),
        (418, {"Retry_After": "259200"}, "IpBanned", 259200.0),
        (418, {}, "IpBanned", 120.0),
        (418, {"Retry_After": "inf"}, "IpBanned", 7 * 86400.0),
    ],
)
@pytest.mark.parametrize("body", ["", '{"code":429,"msg":"Too many requests"}', "<html>slow down</html>"])
def test_refusal_for_the_rate_says_how_long_to_wait(
    status: int, header: dict[str, str], kind: str, seconds: float, body: str
) -> None:
    error = fault(status, body, **header)
    assert type(error).__name__ == kind
    assert isinstance(error, errors.RateLimited)
    assert error.retry_after_s == seconds
    assert error.code == (429 if body.startswith("{") else None)
    assert error.outcome_known


@pytest.mark.parametrize("code", [429, 510])
def test_refusal_for_the_rate_under_another_status_says_how_long_to_wait_too(code: int) -> None:
    error = fault(400, f'{{"code":{code},"msg":"too frequent"}}', Retry_After="3")
    assert isinstance(error, errors.TooManyRequests)
    assert error.retry_after_s == 3.0
    error = fault(200, f'{{"code":{code},"msg":"too frequent"}}')
    assert isinstance(error, errors.TooManyRequests)
    assert error.retry_after_s == 1.0


@pytest.mark.parametrize("code", [0, 200, '"0"', '"200"'])
def test_envelope_says_success_with_either_code(code: int | str) -> None:
    assert fault(200, f'{{"code":{code},"msg":"success","data":[]}}') is None


@pytest.mark.parametrize(
    "body", ["{}", "[]", '[{"code":30002,"msg":"one of a batch"}]', '{"serverTime":1}', "", "null"]
)
def test_success_is_no_error(body: str) -> None:
    assert fault(200, body) is None


@pytest.mark.parametrize("odd", ["{}", "[1]", "5", "true", '{"text":"x"}'])
def test_error_code_counts_whatever_its_message_is(odd: str) -> None:
    """A refusal must not pass for a success because its text has an unexpected type."""
    error = fault(200, f'{{"code":30002,"msg":{odd}}}')
    assert isinstance(error, errors.OrderRejected)


def test_every_recorded_error_body_becomes_a_readable_error() -> None:
    for recorded in read("spot-rules.json")["envelopes"]["live_error_bodies"]:
        if isinstance(recorded["body"], list):
            continue
        body = json.dumps(recorded["body"], ensure_ascii=False)
        error = fault(recorded["http"] or 400, body)
        assert error is not None
        assert error.code is not None
        assert error.code == recorded["body"]["code"]
        assert error.message == recorded["body"]["msg"], "nothing of an ordinary message is taken for a secret"
        assert type(error) is SPOT_CODES[error.code].error


@pytest.mark.parametrize(
    "text",
    [
        "Signature verification failed",
        "API-key format invalid.",
        "listenKey expired",
        "token invalid",
        "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.",
        "secret mismatch",
    ],
)
def test_ordinary_words_are_not_taken_for_secrets(text: str) -> None:
    assert scrub(text) == text


@pytest.mark.parametrize(
    "text",
    [
        f"/api/v3/order?symbol=X&timestamp=1&signature={SIGNATURE}",
        f'{{"signature":"{SIGNATURE.upper()}"}}',
        f"bare {SIGNATURE} in a text",
        f'"secretKey": "{SECRET}"',
        f"secret={SECRET}&x=1",
        f"api_secret: {SECRET}",
        f"X-MEXC-APIKEY: {KEY}",
        f"apiKey={KEY}",
        f'"accessKey":"{KEY}"',
        f"key {KEY} is unknown",
        "listenKey=" + SECRET,
    ],
)
def test_secrets_are_taken_out_of_texts(text: str) -> None:
    clean = scrub(text)
    assert "***" in clean
    for secret in (SECRET, SIGNATURE, KEY):
        assert secret not in clean
        assert secret.upper() not in clean


@pytest.mark.parametrize("status", [200, 302, 400, 403, 429, 500])
def test_no_error_repeats_a_secret_that_the_answer_echoes(status: int) -> None:
    for body in (
        f"<html>{ROUTE.path}?signature={SIGNATURE}&apiKey={KEY} secretKey={SECRET}</html>",
        json.dumps({"code": 700002, "msg": f"bad signature={SIGNATURE} of apiKey={KEY}, secretKey={SECRET}"}),
    ):
        error = fault(status, body)
        if error is None:
            with pytest.raises(ProtocolError) as raised:
                decode(Empty, body.encode())
            error = raised.value
        for secret in (SECRET, SIGNATURE, KEY):
            assert secret not in str(error)
            assert secret not in repr(error)
            assert secret not in repr(error.__cause__)


def test_first_bytes_are_one_short_printable_line() -> None:
    assert first_bytes(b"") == "empty"
    assert first_bytes(b"a\r\n\tb  c\x00d\xff") == "a b c?d\ufffd"
    assert len(first_bytes(b"x" * 10_000)) == 160
    assert first_bytes("资金".encode()[:-1]) == "资\ufffd"


class TestDecoding:
    """Tests of decoding a success."""

    @pytest.mark.parametrize(
        "body", [b"", b"<html></html>", b'{"lastUpdateId":1,"bids":[["1","2"', b"\xff\xfe", b'{"lastUpdateId":']
    )
    def test_truncated_or_foreign_text_is_a_protocol_error_with_its_first_bytes(self, body: bytes) -> None:
        for attempt in (lambda: decode(Depth, body), lambda: decode_json(body)):
            with pytest.raises(ProtocolError, match="truncated or not JSON") as raised:
                attempt()
            assert first_bytes(body)[:20] in str(raised.value)

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            (Depth, b'{"lastUpdateId":"x","bids":[],"asks":[]}'),
            (Depth, b'{"bids":[],"asks":[]}'),
            (Depth, b"[]"),
            (Depth, b"null"),
            (Order, b'{"symbol":1}'),
            (Wrapped[bool], b'{"data":"maybe"}'),
        ],
    )
    def test_wrong_type_is_a_protocol_error_that_names_the_field(self, kind: Any, body: bytes) -> None:
        with pytest.raises(ProtocolError, match="unexpected shape, ") as raised:
            decode(kind, body)
        assert isinstance(raised.value.__cause__, msgspec.ValidationError)

    def test_amounts_of_a_bar_are_text_until_read_and_may_come_as_numbers(self) -> None:
        rows = b'[[1,"1.50","2","1","1.5","7",2,"9"],[2,1.50,2,1e0,1.5,7,3,"odd"]]'
        (first, second), odd = decode(list[Kline], rows)
        assert (first.open_text, first.open, second.open, second.low) == ("1.50", Decimal("1.50"), first.open, 1)
        assert odd == []
        assert plain(first)["open"] == "1.50"  # type: ignore[index,call-overload]  # an object of JSON
        with pytest.raises(ProtocolError, match="quote_volume_text 'odd' is not a number"):
            _ = second.quote_volume

    def test_unknown_fields_are_ignored(self) -> None:
        value, odd = decode(PriceTicker, b'{"symbol":"X","price":"1","extra":{"a":[1]}}')
        assert value == PriceTicker(symbol="X", price=Decimal(1))
        assert odd == []

    def test_object_stands_for_a_list_of_one(self) -> None:
        trade = spot_endpoints("market")["trades"]["response"][0]
        value, odd = decode(list[Trade], json.dumps(trade).encode())
        assert (len(value), odd) == (1, [])

    def test_list_of_one_stands_for_its_object(self) -> None:
        for body in (b'{"tranId":"1"}', b'[{"tranId":"1"}]', b'[{"tranId":1}]'):
            assert decode(TransferId, body) == (TransferId(tran_id="1"), [])
        for body in (b"[]", b'[{"tranId":"1"},{"tranId":"2"}]', b'[["1"]]', b"[null]"):
            with pytest.raises(ProtocolError, match="unexpected shape"):
                decode(TransferId, body)

    def test_rows_without_their_page_stand_for_the_page(self) -> None:
        row = spot_endpoints("wallet")["universal_transfer_history"]["response"]["rows"][0]
        page, _ = decode(TransferPage, json.dumps({"rows": [row]}).encode())
        assert page.rows[0].amount == Decimal("0.1")
        for shape in ([{"rows": [row]}], row, [row]):
            assert decode(TransferPage, json.dumps(shape).encode()) == (page, [])
        assert len(decode(TransferPage, json.dumps([row, row]).encode())[0].rows) == 2
        for wrong in ({"success": False, "message": "busy"}, [{"a": 1}], None, "x"):
            with pytest.raises(ProtocolError, match="unexpected shape"):
                decode(TransferPage, json.dumps(wrong).encode())

    def test_large_ids_that_come_as_numbers_are_exact(self) -> None:
        for number in (2**53 + 1, 2**63 - 1):
            assert decode(TransferId, f'{{"tranId":{number}}}'.encode())[0].tran_id == str(number)

    def test_answer_that_nobody_describes_comes_as_it_came(self) -> None:
        kind = result_type(AffiliateListQuery)
        assert decode(kind, b'{"a":0.10}') == ({"a": Decimal("0.10")}, [])
        assert decode(kind, b"null") == (None, [])
        with pytest.raises(ProtocolError, match="truncated or not JSON"):
            decode(kind, b"<html>")

    def test_numbers_of_a_raw_answer_are_exact(self) -> None:
        assert decode_json(b'{"a":0.1,"b":1,"c":[1.10]}') == {"a": Decimal("0.1"), "b": 1, "c": [Decimal("1.10")]}


TRADE = '{"id":null,"price":"1.10","qty":"2","quoteQty":"2.2","time":1,"isBuyerMaker":false,"isBestMatch":true}'
ODD = '{"id":null,"price":null,"qty":"2"}'
TICKER, ODD_TICKER = '{"symbol":"A","price":"1"}', '{"symbol":"B","price":null}'


class TestOddItems:
    """Tests of malformed list items: each is reported, the rest is delivered."""

    def test_of_a_plain_list(self) -> None:
        value, odd = decode(list[Trade], f"[{TRADE},{ODD},{TRADE}]".encode())
        assert [trade.price for trade in value] == [Decimal("1.10")] * 2
        assert len(odd) == 1
        assert odd[0].startswith("item 1: ")

    def test_of_a_list_inside_an_answer(self) -> None:
        body = b'{"accountType":"SPOT","canTrade":true,"canWithdraw":true,"canDeposit":true,"updateTime":null,'
        body += b'"balances":[{"asset":"A","free":"1.50","locked":"0","available":""},{"asset":"B","free":"x"}]}'
        value, odd = decode(Account, body)
        assert isinstance(value, Account)
        assert [(b.asset, b.free, b.available) for b in value.balances] == [("A", Decimal("1.50"), None)]
        assert len(odd) == 1

    def test_of_the_symbols_of_exchange_info(self) -> None:
        sample = spot_endpoints("market")["exchange_info"]["response"]
        symbol = dict(sample["symbols"][0])
        body = json.dumps(sample | {"symbols": [symbol | {"symbol": None}, symbol, {}]}).encode()
        value, odd = decode(ExchangeInfo, body)
        assert [info.symbol for info in value.symbols] == ["BTCUSDT"]
        assert [text.split(":")[0] for text in odd] == ["item 0", "item 2"]

    def test_of_a_list_that_could_have_been_one_item(self) -> None:
        """`ticker_price()`: a symbol that never traded must not cost the two thousand others."""
        value, odd = decode(PriceTicker | list[PriceTicker], f"[{TICKER},{ODD_TICKER}]".encode())
        assert value == [PriceTicker(symbol="A", price=Decimal(1))]
        assert len(odd) == 1

    def test_of_a_list_in_an_envelope(self) -> None:
        body = f'{{"code":0,"msg":"success","data":[{TICKER},{ODD_TICKER}]}}'.encode()
        value, odd = decode(Wrapped[list[PriceTicker]], body)
        assert value.data == [PriceTicker(symbol="A", price=Decimal(1))]
        assert len(odd) == 1

    def test_of_a_list_in_an_item_of_a_list(self) -> None:
        """A malformed network must not cost its currency, nor a malformed currency the others."""
        sample = spot_endpoints("wallet")["currencies"]["response"][0]
        networks = [*sample["networkList"], {"coin": "EOS"}]
        rows = [{"coin": None}, sample | {"networkList": networks}, sample | {"networkList": [{}]}]
        value, odd = decode(list[Currency], json.dumps(rows).encode())
        assert [currency.coin for currency in value] == ["EOS", "EOS"]
        assert [[network.network for network in currency.network_list] for currency in value] == [["EOS"], []]
        assert [text.split(":")[0] for text in odd] == ["item 0", "item 1, item 1", "item 2, item 0"]

    def test_of_the_rows_of_a_page_in_an_envelope(self) -> None:
        answer = spot_endpoints("rebate")["affiliate_withdraw"]["response"]
        rows = answer["data"]["resultList"]
        body = json.dumps(answer | {"data": answer["data"] | {"resultList": [*rows, {}, *rows]}}).encode()
        value, odd = decode(result_type(AffiliateWithdrawQuery), body)
        assert len(value.data.result_list) == 2
        assert odd == ["item 1: Object missing required field `withdrawTime`"]

    @pytest.mark.parametrize(
        "body", ['{"success":false,"message":"busy"}', f'{{"data":[{TRADE}]}}', f"[{ODD}]", f"[{ODD},{ODD}]", "[null]"]
    )
    def test_answer_of_which_nothing_fits_is_not_an_empty_list(self, body: str) -> None:
        """An undecodable answer must never mean 'no open orders'."""
        with pytest.raises(ProtocolError, match="unexpected shape"):
            decode(list[Trade], body.encode())

    def test_answer_that_is_odd_elsewhere_too_is_a_protocol_error(self) -> None:
        with pytest.raises(ProtocolError, match="unexpected shape"):
            decode(Account, b'{"accountType":5,"balances":[{}]}')
        with pytest.raises(ProtocolError, match="unexpected shape"):
            decode(Depth, b'{"lastUpdateId":1,"bids":5,"asks":[]}')


ACK = {"symbol": "BTCUSDT", "orderId": "C02__1", "price": "1.10", "origQty": "2", "side": "BUY", "type": "LIMIT"}


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({}, "price", Decimal("1.10")),
        ({"orderId": 17}, "order_id", "17"),
        ({"price": ""}, "price", None),
        ({"price": None}, "price", None),
        ({"price": 1.5, "orderId": 17}, "price", Decimal("1.5")),
        ({"clientOrderId": 5}, "client_order_id", "5"),
        ({"type": "NEW_KIND"}, "type", "NEW_KIND"),
    ],
)
def test_an_ack_is_read_leniently_where_its_plain_types_do_not_fit(
    changes: dict[str, Any], field: str, expected: object
) -> None:
    ack, odd = decode(OrderAck, json.dumps(ACK | changes).encode())
    assert type(ack) is OrderAck
    assert getattr(ack, field) == expected
    assert (ack.symbol, ack.side, odd) == ("BTCUSDT", "BUY", [])


@pytest.mark.parametrize("changes", [{"symbol": None}, {"orderId": None}, {"price": [1]}, {"orderId": [1]}])
def test_an_ack_that_fits_neither_way_is_an_error(changes: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="unexpected shape"):
        decode(OrderAck, json.dumps(ACK | changes).encode())


@pytest.mark.parametrize("text", ["cheap", "NaN", "Infinity", "1.2.3"])
def test_an_acks_amount_that_is_no_number_is_refused_when_it_is_read(text: str) -> None:
    ack, _ = decode(OrderAck, json.dumps(ACK | {"price": text}).encode())
    with pytest.raises(ProtocolError, match="price_text"):
        _ = ack.price
    record = OrderRecord("mine", "BTCUSDT", "BUY", "LIMIT", Decimal(1), Decimal(2))
    assert not is_about(record, ack)


def test_header_fields_are_read_from_the_head_when_asked_for() -> None:
    reply = Reply(429, b"HTTP/1.1 429 X\r\nRetry-After: 7\r\nA:b:c\r\n\r\nbody: no", b"{}")
    assert dict(reply.headers) == {"retry-after": "7", "a": "b:c"}
    assert reply.headers["RETRY-AFTER"] == "7"
    assert Reply(200, {"A": "b"}, b"").headers == {"A": "b"}


# --- refusals ---


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"{}", False),
        (200, b'{"symbol":"BTCUSDT","orderId":"C02__1"}', False),
        (200, b'{"code":0,"data":[]}', False),
        (200, b'{"code":"200","msg":"success"}', False),
        (200, b'{"code":600,"msg":"parameter error"}', True),
        (200, b'{"code":"10101"}', True),
        (200, b'{"coin":"BTC","data":{"code":7}}', False),
        (200, b'[{"symbol":"BTCUSDT","orderId":"C02__1"}]', False),
        (200, b'[{"symbol":"BTCUSDT","orderId":"C02__1"},{"code":30002,"msg":"less"}]', True),
        (400, b'{"code":-2013,"msg":"no such order"}', True),
        (403, b"<html>", True),
        (429, b"", True),
        (503, b"", True),
    ],
)
def test_a_refusal_is_known_without_its_question(status: int, body: bytes, expected: bool) -> None:
    assert is_refusal(Reply(status, {}, body)) is expected


def test_what_no_cancel_and_no_order_can_get_are_codes_of_the_exchange() -> None:
    assert set(SPOT_CODES) >= NEVER_OF_A_CANCEL | NEVER_OF_AN_ORDER
    assert not NEVER_OF_A_CANCEL & {-2011, -2013, -1121, 10007, 30000, 30016, 30026, 700003, 700007}
    assert not NEVER_OF_AN_ORDER & {10101, 30002, 30004, 30005, 30016, 30029, 30087, 700003, 700007}
