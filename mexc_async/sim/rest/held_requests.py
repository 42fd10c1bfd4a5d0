"""Requests that faults hold back, lose or answer wrongly, and those on their way.

A waiting request goes on after its sender has disconnected, as it would at MEXC. It is lost if the exchange stops or
restarts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.faults.request_faults import RequestFaults
from mexc_async.sim.rest.endpoints.order_names import NAMELESS, Names
from mexc_async.sim.rest.http import Delivery, NoResponse, Outcome, Peer, Response
from mexc_async.sim.rest.responses import is_fair, page

_LOOK_S = 0.02
"""Interval at which a request that is never answered is checked for a disconnected sender."""


class HeldRequests:
    """All requests that wait because of a fault or of their travel time."""

    def __init__(self, restart: Callable[[int], object], share: Callable[[Fault], float]) -> None:
        """Start with no waiting request.

        `restart` restarts the exchange and refuses connections for the given ms. `share` draws the share of an answer
        that a fault lets through, from 0 to 1.
        """
        self.is_open = True
        """True while requests are accepted; False while the exchange is down."""
        self._restart = restart
        self._share = share
        self._waiting: dict[asyncio.Future[bool], Names] = {}

    async def hold(self, faults: RequestFaults, names: Names) -> bool:
        """Wait before a request is carried out. Return False if the request is lost. `names` are its orders' names."""
        if (held := faults.take("hold")) and not await self.wait(held.delay_ms):
            return False
        overtaken = faults.take("overtake")
        return overtaken is None or await self.wait(overtaken.delay_ms, names)

    def overtaken(self, names: Names) -> None:
        """Release the orders that waited for a cancel of one of these names."""
        for waiter, own in self._waiting.items():
            if own & names:
                _release(waiter)

    def shut(self) -> None:
        """Lose every waiting request, and accept none from now on."""
        self.is_open = False
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(False)

    async def answer(self, peer: Peer, faults: RequestFaults, answer: Response) -> Outcome:
        """Apply the faults of the answer to a request that was carried out, and return what becomes of it."""
        if (late := faults.take("late_answer")) and not await self.wait(late.delay_ms):
            return NoResponse.DROPPED
        loss = faults.take_loss("processed")
        if loss is not None:
            return await self.lose(peer, loss, answer)
        if faults.take("answer_twice"):
            return replace(answer, delivery=Delivery.TWICE)
        if again := faults.take("repeat_answer"):
            return replace(answer, delivery=Delivery.AGAIN, gap_ms=again.delay_ms)
        if is_fair(answer) and (stale := faults.take("stale_answer")):
            return replace(answer, delivery=Delivery.STALE, gap_ms=stale.delay_ms)
        return answer

    async def lose(self, peer: Peer, loss: Fault, answer: Response | None = None) -> Outcome:
        """Lose the answer of a request, or the request itself if it has no answer yet."""
        match loss.kind:
            case "error":
                return page(loss.status)
            case "truncate" if answer is not None:
                return replace(answer, delivery=Delivery.BROKEN_OFF, share=self._share(loss))
            case "stall" if answer is not None:
                return replace(answer, delivery=Delivery.STALLED, share=self._share(loss))
            case "clip" if answer is not None:
                return replace(answer, body=answer.body[: int(len(answer.body) * self._share(loss))])
            case "hang_up":
                return NoResponse.CLOSED
            case "restart":
                self._restart(loss.delay_ms)
            case "mute":
                while not peer.is_closing and await self.wait(_LOOK_S * 1000):
                    pass
        return NoResponse.DROPPED

    async def wait(self, ms: float, names: Names = NAMELESS) -> bool:
        """Wait until `ms` have passed or a cancel overtakes. Return False if the exchange shuts down."""
        return await self.wait_for(ms, asyncio.get_running_loop().create_future(), names)

    async def wait_for(self, ms: float, waiter: asyncio.Future[bool], names: Names = NAMELESS) -> bool:
        """Wait until `ms` have passed or the future is done. Return False if the exchange shuts down."""
        if not self.is_open:
            return False
        self._waiting[waiter] = names
        timer = asyncio.get_running_loop().call_later(ms / 1000, _release, waiter)
        try:
            return await waiter
        finally:
            timer.cancel()
            del self._waiting[waiter]


def _release(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(True)
