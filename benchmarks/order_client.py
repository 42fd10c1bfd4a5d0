"""One subject in a process of its own: `python -m benchmarks.order_client SUBJECT --port N`; prints one JSON line.

The process's CPU time is then the client's alone, and a library that changes global state disturbs no other.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from time import perf_counter, process_time
from urllib.parse import parse_qsl

import orjson

from benchmarks.harness import Sample, loop_factory, percentile, pin
from benchmarks.order_subjects import HOST, PATH, PRICE, QUANTITY, SECRET, SUBJECTS, Subject

_ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": Decimal(QUANTITY), "price": Decimal(PRICE)}


async def measure(subject: Subject, port: int, seconds: float, in_flight: int) -> dict[str, Sample]:
    """Latency and CPU one at a time, then CPU, throughput and latency with `in_flight` workers."""
    await subject.open(port, in_flight)
    try:
        await check_order(subject, port)
        await _one_at_a_time(subject, seconds / 4)
        await _together(subject, seconds / 4, in_flight, None)
        alone = await _one_at_a_time(subject, seconds)
        crowd = await _together(subject, seconds, in_flight, None)
        latencies: list[float] = []  # apart, because taking them costs as much as some subjects' tenth
        await _together(subject, seconds / 2, in_flight, latencies)
        return {"sequential": alone, f"concurrent-{in_flight}": crowd | _latency(latencies)}
    finally:
        await subject.close()


async def fixed_work(subject: Subject, port: int, orders: int, in_flight: int) -> None:
    """So many orders and nothing else, for counting instructions."""
    await subject.open(port, in_flight)
    try:
        left = iter(range(orders))

        async def worker() -> None:
            for index in left:
                await subject.order(index)

        await asyncio.gather(*(worker() for _ in range(in_flight)))
    finally:
        await subject.close()


async def _one_at_a_time(subject: Subject, seconds: float) -> Sample:
    latencies: list[float] = []
    used, index, now = process_time(), 0, perf_counter()
    end = now + seconds
    while now < end:
        await subject.order(index)
        index += 1
        before, now = now, perf_counter()
        latencies.append(now - before)
    return {"cpu_us_per_op": (process_time() - used) / index * 1e6} | _latency(latencies)


async def _together(subject: Subject, seconds: float, in_flight: int, latencies: list[float] | None) -> Sample:
    done, started, used = 0, perf_counter(), process_time()
    end = started + seconds

    async def worker() -> None:
        nonlocal done
        while (before := perf_counter()) < end:
            await subject.order(done)
            done += 1
            if latencies is not None:
                latencies.append(perf_counter() - before)

    await asyncio.gather(*(worker() for _ in range(in_flight)))
    used, taken = process_time() - used, perf_counter() - started
    return {"cpu_us_per_op": used / done * 1e6, "per_s": done / taken}


def _latency(latencies: list[float]) -> Sample:
    return {f"p{share:g}_us": percentile(latencies, share / 100) * 1e6 for share in (50, 99)}


async def check_order(subject: Subject, port: int) -> None:
    """Send one order and hold what arrived against what was asked for: nobody wins by doing less."""
    answer = await subject.order(1)
    assert "C02__342252993005723644225" in str(answer), f"not the exchange's answer: {answer!r}"
    sent = await last_order(port)
    readers: dict[str, Callable[[str], object]] = {"quantity": Decimal, "price": Decimal}
    seen = {name: readers.get(name, str)(sent[name]) for name in _ORDER}
    assert seen == _ORDER, f"another order: {seen}"


async def last_order(port: int) -> dict[str, str]:
    """What the last order said. Raises AssertionError if the standard library's hmac signs it otherwise."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"GET /last HTTP/1.1\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    request, _, body = (await reader.readexactly(length)).decode().partition("\r\n\r\n")
    target = request.split(" ")[1]
    writer.close()
    path, _, query = target.partition("?")
    signed, _, signature = (query or body).rpartition("&signature=")
    assert path == PATH, f"sent to {path}"
    assert hmac.digest(SECRET.encode(), signed.encode(), "sha256").hex() == signature, "wrong signature"
    sent = dict(parse_qsl(signed, strict_parsing=True))
    assert "newClientOrderId" in sent, "no client order id"
    assert abs(int(sent["timestamp"]) - time.time() * 1000) < 60_000, "wrong time stamp"
    return sent


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0.8)
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--core", type=int)
    parser.add_argument("--orders", type=int, help="send so many and measure nothing")
    options = parser.parse_args()
    pin(options.core)
    subject = SUBJECTS[options.subject]()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        if options.orders is not None:
            runner.run(fixed_work(subject, options.port, options.orders, options.in_flight))
            return 0
        found = runner.run(measure(subject, options.port, options.seconds, options.in_flight))
    print(orjson.dumps(found).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
