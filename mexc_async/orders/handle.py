"""One order as a strategy holds it: an object that knows where the order stands and can be waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Literal, Protocol

from mexc_async.errors import MexcError, OrderNotFilled, WaitTimeout
from mexc_async.orders.record import OrderFill, OrderRecord, OrderState


class Actions(Protocol):
    """What an order's object needs of `mexc.orders`, which made it."""

    async def changed(self, record: OrderRecord, timeout_s: float | None) -> bool:
        """Wait until something new becomes known of an order; False if nothing did in time."""
        ...

    async def cancel(self, record: OrderRecord) -> None:
        """Cancel an order and know its end."""
        ...

    async def replace(
        self, order: TrackedOrder, price: Decimal | None, quantity: Decimal | None, on_fail: Literal["keep", "cancel"]
    ) -> TrackedOrder:
        """Put another order in the place of one."""
        ...


class TrackedOrder:
    """One order and what is known of it, now and as it goes on. Two of the same order are equal."""

    __slots__ = ("_orders", "record", "replaced_by", "replaces")

    def __init__(self, orders: Actions, record: OrderRecord) -> None:
        self._orders = orders
        self.record = record
        """All that is known of it."""
        self.replaces: TrackedOrder | None = None
        """The order in whose place this one was put."""
        self.replaced_by: TrackedOrder | None = None

    @property
    def client_order_id(self) -> str:
        """The id that this client gave it."""
        return self.record.client_order_id

    @property
    def order_id(self) -> str | None:
        """The exchange's id; None until it is known."""
        return self.record.order_id

    @property
    def symbol(self) -> str:
        """What it trades."""
        return self.record.symbol

    @property
    def side(self) -> str:
        """BUY or SELL."""
        return self.record.side

    @property
    def type(self) -> str:
        """MEXC's order type."""
        return self.record.type

    @property
    def price(self) -> Decimal | None:
        """Its limit; None for a market order."""
        return self.record.price

    @property
    def quantity(self) -> Decimal | None:
        """Asked, in base; None for a market order sized in quote."""
        return self.record.quantity

    @property
    def status(self) -> OrderState:
        """Where it stands."""
        return self.record.state

    @property
    def is_final(self) -> bool:
        """Whether it can not change any more."""
        return self.record.is_final

    @property
    def filled_quantity(self) -> Decimal:
        """Filled so far, in base; never falls."""
        return self.record.filled_quantity

    @property
    def filled_quote_quantity(self) -> Decimal:
        """The value of what is filled, in quote."""
        return self.record.filled_quote_quantity

    @property
    def remaining_quantity(self) -> Decimal | None:
        """Not filled, in base, whether it still can be or not; None for a market order sized in quote."""
        return self.record.remaining_quantity

    @property
    def average_price(self) -> Decimal | None:
        """Of what is filled; None while nothing is."""
        return self.record.average_price

    @property
    def fills(self) -> tuple[OrderFill, ...]:
        """Its trades, the oldest first; the last ones may come a moment after `status` (see `settled`)."""
        return self.record.fills

    @property
    def fees(self) -> dict[str, Decimal]:
        """What the known fills cost, by asset."""
        return self.record.fees

    @property
    def error(self) -> MexcError | None:
        """Why it was refused, or was never placed."""
        return None if self.record.is_placed else self.record.error

    async def accepted(self, timeout_s: float | None = None) -> TrackedOrder:
        """Wait until the exchange is known to have it.

        Raises what it was refused with, OrderNotPlaced, or WaitTimeout.
        """
        await self._until(lambda: self.record.is_placed or self.is_final, timeout_s)
        if (error := self.error) is not None:
            raise error
        return self

    async def filled(self, timeout_s: float | None = None) -> TrackedOrder:
        """Wait until it is filled whole.

        Raises OrderNotFilled if it ends otherwise, what it was refused with, or WaitTimeout.
        """
        await self.closed(timeout_s)
        if (error := self.error) is not None:
            raise error
        if self.status is not OrderState.FILLED:
            raise OrderNotFilled(f"{self!r} has ended", client_order_id=self.client_order_id)
        return self

    async def closed(self, timeout_s: float | None = None) -> TrackedOrder:
        """Wait until it has ended, in whatever way: `status` tells. Raises WaitTimeout."""
        await self._until(lambda: self.is_final, timeout_s)
        return self

    async def settled(self, timeout_s: float | None = None) -> TrackedOrder:
        """Wait until it has ended and every fill is known, so that `fills` and `fees` are whole. Raises WaitTimeout."""
        await self._until(lambda: self.is_final and not self.record.lacks, timeout_s)
        return self

    async def changed(self, timeout_s: float | None = None) -> TrackedOrder:
        """Wait until anything new becomes known of it. Raises WaitTimeout."""
        if not await self._orders.changed(self.record, timeout_s):
            raise WaitTimeout(f"{self!r}: nothing new in {timeout_s:g} s", client_order_id=self.client_order_id)
        return self

    async def _until(self, is_so: Callable[[], bool], timeout_s: float | None) -> None:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not is_so():
            left_s = None if deadline is None else deadline - time.monotonic()
            if (left_s is not None and left_s <= 0) or not await self._orders.changed(self.record, left_s):
                if is_so():
                    return
                raise WaitTimeout(f"{self!r}: not in {timeout_s:g} s", client_order_id=self.client_order_id)

    async def cancel(self) -> TrackedOrder:
        """Cancel it and wait for its end; one that has ended already is left as it is.

        Raises OutcomeUnknown if the exchange does not answer in time; the order may then still stand.
        """
        await self._orders.cancel(self.record)
        return self

    async def replace(
        self,
        *,
        price: Decimal | None = None,
        quantity: Decimal | None = None,
        on_fail: Literal["keep", "cancel"] = "keep",
    ) -> TrackedOrder:
        """Put another order in its place; MEXC has no amending, so it is cancelled and what is left placed anew.

        Args:
            price: the new limit; the same if not given.
            quantity: the new total, what is filled already included; the same if not given. What fills before the
                cancel takes effect counts, so that both orders together never exceed it.
            on_fail: what is to stand when the new order is refused: `keep` the old one (it is not touched for what can
                be known before, and otherwise placed again for its rest at its old price), or `cancel`: nothing.

        Returns the new order, or this one if nothing is left to place. Raises InvalidRequest for an order that has
        ended or is no resting order, what the new order was refused with, OutcomeUnknown.
        """
        return await self._orders.replace(self, price, quantity, on_fail)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrackedOrder) and other.record is self.record

    def __hash__(self) -> int:
        return id(self.record)

    def __repr__(self) -> str:
        return repr(self.record)
