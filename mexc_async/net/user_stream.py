"""The private stream: one listen key leased for all of it, kept alive, replaced; and gaps filled from REST.

Every fill reaches a consumer exactly once: pushes and what REST tells after a gap pass the same sieve, keyed by id.
"""

from __future__ import annotations

import asyncio
import random
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from mexc_async.core.user_state import UserState
from mexc_async.errors import ClientClosed, ListenKeyInvalid, MexcError, OrderNotFound
from mexc_async.net.api import Api, Options
from mexc_async.net.hooks import Hooks, ListenKeyFailed, StreamState, logger
from mexc_async.net.hub import Hub
from mexc_async.net.tasks import Tasks
from mexc_async.spot.account import AccountQuery, MyTradesQuery
from mexc_async.spot.channels import ACCOUNT, FILLS, ORDERS
from mexc_async.spot.enums import Side
from mexc_async.spot.models import Fill, Order
from mexc_async.spot.push import Push
from mexc_async.spot.push_models import BalanceChange, FillPush, OrderPush
from mexc_async.spot.trading import AllOrdersQuery, OpenOrdersQuery, OrderQuery
from mexc_async.spot.user_stream import CloseListenKey, CreateListenKey, KeepAliveListenKey

KEEPALIVE_S = (25 * 60.0, 30 * 60.0)
"""A key lasts 60 minutes from its last renewal."""
RETRY_S = 15.0
"""Between attempts to renew a key, while it still lasts."""
MARGIN_MS = 5_000
"""How far the look-up after a gap reaches back before it: REST cuts times to seconds, and the socket died unnoticed."""
ATTEMPTS = 8
"""Look-ups until the fills of every order add up; REST's fills may lag behind its orders."""
GRACE_S = 1.0
"""How long a fill's push may come after that of its order before REST is asked for it."""
SNAPSHOT = "SNAPSHOT"
"""`type` of a balance that REST told after a gap."""


class UserStream:
    """What stands behind `mexc.streams.account`, `.fills` and `.orders`."""

    def __init__(self, api: Api, hub: Hub, tasks: Tasks, hooks: Hooks) -> None:
        self._api = api
        self._hub = hub
        self._tasks = tasks
        self._hooks = hooks
        self._key: str | None = None
        self._is_stale = False
        """Whether the socket that used the key was lost, the key perhaps with it."""
        self._is_closed = False
        self._renewing: asyncio.Task[None] | None = None
        self._filling: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[None] | None = None
        self._suspects: set[str] = set()
        """Orders of which fills seem to be missing."""
        self._state: UserState | None = None
        self._balances: dict[str, tuple[str, str]] = {}
        self._pushed: set[str] = set()
        """Assets whose balance was pushed since it was cleared."""
        self._heard_ms = 0
        self._unfilled_ms: int | None = None
        """When the oldest gap began that REST has not filled yet."""
        hub.private = self

    # The listen key

    async def url(self) -> str:
        """The private URL, with a key that is in force. Raises MexcError if none can be had."""
        if self._is_closed:
            raise ClientClosed("the client is closed")
        if self._key is None or self._is_stale:
            old = self._key
            answer = await self._api.send(CreateListenKey(), Options())
            self._key, self._is_stale = answer.listen_key, False
            if old is not None and old != self._key:  # it would count against the account's limit for an hour
                self._tasks.spawn(self._close(old))
            if self._renewing is None or self._renewing.done():
                self._renewing = self._tasks.spawn(self._renew())
        return f"{self._hub.url}?listenKey={quote(self._key, safe='')}"

    async def _renew(self) -> None:
        """Keep the key alive; a failure is reported and tried again, a key that ran out is replaced."""
        pause_s = random.uniform(*KEEPALIVE_S)  # noqa: S311 - spreads renewals, protects nothing
        while True:
            await asyncio.sleep(pause_s)
            pause_s = random.uniform(*KEEPALIVE_S)  # noqa: S311 - as above
            key = self._key
            if key is None:
                continue
            try:
                await self._api.send(KeepAliveListenKey(listen_key=key), Options())
            except ClientClosed:
                return
            except ListenKeyInvalid as error:
                self._report(error)
                if self._key == key:
                    self.forget_key()
            except MexcError as error:
                self._report(error)
                pause_s = RETRY_S

    def _report(self, error: MexcError) -> None:
        logger.warning("the listen key was not renewed: %s", error)
        self._hooks.emit(ListenKeyFailed(error))

    def forget_key(self) -> None:
        """The key is no good: take a new one with a new socket."""
        self._key = None
        self._hub.reconnect_private()

    # What the socket tells

    def on_connected(self, is_first: bool) -> None:
        """Every private channel is subscribed: what is missing from before can be looked up without a new gap."""
        self._is_stale = False
        if is_first or self._state is None:
            self._state = UserState(self._hub.now_ms())
            self._heard_ms = self._state.since_ms
            self._unfilled_ms = None
        elif self._unfilled_ms is not None:
            self._filling = self._tasks.spawn(self._fill_gaps())

    def on_lost(self) -> None:
        """The private socket is gone, and perhaps its key with it: the next socket gets another."""
        self._is_stale = True
        self._note_gap()
        if self._filling is not None:
            self._filling.cancel()

    def on_bad_frame(self) -> None:
        """A private push could not be understood: what it told is looked up."""
        if self._state is not None:
            self._note_gap()
            if self._filling is None or self._filling.done():
                self._filling = self._tasks.spawn(self._fill_gaps())

    def _note_gap(self) -> None:
        if self._unfilled_ms is None:
            self._unfilled_ms = self._heard_ms - MARGIN_MS

    def is_news(self, push: Push[Any]) -> bool:
        """Whether consumers are to get this push: a fill only once, an order never back to an older state."""
        self._heard_ms = push.send_time or self._hub.now_ms()
        state, body = self._state, push.body
        if state is None:
            return True
        if isinstance(body, FillPush):
            return state.fill(body.trade_id, body.order_id, push.symbol or "", body.quantity)
        if isinstance(body, OrderPush):
            executed = body.executed_quantity or Decimal(0)
            symbol, is_open = push.symbol or "", body.status.is_open
            is_news = state.order(body.order_id, symbol, executed, is_open, body.create_time, body)
            if state.lacking([body.order_id]) and self._hub.is_consumed(FILLS):
                self._suspects.add(body.order_id)
                if self._checking is None or self._checking.done():
                    self._checking = self._tasks.spawn(self._check_suspects())
            return is_news
        if isinstance(body, BalanceChange):
            self._balances[body.asset] = (body.free_text, body.locked_text)
            self._pushed.add(body.asset)
        return True

    # After a gap

    async def _check_suspects(self) -> None:
        """Let late fills come; those that do not were lost."""
        await asyncio.sleep(GRACE_S)
        suspects, self._suspects = self._suspects, set()
        if self._state is not None and self._state.lacking(suspects):
            self.on_bad_frame()

    async def _fill_gaps(self) -> None:
        """Ask REST what the stream missed, until the fills of every order add up and no further gap came meanwhile."""
        lacking: list[str] = []
        attempt = 0
        while (since_ms := self._unfilled_ms) is not None:
            self._unfilled_ms = None
            is_done = False
            try:
                lacking = await self._look_up(since_ms)
                is_done = not lacking
            except ClientClosed:
                return
            except MexcError as error:
                logger.warning("what the private stream missed could not be looked up: %s", error)
            finally:
                if not is_done:
                    self._unfilled_ms = since_ms
            if is_done:
                continue
            attempt += 1
            if attempt == ATTEMPTS:
                self._unfilled_ms = None
                reason = f"fills of {', '.join(lacking[:5])} are missing" if lacking else "REST did not answer"
                self._hooks.emit(StreamState("gap", (FILLS,), reason))
                return
            await asyncio.sleep(0.1 * 2.0**attempt)
        self._hooks.emit(StreamState("filled", (ACCOUNT, FILLS, ORDERS)))

    async def _look_up(self, since_ms: int) -> list[str]:
        """One pass; returns the orders whose fills do not add up yet."""
        state, api, options = self._state, self._api, Options()
        assert state is not None
        before = dict(state.believed_open())
        open_orders = await api.send(OpenOrdersQuery(), options)
        touched = [self._tell_order(order) for order in open_orders]
        for order_id in before.keys() - {order.order_id for order in open_orders}:
            try:
                order = await api.send(OrderQuery(symbol=before[order_id], order_id=order_id), options)
            except OrderNotFound:
                continue
            touched.append(self._tell_order(order))
        start_time = max(since_ms, 0)
        for symbol in sorted(state.symbols()):
            recent = await api.send(AllOrdersQuery(symbol=symbol, start_time=start_time, limit=1000), options)
            touched += [self._tell_order(order) for order in recent]  # made and ended unseen
            fills = await api.send(MyTradesQuery(symbol=symbol, start_time=start_time, limit=1000), options)
            for fill in reversed(fills):  # REST has the newest first
                self._tell_fill(fill)
        self._pushed.clear()
        account = await api.send(AccountQuery(), options)
        for balance in account.balances:
            if balance.asset not in self._pushed:  # a push that came meanwhile may be newer than this answer
                self._tell_balance(balance.asset, balance.free, balance.locked)
        return state.lacking(touched) if self._hub.is_consumed(FILLS) else []

    def _tell_order(self, order: Order) -> str:
        assert self._state is not None
        is_open = order.status.is_open
        if self._state.order(order.order_id, order.symbol, order.executed_quantity, is_open, order.time):
            self._hub.tell(ORDERS, order.symbol, _order_push(order))
        return order.order_id

    def _tell_fill(self, fill: Fill) -> None:
        assert self._state is not None
        if self._state.fill(fill.id, fill.order_id, fill.symbol, fill.quantity):
            self._hub.tell(FILLS, fill.symbol, _fill_push(fill))

    def _tell_balance(self, asset: str, free: Decimal, locked: Decimal) -> None:
        old = self._balances.get(asset)
        if old is not None and (Decimal(old[0]), Decimal(old[1])) == (free, locked):
            return
        self._balances[asset] = (f"{free:f}", f"{locked:f}")
        was_free, was_locked = (Decimal(old[0]), Decimal(old[1])) if old else (free, locked)
        change = BalanceChange(
            asset=asset,
            free_text=f"{free:f}",
            free_change_text=f"{free - was_free:f}",
            locked_text=f"{locked:f}",
            locked_change_text=f"{locked - was_locked:f}",
            type=SNAPSHOT,
            time=self._hub.now_ms(),
        )
        self._hub.tell(ACCOUNT, None, change)

    async def aclose(self) -> None:
        """End the key, if the exchange can be told; idempotent."""
        self._is_closed = True
        key, self._key = self._key, None
        if self._renewing is not None:
            self._renewing.cancel()
        if key is not None:
            await self._close(key)

    async def _close(self, key: str) -> None:
        try:
            await self._api.send(CloseListenKey(listen_key=key), Options(timeout_s=2.0, max_wait_s=1.0))
        except MexcError as error:
            logger.info("a listen key was not closed and will run out by itself: %s", type(error).__name__)


def _order_push(order: Order) -> OrderPush:
    remaining = None if order.quantity is None else order.quantity - order.executed_quantity
    return OrderPush(
        order_id=order.order_id,
        status=order.status,
        type=order.type,
        side=order.side,
        create_time=order.time,
        client_order_id=order.client_order_id or "",
        price_text=_text(order.price),
        quantity_text=_text(order.quantity),
        average_price_text=_text(order.average_price),
        remaining_quantity_text=_text(remaining),
        executed_quantity_text=_text(order.executed_quantity),
        executed_quote_quantity_text=_text(order.executed_quote_quantity),
    )


def _fill_push(fill: Fill) -> FillPush:
    return FillPush(
        price_text=_text(fill.price),
        quantity_text=_text(fill.quantity),
        quote_quantity_text=_text(fill.quote_quantity),
        side=Side.BUY if fill.is_buyer else Side.SELL,
        trade_id=fill.id,
        order_id=fill.order_id,
        time=fill.time,
        is_maker=fill.is_maker,
        is_self_trade=bool(fill.is_self_trade),
        client_order_id=fill.client_order_id or "",
        commission_text=_text(fill.commission),
        commission_asset=fill.commission_asset,
    )


def _text(number: Decimal | None) -> str:
    return "" if number is None else f"{number:f}"
