"""Orders of which all but the amounts is known ahead: checked, rendered and, if wanted, signed before they are sent."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Sequence
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

from msgspec.structs import force_setattr

from mexc_async.core.checks import is_amount
from mexc_async.core.endpoint import Resource
from mexc_async.core.kind import compiled
from mexc_async.errors import InvalidRequest
from mexc_async.spot.enums import OrderTypeName, SideName, StpMode
from mexc_async.spot.trading import NewOrder

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_copy: Callable[[NewOrder], NewOrder] = NewOrder.__copy__  # type: ignore[attr-defined]  # what `copy.copy` calls
_ONE = Decimal(1)
_Filler: TypeAlias = Callable[[Decimal | None, Decimal | None], NewOrder | None]


def _pure_filler(pattern: NewOrder, new_id: Callable[[], str | None]) -> _Filler:
    """What makes orders like this one, of a price and a quantity; None of those that are to be checked."""

    def filled(price: Decimal | None, quantity: Decimal | None) -> NewOrder | None:
        if not (is_amount(price) and is_amount(quantity)):
            return None
        order = _copy(pattern)
        force_setattr(order, "price", price)
        force_setattr(order, "quantity", quantity)
        force_setattr(order, "new_client_order_id", new_id())
        return order

    return filled


def _nothing(price: Decimal | None, quantity: Decimal | None) -> None:
    """Of a market order."""


def _no_id() -> None:
    """Its sender gives it one."""


_filler = compiled.Filler if compiled else _pure_filler


class Outcome(Protocol[T_co]):
    """What becomes of an order that goes on by itself; an `asyncio.Future`."""

    def __await__(self) -> Generator[Any, None, T_co]:
        """Wait for the answer, and return it. Raises the error that came in its place."""
        ...

    def done(self) -> bool:
        """Whether it is known."""
        ...

    def result(self) -> T_co:
        """The answer, once it is known. Raises the error that came in its place."""
        ...

    def exception(self) -> BaseException | None:
        """That error, once it is known."""
        ...

    def cancel(self) -> bool:
        """Be told nothing more; the order goes on."""
        ...

    def add_done_callback(self, fn: Callable[[Any], object], /) -> object:
        """Call `fn` with this once it is known."""
        ...


class OrderSender(Protocol[T_co]):
    """What takes orders; its answers are OrderAck, or, in a view of raw answers, Json."""

    async def send(self, request: NewOrder, /) -> T_co:
        """Send one order and return its answer."""
        ...

    def start(self, request: NewOrder, /) -> Outcome[T_co]:
        """Begin to send one order, which goes on by itself."""
        ...


class SigningSender(OrderSender[T_co], Protocol):
    """A sender that can sign an order before it is sent."""

    @property
    def new_order_id(self) -> Callable[[], str] | None:
        """Makes client order ids; None leaves that to `send`."""

    async def sign_ahead(self, order: NewOrder, /) -> NewOrder:
        """Sign an order; returns it with its client order id."""
        ...


class PreparedOrder(Generic[T]):
    """Orders of one symbol, side and type: `await buy.send(price=Decimal("93387.28"), quantity=Decimal("0.0005"))`.

    Each is a new order with a client order id of its own, and passes every check that `new_order` makes. What they
    have in common was checked and written once.
    """

    def __init__(
        self,
        sender: OrderSender[T],
        symbol: str,
        side: SideName,
        type: OrderTypeName,
        stp_mode: StpMode | None = None,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        price = None if type == "MARKET" else _ONE
        self.pattern = NewOrder(symbol=symbol, side=side, type=type, quantity=_ONE, price=price, stp_mode=stp_mode)
        """What the orders have in common; its amounts mean nothing."""
        self._send, self._start = sender.send, sender.start
        self._filled = _filler(self.pattern, new_id or _no_id) if price else _nothing

    def order(
        self,
        *,
        price: Decimal | None = None,
        quantity: Decimal | None = None,
        quote_order_qty: Decimal | None = None,
        new_client_order_id: str | None = None,
    ) -> NewOrder:
        """An order with these amounts, for `mexc.orders.place` and `mexc.spot.presign`. Raises InvalidRequest."""
        pattern = self.pattern
        return NewOrder(
            symbol=pattern.symbol,
            side=pattern.side,
            type=pattern.type,
            quantity=quantity,
            quote_order_qty=quote_order_qty,
            price=price,
            new_client_order_id=new_client_order_id,
            stp_mode=pattern.stp_mode,
        )

    def send(
        self,
        *,
        price: Decimal | None = None,
        quantity: Decimal | None = None,
        quote_order_qty: Decimal | None = None,
        new_client_order_id: str | None = None,
    ) -> Coroutine[Any, Any, T]:
        """Place an order with these amounts. Raises what `new_order` raises."""
        if new_client_order_id is None and quote_order_qty is None:
            order = self._filled(price, quantity)
            if order is not None:
                return self._send(order)  # nearly always; a tenth of making and checking it anew
        return self._send(
            self.order(
                price=price,
                quantity=quantity,
                quote_order_qty=quote_order_qty,
                new_client_order_id=new_client_order_id,
            )
        )

    def start(
        self,
        *,
        price: Decimal | None = None,
        quantity: Decimal | None = None,
        quote_order_qty: Decimal | None = None,
        new_client_order_id: str | None = None,
    ) -> Outcome[T]:
        """The quickest way from a callback: the order is written before this returns, without a task.

        Where it has to wait, for the limits or a connection, it does so by itself. The future gets the answer, or
        what `send` raises; InvalidRequest for amounts that are none is raised here. Cancelling the future does not
        cancel the order, which goes on and is kept account of.
        """
        if new_client_order_id is None and quote_order_qty is None:
            order = self._filled(price, quantity)
            if order is not None:
                return self._start(order)
        return self._start(
            self.order(
                price=price,
                quantity=quantity,
                quote_order_qty=quote_order_qty,
                new_client_order_id=new_client_order_id,
            )
        )

    def __repr__(self) -> str:
        pattern = self.pattern
        return f"<PreparedOrder {pattern.side} {pattern.type} {pattern.symbol}>"


class PresignedOrder(Generic[T]):
    """An order that is signed already: `await order.send()`, once.

    Within four fifths of its recvWindow it goes out as it was signed, later it is signed anew first.
    """

    def __init__(self, sender: OrderSender[T], order: NewOrder) -> None:
        self.order = order
        """With its client order id."""
        self._sender = sender

    def send(self) -> Coroutine[Any, Any, T]:
        """Place it. Raises what `new_order` raises; InvalidRequest where it was sent before."""
        return self._sender.send(self.order)

    def start(self) -> Outcome[T]:
        """The same from a callback; see `PreparedOrder.start`."""
        return self._sender.start(self.order)

    def __repr__(self) -> str:
        return f"<PresignedOrder {self.order.new_client_order_id} {self.order.side} {self.order.symbol}>"


class Preparing(Resource, Generic[T]):
    """How orders are prepared; a part of `mexc.spot`. T is what sending one answers."""

    def prepare(
        self, *, symbol: str, side: SideName, type: OrderTypeName, stp_mode: StpMode | None = None
    ) -> PreparedOrder[T]:
        """Orders of which only the amounts are given when they are sent. Raises InvalidRequest."""
        sender = cast("SigningSender[T]", self._sender)  # as every client's is
        return PreparedOrder(sender, symbol, side, type, stp_mode, sender.new_order_id)

    async def presign(self, orders: Sequence[NewOrder]) -> list[PresignedOrder[T]]:
        """Sign orders that are known ahead, such as a ladder, so that sending one is a single write.

        Each is sent once, by its own `send`, within four fifths of its recvWindow; later it is signed anew. At most
        500 are kept signed. Nothing is sent here but, the first time, the question for the exchange's clock.

        Raises InvalidRequest, MissingCredentials, ReadOnlyError.
        """
        if not isinstance(orders, list | tuple) or not all(type(order) is NewOrder for order in orders):
            raise InvalidRequest("orders must be a list of NewOrder")
        sender = cast("SigningSender[T]", self._sender)
        return [PresignedOrder(sender, await sender.sign_ahead(order)) for order in orders]
