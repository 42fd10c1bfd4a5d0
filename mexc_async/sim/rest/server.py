"""The simulated exchange as a server."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType

import msgspec

from mexc_async.runtime.clock import SYSTEM, Clock
from mexc_async.sim.exchange.decimals import exactly
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.symbols import SEEDED
from mexc_async.sim.faults.faults import PROCESS, BadFault, Fault, FaultCount, Faults, Strike
from mexc_async.sim.faults.request_faults import check_target
from mexc_async.sim.market.arbitrage import Gap, GapRequest, open_gap
from mexc_async.sim.market.latency import Travel
from mexc_async.sim.market.liquidity import Liquidity
from mexc_async.sim.market.listing import starting_balances
from mexc_async.sim.market.mover import Mover
from mexc_async.sim.market.recording import Recording, player_of, read_recording
from mexc_async.sim.market.watcher import Watcher
from mexc_async.sim.rest.config import SimConfig, StartFailed, main_account
from mexc_async.sim.rest.endpoints import control
from mexc_async.sim.rest.gateway import Gateway
from mexc_async.sim.rest.held_requests import HeldRequests
from mexc_async.sim.rest.http import Delivery, Listen, NoResponse, Outcome, Peer, Request, Response
from mexc_async.sim.rest.limits import RateCounters
from mexc_async.sim.rest.pipeline import Pipeline
from mexc_async.sim.rest.port import Port
from mexc_async.sim.rest.routes import ENDPOINTS
from mexc_async.sim.rest.steps import Steps
from mexc_async.sim.stream.listen_keys import ListenKeys
from mexc_async.sim.stream.sockets import PATH as STREAM
from mexc_async.sim.stream.sockets import Sockets
from mexc_async.sim.wallet.account_audit import AccountAudit, audit_of
from mexc_async.sim.wallet.back_office import Order, carry_out
from mexc_async.sim.wallet.wallet import Wallet

__all__ = ["SimConfig", "Simulator", "StartFailed", "main_account"]

FEED_AFTER_MS = 0.001
"""Delay of a push in virtual time: the answers of its instant come first, over whatever connection."""

log = logging.getLogger("mexc_async.sim")

_HIDDEN_MS = 1000
"""Longest time in which a recorded market may stand still without anybody to see it."""


class Simulator:
    """A simulated MEXC that serves until it is closed.

    The exchange's time is its clock's, and every random choice comes from the seed: the same requests at the same times
    get the same answers, ids and keys included.

        async with Simulator(SimConfig(seed=7)) as sim:
            ...  # point a client at sim.rest
    """

    def __init__(
        self,
        config: SimConfig | None = None,
        clock: Clock = SYSTEM,
        listen: Listen = Port,
        *,
        watcher: Watcher | None = None,
        recording: Recording | None = None,
        on_strike: Callable[[Strike], None] | None = None,
    ) -> None:
        """Build the exchange. `start` makes it serve, with the listener that `listen` builds.

        `watcher` records it from its start on. `recording` is the recorded market of `config.tape`, read before.
        `on_strike` is called for every fault that is about to be carried out.

        Raises ValueError for a bad tape or account.
        """
        self.config = config or SimConfig()
        self._on_strike = on_strike
        seed, path = self.config.seed, self.config.tape
        if recording is None and path is not None:
            recording = read_recording(path, self.config.market_data)
        self.recording = recording
        """The recorded market, with its times and its warnings."""
        if self.recording and self.recording.data.clock_offset_ms:
            clock = clock.ahead(self.recording.data.clock_offset_ms)
        self._wall_ns, self._jumps_ms = clock.wall_ns, 0
        clock = Clock(monotonic=clock.monotonic, wall_ns=clock.wall_ns, random=clock.random)  # its own may jump
        self.clock = clock
        now_ms = self._now_ms()
        recorded = self.recording.rules if self.recording else ()
        played = [rules.symbol for rules in recorded]
        listed = {rules.symbol: rules for rules in (*(SEEDED if self.config.generated else ()), *recorded)}
        models = self.config.models
        remembered = () if models.impact == "none" else played
        self.exchange = Exchange(
            listed.values(), seed=seed, now_ms=now_ms, recorded=remembered, mx_price=models.mx_price
        )
        self.wallet = Wallet(self.exchange, seed=seed, rules=self.config.wallet)
        extra = starting_balances(self.recording.rules) if self.recording else {}
        for spec in self.config.accounts:
            self.wallet.open(self.exchange.open_account(spec, now_ms, extra), spec.withdraw_addresses)
        generated = [symbol for symbol in listed if symbol not in played]
        self._liquidity = Liquidity(self.exchange, generated, seed=seed, now_ms=now_ms, flow=self.config.flow)
        self._movers: list[Mover] = [self._liquidity]
        self._player: Mover | None = None
        if self.recording is not None:
            loop = self.config.loop_tape
            self._player = player_of(self.exchange, self.recording, now_ms=now_ms, loop=loop, models=models, seed=seed)
            self._movers.append(self._player)
        self._movers.append(self.wallet)
        self._limits = RateCounters(self.config.limits, self.config.windows)
        rules = self.config.sockets
        self._listen_keys = ListenKeys(
            self.config.seed, valid_ms=int(rules.listen_key_s * 1000), most=rules.listen_keys
        )
        for fault in self.config.faults:
            self._check(fault)
        own = self.config.fault_seed
        self._faults = Faults(self.config.faults, seed=seed if own is None else own, report=self._report)
        self._steps = Steps(clock, self._step, width_ms=self._width_ms, due_ms=self._due_ms)
        extra_ms = 0.0 if self.config.step_ms else FEED_AFTER_MS
        feed = Travel(self.config.latency.feed, self.config.seed, "feed", extra_ms)
        self.sockets = Sockets(self.exchange, self._listen_keys, self._faults, rules, clock, feed, self._steps.hasten)
        self._gate = HeldRequests(self.restart, lambda fault: self._faults.random_of(fault).random())
        self._pipeline = Pipeline(
            self.exchange,
            self.wallet,
            self._listen_keys,
            self._faults,
            self._limits,
            self._gate,
            clock,
            advance=self._advance,
            on_due=self._steps.hasten,
            shift_clock=self.shift_clock,
        )
        self._gateway = Gateway(self._route, self._gate, clock, self.config.latency, self.config.seed)
        self._listener = listen(self._gateway.answer, self.config.host, self.config.port)
        self._controllers: list[Peer] = []
        """Connections whose control request is being carried out."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._rest = ""
        if watcher is not None:
            watcher.begin(self.exchange, now_ms)
            self._movers.append(watcher)

    @property
    def rest(self) -> str:
        """Base URL of the REST API. Raises RuntimeError before `start`."""
        if not self._rest:
            raise RuntimeError("the simulator is not serving")
        return self._rest

    @property
    def spot_ws(self) -> str:
        """URL of the spot stream. Raises RuntimeError before `start`."""
        return "ws" + self.rest.removeprefix("http") + STREAM

    @property
    def rejected(self) -> Mapping[str, int]:
        """Number of requests rejected by each rate limit; `ban` for a banned address, `throttle` for that fault."""
        return self._limits.rejected

    async def answer(self, request: Request) -> Outcome:
        """Answer one request, dated by the exchange's clock, or serve a WebSocket connection until its end."""
        return await self._gateway.answer(request)

    def inject(self, *faults: Fault) -> int:
        """Put faults in force. Those with `now` apply at once; return the number of connections they hit.

        Raises BadFault if one matches no endpoint or is one of the process without `on_strike`, and then does nothing.
        """
        for fault in faults:
            self._check(fault)
        hit = sum(map(self._inject, faults))
        self._steps.hasten()
        return hit

    def _check(self, fault: Fault) -> None:
        check_target(fault, ENDPOINTS)
        if fault.kind in PROCESS and self._on_strike is None:
            raise BadFault(f"fault {fault.kind}: only a rehearsal can carry it out")

    def _inject(self, fault: Fault) -> int:
        if not fault.now:
            self._faults.add(fault)
            return 0
        return self.restart(fault.delay_ms) if fault.kind == "restart" else self.sockets.strike(fault)

    def restart(self, down_ms: int) -> int:
        """Drop every connection, refuse new ones for `down_ms`, then serve again at the same address.

        Orders, balances, listen keys and rate limit counters survive. The market stands still meanwhile, and waiting
        requests are lost. Returns the number of connections dropped. Does nothing while the exchange is down already.
        """
        if not self._gate.is_open:
            return 0
        self._gate.shut()
        self._own(self._come_back(down_ms), "mexc-sim-restart")
        return self._listener.reset_all(self._controllers)

    async def _come_back(self, down_ms: int) -> None:
        gone_ms = self._now_ms()
        try:
            await self._listener.pause(down_ms / 1000)
        except OSError:
            log.exception("the simulated exchange cannot reopen its port")
            return
        for mover in self._movers:
            mover.pause(self._now_ms() - gone_ms)
        self._gate.is_open = True
        self._steps.hasten()

    def _report(self, fault: Fault, orders: Callable[[], tuple[str, ...]]) -> None:
        if self._on_strike is not None:
            self._on_strike(Strike(fault, self._now_ms(), orders()))

    def shift_clock(self, ms: int) -> None:
        """Let the exchange's wall clock jump by `ms`, back if negative. What is due stays as far away as it was."""
        self._jumps_ms += ms
        ahead_ns = self._jumps_ms * 1_000_000
        self.clock.wall_ns = lambda: self._wall_ns() + ahead_ns
        for mover in self._movers:
            mover.pause(ms)
        self.sockets.shift(ms)
        self._steps.plan()

    def clear_faults(self) -> None:
        """Remove all faults. Broken connections stay broken."""
        self._faults.clear()

    def fault_counts(self) -> list[FaultCount]:
        """Return every fault in force with its counts."""
        return self._faults.counts()

    def statement(self, account: str | None = None) -> AccountAudit:
        """Return the audit of an account, by name or uid; of the main account by default. Raises ValueError."""
        accounts = self.exchange.accounts.values()
        for each in accounts:
            if account in (None, each.uid, each.name):
                return audit_of(each, self.exchange.balances, self.wallet)
        raise ValueError(f"account {account!r} is none of {', '.join(each.name for each in accounts)}")

    def open_gap(self, gap: GapRequest | None = None) -> Gap:
        """Move prices so that a round of three orders is profitable. Raises ValueError if that is not possible."""
        now_ms = self._now_ms()
        self._advance(now_ms)
        found = open_gap(self.exchange, gap or GapRequest(), self._liquidity.move, now_ms)
        self._steps.hasten()
        return found

    def order(self, order: Order) -> dict[str, object]:
        """Carry out a back-office command and return its result. Raises ValueError or Refusal."""
        self._advance(now_ms := self._now_ms())
        done = carry_out(self.exchange, self.wallet, order, now_ms)
        self._steps.hasten()
        return done

    async def start(self) -> None:
        """Start to serve. Raises StartFailed if host or port is not available, RuntimeError at a second call."""
        if self._rest:
            raise RuntimeError("the simulator is already started")
        try:
            self._rest = await self._listener.open()
        except OSError as error:
            reason = "is in use" if error.errno == errno.EADDRINUSE else f"is not available: {error.strerror or error}"
            raise StartFailed(f"{self.config.host} port {self.config.port} {reason}") from None
        self._steps.start()

    async def aclose(self) -> None:
        """Stop serving. Safe to call again, and before `start`."""
        self._steps.stop()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self.sockets.aclose()
        self._gate.shut()
        await self._listener.aclose()
        self._rest = ""

    def _own(self, work: Coroutine[None, None, None], name: str) -> None:
        """Run a task until it ends or the simulator is closed."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def __aenter__(self) -> Simulator:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _now_ms(self) -> int:
        return self.clock.wall_ms()

    @exactly
    def _step(self, now_ms: int) -> None:
        """Move the market without a request, and send the stream's pushes."""
        if self._gate.is_open:
            self._advance(now_ms)
        self.sockets.tick(now_ms)

    def _width_ms(self) -> int:
        step_ms = self.config.step_ms
        return min(step_ms, self.sockets.shortest_ms or step_ms) if step_ms else 0

    def _due_ms(self) -> float:
        """Return the time of the next event that somebody can see, 0 for soon; infinity without one.

        While no user's order rests, what happens in a recorded market is seen at the end of a stream's window: all of
        it is played then, each event with its own time.
        """
        due_ms = self.sockets.due_ms
        if self._gate.is_open:
            for mover in self._movers:
                mover_ms = mover.due_ms
                if mover_ms < due_ms:
                    is_hidden = mover is self._player and not self.exchange.has_orders
                    due_ms = min(due_ms, self.sockets.window_end(mover_ms, _HIDDEN_MS) if is_hidden else mover_ms)
        return due_ms

    def catch_up(self) -> None:
        """Play what has happened up to now, as each request does before it is carried out."""
        if self._gate.is_open:
            self._advance(self._now_ms())

    def _advance(self, now_ms: int) -> None:
        for mover in self._movers:
            mover.advance(now_ms)

    async def _route(self, request: Request) -> Outcome:
        if request.method == "GET" and request.path == STREAM:
            return await self._stream(request)
        if self.config.control and request.target.startswith(control.PREFIX) and request.remote in control.LOOPBACK:
            return await self._control(request)
        return await self._pipeline.answer(request)

    async def _stream(self, request: Request) -> Outcome:
        """Accept a WebSocket connection and serve it until its end."""
        if self.sockets.refuses():
            return NoResponse.DROPPED
        accepted = await self._gateway.accept(request)
        if isinstance(accepted, Response | NoResponse):
            return accepted
        await self.sockets.serve(accepted, request.query.get("listenKey"))
        return NoResponse.STREAMED

    async def _control(self, request: Request) -> Outcome:
        """Carry out a control request to the simulator itself."""
        body = await request.read()
        if request.peer.is_closing:
            return NoResponse.DROPPED
        self._controllers.append(request.peer)
        try:
            found = control.answer(self, request.method, request.target, body)
        finally:
            self._controllers.remove(request.peer)
        delivery = Delivery.WHOLE if self._gate.is_open else Delivery.LAST
        return Response(msgspec.json.encode(found), 200, {"Content-Type": "application/json"}, delivery)
