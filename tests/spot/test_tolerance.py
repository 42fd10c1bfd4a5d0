"""Every sample answer of the reference in variants: numbers for texts, texts for numbers, null, missing fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

import msgspec
import pytest

from mexc_async.cli.endpoints.reference import losses
from mexc_async.client.catalogue import endpoints
from mexc_async.errors import ProtocolError
from mexc_async.schema.answers import decode
from mexc_async.schema.endpoint import result_type
from mexc_async.schema.fields import Unspecified
from mexc_async.schema.json_values import ToDict
from mexc_async.schema.lenient import item_of, struct_of
from mexc_async.spot.account import AccountQuery
from mexc_async.spot.market import DepthQuery, ExchangeInfoQuery
from mexc_async.spot.models import Account, BatchResult, ExchangeInfo, OrderAck, SymbolInfo
from mexc_async.spot.rules import SymbolRules
from mexc_async.spot.trading import NewOrder
from tests.support.reference import spot_endpoints

Path: TypeAlias = tuple[str | int, ...]

REFERENCE = spot_endpoints()
DECLARED = {endpoint.name: endpoint for endpoint in endpoints()}
NAMES = [name for name in REFERENCE if DECLARED[name].result is not Unspecified]
NUMBERS = ["11", "0", "-0", "-7", "1e3", "1E+2", "1.10", "123456789012345678901", "0.12345678901234567890123456789"]
"""Numbers as they may occur in JSON; each one changes as a float, or as an int that is written again."""
ONE_OF = {"apiKey", "apikey"}
"""A key has to come under one of these names."""

each = pytest.mark.parametrize("name", NAMES)


def text_of(answer: object) -> bytes:
    return msgspec.json.Encoder(decimal_format="number").encode(answer)


class Leaf(NamedTuple):
    path: Path
    wire: Any


def leaves(wire: Any, path: Path = ()) -> Iterator[Leaf]:
    if isinstance(wire, dict):
        for key, part in wire.items():
            yield from leaves(part, (*path, key))
    elif isinstance(wire, list):
        for index, part in enumerate(wire):
            yield from leaves(part, (*path, index))
    else:
        yield Leaf(path, wire)


def at(answer: Any, path: Path) -> Any:
    for step in path:
        answer = answer[step]
    return answer


def replaced(answer: Any, path: Path, part: object) -> Any:
    answer = deepcopy(answer)
    at(answer, path[:-1])[path[-1]] = part
    return answer


def written(answer: Any, numbers: dict[Path, str]) -> bytes:
    """Encode the answer with these raw tokens at their paths."""
    for index, path in enumerate(numbers):
        answer = replaced(answer, path, f"@{index}@")
    body = text_of(answer)
    for index, token in enumerate(numbers.values()):
        body = body.replace(f'"@{index}@"'.encode(), token.encode())
    return body


def value_at(value: Any, path: Path) -> Any:
    """Return the decoded value of a part of the answer."""
    for step in path:
        if not isinstance(value, msgspec.Struct):
            value = value[step]
        elif isinstance(step, str):
            value = getattr(value, next(f.name for f in msgspec.structs.fields(value) if f.encode_name == step))
        elif type(value).__struct_config__.array_like:
            value = getattr(value, value.__struct_fields__[step])
    return value


def decoded(name: str, body: bytes) -> Any:
    value, odd = decode(DECLARED[name].result, body)
    assert odd == []
    return value


# --- numbers and texts ---


def texts(name: str) -> dict[Path, Any]:
    """Return the texts of a sample that stay text, and its words of closed sets, by path."""
    sample = REFERENCE[name]["response"]
    value = decoded(name, text_of(sample))
    found = {path: value_at(value, path) for path, wire in leaves(sample) if isinstance(wire, str)}
    return {path: part for path, part in found.items() if isinstance(part, str)}


@each
def test_a_number_in_the_place_of_a_text_keeps_its_digits(name: str) -> None:
    sample, places = REFERENCE[name]["response"], texts(name)
    for path in places:
        for token in NUMBERS:
            value = decoded(name, written(sample, {path: token}))
            assert value_at(value, path) == token, path
            assert list(losses(replaced(sample, path, token), value)) == [], path
    tokens = {path: NUMBERS[index % len(NUMBERS)] for index, path in enumerate(places)}
    value = decoded(name, written(sample, tokens))
    assert {path: str(value_at(value, path)) for path in places} == tokens


def test_places_of_texts_are_found() -> None:
    """Without them the test above would be void."""
    assert {path[-1] for path in texts("new_order")} == {
        "symbol",
        "orderId",
        "price",
        "origQty",
        "type",
        "side",
        "stpMode",
    }
    assert sum(len(texts(name)) for name in NAMES) > 250


@each
def test_a_text_in_the_place_of_a_number_is_the_same_number(name: str) -> None:
    sample = REFERENCE[name]["response"]
    value = decoded(name, text_of(sample))
    numbers = [path for path, wire in leaves(sample) if isinstance(wire, int | Decimal) and not isinstance(wire, bool)]
    everything = sample
    for path in numbers:
        as_text = str(at(sample, path))
        assert decoded(name, text_of(replaced(sample, path, as_text))) == value, path
        everything = replaced(everything, path, as_text)
    assert decoded(name, text_of(everything)) == value


@each
def test_an_amount_that_comes_as_a_number_is_exact(name: str) -> None:
    sample = REFERENCE[name]["response"]
    value = decoded(name, text_of(sample))
    for path, _ in leaves(sample):
        if isinstance(value_at(value, path), Decimal):
            for token in ("0.12345678901234567890123456789", "123456789012345678901", "1.10", "1e-7"):
                amount = value_at(decoded(name, written(sample, {path: token})), path)
                assert (type(amount), amount) == (Decimal, Decimal(token)), path


@pytest.mark.parametrize("token", ["true", "false", "[]", "{}", "[1]"])
def test_what_is_neither_text_nor_number_is_no_text(token: str) -> None:
    """An id that is `true` on the wire must not be cancelled under the name "true"."""
    sample = REFERENCE["new_order"]["response"]
    with pytest.raises(ProtocolError, match="unexpected shape"):
        decode(OrderAck, written(sample, {("orderId",): token}))
    batch = REFERENCE["batch_orders"]["response"]
    results, odd = decode(list[BatchResult], written(batch, {(0, "orderId"): token}))
    assert (len(results), len(odd)) == (len(batch) - 1, 1)


# --- null and missing ---


def fields_of(kind: Any) -> dict[str, Any]:
    return {field.encode_name: field for field in msgspec.structs.fields(struct_of(kind))}


class Member(NamedTuple):
    path: Path
    is_required: bool
    is_item: bool
    """True for an item of a list or a column of a row: it can be null but not absent."""
    every_one_counts: bool


def members(kind: Any, wire: Any, path: Path = (), counts: bool = False) -> Iterator[Member]:
    """Yield every member of an answer with its declaration."""
    if isinstance(wire, dict) and struct_of(kind) is not None:
        fields = fields_of(kind)
        for key, part in wire.items():
            yield Member((*path, key), fields[key].required or key in ONE_OF, False, counts)
            yield from members(fields[key].type, part, (*path, key), counts)
    elif isinstance(wire, list) and (item := item_of(kind)) is not None:
        counts = counts or getattr(item, "every_one_counts", False)
        for index, part in enumerate(wire):
            yield Member((*path, index), True, True, counts)
            yield from members(item, part, (*path, index), counts)
    elif isinstance(wire, list) and struct_of(kind).__struct_config__.array_like:
        yield from (Member((*path, index), True, True, counts) for index in range(len(wire)))
    elif isinstance(wire, list):  # a list of one for its object
        yield from members(kind, wire[0], (*path, 0), counts)


def kind_at(kind: Any, path: Path) -> Any:
    """Return the declared type of a part of an answer."""
    for step in path:
        kind = fields_of(kind)[step].type if isinstance(step, str) else item_of(kind) or kind
    return kind


def list_around(kind: Any, path: Path) -> int | None:
    """Return the position in a path of the innermost list index; None without a list."""
    indices = [depth for depth, step in enumerate(path) if isinstance(step, int)]
    return next((depth for depth in reversed(indices) if item_of(kind_at(kind, path[:depth])) is not None), None)


def changed(sample: Any, member: Member) -> Iterator[tuple[str, Any]]:
    yield "null", replaced(sample, member.path, None)
    if not member.is_item:
        without = deepcopy(sample)
        del at(without, member.path[:-1])[member.path[-1]]
        yield "missing", without


@each
def test_null_and_missing_cost_nothing_else(name: str) -> None:
    """An optional field becomes None or an empty list, never 0; a missing required field costs its item only."""
    kind, sample = DECLARED[name].result, REFERENCE[name]["response"]
    for member in members(kind, sample):
        path, depth = member.path, list_around(kind, member.path)
        for how, answer in changed(sample, member):
            where = f"{path} {how}"
            if not member.is_required:
                value = decoded(name, text_of(answer))
                assert value_at(value, path) in (None, []), where
                (_, (_, without)) = changed(sample, member)
                assert list(losses(without, value)) == [], where
            elif member.every_one_counts or depth is None:
                with pytest.raises(ProtocolError, match="unexpected shape"):
                    decode(kind, text_of(answer))
            else:
                items = path[:depth]
                beside = deepcopy(sample)
                good, broken = at(beside, path[: depth + 1]), at(answer, path[: depth + 1])
                at_items = at(beside, items) if items else beside
                at_items[:] = [good]
                body = replaced(beside, items, [broken, good]) if items else [broken, good]
                value, odd = decode(kind, text_of(body))
                assert len(odd) == 1, where
                assert list(losses(beside, value)) == [], where


def answers(kind: Any, found: dict[str, Any]) -> dict[str, Any]:
    """Return every class of an answer, by name."""
    answer = struct_of(kind)
    if answer is not None and str(answer) not in found:
        found[str(answer)] = answer
        for field in msgspec.structs.fields(answer):
            answers(field.type, found)
    if (item := item_of(kind)) is not None:
        answers(item, found)
    return found


MUST_COME = {
    "ServerTime": "serverTime",
    "Wrapped": "data",
    "OfflineSymbol": "symbol",
    "ExchangeInfo": "symbols",
    "SymbolInfo": "symbol baseAsset baseAssetPrecision quoteAsset quotePrecision",
    "Depth": "lastUpdateId bids asks",
    "Level": "price_text quantity_text",
    "Trade": "price qty quoteQty time",
    "AggTrade": "p q T",
    "Kline": "open_time open_text high_text low_text close_text volume_text close_time quote_volume_text",
    "AveragePrice": "price",
    "Ticker24h": "symbol",
    "PriceTicker": "symbol price",
    "BookTicker": "symbol",
    "EtfInfo": "symbol",
    "OrderAck": "symbol orderId",
    "CancelledOrder": "symbol orderId",
    "Done": "code",
    "Order": "symbol orderId executedQty cummulativeQuoteQty status type side time",
    "StpGroup": "tradeGroupId",
    "KycLevel": "status",
    "Uid": "uid",
    "Account": "balances",
    "Balance": "asset free locked",
    "Fill": "symbol id orderId price qty quoteQty commission commissionAsset time isBuyer",
    "MxDeduct": "mxDeductEnable",
    "NewSubAccountAnswer": "subAccount",
    "SubAccounts": "subAccounts",
    "SubAccount": "subAccount",
    "SubAccountKeys": "subAccount",
    "SubAccountName": "subAccount",
    "TransferId": "tranId",
    "SubTransferPage": "result",
    "Transfer": "tranId asset amount status timestamp",
    "SubAccountBalances": "balances",
    "FuturesEnabled": "subAccount",
    "MarginEnabled": "subAccount",
    "Currency": "coin",
    "Network": "network",
    "WithdrawalId": "id",
    "Deposit": "amount coin status",
    "Withdrawal": "id coin amount status",
    "DepositAddress": "coin address",
    "Page": "data",
    "WithdrawAddress": "coin address",
    "TransferPage": "rows",
    "InternalTransfer": "tranId asset amount status timestamp",
    "AssetTransfer": "currency amount transact_id transact_state",
    "Convertible": "asset balance",
    "DustFailure": "asset",
    "DustConversion": "convertTime",
    "DustDetail": "id asset amount",
    "ListenKey": "listenKey",
    "ListenKeys": "listenKey",
    "Rebate": "uid",
    "RebateDetail": "asset amount",
    "ReferCode": "referCode",
    "AffiliatePage": "resultList",
    "AffiliateCommission": "uid",
    "AffiliateWithdrawal": "withdrawTime asset amount",
    "AffiliateCommissionDetail": "uid",
    "AffiliateReferral": "uid",
    "BrokerSubAccount": "subAccount",
    "BrokerSubAccountStatus": "status",
    "BrokerRebate": "asset amount uid",
    "OnceToken": "onceToken",
    "AnnouncementPage": "details",
    "Announcement": "title url",
}
"""Required fields by class: identifiers, principal amounts, and lists that must not default to empty."""


def every_answer() -> list[Any]:
    found: dict[str, Any] = {}
    for endpoint in DECLARED.values():
        answers(endpoint.result, found)
    return list(found.values())


def test_every_answer_converts_to_a_dict() -> None:
    for answer in every_answer():
        assert issubclass(getattr(answer, "__origin__", answer), ToDict), answer


def test_little_has_to_come() -> None:
    for answer in every_answer():
        name = getattr(answer, "__origin__", answer).__name__
        required = [field.encode_name for field in msgspec.structs.fields(answer) if field.required]
        assert required == MUST_COME.get(name, "").split(), name


def test_no_default_of_an_answer_says_anything() -> None:
    for answer in every_answer():
        for field in msgspec.structs.fields(answer):
            if not field.required and not field.name.endswith("_left_out"):
                default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
                assert default in (None, [], ""), f"{answer} {field.name}"


FLAGS = ("canTrade", "canWithdraw", "canDeposit", "permissions", "accountType", "makerCommission", "updateTime")


@pytest.mark.parametrize("flag", FLAGS)
def test_balances_are_read_whatever_is_null_beside_them(flag: str) -> None:
    sample = REFERENCE["account"]["response"]
    account = decoded("account", text_of(sample | {flag: None}))
    assert [(balance.asset, balance.free, balance.locked) for balance in account.balances] == [
        (row["asset"], Decimal(row["free"]), Decimal(row["locked"])) for row in sample["balances"]
    ]
    value, odd = decode(Account, text_of(sample | {"permissions": [None]}))
    assert (len(value.balances), value.permissions, len(odd)) == (2, [], 1)
    assert value.balance("OTHER").free == 0


@pytest.mark.parametrize("amount", ["free", "locked"])
@pytest.mark.parametrize("broken", [None, "", "x"])
def test_a_balance_that_cannot_be_read_is_not_zero(amount: str, broken: object) -> None:
    sample = REFERENCE["account"]["response"]
    first, second = sample["balances"]
    account, odd = decode(Account, text_of(sample | {"balances": [first | {amount: broken}, second]}))
    assert (account.balances_left_out, len(odd)) == (1, 1)
    assert account.balance(second["asset"]).free == Decimal(second["free"])
    for asset in (first["asset"], "OTHER"):
        with pytest.raises(ProtocolError, match="could not be read"):
            account.balance(asset)


def test_a_symbol_without_a_rule_costs_neither_the_others_nor_its_own_rules() -> None:
    sample = REFERENCE["exchange_info"]["response"]
    (symbol,) = sample["symbols"]
    short = {key: part for key, part in symbol.items() if key != "maxQuoteAmount"}
    info = decoded("exchange_info", text_of(sample | {"symbols": [short, symbol]}))
    assert [found.max_notional for found in info.symbols] == [None, Decimal(symbol["maxQuoteAmount"])]
    bare = {key: part for key, part in short.items() if key not in ("quoteAmountPrecision", "baseSizePrecision")}
    without: SymbolInfo = decoded(
        "exchange_info", text_of(sample | {"symbols": [bare | {"makerCommission": None}]})
    ).symbols[0]
    assert (without.min_notional, without.quantity_step, without.maker_commission) == (None, None, None)
    rules = SymbolRules(without)
    assert (rules.tick, rules.step) == (Decimal("0.01"), Decimal("1e-8"))
    for price, quantity in (("1000000000", "1000000000"), ("0.01", "0.00000001"), ("100", "1")):
        order = NewOrder(symbol="BTCUSDT", side="BUY", type="LIMIT", price=Decimal(price), quantity=Decimal(quantity))
        rules.check(order)


def test_a_book_that_lacks_a_level_is_no_book() -> None:
    kind = result_type(DepthQuery)
    for levels in ('["1",null]', "[null,1]", '["1"]', "null", '["1",true]'):
        with pytest.raises(ProtocolError, match="unexpected shape"):
            decode(kind, f'{{"lastUpdateId":1,"bids":[["15","1"],{levels}],"asks":[]}}'.encode())
    depth, odd = decode(kind, b'{"lastUpdateId":"7","bids":[[15.10,1e-7]],"asks":[]}')
    assert (depth.last_update_id, depth.bids[0].price_text, depth.bids[0].quantity_text, odd) == (
        7,
        "15.10",
        "1e-7",
        [],
    )


def test_an_answer_cut_anywhere_is_no_answer() -> None:
    for request, name in ((AccountQuery, "account"), (ExchangeInfoQuery, "exchange_info")):
        body = json.dumps(REFERENCE[name]["response"] | {"canDeposit": None, "timezone": 5}, default=str).encode()
        for end in range(len(body)):
            with pytest.raises(ProtocolError):
                decode(result_type(request), body[:end])
    assert isinstance(decode(ExchangeInfo, body)[0], ExchangeInfo)
