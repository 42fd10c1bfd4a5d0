"""Replacement of a running client's key: no call fails, no order is lost, another account's key is refused."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import ConfigError, IpNotAllowed, PermissionDenied, SignatureRejected
from mexc_async.keys.events import KeyAged, KeyNotReplaced, KeyReplaced
from mexc_async.keys.key_ring import renewed
from mexc_async.keys.watch import warn_of_age
from mexc_async.rest.credentials import DAY_MS, Credentials
from mexc_async.rest.events import RequestDone
from mexc_async.runtime.events import Event
from mexc_async.runtime.hooks import Hooks
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import Simulator
from tests.support.keys_world import CONFIG, MAIN, OTHER, client, credentials, main_uid, second_key, store, stored
from tests.support.streams import nothing_left, until


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with nothing_left(), Simulator(CONFIG) as simulator:
        yield simulator


def told(mexc: Mexc) -> list[Event]:
    events: list[Event] = []
    mexc.hooks.add(events.append)
    return events


async def test_requests_go_on_while_the_key_is_replaced_and_the_old_one_ends(sim: Simulator) -> None:
    new, answers, enough = second_key(sim), 0, asyncio.Event()
    async with client(sim) as mexc:
        events = told(mexc)

        async def ask() -> None:
            nonlocal answers
            while not enough.is_set():
                await mexc.spot.open_orders()
                answers += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(ask())
            await until(lambda: answers > 20)
            await mexc.replace_credentials(credentials(new))
            count = answers
            await until(lambda: answers > count + 20)  # calls with the old key have ended
            sim.exchange.keys.delete(main_uid(sim), MAIN.api_key)
            count = answers
            await until(lambda: answers > count + 50)
            enough.set()
        assert mexc.credentials is not None
        assert mexc.credentials.api_key == new.key
        assert [e for e in events if isinstance(e, RequestDone) and e.error] == []
        assert [e for e in events if isinstance(e, KeyReplaced)] == [
            KeyReplaced(MAIN.masked_key, credentials(new).masked_key)
        ]


async def test_a_request_under_way_ends_with_the_old_key(sim: Simulator) -> None:
    new = second_key(sim)
    async with client(sim) as mexc:
        await mexc.sync_clock()
        sim.inject(Fault(kind="late_answer", on="open_orders", delay_ms=1500, times=1))
        waiting = asyncio.create_task(mexc.spot.open_orders())
        await until(lambda: sim.fault_counts()[0].struck)
        await mexc.replace_credentials(credentials(new))
        assert not waiting.done()
        sim.exchange.keys.delete(main_uid(sim), MAIN.api_key)
        assert await waiting == []


async def test_private_streams_move_to_a_listen_key_of_the_new_key(sim: Simulator) -> None:
    new = second_key(sim)
    async with client(sim) as mexc, mexc.streams.fills() as fills:
        before = sim._listen_keys.of(main_uid(sim), sim._now_ms())
        await mexc.replace_credentials(credentials(new))
        await until(lambda: len(set(sim._listen_keys.of(main_uid(sim), sim._now_ms())) - set(before)) == 1)
        await until(lambda: not set(before) & set(sim._listen_keys.of(main_uid(sim), sim._now_ms())))
        sim.exchange.keys.delete(main_uid(sim), MAIN.api_key)
        placed = await mexc.spot.new_order(symbol="XRPUSDT", side="BUY", type="MARKET", quantity=Decimal(10))
        async with asyncio.timeout(10):
            push = await anext(aiter(fills))
        assert push.body.order_id == placed.order_id
    assert sim._listen_keys.of(main_uid(sim), sim._now_ms()) == []


async def test_a_key_of_another_account_is_refused(sim: Simulator) -> None:
    async with client(sim) as mexc:
        with pytest.raises(ConfigError, match="belongs to another account"):
            await mexc.replace_credentials(Credentials(OTHER.api_key, OTHER.api_secret))
        assert mexc.credentials is MAIN
        await mexc.spot.open_orders()


async def test_a_key_that_the_exchange_refuses_is_not_taken(sim: Simulator) -> None:
    bound = second_key(sim, ips=["192.0.2.1"])
    async with client(sim) as mexc:
        with pytest.raises(SignatureRejected):
            await mexc.replace_credentials(Credentials(OTHER.api_key, "wrong"))
        for same_account in (False, True):
            with pytest.raises(IpNotAllowed):
                await mexc.replace_credentials(credentials(bound), same_account=same_account)
        assert mexc.credentials is MAIN


async def test_a_key_that_may_not_read_the_account_needs_the_users_word(sim: Simulator) -> None:
    trader = second_key(sim, permissions=["SPOT_DEAL_READ", "SPOT_DEAL_WRITE"])
    async with client(sim) as mexc:
        with pytest.raises(PermissionDenied):
            await mexc.replace_credentials(credentials(trader))
        await mexc.replace_credentials(credentials(trader), same_account=True)
        assert await mexc.spot.open_orders() == []


async def test_an_old_key_that_has_ended_cannot_be_compared(sim: Simulator) -> None:
    new = second_key(sim)
    async with client(sim) as mexc:
        sim.exchange.keys.delete(main_uid(sim), MAIN.api_key)
        with pytest.raises(ConfigError, match=r"account cannot be read any more \(InvalidKey\).*same_account=True"):
            await mexc.replace_credentials(credentials(new))
        await mexc.replace_credentials(credentials(new), same_account=True)
        await mexc.spot.open_orders()


async def test_a_client_without_a_key_gets_none_later(sim: Simulator) -> None:
    async with client(sim, None) as mexc:
        with pytest.raises(ConfigError, match="opened without a key"):
            await mexc.replace_credentials(MAIN)


async def test_a_client_of_a_stored_key_follows_its_rotation(sim: Simulator, tmp_path: Path) -> None:
    keys, first, second = store(tmp_path), second_key(sim), second_key(sim)
    keys.change(lambda book: book.added("grid", stored(first)))
    mexc = Mexc.from_keys("grid", store=keys, watch_s=0.01, rest=sim.rest, ws=sim.spot_ws)
    events = told(mexc)
    async with mexc:
        keys.change(lambda book: book.added("unrelated", stored(second)).without("unrelated"))
        keys.change(lambda book: book.changed("grid", stored(second)))
        await until(lambda: [e for e in events if isinstance(e, KeyReplaced)])
        sim.exchange.keys.delete(main_uid(sim), first.key)
        await mexc.spot.open_orders()
        assert len([e for e in events if isinstance(e, KeyReplaced)]) == 1


async def test_a_rotation_is_followed_though_neither_key_may_tell_its_account(sim: Simulator, tmp_path: Path) -> None:
    trade = ["SPOT_DEAL_READ", "SPOT_DEAL_WRITE"]
    keys, first, second = store(tmp_path), second_key(sim, trade), second_key(sim, trade)
    keys.change(lambda book: book.added("grid", stored(first)))
    mexc = Mexc.from_keys("grid", store=keys, watch_s=0.01, rest=sim.rest, ws=sim.spot_ws)
    events = told(mexc)
    async with mexc:
        keys.change(lambda book: book.changed("grid", stored(second)))
        await until(lambda: [e for e in events if isinstance(e, KeyNotReplaced)])
        keys.change(lambda book: book.changed("grid", renewed(stored(second), follows=first.key)))
        await until(lambda: [e for e in events if isinstance(e, KeyReplaced)])
        sim.exchange.keys.delete(main_uid(sim), first.key)
        assert await mexc.spot.open_orders() == []


async def test_a_stored_key_that_is_no_good_is_told_once_and_the_old_one_kept(sim: Simulator, tmp_path: Path) -> None:
    keys, first, second = store(tmp_path), second_key(sim), second_key(sim)
    keys.change(lambda book: book.added("grid", stored(first)))
    mexc = Mexc.from_keys(store=keys, watch_s=0.01, rest=sim.rest, ws=sim.spot_ws)
    events = told(mexc)
    async with mexc:
        strange = renewed(stored(second), api_key=OTHER.api_key, api_secret=OTHER.api_secret)
        keys.change(lambda book: book.changed("grid", strange))
        await until(lambda: sum(isinstance(e, RequestDone) and e.path == "/api/v3/uid" for e in events) > 8)
        (failed,) = [e for e in events if isinstance(e, KeyNotReplaced)]
        assert "belongs to another account" in str(failed.error)
        await mexc.spot.open_orders()
        keys.change(lambda book: book.changed("grid", stored(second)))
        await until(lambda: [e for e in events if isinstance(e, KeyReplaced)])


def test_settings_of_a_stored_key_are_checked(tmp_path: Path) -> None:
    keys = store(tmp_path)
    with pytest.raises(ConfigError, match="no key is stored; add one with: mexc-async keys add NAME"):
        Mexc.from_keys(store=keys)
    for watch_s in (0, -1, float("nan"), "5"):
        with pytest.raises(ConfigError, match=r"watch_s .* must be a number of seconds above 0"):
            Mexc.from_keys(store=keys, watch_s=watch_s)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("days", "level"), [(0, None), (74, None), (75, logging.WARNING), (89, logging.WARNING), (90, logging.ERROR)]
)
def test_an_old_key_is_warned_about(days: int, level: int | None, caplog: pytest.LogCaptureFixture) -> None:
    hooks, events = Hooks(), list[Event]()
    hooks.add(events.append)
    key = Credentials("mx0abcdefghijkl", "secret", created_ms=1000)
    warn_of_age(key, 1000 + days * DAY_MS, hooks)
    assert [record.levelno for record in caplog.records] == ([] if level is None else [level])
    assert events == ([] if level is None else [KeyAged("mx0ab...kl", days, days >= 90)])
    warn_of_age(Credentials("mx0abcdefghijkl", "secret"), 10**15, hooks)
    assert len(events) <= 1


async def test_a_client_tells_its_keys_age_when_it_opens(sim: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    old = Credentials(MAIN.api_key, "secret", created_ms=sim._now_ms() - 80 * DAY_MS)
    mexc = client(sim, old)
    events = told(mexc)
    async with mexc:
        await until(lambda: events)
    assert KeyAged(old.masked_key, 80, False) in events
    assert MAIN.api_key not in caplog.text
