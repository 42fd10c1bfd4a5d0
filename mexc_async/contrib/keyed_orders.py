"""Orders under a caller's key: the same key gives the same order, also after a time-out, a cancellation or a restart.

The key becomes the client order id, so that the exchange itself remembers used keys. A repeat must equal the order in
every term. Otherwise it is refused with the names of the terms that differ, and never with the first order's values,
which may be another caller's.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import asdict, replace

from mexc_async.client.mexc import Mexc
from mexc_async.errors import ClientClosed, InvalidRequest, MexcError, OrderNotFound, OutcomeUnknown, WaitTimeout
from mexc_async.orders.handle import TrackedOrder
from mexc_async.orders.record import OrderRecord, OrderState
from mexc_async.schema.validation import client_id
from mexc_async.spot.trading import NewOrder

EARLIER_S = 6.0
"""Longest time for which an earlier run's order may be accepted or invisible: recvWindow of 5 s, and a lag of 1 s."""
LONGEST_WAIT_S = 10.0
MAX_KEY = 255
MOST_ASKED = 10_000
"""Most orders whose original terms are remembered; for older ones the terms as sent count."""


class OrderAnswer(Struct, frozen=True):
    """An order in a service's answers."""

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
        """Return its present state."""
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
    """Return the client order id of a key: the key itself if it can be one, else 32 digits of its hash.

    Raises InvalidRequest for a key that is empty, longer than 255 characters or not printable.
    """
    if not 1 <= len(key) <= MAX_KEY or not key.isprintable():
        raise InvalidRequest(f"idempotency key {key[:40]!r} must be 1 to {MAX_KEY} printable characters")
    try:
        client_id("idempotency key", key)
    except InvalidRequest:
        return hashlib.sha256(key.encode()).hexdigest()[:32]
    return key


class _Placing(NamedTuple):
    """Order under way, and the task that places it."""

    order: NewOrder
    task: asyncio.Task[TrackedOrder]


class KeyedOrders:
    """Places orders under keys. If a caller goes away, its order still completes; the key finds it again."""

    def __init__(self, mexc: Mexc, *, earlier_s: float = EARLIER_S) -> None:
        self._mexc = mexc
        self._monotonic = mexc.clock.local.monotonic
        self._is_alone_at = self._monotonic() + earlier_s
        """From then on no order of an earlier run can appear."""
        self._placing: dict[str, _Placing] = {}
        self._asked: dict[str, NewOrder] = {}
        """Orders under each key before rounding; the oldest first."""
        self._reading: asyncio.Task[frozenset[str]] | None = None
        """Reads the client order ids of an earlier run's open orders."""

    @property
    def under_way(self) -> int:
        """Number of orders whose outcome is unknown, whoever sent them."""
        return len({order.client_order_id for order in self._unsettled()} | set(self._placing))

    async def settled(self, timeout_s: float) -> bool:
        """Wait until the outcome of each is known; return False after `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                waits = [order.accepted() for order in self._unsettled()]
                tasks = [placing.task for placing in self._placing.values()]
                await asyncio.gather(*tasks, *waits, return_exceptions=True)
        return not self.under_way

    def _unsettled(self) -> list[TrackedOrder]:
        unknown = (OrderState.SENDING, OrderState.UNKNOWN)
        return [order for order in self._mexc.orders.live() if order.status in unknown]

    async def place(self, key: str, order: NewOrder) -> TrackedOrder:
        """Place an order, or return the one that was placed under this key.

        Two callers with one key at the same time get one order. A key whose order was refused is free again. The first
        orders after a start wait until no order of an earlier run can be on its way any more. Raises InvalidRequest if
        the key stands for an order that differs in any term, and the errors of placing.
        """
        name = client_order_id_of(key)
        order = replace(order, new_client_order_id=name)
        while (placing := self._placing.get(name)) is not None and _differing(_terms(placing.order), order):
            await asyncio.wait([placing.task])  # that order's outcome decides about this one
        task = self._start(key, order) if placing is None else placing.task
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            waiter = asyncio.current_task()
            if task.cancelled() and not (waiter and waiter.cancelling()):
                raise ClientClosed("the client was closed while this order was under way") from None
            raise

    async def find(self, key: str, symbol: str) -> TrackedOrder:
        """Return the order that was placed under this key. Raises OrderNotFound, InvalidRequest."""
        found = await self._mexc.orders.find(symbol, client_order_id_of(key))
        if found.symbol != symbol:
            raise OrderNotFound(f"no order of {symbol} has the key {key!r}")
        return found

    def _start(self, key: str, order: NewOrder) -> asyncio.Task[TrackedOrder]:
        name = order.new_client_order_id or ""
        task = self._mexc.orders.spawn(self._place(key, order, name))
        self._placing[name] = _Placing(order, task)
        task.add_done_callback(lambda _: self._placing.pop(name, None))
        return task

    async def _place(self, key: str, order: NewOrder, name: str) -> TrackedOrder:
        known = self._mexc.orders.get(name) or await self._from_earlier(key, order.symbol, name)
        if known is None or known.error is not None:  # refused or never there: its id is free
            return await self._send(name, order)
        if differing := await self._differing(known.record, order):
            raise _other_order(key, differing)
        try:
            return await known.accepted(LONGEST_WAIT_S)
        except WaitTimeout as error:
            unknown = OutcomeUnknown("its look-up goes on", client_order_id=name)
            unknown.accepted_until_ms = known.record.accepted_until_ms
            raise unknown from error

    async def _send(self, name: str, order: NewOrder) -> TrackedOrder:
        try:
            placed = await self._mexc.orders.place(order)
        except MexcError as error:
            if not error.outcome_known:
                self._remember(name, order)
            raise
        self._remember(name, order)
        return placed

    def _remember(self, name: str, order: NewOrder) -> None:
        self._asked.pop(name, None)
        self._asked[name] = order
        if len(self._asked) > MOST_ASKED:
            del self._asked[next(iter(self._asked))]

    async def _differing(self, record: OrderRecord, wanted: NewOrder) -> list[str]:
        """Return the names of the terms that differ from the original request, or else from the exchange's order."""
        asked = self._asked.get(record.client_order_id)
        if asked is not None:
            return _differing(_terms(asked), wanted)
        with suppress(InvalidRequest):  # an order that rounding reduces to nothing is compared as it is
            wanted = await self._mexc.orders.as_sent(wanted)
        return _differing(terms_of_record(record), wanted)

    async def _from_earlier(self, key: str, symbol: str, name: str) -> TrackedOrder | None:
        """Return an order of an earlier run, or one that this client forgot; None if there certainly is none."""
        while True:
            asked_at = self._monotonic()
            try:
                return await self._mexc.orders.find(symbol, name)
            except OrderNotFound:
                if asked_at >= self._is_alone_at:
                    break
            await asyncio.sleep(self._is_alone_at - self._monotonic())
        if name in await self._left_open():
            raise _other_order(key, ["symbol"])
        return None

    async def _left_open(self) -> frozenset[str]:
        """Return the client order ids of an earlier run's open orders, read once: no new ones can appear."""
        reading = self._reading
        if reading is None or (reading.done() and (reading.cancelled() or reading.exception() is not None)):
            reading = self._reading = self._mexc.orders.spawn(self._read_open())
        return await asyncio.shield(reading)

    async def _read_open(self) -> frozenset[str]:
        return frozenset(order.client_order_id or "" for order in await self._mexc.spot.open_orders())


def _terms(order: NewOrder) -> dict[str, object]:
    """Return an order's terms; self-trade prevention left out and empty are the same."""
    terms: dict[str, object] = {**asdict(order), "stp_mode": order.stp_mode or None}
    del terms["new_client_order_id"]
    return terms


def terms_of_record(record: OrderRecord) -> dict[str, object]:
    """Return the known terms of an order, by their names in `NewOrder`."""
    return {
        "symbol": record.symbol,
        "side": record.side,
        "type": record.type,
        "quantity": record.quantity,
        "quote_order_qty": record.quote_quantity,
        "price": record.price,
        "stp_mode": record.stp_mode or None,  # an exchange that omits it has none
    }


def _differing(terms: Mapping[str, object], wanted: NewOrder) -> list[str]:
    """Return the names of the terms in which an order differs; an unknown term differs from any."""
    return [name for name, value in _terms(wanted).items() if terms.get(name) != value]


def _other_order(key: str, differing: list[str]) -> InvalidRequest:
    return InvalidRequest(
        f"idempotency key {key!r} was used for another order already; these terms differ: {', '.join(differing)}"
    )
