"""The request pipeline: pass the limiter, stamp, sign, send, decode; above it the retry policy.

One attempt (`_attempt`) and the policy over it (`_carry_out`) are separate. Nothing is stamped before the limiter let
it go, and the bytes that are signed are the bytes that are sent.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from functools import partial
from math import inf
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace

from mexc_async.errors import (
    ClientClosed,
    ConnectionLost,
    MexcError,
    MissingCredentials,
    ProtocolError,
    RateLimited,
    ReadOnlyError,
    TimestampRejected,
    WithdrawalsOff,
)
from mexc_async.limits.account_limiter import AccountLimiter
from mexc_async.limits.gate import Gate
from mexc_async.limits.limiter import RateLimiter
from mexc_async.native.loader import compiled
from mexc_async.rest.call import Call, Options, body_of, call_of, final_error, query_of, window_ms
from mexc_async.rest.clock import Sample
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.events import OddItems, RequestDone
from mexc_async.rest.keep_warm import KeepWarm
from mexc_async.rest.retry import RetryPolicy
from mexc_async.rest.server_clock import ClockSync, ServerClock
from mexc_async.rest.symbol_rules import SymbolRulesCache
from mexc_async.rest.way import RoutePlan, SignedAhead, signed
from mexc_async.runtime.hooks import Hooks
from mexc_async.runtime.log import logger
from mexc_async.runtime.tasks import Tasks
from mexc_async.schema.answers import Reply, decode, decode_json, error_of, is_refusal
from mexc_async.schema.endpoint import Auth, Money, Priority, Request, Route, result_type
from mexc_async.schema.lenient import decoder
from mexc_async.spot.market import ExchangeInfoQuery, Ping, ServerTimeQuery
from mexc_async.spot.models import ExchangeInfo
from mexc_async.spot.trading import FORMS, BatchOrders, CancelOrder, NewOrder
from mexc_async.transport.lane import Lane
from mexc_async.transport.pool import Carrier, Transport

T = TypeVar("T")

GUIDE_PATHS = {
    ("POST", "/api/v3/order"): ("POST", "/api/v3/order/place"),
    ("DELETE", "/api/v3/order"): ("POST", "/api/v3/order/cancel"),
}
"""What some guides and gateways call MEXC's own POST and DELETE /api/v3/order; chosen by `paths="guide"`."""
_TIME = replace(ServerTimeQuery.route, priority=Priority.ORDER)
"""It must not wait behind market data."""
_EXPRESS = frozenset({NewOrder, CancelOrder, BatchOrders})
"""What goes in one piece of compiled code; keepers send these, so that no task of a user's begins in that code, whose
frames `Task.print_stack` cannot show."""
_KNOWN_ROUTES = 1000
MOST_AHEAD = 500
"""Orders that are kept signed; an account can have no more open. Earlier ones are then signed when they are sent."""
_CACHED_ANSWERS = 256


class CallRecorder(Protocol):
    """Writes the calls of one client down, such as into a call log."""

    def sending(self, call: Call, attempt: int, at: int, until: int) -> None:
        """Record that a call that changes something is about to be sent. Raises CallLogFailed: it must not be sent."""
        ...

    def done(
        self,
        call: Call,
        attempt: int,
        wait_s: float,
        latency_s: float,
        status: int | None,
        error: MexcError | None,
        answer: object,
    ) -> None:
        """Record that an attempt ended."""
        ...

    def hide(self, credentials: Credentials) -> None:
        """Let no record hold this key."""
        ...


class Started(Protocol):
    """A call that has passed the limits, and is written before anything else happens."""

    def write(self) -> Awaitable[Reply]:
        """Write the request; what is returned gets the reply. Raises what keeps it from being sent."""
        ...

    def give_up(self) -> None:
        """It is not written after all."""
        ...

    def answer(self, reply: Callable[[], Reply]) -> Any:
        """The typed answer in what `reply` returns. Raises the error that it stands for, or what `reply` raises."""
        ...


class Api:
    """Everything a call passes on its way, wired by the client."""

    def __init__(
        self,
        transport: Transport,
        limiter: RateLimiter | AccountLimiter,
        *,
        order_transport: Transport | None = None,
        credentials: Credentials | None,
        tasks: Tasks,
        hooks: Hooks,
        retry: RetryPolicy,
        clock: ServerClock,
        recorder: CallRecorder | None = None,
        on_rate_refused: Callable[[Route, int], None] | None = None,
        keep_warm: KeepWarm | None = None,
        most_warm: int = 8,
        guide_paths: bool = False,
        read_only: bool = False,
        allow_withdraw: bool = False,
    ) -> None:
        self.transport = transport
        self._order_transport = order_transport or transport
        """The way of calls that place or cancel."""
        self.limiter = limiter
        self.tasks = tasks
        self.hooks = hooks
        self.clock = clock
        self.clock_sync = ClockSync(clock, self._time_sample, hooks, tasks)
        self.rules = SymbolRulesCache(self._exchange_info, tasks)
        self.is_closed = False
        self.recorder = recorder
        self.keep_warm = keep_warm
        """What opens, pings and proves the order lane's connections; None without a lane."""
        if keep_warm is None and isinstance(order_transport, Lane):
            self.keep_warm = KeepWarm(order_transport, self, tasks, most_warm)
        self._on_rate_refused = on_rate_refused
        """Called with every 429 and 418, before the limiter closes what it means."""
        self._retry = retry
        self._paths = GUIDE_PATHS if guide_paths else {}
        self._read_only = read_only
        self._allow_withdraw = allow_withdraw
        self.ahead: dict[str | None, SignedAhead] = {}
        """Orders that are signed and not sent yet, by client order id."""
        self._distrusted_at = -inf
        """When an answer was found to be another request's, by the limiter's clock."""
        self._answers: dict[Hashable, tuple[float, object]] = {}
        self._public_headers: dict[str, str] = {}
        self.sign_with(credentials)

    def sign_with(self, credentials: Credentials | None) -> None:
        """Sign every request from now on with this key; those that were sent keep theirs."""
        self.credentials = credentials
        self._ways: dict[int, RoutePlan] = {}  # they hold the headers
        self._signed_headers = {"Content-Type": "application/json"}
        if credentials is not None:
            self._signed_headers["X-MEXC-APIKEY"] = credentials.api_key
        lane = self._order_transport
        self._express = None
        if compiled and credentials is not None and isinstance(lane, Lane):
            native = credentials.signer.native
            self._express = compiled.Express(
                self, lane, native, NewOrder, Reply, FORMS, decoder, result_type, window_ms
            )

    def with_credentials(self, credentials: Credentials) -> Api:
        """The same connections, limits and events for calls with another key."""
        if self.recorder is not None:
            self.recorder.hide(credentials)
        return Api(
            self.transport,
            self.limiter,
            order_transport=self._order_transport,
            credentials=credentials,
            tasks=self.tasks,
            hooks=self.hooks,
            retry=self._retry,
            clock=self.clock,
            recorder=self.recorder,
            on_rate_refused=self._on_rate_refused,
            keep_warm=self.keep_warm,
            read_only=self._read_only,
        )

    def begin(self, call: Call, options: Options) -> Started | None:
        """Let a call that places an order pass the limits; None where anything has to be waited for."""
        return None if self._express is None else self._express.begin(call, options)

    def deliver(self, request: Request[Any], options: Options) -> Coroutine[Any, Any, Any]:
        """Carry out a request as it is, with nobody looking after it."""
        if self._express is not None and type(request) is NewOrder:
            return self._express.deliver(request, options)
        return self.run(call_of(request, options), options)

    def run(self, call: Call, options: Options) -> Coroutine[Any, Any, Any]:
        """Carry out a call; equal public reads under way at the same time share one, some answers are kept a while."""
        route = call.route
        # Raw answers can be changed by who gets them.
        if route.safe and route.method == "GET" and route.auth is Auth.NONE and call.kind is not None:
            return self._share(call, options)
        if self._express is not None and type(call.given) in _EXPRESS:
            return self._express.carry_out(call, options)
        return self.carry_out(call, options)

    async def _share(self, call: Call, options: Options) -> Any:
        route = call.route
        self.admit(route)
        key = (route.path, query_of(call))
        if route.cache_s and options.cached and (kept := self._answers.get(key)) and kept[0] > time.monotonic():
            return kept[1]
        answer = await self.tasks.shared((key, options), lambda: self.carry_out(call, options))
        if route.cache_s:
            self._keep(key, answer, route.cache_s)
        return answer

    async def open_connections(self, count: int) -> None:
        """Open so many connections, by as many pings at the same time; the limits count them."""
        ping = Call(Ping.route, [], None)

        def carry_out() -> Coroutine[Any, Any, Any]:
            return self.carry_out(ping, Options())

        await asyncio.gather(*(self.tasks.shared((Ping, number), carry_out) for number in range(count)))

    def admit(self, route: Route) -> RoutePlan:
        """How calls of a route leave; refuses what this client cannot or may not send."""
        if self.is_closed:
            raise ClientClosed("the client is closed").at(route.method, route.path)
        way = self._ways.get(id(route))
        if way is None or way.route is not route:  # an id is used again once its route is gone
            way = self._way(route)
        return way

    def _way(self, route: Route) -> RoutePlan:
        if self._read_only and not route.safe:
            raise ReadOnlyError("this client is read-only and the call changes something").at(route.method, route.path)
        if route.money is Money.WITHDRAWAL and not self._allow_withdraw:
            raise WithdrawalsOff(
                "this client does not send money away: open it with Mexc(..., allow_withdraw=True)"
            ).at(route.method, route.path)
        if route.auth is Auth.SIGNED and self.credentials is None:
            raise MissingCredentials("this call needs an API key and its secret").at(route.method, route.path)
        method, path = self._paths.get((route.method, route.path), (route.method, route.path))
        is_private = route.auth is not Auth.NONE
        is_order = route.priority <= Priority.ORDER and not route.safe
        if is_order and self.keep_warm is not None:
            self.keep_warm.start()
        way = RoutePlan(
            route=route,
            is_private=is_private,
            method=method,
            path=path,
            headers=self._signed_headers if is_private else self._public_headers,
            is_signed=is_private and self.credentials is not None,
            transport=self._order_transport if is_order else self.transport,
            gate=self.limiter.gate(route),
        )
        if len(self._ways) < _KNOWN_ROUTES:
            self._ways[id(route)] = way
        return way

    def _keep(self, key: Hashable, answer: object, seconds: float) -> None:
        now = time.monotonic()
        if len(self._answers) >= _CACHED_ANSWERS:
            self._answers = {k: v for k, v in self._answers.items() if v[0] > now}
        if len(self._answers) < _CACHED_ANSWERS:
            self._answers[key] = (now + seconds, answer)

    async def carry_out(self, call: Call, options: Options) -> Any:
        """A call with everything the policy allows; what may have changed something says so when it fails."""
        way = self.admit(call.route)
        if way.is_private and not self.clock.is_synced:
            await self.clock_sync.ensure()
        try:
            return await self._attempt(call, options, 1, way)
        except MexcError as error:
            return await self.recover(call, options, error)

    async def recover(self, call: Call, options: Options, failure: MexcError) -> Any:
        """What follows a first attempt that failed: more of them where the policy allows it, or the caller's error."""
        try:
            return await self._repeat(call, options, failure)
        except MexcError as error:
            final = final_error(call, error, options)
            if final is error:
                raise
            raise final from error

    async def _repeat(self, call: Call, options: Options, failure: MexcError) -> Any:
        """Attempt again where the policy says so; raises the last failure."""
        route, attempt, restamped, started = call.route, 1, False, call.asked_s
        while True:
            jitter = random.random()  # noqa: S311 - spreads retries, protects nothing
            elapsed_s = time.monotonic() - started
            pause = self._retry.delay(route, failure, attempt, elapsed_s, jitter, restamped)
            if pause is None or not (options.repeat or isinstance(failure, TimestampRejected)):
                raise failure
            logger.debug("%s %s: attempt %d failed: %s", route.method, route.path, attempt, type(failure).__name__)
            if isinstance(failure, TimestampRejected):
                restamped = True
                await self.clock_sync.sync(forget=True)
            elif pause:
                await asyncio.sleep(pause)
            attempt += 1
            try:
                return await self._attempt(call, options, attempt, self.admit(route))
            except MexcError as error:
                failure = error

    async def _attempt(self, call: Call, options: Options, attempt: int, way: RoutePlan) -> Any:
        """Once through: limiter, stamp, sign, send, decode."""
        route, gate = call.route, way.gate
        status: int | None = None
        failure: MexcError | None = None
        answer: object = None
        call.sent_s, call.carrier = 0.0, None
        call.asked_s = asked_at = taken_at = self.limiter.now()
        has_waited = not gate.try_acquire(asked_at)
        if has_waited:
            taken_at = await gate.acquire(options.max_wait_s)

        def on_connected(carrier: Carrier | None) -> None:
            call.carrier = carrier
            call.sent_s = gate.sent(taken_at)

        try:
            try:
                if has_waited:
                    way = self.admit(route)  # the key may have been replaced meanwhile
                target = self.target(call, options, attempt, way)
                send, body = (call.via or way.transport).send, body_of(call) if route.json_body else b""
                reply = await send(way.method, target, way.headers, options.timeout_s, on_connected, body)
            except BaseException:
                self.unanswered(call, gate)
                raise
            call.ended_s = gate.release(call.sent_s)
            status = reply.status
            answer = self.value(call, reply)
            return answer
        except MexcError as error:
            failure = error.at(route.method, route.path)
            raise
        finally:
            if self.recorder is not None or self.hooks.listeners:
                self.tell(call, attempt, (asked_at, taken_at), status, failure, answer)

    def unanswered(self, call: Call, gate: Gate) -> None:
        """Give back what an attempt took whose caller got no answer; what is still under way keeps it until it ends."""
        if not call.sent_s:
            gate.put_back()
        elif call.carrier is None:
            gate.release(call.sent_s, is_answered=False)
        else:
            call.carrier.when_ended(partial(gate.release, call.sent_s))

    def tell(
        self,
        call: Call,
        attempt: int,
        moments: tuple[float, float],
        status: int | None,
        failure: MexcError | None,
        answer: object,
    ) -> None:
        """What the call log and the listeners get to know of an attempt; `moments` are asked and let go."""
        route, (asked_at, taken_at) = call.route, moments
        waited_s, latency_s = taken_at - asked_at, self.limiter.now() - taken_at
        if self.recorder is not None and route.auth is Auth.SIGNED:
            self.recorder.done(call, attempt, waited_s, latency_s, status, failure, answer)
        if self.hooks.listeners and route is not _TIME:  # of the clock they hear by `ClockSynced`
            order = call.client_order_id
            done = RequestDone(route.method, route.path, attempt, waited_s, latency_s, status, failure, order)
            self.hooks.emit(done)

    def target(self, call: Call, options: Options, attempt: int, way: RoutePlan) -> str:
        """Path and query; for a signed call stamped now, and signed over exactly these bytes."""
        if not way.is_signed or self.credentials is None:
            query = query_of(call)
            return f"{way.path}?{query}" if query else way.path
        if call.gate is not None:
            call.gate()
        stamped_ms = self.clock.now_ms()
        ahead = self.ahead.pop(call.client_order_id, None) if self.ahead else None
        if ahead is not None and ahead.fits(call, options, self.credentials, stamped_ms):
            stamped_ms = ahead.stamped_ms
        else:
            ahead = None
        if self.recorder is not None and not way.route.safe:  # written before it is sent, or not sent
            self.recorder.sending(call, attempt, stamped_ms, stamped_ms + window_ms(options))
        call.stamped_ms = stamped_ms
        return signed(call, options, self.credentials, way, stamped_ms) if ahead is None else ahead.target

    async def sign_ahead(self, order: NewOrder, options: Options) -> NewOrder:
        """Sign an order that has its client order id before it is sent with the same options; returns it.

        Once little is left of its recvWindow, or where the key or the order has changed, it is signed anew.
        """
        way = self.admit(order.route)
        await self.clock_sync.ensure()
        name, credentials, stamped_ms = order.new_client_order_id, self.credentials, self.clock.now_ms()
        assert credentials is not None
        target = signed(call_of(order, options), options, credentials, way, stamped_ms)
        while len(self.ahead) >= MOST_AHEAD:
            del self.ahead[next(iter(self.ahead))]
        self.ahead[name] = SignedAhead(order, options.recv_window_ms, credentials, stamped_ms, target)
        return order

    def value(self, call: Call, reply: Reply) -> Any:
        """The answer that a reply holds. Raises the error that it stands for."""
        route = call.route
        if call.sent_s <= self._distrusted_at and not route.safe and is_refusal(reply):
            raise ConnectionLost("a refusal came that may be the answer to another request")
        error = error_of(route, reply)
        if error is not None:
            if isinstance(error, RateLimited):
                if self._on_rate_refused is not None:
                    self._on_rate_refused(route, reply.status)
                self.limiter.penalise(route, reply.status, error.retry_after_s or 0.0)
            raise error
        try:
            value, odd = (decode_json(reply.body), []) if call.kind is None else decode(call.kind, reply.body)
        except ProtocolError as failure:
            failure.status = reply.status
            raise
        if odd:
            logger.warning("%s %s: left out %d odd items, first: %s", route.method, route.path, len(odd), odd[0])
            self.hooks.emit(OddItems(route.method, route.path, odd))
        return value

    async def _exchange_info(self) -> ExchangeInfo:
        """Every symbol's rules: a kept answer may serve the first time, after that they are asked for anew."""
        answer: ExchangeInfo = await self.deliver(ExchangeInfoQuery(), Options(cached=self.rules.age_s is None))
        return answer

    async def _time_sample(self) -> Sample:
        """Ask for the exchange's time, timing the wire only."""
        call = Call(_TIME, [], result_type(ServerTimeQuery))
        answer = await self.carry_out(call, Options())
        return Sample(call.sent_s, answer.server_time, call.ended_s)

    def distrust(self) -> None:
        """Use no connection again before it is proven: an answer was found to be another request's.

        No refusal of what is under way and changes something is believed either: it may be another request's too. A
        refused read is: the look-ups that settle orders have to end while answers go astray.
        """
        self._distrusted_at = self.limiter.now()
        self._order_transport.distrust()
        if self.transport is not self._order_transport:
            self.transport.distrust()

    async def ping(self, via: Transport, options: Options) -> None:
        """Send one ping by this way onto the wire, as the limits allow."""
        await self.carry_out(Call(Ping.route, [], None, via=via), options)
