"""One reader in a separate process: `python -m benchmarks.rest_client READER --port N`; prints one JSON line.

Every reader fetches the same bodies and returns its library's own values: see `READERS`. Some read 50 symbols too, with
50 requests in flight.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from importlib.util import find_spec
from time import perf_counter, process_time
from typing import Any, Protocol

import aiohttp
import msgspec
import orjson
from yarl import URL

from benchmarks.harness import OWN, OWN_PURE, Sample, loop_factory, percentile, pin
from benchmarks.order_subjects import HOST, KEY, PEERS, SECRET, Ccxt, Pymexc, TunedAiohttp, TypedMexc, signed
from mexc_async.client.mexc import Mexc
from mexc_async.rest.credentials import Credentials

INFO, DEPTH, KLINES = "exchange_info, 2,000 symbols", "depth, 1,000 levels", "500 klines"
SIZES = {INFO: 2000, DEPTH: 1000, KLINES: 500}
IN_FLIGHT = 50
PRICES, SIGNED = f"{IN_FLIGHT} prices in flight", f"{IN_FLIGHT} signed order queries in flight"
SYMBOLS = [f"TK{number:04d}USDT" for number in range(IN_FLIGHT)]
Read = Callable[[], Awaitable[Any]]
ReadOf = Callable[[str], Awaitable[Any]]


class Reader(Protocol):
    """A client on a warm connection."""

    async def open(self, port: int, connections: int) -> None: ...

    def reads(self) -> dict[str, Read]:
        """Return the call of each case."""
        ...

    def reads_of_symbols(self) -> dict[str, ReadOf]:
        """Return the call of each case with many requests in flight, each for another symbol."""
        return {}

    async def close(self) -> None: ...


class Sdk(Reader):
    """The SDK: Structs whose prices are text until they are read."""

    async def open(self, port: int, connections: int) -> None:
        self._mexc = Mexc(Credentials(KEY, SECRET), rest=f"http://{HOST}:{port}", limits="unlimited")
        await self._mexc.__aenter__()

    def reads(self) -> dict[str, Read]:
        spot = self._mexc.using(cached=False).spot  # or the client would cache the exchange's rules for five minutes
        return {
            INFO: spot.exchange_info,
            DEPTH: lambda: spot.depth(symbol="BTCUSDT", limit=1000),
            KLINES: lambda: spot.klines(symbol="BTCUSDT", interval="1m", limit=500),
        }

    def reads_of_symbols(self) -> dict[str, ReadOf]:
        spot = self._mexc.spot
        return {
            PRICES: lambda symbol: spot.ticker_price(symbol=symbol),
            SIGNED: lambda symbol: spot.query_order(symbol=symbol, order_id="C02__1"),
        }

    async def close(self) -> None:
        await self._mexc.aclose()


class Price(msgspec.Struct, gc=False):
    """Price of the tuned client."""

    symbol: str
    price: Decimal


class Order(msgspec.Struct, gc=False):
    """Order of the tuned client."""

    symbol: str
    orderId: str
    price: Decimal
    origQty: Decimal
    executedQty: Decimal
    status: str


class TunedReader(TunedAiohttp, Reader):
    """aiohttp tuned by hand, with typed answers."""

    async def open(self, port: int, connections: int) -> None:
        await super().open(port, connections)
        self._base = f"http://{HOST}:{port}/api/v3"
        self._price = msgspec.json.Decoder(Price).decode
        self._order = msgspec.json.Decoder(Order).decode

    async def _get(self, target: str, decode: Callable[[bytes], object]) -> object:
        async with self._session.get(URL(self._base + target, encoded=True)) as response:
            return decode(await response.read())

    def reads(self) -> dict[str, Read]:
        return {}

    def reads_of_symbols(self) -> dict[str, ReadOf]:
        return {
            PRICES: lambda symbol: self._get(f"/ticker/price?symbol={symbol}", self._price),
            SIGNED: lambda symbol: self._get(f"/order?{signed(f'symbol={symbol}&orderId=C02__1')}", self._order),
        }


class Aiohttp(Reader):
    """aiohttp with the standard library's JSON parser."""

    async def open(self, port: int, connections: int) -> None:
        self._url = f"http://{HOST}:{port}/api/v3"
        self._session = aiohttp.ClientSession()

    async def _get(self, path: str) -> object:
        async with self._session.get(self._url + path) as response:
            return await response.json()

    def reads(self) -> dict[str, Read]:
        return {
            INFO: lambda: self._get("/exchangeInfo"),
            DEPTH: lambda: self._get("/depth?symbol=BTCUSDT&limit=1000"),
            KLINES: lambda: self._get("/klines?symbol=BTCUSDT&interval=1m&limit=500"),
        }

    async def close(self) -> None:
        await self._session.close()


class CcxtReader(Ccxt, Reader):
    """ccxt: unified markets, a book of floats, lists of floats."""

    def reads(self) -> dict[str, Read]:
        exchange = self._exchange
        return {
            INFO: lambda: exchange.load_markets(True),
            DEPTH: lambda: exchange.fetch_order_book("BTC/USDT", 1000),
            KLINES: lambda: exchange.fetch_ohlcv("BTC/USDT", "1m", None, 500),
        }


class PymexcReader(Pymexc, Reader):
    """pymexc: plain JSON values."""

    def reads(self) -> dict[str, Read]:
        client = self._client
        return {
            INFO: client.exchange_info,
            DEPTH: lambda: client.order_book("BTCUSDT", 1000),
            KLINES: lambda: client.klines("BTCUSDT", "1m", limit=500),
        }


class TypedMexcReader(TypedMexc, Reader):
    """typed-mexc: JSON values, validated field by field."""

    def reads(self) -> dict[str, Read]:
        market = self._spot.http.market
        return {
            INFO: market.exchange_info,
            DEPTH: lambda: market.depth({"symbol": "BTCUSDT", "limit": 1000}),
            KLINES: lambda: market.candles("BTCUSDT", interval="1m", limit=500),
        }


TUNED = "aiohttp tuned"
CCXT, JSON, PYMEXC, TYPED_MEXC = "ccxt floats", "aiohttp + json text", "pymexc text", "typed-mexc own objects"
READERS: dict[str, type[Reader]] = {
    OWN: Sdk,
    OWN_PURE: Sdk,
    TUNED: TunedReader,
    JSON: Aiohttp,
    CCXT: CcxtReader,
    PYMEXC: PymexcReader,
    TYPED_MEXC: TypedMexcReader,
}
NEEDED = {CCXT: PEERS["ccxt"], PYMEXC: PEERS["pymexc"], TYPED_MEXC: PEERS["typed-mexc"]}


def absent_readers() -> list[str]:
    """List the readers whose package is not installed."""
    return [name for name, module in NEEDED.items() if find_spec(module) is None]


def size(case: str, found: Any) -> int:
    """Count the symbols, bids or bars in an answer of any form."""
    inner = {INFO: "symbols", DEPTH: "bids"}.get(case)
    if isinstance(found, dict):
        found = found.get(inner, found)
    return len(getattr(found, inner or "", found))


async def measure(reader: Reader, port: int, seconds: float) -> dict[str, Sample]:
    """Measure CPU and time of each case's call, one at a time or many in flight. Raises the library's errors."""
    await reader.open(port, 1)
    try:
        alone = {case: await _repeat(case, read, seconds) for case, read in reader.reads().items()}
        return alone | {case: await _together(read, seconds) for case, read in reader.reads_of_symbols().items()}
    finally:
        await reader.close()


async def _repeat(case: str, read: Read, seconds: float) -> Sample:
    found = await read()
    assert size(case, found) == SIZES[case], f"{size(case, found)} instead of {SIZES[case]}"
    await read()
    latencies: list[float] = []
    used, now = process_time(), perf_counter()
    end = now + seconds
    while now < end or len(latencies) < 2:
        await read()
        before, now = now, perf_counter()
        latencies.append(now - before)
    used = process_time() - used
    return {"cpu_us_per_op": used / len(latencies) * 1e6, "p50_us": percentile(latencies, 0.5) * 1e6}


async def _together(read: ReadOf, seconds: float) -> Sample:
    """Read each symbol again and again, all at the same time."""
    done, used, end = 0, 0.0, 0.0

    async def worker(symbol: str) -> None:
        nonlocal done
        while perf_counter() < end:
            await read(symbol)
            done += 1

    for length in (seconds / 4, seconds):  # the first opens and warms
        done, used, end = 0, process_time(), perf_counter() + length
        await asyncio.gather(*(worker(symbol) for symbol in SYMBOLS))
    return {"cpu_us_per_op": (process_time() - used) / done * 1e6, "per_s": done / seconds}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    pin(options.core)
    answers, sys.stdout = sys.stdout, sys.stderr  # keep the libraries' output out of the answer
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        found = runner.run(measure(READERS[options.reader](), options.port, options.seconds))
    print(orjson.dumps(found).decode(), file=answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
