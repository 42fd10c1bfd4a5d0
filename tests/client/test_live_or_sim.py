"""LIVE or SIM: all of a client uses this machine, or all of it another."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from mexc_async.client.mexc import REST, WS, Mexc
from mexc_async.errors import ConfigError
from mexc_async.rest.credentials import Credentials
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig, Simulator, StartFailed
from mexc_async.transport.urls import is_loopback, proxy_for
from tests.support.settings import flat
from tests.support.streams import nothing_left

OTHER = "https://gateway.example"
LOW: dict[str, Any] = {"symbol": "BTCUSDT", "quantity": Decimal("0.001"), "price": Decimal(20000)}


def somebody() -> Credentials:
    return Credentials("key-of-nobody", "secret-of-nobody")


# --- the address of the streams ---


@pytest.mark.parametrize(
    ("rest", "ws"),
    [
        (REST, WS),
        ("https://api.mexc.com/", WS),
        ("https://API.MEXC.COM", WS),
        ("HTTPS://api.mexc.com:443", WS),
        ("https://api.mexc.com:8443", None),
        ("https://api.mexc.com.evil.example", None),
        ("https://api.mexc.co", None),
        (OTHER, None),
        ("https://10.0.0.5", None),
        ("https://localhost.evil.example", None),
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws"),
        ("http://127.0.0.1:8080/", "ws://127.0.0.1:8080/ws"),
        ("http://127.0.0.1:8080/gateway", "ws://127.0.0.1:8080/ws"),
        ("HTTP://127.0.0.1", "ws://127.0.0.1/ws"),
        ("http://127.0.0.2:1", "ws://127.0.0.2:1/ws"),
        ("http://localhost:1", "ws://localhost:1/ws"),
        ("http://LocalHost:1", "ws://LocalHost:1/ws"),
        ("http://[::1]:1", "ws://[::1]:1/ws"),
        ("https://127.0.0.1:1", "wss://127.0.0.1:1/ws"),
    ],
)
async def test_the_streams_are_those_of_the_exchange_that_rest_names(rest: str, ws: str | None) -> None:
    mexc = Mexc(rest=rest)
    assert mexc.ws == ws
    is_here = is_loopback(rest)
    assert mexc.is_sim is is_here
    assert ("SIM" if is_here else "LIVE") in repr(mexc)
    assert Mexc.accounts({"one": somebody()}, rest=rest)["one"].ws == ws
    assert Mexc(rest=rest, ws=ws).ws == ws


HERE = ["http://127.0.0.1:1", "http://127.0.0.2:1", "http://localhost:1", "http://[::1]:1", "https://localhost"]
ELSEWHERE = [WS, "wss://gateway.example/ws", "wss://10.0.0.5/ws", "wss://127.0.0.1.evil.example/ws"]


@pytest.mark.parametrize("there", ELSEWHERE)
@pytest.mark.parametrize("here", HERE)
def test_half_of_a_client_on_this_machine_is_refused(here: str, there: str) -> None:
    with pytest.raises(ConfigError, match="two exchanges: rest is on this machine and ws is not"):
        Mexc(rest=here, ws=there)
    with pytest.raises(ConfigError, match="two exchanges: ws is on this machine and rest is not"):
        Mexc(rest=there.replace("wss", "https"), ws=here.replace("http", "ws") + "/ws")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.255.0.9", "localhost", "LOCALHOST", "[::1]"])
async def test_every_address_of_this_machine_is_one(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    for rest in (f"http://{host}:1", f"https://{host}:1"):
        assert Mexc(rest=rest, ws=f"ws://{host}:2/ws").is_sim
        assert proxy_for(rest, None, True) is None


@pytest.mark.parametrize("host", ["126.0.0.1", "128.0.0.1", "0.0.0.0", "[::2]", "127.0.0.1.example", "local", "h"])
def test_other_addresses_are_not(host: str) -> None:
    assert not is_loopback(f"https://{host}")
    with pytest.raises(ConfigError, match="is not encrypted"):
        Mexc(rest=f"http://{host}")


@pytest.mark.parametrize("rest", HERE)
def test_a_proxy_elsewhere_does_not_lead_to_this_machine(rest: str) -> None:
    with pytest.raises(ConfigError, match="is on this machine and the proxy is not") as refused:
        Mexc(rest=rest, proxy="http://user:pa55word@proxy.example:3128")
    assert "pa55word" not in str(refused.value)
    assert Mexc(rest=rest, proxy="http://127.0.0.1:3128").is_sim


# --- streams without an address ---


async def stream(mexc: Mexc) -> object:
    return await mexc.streams.trades("BTCUSDT").open()


async def private_stream(mexc: Mexc) -> object:
    return await mexc.streams.orders().open()


async def book(mexc: Mexc) -> object:
    return await mexc.books("BTCUSDT").__aenter__()


async def books(mexc: Mexc) -> object:
    return await mexc.books(["BTCUSDT"]).__aenter__()


async def order(mexc: Mexc) -> object:
    return await mexc.orders.limit_buy(**LOW)


async def follow(mexc: Mexc) -> object:
    await mexc.orders.follow(1)
    return None


async def limits(mexc: Mexc) -> object:
    return mexc.orders.limits(max_open_orders=1)


NEEDS = [stream, private_stream, book, books, order, follow, limits]


@pytest.mark.parametrize("need", NEEDS)
async def test_what_needs_streams_that_nobody_named_says_so_and_sends_nothing(
    need: Callable[[Mexc], Awaitable[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> object:
        raise AssertionError("something was looked up")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    async with nothing_left():
        mexc = Mexc(somebody(), **flat(rest=OTHER, trust_env=False))  # not opened: that asks for the exchange's time
        with pytest.raises(ConfigError, match=r'this needs push streams.*ws="wss://'):
            await need(mexc)
        assert mexc.orders.all() == []
        await mexc.aclose()


# --- a whole session ---


@pytest.mark.parametrize(("host", "transport"), [("127.0.0.1", "lane"), ("localhost", "pool")])
async def test_a_simulated_client_asks_nobody_but_this_machine(host: str, transport: str) -> None:
    proxy = "http://proxy.example:3128"
    with BackgroundSimulator(SimConfig(limits="none")) as simulator:
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "tests.support.watched_session",
                simulator.rest.replace("127.0.0.1", host),
                transport,
            ),
            env={
                **{name: value for name, value in os.environ.items() if name.lower() != "no_proxy"},
                "HTTP_PROXY": proxy,
                "HTTPS_PROXY": proxy,
                "ALL_PROXY": proxy,
                "MEXC_API_KEY": simulator.api_key,
                "MEXC_API_SECRET": simulator.api_secret,
            },
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
    *done, asked = out.decode().splitlines()
    assert set(json.loads(asked)) <= {"127.0.0.1", "::1", host}, done
    assert done[:6] == ["streams and books", "orders and guard", "accounts"] * 2
    assert len(done) == 6 + 11
    assert all(line.split()[1] == "0" for line in done[6:]), done


async def test_a_simulator_on_ipv6_serves_streams_and_orders() -> None:
    try:
        simulator = Simulator(SimConfig(limits="none", host="::1"))
        await simulator.start()
    except StartFailed:
        pytest.skip("this machine has no IPv6")
    main = simulator.config.accounts[0]
    try:
        async with nothing_left(), Mexc(Credentials(main.api_key, main.api_secret), rest=simulator.rest) as mexc:
            assert mexc.ws == simulator.spot_ws
            async with mexc.books("BTCUSDT") as live:
                await live.synced()
            await mexc.orders.follow(10)
            await (await mexc.orders.limit_buy(**LOW)).cancel()
    finally:
        await simulator.aclose()
