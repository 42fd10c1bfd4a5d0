"""A simulated exchange with keys for tests, and fast stores."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mexc_async.client.mexc import Mexc
from mexc_async.keys.key_file import KeyFile
from mexc_async.keys.key_ring import StoredKey
from mexc_async.rest.credentials import Credentials
from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET, AccountSpec
from mexc_async.sim.exchange.keys import ALL_PERMISSIONS, ApiKey
from mexc_async.sim.rest.server import SimConfig, Simulator, main_account

PASSWORD = "correct horse"
SUB = "gridbot01"
MAIN = Credentials(DEMO_KEY, DEMO_SECRET)
OTHER = AccountSpec(name="other", api_key="sim-other", api_secret="sim-other-secret")
CONFIG = SimConfig(limits="none", flow=0, accounts=(main_account(), OTHER))
HERE = "127.0.0.1"


def now_ms(sim: Simulator) -> int:
    return sim._now_ms()


def main_uid(sim: Simulator) -> str:
    return next(iter(sim.exchange.accounts))


def second_key(sim: Simulator, permissions: Iterable[str] = ALL_PERMISSIONS, ips: Iterable[str] = ()) -> ApiKey:
    """Create one more key of the main account."""
    return sim.exchange.keys.issue(
        main_uid(sim), permissions=tuple(permissions), ips=tuple(ips), note="second", now_ms=now_ms(sim)
    )


def credentials(key: ApiKey) -> Credentials:
    return Credentials(key.key, key.secret)


def stored(key: ApiKey, sub_account: str | None = None) -> StoredKey:
    return StoredKey(api_key=key.key, api_secret=key.secret, created_ms=key.created_ms, sub_account=sub_account)


def store(folder: Path) -> KeyFile:
    return KeyFile(folder / "keys", lambda is_new: PASSWORD, cost=10)


def client(sim: Simulator, key: Credentials | None = MAIN, read_only: bool = False) -> Mexc:
    return Mexc(key, rest=sim.rest, ws=sim.spot_ws, limits="unlimited", read_only=read_only)


async def sub_account_key(mexc: Mexc, ip: str | None = HERE) -> StoredKey:
    """Create a sub-account with a key, through a client of the main account."""
    if not (await mexc.spot.list_sub_accounts(sub_account=SUB)).sub_accounts:
        await mexc.spot.create_sub_account(sub_account=SUB, note="for tests")
    made = await mexc.spot.create_sub_account_api_key(
        sub_account=SUB, note="first", permissions="SPOT_ACCOUNT_READ,SPOT_DEAL_WRITE", ip=ip
    )
    assert made.secret_key
    return StoredKey(
        api_key=made.api_key, api_secret=made.secret_key, created_ms=made.create_time or 0, sub_account=SUB
    )
