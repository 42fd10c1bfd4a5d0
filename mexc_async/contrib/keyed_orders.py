"""Orders under a caller's key: the same key gives the same order, also after a time-out, a cancellation or a restart.

The key becomes the client order id, so that the exchange itself remembers which keys were used.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from contextlib import suppress
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from mexc_async.client import Mexc
from mexc_async.core.checks import client_id
from mexc_async.core.orders import OrderState
from mexc_async.errors import ClientClosed, InvalidRequest, OrderNotFound, OutcomeUnknown, WaitTimeout
from mexc_async.net.tracked_order import TrackedOrder
from mexc_async.spot.trading import NewOrder

EARLIER_S = 6.0
"""How long what an earlier run sent may still be accepted or invisible: MEXC's recvWindow of 5 s, and a lag of 1 s."""
LONGEST_WAIT_S = 10.0
MAX_KEY = 255


class OrderAnswer(Struct, frozen=True):
    """An order as a service tells of it."""

    client_order_id: str
    order_id: str | None
    symbol: str
    side: str
    type: str
    status: str
    price: Decimal | None
    quantity: Decimal | None
    filled_quantity: Decimal
    average_price: Decimal | None

    @classmethod
    def of(cls, order: TrackedOrder) -> OrderAnswer:
        """What is known of it now."""
        return cls(
            order.client_order_id,
            order.order_id,
            order.symbol,
            order.side,
            order.type,
            order.status,
            order.price,
            order.quantity,
            order.filled_quantity,
            order.average_price,
        )


def client_order_id_of(key: str) -> str:
    """The client order id that a key becomes: itself if it can be one, else 32 digits of its hash.

    Raises InvalidRequest for a key that is empty, longer than 255 characters or not printable.
    """
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        raise InvalidRequest(f"idempotency key {key[:40]!r} must be 1 to {MAX_KEY} printable characters")
    try:
        client_id("idempotency key", key)
    except InvalidRequest:
        return hashlib.sha256(key.encode()).hexdigest()[:32]
    return key


class KeyedOrders:
    """Places orders under keys. A caller that goes away does not stop its order half-way; the key finds it again."""

    def __init__(self, mexc: Mexc, *, earlier_s: float = EARLIER_S) -> None:
        self._mexc = mexc
        self._is_alone_at = time.monotonic() + earlier_s
        """From then on nothing that an earlier run sent can come to be."""
        self._placing: dict[str, asyncio.Task[TrackedOrder]] = {}

    @property
    def under_way(self) -> int:
        """Orders of which it is not known yet whether the exchange has them, whoever sent them."""
        return len({order.client_order_id for order in self._doubtful()} | set(self._placing))

    async def settled(self, timeout_s: float) -> bool:
        """Wait until that is known of each; whether it is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                waits = [order.accepted() for order in self._doubtful()]
                await asyncio.gather(*self._placing.values(), *waits, return_exceptions=True)
        return not self.under_way

    def _doubtful(self) -> list[TrackedOrder]:
        unknown = (OrderState.SENDING, OrderState.UNKNOWN)
        return [order for order in self._mexc.orders.live() if order.status in unknown]

    async def place(self, key: str, order: NewOrder) -> TrackedOrder:
        """Place an order, or return the one that was placed under this key.

        Two callers with one key at the same time get one order. A key whose order was refused is free again. The
        first orders after a start wait until nothing of an earlier run can be on its way any more.

        Raises InvalidRequest if the key stands for another order, and what placing raises.
        """
        order = replace(order, new_client_order_id=client_order_id_of(key))
        task = self._placing.get(order.new_client_order_id or "")
        if task is None:
            task = self._start(order)
        try:
            placed = await asyncio.shield(task)
        except asyncio.CancelledError:
            waiter = asyncio.current_task()
            if task.cancelled() and not (waiter and waiter.cancelling()):
                raise ClientClosed("the client was closed while this order was under way") from None
            raise
        _check_same(key, placed, order)
        return placed

    async def find(self, key: str, symbol: str) -> TrackedOrder:
        """The order that was placed under this key. Raises OrderNotFound, InvalidRequest."""
        found = await self._mexc.orders.find(symbol, client_order_id_of(key))
        if found.symbol != symbol:
            raise OrderNotFound(f"no order of {symbol} has the key {key!r}")
        return found

    def _start(self, order: NewOrder) -> asyncio.Task[TrackedOrder]:
        name = order.new_client_order_id or ""
        task = self._placing[name] = self._mexc.orders.spawn(self._place(order, name))
        task.add_done_callback(lambda _: self._placing.pop(name, None))
        return task

    async def _place(self, order: NewOrder, name: str) -> TrackedOrder:
        known = self._mexc.orders.get(name) or await self._from_earlier(order.symbol, name)
        if known is None or known.error is not None:  # refused or never there: its id is free
            return await self._mexc.orders.place(order)
        try:
            return await known.accepted(LONGEST_WAIT_S)
        except WaitTimeout as error:
            unknown = OutcomeUnknown("it is still looked for", client_order_id=name)
            unknown.accepted_until_ms = known.record.accepted_until_ms
            raise unknown from error

    async def _from_earlier(self, symbol: str, name: str) -> TrackedOrder | None:
        """The order of an earlier run, or one that this client forgot; None once it is certain that there is none."""
        while True:
            asked_at = time.monotonic()
            try:
                return await self._mexc.orders.find(symbol, name)
            except OrderNotFound:
                if asked_at >= self._is_alone_at:
                    return None
            await asyncio.sleep(self._is_alone_at - time.monotonic())


def _check_same(key: str, placed: TrackedOrder, wanted: NewOrder) -> None:
    """Refuse a key that is used again for something else."""
    same = (placed.symbol, placed.side, placed.type) == (wanted.symbol, wanted.side, wanted.type) and all(
        None in pair or pair[0] == pair[1]
        for pair in ((placed.quantity, wanted.quantity), (placed.price, wanted.price))
    )
    if not same:
        raise InvalidRequest(f"idempotency key {key!r} stands for another order already: {placed!r}")
