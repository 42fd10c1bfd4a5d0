"""The exchange's edge: travel times, the date of answers, and answers to what was not foreseen."""

from __future__ import annotations

import logging
from email.utils import formatdate

from mexc_async.runtime.clock import Clock
from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.market.latency import Latency, Travel
from mexc_async.sim.rest.held_requests import HeldRequests
from mexc_async.sim.rest.http import Handler, NoResponse, Outcome, Request, Response
from mexc_async.sim.rest.responses import refused
from mexc_async.sim.stream.channel import Channel

log = logging.getLogger("mexc_async.sim")
MISTAKE = Refusal(500, "Internal error", 500)
"""Answer to a request at which the exchange fails by a mistake of its own."""


class Gateway:
    """Entry of every request, and exit of its outcome."""

    def __init__(self, handler: Handler, gate: HeldRequests, clock: Clock, latency: Latency, seed: int) -> None:
        self._handler = handler
        self._gate = gate
        self._clock = clock
        self._there = Travel(latency.order, seed, "order")
        self._back = Travel(latency.answer, seed, "answer")
        self._date = 0, ""
        """The second of the last answer, and its text."""

    async def answer(self, request: Request) -> Outcome:
        """Answer one request, dated by the exchange's clock, or serve a WebSocket connection until its end."""
        if not self._there.is_instant and not await self._travel(self._there, request):
            return NoResponse.DROPPED
        outcome: Outcome = NoResponse.DROPPED
        try:
            if self._gate.is_open:
                outcome = await self._handler(request)
        except Refusal as refusal:
            outcome = refused(refusal)
        except ConnectionError:
            pass  # the sender disconnected before its request was complete
        except Exception:
            log.exception("%s %s failed", request.method, request.target.partition("?")[0])
            outcome = refused(MISTAKE)
        if isinstance(outcome, Response):
            outcome.headers["Date"] = self._now()
        if outcome is NoResponse.STREAMED or self._back.is_instant:
            return outcome
        if outcome is NoResponse.DROPPED and request.peer.is_closing:
            return outcome  # nobody is left to hear of it
        return outcome if await self._travel(self._back, request) else NoResponse.DROPPED

    async def accept(self, request: Request) -> Channel | Outcome:
        """Accept the WebSocket connection that a request asks for, or return what happens to the request instead."""
        if request.upgrade is None:
            return Response(b"", 426, {"Upgrade": "websocket"})
        if not await self._travel(self._back, request):
            return NoResponse.DROPPED
        return await request.upgrade({"Date": self._now()})

    async def _travel(self, way: Travel, request: Request) -> bool:
        """Wait for a travel time. Return False if the exchange stops or restarts meanwhile."""
        return way.is_instant or await self._gate.wait(way.draw_ms(f"{request.method} {request.path}"))

    def _now(self) -> str:
        """Return the exchange's time as a header field has it."""
        now_s = self._clock.wall_ms() // 1000
        if self._date[0] != now_s:
            self._date = now_s, formatdate(now_s, usegmt=True)
        return self._date[1]
