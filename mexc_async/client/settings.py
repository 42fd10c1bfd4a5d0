"""Settings of a client, apart from its key."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypedDict

from msgspec import Struct

from mexc_async.call_log.log import CallLog
from mexc_async.client.sim_process import SimulatorProcess
from mexc_async.errors import ConfigError
from mexc_async.keys.watch import Watched
from mexc_async.limits.account_limiter import AccountLimiter
from mexc_async.limits.profiles import Limits
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.retry import RetryPolicy
from mexc_async.risk.alarms import AlarmSettings
from mexc_async.runtime.clock import Clock
from mexc_async.schema.validation import kind_of
from mexc_async.streams.router import StreamSettings
from mexc_async.transport.pool import Pool, Timeouts


class NetworkSettings(Struct, frozen=True, kw_only=True):
    """Settings of the connections to the exchange: number, transport, time-outs and retries."""

    connections: int = 8
    """Connections that `warm_up` opens and the order lane holds once it needed them, 1 to 100."""
    order_transport: Literal["lane", "pool"] = "lane"
    """Transport of orders and cancels: `lane` or `pool`.

    `lane` has warm connections of its own with next to no overhead; `pool` has the connections of all other calls.
    Behind a proxy it is always the pool.
    """
    paths: Literal["default", "guide"] = "default"
    """`guide` sends orders to the paths that some guides name."""
    timeouts: Timeouts = Timeouts()
    """Time-outs per phase of one attempt."""
    retry: RetryPolicy = RetryPolicy()
    """Rules for repeated attempts, and their total time."""
    trust_env: bool = True
    """True to let HTTPS_PROXY, ALL_PROXY and NO_PROXY choose a proxy if `proxy` names none."""
    local_address: str | None = None
    """Address of this machine to send from."""
    tls: ssl.SSLContext | None = None
    """Your own certificate authorities; verification stays on."""
    max_response_bytes: int = 32 << 20
    """A larger answer raises ProtocolError."""

    def __post_init__(self) -> None:
        if type(self.connections) is not int or not 1 <= self.connections <= 100:
            raise ConfigError(f"connections {self.connections!r} must be from 1 to 100")
        if self.paths not in ("default", "guide"):
            raise ConfigError(f"paths {self.paths!r} is not one of 'default', 'guide'")
        if self.order_transport not in ("lane", "pool"):
            raise ConfigError(f"order_transport {self.order_transport!r} is not one of 'lane', 'pool'")
        check_switches(trust_env=self.trust_env)
        for name, kind in (("timeouts", Timeouts), ("retry", RetryPolicy)):
            if not isinstance(getattr(self, name), kind):
                raise ConfigError(f"{name} must be {kind.__name__}(...), not {kind_of(getattr(self, name))}")
        if self.tls is not None and not isinstance(self.tls, ssl.SSLContext):
            raise ConfigError(f"tls must be an ssl.SSLContext, not {kind_of(self.tls)}")
        address = self.local_address
        if address is not None and not (isinstance(address, str) and address.isprintable() and address):
            raise ConfigError(f"local_address {address!r} is not an address")


class Settings(TypedDict, total=False):
    """Arguments of `Mexc` apart from the credentials; see its docstring for each."""

    rest: str
    ws: str | None
    limits: str | Limits
    read_only: bool
    allow_withdraw: bool
    call_log: CallLog | str | os.PathLike[str] | None
    proxy: str | None
    recv_window_ms: int | None
    network: NetworkSettings
    orders: OrderSettings
    streams: StreamSettings
    alarms: AlarmSettings
    clock: Clock


class Prepared(NamedTuple):
    """Parts that `Mexc.accounts`, `from_keys` and `sim` build before a client; it makes those that are None."""

    pool: Pool | None = None
    """Pool of the first of several accounts, for the others."""
    limiter: AccountLimiter | None = None
    """One account's view of the limits of several."""
    watched: Watched | None = None
    """Source of the key, to be followed."""
    simulator: SimulatorProcess | None = None
    """Exchange that starts and stops with the client."""


def limits_of(limits: str | Limits) -> Limits:
    """Return limits as given or by their profile's name. Raises ConfigError."""
    return Limits.named(limits) if isinstance(limits, str) else limits


def check_settings(credentials: object, groups: Mapping[str, tuple[object, type]], **switches: object) -> None:
    """Raise ConfigError for a setting of a wrong type: the key, the groups by name, and switches."""
    if credentials is not None and not isinstance(credentials, Credentials):  # may be a secret: it is not shown
        raise ConfigError(f"credentials must be Credentials(key, secret), not {kind_of(credentials)}")
    for name, (value, kind) in groups.items():
        if not isinstance(value, kind):
            raise ConfigError(f"{name} must be {kind.__name__}(...), not {kind_of(value)}")
    check_switches(**switches)


def check_switches(**switches: object) -> None:
    """Raise ConfigError for a switch that is not True or False: any text, such as "no" from a file, would be true."""
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise ConfigError(f"{name} {value!r} is not True or False")
