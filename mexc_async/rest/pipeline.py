"""The request pipeline: pass the limiter, stamp, sign, send, decode; above it the retry policy.

One attempt (`_attempt`) and the policy over it (`_carry_out`) are separate. A call gets its time stamp after it has
passed the limiter, and the bytes that are signed are the bytes that are sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from functools import partial
from math import inf
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace

from mexc_async.error_codes import of_order
from mexc_async.errors import (
    ClientClosed,
    ConnectFailed,
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
from mexc_async.rest.route_plan import RoutePlan, SignedAhead, signed
from mexc_async.rest.server_clock import ClockSync, ServerClock
from mexc_async.rest.symbol_rules import SymbolRulesCache
from mexc_async.runtime.hooks import Hooks
from mexc_async.runtime.log import OutageLog, logger
from mexc_async.runtime.tasks import Tasks
from mexc_async.schema.answers import Reply, decode, decode_json, error_of, is_refusal
from mexc_async.schema.endpoint import Auth, Money, Priority, Request, Route, result_type
from mexc_async.schema.lenient import decoder
from mexc_async.spot.market import ExchangeInfoQuery, Ping, ServerTimeQuery
from mexc_async.spot.models import ExchangeInfo
from mexc_async.spot.trading import FORMS, BatchOrders, CancelOrder, NewOrder
from mexc_async.transport.lane import Lane
from mexc_async.transport.request_fields import RequestFields, bare
from mexc_async.transport.transport import Carrier, Transport

T = TypeVar("T")

GUIDE_PATHS = {
    ("POST", "/api/v3/order"): ("POST", "/api/v3/order/place"),
    ("DELETE", "/api/v3/order"): ("POST", "/api/v3/order/cancel"),
}
"""Paths that some guides and gateways use for MEXC's POST and DELETE /api/v3/order; `paths="guide"` selects them."""
_TIME = replace(ServerTimeQuery.route, priority=Priority.ORDER)
"""Route of the clock measurement, which must not wait behind market data."""
_EXPRESS = frozenset({NewOrder, CancelOrder, BatchOrders})
"""Requests that compiled code sends in one piece. Handlers send them, so that no task of a user begins in that code,
whose frames `Task.print_stack` cannot show."""
_KNOWN_ROUTES = 1000
MOST_AHEAD = 500
"""Most orders signed ahead: an account can have no more open. Beyond it the oldest are signed when they are sent."""
_CACHED_ANSWERS = 256


class CallRecorder(Protocol):
    """Recorder of a client's calls, such as a call log."""

    def sending(self, call: Call, attempt: int, at: int, until: int) -> None:
        """Record a call that changes something before it is sent. Raises CallLogFailed: it must not be sent."""
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
        """Record the end of an attempt."""
        ...

    def hide(self, credentials: Credentials) -> None:
        """Mask this key in all records."""
        ...


class Started(Protocol):
    """A call that has passed the limits and is written next, without a task switch in between."""

    def write(self) -> Awaitable[Reply]:
        """Write the request; return an awaitable of the reply. Raises the error that prevents the sending."""
        ...

    def give_up(self) -> None:
        """Free the tokens: the call is not sent after all."""
        ...

    def answer(self, reply: Callable[[], Reply]) -> Any:
        """Decode the reply that `reply` returns. Raises the error in it, or the error of `reply`."""
        ...


class Api:
    """The request pipeline: every stage that a call passes, wired by the client."""

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
        start: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Set up the pipeline; `start` is awaited once, before the first request. The others are those of `Mexc`."""
        self.transport = transport
        self._order_transport = order_transport or transport
        """The transport of calls that place or cancel orders."""
        self.limiter = limiter
        self.tasks = tasks
        self.hooks = hooks
        self.clock = clock
        self._monotonic = clock.local.monotonic
        self.outages = OutageLog(clock.local.monotonic)
        self.clock_sync = ClockSync(clock, self._time_sample, hooks, tasks, self.outages)
        self.rules = SymbolRulesCache(self._exchange_info, tasks, clock.local)
        self._start = start
        self.is_open = start is None
        """True once the client is open; its first call opens it."""
        self.is_reached = False
        """True once there was a connection to the exchange; until then a failure to connect is final."""
        self.is_closed = False
        self.recorder = recorder
        self.keep_warm = keep_warm
        """Background upkeep of the order lane's connections; None without a lane."""
        if keep_warm is None and isinstance(order_transport, Lane):
            self.keep_warm = KeepWarm(order_transport, self, tasks, most_warm)
        self._on_rate_refused = on_rate_refused
        """Called with every 429 and 418, before the limiter closes the limits."""
        self._retry = retry
        self._paths = GUIDE_PATHS if guide_paths else {}
        self._read_only = read_only
        self._allow_withdraw = allow_withdraw
        self.ahead: dict[str | None, SignedAhead] = {}
        """Orders signed ahead and not sent yet, by client order id."""
        self._distrusted_at = -inf
        """Time of the latest answer that belonged to another request, by the limiter's clock."""
        self._answers: dict[Hashable, tuple[float, object]] = {}
        self._public_headers = RequestFields({})
        self.sign_with(credentials)

    def close(self) -> None:
        """Refuse every call from now on, and end look-ups; the transports are closed by their owner."""
        self.is_closed = True

    def sign_with(self, credentials: Credentials | None) -> None:
        """Sign every request from now on with this key; requests already sent are not affected."""
        self.credentials = credentials
        self._plans: dict[int, RoutePlan] = {}  # route plans hold the headers
        key = {} if credentials is None else {"X-MEXC-APIKEY": credentials.api_key}
        self._signed_headers = RequestFields({"Content-Type": "application/json", **key})
        lane = self._order_transport
        self._express = None
        if compiled and credentials is not None and isinstance(lane, Lane):
            native = credentials.signer.native
            self._express = compiled.Express(
                self, lane, native, NewOrder, Reply, FORMS, decoder, result_type, window_ms
            )

    def with_credentials(self, credentials: Credentials) -> Api:
        """Return a pipeline for another key over the same connections, limits and events."""
        if self.recorder is not None:
            self.recorder.hide(credentials)
        api = Api(
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
        api.is_reached = self.is_reached
        return api

    async def open(self) -> None:
        """Open the client unless it is open. Concurrent callers share one opening; a failed one may be tried again."""
        if self.is_closed:
            raise ClientClosed(self.tasks.end)
        if not self.is_open:
            await self.tasks.shared("open", self._open)

    async def _open(self) -> None:
        if self._start is not None:
            await self._start()
        self.is_open = True

    def begin(self, call: Call, options: Options) -> Started | None:
        """Pass the limits with a call that places an order; return None if it would have to wait."""
        return None if self._express is None else self._express.begin(call, options)

    def deliver(self, request: Request[Any], options: Options) -> Coroutine[Any, Any, Any]:
        """Carry out a request without a handler."""
        if self._express is not None and type(request) is NewOrder:
            return self._express.deliver(request, options)
        return self.run(call_of(request, options), options)

    def run(self, call: Call, options: Options) -> Coroutine[Any, Any, Any]:
        """Carry out a call. Equal public reads at the same time share one request; some answers are cached."""
        route = call.route
        # A caller can change a raw answer.
        if route.safe and route.method == "GET" and route.auth is Auth.NONE and call.kind is not None:
            return self._share(call, options)
        if self._express is not None and type(call.given) in _EXPRESS:
            return self._express.carry_out(call, options)
        return self.carry_out(call, options)

    async def _share(self, call: Call, options: Options) -> Any:
        route = call.route
        self.admit(route)
        key = (route.path, query_of(call))
        if route.cache_s and options.cached and (kept := self._answers.get(key)) and kept[0] > self._monotonic():
            return kept[1]
        answer = await self.tasks.shared((key, options), lambda: self.carry_out(call, options))
        if route.cache_s:
            self._keep(key, answer, route.cache_s)
        return answer

    async def open_connections(self, count: int) -> None:
        """Open `count` connections by as many pings at the same time; the rate limits count them."""
        ping = Call(Ping.route, [], None)

        def carry_out() -> Coroutine[Any, Any, Any]:
            return self.carry_out(ping, Options())

        await asyncio.gather(*(self.tasks.shared((Ping, number), carry_out) for number in range(count)))

    def admit(self, route: Route) -> RoutePlan:
        """Return the plan of a route. Raises if this client cannot or may not send such calls."""
        if self.is_closed:
            raise ClientClosed(self.tasks.end).at(route.method, route.path)
        plan = self._plans.get(id(route))
        if plan is None or plan.route is not route:  # Python reuses the id of a deleted route
            plan = self._plan(route)
        return plan

    def _plan(self, route: Route) -> RoutePlan:
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
        plan = RoutePlan(
            route=route,
            is_private=is_private,
            method=method,
            path=path,
            headers=self._signed_headers if is_private else self._public_headers,
            is_signed=is_private and self.credentials is not None,
            transport=self._order_transport if is_order else self.transport,
            gate=self.limiter.gate(route),
        )
        if len(self._plans) < _KNOWN_ROUTES:
            self._plans[id(route)] = plan
        return plan

    def _keep(self, key: Hashable, answer: object, seconds: float) -> None:
        now = self._monotonic()
        if len(self._answers) >= _CACHED_ANSWERS:
            self._answers = {k: v for k, v in self._answers.items() if v[0] > now}
        if len(self._answers) < _CACHED_ANSWERS:
            self._answers[key] = (now + seconds, answer)

    async def carry_out(self, call: Call, options: Options) -> Any:
        """Carry out a call with its retries. Raises OutcomeUnknown if a failed call may have changed something."""
        plan = self.admit(call.route)
        if plan.is_private:
            if not self.clock.is_synced:
                await self.clock_sync.ensure()  # by a public call, which opens the client
        elif not self.is_open:
            await self.open()
        try:
            return await self._attempt(call, options, 1, plan)
        except MexcError as error:
            return await self.recover(call, options, error)

    async def recover(self, call: Call, options: Options, failure: MexcError) -> Any:
        """Retry after a failed first attempt if the policy allows it; else raise the caller's error."""
        try:
            return await self._repeat(call, options, failure)
        except MexcError as error:
            final = final_error(call, error, options)
            if final is error:
                raise
            raise final from error

    async def _repeat(self, call: Call, options: Options, failure: MexcError) -> Any:
        """Retry as the policy says. Raises the last failure."""
        route, attempt, restamped, started = call.route, 1, False, call.asked_s
        while True:
            jitter = self.clock.local.random.random()
            elapsed_s = self._monotonic() - started
            pause = self._retry.delay(route, failure, attempt, elapsed_s, jitter, restamped)
            is_hopeless = isinstance(failure, ConnectFailed) and not self.is_reached
            if pause is None or is_hopeless or not (options.repeat or isinstance(failure, TimestampRejected)):
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

    async def _attempt(self, call: Call, options: Options, attempt: int, plan: RoutePlan) -> Any:
        """Make one attempt: limiter, time stamp, signature, send, decode."""
        route, gate = call.route, plan.gate
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
            self.is_reached = True

        try:
            try:
                if has_waited:
                    plan = self.admit(route)  # the key may have been replaced meanwhile
                send, body = (call.via or plan.transport).send, body_of(call) if route.json_body else b""
                # The target is no variable: a traceback may show all of them, and none with a signature.
                reply = await send(
                    plan.method,
                    self.target(call, options, attempt, plan),
                    plan.headers,
                    options.timeout_s,
                    on_connected,
                    body,
                )
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
                self.report(call, attempt, (asked_at, taken_at), status, failure, answer)

    def unanswered(self, call: Call, gate: Gate) -> None:
        """Return the tokens of an attempt without an answer; one still in flight holds them until its end."""
        if not call.sent_s:
            gate.put_back()
        elif call.carrier is None:
            gate.release(call.sent_s, is_answered=False)
        else:
            call.carrier.when_ended(partial(gate.release, call.sent_s))

    def report(
        self,
        call: Call,
        attempt: int,
        moments: tuple[float, float],
        status: int | None,
        failure: MexcError | None,
        answer: object,
    ) -> None:
        """Report an attempt to the call log and the listeners; `moments`: asked the limiter, passed it."""
        route, (asked_at, taken_at) = call.route, moments
        waited_s, latency_s = taken_at - asked_at, self.limiter.now() - taken_at
        if self.recorder is not None and route.auth is Auth.SIGNED:
            self.recorder.done(call, attempt, waited_s, latency_s, status, failure, answer)
        if self.hooks.listeners and route is not _TIME:  # `ClockSynced` reports the clock
            order = call.client_order_id
            done = RequestDone(route.method, route.path, attempt, waited_s, latency_s, status, failure, order)
            self.hooks.emit(done)

    def target(self, call: Call, options: Options, attempt: int, plan: RoutePlan) -> str:
        """Return path and query; stamp a signed call with the time and sign exactly these bytes."""
        if not plan.is_signed or self.credentials is None:
            query = query_of(call)
            return f"{plan.path}?{query}" if query else plan.path
        if call.check is not None:
            call.check()
        stamped_ms = self.clock.now_ms()
        ahead = self.ahead.pop(call.client_order_id, None) if self.ahead else None
        if ahead is not None and ahead.fits(call, options, self.credentials, stamped_ms):
            stamped_ms = ahead.stamped_ms
        else:
            ahead = None
        if self.recorder is not None and not plan.route.safe:  # recorded before it is sent, or not sent
            self.recorder.sending(call, attempt, stamped_ms, stamped_ms + window_ms(options))
        call.stamped_ms = stamped_ms
        return signed(call, options, self.credentials, plan, stamped_ms) if ahead is None else ahead.target

    async def sign_ahead(self, order: NewOrder, options: Options) -> NewOrder:
        """Sign an order with a client order id ahead of its sending with the same options; return the order.

        Sending signs it again if little of its recvWindow is left, or if the key or the order has changed.
        """
        plan = self.admit(order.route)
        await self.clock_sync.ensure()
        name, credentials, stamped_ms = order.new_client_order_id, self.credentials, self.clock.now_ms()
        assert credentials is not None
        while len(self.ahead) >= MOST_AHEAD:
            del self.ahead[next(iter(self.ahead))]
        target = signed(call_of(order, options), options, credentials, plan, stamped_ms)
        self.ahead[name] = SignedAhead(order, options.recv_window_ms, credentials, stamped_ms, target)
        return order

    def value(self, call: Call, reply: Reply) -> Any:
        """Decode a reply. Raises the error in it.

        A 429 or 418 is reported to the alarms (`risk/alarms.py`) and closes limits (`RateLimiter.penalise`) before it
        is raised; `RetryPolicy.delay` decides if the call is sent again.
        """
        route = call.route
        if self.is_in_doubt(call) and not route.safe and is_refusal(reply):
            raise ConnectionLost("a refusal came that may be the answer to another request")
        refusal = error_of(route, reply)
        if refusal is not None:
            if isinstance(refusal, RateLimited):
                if self._on_rate_refused is not None:
                    self._on_rate_refused(route, reply.status)
                self.limiter.penalise(route, reply.status, refusal.retry_after_s or 0.0)
            raise of_order(refusal, getattr(call.given, "type", None))
        try:
            value, odd = (decode_json(reply.body), []) if call.kind is None else decode(call.kind, reply.body)
        except ProtocolError as error:
            failure = error
        else:
            if odd:
                logger.warning("%s %s: left out %d odd items, first: %s", route.method, route.path, len(odd), odd[0])
                self.hooks.emit(OddItems(route.method, route.path, odd))
            return value
        self.distrust()  # it may be another request's, whose own answer is still to come
        failure.status = reply.status
        raise bare(failure)  # the variables of the decoder hold the answer, which may be a new key

    async def _exchange_info(self) -> ExchangeInfo:
        """Return the rules of all symbols: at first a cached answer may do, later calls ask the exchange."""
        answer: ExchangeInfo = await self.deliver(ExchangeInfoQuery(), Options(cached=self.rules.age_s is None))
        return answer

    async def _time_sample(self) -> Sample:
        """Measure the exchange's time; the sample covers the round trip only."""
        call = Call(_TIME, [], result_type(ServerTimeQuery))
        answer = await self.carry_out(call, Options())
        return Sample(call.sent_s, answer.server_time, call.ended_s)

    def distrust(self) -> None:
        """Test every connection before its next use: an answer belonged to another request.

        Trust no refusal of a request in flight that changes something, and no ack: it may answer another request too.
        Refused reads are trusted, because the look-ups that settle orders have to end in spite of shifted answers.
        """
        self._distrusted_at = self.limiter.now()
        self._order_transport.distrust()
        if self.transport is not self._order_transport:
            self.transport.distrust()

    def is_in_doubt(self, call: Call) -> bool:
        """Return True if another request's answer came while this call was in flight: its own may be another's too."""
        return call.sent_s <= self._distrusted_at

    async def ping(self, via: Transport, options: Options) -> None:
        """Send one ping over this transport, as the rate limits allow."""
        await self.carry_out(Call(Ping.route, [], None, via=via), options)
