"""The server: routes, errors, start and stop, and the command and the fixture that use it."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from mexc_async.sim.exchange.accounts import BadAccounts, parse_balance, read_accounts
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.port import Port
from mexc_async.sim.rest.server import SimConfig, Simulator, StartFailed, main_account
from tests.support.command import invoke
from tests.support.faulty import until
from tests.support.naive_client import NaiveClient
from tests.support.sim_process import start


@pytest.fixture
def quiet() -> Iterator[tuple[BackgroundSimulator, NaiveClient]]:
    with BackgroundSimulator(SimConfig(flow=0, limits="none")) as simulator:
        client = NaiveClient(simulator.rest, simulator.api_key, simulator.api_secret)
        yield simulator, client
        client.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v3/nothing", 404),
        ("GET", "/", 404),
        ("HEAD", "/api/v3/ping", 404),
        ("POST", "/api/v3/ping", 405),
        ("PUT", "/api/v3/order", 405),
        ("GET", "/api/v3/order/place", 405),
    ],
)
def test_unknown_paths_and_methods(
    quiet: tuple[BackgroundSimulator, NaiveClient], method: str, path: str, status: int
) -> None:
    reply = quiet[1].send(method, path)
    assert reply.status == status
    if method != "HEAD":
        assert reply.code == status


def test_a_body_that_is_too_large(quiet: tuple[BackgroundSimulator, NaiveClient]) -> None:
    reply = quiet[1].send("POST", "/api/v3/order", "x" * 2_000_000)
    assert (reply.status, reply.code) == (413, 413)


def test_a_fault_of_its_own_is_answered_and_logged(
    quiet: tuple[BackgroundSimulator, NaiveClient], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    simulator, client = quiet

    def fail(_: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(simulator.exchange, "market", fail)
    with caplog.at_level(logging.ERROR, "mexc_async.sim"):
        reply = client.get("/api/v3/depth", symbol="BTCUSDT")
    assert (reply.status, reply.code) == (500, 500)
    assert "GET /api/v3/depth failed" in caplog.text


async def test_a_sender_that_leaves_halfway_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    async with Simulator(SimConfig(flow=0)) as simulator:
        host, port = simulator.rest.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST /api/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        listener = simulator._listener
        assert isinstance(listener, Port)
        runner = listener._runner
        assert runner is not None
        server = runner.server
        assert server is not None
        await until(lambda: server.requests_count)
        writer.transport.abort()
        await until(lambda: not server.connections)
    assert caplog.records == []


def test_a_market_that_fails_does_not_stop_the_clock(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        simulator = Simulator(SimConfig(flow=0))
        calls = 0
        seen = asyncio.Event()

        def fail(now_ms: int) -> None:
            nonlocal calls
            calls += 1
            if calls > 1:
                seen.set()
            raise ZeroDivisionError

        simulator._movers[0].advance = fail  # type: ignore[method-assign]  # a fault to order
        async with simulator:
            await asyncio.wait_for(seen.wait(), 5)

    with caplog.at_level(logging.ERROR, "mexc_async.sim"):
        asyncio.run(main())
    assert "the background market failed" in caplog.text


async def test_closing_twice_and_before_the_start() -> None:
    simulator = Simulator(SimConfig(flow=0))
    await simulator.aclose()
    with pytest.raises(RuntimeError, match="not serving"):
        _ = simulator.rest
    await simulator.start()
    with pytest.raises(RuntimeError, match="already"):
        await simulator.start()
    assert simulator.rest.startswith("http://127.0.0.1:")
    await simulator.aclose()
    await simulator.aclose()


async def test_a_busy_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        simulator = Simulator(SimConfig(flow=0, port=port))
        with pytest.raises(StartFailed, match=f"127.0.0.1 port {port} is in use"):
            await simulator.start()
        await simulator.aclose()


async def test_a_host_that_is_not_ours() -> None:
    with pytest.raises(StartFailed, match="is not available"):
        await Simulator(SimConfig(flow=0, host="203.0.113.1")).start()


async def test_two_simulators_share_a_loop() -> None:
    async with Simulator(SimConfig(flow=0)) as one, Simulator(SimConfig(flow=0)) as two:
        assert one.rest != two.rest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: SimConfig(limits="other"), "limits 'other' is none of default, guide, none"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: SimConfig(windows="other"), "windows 'other'"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: SimConfig(port=70000), "port 70000"),
        (lambda: SimConfig(flow=-1), "flow -1"),
        (lambda: SimConfig(accounts=()), "at least one account"),
        (lambda: SimConfig(accounts=(main_account(), main_account())), "used twice"),
        (lambda: SimConfig(accounts=(main_account(api_key=""),)), "needs a key"),
        (lambda: SimConfig(accounts=(main_account(balances={"x": Decimal(1)}),)), "'x' is not an asset"),
        (lambda: parse_balance("USDT"), "ASSET=AMOUNT"),
        (lambda: parse_balance("USDT=many"), "'many' is not a number"),
        (lambda: parse_balance("USDT=-1"), "between 0"),
        (lambda: parse_balance("USDT=NaN"), "between 0"),
        (lambda: parse_balance("USDT=0.123456789"), "more than 8 decimals"),
    ],
)
def test_bad_settings_say_what_is_wrong(change: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        change()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "accounts file"),
        ('[{"name":"a"}]', "api_key"),
        ('[{"name":"a","api_key":"k","api_secret":"s","oops":1}]', "oops"),
        ('[{"name":"a","api_key":"k","api_secret":"s","permissions":["FLY"]}]', "'FLY' is not a permission"),
        ('[{"name":"a","api_key":"k","api_secret":"s","taker_fee":"2"}]', "fee 2"),
    ],
)
def test_bad_accounts_files(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "accounts.json"
    path.write_text(content)
    with pytest.raises(BadAccounts, match=message):
        read_accounts(path)
    with pytest.raises(BadAccounts, match="No such file"):
        read_accounts(tmp_path / "nothing")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_one_line_and_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    accounts = tmp_path / "accounts.json"
    accounts.write_text('[{"name":"second","api_key":"k2","api_secret":"s2","balances":{"USDT":"5"}}]')
    process = start("--api-key", "K", "--api-secret", "S", "--balance", "USDT=7", "--accounts", str(accounts))
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    rest = ready["rest"]
    assert ready["spot_ws"] == f"ws{rest.removeprefix('http')}/ws"
    for key, secret, amount in (("K", "S", "7"), ("k2", "s2", "5")):
        client = NaiveClient(rest, key, secret)
        (usdt,) = client.call("GET", "/api/v3/account").body["balances"]
        assert usdt["free"] == amount
        client.close()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--limits", "much"], "limits 'much'"),
        (["--balance", "USDT"], "ASSET=AMOUNT"),
        (["--tape", "no-such-file"], "tape no-such-file: No such file or directory"),
        (["--accounts", "no-such-file"], "accounts file no-such-file"),
        (["--host", "203.0.113.1"], "is not available"),
        (["--fault", "explode"], "fault 'explode'"),
        (["--idle-s", "0"], "idle_s 0.0 is not above 0"),
    ],
)
def test_the_command_refuses_in_one_line(arguments: list[str], message: str) -> None:
    assert message in invoke("sim", *arguments).error()


def test_faults_can_be_ordered_from_a_running_command() -> None:
    process = start("--faults", "--fault", "skip,on=*aggre.depth*,chance=0.5", "--lifetime-s", "5")
    assert process.stdout is not None
    client = NaiveClient(json.loads(process.stdout.readline())["rest"], "", "")
    (count,) = client.get("/sim/faults").body["faults"]
    assert (count["fault"]["on"], count["fault"]["chance"]) == ("*aggre.depth*", 0.5)
    assert client.send("POST", "/sim/faults", '{"kind":"drop","now":true}').body == {"struck": 0}
    client.close()
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_help_is_quick() -> None:
    code = "import sys, mexc_async.cli.sim; assert not {'aiohttp', 'mexc_async.sim.rest.server'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_plugin_is_light() -> None:
    code = (
        "import sys, mexc_async.pytest_plugin; assert not {'aiohttp', 'mexc_async.sim.rest.server'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_fixture_serves_a_synchronous_test(mexc_sim: BackgroundSimulator) -> None:
    client = NaiveClient(mexc_sim.rest, mexc_sim.api_key, mexc_sim.api_secret)
    assert client.call("GET", "/api/v3/uid").status == 200
    assert mexc_sim.spot_ws.endswith("/ws")
    assert mexc_sim.call(lambda simulator: simulator.open_gap()).edge > 0
    client.close()
    mexc_sim.close()
    assert mexc_sim.rest in repr(mexc_sim)


async def test_the_fixture_serves_an_asynchronous_test(mexc_sim: BackgroundSimulator) -> None:
    client = NaiveClient(mexc_sim.rest, mexc_sim.api_key, mexc_sim.api_secret)
    reply = await asyncio.to_thread(client.call, "GET", "/api/v3/uid")
    assert reply.body == {"uid": next(iter(mexc_sim.exchange.accounts))}
    client.close()


def test_a_background_simulator_that_cannot_start_leaves_no_thread() -> None:
    with pytest.raises(StartFailed):
        BackgroundSimulator(SimConfig(flow=0, host="203.0.113.1"))
