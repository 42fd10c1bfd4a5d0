"""One reader in a separate process: `python -m benchmarks.rest_client READER --port N`; prints one JSON line.

Every reader fetches the same bodies and returns its library's own values: see `READERS`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from time import perf_counter, process_time
from typing import Any, Protocol

import aiohttp
import orjson

from benchmarks.harness import OWN, Sample, loop_factory, percentile, pin
from benchmarks.order_subjects import HOST, PEERS, Ccxt, Pymexc, TypedMexc
from mexc_async.client.mexc import Mexc

INFO, DEPTH, KLINES = "exchange_info, 2,000 symbols", "depth, 1,000 levels", "500 klines"
SIZES = {INFO: 2000, DEPTH: 1000, KLINES: 500}
Read = Callable[[], Awaitable[Any]]


class Reader(Protocol):
    """A client on a warm connection."""

    async def open(self, port: int, connections: int) -> None: ...

    def reads(self) -> dict[str, Read]:
        """Return the call of each case."""
        ...

    async def close(self) -> None: ...


class Sdk:
    """The SDK: Structs whose prices are text until they are read."""

    async def open(self, port: int, connections: int) -> None:
        self._mexc = Mexc(rest=f"http://{HOST}:{port}", limits="unlimited")
        await self._mexc.__aenter__()

    def reads(self) -> dict[str, Read]:
        spot = self._mexc.using(cached=False).spot  # or the client would cache the exchange's rules for five minutes
        return {
            INFO: spot.exchange_info,
            DEPTH: lambda: spot.depth(symbol="BTCUSDT", limit=1000),
            KLINES: lambda: spot.klines(symbol="BTCUSDT", interval="1m", limit=500),
        }

    async def close(self) -> None:
        await self._mexc.aclose()


class Aiohttp:
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


class CcxtReader(Ccxt):
    """ccxt: unified markets, a book of floats, lists of floats."""

    def reads(self) -> dict[str, Read]:
        exchange = self._exchange
        return {
            INFO: lambda: exchange.load_markets(True),
            DEPTH: lambda: exchange.fetch_order_book("BTC/USDT", 1000),
            KLINES: lambda: exchange.fetch_ohlcv("BTC/USDT", "1m", None, 500),
        }


class PymexcReader(Pymexc):
    """pymexc: plain JSON values."""

    def reads(self) -> dict[str, Read]:
        client = self._client
        return {
            INFO: client.exchange_info,
            DEPTH: lambda: client.order_book("BTCUSDT", 1000),
            KLINES: lambda: client.klines("BTCUSDT", "1m", limit=500),
        }


class TypedMexcReader(TypedMexc):
    """typed-mexc: JSON values, validated field by field."""

    def reads(self) -> dict[str, Read]:
        market = self._spot.http.market
        return {
            INFO: market.exchange_info,
            DEPTH: lambda: market.depth({"symbol": "BTCUSDT", "limit": 1000}),
            KLINES: lambda: market.candles("BTCUSDT", interval="1m", limit=500),
        }


CCXT, JSON, PYMEXC, TYPED_MEXC = "ccxt floats", "aiohttp + json text", "pymexc text", "typed-mexc own objects"
READERS: dict[str, type[Reader]] = {
    OWN: Sdk,
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
    """Measure CPU and time of each case's call, one at a time. Raises the library's errors."""
    await reader.open(port, 1)
    try:
        return {case: await _repeat(case, read, seconds) for case, read in reader.reads().items()}
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
