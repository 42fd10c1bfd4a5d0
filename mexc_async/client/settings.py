"""Settings of a client, apart from its key."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, NamedTuple, TypedDict

from mexc_async.call_log.log import CallLog
from mexc_async.client.sim_process import SimulatorProcess
from mexc_async.errors import ConfigError, InvalidRequest
from mexc_async.keys.watch import Watched
from mexc_async.limits.account_limiter import AccountLimiter
from mexc_async.limits.profiles import Limits
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.retry import RetryPolicy
from mexc_async.risk.alarms import AlarmSettings
from mexc_async.runtime.clock import Clock
from mexc_async.schema.settings import CheckedSettings, check_path, check_setting
from mexc_async.schema.validation import Check, Rule, between, boolean, instance_of, kind_of, shown
from mexc_async.streams.router import StreamSettings
from mexc_async.streams.websocket import Connect, connect
from mexc_async.transport.config import Timeouts, TransportConfig
from mexc_async.transport.lane import Lane
from mexc_async.transport.transport import SharedTransport
from mexc_async.transport.urls import check_text


def _local_address(name: str, value: object) -> None:
    if not isinstance(value, str) or not value or not value.isprintable() or " " in value:
        raise InvalidRequest(f"{name} {shown(value)} is not an address of this machine, as in 192.0.2.7")


def _renamed(name: str, value: object) -> None:
    raise InvalidRequest(f"{name} is now transport, for all calls: NetworkSettings(transport={shown(value)})")


class NetworkSettings(CheckedSettings, frozen=True, kw_only=True):
    """Settings of the connections to the exchange: number, transport, time-outs and retries."""

    connections: Annotated[int, Rule(between(1, 100))] = 8
    """Connections that `warm_up` opens and the lane holds for orders once it needed them, 1 to 100."""
    transport: Literal["lane", "pool"] = "lane"
    """Transport of all calls: `lane` or `pool`.

    `lane` has next to no overhead, and connections of their own for orders and cancels, which it keeps warm; `pool` is
    aiohttp's. Behind a proxy it is always the pool.
    """
    order_transport: Annotated[object, Rule(_renamed)] | None = None
    """Former name of `transport`; anything but None raises ConfigError."""
    paths: Literal["default", "guide"] = "default"
    """`guide` sends orders to the paths that some guides name."""
    timeouts: Timeouts = Timeouts()
    """Time-outs per phase of one attempt."""
    retry: RetryPolicy = RetryPolicy()
    """Rules for repeated attempts, and their total time."""
    trust_env: bool = True
    """True to let HTTPS_PROXY, ALL_PROXY and NO_PROXY choose a proxy if `proxy` names none."""
    local_address: Annotated[str, Rule(_local_address)] | None = None
    """Address of this machine to send from."""
    tls: Annotated[ssl.SSLContext, Rule(instance_of(ssl.SSLContext, "an ssl.SSLContext"))] | None = None
    """Your own certificate authorities; verification stays on."""
    max_response_bytes: Annotated[int, Rule(between(1024, 1 << 31))] = 32 << 20
    """A larger answer raises ProtocolError."""


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


def _pool(config: TransportConfig) -> SharedTransport:
    from mexc_async.transport.pool import Pool  # aiohttp takes longer to import than all the rest

    return Pool(config)


class Network(NamedTuple):
    """Makers of a client's connections: by default to the network, in a back-test to an exchange in this process."""

    pool: Callable[[TransportConfig], SharedTransport] = _pool
    """Makes the transport of every call, without `lane`."""
    lane: Callable[[TransportConfig, Clock, bool], Lane] | None = Lane
    """Makes the transport of orders and cancels (True), and that of every other call (False)."""
    connect: Connect = connect
    """Opens the sockets of the push streams."""


class Prepared(NamedTuple):
    """Parts that `Mexc.accounts`, `from_keys`, `sim` and a back-test build before a client; it makes those left out."""

    transport: SharedTransport | None = None
    """Transport of the first of several accounts, for the calls of the others that are no orders."""
    limiter: AccountLimiter | None = None
    """One account's view of the limits of several."""
    watched: Watched | None = None
    """Source of the key, to be followed."""
    simulator: SimulatorProcess | None = None
    """Exchange that starts and stops with the client."""
    network: Network = Network()


def limits_of(limits: str | Limits) -> Limits:
    """Return limits as given or by their profile's name. Raises ConfigError."""
    if isinstance(limits, str):
        return Limits.named(limits)
    if not isinstance(limits, Limits):
        raise ConfigError(f"limits must be a profile's name or Limits(...), not {kind_of(limits)}")
    return limits


def check_settings(
    credentials: object, rest: object, ws: object, proxy: object, call_log: object, groups: Mapping[str, object]
) -> None:
    """Raise ConfigError for a setting of a wrong type; secrets are not shown."""
    if credentials is not None and not isinstance(credentials, Credentials):  # may be a secret
        raise ConfigError(f"credentials must be Credentials(key, secret), not {kind_of(credentials)}")
    for name, value, is_optional in (("rest", rest, False), ("ws", ws, True), ("proxy", proxy, True)):
        if not (is_optional and value is None):
            check_text(name, value)
    if call_log is not None and not isinstance(call_log, CallLog):
        check_path("call_log", call_log)
    for name, value in groups.items():
        check_setting(name, value, _GROUPS[name])


_GROUPS: dict[str, Check] = {
    "network": instance_of(NetworkSettings),
    "orders": instance_of(OrderSettings),
    "streams": instance_of(StreamSettings),
    "alarms": instance_of(AlarmSettings),
    "read_only": boolean,
    "allow_withdraw": boolean,
    "clock": instance_of(Clock),
    "prepared": instance_of(Prepared),
}
"""Checks of the arguments of `Mexc` by name."""
