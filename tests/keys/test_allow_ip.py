"""An address is on a key's IP list for a while, and off it afterwards in every case."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import ConfigError, InvalidKey, IpNotAllowed, MexcError, OutcomeUnknown, PermissionDenied
from mexc_async.keys import allow_ip
from mexc_async.keys.allow_ip import address_in, is_public, on_list
from mexc_async.sim.exchange.keys import ApiKey
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import Simulator
from tests.support.keys_world import CONFIG, HERE, client, credentials, second_key
from tests.support.streams import nothing_left

ELSEWHERE = "192.0.2.1"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allow_ip, "PAUSE_S", 0.001)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with nothing_left(), Simulator(CONFIG) as simulator:
        yield simulator


@pytest.fixture
async def main(sim: Simulator) -> AsyncIterator[Mexc]:
    async with client(sim) as mexc:
        yield mexc


@pytest.fixture
def bound(sim: Simulator) -> ApiKey:
    return second_key(sim, ips=[ELSEWHERE])


def listed_of(key: ApiKey) -> tuple[str, ...]:
    """Query the list each time; mypy would narrow an attribute to its earlier value."""
    return key.ips


async def test_the_key_works_from_here_for_as_long_as_the_address_is_listed(
    sim: Simulator, main: Mexc, bound: ApiKey
) -> None:
    async with client(sim, credentials(bound)) as mexc:
        with pytest.raises(IpNotAllowed) as refusal:
            await mexc.spot.uid()
        assert address_in(refusal.value) == HERE
        async with on_list(main.spot, bound.key, HERE) as listed:
            assert listed == [ELSEWHERE, HERE]
            await mexc.spot.uid()
        with pytest.raises(IpNotAllowed):
            await mexc.spot.uid()
    assert listed_of(bound) == (ELSEWHERE,)


async def test_a_cancellation_takes_it_out_even_when_it_comes_twice(main: Mexc, bound: ApiKey) -> None:
    inside = asyncio.Event()

    async def hold() -> None:
        async with on_list(main.spot, bound.key, HERE):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await inside.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert listed_of(bound) == (ELSEWHERE,)


@pytest.mark.parametrize("kind", ["error", "reset", "truncate"])
async def test_lost_answers_leave_nothing_on_the_list(sim: Simulator, main: Mexc, bound: ApiKey, kind: str) -> None:
    sim.inject(Fault(kind=kind, on="set_api_key_info", times=1))  # type: ignore[arg-type]  # a kind
    with pytest.raises(OutcomeUnknown):
        async with on_list(main.spot, bound.key, HERE):
            pytest.fail("it is not known to be on the list")
    assert listed_of(bound) == (ELSEWHERE,)
    sim.clear_faults()
    sim.inject(Fault(kind=kind, on="set_api_key_info", times=3, after=1))  # type: ignore[arg-type]  # a kind
    async with on_list(main.spot, bound.key, HERE):
        assert listed_of(bound) == (ELSEWHERE, HERE)
    assert listed_of(bound) == (ELSEWHERE,)


async def test_an_address_that_cannot_be_taken_out_is_told(sim: Simulator, main: Mexc, bound: ApiKey) -> None:
    with pytest.raises(MexcError, match=f"{HERE} is still on the IP list of the key: remove it on MEXC's key page"):
        async with on_list(main.spot, bound.key, HERE):
            sim.inject(Fault(kind="error", on="set_api_key_info", at="read"))
    assert listed_of(bound) == (ELSEWHERE, HERE)


async def test_what_others_did_to_the_list_meanwhile_is_kept(main: Mexc, bound: ApiKey) -> None:
    async with on_list(main.spot, bound.key, HERE):
        bound.ips = ("192.0.2.9", HERE, "192.0.2.8")
    assert listed_of(bound) == ("192.0.2.9", "192.0.2.8")
    async with on_list(main.spot, bound.key, HERE):
        bound.ips = ("192.0.2.9",)
    assert listed_of(bound) == ("192.0.2.9",)


async def test_the_last_address_is_not_taken_out(main: Mexc, bound: ApiKey) -> None:
    with pytest.raises(MexcError, match="without it every address could use the key"):
        async with on_list(main.spot, bound.key, HERE):
            bound.ips = (HERE,)
    assert listed_of(bound) == (HERE,)


async def test_lists_that_cannot_take_one_more_are_refused_and_left_alone(
    sim: Simulator, main: Mexc, bound: ApiKey
) -> None:
    full = second_key(sim, ips=[f"192.0.2.{number}" for number in range(20)])
    for key, words in ((second_key(sim), "no IP list"), (full, "full: 20"), (second_key(sim, ips=[HERE]), "already")):
        before = key.ips
        with pytest.raises(ConfigError, match=words):
            async with on_list(main.spot, key.key, HERE):
                pytest.fail("it cannot be on the list")
        assert key.ips == before


async def test_keys_that_may_not_change_the_list_are_told(sim: Simulator, bound: ApiKey) -> None:
    weak = second_key(sim, permissions=["SPOT_ACCOUNT_READ"])
    async with client(sim, credentials(weak)) as mexc:
        with pytest.raises(PermissionDenied):
            async with on_list(mexc.spot, bound.key, HERE):
                pytest.fail("it cannot be on the list")
        with pytest.raises(InvalidKey):
            async with on_list(mexc.spot, "mx0nobody", HERE):
                pytest.fail("it cannot be on the list")
    assert listed_of(bound) == (ELSEWHERE,)


@pytest.mark.parametrize(
    ("message", "address"),
    [
        ("IP [203.0.113.7] not in the ip white list", "203.0.113.7"),
        ("IP [2001:db8::7] not in the ip white list", "2001:db8::7"),
        ("ip 203.0.113.7: see rule 12.", "203.0.113.7"),
        ("IP not in the white list", None),
        ("code 700006 at 10:15", None),
    ],
)
def test_the_address_that_the_exchange_saw_is_read_from_its_refusal(message: str, address: str | None) -> None:
    assert address_in(IpNotAllowed(message)) == address


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("2606:4700::1111", True), ("10.1.2.3", False), ("192.168.0.0/16", False),
     ("100.64.0.1", False), ("127.0.0.1", False), ("fe80::1", False), ("nonsense", False)],
)  # fmt: skip
def test_private_addresses_are_known(address: str, public: bool) -> None:
    assert is_public(address) is public
