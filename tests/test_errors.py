"""The error tree: the fields and texts of errors, and that they survive a pickle."""

from __future__ import annotations

import copy
import pickle

import pytest

from mexc_async import error_codes, errors
from mexc_async.error_codes import CODES, SPOT_CODES
from mexc_async.errors import ApiError, MexcError
from tests.support.reference import read

TREE = errors.__doc__ or ""
CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, MexcError)]
IMPORTANT = {
    -2013: errors.OrderNotFound,
    -2011: errors.OrderNotFound,
    -1121: errors.InvalidSymbol,
    429: errors.TooManyRequests,
    500: errors.ExchangeUnavailable,
    503: errors.ExchangeUnavailable,
    504: errors.ExchangeUnavailable,
    602: errors.SignatureRejected,
    10007: errors.InvalidSymbol,
    10072: errors.InvalidKey,
    10073: errors.TimestampRejected,
    10101: errors.InsufficientBalance,
    30002: errors.OrderRejected,
    30004: errors.InsufficientBalance,
    30005: errors.InsufficientBalance,
    30029: errors.TooManyOrders,
    30087: errors.OrderRejected,
    700001: errors.InvalidKey,
    700002: errors.SignatureRejected,
    700003: errors.TimestampRejected,
    700006: errors.IpNotAllowed,
    700007: errors.PermissionDenied,
    730708: errors.ListenKeyInvalid,
}
"""Errors that callers handle by class."""
WORDS = {
    "balance": (errors.InsufficientBalance,),
    "signature invalid": (errors.SignatureRejected,),
    "identity check": (errors.AccountRestricted,),
    "risk control": (errors.AccountRestricted, errors.TradingSuspended),
    "missing": (errors.InvalidParameter, errors.InvalidKey, ApiError),
    "too many requests": (errors.TooManyRequests,),
    "no permission": (errors.PermissionDenied,),
    "suspended": (errors.TradingSuspended,),
    "whitelist": (errors.IpNotAllowed,),
}
"""Words with a meaning, and the classes that fit each."""


def test_every_code_of_the_reference_is_in_the_table_and_no_other() -> None:
    reference = {row["code"]: row["meaning"] for row in read("spot-rules.json")["error_codes"]}
    assert SPOT_CODES.keys() == reference.keys()
    assert len(SPOT_CODES) == 111
    short = {code: row.meaning for code, row in SPOT_CODES.items() if row.meaning != reference[code]}
    assert set(short) <= {700004, 30018, 730001, 730002}, "meanings are those of the reference, some made shorter"


@pytest.mark.parametrize("code", IMPORTANT)
def test_code_has_the_class_that_a_caller_would_catch(code: int) -> None:
    assert SPOT_CODES[code].error is IMPORTANT[code]


@pytest.mark.parametrize("code", SPOT_CODES)
def test_class_of_a_code_fits_its_meaning(code: int) -> None:
    kind, meaning = SPOT_CODES[code]
    assert issubclass(kind, ApiError)
    for word, classes in WORDS.items():
        if word in meaning:
            assert kind in classes, f"{code} {meaning!r} is a {kind.__name__}"


@pytest.mark.parametrize("code", SPOT_CODES)
def test_only_faults_of_the_exchange_leave_an_outcome_unknown(code: int) -> None:
    kind = SPOT_CODES[code].error
    assert kind.outcome_known is not issubclass(kind, errors.ExchangeUnavailable)


def test_codes_are_kept_by_product() -> None:
    assert CODES["spot"] is SPOT_CODES


def test_code_that_stands_twice_fails_at_import() -> None:
    rows = [(1, ApiError, "one"), (2, ApiError, "two")]
    assert list(error_codes._table(rows)) == [1, 2]
    with pytest.raises(RuntimeError, match="code 1 is in the table twice"):
        error_codes._table([*rows, (1, errors.InvalidKey, "again")])


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_is_in_the_printed_tree_and_documented(kind: type[MexcError]) -> None:
    assert kind.__name__ in TREE
    assert kind.__doc__


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (errors.ConfigError, (ValueError,)),
        (errors.MissingCredentials, (errors.ConfigError,)),
        (errors.InvalidRequest, (ValueError,)),
        (errors.ConnectFailed, (errors.TransportError,)),
        (errors.ConnectionLost, (errors.TransportError,)),
        (errors.RequestTimeout, (errors.TransportError,)),
        (errors.TooManyRequests, (errors.RateLimited, ApiError)),
        (errors.IpBanned, (errors.RateLimited, ApiError)),
        (errors.IpNotAllowed, (errors.PermissionDenied, ApiError)),
        (errors.InvalidSymbol, (errors.InvalidParameter, ApiError)),
        (errors.WouldTakeLiquidity, (errors.TradingSuspended, ApiError)),
    ],
)
def test_class_is_caught_by_its_parents(kind: type[MexcError], parents: tuple[type[Exception], ...]) -> None:
    for parent in (*parents, MexcError):
        assert issubclass(kind, parent)
    assert not issubclass(errors.OutcomeUnknown, ApiError)


RETRYABLE = {
    "TransportError", "ConnectFailed", "ConnectionLost", "RequestTimeout", "RateLimited", "TooManyRequests", "IpBanned",
    "BookNotSynced", "OrderNotPlaced", "TransferNotMade",
    "TimestampRejected", "ExchangeUnavailable",
}  # fmt: skip
UNKNOWN = {"ConnectionLost", "RequestTimeout", "ProtocolError", "OutcomeUnknown", "ExchangeUnavailable"}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_error_says_whether_it_is_worth_retrying_and_whether_the_outcome_is_known(kind: type[MexcError]) -> None:
    error = kind("x")
    assert error.retryable is (kind.__name__ in RETRYABLE)
    assert error.outcome_known is (kind.__name__ not in UNKNOWN)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (errors.PermissionDenied, "Give the key the permission"),
        (errors.IpNotAllowed, "public address to the key"),
        (errors.SignatureRejected, "Check that the secret belongs to this key"),
        (errors.InvalidKey, "shows a secret only once"),
        (errors.MissingCredentials, "make a new one"),
        (errors.TooManyRequests, "Send less"),
        (errors.RateLimited, "Send less"),
        (errors.TimestampRejected, "recv_window_ms"),
        (errors.OutcomeUnknown, "look it up first"),
    ],
)
def test_advice_for_what_users_ask_most(kind: type[MexcError], words: str) -> None:
    error = kind("no")
    assert error.advice is not None
    assert words in error.advice
    assert str(error).endswith(error.advice)


def tree(kind: type[MexcError]) -> list[type[MexcError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]


READ, CHANGE = ("GET", "/api/v3/depth"), ("POST", "/api/v3/order")


@pytest.mark.parametrize("kind", list(dict.fromkeys(tree(MexcError))), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("call", [None, READ, CHANGE, ("POST", "/api/v3/capital/withdraw")], ids=str)
def test_every_error_has_advice_that_fits_its_call(kind: type[MexcError], call: tuple[str, str] | None) -> None:
    error = kind("no") if call is None else kind("no").at(*call)
    assert len(error.advice) > 20
    assert error.advice.isprintable(), "one line"
    assert error.advice.endswith(".")
    assert "client order id" not in error.advice.lower() or kind is errors.OrdersLeftOpen, "this call has none"
    text = str(error)
    assert text.endswith(f"no. {error.advice}" if kind.shows_advice else "no")
    if call == READ and not kind.outcome_known and kind is not errors.OutcomeUnknown:
        assert "Read again" in error.advice or "Try again" in error.advice
        assert "Do not send it again" not in error.advice
    if call == CHANGE and not kind.outcome_known:
        assert error.advice.startswith("Do not send it again")


def test_advice_after_a_missing_answer_names_the_look_up_of_this_call() -> None:
    order = errors.OutcomeUnknown("no", client_order_id="m-1").at("POST", "/api/v3/order")
    assert order.advice == errors.ADVICE_UNKNOWN
    assert "withdraw_history" in errors.OutcomeUnknown("no").at("POST", "/api/v3/capital/withdraw").advice
    assert "history of transfers" in errors.OutcomeUnknown("no").at("POST", "/api/v3/capital/transfer").advice
    cancel = errors.OutcomeUnknown("no").at("DELETE", "/api/v3/openOrders")
    assert "query_order" not in cancel.advice
    safe = errors.RequestTimeout("no").at("POST", "/api/v3/order/test")
    safe.outcome_known = True  # as the pipeline says of a call that changes nothing
    assert safe.advice.startswith("Read again")


def test_advice_on_a_symbol_is_about_spelling_for_reads_and_about_trading_for_orders() -> None:
    assert "exchange_info" in errors.InvalidSymbol("no").at(*READ).advice
    assert errors.InvalidSymbol("no").at(*CHANGE).advice == errors.ADVICE_SYMBOL


@pytest.mark.parametrize(
    ("code", "order_type", "kind"),
    [
        (30041, "LIMIT_MAKER", errors.WouldTakeLiquidity),
        (30041, "MARKET", errors.TradingSuspended),
        (30041, None, errors.TradingSuspended),
        (30000, "LIMIT_MAKER", errors.TradingSuspended),
    ],
)
def test_30041_says_of_a_maker_order_that_it_would_take_liquidity(
    code: int, order_type: str | None, kind: type[MexcError]
) -> None:
    error = error_codes.of_order(errors.TradingSuspended("no", code=code, status=400), order_type)
    assert type(error) is kind
    assert (error.code, error.status, error.message) == (code, 400, "no")
    assert isinstance(error, errors.TradingSuspended)


def full(kind: type[MexcError]) -> MexcError:
    error = kind(
        "message 资金",
        code=30004,
        status=400,
        method="POST",
        path="/api/v3/order",
        client_order_id="m-1",
        retry_after_s=2.5,
    )
    error.outcome_known = True
    return error


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_text_is_one_line_with_everything_that_is_known(kind: type[MexcError]) -> None:
    text = str(full(kind))
    assert text.startswith(
        "POST /api/v3/order: 30004 message 资金 (HTTP 400, client order id m-1)",
    )
    assert len(text.splitlines()) == 1
    assert str(kind("only this")).startswith("only this")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy])
def test_pickle_and_copy_keep_everything(kind: type[MexcError], again: object) -> None:
    error = full(kind)
    error.add_note("a note")
    assert callable(again)
    twin = again(error)
    assert type(twin) is kind
    assert twin.__dict__ == error.__dict__
    assert twin.args == error.args
    assert str(twin) == str(error)


def test_error_is_told_where_it_happened() -> None:
    error = errors.ClientClosed("closed")
    assert error.at("GET", "/x") is error
    assert str(error) == "GET /x: closed"
