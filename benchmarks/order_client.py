"""A subject in a separate process: `python -m benchmarks.order_client SUBJECT... --port N`; a JSON line each.

The process's CPU time is the client's alone, and a library that changes global state disturbs no other.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hmac
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from time import perf_counter_ns, process_time
from urllib.parse import parse_qsl

import orjson

from benchmarks.harness import Sample, loop_factory, pin
from benchmarks.histogram import Histogram
from benchmarks.order_subjects import HOST, PATH, PRICE, QUANTITY, SECRET, SUBJECTS, Subject

_ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": Decimal(QUANTITY), "price": Decimal(PRICE)}


async def measure(subject: Subject, port: int, seconds: float, in_flight: int, rate: int) -> dict[str, Sample]:
    """Measure latency and CPU one at a time and with `in_flight` workers; then latency at `rate` per second, if any."""
    await subject.open(port, in_flight)
    try:
        await check_order(subject, port)
        await _one_at_a_time(subject, seconds / 4)
        await _together(subject, seconds / 4, in_flight, None)
        alone = await _one_at_a_time(subject, seconds)
        crowd = await _together(subject, seconds, in_flight, None)
        latencies: list[int] = []  # separate, because timing them costs up to a tenth of some subjects
        await _together(subject, seconds / 2, in_flight, latencies)
        found = {"sequential": alone, f"concurrent-{in_flight}": crowd | Histogram(latencies).sample()}
        if rate:
            found[f"open loop, {rate} a second"] = await _at_a_pace(subject, int(2 * seconds * rate), in_flight, rate)
        return found
    finally:
        await subject.close()


async def fixed_work(subject: Subject, port: int, orders: int, in_flight: int) -> None:
    """Send a number of orders without timing, to count instructions."""
    await subject.open(port, in_flight)
    try:
        left = iter(range(orders))
        gc.collect()
        gc.freeze()  # or a collection of the start's objects would fall into some runs only

        async def worker() -> None:
            for index in left:
                await subject.order(index)

        await asyncio.gather(*(worker() for _ in range(in_flight)))
    finally:
        gc.unfreeze()
        await subject.close()


async def _one_at_a_time(subject: Subject, seconds: float) -> Sample:
    latencies: list[int] = []
    used, index, now = process_time(), 0, perf_counter_ns()
    end = now + int(seconds * 1e9)
    while now < end or not index:
        await subject.order(index)
        index += 1
        before, now = now, perf_counter_ns()
        latencies.append(now - before)
    return {"cpu_us_per_op": (process_time() - used) / index * 1e6} | Histogram(latencies).sample()


async def _together(subject: Subject, seconds: float, in_flight: int, latencies: list[int] | None) -> Sample:
    done, started, used = 0, perf_counter_ns(), process_time()
    end = started + int(seconds * 1e9)

    async def worker() -> None:
        nonlocal done
        while (before := perf_counter_ns()) < end or not done:
            await subject.order(done)
            done += 1
            if latencies is not None:
                latencies.append(perf_counter_ns() - before)

    await asyncio.gather(*(worker() for _ in range(in_flight)))
    used, taken_ns = process_time() - used, perf_counter_ns() - started
    return {"cpu_us_per_op": used / done * 1e6, "per_s": done / taken_ns * 1e9}


async def _at_a_pace(subject: Subject, orders: int, in_flight: int, rate: int) -> Sample:
    """Send each order on schedule, even if answers lag, and time its latency from that moment.

    An order sent late has waited already, so a client that falls behind hides nothing.
    """
    latencies, open_orders = Histogram(), set[asyncio.Task[None]]()
    loop, started = asyncio.get_running_loop(), perf_counter_ns()

    async def one(index: int, due: int) -> None:
        await subject.order(index)
        latencies.record(perf_counter_ns() - due)

    for index in range(orders):
        due = started + index * 1_000_000_000 // rate
        while perf_counter_ns() < due or len(open_orders) >= in_flight:  # noqa: ASYNC110 - polls on purpose
            await asyncio.sleep(0)  # uvloop's timers are late by up to a millisecond
        task = loop.create_task(one(index, due))
        open_orders.add(task)
        task.add_done_callback(open_orders.discard)
    await asyncio.gather(*open_orders)
    return latencies.sample()


async def check_order(subject: Subject, port: int) -> None:
    """Send one order and check the parameters that arrive: no subject wins by doing less."""
    answer = await subject.order(1)
    assert "C02__342252993005" in str(answer), f"not the exchange's answer: {answer!r}"
    sent = await last_order(port)
    readers: dict[str, Callable[[str], object]] = {"quantity": Decimal, "price": Decimal}
    seen = {name: readers.get(name, str)(sent[name]) for name in _ORDER}
    assert seen == _ORDER, f"another order: {seen}"


async def last_order(port: int) -> dict[str, str]:
    """Return the last order's parameters. Raises AssertionError unless the standard library signs it alike."""
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
    parser.add_argument("subjects", choices=SUBJECTS, nargs="+")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0.8)
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--rate", type=int, default=0, help="orders a second of the open loop; 0 leaves it out")
    parser.add_argument("--core", type=int)
    parser.add_argument("--orders", type=int, help="send so many and measure nothing")
    options = parser.parse_args()
    pin(options.core)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        for name in options.subjects:
            subject = SUBJECTS[name]()
            if options.orders is not None:
                runner.run(fixed_work(subject, options.port, options.orders, options.in_flight))
                continue
            found = runner.run(measure(subject, options.port, options.seconds, options.in_flight, options.rate))
            print(orjson.dumps(found).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
