"""Settings of a simulator."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec

from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET, AccountSpec, check_accounts
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.market.latency import Latency
from mexc_async.sim.market.listing import INFERRED, MarketData
from mexc_async.sim.market.models import USUAL, MarketModels
from mexc_async.sim.rest.limits import PROFILES, WINDOWS, Profile, Windows
from mexc_async.sim.stream.socket_lifetime import SocketRules
from mexc_async.sim.wallet.wallet import WalletRules

_MOST_STEP_MS = 60_000


class StartFailed(ValueError):
    """Error for a configuration that the simulator cannot start with. The message is one line."""


def main_account(
    api_key: str = DEMO_KEY, api_secret: str = DEMO_SECRET, balances: dict[str, Decimal] | None = None
) -> AccountSpec:
    """Describe a main account, by default with the public demo key."""
    return AccountSpec(name="main", api_key=api_key, api_secret=api_secret, balances=balances)


class SimConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a simulator."""

    host: str = "127.0.0.1"
    port: int = 0
    """TCP port; 0 for a free one."""
    seed: int = 7
    limits: Profile = "default"
    """Rate limits: `default` for MEXC's documented limits, `guide` for 100 requests/s only, `none` for none."""
    windows: Windows = "sliding"
    accounts: tuple[AccountSpec, ...] = (main_account(),)
    tape: Path | None = None
    """Recorded market, a tape or bars, to play in addition to the generated ones."""
    loop_tape: bool = True
    market_data: MarketData = INFERRED
    """Rules, fees and clock offset of the recorded market."""
    models: MarketModels = USUAL
    """Queue position, impact and other models of the recorded market."""
    generated: bool = True
    """False to list only the symbols of the recorded market."""
    flow: float = 1.0
    """Factor of the background market's events, from 0 to 1000. With 0 the books stand still."""
    step_ms: int = 50
    """Time between two steps of the market without requests, up to 60,000 ms; a shorter window of a subscribed stream
    shortens it. With 0, for virtual time, a step is made when something is due and each event happens at its time."""
    latency: Latency = Latency()
    """Travel times of requests, answers and pushes; by default none beside those of the network."""
    sockets: SocketRules = SocketRules()
    wallet: WalletRules = WalletRules()
    faults: tuple[Fault, ...] = ()
    """Faults in force from the start."""
    fault_seed: int | None = None
    """Seed of what faults choose; None for `seed`."""
    control: bool = False
    """True to serve /sim/... to callers on loopback: faults, gaps, and commands about funds, keys and accounts."""

    def __post_init__(self) -> None:
        if self.limits not in PROFILES:
            raise StartFailed(f"limits {self.limits!r} is none of {', '.join(PROFILES)}")
        if self.windows not in WINDOWS:
            raise StartFailed(f"windows {self.windows!r} is none of {', '.join(WINDOWS)}")
        if not 0 <= self.port <= 65535:
            raise StartFailed(f"port {self.port} is not between 0 and 65535")
        if not 0 <= self.flow <= 1000:
            raise StartFailed(f"flow {self.flow} is not between 0 and 1000")
        if not 0 <= self.step_ms <= _MOST_STEP_MS:
            raise StartFailed(f"step_ms {self.step_ms} is not between 0 and {_MOST_STEP_MS}")
        if not self.generated and self.tape is None:
            raise StartFailed("generated=False leaves the symbols of the recorded market only: name one with tape")
        if not self.accounts:
            raise StartFailed("at least one account is needed")
        check_accounts(self.accounts)
