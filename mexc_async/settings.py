"""What a client may be given beside its key."""

from __future__ import annotations

import os
import ssl
from typing import Literal, NamedTuple, TypedDict

from mexc_async.core.limits import Limits
from mexc_async.core.retry import RetryPolicy
from mexc_async.errors import ConfigError
from mexc_async.net.account_limiter import AccountLimiter
from mexc_async.net.alarms import AlarmSettings
from mexc_async.net.call_log import CallLog
from mexc_async.net.hub import StreamSettings
from mexc_async.net.ledger import OrderSettings
from mexc_async.net.pool import Pool, Timeouts
from mexc_async.net.websocket import Library

REST = "https://api.mexc.com"
WS = "wss://wbs-api.mexc.com/ws"


class Settings(TypedDict, total=False):
    """What `Mexc` takes beside the credentials; its docstring says what each means."""

    rest: str
    ws: str
    limits: str | Limits
    paths: Literal["default", "guide"]
    read_only: bool
    allow_withdraw: bool
    check_rules: bool
    connections: int
    order_transport: Literal["lane", "pool"]
    timeouts: Timeouts
    retry: RetryPolicy
    recv_window_ms: int | None
    order_id_prefix: str
    orders: OrderSettings
    call_log: CallLog | str | os.PathLike[str] | None
    alarms: AlarmSettings
    proxy: str | None
    trust_env: bool
    local_address: str | None
    tls: ssl.SSLContext | None
    max_response_bytes: int
    streams: StreamSettings
    ws_library: Library


class Shared(NamedTuple):
    """What the clients of several accounts behind one address have in common."""

    pool: Pool | None
    """None for the first of them, which makes it."""
    limiter: AccountLimiter


def limits_of(limits: str | Limits) -> Limits:
    """Limits as they are or by their profile's name. Raises ConfigError."""
    return Limits.named(limits) if isinstance(limits, str) else limits


def check_choice(name: str, value: object, *choices: str) -> None:
    """Raise ConfigError unless a setting is one of these."""
    if value not in choices:
        raise ConfigError(f"{name} {value!r} is not one of {', '.join(map(repr, choices))}")


def check_connections(count: object) -> None:
    """Raise ConfigError unless it is a number of connections."""
    if not isinstance(count, int) or not 1 <= count <= 100:
        raise ConfigError(f"connections {count!r} must be from 1 to 100")


def check_switches(**switches: object) -> None:
    """Raise ConfigError unless each is a bool: any text, such as "no" from a file, would pass for True."""
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise ConfigError(f"{name} {value!r} is not True or False")
