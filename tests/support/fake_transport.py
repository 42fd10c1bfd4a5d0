"""A fake transport that records its requests and answers from a script."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from msgspec.structs import replace

from mexc_async.call_log.client_log import ClientLog
from mexc_async.call_log.log import CallLog
from mexc_async.client.channel import Calls
from mexc_async.client.view import RawView, View
from mexc_async.client.wiring import Policy, wire
from mexc_async.errors import ConnectFailed
from mexc_async.limits.limiter import RateLimiter
from mexc_async.limits.profiles import Limits
from mexc_async.orders.execution import OrderExecution
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest.call import Options
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.pipeline import Api
from mexc_async.rest.retry import RetryPolicy
from mexc_async.risk.alarms import Alarms
from mexc_async.runtime.clock import SYSTEM, Clock
from mexc_async.runtime.events import Event
from mexc_async.runtime.hooks import Hooks
from mexc_async.schema.answers import Reply
from mexc_async.streams.websocket import SocketConfig
from mexc_async.transport.request_fields import Fields
from mexc_async.transport.transport import OnConnected
from mexc_async.transport.urls import ExchangeUrls

KEY = "mx0vglTESTkey12345"
SECRET = "s3cr3tOfTheTests0123456789abcdef"
TIME = "/api/v3/time"
RULES = "/api/v3/exchangeInfo"
ORDER = "/api/v3/order"
PLACE = f"POST {ORDER}"
CANCEL = f"DELETE {ORDER}"
QUERY = f"GET {ORDER}"


def reply(body: object = None, status: int = 200, **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
    return Reply(status, {name.replace("_", "-").title(): value for name, value in headers.items()}, content)


def refusal(code: int, status: int = 400, **headers: str) -> Reply:
    return reply({"code": code, "msg": f"refused with {code}"}, status, **headers)


def reported(name: str = "mine", status: str = "NEW", executed: str = "0", **fields: object) -> dict[str, object]:
    """Return the fields of an order as the exchange reports it."""
    return {
        "symbol": "BTCUSDT",
        "orderId": f"C02__{name}",
        "clientOrderId": name,
        "price": "60000",
        "origQty": "0.5",
        "executedQty": executed,
        "cummulativeQuoteQty": "0",
        "status": status,
        "type": "LIMIT",
        "side": "BUY",
        "time": 1,
    } | fields


ACK = reply({"symbol": "BTCUSDT", "orderId": "C02__1"})
CANCELLED = reply({"symbol": "BTCUSDT", "orderId": "C02__1", "status": "CANCELED", "executedQty": "0"})
SYMBOL = {
    "symbol": "BTCUSDT",
    "status": "1",
    "baseAsset": "BTC",
    "baseAssetPrecision": 6,
    "quoteAsset": "USDT",
    "quotePrecision": 2,
    "quoteAssetPrecision": 2,
    "baseCommissionPrecision": 6,
    "quoteCommissionPrecision": 2,
    "orderTypes": ["LIMIT", "MARKET", "LIMIT_MAKER"],
    "isSpotTradingAllowed": True,
    "quoteAmountPrecision": "1",
    "baseSizePrecision": "0.000001",
    "maxQuoteAmount": "2000000",
}


def rules_of(*symbols: str) -> Reply:
    rows = [SYMBOL | {"symbol": symbol} for symbol in symbols]
    return reply({"timezone": "CST", "serverTime": 1, "symbols": rows})


@dataclass(frozen=True)
class Sent:
    """One request that reached the transport."""

    method: str
    target: str
    headers: Mapping[str, str]
    timeout_s: float | None
    at: float
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def params(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


Answer: TypeAlias = Reply | Exception | Callable[[Sent], Awaitable[Reply]]


@dataclass
class FakeTransport:
    """Transport with a script by path: each answer is sent once, the last one for ever."""

    scripts: dict[str, list[Answer]] = field(default_factory=dict)
    skew_ms: int = 0
    sent: list[Sent] = field(default_factory=list)
    is_closed: bool = False
    distrusted: int = 0
    """Count of answers that belonged to another request."""

    def on(self, where: str, *answers: Answer) -> None:
        """Set the answers of a path, or of "METHOD path"."""
        self.scripts[where] = list(answers)

    def of(self, where: str) -> list[Sent]:
        """Return the requests to a path, or to "METHOD path"."""
        return [sent for sent in self.sent if where in (sent.path, f"{sent.method} {sent.path}")]

    async def send(
        self,
        method: str,
        target: str,
        headers: Fields,
        timeout_s: float | None,
        on_connected: OnConnected,
        body: bytes = b"",
    ) -> Reply:
        sent = Sent(method, target, dict(headers.items()), timeout_s, time.monotonic(), body)
        self.sent.append(sent)
        script = self.scripts.get(f"{method} {sent.path}") or self.scripts.get(sent.path)
        if script is None:
            on_connected(None)
            return self._usual(sent)
        answer = script.pop(0) if len(script) > 1 else script[0]
        if not isinstance(answer, ConnectFailed):
            on_connected(None)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else await answer(sent)

    def _usual(self, sent: Sent) -> Reply:
        if sent.path == TIME:
            return reply({"serverTime": time.time_ns() // 1_000_000 + self.skew_ms})
        if sent.path == RULES:
            return rules_of("BTCUSDT", "ETHUSDT")
        if sent.path == ORDER:
            return {"GET": refusal(-2013), "DELETE": CANCELLED}.get(sent.method, ACK)
        return reply()

    def distrust(self) -> None:
        self.distrusted += 1

    async def aclose(self) -> None:
        self.is_closed = True


@dataclass
class FakeClient:
    """A pipeline on a fake transport."""

    transport: FakeTransport
    api: Api
    calls: Calls
    log: ClientLog | None
    alarms: Alarms
    limiter: RateLimiter
    events: list[Event]
    view: View
    raw: RawView
    execution: OrderExecution
    close: Callable[[], None]
    """Function that fails waits for orders, as closing a client does."""


@asynccontextmanager
async def fake_client(
    limits: Limits | str = "unlimited",
    *,
    credentials: bool = True,
    prefix: str = "m",
    check_rules: bool = False,
    orders: OrderSettings = OrderSettings(),  # noqa: B008 - frozen
    call_log: CallLog | None = None,
    clock: Clock = SYSTEM,
    **settings: Any,
) -> AsyncIterator[FakeClient]:
    transport, hooks = FakeTransport(), Hooks()
    limiter = RateLimiter(Limits.named(limits) if isinstance(limits, str) else limits, clock)
    events: list[Event] = []
    hooks.add(events.append)
    usual: dict[str, Any] = {"retry": RetryPolicy(budget_s=1, first_s=0.001, longest_s=0.004)}
    policy = Policy(
        credentials=Credentials(KEY, SECRET) if credentials else None,
        orders=replace(orders, check_rules=check_rules, id_prefix=prefix),
        **usual | settings,
    )
    parts = wire(
        policy,
        transport,
        limiter,
        order_transport=None,
        urls=ExchangeUrls("http://127.0.0.1:9"),
        socket=SocketConfig(),
        call_log=call_log,
        hooks=hooks,
    )
    view = View(parts.calls, Options(), parts.orders)
    raw = RawView(parts.calls, Options(raw=True))
    yield FakeClient(
        transport,
        parts.api,
        parts.calls,
        parts.log,
        parts.alarms,
        limiter,
        events,
        view,
        raw,
        parts.orders.execution,
        parts.tracker.close,
    )
    await parts.router.aclose()
    parts.api.close()
    parts.tracker.close()
    limiter.close()
    await parts.tasks.aclose()
    if parts.log is not None:
        parts.log.close()
