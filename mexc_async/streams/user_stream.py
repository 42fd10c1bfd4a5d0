"""The private stream: one listen key, leased, renewed and replaced; gaps filled from REST.

Every fill reaches a consumer exactly once: pushes and REST answers pass the same filter, keyed by id.
"""

from __future__ import annotations

import asyncio
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
from mexc_async.spot.user_stream import CloseListenKey, CreateListenKey, KeepAliveListenKey, ListenKey
from mexc_async.streams.events import ListenKeyFailed, StreamState
from mexc_async.streams.rest_backfill import fill_push, order_push
from mexc_async.streams.router import Router
from mexc_async.streams.user_state import Balances, Movement, UserState, between

KEEPALIVE_S = (25 * 60.0, 30 * 60.0)
"""A listen key lasts 60 minutes from its last renewal."""
RETRY_S = 15.0
"""Pause between attempts to renew a listen key, while it is still valid."""
MARGIN_MS = 5_000
"""Reach of a REST backfill before the gap: REST cuts times to seconds, and the socket died unnoticed."""
ATTEMPTS = 8
"""Most passes until the fills of every order add up; REST's fills may lag behind its orders."""
GRACE_S = 1.0
"""Longest wait for a fill's push after its order's push, before REST is asked for it."""
MOST_SUSPECTS = 10
"""Most symbols that a backfill reads only because both assets changed in the gap; each costs a weight of 20."""
SNAPSHOT = "SNAPSHOT"
"""`type` of a balance from a REST backfill."""


_CLOSING = Options(timeout_s=2.0, max_wait_s=1.0, repeat=False)
"""An unclosed key expires by itself: closing it must not delay a client's end."""


class UserStream:
    """Private stream behind `mexc.streams.account`, `.fills` and `.orders`."""

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
            router: connects the private socket, and gets the pushes of a REST backfill.
            read: carries out requests on orders and fills.
            ordered: returns the symbols in which this client has sent orders lately.
        """
        self._api = api
        self._read = read
        self._ordered = ordered
        self._router = router
        self._tasks = api.tasks
        self._hooks = api.hooks
        self._key: str | None = None
        self._is_stale = False
        """True if the socket that used the key was lost, and perhaps the key with it."""
        self._is_closed = False
        self._renewing: asyncio.Task[None] | None = None
        self._filling: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[None] | None = None
        self._suspects: set[str] = set()
        """Orders that seem to lack fills."""
        self._state: UserState | None = None
        self._balances = Balances()
        self._reading: asyncio.Task[None] | None = None
        self._heard_ms = 0
        self._unfilled_ms: int | None = None
        """Start of the oldest gap that REST has not filled yet."""

    # The listen key

    async def url(self) -> str:
        """Return the private URL, with a valid listen key. Raises MexcError if the exchange grants none."""
        if self._is_closed:
            raise ClientClosed("the client is closed")
        if self._key is None or self._is_stale:
            while True:
                signer = self._api.credentials
                answer: ListenKey = await self._api.deliver(CreateListenKey(), Options())
                if signer is self._api.credentials:  # or else the API key was replaced meanwhile
                    break
            old, self._key, self._is_stale = self._key, answer.listen_key, False
            if old is not None and old != self._key:  # it would count against the account's limit for an hour
                self._tasks.spawn(self._close(old))
            if self._renewing is None or self._renewing.done():
                self._renewing = self._tasks.spawn(self._renew())
        return f"{self._router.url}?listenKey={quote(self._key, safe='')}"

    async def _renew(self) -> None:
        """Renew the key until the end; report and retry a failure, replace a key that has expired."""
        random = self._api.clock.local.random
        pause_s = random.uniform(*KEEPALIVE_S)
        while True:
            await asyncio.sleep(pause_s)
            pause_s = random.uniform(*KEEPALIVE_S)
            if self._key is None:
                continue
            renewal = KeepAliveListenKey(listen_key=self._key)  # which hides the key in its `repr`
            try:
                await self._api.deliver(renewal, Options())
            except ClientClosed:
                return
            except ListenKeyInvalid as error:
                self._report(error)
                if self._key == renewal.listen_key:
                    self.forget_key()
            except MexcError as error:
                self._report(error)
                pause_s = RETRY_S

    def _report(self, error: MexcError) -> None:
        logger.warning("the listen key was not renewed: %s", error)
        self._hooks.emit(ListenKeyFailed(error))

    def forget_key(self) -> None:
        """Take a new key with a new socket: the present one is not valid."""
        self._key = None
        self._router.reconnect_private()

    def replace_key(self, former: Api) -> None:
        """Close the listen key of the replaced API key; a new one comes with a new socket."""
        key = self._key
        if key is not None and not self._is_closed:
            self.forget_key()
            self._tasks.spawn(self._close(key, former))

    # Reports of the socket

    def on_connected(self, is_first: bool) -> None:
        """Start a backfill of earlier gaps: every private channel is subscribed now."""
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
        """Note a gap; the next socket gets another key, for this one may be gone too."""
        self._is_stale = True
        self._note_gap()
        for task in (self._filling, self._reading):
            if task is not None:
                self._tasks.cancel(task)

    def on_bad_frame(self) -> None:
        """Note a gap: a private push could not be understood."""
        if self._state is not None:
            self._note_gap()
            if self._filling is None or self._filling.done():
                self._filling = self._tasks.spawn(self._fill_gaps())

    def _note_gap(self) -> None:
        if self._unfilled_ms is None:
            self._unfilled_ms = self._heard_ms - MARGIN_MS

    def is_news(self, push: Push[Any]) -> bool:
        """Return True if consumers are to get this push: a fill only once, an order never back to an older state."""
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
        """Read the balances as the stream begins: a difference after a gap shows a change in it."""
        self._balances.begin()
        try:
            self._balances.start(*await self._account())
        except ClientClosed:
            return
        except MexcError as error:
            logger.info("the balances could not be read at the stream's start: %s", error)

    async def _account(self) -> tuple[dict[str, tuple[Decimal, Decimal]], bool]:
        """Return the account's balances, and True if they are complete."""
        account = await self._api.deliver(AccountQuery(), Options())
        shown = {balance.asset: (balance.free, balance.locked) for balance in account.balances}
        return shown, not account.balances_left_out

    # After a gap

    async def _check_suspects(self) -> None:
        """Wait for late fills, then ask REST for those that did not come."""
        await asyncio.sleep(GRACE_S)
        suspects, self._suspects = self._suspects, set()
        if self._state is not None and self._state.lacking(suspects):
            self.on_bad_frame()

    async def _fill_gaps(self) -> None:
        """Backfill from REST until the fills of every order add up and no further gap came meanwhile."""
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
                logger.warning("the REST backfill of the private stream failed: %s", error)
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
        """Make one pass; return the orders whose fills do not add up yet."""
        state, options = self._state, Options()
        assert state is not None
        self._balances.begin()
        for movement in self._balances.look(*await self._account()):
            self._publish_balance(movement)
        before = dict(state.believed_open())
        open_orders = await self._read(OpenOrdersQuery(), options)
        touched = [self._publish_order(order) for order in open_orders]
        for order_id in before.keys() - {order.order_id for order in open_orders}:
            try:
                order = await self._read(OrderQuery(symbol=before[order_id], order_id=order_id), options)
            except OrderNotFound:
                continue
            touched.append(self._publish_order(order))
        start_time = max(since_ms, 0)
        for symbol in await self._symbols(state):
            recent = await self._read(AllOrdersQuery(symbol=symbol, start_time=start_time, limit=1000), options)
            touched += [self._publish_order(order) for order in recent]  # placed and ended unseen
            fills = await self._read(MyTradesQuery(symbol=symbol, start_time=start_time, limit=1000), options)
            for fill in reversed(fills):  # REST has the newest first
                self._publish_fill(fill)
        return state.lacking(touched) if self._router.is_consumed(FILLS) else []

    async def _symbols(self, state: UserState) -> list[str]:
        """Return the symbols to read, the likeliest first: REST returns orders and fills by symbol only.

        These are the symbols seen on the stream, those in which this client has sent orders, and those between two
        assets that both changed in the gap, perhaps by another program's order.
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
                logger.warning("the symbols that a gap in the private stream touched are unknown: %s", error)
            else:
                listed = [self._api.rules(symbol).info for symbol in self._api.rules.symbols]
                markets = {info.symbol: (info.base, info.quote) for info in listed}
                suspects = between(moved, markets, seen | ordered)[:MOST_SUSPECTS]
        return [*suspects, *sorted(ordered), *sorted(seen - ordered)]

    def _publish_order(self, order: Order) -> str:
        assert self._state is not None
        is_open = order.status.is_open
        if self._state.order(order.order_id, order.symbol, order.executed_quantity, is_open, order.time):
            self._router.publish(ORDERS, order.symbol, order_push(order))
        return order.order_id

    def _publish_fill(self, fill: Fill) -> None:
        assert self._state is not None
        if self._state.fill(fill.id, fill.order_id, fill.symbol, fill.quantity):
            self._router.publish(FILLS, fill.symbol, fill_push(fill))

    def _publish_balance(self, movement: Movement) -> None:
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
        """Close the listen key, if the exchange can be reached; idempotent."""
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
            logger.info("a listen key was not closed and expires by itself: %s", type(error).__name__)
