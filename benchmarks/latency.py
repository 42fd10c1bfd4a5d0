"""`python -m benchmarks latency --rest URL --ws URL`: network latency to an exchange, address by address.

For every address of both hosts: TCP, TLS, the first byte of an answer, the WebSocket's upgrade and echo. Then this SDK:
from a tick to the answer to the request that it triggers. Without `--orders` it calls only public paths and signs no
request. One request at a time, with a pause between two; `--count` and `--seconds` bound the whole.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from decimal import Decimal, InvalidOperation
from pathlib import Path
from time import perf_counter
from typing import NoReturn, TypeAlias

from msgspec import Struct
from rich.console import Console

from benchmarks.harness import OWN, Report, Row, loop_factory, machine, percentile, refuse_unwritable, show, write_json
from benchmarks.probe import Probe, ProbeFailed, Target, addresses, target
from mexc_async.client.mexc import Mexc, Settings
from mexc_async.errors import MexcError
from mexc_async.keys.environment import from_environment
from mexc_async.rest.credentials import Credentials
from mexc_async.spot.trading import NewOrder

REST, WS = "https://api.mexc.com", "wss://wbs-api.mexc.com/ws"
PING, TIME, TEST = "/api/v3/ping", "/api/v3/time", "/api/v3/order/test"
ENOUGH_FOR_P99 = 100
ORDER_PAUSE_S = 0.5
"""Seconds between real orders, so that they and their cancels stay far below the rate limits."""
MOST_COUNT, MOST_SECONDS, LEAST_PAUSE_S = 1000, 600.0, 0.02
Times: TypeAlias = dict[tuple[str, str], list[float]]
"""(case, subject) -> seconds."""
Act: TypeAlias = Callable[[], Awaitable[float]]


class Plan(Struct, frozen=True, kw_only=True):
    """Options of the command line."""

    rest: Target
    ws: Target | None
    urls: tuple[str, str | None]
    symbol: str
    count: int
    pause_s: float
    seconds: float
    orders: str
    """Kind of orders: `no`, `test` or `real`."""
    price: Decimal | None
    quantity: Decimal | None
    json: Path | None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _number(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not (value.is_finite() and value > 0):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number above 0")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_COUNT:
        raise argparse.ArgumentTypeError(f"{text!r} must be from 1 to {MOST_COUNT}")
    return int(text)


def _between(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} must be from {low:g} to {high:g}")
        return value

    return read


def _plan(arguments: list[str]) -> Plan:
    parser = _Parser(
        prog="python -m benchmarks latency",
        description="Measure the latency to an exchange, for each address of its host names, and the SDK's share.",
        epilog="Only public paths are asked without --orders. With it the key is taken from MEXC_API_KEY and "
        "MEXC_API_SECRET, and orders go to the exchange's own test path, which places nothing; only "
        "`--orders real --price P --quantity Q` places orders, LIMIT_MAKER to buy, each cancelled at once.",
    )
    parser.add_argument("--rest", default=REST, metavar="URL", help=f"({REST})")
    parser.add_argument("--ws", metavar="URL", help=f"({WS} for MEXC's own --rest; left out for another)")
    parser.add_argument("--symbol", default="BTCUSDT", help="whose ticks and orders (BTCUSDT)")
    parser.add_argument("--count", type=_count, default=20, metavar="N", help="measurements of each kind (20)")
    parser.add_argument(
        "--pause", type=_between(LEAST_PAUSE_S, 60), default=0.1, metavar="S", help="seconds between requests (0.1)"
    )
    parser.add_argument(
        "--seconds", type=_between(1, MOST_SECONDS), default=60.0, metavar="S", help="stop after so many (60)"
    )
    parser.add_argument("--orders", choices=("test", "real"), nargs="?", const="test", default="no")
    parser.add_argument("--price", type=_number, help="of real orders: far below the market")
    parser.add_argument("--quantity", type=_number, help="of real orders")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(arguments)
    ws = options.ws or (WS if options.rest == REST else None)
    try:
        rest_target, ws_target = target(options.rest, ("http", "https")), ws and target(ws, ("ws", "wss"))
    except ValueError as error:
        parser.error(str(error))
    if options.orders == "real" and (options.price is None or options.quantity is None):
        parser.error("--orders real needs --price and --quantity")
    if options.orders != "real" and (options.price is not None or options.quantity is not None):
        parser.error("--price and --quantity go with --orders real")
    return Plan(
        rest=rest_target,
        ws=ws_target or None,
        urls=(options.rest, ws),
        symbol=options.symbol,
        count=options.count,
        pause_s=max(options.pause, ORDER_PAUSE_S) if options.orders == "real" else options.pause,
        seconds=options.seconds,
        orders=options.orders,
        price=options.price,
        quantity=options.quantity,
        json=options.json,
    )


def main(arguments: list[str]) -> int:
    """Measure and return the exit status: 0, 1 without any measurement, 2 for wrong use."""
    plan = _plan(arguments)
    try:
        if plan.json is not None:
            refuse_unwritable(plan.json)
        credentials = None if plan.orders == "no" else from_environment()
    except OSError as error:
        print(f"python -m benchmarks latency: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except MexcError as error:
        print(f"python -m benchmarks latency: {error.message}", file=sys.stderr)
        return 2
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            report = runner.run(measure(plan, credentials))
    except KeyboardInterrupt:
        print("python -m benchmarks latency: stopped", file=sys.stderr)
        return 130
    if not report.rows:
        print(f"python -m benchmarks latency: {'; '.join(report.notes)}", file=sys.stderr)
        return 1
    where = machine()
    show(Console(width=None if sys.stdout.isatty() else 180), "latency", report, where)
    if plan.json is not None:
        write_json(plan.json, "latency", where, report.rows)
    return 0


async def measure(plan: Plan, credentials: Credentials | None) -> Report:
    """Run all measurements in turn; a failure becomes a note, and earlier figures count."""
    times: Times = {}
    notes: list[str] = []
    try:
        async with asyncio.timeout(plan.seconds):
            await _every_address(plan, plan.rest, "rest", times, notes, credentials)
            if not times:
                return Report([], notes=notes)
            if plan.ws is not None:
                await _every_address(plan, plan.ws, "ws", times, notes, None)
            async with _noted("this SDK", notes):
                await _client(plan, credentials, times)
    except TimeoutError:
        notes.append(f"stopped after {plan.seconds:g} s (--seconds)")
    rows = [row for (case, subject), taken in times.items() if taken for row in _rows(case, subject, taken)]
    return Report(rows, notes=notes)


def _rows(case: str, subject: str, taken: list[float]) -> list[Row]:
    in_ms = [seconds * 1000 for seconds in taken]
    rows = [Row(case, subject, "ms", percentile(in_ms, 0.5), min(in_ms), max(in_ms), len(in_ms))]
    if len(in_ms) >= ENOUGH_FOR_P99:
        p99 = percentile(in_ms, 0.99)
        rows.append(Row(case, subject, "p99_ms", p99, p99, p99, len(in_ms)))
    return rows


@asynccontextmanager
async def _noted(what: str, notes: list[str]) -> AsyncIterator[None]:
    """Turn a failure inside into a note; the end of the time is a cancellation and passes through."""
    try:
        yield
    except MexcError as error:
        notes.append(f"{what}: {error.message}")
    except TimeoutError:
        notes.append(f"{what}: no answer in time")
    except (ProbeFailed, OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
        notes.append(f"{what}: {getattr(error, 'strerror', None) or str(error) or type(error).__name__}")


async def _every_address(
    plan: Plan, where: Target, kind: str, times: Times, notes: list[str], credentials: Credentials | None
) -> None:
    found: list[str] = []
    async with _noted(kind, notes):
        found = await addresses(where)
    for address in found:
        case = f"{kind} {address} ({where.host}:{where.port})"
        async with _noted(case, notes):
            await _connects(plan, where, address, case, times)
            if kind == "rest":
                await _requests(plan, address, case, times, credentials)
            else:
                await _echoes(plan, where, address, case, times)


async def _connects(plan: Plan, where: Target, address: str, case: str, times: Times) -> None:
    """Time a few connections, as each costs the exchange more than a request."""
    for _ in range(min(plan.count, 5)):
        probe = Probe(where)
        try:
            await probe.open(address)
        finally:
            probe.close()
        times.setdefault((case, "TCP"), []).append(probe.connect_s)
        if where.is_tls:
            times.setdefault((case, "TLS"), []).append(probe.tls_s)
        await asyncio.sleep(plan.pause_s)


async def _requests(plan: Plan, address: str, case: str, times: Times, credentials: Credentials | None) -> None:
    """Time pings on a warm connection, first byte and whole answer, and signed orders if the plan has any."""
    probe = Probe(plan.rest)
    try:
        await probe.open(address)
        offset_ms = await _clock_offset_ms(probe)
        for _ in range(plan.count):
            answer = await probe.ask("GET", PING)
            _check(answer.status, answer.body)
            times.setdefault((case, "first byte of a ping"), []).append(answer.first_s)
            times.setdefault((case, "ping round trip"), []).append(answer.whole_s)
            await asyncio.sleep(plan.pause_s)
        for _ in range(plan.count if credentials is not None else 0):
            assert credentials is not None
            path, fields = _signed(plan, credentials, offset_ms)
            answer = await probe.ask("POST", path, fields)
            _check(answer.status, answer.body)
            times.setdefault((case, "order round trip (test)"), []).append(answer.whole_s)
            await asyncio.sleep(plan.pause_s)
    finally:
        probe.close()


async def _clock_offset_ms(probe: Probe) -> int:
    answer = await probe.ask("GET", TIME)
    _check(answer.status, answer.body)
    digits = "".join(char for char in answer.body.decode("ascii", "replace") if char.isdigit())
    if not digits:
        raise ProbeFailed("did not tell its time")
    return int(digits) - time.time_ns() // 1_000_000


def _signed(plan: Plan, credentials: Credentials, offset_ms: int) -> tuple[str, str]:
    now_ms = time.time_ns() // 1_000_000 + offset_ms
    query = f"symbol={plan.symbol}&side=BUY&type=MARKET&quoteOrderQty=10&recvWindow=5000&timestamp={now_ms}"
    signature = credentials.signer.sign(query.encode())
    fields = f"X-MEXC-APIKEY: {credentials.api_key}\r\nContent-Type: application/json\r\n"
    return f"{TEST}?{query}&signature={signature}", fields


def _check(status: int, body: bytes) -> None:
    if status != 200:
        raise ProbeFailed(f"answered with status {status}: {body[:80].decode('ascii', 'replace')}")


async def _echoes(plan: Plan, where: Target, address: str, case: str, times: Times) -> None:
    probe = Probe(where)
    try:
        await probe.open(address)
        times[case, "WebSocket upgrade"] = [await probe.upgrade()]
        for _ in range(plan.count):
            times.setdefault((case, "WebSocket ping"), []).append(await probe.echo('{"method":"PING"}'))
            await asyncio.sleep(plan.pause_s)
    finally:
        probe.close()


async def _client(plan: Plan, credentials: Credentials | None, times: Times) -> None:
    """Time the SDK as users run it: round trips on warm connections, then from a tick's arrival to the answer."""
    rest, ws = plan.urls
    case = f"{OWN} ({plan.rest.host}:{plan.rest.port})"
    settings: Settings = {"rest": rest, "ws": ws} if ws else {"rest": rest}
    async with Mexc(credentials, **settings) as mexc, mexc.orders.session() if credentials else nullcontext():
        if credentials is not None:
            await mexc.warm_up(2)
        what, act = _act(plan, mexc)
        await act()
        for _ in range(plan.count):
            started = perf_counter()
            times.setdefault((case, f"{what} round trip"), []).append(await act() - started)
            await asyncio.sleep(plan.pause_s)
        if ws is not None:
            await _from_ticks(plan, mexc, act, times.setdefault((case, f"tick to {what} answered"), []))


def _act(plan: Plan, mexc: Mexc) -> tuple[str, Act]:
    """Return the action for a tick, and its name; the action returns the time of the answer."""

    async def ping() -> float:
        await mexc.spot.ping()
        return perf_counter()

    async def test() -> float:
        await mexc.spot.test_order(symbol=plan.symbol, side="BUY", type="MARKET", quote_order_qty=Decimal(10))
        return perf_counter()

    async def real() -> float:
        order = await mexc.orders.place(
            NewOrder(symbol=plan.symbol, side="BUY", type="LIMIT_MAKER", price=plan.price, quantity=plan.quantity)
        )
        answered = perf_counter()
        await order.cancel()  # and the session cancels any open order
        return answered

    acts: dict[str, tuple[str, Act]] = {"no": ("ping", ping), "test": ("test order", test), "real": ("order", real)}
    return acts[plan.orders]


async def _from_ticks(plan: Plan, mexc: Mexc, act: Act, taken: list[float]) -> None:
    is_fresh, came = asyncio.Event(), 0.0

    def heard(_: object) -> None:
        nonlocal came
        came = perf_counter()
        is_fresh.set()

    async with mexc.streams.book_ticker(plan.symbol, callback=heard):
        for _ in range(plan.count):
            is_fresh.clear()
            await is_fresh.wait()
            since = came
            taken.append(await act() - since)
            await asyncio.sleep(plan.pause_s)
