"""`Mexc`: the client, its settings and its life."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import ClassVar, Self, Unpack
from urllib.parse import urlsplit

import mexc_async.native.fallback  # noqa: F401 - warns where the compiled core is broken
from mexc_async.accounts.accounts import Accounts
from mexc_async.call_log.log import CallLog
from mexc_async.client.blocking import makes
from mexc_async.client.life import Held, Life
from mexc_async.client.settings import NetworkSettings, Prepared, Settings, check_settings, limits_of
from mexc_async.client.sim_process import SimulatorProcess
from mexc_async.client.sync import SyncMexc
from mexc_async.client.view import RawView, View
from mexc_async.client.wiring import Policy, wire
from mexc_async.errors import ConfigError
from mexc_async.keys.environment import from_environment
from mexc_async.keys.stores import KeyStore, NamedKey, open_store
from mexc_async.keys.watch import Watched
from mexc_async.limits.account_limiter import AccountLimiter
from mexc_async.limits.limiter import RateLimiter
from mexc_async.limits.profiles import Limits
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.call import Options
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.server_clock import ServerClock
from mexc_async.risk.alarms import AlarmSettings
from mexc_async.runtime.clock import SYSTEM, Clock
from mexc_async.runtime.hooks import Hooks
from mexc_async.schema.settings import check_path, check_setting
from mexc_async.schema.validation import between, boolean, instance_of, kind_of, number, one_of, text, whole
from mexc_async.spot.rules import SymbolRules
from mexc_async.streams.router import StreamSettings
from mexc_async.streams.streams import Streams
from mexc_async.streams.websocket import SocketConfig
from mexc_async.transport.config import TransportConfig
from mexc_async.transport.urls import REST, WS, ExchangeUrls, proxy_for

__all__ = ["REST", "WS", "Mexc", "RawView", "Settings", "View"]


class Mexc(View):
    """Client of the MEXC exchange.

        async with Mexc.from_env() as mexc:
            book = await mexc.spot.depth(symbol="BTCUSDT", limit=5)

    The first call opens it, or `await mexc.open()`; `aclose`, or leaving the `async with`, closes it. A client belongs
    to the event loop in which it was opened, and ends with it. Several clients may live in one loop; nothing is global.
    """

    sync: ClassVar[SyncClients]
    """The client without `await`, for scripts: `with Mexc.sync.from_env() as mexc`."""

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        rest: str = REST,
        ws: str | None = None,
        limits: str | Limits = "default",
        read_only: bool = False,
        allow_withdraw: bool = False,
        call_log: CallLog | str | os.PathLike[str] | None = None,
        proxy: str | None = None,
        recv_window_ms: int | None = None,
        network: NetworkSettings = NetworkSettings(),  # noqa: B008 - frozen
        orders: OrderSettings = OrderSettings(),  # noqa: B008 - frozen
        streams: StreamSettings = StreamSettings(),  # noqa: B008 - frozen
        alarms: AlarmSettings = AlarmSettings(),  # noqa: B008 - frozen
        clock: Clock = SYSTEM,
        prepared: Prepared | None = None,
    ) -> None:
        """Set up a client; nothing is sent before the first call.

        Args:
            credentials: key and secret; without them public calls work.
            rest: base URL of the REST API. On this machine (loopback) it is a simulated exchange, and so must be `ws`.
            ws: URL of the spot push streams. The default is MEXC's for MEXC's own `rest`, and `/ws` on the same host
                and port for one on this machine. Other hosts have no default: `streams`, `books`, `orders` and its
                limits then raise ConfigError.
            limits: a profile (`default`, `conservative`, `guide`, `market_maker(N)`, `unlimited`) or `Limits`.
            read_only: refuse every call that changes something.
            allow_withdraw: allow calls that send money away: withdrawals, and transfers to other users. Without
                it they raise WithdrawalsOff before anything is sent.
            call_log: file of every private call and push, a `CallLog` or its path; see `orders.restore`.
            proxy: URL of an HTTP proxy; without one the environment decides (`network.trust_env`).
            recv_window_ms: greatest age of a signed call on arrival, 1 to 60000; None leaves MEXC's 5000.
            network: connections, transport, time-outs, retries, TLS.
            orders: prefix of client order ids, symbol rules, times for settling and remembering orders.
            streams: use of sockets by push streams, and their library.
            alarms: unusual activity to report, and whether it halts trading.
            clock: source of time and random numbers; a test or a back-test sets its own.
            prepared: parts that were built before; see `accounts`, `from_keys` and `sim`.

        Raises ConfigError.
        """
        prepared = Prepared() if prepared is None else prepared
        groups = {"network": network, "orders": orders, "streams": streams, "alarms": alarms}
        others = {"clock": clock, "prepared": prepared, "read_only": read_only, "allow_withdraw": allow_withdraw}
        check_settings(credentials, rest, ws, proxy, call_log, groups | others)
        own_limits = limits_of(limits)
        self._simulator = prepared.simulator
        self._urls = urls = prepared.simulator or ExchangeUrls(rest, ws)
        config = TransportConfig(
            urls=urls,
            proxy=proxy,
            trust_env=network.trust_env,
            local_address=network.local_address,
            tls=network.tls,
            timeouts=network.timeouts,
            max_response_bytes=network.max_response_bytes,
        )
        self._connections = network.connections
        self._read_only = read_only
        self._allow_withdraw = allow_withdraw
        self.hooks = Hooks()
        """Events: `mexc.hooks.add(listener)`."""
        self.limits = prepared.limiter or RateLimiter(own_limits, clock)
        """Rate limiter: `mexc.limits.report()`."""
        joined = prepared.network
        uses_lane = network.transport == "lane" and proxy_for(urls.rest, proxy, network.trust_env) is None
        lane = joined.lane if uses_lane else None
        self._transport = prepared.transport or (lane(config, clock, False) if lane else joined.pool(config))
        self._lane = lane(config, clock, True) if lane else None
        policy = Policy(
            credentials=credentials,
            options=Options(recv_window_ms=recv_window_ms),
            retry=network.retry,
            guide_paths=network.paths == "guide",
            read_only=read_only,
            allow_withdraw=allow_withdraw,
            orders=orders,
            alarms=alarms,
            streams=streams,
            connections=network.connections,
        )
        route = None if urls.ws is None else proxy_for(urls.ws, proxy, network.trust_env)
        held = Held()
        self._held: object = held
        parts = wire(
            policy,
            self._transport,
            self.limits,
            order_transport=self._lane,
            urls=urls,
            socket=SocketConfig(
                proxy=route, tls=network.tls, library=streams.library, connect_s=network.timeouts.connect_s
            ),
            connect=joined.connect,
            call_log=CallLog(call_log, clock=clock) if isinstance(call_log, str | os.PathLike) else call_log,
            hooks=self.hooks,
            start=lambda: life.start(),
            held=held,
        )
        super().__init__(parts.calls, policy.options, parts.orders)
        self._api, self._tasks, self._router = parts.api, parts.tasks, parts.router
        self._tracker = parts.tracker
        self.streams = Streams(self._router, held)
        """Push streams: `async with mexc.streams.trades("BTCUSDT") as trades`."""
        self.books = parts.books
        """Live books: `async with mexc.books("BTCUSDT") as book`."""
        self.balances = parts.balances
        """Live balances: `await mexc.balances.current()`."""
        self._life = life = Life(parts, urls, self._transport, self._lane, prepared, held)

    @classmethod
    def from_env(cls, **settings: Unpack[Settings]) -> Self:
        """Create a client with the key in MEXC_API_KEY and MEXC_API_SECRET. Raises MissingCredentials."""
        return cls(from_environment(), **settings)

    @classmethod
    def accounts(
        cls, credentials: Mapping[str, Credentials], *, prepared: Prepared | None = None, **settings: Unpack[Settings]
    ) -> Accounts[Self]:
        """Create clients of several accounts behind this address: one IP budget, account budgets for each.

            async with Mexc.accounts({"master": master, "grid-1": grid}) as accounts:
                await accounts["grid-1"].spot.account()

        The settings are those of `Mexc`, for all of them. `prepared` holds parts that were built before. Raises
        ConfigError.
        """
        if not isinstance(credentials, Mapping):
            raise ConfigError(f"accounts must be a mapping of names to Credentials, not {kind_of(credentials)}")
        names = list(credentials)
        if not names or not all(
            isinstance(name, str) and name.isprintable() and name and "@" not in name for name in names
        ):
            raise ConfigError(f"accounts {names!r}: give at least one, each named by printable text without '@'")
        clock, log = settings.get("clock", SYSTEM), settings.get("call_log")
        check_setting("clock", clock, instance_of(Clock))
        if log is not None and not isinstance(log, CallLog):  # one for all: a log has one writer
            settings = {**settings, "call_log": CallLog(log, clock=clock)}
        limiter = RateLimiter(limits_of(settings.get("limits", "default")).for_accounts(names), clock)
        clients: dict[str, Self] = {}
        for name in names:
            transport = clients[names[0]]._transport if clients else None
            own = (prepared or Prepared())._replace(transport=transport, limiter=AccountLimiter(limiter, name))
            clients[name] = cls(credentials[name], **settings, prepared=own)
        return Accounts(clients, limiter)

    @classmethod
    def from_keys(
        cls,
        name: str | None = None,
        *,
        store: KeyStore | None = None,
        watch_s: float = 15.0,
        **settings: Unpack[Settings],
    ) -> Self:
        """Create a client with a stored key (`mexc-async keys add NAME`), which follows the key's rotation.

        Args:
            name: name of the key; by default the one in use now. A later `keys use` does not change the client's.
            store: a `KeyFile` or `OsKeyring`; by default the one that MEXC_KEYS names (see `docs/keys.md`).
            watch_s: interval of checks for another key under that name.
            settings: those of `Mexc`.

        Raises ConfigError: no such key, a wrong password, a damaged file or one that others may read.
        """
        check_setting("watch_s", watch_s, number("must be a number of seconds above 0", lambda value: 0 < value < 1e9))
        if name is not None:
            check_setting("name", name, text)
        if store is not None and not callable(getattr(store, "read", None)):
            raise ConfigError(f"store must be a KeyFile, an OsKeyring or one of your own, not {kind_of(store)}")
        store = open_store() if store is None else store
        watched = Watched(NamedKey(store, name or store.read().in_use), watch_s)
        return cls(watched.credentials, **settings, prepared=Prepared(watched=watched))

    @classmethod
    def sim(
        cls,
        *,
        seed: int = 7,
        sim_limits: str = "default",
        sim_faults: bool = False,
        tape: str | None = None,
        **settings: Unpack[Settings],
    ) -> Self:
        """Create a client with a simulated exchange of its own, which starts and stops with it.

        Args:
            seed: seed of the simulated market; the same seed gives the same market.
            sim_limits: limits that the simulated exchange enforces: `default`, `guide` or `none`.
            sim_faults: enable requests for faults and price gaps (`POST /sim/faults`, `/sim/gap`).
            tape: file of a recorded market to play beside the generated ones, see `docs/simulator.md`.
            settings: those of `Mexc`.
        """
        check_setting("seed", seed, whole)
        check_setting("sim_limits", sim_limits, one_of(("default", "guide", "none")))
        check_setting("sim_faults", sim_faults, boolean)
        if tape is not None:
            check_path("tape", tape)
        arguments = ["--seed", str(seed), "--limits", sim_limits]
        arguments += [*(["--tape", tape] if tape else []), *(["--faults"] if sim_faults else [])]
        simulator = SimulatorProcess(*arguments)
        if "rest" in settings or "ws" in settings:
            raise ConfigError(
                "Mexc.sim() starts an exchange of its own; for another one use Mexc(..., rest=..., ws=...)"
            )
        return cls(simulator.credentials, **settings, prepared=Prepared(simulator=simulator))

    @property
    def clock(self) -> ServerClock:
        """The exchange's clock as measured."""
        return self._api.clock

    @property
    def rest(self) -> str:
        """Base URL of the REST API."""
        return self._urls.rest

    @property
    def ws(self) -> str | None:
        """URL of the push streams; None if it was not given and has no default."""
        return self._urls.ws

    @property
    def credentials(self) -> Credentials | None:
        """Credentials of the signing key; the secret cannot be read from them."""
        return self._api.credentials

    @property
    def is_sim(self) -> bool:
        """True if the exchange is on this machine, so that no real money moves: for requests, orders and streams."""
        return self._urls.is_loopback

    async def replace_credentials(self, credentials: Credentials, *, same_account: bool = False) -> None:
        """Sign with another key of the same account from now on, without a restart.

        The new key is tried first. Calls under way end with the old key; private streams move to a listen key of the
        new one, and pushes missed meanwhile are backfilled.

        Args:
            credentials: the new key.
            same_account: assume that both belong to one account, where the exchange cannot be asked: the old key has
                ended, or either may not read the account.

        Raises ConfigError when they belong to different accounts (unsettled orders would be looked up in the wrong
        one), ApiError when the exchange refuses the new key, TransportError. The old key then stays.
        """
        check_setting("credentials", credentials, instance_of(Credentials, "Credentials(key, secret)"))
        check_setting("same_account", same_account, boolean)
        await self._life.replace_credentials(credentials, same_account=same_account)

    def rules(self, symbol: str) -> SymbolRules:
        """Return a symbol's rules: `.price(...)` and `.quantity(...)` round by them.

        Raises ConfigError before `load_rules` or a first order, InvalidRequest for an unknown symbol.
        """
        return self._api.rules(symbol)

    async def sync_clock(self) -> None:
        """Measure the exchange's clock now. Raises TransportError, ApiError."""
        await self._api.clock_sync.sync()

    async def load_rules(self) -> None:
        """Load the rules of every symbol (one call of weight 25)."""
        await self._api.rules.load()

    async def warm_up(self, connections: int | None = None) -> None:
        """Open connections ahead, measure the exchange's clock and load the symbols' rules.

        A cold TLS connection costs an order about forty times as much as a warm one. Each connection is opened by a
        ping, which the limits count.
        """
        if connections is not None:
            between(1, 100)("connections", connections)
        await self.open()
        count = connections or self._connections
        await self._api.open_connections(count)
        keep_warm = self._api.keep_warm
        if keep_warm is not None and self._api.credentials is not None and not self._read_only:
            await keep_warm.warm_up(count)
        if self._api.credentials is not None:
            await self._api.clock_sync.ensure()
        await self._api.rules.load()

    async def open(self) -> Self:
        """Open the client and return it; idempotent. The first call does it by itself.

        This starts the background work, and for `Mexc.sim()` the simulated exchange. A failed opening may be tried
        again. Raises ClientClosed after `aclose`, CallLogFailed, ConfigError where the simulator does not start.
        """
        await self._api.open()
        return self

    async def __aenter__(self) -> Self:
        try:
            return await self.open()
        except BaseException:
            await self.aclose()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop background work, fail pending calls, close connections; idempotent, from any task."""
        await self._life.close()

    def __repr__(self) -> str:
        label = "SIM" if self.is_sim else "LIVE"
        credentials = self._api.credentials
        parts = [label, urlsplit(self._urls.rest).netloc, self.limits.limits.profile]
        parts.append(credentials.masked_key if credentials else "public")
        if self._read_only:
            parts.append("read-only")
        elif self._allow_withdraw:
            parts.append("may-withdraw")
        return f"<Mexc {' '.join(parts)}>"


def _sync(mexc: Mexc) -> SyncMexc:
    return SyncMexc(mexc, mexc)


class SyncClients:
    """`Mexc.sync`: makes synchronous clients, by the constructors of `Mexc`."""

    def __call__(self, credentials: Credentials | None = None, **settings: Unpack[Settings]) -> SyncMexc:
        """Create a client; see `Mexc`. Raises ConfigError."""
        return _sync(Mexc(credentials, **settings))

    from_env = staticmethod(makes(Mexc.from_env, _sync))
    from_keys = staticmethod(makes(Mexc.from_keys, _sync))
    sim = staticmethod(makes(Mexc.sim, _sync))


Mexc.sync = SyncClients()
