"""Requests and answers of two connections that change places."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from mexc_async.sim.faults.faults import Kind
from mexc_async.sim.faults.request_faults import RequestFaults
from mexc_async.sim.rest.http import Peer, Response
from mexc_async.sim.rest.responses import is_fair


class Place:
    """A request's place on its connection, which another one may take."""

    def __init__(self, faults: RequestFaults, peer: Peer, api_key: str) -> None:
        self.faults = faults
        self.partner: Place | None = None
        """The request that it changes places with."""
        self._sender = peer, api_key
        self._answer: asyncio.Future[Response | None] | None = None

    def fits(self, other: Place) -> bool:
        """Return True if another place is of the same account, and of another connection."""
        return self._sender[0] is not other._sender[0] and self._sender[1] == other._sender[1]

    def settle(self, answer: Response | None) -> None:
        """Give the partner the answer; None if there is none."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def meet(self, other: Place) -> None:
        """Change places with another request."""
        self.partner, other.partner = other, self
        for each in (self, other):
            each._answer = asyncio.get_running_loop().create_future()

    async def exchanged(self, answer: Response) -> Response:
        """Return the partner's answer for this place; the own one if the receiver of either could not detect it."""
        self.settle(answer)
        partner = self.partner
        if partner is None or partner._answer is None or not is_fair(answer):
            return answer
        theirs = await partner._answer
        return theirs if theirs is not None and is_fair(theirs) else answer


class Meeting:
    """Place where requests, or answers, wait for a partner."""

    def __init__(self, kind: Kind, wait: Callable[[float, asyncio.Future[bool]], Awaitable[bool]]) -> None:
        """Serve faults of a kind. `wait` waits for some ms or for the future; it returns False at a shutdown."""
        self._kind: Kind = kind
        self._wait = wait
        self._waiting: dict[Place, asyncio.Future[bool]] = {}

    async def pass_by(self, own: Place) -> bool:
        """Join who waits here, or wait for a partner if a fault demands it. Return False if the exchange stops."""
        for other, waiter in self._waiting.items():
            if not waiter.done() and other.fits(own):
                other.faults.take(self._kind)
                own.meet(other)
                waiter.set_result(True)
                return True
        fault = own.faults.drawn.get(self._kind)
        if fault is None:
            return True
        self._waiting[own] = waiter = asyncio.get_running_loop().create_future()
        try:
            return await self._wait(fault.delay_ms, waiter)
        finally:
            del self._waiting[own]

    @property
    def is_empty(self) -> bool:
        """True while nobody waits."""
        return not self._waiting


class Swaps:
    """All requests and answers that wait to change places."""

    def __init__(self, wait: Callable[[float, asyncio.Future[bool]], Awaitable[bool]]) -> None:
        self._requests = Meeting("swap_requests", wait)
        self._answers = Meeting("swap_answers", wait)

    def place(self, faults: RequestFaults, peer: Peer, api_key: str) -> Place | None:
        """Return a place for a request; None where no other can take it."""
        if not faults.drawn and self._requests.is_empty and self._answers.is_empty:
            return None
        return Place(faults, peer, api_key)

    async def request(self, own: Place) -> bool:
        """Let a request of another connection go first, if a fault demands it. Return False if the request is lost."""
        return await self._requests.pass_by(own)

    async def answer(self, own: Place, answer: Response) -> Response | None:
        """Return the answer that goes to this place; None if it is lost."""
        if own.partner is None and is_fair(answer) and not await self._answers.pass_by(own):
            return None
        return await own.exchanged(answer)
