"""What a client may be given beside its key."""

from __future__ import annotations

import os
import ssl
from typing import Literal, NamedTuple, TypedDict

from mexc_async.call_log.log import CallLog
from mexc_async.errors import ConfigError
from mexc_async.limits.account_limiter import AccountLimiter
from mexc_async.limits.profiles import Limits
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.retry import RetryPolicy
from mexc_async.risk.alarms import AlarmSettings
from mexc_async.schema.validation import kind_of
from mexc_async.streams.router import StreamSettings
from mexc_async.streams.websocket import Library
from mexc_async.transport.pool import Pool, Timeouts


class Settings(TypedDict, total=False):
    """What `Mexc` takes beside the credentials; its docstring says what each means."""

    rest: str
    ws: str | None
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


def check_settings(
    credentials: object, connections: object, paths: object, order_transport: object, **switches: object
) -> None:
    """Raise ConfigError for what no part of the client looks at: types, ranges and choices."""
    if credentials is not None and not isinstance(credentials, Credentials):  # a secret, maybe: it is not shown
        raise ConfigError(f"credentials must be Credentials(key, secret), not {kind_of(credentials)}")
    if not isinstance(connections, int) or not 1 <= connections <= 100:
        raise ConfigError(f"connections {connections!r} must be from 1 to 100")
    if paths not in ("default", "guide"):
        raise ConfigError(f"paths {paths!r} is not one of 'default', 'guide'")
    if order_transport not in ("lane", "pool"):
        raise ConfigError(f"order_transport {order_transport!r} is not one of 'lane', 'pool'")
    for name, value in switches.items():
        if not isinstance(value, bool):  # any text, such as "no" from a file, would pass for True
            raise ConfigError(f"{name} {value!r} is not True or False")
