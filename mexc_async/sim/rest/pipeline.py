"""Way of a request through the exchange: routed, read, counted, checked, carried out and answered.

Each request is checked, matched and answered in one step, in the order of arrival. Only reading its body and faults
make it wait.
"""

from __future__ import annotations

from collections.abc import Callable

from mexc_async.runtime.clock import Clock
from mexc_async.sim.exchange.decimals import exactly
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.faults.faults import Faults
from mexc_async.sim.faults.request_faults import CANCELS, NAMING, RequestFaults, request_faults_of
from mexc_async.sim.rest import auth
from mexc_async.sim.rest.endpoint import Call, ServedEndpoint
from mexc_async.sim.rest.endpoints.order_names import NAMELESS, api_key, client_ids_of, is_repeatable, names_of
from mexc_async.sim.rest.held_requests import HeldRequests
from mexc_async.sim.rest.http import NoResponse, Outcome, Request, Response
from mexc_async.sim.rest.limits import RateCounters
from mexc_async.sim.rest.parameters import Received, receive
from mexc_async.sim.rest.responses import refused, reply
from mexc_async.sim.rest.routes import find_endpoint
from mexc_async.sim.rest.swaps import Place, Swaps
from mexc_async.sim.stream.listen_keys import ListenKeys
from mexc_async.sim.wallet.wallet import Wallet


class Pipeline:
    """The steps of all requests, with their faults at each step."""

    def __init__(
        self,
        exchange: Exchange,
        wallet: Wallet,
        listen_keys: ListenKeys,
        faults: Faults,
        limits: RateCounters,
        gate: HeldRequests,
        clock: Clock,
        *,
        advance: Callable[[int], None],
        on_due: Callable[[], None],
        shift_clock: Callable[[int], None],
    ) -> None:
        """Serve an exchange. `advance` plays the market up to a time, `on_due` is called after each request."""
        self._exchange = exchange
        self._wallet = wallet
        self._listen_keys = listen_keys
        self._faults = faults
        self._limits = limits
        self._gate = gate
        self._swaps = Swaps(gate.wait_for)
        self._clock = clock
        self._advance = advance
        self._on_due = on_due
        self._shift_clock = shift_clock

    async def answer(self, request: Request) -> Outcome:
        """Take a request through all steps. Raises Refusal before it is carried out."""
        path, _, query = request.target.partition("?")
        endpoint = find_endpoint(request.method, path)
        faults = request_faults_of(self._faults, endpoint, lambda: client_ids_of(self._exchange, request, endpoint))
        if jump := faults.take("clock"):
            self._shift_clock(jump.delay_ms)
        faults.reach("unread")
        if loss := faults.take_loss("unread"):
            return await self._gate.lose(request.peer, loss)
        body = await request.read()
        self._count(request, endpoint, faults)
        faults.reach("read")
        if loss := faults.take_loss("read"):
            return await self._gate.lose(request.peer, loss)
        received = receive(query, body, request.headers.get("Content-Type", ""))
        names = names_of(request, endpoint, received) if "overtake" in faults.drawn else NAMELESS
        if not await self._gate.hold(faults, names):
            return NoResponse.DROPPED
        place = self._swaps.place(faults, request.peer, api_key(request)) if endpoint.name in NAMING else None
        if place is None:
            answer = self._once_or_twice(request, endpoint, received, faults)
        elif (found := await self._swapped(place, request, endpoint, received)) is not None:
            answer = found
        else:
            return NoResponse.DROPPED
        faults.reach("processed")
        return await self._gate.answer(request.peer, faults, answer)

    async def _swapped(
        self, place: Place, request: Request, endpoint: ServedEndpoint, received: Received
    ) -> Response | None:
        """Carry out a request that may change places with another; return its answer, None if it is lost."""
        answer: Response | None = None
        try:
            if not await self._swaps.request(place):
                return None
            answer = self._once_or_twice(request, endpoint, received, place.faults)
            return await self._swaps.answer(place, answer)
        finally:
            place.settle(answer)

    def _count(self, request: Request, endpoint: ServedEndpoint, faults: RequestFaults) -> None:
        """Count a request against the rate limits. Raises Refusal 429 or 418."""
        known = self._exchange.keys.find(api_key(request))
        uid = known.account if known else None
        now_s = self._clock.monotonic()
        if ban := faults.take("ban"):
            self._limits.close(request.remote, 418, now_s + ban.delay_ms / 1000)
        elif full := faults.take("throttle"):
            self._limits.close(request.remote, 429, now_s + full.delay_ms / 1000)
        rejection = self._limits.arrive(request.remote, uid, endpoint.costs, now_s)
        if rejection is not None:
            text = "Too many requests." if rejection.status == 429 else "Too many requests: this address is banned."
            raise Refusal(rejection.status, text, rejection.status, rejection.retry_after_s)

    def _once_or_twice(
        self, request: Request, endpoint: ServedEndpoint, received: Received, faults: RequestFaults
    ) -> Response:
        """Carry out a request; twice if a fault demands it, and the exchange refuses or ignores the second."""
        is_twice = is_repeatable(endpoint, received) and faults.take("request_twice") is not None
        answer = self._carry_out(request, endpoint, received, faults)
        if is_twice:
            self._carry_out(request, endpoint, received, faults)
        if endpoint.name in CANCELS:
            self._gate.overtaken(names_of(request, endpoint, received))
        return answer

    @exactly
    def _carry_out(
        self, request: Request, endpoint: ServedEndpoint, received: Received, faults: RequestFaults
    ) -> Response:
        """Check a request, carry it out at the current time and return the answer."""
        now_ms = self._clock.wall_ms()
        try:
            sender = None
            if endpoint.is_signed:
                sent = api_key(request)
                sender = auth.check_key(self._exchange.keys.find(sent), sent, request.remote)
                auth.check_time(received, now_ms)
                auth.check_signature(received, sender, now_ms)
                auth.check_permission(sender, endpoint.permission)
                auth.check_account(self._exchange.accounts[sender.account])
            self._advance(now_ms)
            call = Call(self._exchange, received.parameters, now_ms, sender, self._listen_keys, self._wallet, faults)
            return reply(endpoint.handler(call))
        except Refusal as refusal:
            return refused(refusal)
        finally:
            self._on_due()
