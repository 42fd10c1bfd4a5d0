"""The native mock exchange (`mock_exchange.c`), compiled on use and run on its own core.

A mock in Python would limit the fastest clients. This one checks nothing; `GET /last` returns the last order as it
came. Its streams (`mock_ticks.h`) push on schedule and time each tick's order until it arrives.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from benchmarks.harness import SubjectFailed

SOURCE = Path(__file__).with_name("mock_exchange.c")
SYMBOL = {
    "symbol": "BTCUSDT",
    "status": "1",
    "baseAsset": "BTC",
    "baseAssetPrecision": 8,
    "quoteAsset": "USDT",
    "quotePrecision": 2,
    "quoteAssetPrecision": 2,
    "baseCommissionPrecision": 8,
    "quoteCommissionPrecision": 2,
    "orderTypes": ["LIMIT", "MARKET", "LIMIT_MAKER"],
    "isSpotTradingAllowed": True,
    "isMarginTradingAllowed": False,
    "quoteAmountPrecision": "1",
    "baseSizePrecision": "0.000001",
    "permissions": ["SPOT"],
    "filters": [],
    "maxQuoteAmount": "4000000",
    "makerCommission": "0",
    "takerCommission": "0.0005",
    "quoteAmountPrecisionMarket": "1",
    "maxQuoteAmountMarket": "4000000",
    "fullName": "Bitcoin",
    "tradeSideType": 1,
}
ACK = {
    "symbol": "BTCUSDT",
    "orderId": "C02__342252993005723644225",
    "orderListId": -1,
    "price": "93387.28",
    "origQty": "0.0005",
    "type": "LIMIT",
    "side": "BUY",
    "stpMode": "",
    "transactTime": 1763719200123,
}
INFO = {"timezone": "CST", "serverTime": 0, "rateLimits": [], "exchangeFilters": [], "symbols": [SYMBOL]}
ROUTES: dict[str, object] = {
    "POST /api/v3/order": ACK,
    "GET /api/v3/exchangeInfo": INFO,
    "POST /api/v3/userDataStream": {"listenKey": "0" * 64},
    "GET /api/v3/capital/config/getall": [],
    # A key that may trade and not read: orders are acknowledged and never found, which a look-up would notice.
    "GET /api/v3/openOrders": {"code": 700007, "msg": "No permission to access the endpoint."},
    "GET /api/v3/order": {"code": 700007, "msg": "No permission to access the endpoint."},
}


def compiler() -> str | None:
    """Find a C compiler, if there is one."""
    return shutil.which(os.environ.get("CC") or "cc") or shutil.which("gcc") or shutil.which("clang")


@contextmanager
def mock_exchange(
    core: int | None, routes: Mapping[str, object] = ROUTES, pushes: Iterable[tuple[str, bytes]] = ()
) -> Iterator[int]:
    """Run a mock exchange during the block and yield its port; with a core it never sleeps.

    `routes` holds its answers by method and path; `pushes` the frames of its streams, each with the part of a
    channel's name that selects it. Raises SubjectFailed.
    """
    with TemporaryDirectory(prefix="mock-exchange-") as folder:
        program, served = _built(), Path(folder, "routes")
        bodies = [(name, orjson.dumps(body)) for name, body in routes.items()]
        bodies += [(f"PUSH {channel}", frame) for channel, frame in pushes]
        served.write_bytes(b"".join(b"%b %d\n%b" % (name.encode(), len(body), body) for name, body in bodies))
        command = [f"{program.name}/mock_exchange", str(served), *([] if core is None else [str(core)])]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                line = process.stdout.readline()
                if not line:
                    raise SubjectFailed("the mock exchange did not start")
                yield int(line)
            finally:
                process.stdin.close()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


@cache
def _built() -> TemporaryDirectory[str]:
    """Return the program's path: compiled once, and removed when this process ends."""
    compile_with = compiler()
    if compile_with is None:
        raise SubjectFailed("the mock exchange needs a C compiler")
    folder = TemporaryDirectory(prefix="mock-exchange-")
    atexit.register(folder.cleanup)
    command = [compile_with, "-O2", "-o", f"{folder.name}/mock_exchange", str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SubjectFailed(f"the mock exchange was not compiled: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
    return folder
