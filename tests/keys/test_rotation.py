"""Rotation of a sub-account's key at the exchange and in the store, with failures in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mexc_async.client.mexc import Mexc
from mexc_async.errors import ConfigError, OutcomeUnknown, PermissionDenied, SignatureRejected
from mexc_async.keys import rotation
from mexc_async.keys.key_file import KeyFile
from mexc_async.keys.rotation import Rotation
from mexc_async.rest.credentials import Credentials
from mexc_async.runtime.clock import SYSTEM
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import Simulator
from mexc_async.spot.subaccounts import SubAccountKey
from tests.support.keys_world import CONFIG, SUB, client, second_key, store, stored, sub_account_key
from tests.support.streams import nothing_left


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "PAUSE_S", 0.001)
    monkeypatch.setattr(rotation, "LATEST_S", 0.001)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with nothing_left(), Simulator(CONFIG) as simulator:
        yield simulator


@pytest.fixture
async def main(sim: Simulator) -> AsyncIterator[Mexc]:
    async with client(sim) as mexc:
        yield mexc


@pytest.fixture
async def keys(main: Mexc, tmp_path: Path) -> KeyFile:
    key, found = await sub_account_key(main), store(tmp_path)
    found.change(lambda book: book.added("grid", key))
    return found


def rotating(sim: Simulator, main: Mexc, keys: KeyFile) -> Rotation:
    async def try_key(credentials: Credentials) -> None:
        async with client(sim, credentials) as mexc:
            await mexc.spot.uid()

    return Rotation(main.spot, keys, "grid", try_key, SYSTEM)


async def at_exchange(main: Mexc) -> list[SubAccountKey]:
    return (await main.spot.list_sub_account_api_keys(sub_account=SUB)).sub_account


async def test_the_new_key_has_the_same_rights_and_the_old_one_is_deleted(
    sim: Simulator, main: Mexc, keys: KeyFile
) -> None:
    (old,) = await at_exchange(main)
    rotated = rotating(sim, main, keys)
    new = await rotated.switch()
    both = {row.api_key: row for row in await at_exchange(main)}
    assert both.keys() == {old.api_key, new.api_key}
    assert keys.read()["grid"] == new
    assert new.replaces == old.api_key
    await rotated.finish()
    (left,) = await at_exchange(main)
    assert (left.api_key, left.permissions, left.ip) == (new.api_key, old.permissions, old.ip)
    assert keys.read()["grid"].replaces is None
    async with client(sim, keys.read()["grid"].credentials()) as mexc:
        await mexc.spot.uid()
    await rotated.finish()


async def test_a_key_without_ip_list_gets_a_successor_without_one(sim: Simulator, main: Mexc, tmp_path: Path) -> None:
    key, found = await sub_account_key(main, ip=None), store(tmp_path)
    found.change(lambda book: book.added("grid", key))
    new = await rotating(sim, main, found).switch()
    (row,) = [row for row in await at_exchange(main) if row.api_key == new.api_key]
    assert not row.ip


async def test_a_rotation_that_was_interrupted_is_finished_by_the_next(
    sim: Simulator, main: Mexc, keys: KeyFile
) -> None:
    new = await rotating(sim, main, keys).switch()
    again = rotating(sim, main, keys)
    assert again.old.replaces is not None
    await again.finish()
    assert [row.api_key for row in await at_exchange(main)] == [new.api_key]


@pytest.mark.parametrize("kind", ["error", "reset", "truncate"])
async def test_a_key_whose_answer_was_lost_is_deleted_again(
    sim: Simulator, main: Mexc, keys: KeyFile, kind: str
) -> None:
    before, data = await at_exchange(main), keys.path.read_bytes()
    sim.inject(Fault(kind=kind, on="create_sub_account_api_key", times=1))  # type: ignore[arg-type]  # a kind
    with pytest.raises(OutcomeUnknown):
        await rotating(sim, main, keys).switch()
    assert await at_exchange(main) == before
    assert keys.path.read_bytes() == data


async def test_a_deletion_whose_answer_was_lost_is_looked_up(sim: Simulator, main: Mexc, keys: KeyFile) -> None:
    rotated = rotating(sim, main, keys)
    new = await rotated.switch()
    sim.inject(Fault(kind="error", on="delete_sub_account_api_key", times=1))
    await rotated.finish()
    assert [row.api_key for row in await at_exchange(main)] == [new.api_key]
    assert keys.read()["grid"].replaces is None


async def test_a_new_key_that_does_not_work_is_deleted_again(sim: Simulator, main: Mexc, keys: KeyFile) -> None:
    before, data, tried = await at_exchange(main), keys.path.read_bytes(), 0

    async def refuse(_: Credentials) -> None:
        nonlocal tried
        tried += 1
        raise SignatureRejected("no")

    with pytest.raises(SignatureRejected):
        await Rotation(main.spot, keys, "grid", refuse, SYSTEM).switch()
    assert tried == rotation.TRIES
    assert (await at_exchange(main), keys.path.read_bytes()) == (before, data)


async def test_a_new_key_that_cannot_be_stored_is_deleted_again(sim: Simulator, main: Mexc, keys: KeyFile) -> None:
    before, rotated = await at_exchange(main), rotating(sim, main, keys)
    keys.path.chmod(0o644)
    with pytest.raises(ConfigError, match="lets other users read it"):
        await rotated.switch()
    assert await at_exchange(main) == before


async def test_a_cancelled_rotation_leaves_nothing_behind(sim: Simulator, main: Mexc, keys: KeyFile) -> None:
    before, data, reached = await at_exchange(main), keys.path.read_bytes(), asyncio.Event()

    async def hang(_: Credentials) -> None:
        reached.set()
        await asyncio.Event().wait()

    rotated = asyncio.create_task(Rotation(main.spot, keys, "grid", hang, SYSTEM).switch())
    await reached.wait()
    rotated.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rotated
    assert (await at_exchange(main), keys.path.read_bytes()) == (before, data)


async def test_a_key_that_somebody_else_changed_meanwhile_is_left_to_them(
    sim: Simulator, main: Mexc, keys: KeyFile
) -> None:
    rotated, other = rotating(sim, main, keys), await sub_account_key(main)
    keys.change(lambda book: book.changed("grid", other))
    before = await at_exchange(main)
    with pytest.raises(ConfigError, match="changed by another process"):
        await rotated.switch()
    assert await at_exchange(main) == before
    assert keys.read()["grid"] == other


async def test_what_cannot_be_rotated_is_refused(sim: Simulator, main: Mexc, keys: KeyFile) -> None:
    keys.change(lambda book: book.added("own", stored(second_key(sim))))
    with pytest.raises(ConfigError, match="belongs to no sub-account"):
        Rotation(main.spot, keys, "own", lambda _: asyncio.sleep(0), SYSTEM)
    await main.spot.delete_sub_account_api_key(sub_account=SUB, api_key=keys.read()["grid"].api_key)
    with pytest.raises(ConfigError, match=f"sub-account '{SUB}' has no key"):
        await rotating(sim, main, keys).switch()


async def test_a_key_that_may_not_make_keys_is_told(sim: Simulator, main: Mexc, keys: KeyFile) -> None:
    weak = second_key(sim, permissions=["SPOT_DEAL_READ"])
    async with client(sim, stored(weak).credentials()) as mexc:
        with pytest.raises(PermissionDenied):
            await rotating(sim, mexc, keys).switch()
    assert len(await at_exchange(main)) == 1
