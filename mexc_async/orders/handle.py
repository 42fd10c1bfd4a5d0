"""Handle of one order: its state, and waits for its progress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Literal, Protocol

from mexc_async.errors import MexcError, OrderNotFilled, WaitTimeout
from mexc_async.orders.record import OrderFill, OrderRecord, OrderState
from mexc_async.schema.validation import Amount, wait_s


class Actions(Protocol):
    """Operations that a handle needs of `mexc.orders`, which made it."""

    async def changed(self, record: OrderRecord, timeout_s: float | None) -> bool:
        """Wait for news of an order; return False if none came in time."""
        ...

    async def cancel(self, record: OrderRecord) -> None:
        """Cancel an order and wait for its end."""
        ...

    async def replace(
        self, order: TrackedOrder, price: Amount | None, quantity: Amount | None, on_fail: Literal["keep", "cancel"]
    ) -> TrackedOrder:
        """Replace an order by another."""
        ...


class OrderReads:
    """Present state of one order. Two handles of the same order are equal."""

    __slots__ = ("record",)

    def __init__(self, record: OrderRecord) -> None:
        self.record = record
        """Everything known about the order."""

    @property
    def client_order_id(self) -> str:
        """Client order id, given by this client."""
        return self.record.client_order_id

    @property
    def order_id(self) -> str | None:
        """The exchange's id; None until it is known."""
        return self.record.order_id

    @property
    def symbol(self) -> str:
        """Traded symbol."""
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
        """Limit price; None for a market order."""
        return self.record.price

    @property
    def quantity(self) -> Decimal | None:
        """Ordered quantity, in base; None for a market order sized in quote."""
        return self.record.quantity

    @property
    def status(self) -> OrderState:
        """Present state."""
        return self.record.state

    @property
    def is_final(self) -> bool:
        """True if the order cannot change any more."""
        return self.record.is_final

    @property
    def filled_quantity(self) -> Decimal:
        """Filled so far, in base; never falls."""
        return self.record.filled_quantity

    @property
    def filled_quote_quantity(self) -> Decimal:
        """Value of the filled quantity, in quote."""
        return self.record.filled_quote_quantity

    @property
    def remaining_quantity(self) -> Decimal | None:
        """Quantity that is not filled, in base, even if it no longer can be; None for a market order sized in quote."""
        return self.record.remaining_quantity

    @property
    def average_price(self) -> Decimal | None:
        """Average price of the fills; None before the first."""
        return self.record.average_price

    @property
    def fills(self) -> tuple[OrderFill, ...]:
        """Trades, the oldest first; the last ones may come a moment after `status` (see `settled`)."""
        return self.record.fills

    @property
    def fees(self) -> dict[str, Decimal]:
        """Fees of the known fills, by asset."""
        return self.record.fees

    @property
    def error(self) -> MexcError | None:
        """Refusal, or the reason why it was never placed; None otherwise."""
        return None if self.record.is_placed else self.record.error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OrderReads) and other.record is self.record

    def __hash__(self) -> int:
        return id(self.record)

    def __repr__(self) -> str:
        return repr(self.record)


class TrackedOrder(OrderReads):
    """One order: its present state, waits for its progress, and its end."""

    __slots__ = ("_orders", "replaced_by", "replaces")

    def __init__(self, orders: Actions, record: OrderRecord) -> None:
        super().__init__(record)
        self._orders = orders
        self.replaces: TrackedOrder | None = None
        """The order that this one replaced."""
        self.replaced_by: TrackedOrder | None = None

    async def accepted(self, timeout_s: float | None = None) -> TrackedOrder:
        """Wait until the exchange has the order.

        Raises its refusal, OrderNotPlaced, or WaitTimeout.
        """
        await self._until(lambda: self.record.is_placed or self.is_final, timeout_s)
        if (error := self.error) is not None:
            raise error
        return self

    async def filled(self, timeout_s: float | None = None) -> TrackedOrder:
        """Wait until the order is filled completely.

        Raises OrderNotFilled if it ends otherwise, its refusal, or WaitTimeout.
        """
        await self.closed(timeout_s)
        if (error := self.error) is not None:
            raise error
        if self.status is not OrderState.FILLED:
            raise OrderNotFilled(f"{self!r} has ended", client_order_id=self.client_order_id)
        return self

    async def closed(self, timeout_s: float | None = None) -> TrackedOrder:
        """Wait until the order has ended; see `status` for how. Raises WaitTimeout."""
        await self._until(lambda: self.is_final, timeout_s)
        return self

    async def settled(self, timeout_s: float | None = None) -> TrackedOrder:
        """Wait until the order has ended and `fills` and `fees` are complete. Raises WaitTimeout."""
        await self._until(lambda: self.is_final and not self.record.lacks, timeout_s)
        return self

    async def changed(self, timeout_s: float | None = None) -> TrackedOrder:
        """Wait for the next news of the order. Raises WaitTimeout."""
        wait_s("timeout_s", timeout_s)
        if not await self._orders.changed(self.record, timeout_s):
            raise WaitTimeout(f"{self!r}: no change within {timeout_s:g} s", client_order_id=self.client_order_id)
        return self

    async def _until(self, is_so: Callable[[], bool], timeout_s: float | None) -> None:
        wait_s("timeout_s", timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                while not is_so():
                    await self._orders.changed(self.record, None)
        except TimeoutError:
            if not is_so():
                text = f"{self!r}: not in {timeout_s:g} s"
                raise WaitTimeout(text, client_order_id=self.client_order_id) from None

    async def cancel(self) -> TrackedOrder:
        """Cancel the order and wait for its end; leave one that has ended as it is.

        Raises OutcomeUnknown if the exchange does not answer in time; the order may then still be open.
        """
        await self._orders.cancel(self.record)
        return self

    async def replace(
        self,
        *,
        price: Amount | None = None,
        quantity: Amount | None = None,
        on_fail: Literal["keep", "cancel"] = "keep",
    ) -> TrackedOrder:
        """Replace the order: MEXC cannot amend, so it is cancelled and the rest is placed as a new order.

        Args:
            price: the new limit; the same if not given.
            quantity: the new total, including what is filled already; the same if not given. Fills before the cancel
                takes effect count, so that both orders together never exceed it.
            on_fail: result if the new order is refused: `keep` the old one (not touched if the refusal can be known
                before, otherwise placed again for its rest at its old price), or `cancel`: no order.

        Returns the new order, or this one if nothing is left to place. Raises InvalidRequest for an order that has
        ended or is no resting order, the new order's refusal, OutcomeUnknown.
        """
        return await self._orders.replace(self, price, quantity, on_fail)
