"""Orders: place, query and cancel. MEXC's page "Spot Account/Trade".

Placing and cancelling share one limit of 12 requests per second and account (documents since March 2026).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, ClassVar, Generic, TypeVar

from msgspec import field

from mexc_async.errors import InvalidRequest
from mexc_async.native.loader import compiled
from mexc_async.schema.endpoint import Auth, Cost, Priority, Request, Resource, Route, call
from mexc_async.schema.validation import NOT_GIVEN, MaybeAmount, Rule, is_amount, text
from mexc_async.spot.enums import OrderTypeName, SideName, StpMode
from mexc_async.spot.models import BatchResult, CancelledOrder, Done, Empty, Order, OrderAck, StpGroup, Wrapped
from mexc_async.spot.parameters import ClientOrderId, PageLimit, Period, Symbol, SymbolList

T_co = TypeVar("T_co", covariant=True)

MAX_BATCH = 20
"""Maximum number of orders in a batch."""
PLAIN_ID = re.compile(r"[A-Za-z0-9_.~-]{1,32}").fullmatch
"""Match of a client order id that needs no URL escaping."""
_MOST_FORMS = 10_000
_MOST_WINDOWS = 100
FORMS: dict[tuple[str, str, str, str | None], dict[int | None, tuple[str, str]]] = {}
"""(symbol, side, type, STP mode) -> recvWindow -> query text between quantity and time stamp, and after it.

Every key has passed validation in an earlier order.
"""


def order_text_pure(
    name: str, price: Decimal, quantity: Decimal, middle: str, timestamp_ms: int, end: str
) -> str | None:
    """Build an order's query from the text that its form shares; None if the id needs escaping."""
    if not PLAIN_ID(name):
        return None
    p, q = str(price), str(quantity)
    if "E" in p or "E" in q:
        p, q = format(price, "f"), format(quantity, "f")
    return f"newClientOrderId={name}&price={p}&quantity={q}{middle}{timestamp_ms}{end}"


order_text = compiled.order_text if compiled else order_text_pure


def _write(method: str, path: str, priority: Priority, *extra: Cost) -> Route:
    costs = (Cost("uid"), Cost("orders"), *extra)
    return Route(method, path, Auth.SIGNED, "SPOT_DEAL_WRITE", costs, priority)


def _read(path: str, weight: int) -> Route:
    return Route("GET", path, Auth.SIGNED, "SPOT_DEAL_READ", (Cost("ip", weight),), Priority.ACCOUNT, safe=True)


def _group(method: str, path: str = "/api/v3/strategy/group") -> Route:
    permission = "SPOT_ACCOUNT_READ" if method == "GET" else "SPOT_ACCOUNT_WRITE"
    return Route(method, path, Auth.SIGNED, permission, (Cost("ip", 20),), Priority.ACCOUNT, safe=method == "GET")


class OrderParameters(Request[T_co], Generic[T_co], frozen=True, kw_only=True):
    """Parameters of one order. MEXC's table "required by type" says which fields go together. Raises InvalidRequest."""

    symbol: Symbol
    side: SideName
    type: OrderTypeName
    quantity: MaybeAmount = NOT_GIVEN
    quote_order_qty: MaybeAmount = NOT_GIVEN
    price: MaybeAmount = NOT_GIVEN
    new_client_order_id: ClientOrderId | None = None
    stp_mode: StpMode | None = None

    def __post_init__(self) -> None:
        if _is_known(self):
            return  # the usual case
        Request.__post_init__(self)
        if self.type == "MARKET":
            if (self.quantity is None) == (self.quote_order_qty is None):
                both = "both" if self.quantity is not None else "neither"
                raise InvalidRequest(f"type MARKET takes quantity or quote_order_qty, one of them; {both} given")
            if self.price is not None:
                raise InvalidRequest(f"type MARKET takes no price, got {self.price:f}")
            return
        if self.quantity is None or self.price is None:
            name = "quantity" if self.quantity is None else "price"
            raise InvalidRequest(f"type {self.type} needs quantity and price; {name} is missing")
        if self.quote_order_qty is not None:
            raise InvalidRequest(f"quote_order_qty {self.quote_order_qty:f} goes with type MARKET, not {self.type}")

    def query(self, recv_window_ms: int | None = None, timestamp_ms: int | None = None) -> str:
        """Build the query as `Request.query` does, with the text that orders of one form share cached."""
        price, quantity, name = self.price, self.quantity, self.new_client_order_id
        if price is None or quantity is None or name is None or timestamp_ms is None:
            return Request.query(self, recv_window_ms, timestamp_ms)
        form = FORMS.get((self.symbol, self.side, self.type, self.stp_mode))
        common = form.get(recv_window_ms) if form is not None else None
        if common is None:
            return self._first_query(recv_window_ms, timestamp_ms)
        text = order_text(name, price, quantity, common[0], timestamp_ms, common[1])
        return Request.query(self, recv_window_ms, timestamp_ms) if text is None else text

    def _first_query(self, recv_window_ms: int | None, timestamp_ms: int) -> str:
        """Build the query of a form's first order, and cache the text that all orders of the form share."""
        text = Request.query(self, recv_window_ms, timestamp_ms)
        if len(FORMS) >= _MOST_FORMS:
            del FORMS[next(iter(FORMS))]
        form = FORMS.setdefault((self.symbol, self.side, self.type, self.stp_mode), {})
        if len(form) < _MOST_WINDOWS:
            start, stamp = text.index("&", text.index("&quantity=") + 1), text.index("&timestamp=") + len("&timestamp=")
            form[recv_window_ms] = text[start:stamp], text[text.index("&", stamp) :]
        return text


def is_known_pure(order: OrderParameters[object]) -> bool:
    """Return True if an order needs no full check: an earlier one differed in its amounts and id only."""
    if order.quote_order_qty is not None or not (is_amount(order.quantity) and is_amount(order.price)):
        return False
    name = order.new_client_order_id
    if name is not None and not (type(name) is str and PLAIN_ID(name)):
        return False
    try:
        return (order.symbol, order.side, order.type, order.stp_mode) in FORMS
    except TypeError:  # a list, say, has no hash
        return False


_is_known = compiled.KnownForms(OrderParameters, FORMS) if compiled else is_known_pure


class NewOrder(OrderParameters[OrderAck], frozen=True, kw_only=True):
    """Place an order. The answer only confirms its receipt.

    Raises InsufficientBalance, OrderRejected, WouldTakeLiquidity, InvalidSymbol, TooManyOrders, RateLimited,
    OutcomeUnknown.
    """

    route = _write("POST", "/api/v3/order", Priority.ORDER)

    if TYPE_CHECKING:  # mypy takes an inherited field's type to be what may be given, not what is stored
        quantity: MaybeAmount = NOT_GIVEN
        quote_order_qty: MaybeAmount = NOT_GIVEN
        price: MaybeAmount = NOT_GIVEN


class TestOrder(OrderParameters[Empty], frozen=True, kw_only=True):
    """Have the exchange validate an order without placing it."""

    __test__: ClassVar[bool] = False
    """Marker for pytest: despite its name, not a test case."""

    route = Route(
        "POST", "/api/v3/order/test", Auth.SIGNED, "SPOT_DEAL_WRITE", (Cost("ip"),), Priority.ACCOUNT, safe=True
    )


class BatchOrders(Request[list[BatchResult]], frozen=True, kw_only=True):
    """Place up to 20 orders of one symbol. The answer has one result per order, in the same sequence."""

    route = _write("POST", "/api/v3/batchOrders", Priority.ORDER, Cost("batch_orders"))
    orders: Sequence[NewOrder] = field(name="batchOrders")

    def __post_init__(self) -> None:
        if not isinstance(self.orders, list | tuple) or not all(isinstance(order, NewOrder) for order in self.orders):
            raise InvalidRequest("orders must be a list of NewOrder")
        if not 1 <= len(self.orders) <= MAX_BATCH:
            raise InvalidRequest(f"orders holds {len(self.orders)}: a batch takes 1 to {MAX_BATCH}")
        symbols = sorted({order.symbol for order in self.orders})
        if len(symbols) > 1:
            raise InvalidRequest(f"orders name {', '.join(symbols)}: a batch takes one symbol")


class CancelOrder(Request[CancelledOrder], frozen=True, kw_only=True):
    """Cancel one order by `order_id` or `orig_client_order_id`. Raises OrderNotFound when it is not open."""

    route = _write("DELETE", "/api/v3/order", Priority.CANCEL)
    symbol: Symbol
    order_id: str | None = None
    orig_client_order_id: ClientOrderId | None = None
    new_client_order_id: ClientOrderId | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _needs_id(self.order_id, self.orig_client_order_id)


class CancelOpenOrders(Request[list[CancelledOrder]], frozen=True, kw_only=True):
    """Cancel every open order of a symbol (documents of 2025: up to five symbols, separated by commas)."""

    route = _write("DELETE", "/api/v3/openOrders", Priority.CANCEL)
    symbol: SymbolList


class CancelAllOrders(Request[Done], frozen=True, kw_only=True):
    """Cancel every open order of the account; the answer names none. Known from secondary sources (2026-05)."""

    route = _write("DELETE", "/api/v3/order/all", Priority.CANCEL)


class OrderQuery(Request[Order], frozen=True, kw_only=True):
    """Get one order by `order_id` or `orig_client_order_id`. Raises OrderNotFound."""

    route = _read("/api/v3/order", 2)
    symbol: Symbol
    order_id: str | None = None
    orig_client_order_id: ClientOrderId | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _needs_id(self.order_id, self.orig_client_order_id)


class OpenOrdersQuery(Request[list[Order]], frozen=True, kw_only=True):
    """List open orders of a symbol (up to five, separated by commas), or of all; an account has at most 500."""

    route = _read("/api/v3/openOrders", 3)
    symbol: SymbolList | None = None


class AllOrdersQuery(Period[list[Order]], frozen=True, kw_only=True):
    """List orders of a symbol in any state: the last 24 hours by default, seven days back at most.

    Raises InvalidRequest for a longer period; `paging.all_orders` reads one page by page.
    """

    route = _read("/api/v3/allOrders", 10)
    max_days: ClassVar[int | None] = 7
    symbol: Symbol
    start_time: int | None = None
    end_time: int | None = None
    limit: PageLimit | None = None


class CreateStpGroup(Request[Wrapped[StpGroup]], frozen=True, kw_only=True):
    """Create a self-trade-prevention group; the main account may have ten."""

    route = _group("POST")
    trade_group_name: str


class StpGroupQuery(Request[Wrapped[list[StpGroup]]], frozen=True, kw_only=True):
    """List self-trade-prevention groups by name, with their members."""

    route = _group("GET")
    trade_group_name: str


class DeleteStpGroup(Request[Wrapped[bool]], frozen=True, kw_only=True):
    """Delete a self-trade-prevention group."""

    route = _group("DELETE")
    trade_group_id: str


class AddStpGroupUid(Request[Wrapped[StpGroup]], frozen=True, kw_only=True):
    """Add accounts to a group: `uid` holds one or more, separated by commas."""

    route = _group("POST", "/api/v3/strategy/group/uid")
    uid: Annotated[str, Rule(text)]
    trade_group_id: str


class DeleteStpGroupUid(Request[Wrapped[bool]], frozen=True, kw_only=True):
    """Remove accounts from a group: `uid` holds one or more, separated by commas."""

    route = _group("DELETE", "/api/v3/strategy/group/uid")
    uid: Annotated[str, Rule(text)]
    trade_group_id: str


def _needs_id(order_id: str | None, client_order_id: str | None) -> None:
    if order_id is None and client_order_id is None:
        raise InvalidRequest("give order_id or orig_client_order_id; neither given")


class Trading(Resource):
    """Endpoints of orders."""

    test_order = call(TestOrder)
    new_order = call(NewOrder)
    batch_orders = call(BatchOrders)
    cancel_order = call(CancelOrder)
    cancel_open_orders = call(CancelOpenOrders)
    cancel_all_orders = call(CancelAllOrders)
    query_order = call(OrderQuery)
    open_orders = call(OpenOrdersQuery)
    all_orders = call(AllOrdersQuery)
    create_stp_group = call(CreateStpGroup)
    get_stp_group = call(StpGroupQuery)
    delete_stp_group = call(DeleteStpGroup)
    add_stp_group_uid = call(AddStpGroupUid)
    delete_stp_group_uid = call(DeleteStpGroupUid)
