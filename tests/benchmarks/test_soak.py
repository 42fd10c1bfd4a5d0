"""Figures from a soak's tenths, and its frames at a fixed rate."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import aiohttp
import pytest

from benchmarks import soak
from benchmarks.harness import OWN, Sample, Settings, SubjectFailed
from benchmarks.mock_stream import Flood
from benchmarks.soak_client import Soak
from benchmarks.stream_subjects import TICKER, request


def tenth(**figures: float) -> Sample:
    usual = {"p50_us": 1.0, "p99_us": 2.0, "p999_us": 3.0, "rss_mb": 100.0, "gc_pause_cpu_max_ms": 0.5}
    usual["gc_pause_max_ms"] = 0.75
    return usual | {"seconds": 2.0, "orders_per_s": 10.0, "frames_per_s": 100.0} | figures


def found(*tenths: Sample) -> soak.Found:
    return {"tenths": list(tenths), "left": {"sockets_left": 0, "tasks_left": 1}}


def test_the_last_tenth_is_held_against_the_first() -> None:
    whole = soak.whole(found(tenth(), tenth(gc_pause_max_ms=7, gc_pause_cpu_max_ms=5), tenth(rss_mb=103, p99_us=3)))
    assert whole == {
        "orders": 60,
        "frames": 600,
        "rss_last_to_first": pytest.approx(1.03),
        "p99_last_to_first": 1.5,
        "gc_pause_max_ms": 7,
        "gc_pause_cpu_max_ms": 5,
        "sockets_left": 0,
        "tasks_left": 1,
    }


def test_a_tenth_without_an_order_has_nothing_to_be_compared_with() -> None:
    assert "p99_last_to_first" not in soak.whole(found(tenth(p99_us=0), tenth()))


def test_minutes_reach_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run_client(module: str, arguments: list[str], timeout_s: float) -> Any:
        asked.append(arguments)
        assert timeout_s > float(arguments[2])
        raise SubjectFailed(module)

    monkeypatch.setattr(soak, "run_client", run_client)
    with pytest.raises(SubjectFailed, match="soak_client"):
        soak.run(Settings(minutes=2.5))
    assert asked[0][:3] == [OWN, "--seconds", "150.0"]


def test_collections_are_timed_while_the_soak_runs() -> None:
    run = Soak(1.0)
    with run.pauses():
        gc.collect()
    seen = run.now.pause_ns
    assert seen >= run.now.pause_cpu_ns > 0
    gc.collect()
    assert run.now.pause_ns == seen


def test_frames_come_at_a_pace_and_as_many_as_asked_for() -> None:
    async def receive() -> list[bytes]:
        server = await asyncio.get_running_loop().create_server(Flood, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws/192@12800"
        async with server, aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            await socket.send_str(request(TICKER))
            assert (await socket.receive()).type is aiohttp.WSMsgType.TEXT
            frames = [await socket.receive_bytes() for _ in range(192)]
            await socket.ping(b"")
            await socket.close()
            return frames

    frames = asyncio.run(receive())
    assert len(set(frames)) == 64
    assert frames[:64] == frames[64:128] == frames[128:]
