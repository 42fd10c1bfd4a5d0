"""Views of a client, each with one set of options: `mexc.using(...)`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeVar, cast, overload

from mexc_async.client.catalogue import endpoints, money_of
from mexc_async.client.channel import Calls, Channel
from mexc_async.client.orders import Orders
from mexc_async.errors import InvalidRequest
from mexc_async.rest.call import Call, Options
from mexc_async.rest.pipeline import GUIDE_PATHS
from mexc_async.schema.endpoint import Auth, Cost, Json, Priority, Request, Route
from mexc_async.schema.query import Scalar, render
from mexc_async.schema.validation import boolean, kind_of, shown, text
from mexc_async.spot.api import RawSpot, Spot

T = TypeVar("T")
STAMPED = frozenset({"timestamp", "recvWindow", "signature"})
METHODS = ("GET", "POST", "PUT", "DELETE")
_PLAIN_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+")  # RFC 3986: segments, none a dot segment


def _exact(path: str) -> str:
    """Return the path in the one spelling that the switches and the guard know. Raises InvalidRequest."""
    if not isinstance(path, str) or not _PLAIN_PATH.fullmatch(path):
        raise InvalidRequest(
            f"path {shown(path)} must be a plain path such as /api/v3/time: letters, digits and -._~ between single "
            "slashes, no dot segment, no slash at its end; parameters go in params"
        )
    return _known_paths().get(path.lower(), path)


def _pairs(params: Mapping[str, Scalar]) -> list[tuple[str, str]]:
    """Return parameters as text, without those that are None. Raises InvalidRequest for what cannot be sent."""
    if not isinstance(params, Mapping):
        raise InvalidRequest(f"params must be a mapping of names to values, not {kind_of(params)}")
    pairs = []
    for name, value in params.items():
        text("a parameter's name", name)
        try:
            if value is not None:
                pairs.append((name, render(value)))
                pairs[-1][1].encode()
        except TypeError as error:
            raise InvalidRequest(f"parameter {name}: {error}") from None
        except ValueError:  # half of a pair of surrogates, or a whole number of thousands of digits
            raise InvalidRequest(f"parameter {name} {shown(value)} cannot be sent as UTF-8 text") from None
    return pairs


@cache
def _known_paths() -> dict[str, str]:
    """Return every declared path, and its replacements in a client with `paths="guide"`, by lower case."""
    paths = [one.path for one in endpoints()] + [path for _, path in GUIDE_PATHS.values()]
    return {path.lower(): path for path in paths}


class RawView:
    """View with undecoded answers: `mexc.using(raw=True)`. Numbers with a fraction are Decimal."""

    def __init__(self, calls: Calls, options: Options) -> None:
        self._calls = calls
        self._options = options
        self.spot = RawSpot(Channel(calls, options))

    async def send(self, request: Request[object]) -> Json:
        """Send a request value and return its answer undecoded."""
        answer: object = await self._calls.send(request, self._options)
        return cast(Json, answer)

    def start(self, request: Request[object]) -> asyncio.Future[Json]:
        """Start `send` and return its future, which runs by itself; see `View.start`."""
        begun: asyncio.Future[object] = self._calls.start(request, self._options)
        return cast("asyncio.Future[Json]", begun)


class View:
    """View of the client with options for its calls: `mexc.using(timeout_s=2, max_wait_s=0)`."""

    spot: Spot
    """All spot endpoints."""
    orders: Orders
    """Tracked orders: `order = await mexc.orders.limit_buy("BTCUSDT", quantity=..., price=...)`."""
    if not TYPE_CHECKING:  # so that `help(Mexc.spot.new_order)` needs no client
        spot, orders = Spot, Orders

    def __init__(self, calls: Calls, options: Options, orders: Orders) -> None:
        self._calls = calls
        self._options = options
        self.spot = Spot(Channel(calls, options))
        self.orders = orders.using(options)

    async def send(self, request: Request[T]) -> T:
        """Send a request value, such as `DepthQuery(symbol="BTCUSDT")`, and return its typed answer."""
        return await self._calls.send(request, self._options)

    def start(self, request: Request[T]) -> asyncio.Future[T]:
        """Start `send` and return its future, which runs by itself; a NewOrder is written in this call if possible.

        The future gets the answer, or the error that `send` raises. Cancelling it does not stop the call.
        """
        return self._calls.start(request, self._options)

    async def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Scalar] | None = None,
        *,
        signed: bool = False,
        weight: int = 1,
    ) -> Json:
        """Call an endpoint that is not declared, through the same limits, signing and errors.

        `params` have wire names; `weight` is taken from the IP budget. The answer comes undecoded. A GET may be
        repeated after a fault, no other call is.

        Raises InvalidRequest for a path that a server might read differently: it is segments of letters, digits and
        `-._~`, each after one `/`. A declared path in other letter case is sent as declared.
        """
        if method not in METHODS:
            raise InvalidRequest(f"method {shown(method)} is not one of {', '.join(METHODS)}")
        path = _exact(path)
        boolean("signed", signed)
        if type(weight) is not int or not 0 <= weight < 1 << 31:
            raise InvalidRequest(f"weight {shown(weight)} must be a whole number that is not negative")
        route = Route(
            method,
            path,
            Auth.SIGNED if signed else Auth.NONE,
            costs=(Cost("ip", weight),) if weight else (),
            priority=Priority.ACCOUNT if signed else Priority.MARKET,
            safe=method == "GET",
            money=money_of(method, path),
        )
        if self.orders.is_guarded(method, path):
            raise InvalidRequest(
                f"{method} {path} would bypass the guard: while limits are set or trading is halted, place orders by "
                "mexc.orders or mexc.spot"
            )
        pairs = _pairs({} if params is None else params)
        for name, _ in pairs:
            if signed and name in STAMPED:
                raise InvalidRequest(f"parameter {name!r} is set by the client itself when a call is signed")
        answer: Json = await self._calls.api.run(Call(route, pairs, None), self._options)
        return answer

    @overload
    def using(
        self,
        *,
        raw: Literal[True],
        max_wait_s: float | None = None,
        timeout_s: float | None = None,
        recv_window_ms: int | None = None,
        cached: bool | None = None,
    ) -> RawView: ...
    @overload
    def using(
        self,
        *,
        raw: Literal[False] = False,
        max_wait_s: float | None = None,
        timeout_s: float | None = None,
        recv_window_ms: int | None = None,
        cached: bool | None = None,
    ) -> View: ...
    def using(
        self,
        *,
        raw: bool = False,
        max_wait_s: float | None = None,
        timeout_s: float | None = None,
        recv_window_ms: int | None = None,
        cached: bool | None = None,
    ) -> View | RawView:
        """Return the same client with other options; omitted ones stay as they are here.

        They apply to `spot`, `send` and `request`, and to placing, cancelling and replacing through `orders`.

        Args:
            raw: undecoded answers; such a view has no `orders`.
            max_wait_s: longest wait of a call for the rate limits; 0 raises RateLimited at once.
            timeout_s: seconds for one attempt.
            recv_window_ms: greatest age of a signed call on arrival, 1 to 60000.
            cached: False calls the exchange even if an answer is cached (`exchange_info`, five minutes).
        """
        old = self._options
        options = Options(
            max_wait_s=old.max_wait_s if max_wait_s is None else max_wait_s,
            timeout_s=old.timeout_s if timeout_s is None else timeout_s,
            recv_window_ms=old.recv_window_ms if recv_window_ms is None else recv_window_ms,
            cached=old.cached if cached is None else cached,
            raw=raw,
        )
        return RawView(self._calls, options) if raw else View(self._calls, options, self.orders)
