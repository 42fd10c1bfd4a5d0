"""Asyncio trading SDK for the MEXC exchange, and a simulated exchange to trade on.

    from mexc_async import Mexc

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from importlib import import_module

__version__ = "0.1.0"

TYPE_CHECKING = False  # type checkers take it for True; importing it from typing would be most of the import's cost

if TYPE_CHECKING:
    from mexc_async.catalogue import endpoints
    from mexc_async.client import Mexc
    from mexc_async.core.credentials import Credentials
    from mexc_async.core.endpoint import Auth, Cost, Endpoint, Json, Priority, Request, Resource, Route, call
    from mexc_async.core.explain import SignatureReport, explain_signature
    from mexc_async.core.exposure import ExposureReport, SymbolStake
    from mexc_async.core.guard_limits import GuardLimits
    from mexc_async.core.kind import core_kind
    from mexc_async.core.limits import Limit, Limits
    from mexc_async.core.orders import OrderFill, OrderState
    from mexc_async.core.retry import RetryPolicy
    from mexc_async.core.signing import Signer
    from mexc_async.errors import (
        AccountRestricted,
        ApiError,
        BookNotSynced,
        CallLogFailed,
        ClientClosed,
        ConfigError,
        ConnectFailed,
        ConnectionLost,
        ExchangeUnavailable,
        GuardRefused,
        InsufficientBalance,
        InvalidKey,
        InvalidParameter,
        InvalidRequest,
        InvalidSymbol,
        IpBanned,
        IpNotAllowed,
        ListenKeyInvalid,
        MexcError,
        MissingCredentials,
        OrderNotFilled,
        OrderNotFound,
        OrderNotPlaced,
        OrderRejected,
        OrdersLeftOpen,
        OutcomeUnknown,
        PermissionDenied,
        ProtocolError,
        RateLimited,
        ReadOnlyError,
        RequestTimeout,
        SignatureRejected,
        StreamOverflow,
        SubscriptionRefused,
        TimestampRejected,
        TooManyOrders,
        TooManyRequests,
        TradingSuspended,
        TransferNotMade,
        TransferRejected,
        TransportError,
        WaitTimeout,
        WithdrawalsOff,
    )
    from mexc_async.keys.key_file import KeyFile
    from mexc_async.keys.os_keyring import OsKeyring
    from mexc_async.net.accounts import Accounts, Moved
    from mexc_async.net.alarms import AlarmSettings
    from mexc_async.net.call_log import CallLog
    from mexc_async.net.hooks import (
        BadFrame,
        BulkProgress,
        CallLogState,
        ClockFailed,
        ClockSynced,
        KeyAged,
        KeyNotReplaced,
        KeyReplaced,
        ListenKeyFailed,
        OddItems,
        OrderSettled,
        RequestDone,
        StreamState,
        UnknownFields,
        UnusualActivity,
    )
    from mexc_async.net.hub import StreamSettings
    from mexc_async.net.ledger import OrderSettings
    from mexc_async.net.loop import run
    from mexc_async.net.pool import Timeouts
    from mexc_async.net.tracked_order import TrackedOrder
    from mexc_async.spot.enums import OrderStatus, OrderType, Side
    from mexc_async.spot.prepared import PreparedOrder, PresignedOrder
    from mexc_async.spot.trading import NewOrder
    from mexc_async.view import RawView, View

__all__ = [
    "AccountRestricted",
    "Accounts",
    "AlarmSettings",
    "ApiError",
    "Auth",
    "BadFrame",
    "BookNotSynced",
    "BulkProgress",
    "CallLog",
    "CallLogFailed",
    "CallLogState",
    "ClientClosed",
    "ClockFailed",
    "ClockSynced",
    "ConfigError",
    "ConnectFailed",
    "ConnectionLost",
    "Cost",
    "Credentials",
    "Endpoint",
    "ExchangeUnavailable",
    "ExposureReport",
    "GuardLimits",
    "GuardRefused",
    "InsufficientBalance",
    "InvalidKey",
    "InvalidParameter",
    "InvalidRequest",
    "InvalidSymbol",
    "IpBanned",
    "IpNotAllowed",
    "Json",
    "KeyAged",
    "KeyFile",
    "KeyNotReplaced",
    "KeyReplaced",
    "Limit",
    "Limits",
    "ListenKeyFailed",
    "ListenKeyInvalid",
    "Mexc",
    "MexcError",
    "MissingCredentials",
    "Moved",
    "NewOrder",
    "OddItems",
    "OrderFill",
    "OrderNotFilled",
    "OrderNotFound",
    "OrderNotPlaced",
    "OrderRejected",
    "OrderSettings",
    "OrderSettled",
    "OrderState",
    "OrderStatus",
    "OrderType",
    "OrdersLeftOpen",
    "OsKeyring",
    "OutcomeUnknown",
    "PermissionDenied",
    "PreparedOrder",
    "PresignedOrder",
    "Priority",
    "ProtocolError",
    "RateLimited",
    "RawView",
    "ReadOnlyError",
    "Request",
    "RequestDone",
    "RequestTimeout",
    "Resource",
    "RetryPolicy",
    "Route",
    "Side",
    "SignatureRejected",
    "SignatureReport",
    "Signer",
    "StreamOverflow",
    "StreamSettings",
    "StreamState",
    "SubscriptionRefused",
    "SymbolStake",
    "Timeouts",
    "TimestampRejected",
    "TooManyOrders",
    "TooManyRequests",
    "TrackedOrder",
    "TradingSuspended",
    "TransferNotMade",
    "TransferRejected",
    "TransportError",
    "UnknownFields",
    "UnusualActivity",
    "View",
    "WaitTimeout",
    "WithdrawalsOff",
    "__version__",
    "call",
    "core_kind",
    "endpoints",
    "explain_signature",
    "run",
]

_HOME = {
    "catalogue": "endpoints",
    "client": "Mexc",
    "core.credentials": "Credentials",
    "core.explain": "SignatureReport explain_signature",
    "core.endpoint": "Auth Cost Endpoint Json Priority Request Resource Route call",
    "core.exposure": "ExposureReport SymbolStake",
    "core.guard_limits": "GuardLimits",
    "core.kind": "core_kind",
    "core.limits": "Limit Limits",
    "core.orders": "OrderFill OrderState",
    "core.retry": "RetryPolicy",
    "core.signing": "Signer",
    "errors": (
        "AccountRestricted ApiError BookNotSynced CallLogFailed ClientClosed ConfigError ConnectFailed ConnectionLost "
        "ExchangeUnavailable GuardRefused InsufficientBalance InvalidKey InvalidParameter InvalidRequest "
        "InvalidSymbol IpBanned IpNotAllowed ListenKeyInvalid MexcError MissingCredentials OrderNotFilled "
        "OrderNotFound OrderNotPlaced OrderRejected OrdersLeftOpen OutcomeUnknown PermissionDenied "
        "ProtocolError RateLimited ReadOnlyError RequestTimeout SignatureRejected StreamOverflow "
        "SubscriptionRefused TimestampRejected TooManyOrders TooManyRequests TradingSuspended "
        "TransferNotMade TransferRejected TransportError WaitTimeout WithdrawalsOff"
    ),
    "keys.key_file": "KeyFile",
    "keys.os_keyring": "OsKeyring",
    "net.accounts": "Accounts Moved",
    "net.alarms": "AlarmSettings",
    "net.call_log": "CallLog",
    "net.hooks": (
        "BadFrame BulkProgress CallLogState ClockFailed ClockSynced KeyAged KeyNotReplaced KeyReplaced ListenKeyFailed "
        "OddItems OrderSettled RequestDone StreamState UnknownFields UnusualActivity"
    ),
    "net.hub": "StreamSettings",
    "net.ledger": "OrderSettings",
    "net.loop": "run",
    "net.pool": "Timeouts",
    "net.tracked_order": "TrackedOrder",
    "spot.enums": "OrderStatus OrderType Side",
    "spot.prepared": "PreparedOrder PresignedOrder",
    "spot.trading": "NewOrder",
    "view": "RawView View",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
