"""The heartbeat: a file is touched as long as the event loop runs, and no longer."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path
from typing import Any

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import ClientClosed, ConfigError
from mexc_async.runtime.clock import Clock
from tests.support.streams import nothing_left, until


def touched(path: Path) -> int:
    return path.stat().st_mtime_ns


async def test_it_beats_inside_and_stops_at_the_end(tmp_path: Path) -> None:
    beat = tmp_path / "bot.beat"
    async with nothing_left(), Mexc() as mexc:
        async with mexc.orders.heartbeat(beat, every_s=0.01) as heartbeat:
            first = touched(beat)
            await until(lambda: touched(beat) > first)
            second = touched(beat)
            await until(lambda: touched(beat) > second)
        assert heartbeat.path == str(beat)
        last = touched(beat)
        await asyncio.sleep(0.05)
        assert touched(beat) == last
        assert beat.read_bytes() == b""


async def test_a_loop_that_is_blocked_does_not_beat(tmp_path: Path) -> None:
    beat = tmp_path / "bot.beat"
    async with Mexc() as mexc, mexc.orders.heartbeat(beat, every_s=0.01):
        first = touched(beat)
        await until(lambda: touched(beat) > first)
        before = touched(beat)
        time.sleep(0.1)  # noqa: ASYNC251 - that is the point
        assert touched(beat) == before


async def test_a_file_that_was_taken_away_comes_back(tmp_path: Path) -> None:
    beat = tmp_path / "bot.beat"
    async with Mexc() as mexc, mexc.orders.heartbeat(os.fspath(beat), every_s=0.01):
        beat.unlink()
        await until(beat.exists)


async def test_a_beat_that_fails_is_told_once_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    beat = folder / "bot.beat"
    async with Mexc() as mexc, mexc.orders.heartbeat(beat, every_s=0.01):
        with caplog.at_level(logging.ERROR, "mexc_async"):
            folder.rename(tmp_path / "gone")
            await until(lambda: len(caplog.messages) > 0)
            await asyncio.sleep(0.05)
            folder.mkdir()
            await until(beat.exists)
    assert caplog.messages == [f"the heartbeat {beat} cannot be written: No such file or directory"]


async def test_it_ends_with_its_client(tmp_path: Path) -> None:
    async with nothing_left():
        mexc = Mexc()
        async with mexc.orders.heartbeat(tmp_path / "bot.beat", every_s=0.01):
            await mexc.aclose()
        with pytest.raises(ClientClosed):
            async with mexc.orders.heartbeat(tmp_path / "bot.beat"):
                pass


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"path": ""}, "heartbeat '' is not a path"),
    ({"path": None}, "heartbeat None is not a path"),
    ({"path": "x", "every_s": 0}, "every_s 0 must be a number of seconds from 0.01 to 3600"),
    ({"path": "x", "every_s": float("nan")}, "every_s nan must be"),
    ({"path": "x", "every_s": "1"}, "every_s '1' must be"),
]


@pytest.mark.parametrize(("settings", "words"), WRONG, ids=str)
async def test_what_makes_no_sense_is_refused(settings: dict[str, Any], words: str) -> None:
    async with Mexc() as mexc:
        with pytest.raises(ConfigError) as caught:
            mexc.orders.heartbeat(**settings)
        assert words in str(caught.value)


async def test_a_file_that_cannot_be_written_is_refused_on_entering(tmp_path: Path) -> None:
    async with Mexc() as mexc:
        with pytest.raises(ConfigError, match=r"bot\.beat: No such file or directory"):
            async with mexc.orders.heartbeat(tmp_path / "no" / "such" / "bot.beat"):
                pass


async def test_one_heartbeat_beats_once_at_a_time(tmp_path: Path) -> None:
    async with Mexc() as mexc, mexc.orders.heartbeat(tmp_path / "bot.beat") as heartbeat:
        with pytest.raises(ConfigError, match="is running already"):
            await heartbeat.__aenter__()


async def test_the_file_has_the_time_of_the_clients_clock(tmp_path: Path) -> None:
    beat = tmp_path / "bot.beat"
    now_ns = 1_700_000_000_123_456_789
    async with Mexc(clock=Clock(wall_ns=lambda: now_ns)) as mexc, mexc.orders.heartbeat(beat, every_s=0.01):
        assert touched(beat) == now_ns
        now_ns += 5
        await until(lambda: touched(beat) == now_ns)
