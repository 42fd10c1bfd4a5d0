"""Error codes of the exchange: the meaning and the error class of each.

One row a code; a repeated code fails at import.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from mexc_async.errors import (
    AccountRestricted,
    ApiError,
    ExchangeUnavailable,
    InsufficientBalance,
    InvalidKey,
    InvalidParameter,
    InvalidSymbol,
    IpNotAllowed,
    ListenKeyInvalid,
    MexcError,
    OrderNotFound,
    OrderRejected,
    PermissionDenied,
    SignatureRejected,
    TimestampRejected,
    TooManyOrders,
    TooManyRequests,
    TradingSuspended,
    TransferRejected,
    WouldTakeLiquidity,
)


class CodeMeaning(NamedTuple):
    """A code's error class and its meaning in one line."""

    error: type[ApiError]
    meaning: str


def _table(rows: list[tuple[int, type[ApiError], str]]) -> dict[int, CodeMeaning]:
    table: dict[int, CodeMeaning] = {}
    for code, error, meaning in rows:
        if code in table:
            raise RuntimeError(f"code {code} is in the table twice")
        table[code] = CodeMeaning(error, meaning)
    return table


_SPOT: list[tuple[int, type[ApiError], str]] = [
    (-2013, OrderNotFound, "order does not exist"),
    (-2011, OrderNotFound, "order to cancel is unknown"),
    (-1128, InvalidParameter, "combination of optional parameters invalid"),
    (-1127, InvalidParameter, "time window too wide (aggTrades over one hour)"),
    (-1121, InvalidSymbol, "symbol invalid"),
    (26, PermissionDenied, "operation not allowed"),
    (400, InvalidKey, "API key missing; also used for refused date ranges (start earlier than 90 days)"),
    (401, PermissionDenied, "no authority"),
    (402, InvalidKey, "key missing or expired"),
    (403, PermissionDenied, "access denied"),
    (406, IpNotAllowed, "IP not whitelisted (older wording)"),
    (429, TooManyRequests, "too many requests"),
    (500, ExchangeUnavailable, "internal error (futures and wallet also use it with a maintenance notice)"),
    (503, ExchangeUnavailable, "service unavailable, retry"),
    (504, ExchangeUnavailable, "gateway timeout"),
    (510, TooManyRequests, "requests too frequent (older/futures wording)"),
    (600, InvalidParameter, "parameter error (seen live on announcements with HTTP 200)"),
    (602, SignatureRejected, "signature check failed"),
    (10001, AccountRestricted, "user does not exist"),
    (10004, InvalidSymbol, "symbol not open to the API"),
    (10007, InvalidSymbol, "bad symbol (also: symbol closed to API trading)"),
    (10015, InvalidParameter, "user id missing"),
    (10072, InvalidKey, "access key invalid"),
    (10073, TimestampRejected, "request time invalid"),
    (10095, InvalidParameter, "amount missing"),
    (10096, InvalidParameter, "amount has too many decimals"),
    (10097, InvalidParameter, "amount wrong"),
    (10098, AccountRestricted, "risk control flagged the request"),
    (10099, ApiError, "sub-account not opened"),
    (10100, TransferRejected, "this currency cannot be transferred"),
    (10101, InsufficientBalance, "balance too low"),
    (10102, InvalidParameter, "amount is zero or negative"),
    (10103, TransferRejected, "this account transfer is not supported"),
    (10200, TransferRejected, "transfer still in progress"),
    (10201, TransferRejected, "transfer in failed"),
    (10202, TransferRejected, "transfer out failed"),
    (10206, TransferRejected, "transfer disabled"),
    (10211, TransferRejected, "transfer forbidden"),
    (10212, TransferRejected, "withdrawal address is not in the address book or no longer valid"),
    (10216, TransferRejected, "no address available now"),
    (10219, ExchangeUnavailable, "asset flow could not be written, retry"),
    (10222, InvalidParameter, "currency missing"),
    (10232, TransferRejected, "currency does not exist"),
    (10259, TransferRejected, "intermediate account not configured"),
    (10265, AccountRestricted, "withdrawal blocked by risk control for now"),
    (10268, InvalidParameter, "remark too long"),
    (11444, ApiError, "feature temporarily unavailable"),
    (20001, ApiError, "subsystem not supported"),
    (20002, ExchangeUnavailable, "internal error, contact support"),
    (22222, ApiError, "record does not exist"),
    (30000, TradingSuspended, "trading of this symbol is suspended"),
    (30001, TradingSuspended, "this side may not trade now (see tradeSideType)"),
    (30002, OrderRejected, "order value under the minimum (message ends with the minimum)"),
    (30003, OrderRejected, "order value over the maximum"),
    (30004, InsufficientBalance, "position (balance) too low"),
    (30005, InsufficientBalance, "oversold: not enough of the asset to sell"),
    (30010, OrderRejected, "no valid trade price"),
    (30014, InvalidSymbol, "symbol invalid"),
    (30016, TradingSuspended, "trading disabled"),
    (30018, TradingSuspended, "market orders disabled for this symbol; also: account may not place orders now"),
    (30019, TradingSuspended, "market orders disabled for the API on this symbol"),
    (30020, PermissionDenied, "no permission for this symbol"),
    (30021, InvalidSymbol, "symbol invalid"),
    (30025, OrderRejected, "no opposing order"),
    (30026, InvalidParameter, "order ids invalid"),
    (30027, OrderRejected, "currency reached its position ceiling, buying stopped"),
    (30028, TradingSuspended, "risk control stopped selling"),
    (30029, TooManyOrders, "too many orders"),
    (30032, OrderRejected, "position ceiling exceeded"),
    (30041, TradingSuspended, "this order type cannot be placed now"),
    (30069, TooManyOrders, "too many open orders"),
    (30087, OrderRejected, "order price outside the allowed band"),
    (33333, InvalidParameter, "parameter error; also 'not support transfer'"),
    (44444, InvalidParameter, "parameter missing"),
    (60005, AccountRestricted, "account abnormal"),
    (70011, PermissionDenied, "key is barred from this pair"),
    (88004, OrderRejected, "beyond maximum borrowable (spot margin, withdrawn)"),
    (88009, ApiError, "loan record missing (spot margin)"),
    (88013, OrderRejected, "order value under minimum (spot margin)"),
    (88015, InsufficientBalance, "position too low (spot margin)"),
    (140001, ApiError, "sub-account does not exist"),
    (140002, ApiError, "sub-account forbidden"),
    (200006, AccountRestricted, "identity check needed"),
    (200010, AccountRestricted, "identity check needed"),
    (700001, InvalidKey, "API key format invalid"),
    (700002, SignatureRejected, "signature invalid (also wrong secret, wrong percent-encoding, expired key)"),
    (700003, TimestampRejected, "timestamp outside recvWindow"),
    (700004, InvalidParameter, "a mandatory parameter is missing or empty: an order id, the signature"),
    (700005, InvalidParameter, "recvWindow must be below 60000"),
    (700006, IpNotAllowed, "caller IP not in the key's whitelist"),
    (700007, PermissionDenied, "key lacks the permission for this endpoint"),
    (700008, InvalidParameter, "illegal characters in a parameter (e.g. lower-case spot)"),
    (700013, InvalidParameter, "Content-Type invalid"),
    (730000, ExchangeUnavailable, "request failed, contact support"),
    (730001, ApiError, "trading: pair not found; sub-accounts and keys: user information error"),
    (730002, InvalidParameter, "input parameter invalid"),
    (730003, ApiError, "operation not supported, contact support"),
    (730100, AccountRestricted, "user status unusual"),
    (730101, ApiError, "user name already exists"),
    (730600, InvalidParameter, "sub-account name missing"),
    (730601, InvalidParameter, "sub-account name must be 8-32 letters and digits"),
    (730602, InvalidParameter, "sub-account remark missing"),
    (730700, InvalidParameter, "key remark missing"),
    (730701, InvalidParameter, "key permission missing"),
    (730702, InvalidParameter, "key permission unknown"),
    (730703, InvalidParameter, "IP list wrong, at most 10"),
    (730704, InvalidParameter, "IP format wrong"),
    (730705, ApiError, "at most 30 keys"),
    (730706, InvalidKey, "key does not exist"),
    (730707, InvalidParameter, "accessKey missing"),
    (730708, ListenKeyInvalid, "listen key invalid or expired"),
]

POST_ONLY_CODE: Final = 30041
"""Code of a LIMIT_MAKER that would trade at once: no document names one, and this one's meaning comes closest."""


def of_order(error: MexcError, order_type: str | None) -> MexcError:
    """Return the refusal of an order: for a LIMIT_MAKER, "cannot be placed now" means that it would trade at once."""
    if error.code != POST_ONLY_CODE or order_type != "LIMIT_MAKER":
        return error
    return WouldTakeLiquidity(
        error.message, code=error.code, status=error.status, client_order_id=error.client_order_id
    )


SPOT_CODES: Final = _table(_SPOT)
"""The spot API's codes (documents of 2025-08 and 2026-04, and codes seen by client authors)."""

CODES: Final = {"spot": SPOT_CODES}
"""By product, because the same number means different things on spot and futures."""
