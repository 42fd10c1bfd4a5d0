"""Subjects that send one signed limit order and return the exchange's acknowledgement.

All send the same order: `POST /api/v3/order` with every parameter in the query, as in MEXC's guides (one peer puts them
in the body). Each subject imports its library, so the benchmark measures the installed ones only.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import sys
import time
from collections import deque
from collections.abc import Coroutine
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Literal, Protocol, TypeVar, cast
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from benchmarks.harness import OWN, OWN_PURE
from mexc_async.client.mexc import Mexc
from mexc_async.client.settings import NetworkSettings
from mexc_async.orders.ids import OrderIds
from mexc_async.rest.call import Options, call_of
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.pipeline import Api
from mexc_async.runtime.clock import SYSTEM
from mexc_async.schema.endpoint import Request
from mexc_async.spot.models import OrderAck
from mexc_async.spot.prepared import PreparedOrder

T = TypeVar("T")
KEY = "mx0vglBENCHMARKBENCH"
SECRET = "0123456789abcdef0123456789abcdef"
HOST = "127.0.0.1"
PATH = "/api/v3/order"
HEADERS = {"X-MEXC-APIKEY": KEY, "Content-Type": "application/json"}
QUANTITY, PRICE = "0.0005", "93387.28"
LANE = f"{OWN} lane"
LOGGED = f"{OWN} logged"
FULL = f"{OWN} guarded and logged"


class Subject(Protocol):
    """A client with `connections` warm connections, or its own number of them."""

    async def open(self, port: int, connections: int) -> None: ...

    async def order(self, index: int) -> object: ...

    async def close(self) -> None: ...


class Sdk:
    """The SDK as users run it: limiter (no limit binds), clock, rules, tracking, signing, typed answer."""

    transport: Literal["lane", "pool"] = "lane"
    call_log: Path | None = None

    async def open(self, port: int, connections: int) -> None:
        rest = f"http://{HOST}:{port}"
        self._mexc = Mexc(
            Credentials(KEY, SECRET),
            rest=rest,
            limits="unlimited",
            network=NetworkSettings(transport=self.transport),
            call_log=self.call_log,
        )
        await self._mexc.__aenter__()
        await self._mexc.warm_up(connections)
        self._new_order = self._mexc.spot.new_order
        self._quantity, self._price = Decimal(QUANTITY), Decimal(PRICE)

    async def order(self, index: int) -> object:
        return await self._new_order(
            symbol="BTCUSDT", side="BUY", type="LIMIT", quantity=self._quantity, price=self._price
        )

    async def close(self) -> None:
        await self._mexc.aclose()


class SdkLogged(Sdk):
    """The SDK with a call log."""

    async def open(self, port: int, connections: int) -> None:
        self._folder = TemporaryDirectory()
        self.call_log = Path(self._folder.name) / "calls.log"
        await super().open(port, connections)

    async def close(self) -> None:
        await super().close()
        self._folder.cleanup()


class SdkFull(SdkLogged):
    """The SDK with pre-trade limits on every order, and a call log."""

    async def open(self, port: int, connections: int) -> None:
        await super().open(port, connections)
        most = Decimal(10**12)
        self._mexc.orders.limits(
            round="down",
            max_order_notional=most,
            max_symbol_notional=most,
            max_total_notional=most,
            max_open_orders=10**9,
            symbols="BTCUSDT",
        )


class SdkByPool(Sdk):
    """The SDK over the connection pool."""

    transport = "pool"


class SdkPrepared(Sdk):
    """The SDK with a prepared order."""

    async def open(self, port: int, connections: int) -> None:
        await super().open(port, connections)
        self._send = self._mexc.spot.prepare(symbol="BTCUSDT", side="BUY", type="LIMIT").send

    async def order(self, index: int) -> object:
        return await self._send(price=self._price, quantity=self._quantity)


class SdkLane(Sdk):
    """Subject of the goals: a prepared order with limiter, clock, signing, typed answer, hooks and time-out.

    Without rules and tracking.
    """

    async def open(self, port: int, connections: int) -> None:
        await super().open(port, connections)
        self._send = Delivery(self._mexc._api).prepare().send

    async def order(self, index: int) -> object:
        return await self._send(price=self._price, quantity=self._quantity)


class Delivery:
    """Sender of untracked orders."""

    def __init__(self, api: Api) -> None:
        self._api, self._options, self._ids = api, Options(), OrderIds("m", SYSTEM)

    def prepare(self) -> PreparedOrder[OrderAck]:
        """Prepare the order that the subjects send, without its amounts."""
        return PreparedOrder(self, "BTCUSDT", "BUY", "LIMIT", new_id=self._ids.next)

    def send(self, request: Request[T], /) -> Coroutine[Any, Any, T]:
        return self._api.deliver(request, self._options)

    def start(self, request: Request[T], /) -> asyncio.Future[T]:
        started = self._api.begin(call_of(request, self._options), self._options)
        if started is None:  # every connection is busy
            return asyncio.ensure_future(self.send(request))
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        reply = started.write()
        assert isinstance(reply, asyncio.Future)
        reply.add_done_callback(lambda reply: outcome.set_result(started.answer(reply.result)))
        return outcome


class Raw:
    """The floor: prepared bytes, two searches in the answer, one future. Neither signs nor decodes."""

    async def open(self, port: int, connections: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._free: deque[_RawProtocol] = deque()
        self._bytes = order_bytes(port)
        for _ in range(connections):
            transport, protocol = await self._loop.create_connection(_RawProtocol, HOST, port)
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._free.append(protocol)

    async def order(self, index: int) -> object:
        protocol = self._free.pop()
        protocol.answer = answer = self._loop.create_future()
        protocol.transport.write(self._bytes)
        try:
            return await answer
        finally:
            self._free.append(protocol)

    async def close(self) -> None:
        for protocol in self._free:
            protocol.transport.close()


class _RawProtocol(asyncio.Protocol):
    __slots__ = ("_data", "answer", "transport")
    transport: asyncio.Transport
    answer: asyncio.Future[bytes]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports do not derive from it
        self._data = b""

    def data_received(self, data: bytes) -> None:
        if self._data:
            data = self._data + data
        head = data.find(b"\r\n\r\n")
        length = data.find(b"Content-Length: ")
        if head < 0 or len(data) < head + 4 + int(data[length + 16 : data.find(b"\r", length)]):
            self._data = data
            return
        self._data = b""
        self.answer.set_result(data[head + 4 :])


class Ack(msgspec.Struct, gc=False):
    """Answer of the tuned clients."""

    symbol: str
    orderId: str
    price: str
    origQty: str
    transactTime: int


class TunedAiohttp:
    """aiohttp tuned by hand: no URL quoting, no cookies, no time-outs, a cheap signature."""

    async def open(self, port: int, connections: int) -> None:
        self._url = f"http://{HOST}:{port}{PATH}?"
        self._decode = msgspec.json.Decoder(Ack).decode
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            headers=HEADERS,
        )

    async def order(self, index: int, price: str = PRICE) -> object:
        url = URL(f"{self._url}{signed(_text(index, price))}", encoded=True)
        async with self._session.post(url) as response:
            return self._decode(await response.read())

    async def close(self) -> None:
        await self._session.close()


class DefaultAiohttp:
    """aiohttp as in its documentation's first examples."""

    async def open(self, port: int, connections: int) -> None:
        self._url = f"http://{HOST}:{port}{PATH}"
        self._session = aiohttp.ClientSession()

    async def order(self, index: int) -> object:
        params: dict[str, str | int] = {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "LIMIT",
            "quantity": QUANTITY,
            "price": PRICE,
            "newClientOrderId": f"c{index:012d}",
            "timestamp": int(time.time() * 1000),
        }
        params["signature"] = hmac.new(SECRET.encode(), urlencode(params).encode(), hashlib.sha256).hexdigest()
        async with self._session.post(self._url, params=params, headers=HEADERS) as response:
            return await response.json()

    async def close(self) -> None:
        await self._session.close()


class Ccxt:
    """ccxt without its limiter, pointed at this machine, with markets loaded."""

    module = "ccxt.async_support"

    async def open(self, port: int, connections: int) -> None:
        options = {"defaultType": "spot", "fetchCurrencies": False, "fetchMarkets": {"types": {"spot": True}}}
        settings = {"apiKey": KEY, "secret": SECRET, "enableRateLimit": False, "options": options}
        self._exchange: Any = import_module(self.module).mexc(settings)
        self._exchange.has["fetchCurrencies"] = False
        for area, urls in self._exchange.urls["api"].items():
            if isinstance(urls, dict):
                local = f"http://{HOST}:{port}" + ("" if area in ("spot", "broker") else f"/{area}")
                self._exchange.urls["api"][area] = dict.fromkeys(urls, local)
        await self._exchange.load_markets()

    async def order(self, index: int) -> object:
        own_id = {"clientOrderId": f"c{index:012d}"}
        answer: object = await self._exchange.create_order(
            "BTC/USDT", "limit", "buy", float(QUANTITY), float(PRICE), own_id
        )
        return answer

    async def close(self) -> None:
        await self._exchange.close()


class Aiomexc:
    """aiomexc on its aiohttp session."""

    async def open(self, port: int, connections: int) -> None:
        session = import_module("aiomexc.session.aiohttp").AiohttpSession(base_url=f"http://{HOST}:{port}/api/v3/")
        credentials = import_module("aiomexc.session.base").Credentials(KEY, SECRET)
        self._client: Any = import_module("aiomexc").MexcClient(credentials, session=session)
        enums = import_module("aiomexc.enums")
        self._order = {"side": enums.OrderSide.BUY, "type": enums.OrderType.LIMIT, "symbol": "BTCUSDT"}

    async def order(self, index: int) -> object:
        answer: object = await self._client.create_order(
            **self._order, quantity=Decimal(QUANTITY), price=Decimal(PRICE), new_client_order_id=f"c{index:012d}"
        )
        return answer

    async def close(self) -> None:
        await self._client.session.close()


class Pymexc:
    """pymexc's asynchronous client; 1.3.1 imports a module that its wheel lacks."""

    async def open(self, port: int, connections: int) -> None:
        sys.modules.setdefault("pymexc._async.web", ModuleType("pymexc._async.web"))
        self._client: Any = import_module("pymexc._async.spot").HTTP(api_key=KEY, api_secret=SECRET)
        self._client.base_url = f"http://{HOST}:{port}"

    async def order(self, index: int) -> object:
        answer: object = await self._client.order(
            "BTCUSDT", "BUY", "LIMIT", quantity=QUANTITY, price=PRICE, new_client_order_id=f"c{index:012d}"
        )
        return answer

    async def close(self) -> None:
        await self._client.session.close()


class TypedMexc:
    """typed-mexc; slower still without sniffio, which it does not require."""

    async def open(self, port: int, connections: int) -> None:
        client: Any = import_module("typed_mexc").MEXC
        self._spot = client.new(KEY, SECRET, spot_base_url=f"http://{HOST}:{port}").spot
        self._trade = self._spot.http.trade

    async def order(self, index: int) -> object:
        order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": QUANTITY, "price": PRICE}
        answer: object = await self._trade.place_order({**order, "newClientOrderId": f"c{index:012d}"})
        return answer

    async def close(self) -> None:
        """Do nothing: the client cannot close its connections."""


class PythonBinance:
    """python-binance, whose orders differ in `timeInForce` only; parameters in a form body."""

    async def open(self, port: int, connections: int) -> None:
        self._client: Any = import_module("binance").AsyncClient(KEY, SECRET)
        self._client.API_URL = f"http://{HOST}:{port}/api"

    async def order(self, index: int) -> object:
        answer: object = await self._client.create_order(
            symbol="BTCUSDT",
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            quantity=QUANTITY,
            price=PRICE,
            newClientOrderId=f"c{index:012d}",
        )
        return answer

    async def close(self) -> None:
        await self._client.close_connection()


def order_bytes(port: int, price: str = PRICE) -> bytes:
    """Build a whole request."""
    return (
        f"POST {PATH}?{signed(_text(0, price))} HTTP/1.1\r\nHost: {HOST}:{port}\r\n"
        f"X-MEXC-APIKEY: {KEY}\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def _text(index: int, price: str) -> str:
    return f"symbol=BTCUSDT&side=BUY&type=LIMIT&quantity={QUANTITY}&price={price}&newClientOrderId=c{index:012d}"


def signed(parameters: str) -> str:
    """Return parameters with the time stamp and the signature."""
    text = f"{parameters}&timestamp={time.time_ns() // 1_000_000}"
    return f"{text}&signature={hmac.digest(SECRET.encode(), text.encode(), 'sha256').hex()}"


SUBJECTS: dict[str, type[Subject]] = {
    "raw": Raw,
    OWN: Sdk,
    f"{OWN} prepared": SdkPrepared,
    LOGGED: SdkLogged,
    FULL: SdkFull,
    LANE: SdkLane,
    OWN_PURE: SdkLane,
    f"{OWN} pool": SdkByPool,
    "aiohttp tuned": TunedAiohttp,
    "aiohttp default": DefaultAiohttp,
    "ccxt": Ccxt,
    "aiomexc": Aiomexc,
    "pymexc": Pymexc,
    "typed-mexc": TypedMexc,
    "python-binance": PythonBinance,
}
PEERS = {
    "ccxt": "ccxt",
    "aiomexc": "aiomexc",
    "pymexc": "pymexc",
    "typed-mexc": "typed_mexc",
    "python-binance": "binance",
}
"""Other client -> its module."""


def absent_peers() -> list[str]:
    """List the peers that are not installed."""
    return [name for name, module in PEERS.items() if find_spec(module) is None]
