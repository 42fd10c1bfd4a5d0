"""Latency to an exchange, measured on the simulator; wrong use ends with status 2 and one line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from benchmarks.__main__ import main
from benchmarks.probe import Target, target
from mexc_async.client.mexc import Mexc
from mexc_async.rest.credentials import Credentials
from mexc_async.sim.rest.background import BackgroundSimulator

FAST = ["--count", "3", "--pause", "0.02"]


def subjects(path: Path) -> dict[str, set[str]]:
    document = msgspec.json.decode(path.read_bytes())
    assert list(document) == ["benchmark", "machine", "cases"]
    found: dict[str, set[str]] = {}
    for case in document["cases"]:
        assert 0 < case["min"] <= case["median"] <= case["max"]
        found.setdefault(case["case"].split(" ")[0], set()).add(case["subject"])
    return found


def test_without_orders_only_public_paths_are_asked(mexc_sim: BackgroundSimulator, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    urls = ["--rest", mexc_sim.rest, "--ws", mexc_sim.spot_ws]
    assert main(["latency", *urls, *FAST, "--json", str(out)]) == 0
    assert subjects(out) == {
        "rest": {"TCP", "first byte of a ping", "ping round trip"},
        "ws": {"TCP", "WebSocket upgrade", "WebSocket ping"},
        "mexc_async": {"ping round trip", "tick to ping answered"},
    }


@pytest.mark.parametrize(
    ("asked", "measured"),
    [
        (["--orders"], {"test order round trip", "tick to test order answered"}),
        (
            ["--orders", "real", "--price", "100", "--quantity", "0.5", "--count", "1"],
            {"order round trip", "tick to order answered"},
        ),
    ],
)
def test_orders_leave_nothing_behind(
    asked: list[str],
    measured: set[str],
    mexc_sim: BackgroundSimulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MEXC_API_KEY", mexc_sim.api_key)
    monkeypatch.setenv("MEXC_API_SECRET", mexc_sim.api_secret)
    out = tmp_path / "out.json"
    urls = ["--rest", mexc_sim.rest, "--ws", mexc_sim.spot_ws]
    assert main(["latency", *urls, *FAST, *asked, "--json", str(out)]) == 0
    found = subjects(out)
    assert found["mexc_async"] == measured
    assert "order round trip (test)" in found["rest"]
    assert mexc_sim.api_secret not in capsys.readouterr().out + out.read_text()

    async def open_orders() -> int:
        credentials = Credentials(mexc_sim.api_key, mexc_sim.api_secret)
        async with Mexc(credentials, rest=mexc_sim.rest) as mexc:
            return len(await mexc.spot.open_orders(symbol="BTCUSDT"))

    assert asyncio.run(open_orders()) == 0


def test_time_is_bounded(mexc_sim: BackgroundSimulator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["latency", "--rest", mexc_sim.rest, "--count", "1000", "--seconds", "1"]) == 0
    assert "stopped after 1 s" in capsys.readouterr().out


def test_a_host_that_does_not_answer_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["latency", "--rest", "http://127.0.0.1:1"]) == 1
    error = capsys.readouterr().err
    assert "127.0.0.1:1" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--rest", "ftp://host"], "'ftp://host'"),
        (["--rest", "https://me:password@host"], "https://host"),
        (["--ws", "https://host/ws"], "'https://host/ws'"),
        (["--rest", "http://host:x"], "'http://host:x'"),
        (["--count", "0"], "'0'"),
        (["--count", "nan"], "'nan'"),
        (["--count", "2.5"], "'2.5'"),
        (["--seconds", "9999"], "'9999'"),
        (["--pause", "0"], "'0'"),
        (["--orders", "real"], "--price"),
        (["--orders", "real", "--price", "nan", "--quantity", "1"], "'nan'"),
        (["--price", "1"], "--orders real"),
        (["--orders"], "MEXC_API_KEY"),
        (["--json", "/nowhere/out.json"], "/nowhere/out.json"),
        (["--rounds", "3"], "--rounds"),
    ],
)
def test_wrong_use_ends_with_status_2(
    arguments: list[str], named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MEXC_API_KEY", raising=False)
    try:
        status = main(["latency", *arguments])
    except SystemExit as exit:
        status = exit.code  # type: ignore[assignment]  # an int
    error = capsys.readouterr().err
    assert status == 2
    assert named in error
    assert "password" not in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.mexc.com", Target("api.mexc.com", 443, True, "")),
        ("http://[::1]:80/base", Target("::1", 80, False, "/base")),
    ],
)
def test_urls_are_taken_apart(url: str, expected: Target) -> None:
    assert target(url, ("http", "https")) == expected
