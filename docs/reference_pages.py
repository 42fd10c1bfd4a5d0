"""Pages of docs/api/ and the classes and functions on each; the endpoints' pages follow from their declarations."""

from __future__ import annotations

from typing import Any, NamedTuple

import mexc_async
from mexc_async import backtest, errors, paging
from mexc_async.accounts.accounts import Accounts, Moved
from mexc_async.books.book import BookView, OrderBook, Vwap
from mexc_async.books.live_book import Books, LiveBook, LiveBooks
from mexc_async.books.side import BookLevel
from mexc_async.books.sync import SyncCounts, SyncState
from mexc_async.client.orders import Orders
from mexc_async.contrib.keyed_orders import KeyedOrders
from mexc_async.contrib.service import Readiness
from mexc_async.errors import MexcError
from mexc_async.limits.limiter import EndpointUse, LimitReport, LimitUse
from mexc_async.orders.session import OrderSession
from mexc_async.orders.shortcuts import Shortcuts
from mexc_async.rest.server_clock import ServerClock
from mexc_async.risk.exposure import SymbolExposure
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.events import Event
from mexc_async.runtime.hooks import Hooks
from mexc_async.schema.fields import OpenEnum
from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.sim.stream.socket_lifetime import SocketRules
from mexc_async.sim.wallet.back_office import AddressOrder, DepositOrder, FreezeOrder, KeyOrder, WithdrawalOrder
from mexc_async.sim.wallet.wallet import WalletRules
from mexc_async.spot.models import Answer
from mexc_async.spot.push import Push
from mexc_async.spot.push_models import (
    BalanceChange,
    BookTickerBatch,
    BookTickerItem,
    BookTickerPush,
    DepthSnapshot,
    DepthUpdate,
    FillPush,
    KlinePush,
    MiniTicker,
    MiniTickers,
    OrderPush,
    TradePush,
    TradesPush,
)
from mexc_async.spot.rules import SymbolRules
from mexc_async.streams.session import Timing
from mexc_async.streams.streams import Stream, Streams


class Page(NamedTuple):
    """A page, apart from those of endpoints."""

    name: str
    title: str
    summary: str
    introduction: str
    items: tuple[Any, ...]


HIDDEN: dict[str, set[str]] = {
    "TrackedOrders": {
        "cancel", "cancel_each", "changed", "execution", "patient", "replace", "spawn", "table", "using",
    },
    "Orders": {"is_guarded"},
    "OrderSession": {"take"},
    "TrackedOrder": {"record"},
    "Books": {"closed", "first", "again", "has", "in_step", "opened", "rank"},
    "OrderBook": {"apply", "clear", "load"},
    "Hooks": {"emit"},
    "CallLog": {"add", "due", "flushed", "hide", "hold", "is_at", "is_last", "join", "leave", "open", "write_ahead"},
    "ServerClock": {"local"},
    "MexcError": {"at"},
    "GuardLimits": {"changed"},
    "RetryPolicy": {"delay"},
    "SymbolExposure": {"worst_case", "charge", "closes", "fill", "with_one_more"},
    "SymbolRules": {"is_on_steps", "check_steps", "rounded"},
    "OrderParameters": {"query"},
    "Request": {"params", "query"},
    "SubscriptionRefused": {"of"},
}  # fmt: skip
"""Methods and attributes that the package's own parts use, by class."""

COMMON = {"Answer", "Event", "ToDict"}
"""Bases that the introductions describe, not each class."""

CONSTRUCTED = {
    "BackgroundSimulator",
    "CallLog",
    "Clock",
    "Credentials",
    "KeyFile",
    "KeyedOrders",
    "Mexc",
    "OsKeyring",
    "Simulator",
}
"""Classes that a user makes by calling them, apart from those whose fields are their arguments."""

MEANINGS = {
    "address": "Address on the chain.",
    "amount": "Amount of the asset.",
    "api_key": "Access key, the public part of an API key.",
    "ask_price": "Lowest ask.",
    "ask_quantity": "Quantity of the lowest ask.",
    "asks": "Levels of sellers.",
    "asset": "Asset, such as USDT.",
    "average_price": "Average price of the fills.",
    "base": "Base asset.",
    "bid_price": "Highest bid.",
    "bid_quantity": "Quantity of the highest bid.",
    "bids": "Levels of buyers.",
    "client_order_id": "Client order id.",
    "close": "Last price.",
    "close_time": "End of the bar or period.",
    "coin": "Asset, such as USDT.",
    "commission": "Fee.",
    "commission_asset": "Asset of the fee.",
    "create_time": "Time at which it was made.",
    "end_time": "End of the period.",
    "executed_quantity": "Filled so far, in base.",
    "executed_quote_quantity": "Value of what is filled, in quote.",
    "fee": "Fee of the trade.",
    "high": "Highest price.",
    "is_buyer_maker": "True if the taker sold.",
    "is_maker": "True if the account's order was in the book first.",
    "last_price": "Price of the last trade.",
    "limit": "Most rows of the answer.",
    "low": "Lowest price.",
    "maker_commission": "Maker fee, as a ratio.",
    "memo": "Memo or tag, for chains that use one.",
    "message": "Text of the exchange.",
    "msg": "Text of the exchange.",
    "note": "Note of your own.",
    "open": "First price.",
    "open_time": "Start of the bar or period.",
    "order_id": "MEXC's id of the order.",
    "page": "Number of the page, from 1.",
    "price": "Price in quote.",
    "quantity": "Quantity in base.",
    "quote": "Quote asset.",
    "quote_quantity": "Value in quote.",
    "quote_volume": "Volume in quote.",
    "remaining_quantity": "Not filled, in base.",
    "remaining_quote_quantity": "Not filled, in quote.",
    "remark": "Note of your own.",
    "side": "BUY or SELL.",
    "start_time": "Start of the period.",
    "sub_account": "Name of the sub-account.",
    "symbol": "Symbol, such as BTCUSDT.",
    "taker_commission": "Taker fee, as a ratio.",
    "time": "Time of the event.",
    "timestamp": "Time of the answer.",
    "total_records": "Number of rows in all pages.",
    "trade_id": "MEXC's id of the trade.",
    "tran_id": "MEXC's id of the transfer.",
    "uid": "Uid of an account.",
    "update_time": "Time of the last change.",
    "volume": "Volume in base.",
}
"""Meanings of names that have the same one everywhere, for fields without a docstring."""

INTRODUCTION = (
    'Parameters are given by name. An `Amount` is a `Decimal`, an int or exact text such as `"0.001"`; '
    "answers have `Decimal`. Times are integer milliseconds UTC. A field that MEXC may leave out is None "
    "then. The column *at MEXC* has MEXC's name where it is not simply ours in camel case. Each call can be "
    "sent as a value too: `await mexc.send(...)`. [Endpoints](../endpoints.md) has all of them in one table "
    "and says what is checked before sending. Each answer is an [`Answer`](declarations.md#answer). [All "
    "pages](README.md)."
)

INDEX = """# Reference

Every class and function of the public interface, with its types, as the docstrings in the code describe it. For how to
use them see the [documentation](../index.md). `make docs` writes these pages.

{pages}
## Names

{names}
"""


def _errors() -> tuple[type[MexcError], ...]:
    """Return every error, in the order of the source."""
    return tuple(one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, MexcError))


def _exported() -> list[Any]:
    return [getattr(mexc_async, name) for name in mexc_async.__all__]


def _events() -> tuple[type[Event], ...]:
    return tuple(one for one in _exported() if isinstance(one, type) and issubclass(one, Event))


def _others(pages: tuple[Page, ...]) -> tuple[Any, ...]:
    """Return the public classes and functions that no page describes, apart from requests, which their calls do."""
    described = {item for page in pages for item in page.items}
    left = [one for one in _exported() if callable(one) and one not in described]
    return tuple(one for one in left if not (isinstance(one, type) and issubclass(one, mexc_async.Request)))


def _histories() -> tuple[Any, ...]:
    return tuple(
        one
        for name, one in vars(paging).items()
        if callable(one) and not name.startswith("_") and getattr(one, "__module__", "") == paging.__name__
    )


_PAGES = (
    Page(
        "client",
        "The client",
        "`Mexc`, views, several accounts, keys, symbol rules, running a program",
        "`mexc.spot` has a page for each group of calls ([all](README.md)); `mexc.orders` is "
        "[`Orders`](orders.md#orders), `mexc.streams` is [`Streams`](streams.md#streams), `mexc.books` is "
        "[`Books`](books.md#books). "
        "[Concepts](../concepts.md) says which to take.",
        (
            mexc_async.Mexc, mexc_async.View, mexc_async.RawView, Accounts, Moved, SymbolRules, ServerClock,
            mexc_async.run, mexc_async.Credentials, mexc_async.KeyFile, mexc_async.OsKeyring, mexc_async.Signer,
            mexc_async.explain_signature, mexc_async.SignatureReport,
            mexc_async.SyncMexc, mexc_async.SyncStream, mexc_async.SyncBook, mexc_async.SyncOrder,
        ),
    ),
    Page(
        "settings",
        "Settings",
        "every group of settings of `Mexc(...)`, limit profiles, limits of the guard",
        "The arguments of [`Mexc`](client.md#mexc) that are groups: `Mexc(network=NetworkSettings(connections=4))`. "
        "All are values that cannot be changed afterwards, and a wrong one raises ConfigError when it is made.",
        (
            mexc_async.NetworkSettings, mexc_async.Timeouts, mexc_async.RetryPolicy, mexc_async.OrderSettings,
            mexc_async.StreamSettings, Timing, mexc_async.AlarmSettings, mexc_async.CallLog, mexc_async.Limits,
            mexc_async.Limit, LimitReport, LimitUse, EndpointUse, mexc_async.GuardLimits,
        ),
    ),
    Page(
        "orders",
        "Orders",
        "`mexc.orders`, an order and its fills, sessions, prepared orders, exposure",
        "How they work, and what happens without an answer: [orders](../orders.md).",
        (
            Orders, Shortcuts, mexc_async.TrackedOrder, mexc_async.OrderState, mexc_async.OrderFill, OrderSession,
            mexc_async.NewOrder, mexc_async.PreparedOrder, mexc_async.PresignedOrder, mexc_async.ExposureReport,
            mexc_async.SymbolExposureReport, SymbolExposure, KeyedOrders, Readiness,
        ),
    ),
    Page(
        "streams",
        "Streams",
        "`mexc.streams`, a stream, and the fields of every push",
        "How they work: [streams](../streams.md). Numbers are converted at each read; text that is no number raises "
        "ProtocolError then.",
        (
            Streams, Stream, Push, TradesPush, TradePush, DepthUpdate, DepthSnapshot, BookTickerPush, BookTickerBatch,
            BookTickerItem, KlinePush, MiniTicker, MiniTickers, BalanceChange, FillPush, OrderPush,
        ),
    ),
    Page(
        "books",
        "Books",
        "`mexc.books`, a live book, and everything that can be read from it",
        "How they work: [live books](../streams.md#live-books).",
        (Books, LiveBook, LiveBooks, BookView, OrderBook, BookLevel, Vwap, SyncState, SyncCounts),
    ),
    Page(
        "errors",
        "Errors",
        "every error, its attributes, MEXC's codes and the advice",
        "As a tree, with examples: [errors](../errors.md).",
        _errors(),
    ),
    Page(
        "events",
        "Events",
        "what `mexc.hooks` reports",
        "`mexc.hooks.add(listener)` calls `listener(event)` with each. Import them from `mexc_async`.",
        (Hooks, Event, *_events()),
    ),
    Page(
        "histories",
        "Histories",
        "`paging`: complete histories, page by page",
        "`from mexc_async import paging`. How they work: [histories](../history.md).",
        _histories(),
    ),
    Page(
        "backtest",
        "Back-tests",
        "`backtest`: a strategy on recorded data or on the simulator, and its result",
        "`from mexc_async import backtest`. A strategy is a function `async def main(mexc, **parameters)`.",
        tuple(getattr(backtest, name) for name in sorted(backtest.__all__, key=lambda name: (name[0].isupper(), name))),
    ),
    Page(
        "simulator",
        "The simulator",
        "the simulated exchange in a program or test, its settings, accounts, faults and clock",
        "How it works: [the simulator](../simulator.md). [`Mexc.sim`](client.md#mexcsim) is all "
        "that most programs need.",
        (
            BackgroundSimulator, Simulator, SimConfig, AccountSpec, Fault, SocketRules, WalletRules, DepositOrder,
            WithdrawalOrder, AddressOrder, KeyOrder, FreezeOrder, Clock, mexc_async.Latency,
        ),
    ),
    Page(
        "declarations",
        "Declarations",
        "sides, order types and states; how an endpoint is declared",
        "The words of orders, and the parts of which endpoints are made, for endpoints of your own. `Json` is an "
        "answer that was not decoded: dict, list, str, int, Decimal, bool or None.",
        (
            mexc_async.Side, mexc_async.OrderType, mexc_async.OrderStatus, OpenEnum, Answer, mexc_async.Request,
            mexc_async.Route, mexc_async.Cost, mexc_async.Auth, mexc_async.Priority, mexc_async.Endpoint,
            mexc_async.endpoints, mexc_async.Resource, mexc_async.call,
        ),
    ),
)  # fmt: skip
_LEFT = _others(_PAGES)
PAGES = (*_PAGES, *([Page("others", "Others", "what no other page describes", "", _LEFT)] if _LEFT else []))
