"""Keep-warm of the order lane: spare connections, pings before the host closes idle ones, measured addresses.

A new connection costs an order many times the round trip of a warm one, and a connection that the host is about to
close may cost it its answer. Pings pass the rate limits like every request.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from math import inf
from typing import Protocol

from mexc_async.errors import ClientClosed, MexcError
from mexc_async.limits.account_limiter import AccountLimiter
from mexc_async.limits.limiter import RateLimiter
from mexc_async.rest.call import Options
from mexc_async.runtime.log import logger
from mexc_async.runtime.tasks import Tasks
from mexc_async.spot.market import Ping
from mexc_async.transport.addresses import Address, unreachable
from mexc_async.transport.connection import Connection
from mexc_async.transport.lane import Lane, PinnedConnection
from mexc_async.transport.transport import Transport
from mexc_async.transport.urls import place_of

PING_S = 15.0
"""Seconds of idleness after which a connection is pinged; hosts close idle ones after about a minute."""
TURN_S = 5.0
MOST_ADDRESSES = 4
"""Greatest count of addresses with a connection: if one fails, orders move to another at once."""
_PING = Options(max_wait_s=5.0, timeout_s=2.0, repeat=False)
MOST_SPENT = 0.5
"""Share of a budget above which pings wait: many accounts behind one IP address must not use it up by pings."""
_PROOF = Options(max_wait_s=0.0, timeout_s=2.0, repeat=False)
QUIET_S = 0.05
"""Seconds to wait after a refusal before a ping tests the connection: a timer may repeat an answer, which would then
come behind the ping's."""
FAR = 1.25
"""Ratio to the shortest round trip above which an address gets one connection only."""


class Pinger(Protocol):
    """Sender of pings, as the rate limits allow."""

    limiter: RateLimiter | AccountLimiter

    async def ping(self, via: Transport, options: Options) -> None:
        """Send one ping over this transport."""
        ...


class KeepWarm:
    """Background upkeep of the lane: opens, pings and closes connections."""

    def __init__(self, lane: Lane, api: Pinger, tasks: Tasks, most: int) -> None:
        self.wanted = 0
        """Count of connections to hold open."""
        self._lane = lane
        self._api = api
        self._tasks = tasks
        self._most = most
        self._is_running = False
        self._filling = asyncio.Lock()

    async def warm_up(self, count: int) -> None:
        """Open `count` connections, measure them and hold them open. Raises ConnectFailed if none can be opened."""
        self.wanted = max(self.wanted, count)
        self.start()
        await self._fill()
        await self._check(self._lane.idle())

    def start(self) -> None:
        """Look after the lane's connections from now on; idempotent."""
        if not self._is_running:
            self._is_running = True
            self._tasks.spawn(self._run())
            self._tasks.spawn(self._prove_held())

    async def _run(self) -> None:
        attention = self._lane.attention
        while True:
            try:
                async with asyncio.timeout(TURN_S if self._lane.grows_cold else None):
                    await attention.wait()
            except TimeoutError:
                pass
            attention.clear()
            self.wanted = max(self.wanted, min(self._lane.wanted, self._most))
            try:
                await self._turn()
            except ClientClosed:
                return
            except MexcError as error:
                logger.info("the order lane could not be kept warm: %s", error)

    async def _turn(self) -> None:
        self._shed()
        await self._fill()
        if not self._lane.grows_cold or not self._may_ping():
            return  # a connection that the host closes meanwhile is replaced in the next round
        now = self._lane.monotonic()
        several = len({connection.address for connection in self._lane.connections}) > 1
        await self._check(
            [
                connection
                for connection in self._lane.idle()
                if now - max(connection.used_at, connection.checked_at) > PING_S
                or (several and connection.checked_at == -inf)
            ]
        )

    def _shed(self) -> None:
        """Close surplus connections: too many, on far addresses, on addresses that the name no longer resolves to."""
        lane, now = self._lane, self._lane.monotonic()
        surplus = len(lane.connections) - self.wanted
        held = Counter(connection.address for connection in lane.connections)
        nearest_s = min((address.round_trip_s for address in held), default=0.0)
        for connection in lane.idle():
            address = connection.address
            is_far = address.round_trip_s > FAR * nearest_s + 0.001 and held[address] > 1
            is_unused = surplus > 0 and now - connection.used_at > lane.config.keepalive_s and held[address] > 1
            if is_far or is_unused or not lane.addresses.knows(address):
                held[address] -= 1
                surplus -= 1
                connection.close()

    async def _fill(self) -> None:
        """Open missing connections: one to each address, the rest to the nearest."""
        if self.wanted:
            async with self._filling:  # a concurrent warm-up must not open the same connections
                await self._open_missing(self._lane)

    async def _open_missing(self, lane: Lane) -> None:
        held = {connection.address for connection in lane.connections}
        try:
            known = (await lane.addresses.ranked())[:MOST_ADDRESSES]
        except OSError as error:
            raise unreachable(place_of(lane.config.urls.rest), error) from error
        targets: list[Address | None] = []
        if len(known) > 1:
            targets += [address for address in known if address not in held and address.round_trip_s < inf]
        targets += [None] * (self.wanted - len(lane.connections) - len(targets))
        limit_s = lane.config.timeouts.connect_s
        results = await asyncio.gather(*(lane.open(limit_s, target) for target in targets), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and (not lane.connections or not isinstance(result, MexcError)):
                raise result

    def _may_ping(self) -> bool:
        spent = self._api.limiter.spent(Ping.route)
        return spent is None or spent <= MOST_SPENT

    async def _prove_held(self) -> None:
        while True:
            self._tasks.spawn(self._prove(await self._lane.unproven.get()))

    async def _prove(self, connection: Connection) -> None:
        """Free a held connection if its next answer is the ping's; else close it."""
        await asyncio.sleep(QUIET_S)
        try:
            if self._may_ping():
                await self._api.ping(PinnedConnection(self._lane, connection), _PROOF)
        except MexcError as error:
            logger.debug("a connection of the order lane could not be proven: %s", error)
        finally:
            if connection.is_held:
                connection.close()
                self._lane.attention.set()  # open another in its place

    async def _check(self, connections: list[Connection]) -> None:
        """Ping these connections at the same time; a failed ping closes its connection."""
        pings = [self._api.ping(PinnedConnection(self._lane, connection), _PING) for connection in connections]
        for result in await asyncio.gather(*pings, return_exceptions=True):
            if isinstance(result, MexcError):
                logger.debug("a ping over the order lane failed: %s", result)
            elif isinstance(result, BaseException):
                raise result
