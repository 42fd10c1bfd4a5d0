"""A trader is killed by SIGKILL while it places orders; its successor restores each of them from the call log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import msgspec
import pytest

from mexc_async.call_log.files import archived, verified
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig
from tests.support.killed_trader import FAULTS, Restored, check_knowledge

SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "7").split(",")]
ORDERS = 100 * min(3, int(os.environ.get("CHAOS_FACTOR", "1")))
ROOT = Path(__file__).parents[2]


def child(what: str, sim: BackgroundSimulator, log: Path, seed: int) -> list[str]:
    return [sys.executable, "-m", "tests.support.killed_trader", what, sim.rest, sim.spot_ws, str(log), str(seed)]


def kill_in_the_midst(sim: BackgroundSimulator, log: Path, seed: int, orders: int) -> None:
    """Let a trader place so many orders, and kill it at a random moment."""
    with subprocess.Popen(child("place", sim, log, seed), cwd=ROOT, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while sim.call(lambda s: len(s.statement().orders)) < orders:
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(Random(seed).random() / 20)
        process.kill()
    assert process.returncode == -signal.SIGKILL


def restore(sim: BackgroundSimulator, log: Path) -> list[Restored]:
    done = subprocess.run(
        child("restore", sim, log, 0), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return [msgspec.json.decode(line, type=Restored) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("seed", SEEDS)
def test_successor_of_a_killed_trader_knows_every_order(seed: int, tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    with BackgroundSimulator(SimConfig(seed=seed, limits="none", flow=0)) as sim:
        sim.call(lambda s: s.inject(*FAULTS))
        kill_in_the_midst(sim, log, seed, ORDERS // 2)
        kill_in_the_midst(sim, log, seed + 1, ORDERS)  # the second has not restored what the first left
        assert verified(log).is_whole
        assert archived(log), "the log is to span several files"
        known = restore(sim, log)
        truth = sim.call(lambda s: s.statement())
        assert verified(log).is_closed
        assert verified(log).is_whole
    check_knowledge(known, truth)
    assert {"NEW", "CANCELED", "FILLED", "PARTIALLY_CANCELED"} <= {line.status for line in truth.orders}
