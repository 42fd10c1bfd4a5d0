"""Reads over REST, fetched and decoded into each library's own form.

Large answers one at a time, and small ones, public and signed, of 50 symbols with 50 requests in flight.
"""

from __future__ import annotations

import random
from functools import partial

import orjson

from benchmarks.clients import failure_of, run_client
from benchmarks.harness import OWN, Goal, Report, Row, Sample, Settings, interleave, pinning, summarise
from benchmarks.mock_exchange import ACK, ROUTES, SYMBOL, compiler, mock_exchange
from benchmarks.mock_exchange import INFO as ONE_SYMBOL
from benchmarks.rest_client import (
    CCXT,
    DEPTH,
    INFO,
    JSON,
    KLINES,
    NEEDED,
    PRICES,
    READERS,
    SIGNED,
    SIZES,
    TUNED,
    absent_readers,
)

NOW = 1763719200123
ORDER = {
    "symbol": "BTCUSDT",
    "orderId": ACK["orderId"],
    "orderListId": -1,
    "clientOrderId": "",
    "price": "93387.28",
    "origQty": "0.0005",
    "executedQty": "0.0005",
    "cummulativeQuoteQty": "46.69364",
    "status": "FILLED",
    "timeInForce": None,
    "type": "LIMIT",
    "side": "BUY",
    "stopPrice": None,
    "icebergQty": None,
    "time": NOW,
    "updateTime": NOW,
    "isWorking": True,
    "stpMode": "",
    "cancelReason": None,
    "origQuoteOrderQty": "46.69364",
}
BASELINES = (JSON, CCXT, TUNED)
GOALS = [
    *(Goal(case, "cpu_us_per_op", CCXT, most) for case, most in [(INFO, 0.05), (DEPTH, 0.05), (KLINES, 0.1)]),
    *(Goal(case, "cpu_us_per_op", TUNED, 0.35) for case in (PRICES, SIGNED)),
]


def run(settings: Settings) -> Report:
    """Measure CPU and time per call."""
    if compiler() is None:
        return Report([], GOALS, ["absent: everything: the mock exchange needs a C compiler"])
    client_core, server_core = pinning(settings)
    seconds = 0.01 if settings.quick else 0.5
    absent = absent_readers()
    notes = [f"absent: {name}: not installed" for name in absent]
    rows: list[Row] = []
    with mock_exchange(server_core, ROUTES | bodies()) as port:
        subjects = {name: partial(_read, name, port, client_core, seconds) for name in READERS if name not in absent}
        for peer in NEEDED:
            if peer in subjects and (reason := failure_of(partial(_read, peer, port, client_core, 0.01))):
                notes.append(f"absent: {peer}: {reason}")
                del subjects[peer]
        runs = interleave(subjects, settings.rounds)
        for case, sample in runs[OWN][0].items():
            results = {
                name: [found[case] for found in of_subject]
                for name, of_subject in runs.items()
                if case in of_subject[0]
            }
            rows += summarise(case, results, BASELINES, list(sample))
    notes += [
        f"{OWN}: Structs whose prices are text until they are read; text: what JSON holds; floats: every price parsed",
        "client and mock are not pinned to a core each: there are not two, or no way to pin"
        if client_core is None
        else f"client pinned to core {client_core}, mock to core {server_core}; without TLS and compression",
    ]
    return Report(rows, GOALS, notes)


def _read(name: str, port: int, core: int | None, seconds: float) -> dict[str, Sample]:
    arguments = [name, "--port", str(port), "--seconds", str(seconds), *([] if core is None else ["--core", str(core)])]
    done = run_client("benchmarks.rest_client", arguments, timeout_s=60)
    found: dict[str, Sample] = orjson.loads(done.stdout.splitlines()[-1])
    return found


def bodies(seed: int = 7) -> dict[str, object]:
    """Create the exchange's answers by method and path, the same in every run."""
    rng = random.Random(seed)
    names = ["BTC", "ETH", "MX", *(f"TK{number:04d}" for number in range(SIZES[INFO] - 3))]
    symbols = [SYMBOL | {"symbol": f"{name}USDT", "baseAsset": name, "fullName": name} for name in names]
    return {
        "GET /api/v3/exchangeInfo": ONE_SYMBOL | {"symbols": symbols},
        "GET /api/v3/depth": {
            "lastUpdateId": 99999,
            "bids": [[_price(9338728 - at), _quantity(rng)] for at in range(SIZES[DEPTH])],
            "asks": [[_price(9338729 + at), _quantity(rng)] for at in range(SIZES[DEPTH])],
            "timestamp": NOW,
        },
        "GET /api/v3/klines": [
            _bar(rng, NOW // 60_000 * 60_000 - 60_000 * at) for at in reversed(range(SIZES[KLINES]))
        ],
        "GET /api/v3/ticker/price": {"symbol": "BTCUSDT", "price": "93387.28"},
        "GET /api/v3/order": ORDER,
    }


def _bar(rng: random.Random, start: int) -> list[object]:
    prices = [_price(9338728 + by) for by in (rng.randint(-99, 99), 120, -120, rng.randint(-99, 99))]
    return [start, *prices, _quantity(rng), start + 59_999, f"{rng.uniform(1e5, 9e5):.2f}"]


def _price(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _quantity(rng: random.Random) -> str:
    return f"{rng.uniform(0.0001, 9):.8f}"
