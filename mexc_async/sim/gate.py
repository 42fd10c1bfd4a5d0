"""Carries out what befalls requests: they wait, are lost, or are answered wrongly.

A request that waits goes on although its sender has left, as it would at the exchange; when the exchange ends or
restarts it is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from aiohttp import web

from mexc_async.sim import replies
from mexc_async.sim.fates import Fate
from mexc_async.sim.faults import Fault
from mexc_async.sim.listener import reset

_LOOK_S = 0.02
"""How often a request that is never answered is looked after."""
Names: TypeAlias = frozenset[tuple[str, str]]
"""What an order can be called: pairs of API key and client order id."""
NAMELESS: Names = frozenset()


class Gate:
    """Every request that waits."""

    def __init__(self, restart: Callable[[int], object]) -> None:
        """`restart` restarts the exchange, which then refuses connections for so many ms."""
        self.is_open = True
        """Whether requests get through; False while the exchange is down."""
        self._restart = restart
        self._waiting: dict[asyncio.Future[bool], Names] = {}

    async def hold(self, fate: Fate, names: Names) -> bool:
        """Wait before a request is carried out; returns False when it is lost. `names` are what it can be called."""
        if fate.hold_ms and not await self._wait(fate.hold_ms):
            return False
        return not fate.overtake_ms or await self._wait(fate.overtake_ms, names)

    def overtaken(self, names: Names) -> None:
        """A cancel of these orders was carried out: they may follow now."""
        for waiter, own in self._waiting.items():
            if own & names and not waiter.done():
                waiter.set_result(True)

    def shut(self) -> None:
        """Lose every request that waits, and let none wait any more."""
        self.is_open = False
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(False)

    async def answer(self, request: web.BaseRequest, fate: Fate, answer: web.Response) -> web.Response:
        """What to answer a request that was carried out."""
        if fate.answer_ms and not await self._wait(fate.answer_ms):
            return drop(request)
        loss = fate.loss_at("processed")
        if loss is not None:
            return await self.lose(request, loss, answer)
        if fate.is_answered_twice and request.transport is not None:
            request.transport.write(replies.on_the_wire(answer))
        return answer

    async def lose(self, request: web.BaseRequest, loss: Fault, answer: web.Response | None = None) -> web.Response:
        """Let the answer, or the request itself if there is none yet, be lost."""
        match loss.kind:
            case "error":
                return replies.page(loss.status)
            case "truncate" if answer is not None and request.transport is not None:
                request.transport.write(replies.broken_off(answer))
                request.transport.close()
                return answer
            case "restart":
                self._restart(loss.delay_ms)
            case "mute":
                while not _is_gone(request) and await self._wait(_LOOK_S * 1000):
                    pass
        return drop(request)

    async def _wait(self, ms: float, names: Names = NAMELESS) -> bool:
        """Wait so long, or until it is overtaken; returns False when the exchange ends."""
        if not self.is_open:
            return False
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = names
        try:
            async with asyncio.timeout(ms / 1000):
                return await waiter
        except TimeoutError:
            return True
        finally:
            del self._waiting[waiter]


def drop(request: web.BaseRequest) -> web.Response:
    """Reset the connection; the answer is for the server's own use, nobody receives it."""
    reset(request.transport)
    return web.Response(status=503)


def _is_gone(request: web.BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()
