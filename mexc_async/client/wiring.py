"""How the larger parts of a client are put together around its pipeline; `Mexc` owns what is made here."""

from __future__ import annotations

from mexc_async.accounts.transfers import MoneyDesk
from mexc_async.books.live_book import Books
from mexc_async.call_log.client_log import Journal
from mexc_async.call_log.log import CallLog
from mexc_async.orders.execution import OrderDesk
from mexc_async.orders.ids import OrderIds
from mexc_async.orders.orders import Orders
from mexc_async.orders.reconciler import OrderFollower
from mexc_async.orders.tracker import OrderLedger, OrderSettings
from mexc_async.rest.call import Options
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.pipeline import Api
from mexc_async.risk.guard import OrderGuard
from mexc_async.streams.router import Hub, StreamSettings
from mexc_async.streams.user_stream import UserStream
from mexc_async.streams.websocket import Library, SocketConfig
from mexc_async.transport.pool import PoolConfig
from mexc_async.transport.urls import proxy_for, stream_beside


def wire_hub(api: Api, config: PoolConfig, ws: str | None, streams: StreamSettings, library: Library) -> Hub:
    """What push streams share: sockets that reach the exchange as its REST API is reached. Raises ConfigError."""
    url = stream_beside(config.rest, ws)
    route = None if url is None else proxy_for(url, config.proxy, config.trust_env)
    return Hub(
        url,
        SocketConfig(proxy=route, tls=config.tls, library=library, connect_s=config.timeouts.connect_s),
        streams,
        tasks=api.tasks,
        hooks=api.hooks,
        server_ms=api.clock.server_ms,
        on_use=api.clock.start,  # a push's age is told by the exchange's clock
    )


def wire_orders(
    api: Api, hub: Hub, books: Books, options: Options, settings: OrderSettings, prefix: str, check_rules: bool
) -> Orders:
    """What orders pass, and what follows them; transfers and withdrawals are looked after too. Raises ConfigError."""
    ids = OrderIds(prefix)
    desk = OrderDesk(api, OrderLedger(api, settings), ids, check_rules=check_rules)
    MoneyDesk(api, ids, settings)
    guard = OrderGuard(desk, books)
    return Orders(api, desk, OrderFollower(api, desk, hub, guard), options, guard)


def wire_journal(api: Api, orders: Orders, log: CallLog, credentials: Credentials) -> None:
    """Have every private call and push written."""
    desk = orders.desk
    api.journal = desk.ledger.journal = Journal(log, credentials, desk.ids.prefix, api.clock.now_ms, api.hooks)


def wire_user_stream(api: Api, hub: Hub, orders: Orders) -> UserStream:
    """The private stream; after a gap it looks at the symbols of this client's orders."""
    table = orders.desk.ledger.table
    return UserStream(api, hub, api.tasks, api.hooks, lambda: {order.symbol for order in table})
