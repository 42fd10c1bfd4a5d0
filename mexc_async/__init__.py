"""Asyncio trading SDK for the MEXC exchange, and a simulated exchange to trade on.

    from mexc_async import Mexc

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from importlib import import_module

__version__ = "0.1.0"

TYPE_CHECKING = False  # type checkers read it as True; importing it from typing would take most of the import time

if TYPE_CHECKING:
    from mexc_async import backtest
    from mexc_async.accounts.accounts import Accounts, Moved
    from mexc_async.accounts.events import BulkProgress
    from mexc_async.books.book import OrderBook
    from mexc_async.books.live_book import LiveBook
    from mexc_async.call_log.events import CallLogState
    from mexc_async.call_log.log import CallLog
    from mexc_async.client.catalogue import endpoints
    from mexc_async.client.mexc import Mexc
    from mexc_async.client.settings import NetworkSettings
    from mexc_async.client.sync import SyncMexc
    from mexc_async.client.sync_parts import SyncBook, SyncOrder, SyncStream
    from mexc_async.client.view import RawView, View
    from mexc_async.data import paging
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
        VirtualTimeError,
        WaitTimeout,
        WithdrawalsOff,
        WouldTakeLiquidity,
    )
    from mexc_async.keys.events import KeyAged, KeyNotReplaced, KeyReplaced
    from mexc_async.keys.key_file import KeyFile
    from mexc_async.keys.os_keyring import OsKeyring
    from mexc_async.limits.profiles import Limit, Limits
    from mexc_async.native.fallback import core_kind
    from mexc_async.orders.events import OrderSettled
    from mexc_async.orders.handle import TrackedOrder
    from mexc_async.orders.record import OrderFill, OrderState
    from mexc_async.orders.tracker import OrderSettings
    from mexc_async.rest.credentials import Credentials
    from mexc_async.rest.events import ClockFailed, ClockSynced, OddItems, RequestDone
    from mexc_async.rest.retry import RetryPolicy
    from mexc_async.rest.signature_report import SignatureReport, explain_signature
    from mexc_async.rest.signing import Signer
    from mexc_async.risk.alarms import AlarmSettings
    from mexc_async.risk.events import UnusualActivity
    from mexc_async.risk.exposure import ExposureReport, SymbolExposure, SymbolExposureReport
    from mexc_async.risk.risk_limits import GuardLimits
    from mexc_async.runtime.clock import Clock
    from mexc_async.runtime.runner import run
    from mexc_async.schema.endpoint import Auth, Cost, Endpoint, Json, Priority, Request, Resource, Route, call
    from mexc_async.schema.validation import Amount
    from mexc_async.sim.exchange.accounts import AccountSpec, FeeTier
    from mexc_async.sim.faults.faults import Fault
    from mexc_async.sim.market.latency import Latency
    from mexc_async.sim.market.listing import MarketData
    from mexc_async.sim.market.models import MarketModels
    from mexc_async.sim.rest.background import BackgroundSimulator
    from mexc_async.sim.rest.server import SimConfig, Simulator
    from mexc_async.sim.wallet.back_office import DepositOrder
    from mexc_async.sim.wallet.wallet import WalletRules
    from mexc_async.spot.enums import OrderStatus, OrderType, Side
    from mexc_async.spot.models import Balance
    from mexc_async.spot.prepared import PreparedOrder, PresignedOrder
    from mexc_async.spot.subaccounts import SubUniversalTransfer
    from mexc_async.spot.trading import NewOrder
    from mexc_async.spot.wallet_models import Network
    from mexc_async.streams.events import BadFrame, ListenKeyFailed, StreamState, UnknownFields
    from mexc_async.streams.router import StreamSettings
    from mexc_async.streams.session import Timing
    from mexc_async.streams.streams import Stream
    from mexc_async.transport.config import Timeouts

__all__ = [
    "AccountRestricted",
    "AccountSpec",
    "Accounts",
    "AlarmSettings",
    "Amount",
    "ApiError",
    "Auth",
    "BackgroundSimulator",
    "BadFrame",
    "Balance",
    "BookNotSynced",
    "BulkProgress",
    "CallLog",
    "CallLogFailed",
    "CallLogState",
    "ClientClosed",
    "Clock",
    "ClockFailed",
    "ClockSynced",
    "ConfigError",
    "ConnectFailed",
    "ConnectionLost",
    "Cost",
    "Credentials",
    "DepositOrder",
    "Endpoint",
    "ExchangeUnavailable",
    "ExposureReport",
    "Fault",
    "FeeTier",
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
    "Latency",
    "Limit",
    "Limits",
    "ListenKeyFailed",
    "ListenKeyInvalid",
    "LiveBook",
    "MarketData",
    "MarketModels",
    "Mexc",
    "MexcError",
    "MissingCredentials",
    "Moved",
    "Network",
    "NetworkSettings",
    "NewOrder",
    "OddItems",
    "OrderBook",
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
    "SimConfig",
    "Simulator",
    "Stream",
    "StreamOverflow",
    "StreamSettings",
    "StreamState",
    "SubUniversalTransfer",
    "SubscriptionRefused",
    "SymbolExposure",
    "SymbolExposureReport",
    "SyncBook",
    "SyncMexc",
    "SyncOrder",
    "SyncStream",
    "Timeouts",
    "TimestampRejected",
    "Timing",
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
    "VirtualTimeError",
    "WaitTimeout",
    "WalletRules",
    "WithdrawalsOff",
    "WouldTakeLiquidity",
    "__version__",
    "backtest",
    "call",
    "core_kind",
    "endpoints",
    "explain_signature",
    "paging",
    "run",
]

_HOME = {
    "mexc_async": "backtest",
    "client.catalogue": "endpoints",
    "client.mexc": "Mexc",
    "client.sync": "SyncMexc",
    "client.sync_parts": "SyncBook SyncOrder SyncStream",
    "client.settings": "NetworkSettings",
    "rest.credentials": "Credentials",
    "rest.signature_report": "SignatureReport explain_signature",
    "schema.endpoint": "Auth Cost Endpoint Json Priority Request Resource Route call",
    "schema.validation": "Amount",
    "risk.exposure": "ExposureReport SymbolExposure SymbolExposureReport",
    "risk.risk_limits": "GuardLimits",
    "native.fallback": "core_kind",
    "limits.profiles": "Limit Limits",
    "orders.record": "OrderFill OrderState",
    "rest.retry": "RetryPolicy",
    "rest.signing": "Signer",
    "data": "paging",
    "errors": (
        "AccountRestricted ApiError BookNotSynced CallLogFailed ClientClosed ConfigError ConnectFailed ConnectionLost "
        "ExchangeUnavailable GuardRefused InsufficientBalance InvalidKey InvalidParameter InvalidRequest "
        "InvalidSymbol IpBanned IpNotAllowed ListenKeyInvalid MexcError MissingCredentials OrderNotFilled "
        "OrderNotFound OrderNotPlaced OrderRejected OrdersLeftOpen OutcomeUnknown PermissionDenied "
        "ProtocolError RateLimited ReadOnlyError RequestTimeout SignatureRejected StreamOverflow "
        "SubscriptionRefused TimestampRejected TooManyOrders TooManyRequests TradingSuspended "
        "TransferNotMade TransferRejected TransportError VirtualTimeError WaitTimeout WithdrawalsOff WouldTakeLiquidity"
    ),
    "keys.key_file": "KeyFile",
    "keys.os_keyring": "OsKeyring",
    "accounts.accounts": "Accounts Moved",
    "risk.alarms": "AlarmSettings",
    "call_log.log": "CallLog",
    "rest.events": "RequestDone OddItems ClockSynced ClockFailed",
    "streams.events": "StreamState BadFrame UnknownFields ListenKeyFailed",
    "orders.events": "OrderSettled",
    "accounts.events": "BulkProgress",
    "keys.events": "KeyAged KeyReplaced KeyNotReplaced",
    "call_log.events": "CallLogState",
    "risk.events": "UnusualActivity",
    "streams.router": "StreamSettings",
    "orders.tracker": "OrderSettings",
    "runtime.runner": "run",
    "transport.config": "Timeouts",
    "orders.handle": "TrackedOrder",
    "spot.enums": "OrderStatus OrderType Side",
    "spot.models": "Balance",
    "spot.prepared": "PreparedOrder PresignedOrder",
    "spot.trading": "NewOrder",
    "client.view": "RawView View",
    "books.book": "OrderBook",
    "books.live_book": "LiveBook",
    "runtime.clock": "Clock",
    "sim.exchange.accounts": "AccountSpec FeeTier",
    "sim.faults.faults": "Fault",
    "sim.market.latency": "Latency",
    "sim.market.listing": "MarketData",
    "sim.market.models": "MarketModels",
    "sim.rest.background": "BackgroundSimulator",
    "sim.rest.server": "SimConfig Simulator",
    "sim.wallet.back_office": "DepositOrder",
    "sim.wallet.wallet": "WalletRules",
    "spot.subaccounts": "SubUniversalTransfer",
    "spot.wallet_models": "Network",
    "streams.session": "Timing",
    "streams.streams": "Stream",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}
_PACKAGES = ("mexc_async", "data")
"""Homes of names that are modules themselves."""


def __getattr__(name: str) -> object:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    place = __name__ if module == __name__ else f"{__name__}.{module}"
    value: object = import_module(f"{place}.{name}") if module in _PACKAGES else getattr(import_module(place), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
