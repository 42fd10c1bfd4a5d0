"""The declarations against the reference: every endpoint, parameter, weight and sample answer."""

from __future__ import annotations

import inspect
import json
from decimal import Decimal
from enum import Enum
from typing import Any, get_origin

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from mexc_async.cli.endpoints.reference import (
    DIFFERENT,
    Bucket,
    losses,
    read_reference,
    wrong_in_declaration,
    wrong_in_decoding,
)
from mexc_async.client.catalogue import endpoints
from mexc_async.limits.profiles import TABLE
from mexc_async.schema.answers import Reply, decode, error_of
from mexc_async.schema.endpoint import Auth, Cost, Endpoint, Money, Priority
from mexc_async.spot.account import ApiKeyInfo, TradeFee
from mexc_async.spot.enums import (
    AccountType,
    DepositStatus,
    KeyStatus,
    KycStatus,
    OrderStatus,
    OrderType,
    Side,
    SymbolStatus,
    WithdrawStatus,
)
from mexc_async.spot.market import Ticker24h
from mexc_async.spot.models import (
    BatchResult,
    BookTicker,
    CancelledOrder,
    ExchangeInfo,
    Order,
    StpGroup,
    SymbolInfo,
    Wrapped,
)
from tests.support.reference import FOLDER, read, spot_endpoints

read("spot-rest.json")
REFERENCE = spot_endpoints()
ENTRIES = {entry.id: entry for entry in read_reference(FOLDER / "spot-rest.json")}
DECLARED = {endpoint.name: endpoint for endpoint in endpoints()}
SHARED_ORDERS = "spot_orders_uid"

HARMLESS = {"test_order", "create_listen_key", "keepalive_listen_key", "close_listen_key"}
"""Calls other than GET that change nothing of the account; a second listen key is the same or one more."""
TRANSFERS = {"universal_transfer", "sub_universal_transfer", "broker_universal_transfer"}
WITHDRAWALS = {"withdraw", "withdraw_apply", "internal_transfer", "broker_withdraw"}

each = pytest.mark.parametrize("name", REFERENCE)


def test_every_endpoint_of_the_reference_is_declared_and_no_other() -> None:
    assert DECLARED.keys() == REFERENCE.keys()
    assert all(reason for _, reason in DIFFERENT.values())
    assert {name for name, _ in DIFFERENT} <= REFERENCE.keys()


@each
def test_declaration_is_that_of_the_reference(name: str) -> None:
    """Method, path, authentication, permission, weights and limits, parameters in order, required, closed sets."""
    assert list(wrong_in_declaration(DECLARED[name], ENTRIES[name])) == []


def test_comparison_sees_what_is_declared_otherwise() -> None:
    query = ENTRIES["deposit_history"]
    assert query.permission is not None
    changed = {
        "method": replace(query, method="POST"),
        "path": replace(query, path=query.path + "/"),
        "auth": replace(query, auth="none"),
        "permission": replace(query, permission="SPOT_DEAL_READ"),
        "body": replace(query, body="json"),
        "costs": replace(query, weight={"ip": 11}),
        "params": replace(query, params=query.params[1:]),
    }
    for aspect, entry in changed.items():
        (wrong,) = wrong_in_declaration(DECLARED["deposit_history"], entry)
        assert wrong.startswith(f"{aspect}: declared ")
    status = [replace(param, enum=param.enum[1:]) for param in query.params]
    (wrong,) = wrong_in_declaration(DECLARED["deposit_history"], replace(query, params=status))
    assert wrong.startswith("values of status: ")
    required = [replace(param, required=True) for param in query.params]
    assert len(list(wrong_in_declaration(DECLARED["deposit_history"], replace(query, params=required)))) == 1
    named = replace(query, rate_limit=Bucket("spot_orders_uid"))
    assert len(list(wrong_in_declaration(DECLARED["deposit_history"], named))) == 1


@each
def test_what_the_documents_leave_out_says_so(name: str) -> None:
    status = REFERENCE[name]["status"].split("-")[0]
    doc = DECLARED[name].doc.lower()
    assert status == "documented" or status in doc


@each
def test_weights_are_named_once(name: str) -> None:
    costs = DECLARED[name].costs
    assert len({cost.limit for cost in costs}) == len(costs)


def test_members_of_the_shared_order_limit_are_those_that_spend_it() -> None:
    spending = {f"{e.method} {e.path}" for e in DECLARED.values() if Cost("orders") in e.costs}
    (members,) = {
        tuple(row["rate_limit"]["members"])
        for row in REFERENCE.values()
        if row.get("rate_limit", {}).get("bucket") == SHARED_ORDERS
    }
    assert spending == set(members)


def test_limits_of_single_endpoints_are_those_of_the_reference() -> None:
    table = {limit.name: limit for limit in TABLE}
    shared = REFERENCE["new_order"]["rate_limit"]
    assert (table["orders"].budget, table["orders"].window_s) == (shared["limit"], shared["per_seconds"])
    account = REFERENCE["account"]["rate_limit"]
    assert (table["account"].budget, table["account"].window_s) == (account["limit"], account["per_seconds"])
    assert "2 requests/s" in REFERENCE["batch_orders"]["rate_limit"]["extra"]
    assert (table["batch_orders"].budget, table["batch_orders"].window_s) == (2, 1.0)


@pytest.mark.parametrize("endpoint", DECLARED.values(), ids=lambda endpoint: endpoint.name)
def test_every_cost_names_a_limit_of_the_table(endpoint: Endpoint) -> None:
    assert {cost.limit for cost in endpoint.costs} <= {limit.name for limit in TABLE}
    assert endpoint.costs


@each
def test_only_what_changes_nothing_may_be_repeated(name: str) -> None:
    route = DECLARED[name].route
    assert route.safe == (route.method == "GET" or name in HARMLESS)
    assert not (route.cache_s and not route.safe)


def test_what_moves_money_says_so() -> None:
    moving = {name: endpoint.route.money for name, endpoint in DECLARED.items() if endpoint.route.money is not None}
    assert moving == dict.fromkeys(TRANSFERS, Money.TRANSFER) | dict.fromkeys(WITHDRAWALS, Money.WITHDRAWAL)
    assert not any(DECLARED[name].route.safe for name in moving)


@each
def test_cancelling_goes_before_placing_before_the_account_before_market_data(name: str) -> None:
    route = DECLARED[name].route
    if route.auth is Auth.NONE:
        priority = Priority.MARKET
    elif Cost("orders") in route.costs:
        priority = Priority.CANCEL if name.startswith("cancel") else Priority.ORDER
    else:
        priority = Priority.ACCOUNT
    assert route.priority is priority


@each
def test_field_of_a_request_has_the_field_s_words(name: str) -> None:
    """Wire names are the camel case of the field's name, except for those in the table."""
    named = {"orders": "batchOrders", "transact_id": "transact_id"}
    for field in msgspec.structs.fields(DECLARED[name].request):
        head, *tail = field.name.split("_")
        assert field.encode_name == named.get(field.name, head + "".join(word.capitalize() for word in tail))


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (Side, "side"),
        (KycStatus, "kyc_status"),
        (KeyStatus, "api_key_status"),
        (AccountType, "account_type"),
        (DepositStatus, "deposit_status"),
        (WithdrawStatus, "withdraw_status"),
    ],
)
def test_closed_sets_of_answers(kind: type[Enum], path: str) -> None:
    values = read("spot-rules.json")["enums"][path]
    assert {member.value for member in kind} == set(values)
    if isinstance(values, dict) and kind is not KycStatus:
        assert {member.value: member.name for member in kind} == values


def test_order_types_and_states_are_those_of_the_reference() -> None:
    enums = read("spot-rules.json")["enums"]
    types = [*enums["order_type"], *enums["order_type_query_only"], *enums["order_type_seen_elsewhere"]]
    assert sorted(member.value for member in OrderType) == sorted(types)
    assert {member.value for member in OrderStatus} == set(enums["order_status"])
    is_open = {name for name, says in enums["order_status"].items() if says.startswith("open")}
    assert {status.value for status in OrderStatus if status.is_open} == is_open
    status = read("spot-rules.json")["symbol_fields"]["status"]
    assert {member.value for member in SymbolStatus} == {*(key for key in status if key.isdigit()), "ENABLED"}


# --- answers ---


def same(wire: Any, value: Any) -> None:
    """Fail unless the decoded value holds everything that came over the wire."""
    assert list(losses(wire, value)) == []


_as_json = msgspec.json.Encoder(decimal_format="number")


def text_of(answer: object) -> bytes:
    """Encode an answer; a Decimal becomes a JSON number."""
    return _as_json.encode(answer)


def decoded(kind: object, answer: object) -> Any:
    value, odd = decode(kind, text_of(answer))
    assert odd == []
    return value


@each
def test_sample_answer_decodes_with_no_field_lost(name: str) -> None:
    assert list(wrong_in_decoding(DECLARED[name], ENTRIES[name])) == []


def test_comparison_sees_a_lost_field_and_a_changed_value() -> None:
    sample = REFERENCE["book_ticker"]["response"]
    value = decoded(BookTicker, sample)
    assert list(losses(sample | {"more": 1}, value)) == ["answer loses more"]
    assert list(losses(sample | {"bidQty": "1"}, value)) == [f"answer.bidQty: '1' became {value.bid_quantity!r}"]
    assert list(losses([sample, sample], [value])) == ["answer has 1 of 2 items"]
    assert list(losses({"a": 1}, 5)) != []
    order = REFERENCE["query_order"]["response"]
    assert list(losses(order | {"status": "FILLED"}, decoded(Order, order))) != []
    assert list(losses(order | {"isWorking": False, "time": 5}, decoded(Order, order))) != []


def test_an_answer_that_is_a_refusal_or_does_not_fit_counts_as_not_decoded() -> None:
    entry = ENTRIES["withdraw"]
    for body, words in ((b'{"code":30000,"msg":"no"}', "read as a refusal"), (b"{}", "unexpected shape"), (b"[]", "")):
        (wrong,) = wrong_in_decoding(DECLARED["withdraw"], replace(entry, response=Raw(body)))
        assert words in wrong
    odd = Raw(text_of([*REFERENCE["deposit_history"]["response"], {}]))
    assert list(wrong_in_decoding(DECLARED["deposit_history"], replace(ENTRIES["deposit_history"], response=odd)))


@pytest.mark.parametrize("name", ["ticker_24hr", "ticker_price", "book_ticker", "etf_info"])
def test_answer_without_a_symbol_is_a_list_of_all(name: str) -> None:
    sample = REFERENCE[name]["response"]
    several = [sample, sample | {"symbol": "MXUSDT"}]
    value = decoded(DECLARED[name].result, several)
    same(several, value)
    assert [item.symbol for item in value] == [sample["symbol"], "MXUSDT"]
    assert decoded(DECLARED[name].result, []) == []


@pytest.mark.parametrize(
    "name", [n for n, row in REFERENCE.items() if get_origin(DECLARED[n].result) is list and n != "klines"]
)
def test_lists_are_decoded_item_by_item_and_may_be_empty(name: str) -> None:
    result, sample = DECLARED[name].result, REFERENCE[name]["response"]
    assert decoded(result, []) == []
    many = (sample if isinstance(sample, list) else [sample]) * 50
    same(many, decoded(result, many))


@each
def test_unknown_fields_are_ignored_wherever_they_stand(name: str) -> None:
    def with_more(wire: Any) -> Any:
        if isinstance(wire, dict):
            return {"somethingNew": {"a": [1, None]}} | {key: with_more(item) for key, item in wire.items()}
        return [with_more(item) for item in wire] if isinstance(wire, list) else wire

    endpoint, sample = DECLARED[name], REFERENCE[name]["response"]
    assert decoded(endpoint.result, with_more(sample)) == decoded(endpoint.result, sample)


def test_blank_quantity_and_null_volume_of_a_ticker_are_missing() -> None:
    ticker = decoded(Ticker24h, REFERENCE["ticker_24hr"]["response"])
    assert (ticker.bid_quantity, ticker.ask_quantity, ticker.quote_volume, ticker.count) == (None, None, None, None)
    assert ticker.price_change_percent == Decimal("0.00400048")
    more = decoded(Ticker24h, REFERENCE["ticker_24hr"]["response"] | {"lastQty": "1.5", "count": 3})
    assert (more.last_quantity, more.count) == (Decimal("1.5"), 3)


def test_one_sided_book_has_none_on_the_empty_side() -> None:
    ticker = decoded(BookTicker, {"symbol": "X", "bidPrice": None, "bidQty": "", "askPrice": "1", "askQty": "2"})
    assert (ticker.bid_price, ticker.bid_quantity) == (None, None)
    assert (ticker.ask_price, ticker.ask_quantity) == (1, 2)


def test_levels_unpack_as_price_and_quantity_and_keep_the_text() -> None:
    depth = decoded(DECLARED["depth"].result, REFERENCE["depth"]["response"])
    ((price, quantity),) = depth.bids
    assert (price, quantity) == (Decimal(15), Decimal(49999))
    assert (depth.bids[0].price, depth.bids[0].quantity, depth.bids[0].price_text) == (price, quantity, "15.00000")
    sample = dict(REFERENCE["depth"]["response"])
    del sample["timestamp"]
    assert decoded(DECLARED["depth"].result, sample).timestamp is None


@pytest.mark.parametrize("group_id", [91, "91"])
def test_group_id_is_text_whether_it_comes_as_number_or_text(group_id: int | str) -> None:
    group = decoded(StpGroup, {"tradeGroupName": "one", "tradeGroupId": group_id})
    assert (group.trade_group_id, group.trade_group_uid, group.create_time) == ("91", None, None)


@pytest.mark.parametrize(
    "envelope",
    [
        {"code": 0, "msg": "success", "timestamp": 1737623243056},
        {"code": 200, "msg": None},
        {"code": "200", "msg": "success"},
        {},
    ],
)
@pytest.mark.parametrize("name", [name for name in REFERENCE if get_origin(DECLARED[name].result) is Wrapped])
def test_envelope_is_taken_with_either_success_code_or_none(name: str, envelope: dict[str, Any]) -> None:
    data = REFERENCE[name]["response"]["data"]
    answer = envelope | {"data": data}
    assert error_of(DECLARED[name].route, Reply(200, {}, text_of(answer))) is None
    same(data, decoded(DECLARED[name].result, answer).data)


@pytest.mark.parametrize("code", [0, 200])
def test_cancelling_everything_succeeds_with_either_code(code: int) -> None:
    endpoint = DECLARED["cancel_all_orders"]
    assert error_of(endpoint.route, Reply(200, {}, text_of({"code": code}))) is None
    assert decoded(endpoint.result, {"code": code}).code == code


def test_cancel_answer_may_stop_after_the_side() -> None:
    short = {"symbol": "LTCBTC", "orderId": "4", "price": "2", "origQty": "1.0", "type": "LIMIT", "side": "BUY"}
    cancelled = decoded(CancelledOrder, short)
    same(short, cancelled)
    assert (cancelled.status, cancelled.executed_quantity, cancelled.orig_client_order_id) == (None, None, None)
    assert decoded(CancelledOrder, short | {"orderId": 4}).order_id == "4"


def test_order_s_optional_fields_may_be_null_or_missing() -> None:
    sample = REFERENCE["query_order"]["response"]
    order = decoded(Order, sample | {"updateTime": None, "origQty": None, "cancelReason": "stp_cancel"})
    assert (order.update_time, order.quantity, order.cancel_reason) == (None, None, "stp_cancel")
    needed = ("symbol", "orderId", "executedQty", "cummulativeQuoteQty", "status", "type", "side", "time")
    least = {key: sample[key] for key in needed}
    same(least, decoded(Order, least))


def test_average_price_is_that_of_the_fills() -> None:
    sample = REFERENCE["query_order"]["response"]
    assert decoded(Order, sample).average_price is None
    filled = decoded(Order, sample | {"executedQty": "4", "cummulativeQuoteQty": "1.0"})
    assert filled.average_price == Decimal("0.25")


def test_unknown_value_of_a_closed_set_keeps_its_text() -> None:
    sample = REFERENCE["query_order"]["response"]
    order = decoded(Order, sample | {"status": "EXPIRED", "type": "TRAILING", "side": "SHORT"})
    assert (order.status, order.type, order.side) == ("EXPIRED", "TRAILING", "SHORT")
    assert not any(value.is_known for value in (order.status, order.type, order.side))
    assert not order.status.is_open
    assert isinstance(order.status, OrderStatus)


@pytest.mark.parametrize("created", ["2026-09-14T18:53:36.000+00:00", 1789412016000, "1789412016000"])
@pytest.mark.parametrize("days", [82, "82", -999, "-999", "0"])
def test_key_information_takes_time_and_validity_in_either_form(created: int | str, days: int | str) -> None:
    sample = REFERENCE["api_key_info"]["response"] | {"createTime": created, "remainingValidity": days}
    info = decoded(ApiKeyInfo, sample)
    assert (info.create_time, info.remaining_validity) == (1789412016000, int(days))
    assert info.status is KeyStatus.VALID
    assert info.ip_white_list == ""


@pytest.mark.parametrize("trade_side_type", [1, "1", 4, "4"])
@pytest.mark.parametrize("status", ["1", "2", "3", "ENABLED", "9"])
def test_symbol_takes_old_and_new_forms(trade_side_type: int | str, status: str) -> None:
    sample = REFERENCE["exchange_info"]["response"]["symbols"][0]
    info = decoded(SymbolInfo, sample | {"tradeSideType": trade_side_type, "status": status})
    assert info.trade_side_type == int(trade_side_type)
    assert info.status == status
    assert info.status.is_known is (status != "9")


def test_symbol_takes_flag_as_text_and_filters_it_does_not_know() -> None:
    sample = REFERENCE["exchange_info"]["response"]["symbols"][0]
    changed = sample | {
        "st": "false",
        "filters": [{"filterType": "NEW"}],
        "conceptPlateIds": None,
        "baseSizePrecision": "0",
    }
    info = decoded(SymbolInfo, changed)
    assert (info.filters[0].filter_type, info.filters[0].bid_multiplier_up) == ("NEW", None)
    assert (info.concept_plate_ids, info.quantity_step) == (None, 0)
    assert info.st in (False, "false")


def test_symbol_without_what_older_answers_lack_is_decoded() -> None:
    """Only the newest answers have some fields: their absence must not cost the symbol."""
    sample = dict(REFERENCE["exchange_info"]["response"]["symbols"][0])
    for key in ("filters", "contractAddress", "conceptPlateIds", "st", "quoteAmountPrecisionMarket", "fullName"):
        del sample[key]
    assert decoded(SymbolInfo, sample).filters == []


def test_exchange_info_may_name_rate_limits_and_filters_one_day() -> None:
    sample = REFERENCE["exchange_info"]["response"] | {"rateLimits": [{"a": 1}], "exchangeFilters": [{"b": 2}]}
    assert len(decoded(ExchangeInfo, sample).rate_limits) == 1


def test_batch_answers_item_by_item() -> None:
    first, second, third = decoded(list[BatchResult], REFERENCE["batch_orders"]["response"])
    assert [item.is_accepted for item in (first, second, third)] == [True, False, True]
    assert (second.code, second.order_id, second.client_order_id) == (30002, None, "123456")
    assert third.client_order_id is None


def test_fees_are_exact_numbers() -> None:
    body = (
        b'{"data":{"makerCommission":0.000200000000000000,"takerCommission":0.003,"rpiMakerCommission":"0.1"},"code":0}'
    )
    fee, _ = decode(Wrapped[TradeFee], body)
    assert fee.data == TradeFee(
        maker_commission=Decimal("0.0002"), taker_commission=Decimal("0.003"), rpi_maker_commission=Decimal("0.1")
    )


@pytest.mark.parametrize("commission", [None, 10, "0.001"])
def test_account_takes_commissions_as_null_number_or_text(commission: object) -> None:
    sample = REFERENCE["account"]["response"] | {"makerCommission": commission}
    account = decoded(DECLARED["account"].result, sample)
    same(sample, account)
    assert account.balance("MAIN").free == 1020000
    missing = account.balance("NOTHING")
    assert (missing.asset, missing.free, missing.locked) == ("NOTHING", 0, 0)


def test_order_answers_take_numeric_ids_and_zero_quantities() -> None:
    sample = REFERENCE["new_order"]["response"]
    ack = decoded(DECLARED["new_order"].result, sample | {"orderId": 4, "origQty": "0", "clientOrderId": "me"})
    assert (ack.order_id, ack.quantity, ack.client_order_id) == ("4", 0, "me")
    assert decoded(DECLARED["new_order"].result, {"symbol": "X", "orderId": "C02__1"}).price is None


def test_samples_are_what_the_exchange_sends() -> None:
    """The comparison works on the parsed reference; its numbers reach the decoder as JSON numbers."""
    for name, row in REFERENCE.items():
        again = json.loads(text_of(row["response"]), parse_float=Decimal)
        assert again == row["response"], name


# --- differences between sources, endpoint by endpoint ---


def both_ways(name: str, *answers: object) -> Any:
    """Decode all these answers; return their common value."""
    first, *others = [decoded(DECLARED[name].result, answer) for answer in answers]
    assert all(other == first for other in others)
    return first


def test_key_of_a_sub_account_takes_either_spelling_and_keeps_its_secret_to_itself() -> None:
    sample = dict(REFERENCE["create_sub_account_api_key"]["response"])
    misspelt = {name: value for name, value in sample.items() if name not in ("createTime", "apiKey")}
    key = both_ways(
        "create_sub_account_api_key",
        sample,
        misspelt | {"creatTime": sample["createTime"], "apikey": sample["apiKey"]},
    )
    assert (key.api_key, key.create_time, key.secret_key) == ("arg13sdfgs", 1597026383085, "nkjwn21973ihi")
    assert "nkjwn21973ihi" not in f"{key} {key!r} {[key]}"
    broker = decoded(DECLARED["broker_create_api_key"].result, REFERENCE["broker_create_api_key"]["response"])
    assert broker.api_key == "mx0npKfh57kEEVmyLa"
    assert broker.secret_key not in repr(broker)
    token = decoded(DECLARED["broker_once_token"].result, REFERENCE["broker_once_token"]["response"])
    assert repr(token) == "OnceToken(once_token='***')"


def test_currency_takes_either_spelling_of_its_name() -> None:
    sample = dict(REFERENCE["currencies"]["response"][0])
    older = {name: value for name, value in sample.items() if name != "name"} | {"Name": "EOS"}
    (currency,) = both_ways("currencies", [sample], [older], sample)
    (network,) = currency.network_list
    assert (currency.name, network.network, network.net_work, network.withdraw_fee) == (
        "EOS",
        "EOS",
        "EOS",
        Decimal("0.0001"),
    )
    assert network.withdraw_integer_multiple is None


def test_deposit_address_has_its_memo_under_either_name() -> None:
    sample = {"coin": "EOS", "network": "EOS", "address": "a"}
    for name in ("deposit_address", "generate_deposit_address"):
        (address,) = both_ways(
            name, [sample | {"memo": "m"}], [sample | {"tag": "m"}], sample | {"tag": "m", "memo": None}
        )
        assert address.memo == "m"


@pytest.mark.parametrize(
    "name", ["universal_transfer", "sub_universal_transfer", "internal_transfer", "withdraw_apply"]
)
def test_id_comes_as_text_or_number_bare_or_in_a_list(name: str) -> None:
    key = "id" if name == "withdraw_apply" else "tranId"
    both_ways(name, {key: "11945860693"}, {key: 11945860693}, [{key: "11945860693"}])


def test_transfers_come_with_their_page_without_it_or_one_alone() -> None:
    page = REFERENCE["sub_universal_transfer_history"]["response"]
    (row,) = page["result"]
    del (page := dict(page))["totalCount"]
    result = both_ways("sub_universal_transfer_history", page, [row], row, [page])
    assert result.result[0].to_account_type is AccountType.FUTURES
    assert result.result[0].status.is_known
    (transfer,) = decoded(DECLARED["broker_universal_transfer_history"].result, [row | {"toAccountType": "MARGIN"}])
    assert (transfer.to_account_type, transfer.to_account_type.is_known) == ("MARGIN", False)


def test_status_of_a_deposit_and_a_withdrawal_comes_as_number_or_text() -> None:
    deposit = REFERENCE["deposit_history"]["response"][0]
    (value,) = both_ways("deposit_history", [deposit], [deposit | {"status": "5"}])
    assert value.status is DepositStatus.SUCCESS
    live = deposit | {"netWork": "EOS", "transHash": "0x", "updateTime": 1, "explorerUrl": "u", "confirmTimes": "7/12"}
    assert decoded(DECLARED["deposit_history"].result, [live])[0].confirm_times == "7/12"
    withdrawal = REFERENCE["withdraw_history"]["response"][0]
    (done,) = decoded(DECLARED["withdraw_history"].result, [withdrawal | {"status": 7}])
    (unknown,) = decoded(DECLARED["withdraw_history"].result, [withdrawal | {"status": 99}])
    assert (done.status, done.status.is_final) == (WithdrawStatus.SUCCESS, True)
    assert (unknown.status, unknown.status.is_known, unknown.status.is_final) == ("99", False, False)
    del (without := dict(withdrawal))["network"]
    assert decoded(DECLARED["withdraw_history"].result, [without])[0].network is None


def test_times_of_affiliates_are_milliseconds_whatever_the_exchange_sends() -> None:
    answer = decoded(DECLARED["affiliate_commission"].result, REFERENCE["affiliate_commission"]["response"])
    (row,) = answer.data.result_list
    assert (row.invite_time, row.first_deposit_time) == (1637145478000, 1637280000000)
    history = decoded(DECLARED["broker_rebate_history"].result, REFERENCE["broker_rebate_history"]["response"])
    assert history.data[0].time == 1666396800000


def test_pages_of_announcements_are_counted_as_number_or_text() -> None:
    sample = REFERENCE["announcements"]["response"]
    (page,) = sample["data"]
    value = both_ways("announcements", sample, sample | {"data": [page | {"totalPage": "5549"}]})
    assert value.data[0].total_page == 5549


def test_declarations_are_short() -> None:
    lines = [len(inspect.getsource(endpoint.request).splitlines()) for endpoint in DECLARED.values()]
    assert sum(lines) / len(lines) <= 15
