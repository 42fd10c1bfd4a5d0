"""The private stream: one listen key leased for all of it, kept alive, replaced; and gaps filled from REST.

Every fill reaches a consumer exactly once: pushes and what REST tells after a gap pass the same sieve, keyed by id.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from mexc_async.errors import ClientClosed, ListenKeyInvalid, MexcError, OrderNotFound
from mexc_async.rest.call import Options
from mexc_async.rest.pipeline import Api
from mexc_async.runtime.log import logger
from mexc_async.schema.endpoint import Request
from mexc_async.spot.account import AccountQuery, MyTradesQuery
from mexc_async.spot.channels import ACCOUNT, FILLS, ORDERS
from mexc_async.spot.models import Fill, Order
from mexc_async.spot.push import Push
from mexc_async.spot.push_models import BalanceChange, FillPush, OrderPush
from mexc_async.spot.trading import AllOrdersQuery, OpenOrdersQuery, OrderQuery
from mexc_async.spot.user_stream import CloseListenKey, CreateListenKey, KeepAliveListenKey
from mexc_async.streams.events import ListenKeyFailed, StreamState
from mexc_async.streams.rest_backfill import fill_push, order_push
from mexc_async.streams.router import Router
from mexc_async.streams.user_state import Balances, Movement, UserState, between

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
MOST_SUSPECTS = 10
"""Symbols that are looked at after a gap only because both of their assets moved in it; each costs a weight of 20."""
SNAPSHOT = "SNAPSHOT"
"""`type` of a balance that REST told after a gap."""


_CLOSING = Options(timeout_s=2.0, max_wait_s=1.0, repeat=False)
"""A key that is not closed runs out by itself: closing must not hold a client up that ends."""


class UserStream:
    """What stands behind `mexc.streams.account`, `.fills` and `.orders`."""

    def __init__(
        self,
        api: Api,
        router: Router,
        *,
        read: Callable[[Request[Any], Options], Awaitable[Any]],
        ordered: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """Set up the stream.

        Args:
            api: the request pipeline.
            router: what connects the private socket, and gets what REST answers after a gap.
            read: carries out requests on orders and fills.
            ordered: gives the symbols in which this client has sent orders lately.
        """
        self._api = api
        self._read = read
        self._ordered = ordered
        self._router = router
        self._tasks = api.tasks
        self._hooks = api.hooks
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
        self._balances = Balances()
        self._reading: asyncio.Task[None] | None = None
        self._heard_ms = 0
        self._unfilled_ms: int | None = None
        """When the oldest gap began that REST has not filled yet."""

    # The listen key

    async def url(self) -> str:
        """The private URL, with a key that is in force. Raises MexcError if none can be had."""
        if self._is_closed:
            raise ClientClosed("the client is closed")
        if self._key is None or self._is_stale:
            old = self._key
            signer = None
            while signer is not self._api.credentials:  # unless the API key was replaced meanwhile
                signer = self._api.credentials
                answer = await self._api.deliver(CreateListenKey(), Options())
            self._key, self._is_stale = answer.listen_key, False
            if old is not None and old != self._key:  # it would count against the account's limit for an hour
                self._tasks.spawn(self._close(old))
            if self._renewing is None or self._renewing.done():
                self._renewing = self._tasks.spawn(self._renew())
        return f"{self._router.url}?listenKey={quote(self._key, safe='')}"

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
                await self._api.deliver(KeepAliveListenKey(listen_key=key), Options())
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
        self._router.reconnect_private()

    def replace_key(self, former: Api) -> None:
        """The API key was replaced: its listen key is closed with it, and a new one comes with a new socket."""
        key = self._key
        if key is not None and not self._is_closed:
            self.forget_key()
            self._tasks.spawn(self._close(key, former))

    # What the socket tells

    def on_connected(self, is_first: bool) -> None:
        """Every private channel is subscribed: what is missing from before can be looked up without a new gap."""
        self._is_stale = False
        if is_first or self._state is None:
            self._state = UserState(self._router.now_ms())
            self._heard_ms = self._state.since_ms
            self._unfilled_ms = None
            self._balances = Balances()
            self._reading = self._tasks.spawn(self._read_balances())
        elif self._unfilled_ms is not None:
            self._filling = self._tasks.spawn(self._fill_gaps())

    def on_lost(self) -> None:
        """The private socket is gone, and perhaps its key with it: the next socket gets another."""
        self._is_stale = True
        self._note_gap()
        for task in (self._filling, self._reading):
            if task is not None:
                self._tasks.cancel(task)

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
        self._heard_ms = push.send_time or self._router.now_ms()
        state, body = self._state, push.body
        if state is None:
            return True
        if isinstance(body, FillPush):
            return state.fill(body.trade_id, body.order_id, push.symbol or "", body.quantity)
        if isinstance(body, OrderPush):
            executed = body.executed_quantity or Decimal(0)
            symbol, is_open = push.symbol or "", body.status.is_open
            is_news = state.order(body.order_id, symbol, executed, is_open, body.create_time, body)
            if state.lacking([body.order_id]) and self._router.is_consumed(FILLS):
                self._suspects.add(body.order_id)
                if self._checking is None or self._checking.done():
                    self._checking = self._tasks.spawn(self._check_suspects())
            return is_news
        if isinstance(body, BalanceChange):
            self._balances.push(body.asset, body.free, body.locked)
        return True

    async def _read_balances(self) -> None:
        """What the account holds as the stream begins: what differs after a gap was moved in it."""
        self._balances.begin()
        try:
            self._balances.start(*await self._account())
        except ClientClosed:
            return
        except MexcError as error:
            logger.info("the account could not be read as its stream began: %s", error)

    async def _account(self) -> tuple[dict[str, tuple[Decimal, Decimal]], bool]:
        """Return what the account holds, and whether that is all of it."""
        account = await self._api.deliver(AccountQuery(), Options())
        shown = {balance.asset: (balance.free, balance.locked) for balance in account.balances}
        return shown, not account.balances_left_out

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
        if self._reading is not None:
            await asyncio.wait([self._reading])
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
                self._balances.moved.clear()
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
        state, options = self._state, Options()
        assert state is not None
        self._balances.begin()
        for movement in self._balances.look(*await self._account()):
            self._tell_balance(movement)
        before = dict(state.believed_open())
        open_orders = await self._read(OpenOrdersQuery(), options)
        touched = [self._tell_order(order) for order in open_orders]
        for order_id in before.keys() - {order.order_id for order in open_orders}:
            try:
                order = await self._read(OrderQuery(symbol=before[order_id], order_id=order_id), options)
            except OrderNotFound:
                continue
            touched.append(self._tell_order(order))
        start_time = max(since_ms, 0)
        for symbol in await self._symbols(state):
            recent = await self._read(AllOrdersQuery(symbol=symbol, start_time=start_time, limit=1000), options)
            touched += [self._tell_order(order) for order in recent]  # made and ended unseen
            fills = await self._read(MyTradesQuery(symbol=symbol, start_time=start_time, limit=1000), options)
            for fill in reversed(fills):  # REST has the newest first
                self._tell_fill(fill)
        return state.lacking(touched) if self._router.is_consumed(FILLS) else []

    async def _symbols(self, state: UserState) -> list[str]:
        """Where something may have happened, the likeliest first: REST tells of orders and fills by symbol only.

        Beside those seen on the stream, these are symbols in which this client has sent orders, and those between two
        assets that both were moved in the gap, which somebody else's order may have done.
        """
        seen, ordered, moved = state.symbols(), set(self._ordered()), self._balances.moved
        suspects: list[str] = []
        if len(moved) > 1:
            try:
                if self._api.rules.age_s is None:
                    await self._api.rules.load()
            except ClientClosed:
                raise
            except MexcError as error:
                logger.warning("which symbols a gap in the private stream touched is not known: %s", error)
            else:
                listed = [self._api.rules(symbol).info for symbol in self._api.rules.symbols]
                markets = {info.symbol: (info.base, info.quote) for info in listed}
                suspects = between(moved, markets, seen | ordered)[:MOST_SUSPECTS]
        return [*suspects, *sorted(ordered), *sorted(seen - ordered)]

    def _tell_order(self, order: Order) -> str:
        assert self._state is not None
        is_open = order.status.is_open
        if self._state.order(order.order_id, order.symbol, order.executed_quantity, is_open, order.time):
            self._router.publish(ORDERS, order.symbol, order_push(order))
        return order.order_id

    def _tell_fill(self, fill: Fill) -> None:
        assert self._state is not None
        if self._state.fill(fill.id, fill.order_id, fill.symbol, fill.quantity):
            self._router.publish(FILLS, fill.symbol, fill_push(fill))

    def _tell_balance(self, movement: Movement) -> None:
        change = BalanceChange(
            asset=movement.asset,
            free_text=f"{movement.free:f}",
            free_change_text=f"{movement.free_change:f}",
            locked_text=f"{movement.locked:f}",
            locked_change_text=f"{movement.locked_change:f}",
            type=SNAPSHOT,
            time=self._router.now_ms(),
        )
        self._router.publish(ACCOUNT, None, change)

    async def aclose(self) -> None:
        """End the key, if the exchange can be told; idempotent."""
        self._is_closed = True
        key, self._key = self._key, None
        if self._renewing is not None:
            self._tasks.cancel(self._renewing)
        if key is not None:
            await self._close(key)

    async def _close(self, key: str, api: Api | None = None) -> None:
        try:
            await (api or self._api).deliver(CloseListenKey(listen_key=key), _CLOSING)
        except MexcError as error:
            logger.info("a listen key was not closed and will run out by itself: %s", type(error).__name__)
