"""Endpoints are values: a frozen request Struct that knows its `Route`; a resource lists it in one line.

    class DepthQuery(Request[Depth], frozen=True, kw_only=True):
        route = Route("GET", "/api/v3/depth", costs=(Cost("ip", 3),), safe=True)
        symbol: Symbol

    class Market(Resource):
        depth = call(DepthQuery)            # await mexc.spot.depth(symbol="BTCUSDT") -> Depth

This module is pure: no I/O, no clock, no transport.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterator, Sequence
from decimal import Decimal
from enum import Enum, IntEnum
from functools import cache
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    get_args,
    overload,
)

import msgspec

from mexc_async.errors import InvalidRequest
from mexc_async.schema.codegen import Query, checker, query_writer
from mexc_async.schema.query import Scalar, plain, render
from mexc_async.schema.signatures import help_text, signature

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | Decimal | bool | None"
"""An untyped answer; numbers with a fraction are Decimal."""


class Auth(Enum):
    """Authentication that a call needs."""

    NONE = "none"
    SIGNED = "signed"
    """API key header, `timestamp`, optional `recvWindow`, and `signature` last."""


class Priority(IntEnum):
    """Priority in the rate limiter; a lower number goes first."""

    CANCEL = 0
    ORDER = 1
    ACCOUNT = 2
    RESYNC = 3
    """Snapshot of a live book that lost its sync."""
    MARKET = 4


class Money(Enum):
    """Movement of money other than trading; such a call is never retried while its outcome is unknown."""

    TRANSFER = "transfer"
    """Transfer between accounts of one owner."""
    WITHDRAWAL = "withdrawal"
    """Payment out: to an address, or to another user of the exchange."""


class Cost(msgspec.Struct, frozen=True, gc=False):
    """Weight of one request in one rate limit."""

    limit: str
    """Name of the limit in `limits/profiles.py`: `ip`, `uid`, `orders`, ..."""
    weight: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.weight, int) or self.weight < 1:
            raise InvalidRequest(f"weight {self.weight!r} of limit {self.limit} must be a whole number of at least 1")


class Route(msgspec.Struct, frozen=True):
    """Everything that the exchange documents about a path."""

    method: str
    path: str
    auth: Auth = Auth.NONE
    permission: str | None = None
    """Permission that the key needs, in MEXC's spelling."""
    costs: tuple[Cost, ...] = ()
    """Weight in each limit, without the client-wide one, which every request pays."""
    priority: Priority = Priority.MARKET
    safe: bool = False
    """True if the call changes nothing: it may be retried, and a read-only client may send it."""
    cache_s: float = 0.0
    """Seconds for which an answer may be cached."""
    money: Money | None = None
    """Kind of money movement; None without one."""
    json_body: bool = False
    """Parameters go in a JSON body; time stamp and signature stay in the query."""
    product: str = "spot"


class Request(msgspec.Struct, Generic[T_co], frozen=True, kw_only=True, rename="camel"):
    """One call as a value: validated, ready to be queued, recorded and sent (`mexc.send(request)`).

    Raises InvalidRequest (a ValueError) if a field breaks a rule that can be checked without the exchange.
    """

    route: ClassVar[Route]

    def __post_init__(self) -> None:
        checker(type(self))(self)

    def params(self) -> list[tuple[str, str]]:
        """Return the given parameters as (wire name, text)."""
        return [
            (wire, value if type(value) is str else _render(value))
            for wire, name in _wire_names(type(self))
            if (value := getattr(self, name)) is not None
        ]

    def query(self, recv_window_ms: int | None = None, timestamp_ms: int | None = None) -> str:
        """Return the exact query text on the wire, sorted by name, with the two parameters that a signed call adds."""
        return writer_of(type(self))(self, recv_window_ms, timestamp_ms)


@cache
def writer_of(cls: type[Request[Any]]) -> Query:
    """Return the function behind `Request.query` for this class."""
    return query_writer(cls, _render)


@cache
def _wire_names(cls: type[msgspec.Struct]) -> tuple[tuple[str, str], ...]:
    return tuple((f.encode_name, f.name) for f in msgspec.structs.fields(cls))


def _render(value: Scalar | Sequence[Request[object]]) -> str:
    if type(value) is Decimal and value.is_finite():
        return plain(value)  # of orders
    if isinstance(value, str | Decimal | int):
        return render(value)  # first, because `isinstance(..., Sequence)` costs as much as the rest
    if isinstance(value, Sequence) and not isinstance(value, str):  # batchOrders: JSON, every value as text
        return msgspec.json.encode([dict(item.params()) for item in value]).decode()
    return render(value)


class Sender(Protocol):
    """Sender of a resource's requests."""

    def send(self, request: Request[T], /) -> Coroutine[Any, Any, T]:
        """Send one request and return its decoded answer."""
        ...


class Resource:
    """A group of endpoints that share one sender."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender


class RawAnswers:
    """Marker of a resource whose calls return undecoded answers (`using(raw=True)`)."""


class BlockingAnswers:
    """Marker of a resource whose calls wait and return answers, for programs without an event loop."""


class Entry:
    """An endpoint in a resource; `help()` and `inspect.signature` describe it, on the class as well."""

    def __init__(self, request: Callable[..., Request[Any]]) -> None:
        self.request = request
        self.__doc__ = help_text(request)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = self.__name__ = name
        self.__qualname__, self.__module__ = f"{owner.__qualname__}.{name}", owner.__module__

    @property
    def __signature__(self) -> inspect.Signature:
        return signature(self.request, result_type(self.request))

    def __call__(self, resource: Resource, /, **params: Any) -> Coroutine[Any, Any, Any]:
        """Call the endpoint of a resource: `Spot.depth(mexc.spot, symbol="BTCUSDT")`."""
        return resource._sender.send(self.request(**params))

    def _of(self, resource: object) -> object:
        """Return the method of a resource, or this entry for its class."""
        if not isinstance(resource, Resource):
            return self
        method = _method(self.request, resource._sender, waits=isinstance(resource, BlockingAnswers))
        method.__name__, method.__qualname__, method.__module__ = self.name, self.__qualname__, self.__module__
        method.__doc__ = self.__doc__
        shown = self.__signature__
        method.__signature__ = shown.replace(return_annotation=Json) if isinstance(resource, RawAnswers) else shown
        resource.__dict__[self.name] = method  # Python finds it before this descriptor from now on
        return method


def _method(request: Callable[..., Request[Any]], sender: Sender, *, waits: bool) -> Any:
    def method(**params: Any) -> Coroutine[Any, Any, Any]:
        return sender.send(request(**params))

    mark = getattr(inspect, "markcoroutinefunction", None)  # since Python 3.12
    return method if mark is None or waits else mark(method)


class call(Entry, Generic[P, T]):
    """An endpoint in a resource; the method has the signature and result of the request class."""

    if TYPE_CHECKING:

        def __init__(self, request: Callable[P, Request[T]]) -> None: ...

    @overload
    def __get__(self, resource: None, owner: type) -> Self: ...
    @overload
    def __get__(self, resource: RawAnswers, owner: type) -> Callable[P, Coroutine[Any, Any, Json]]: ...
    @overload
    def __get__(self, resource: BlockingAnswers, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, resource: Resource, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, resource: object, owner: type) -> object:
        return self._of(resource)


class OneOrAll(Protocol[T]):
    """A call that returns one item for a symbol, and a list of all without one."""

    @overload
    def __call__(self, *, symbol: str) -> Coroutine[Any, Any, T]: ...
    @overload
    def __call__(self, *, symbol: None = None) -> Coroutine[Any, Any, list[T]]: ...


class OneOrAllAtOnce(Protocol[T]):
    """The same call for programs without an event loop."""

    @overload
    def __call__(self, *, symbol: str) -> T: ...
    @overload
    def __call__(self, *, symbol: None = None) -> list[T]: ...


class call_one_or_all(Entry, Generic[T]):
    """An endpoint that answers with an object for a symbol, and with an array without one."""

    if TYPE_CHECKING:

        def __init__(self, request: Callable[..., Request[T | list[T]]]) -> None: ...

    @overload
    def __get__(self, resource: None, owner: type) -> Self: ...
    @overload
    def __get__(self, resource: RawAnswers, owner: type) -> OneOrAll[Json]: ...
    @overload
    def __get__(self, resource: BlockingAnswers, owner: type) -> OneOrAllAtOnce[T]: ...
    @overload
    def __get__(self, resource: Resource, owner: type) -> OneOrAll[T]: ...
    def __get__(self, resource: object, owner: type) -> object:
        return self._of(resource)


class OneSomeOrAll(OneOrAll[T], Protocol[T]):
    """A call that returns one item for a symbol, and a list for several symbols or for all."""

    @overload
    def __call__(self, *, symbol: str) -> Coroutine[Any, Any, T]: ...
    @overload
    def __call__(self, *, symbol: None = None, symbols: str | None = None) -> Coroutine[Any, Any, list[T]]: ...


class OneSomeOrAllAtOnce(OneOrAllAtOnce[T], Protocol[T]):
    """The same call for programs without an event loop."""

    @overload
    def __call__(self, *, symbol: str) -> T: ...
    @overload
    def __call__(self, *, symbol: None = None, symbols: str | None = None) -> list[T]: ...


class call_one_some_or_all(call_one_or_all[T]):
    """An endpoint that answers with an object for a symbol, and with an array for several symbols or for all."""

    if TYPE_CHECKING:

        @overload
        def __get__(self, resource: None, owner: type) -> Self: ...
        @overload
        def __get__(self, resource: RawAnswers, owner: type) -> OneSomeOrAll[Json]: ...
        @overload
        def __get__(self, resource: BlockingAnswers, owner: type) -> OneSomeOrAllAtOnce[T]: ...
        @overload
        def __get__(self, resource: Resource, owner: type) -> OneSomeOrAll[T]: ...
        def __get__(self, resource: object, owner: type) -> object: ...


class Endpoint(msgspec.Struct, frozen=True):
    """Declaration of one endpoint."""

    product: str
    name: str
    route: Route
    request: type[Request[Any]]
    result: object
    """Type of its answer."""

    @property
    def method(self) -> str:
        """HTTP method."""
        return self.route.method

    @property
    def path(self) -> str:
        """Path on the exchange's host."""
        return self.route.path

    @property
    def auth(self) -> Auth:
        """Authentication that it needs."""
        return self.route.auth

    @property
    def costs(self) -> tuple[Cost, ...]:
        """Limit scopes and weights."""
        return self.route.costs

    @property
    def doc(self) -> str:
        """The request's docstring."""
        return inspect.getdoc(self.request) or ""


@cache
def result_type(request: Callable[..., Request[Any]]) -> object:
    """Return the `T` of the `Request[T]` that a request class derives from."""
    for base in getattr(request, "__orig_bases__", ()):
        if args := get_args(base):
            return args[0]
    raise TypeError(f"{getattr(request, '__name__', request)} does not derive from Request[...]")


def declared(resource: type[Resource]) -> Iterator[Endpoint]:
    """Yield every endpoint that a resource lists, group by group."""
    for cls in resource.__mro__:
        for name, entry in vars(cls).items():
            if isinstance(entry, call | call_one_or_all):
                request: Any = entry.request
                yield Endpoint(request.route.product, name, request.route, request, result_type(request))
