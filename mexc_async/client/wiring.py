"""Wiring of a client, top down: each part gets its collaborators by its constructor, and none changes later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct

from mexc_async.accounts.transfers import Transfers
from mexc_async.books.live_book import Books
from mexc_async.call_log.client_log import ClientLog
from mexc_async.call_log.log import CallLog
from mexc_async.client.channel import Calls, Handler
from mexc_async.client.orders import Orders
from mexc_async.limits.account_limiter import AccountLimiter
from mexc_async.limits.limiter import RateLimiter
from mexc_async.orders.execution import OrderExecution
from mexc_async.orders.halt import TradingHalt
from mexc_async.orders.ids import OrderIds
from mexc_async.orders.reconciler import Reconciler
from mexc_async.orders.table import OrderTable
from mexc_async.orders.tracker import OrderSettings, OrderTracker
from mexc_async.rest.call import Options
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.pipeline import Api
from mexc_async.rest.retry import RetryPolicy
from mexc_async.rest.server_clock import ServerClock
from mexc_async.risk.alarms import Alarms, AlarmSettings
from mexc_async.risk.exposure_counter import ExposureCounter
from mexc_async.risk.guard import OrderGuard
from mexc_async.runtime.hooks import Hooks
from mexc_async.runtime.tasks import Tasks
from mexc_async.schema.endpoint import Request
from mexc_async.spot.account import MyTradesQuery
from mexc_async.spot.broker import BrokerUniversalTransfer
from mexc_async.spot.subaccounts import SubUniversalTransfer
from mexc_async.spot.trading import (
    AllOrdersQuery,
    BatchOrders,
    CancelOpenOrders,
    CancelOrder,
    NewOrder,
    OpenOrdersQuery,
    OrderQuery,
    TestOrder,
)
from mexc_async.spot.wallet import InternalTransferRequest, UniversalTransfer, Withdraw, WithdrawApply
from mexc_async.streams.live_balances import LiveBalances
from mexc_async.streams.router import Router, StreamSettings
from mexc_async.streams.user_stream import UserStream
from mexc_async.streams.websocket import Connect, SocketConfig, connect
from mexc_async.transport.transport import Transport
from mexc_async.transport.urls import ExchangeUrls


class Policy(Struct, frozen=True, kw_only=True):
    """Permissions and behaviour of a client; see `Mexc` for each."""

    credentials: Credentials | None = None
    options: Options = Options()
    retry: RetryPolicy = RetryPolicy()
    guide_paths: bool = False
    read_only: bool = False
    allow_withdraw: bool = False
    orders: OrderSettings = OrderSettings()
    alarms: AlarmSettings = AlarmSettings()
    streams: StreamSettings = StreamSettings()
    connections: int = 8


class Parts(Struct, frozen=True, kw_only=True):
    """Parts of a client."""

    tasks: Tasks
    hooks: Hooks
    log: ClientLog | None
    alarms: Alarms
    api: Api
    tracker: OrderTracker
    router: Router
    books: Books
    balances: LiveBalances
    orders: Orders
    calls: Calls


def wire(
    policy: Policy,
    transport: Transport,
    limiter: RateLimiter | AccountLimiter,
    *,
    order_transport: Transport | None,
    urls: ExchangeUrls,
    socket: SocketConfig,
    call_log: CallLog | None,
    hooks: Hooks,
    connect: Connect = connect,
    guard_books: Books | None = None,
    start: Callable[[], Awaitable[None]] | None = None,
    held: object = None,
) -> Parts:
    """Build the parts of one client. Raises ConfigError.

    `guard_books` are the books that orders are checked against, if they are not the client's own. `start` opens the
    client, before its first request. Whatever a user may hold of the client refers to `held`. Time and random numbers
    come from the limiter's clock, which the transports must share.
    """
    credentials, local = policy.credentials, limiter.clock
    tasks, clock, halt, ids = Tasks(), ServerClock(local), TradingHalt(), OrderIds(policy.orders.id_prefix, local)
    table = OrderTable(policy.orders.keep_s)
    log = None
    if call_log is not None and credentials is not None:
        log = ClientLog(call_log, credentials, ids.prefix, clock, hooks)
    alarms = Alarms(
        policy.alarms,
        table=table,
        is_own_id=ids.makes,
        limiter=limiter,
        clock=clock,
        halt=halt,
        recorder=log,
        hooks=hooks,
        tasks=tasks,
    )
    api = Api(
        transport,
        limiter,
        order_transport=order_transport,
        credentials=credentials,
        tasks=tasks,
        hooks=hooks,
        retry=policy.retry,
        clock=clock,
        recorder=log,
        on_rate_refused=alarms.on_rate_refused,
        most_warm=policy.connections,
        guide_paths=policy.guide_paths,
        read_only=policy.read_only,
        allow_withdraw=policy.allow_withdraw,
        start=start,
    )
    exposure = ExposureCounter(api, table)
    tracker = OrderTracker(
        api,
        table,
        policy.orders,
        recorder=log,
        observers=(exposure.changed,),
        on_foreign=alarms.on_foreign,
    )

    def user_stream_of(router: Router) -> UserStream:
        return UserStream(api, router, read=tracker.read, ordered=lambda: {order.symbol for order in table})

    async def use_streams() -> None:
        await api.open()
        api.clock_sync.start()  # a push's age is measured by the exchange's clock

    router = Router(
        urls,
        socket,
        policy.streams,
        tasks=tasks,
        hooks=hooks,
        clock=clock,
        on_use=use_streams,
        outages=api.outages,
        private=None if credentials is None else user_stream_of,
        on_private_push=tracker.on_push,
        connect=connect,
    )
    books = Books(api, router, held)
    guard = OrderGuard(api, exposure, guard_books or books)
    reconciler = Reconciler(api, tracker, router)
    execution = OrderExecution(api, tracker, ids, halt, guard, reconciler, check_rules=policy.orders.check_rules)
    transfers = Transfers(api, ids, policy.orders)
    handlers = handlers_of(execution, tracker, transfers)
    calls = Calls(api, handlers, execution.start, execution.sign_ahead, ids.next, held)
    return Parts(
        tasks=tasks,
        hooks=hooks,
        log=log,
        alarms=alarms,
        api=api,
        tracker=tracker,
        router=router,
        books=books,
        balances=LiveBalances(api, router),
        orders=Orders(api, execution, reconciler, policy.options, guard, log, held),
        calls=calls,
    )


def handlers_of(
    execution: OrderExecution, tracker: OrderTracker, transfers: Transfers
) -> Mapping[type[Request[Any]], Handler]:
    """Return the handlers of requests that need more than being sent; all others go straight to the pipeline."""
    return {
        NewOrder: execution.place,
        TestOrder: execution.test,
        BatchOrders: execution.place_batch,
        CancelOrder: execution.cancel,
        OrderQuery: tracker.read,
        OpenOrdersQuery: tracker.read,
        AllOrdersQuery: tracker.read,
        MyTradesQuery: tracker.read,
        CancelOpenOrders: tracker.read,
        UniversalTransfer: transfers.transfer,
        SubUniversalTransfer: transfers.transfer,
        BrokerUniversalTransfer: transfers.transfer,
        InternalTransferRequest: transfers.transfer,
        Withdraw: transfers.withdraw,
        WithdrawApply: transfers.withdraw,
    }
