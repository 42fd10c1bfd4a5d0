"""Orders prepared before their amounts are known: checked, rendered and optionally signed ahead of sending."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Sequence
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

from msgspec.structs import force_setattr

from mexc_async.errors import InvalidRequest
from mexc_async.native.loader import compiled
from mexc_async.schema.endpoint import Resource
from mexc_async.schema.validation import Amount, is_amount
from mexc_async.spot.enums import OrderTypeName, SideName, StpMode
from mexc_async.spot.trading import NewOrder

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
_copy: Callable[[NewOrder], NewOrder] = NewOrder.__copy__  # type: ignore[attr-defined]  # `copy.copy` calls it
_ONE = Decimal(1)
_Filler: TypeAlias = Callable[[Amount | None, Amount | None], NewOrder | None]


def _pure_filler(pattern: NewOrder, new_id: Callable[[], str | None]) -> _Filler:
    """Return a function that copies the pattern with a price and a quantity; None if they need the full check."""

    def filled(price: Amount | None, quantity: Amount | None) -> NewOrder | None:
        if not (is_amount(price) and is_amount(quantity)):
            return None
        order = _copy(pattern)
        force_setattr(order, "price", price)
        force_setattr(order, "quantity", quantity)
        force_setattr(order, "new_client_order_id", new_id())
        return order

    return filled


def _nothing(price: Amount | None, quantity: Amount | None) -> None:
    """Return None: a market order always takes the full check."""


def _no_id() -> None:
    """Return None: the sender generates the client order id."""


_filler = compiled.Filler if compiled else _pure_filler


class Outcome(Protocol[T_co]):
    """Future result of an order sent in the background; an `asyncio.Future`."""

    def __await__(self) -> Generator[Any, None, T_co]:
        """Wait for the answer and return it. Raises the order's error."""
        ...

    def done(self) -> bool:
        """Return True once the answer or error is here."""
        ...

    def result(self) -> T_co:
        """Return the answer once it is here. Raises the order's error."""
        ...

    def exception(self) -> BaseException | None:
        """Return the order's error once it is here; None after success."""
        ...

    def cancel(self) -> bool:
        """Stop waiting; the order itself continues."""
        ...

    def add_done_callback(self, fn: Callable[[Any], object], /) -> object:
        """Call `fn` with this future once the answer or error is here."""
        ...


class OrderSender(Protocol[T_co]):
    """A sender of orders. Its answers are OrderAck, or Json in a view of raw answers."""

    async def send(self, request: NewOrder, /) -> T_co:
        """Send one order and return its answer."""
        ...

    def start(self, request: NewOrder, /) -> Outcome[T_co]:
        """Send one order in the background and return its future."""
        ...


class SigningSender(OrderSender[T_co], Protocol):
    """A sender that can sign orders ahead of sending."""

    @property
    def new_order_id(self) -> Callable[[], str] | None:
        """Generator of client order ids; None leaves them to `send`."""

    async def sign_ahead(self, order: NewOrder, /) -> NewOrder:
        """Sign an order and return it with its client order id."""
        ...


class PreparedOrder(Generic[T]):
    """Template for orders: `await buy.send(price=Decimal("93387.28"), quantity=Decimal("0.0005"))`.

    Each call sends a new order with its own client order id, after all checks of `new_order`. Symbol, side and type
    are checked and rendered once.
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
        """Order with the common parameters; ignore its amounts."""
        self._send, self._start = sender.send, sender.start
        self._filled = _filler(self.pattern, new_id or _no_id) if price else _nothing

    def order(
        self,
        *,
        price: Amount | None = None,
        quantity: Amount | None = None,
        quote_order_qty: Amount | None = None,
        new_client_order_id: str | None = None,
    ) -> NewOrder:
        """Create an order with these amounts for `mexc.orders.place` or `mexc.spot.presign`. Raises InvalidRequest."""
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
        price: Amount | None = None,
        quantity: Amount | None = None,
        quote_order_qty: Amount | None = None,
        new_client_order_id: str | None = None,
    ) -> Coroutine[Any, Any, T]:
        """Place an order with these amounts. Raises what `new_order` raises."""
        if new_client_order_id is None and quote_order_qty is None:
            order = self._filled(price, quantity)
            if order is not None:
                return self._send(order)  # the usual case, at a tenth of the cost of a new order with all checks
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
        price: Amount | None = None,
        quantity: Amount | None = None,
        quote_order_qty: Amount | None = None,
        new_client_order_id: str | None = None,
    ) -> Outcome[T]:
        """Send an order from a callback, the fastest way: it is on the wire before this returns, without a task.

        If a limit or a connection is not free, the order waits in the background. The future gets the answer, or the
        error that `send` would raise; invalid amounts raise InvalidRequest here. Cancelling the future does not
        cancel the order: the client sends and tracks it all the same.
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
    """A signed order, ready to send once: `await order.send()`.

    Within four fifths of its recvWindow the existing signature is used; later the client signs the order again.
    """

    def __init__(self, sender: OrderSender[T], order: NewOrder) -> None:
        self.order = order
        """The order, with its client order id."""
        self._sender = sender

    def send(self) -> Coroutine[Any, Any, T]:
        """Place the order. Raises what `new_order` raises, and InvalidRequest the second time."""
        return self._sender.send(self.order)

    def start(self) -> Outcome[T]:
        """Place the order from a callback; see `PreparedOrder.start`."""
        return self._sender.start(self.order)

    def __repr__(self) -> str:
        return f"<PresignedOrder {self.order.new_client_order_id} {self.order.side} {self.order.symbol}>"


class Preparing(Resource, Generic[T]):
    """Methods of `mexc.spot` that prepare orders. T is the type of an order's answer."""

    def prepare(
        self, *, symbol: str, side: SideName, type: OrderTypeName, stp_mode: StpMode | None = None
    ) -> PreparedOrder[T]:
        """Return a template for orders that differ in their amounts only. Raises InvalidRequest."""
        sender = cast("SigningSender[T]", self._sender)  # every client's sender can sign
        return PreparedOrder(sender, symbol, side, type, stp_mode, sender.new_order_id)

    async def presign(self, orders: Sequence[NewOrder]) -> list[PresignedOrder[T]]:
        """Sign orders ahead, such as a ladder, so that sending one is a single write.

        Send each order once, with its own `send`. After four fifths of its recvWindow, `send` signs it again first.
        The client holds at most 500 signed orders. The first call asks for the exchange's clock; it sends no order.

        Raises InvalidRequest, MissingCredentials, ReadOnlyError.
        """
        if not isinstance(orders, list | tuple) or not all(type(order) is NewOrder for order in orders):
            raise InvalidRequest("orders must be a list of NewOrder")
        sender = cast("SigningSender[T]", self._sender)
        return [PresignedOrder(sender, await sender.sign_ahead(order)) for order in orders]
