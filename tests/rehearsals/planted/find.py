"""Search for a planted fault, in a process of its own, since planting changes the client.

`python -m tests.rehearsals.planted.find NAME` prints the first failure as JSON.
"""

from __future__ import annotations

import sys
from importlib import import_module

import orjson

from mexc_async.backtest import rehearse
from mexc_async.backtest.rehearsal.plan import NEARBY
from mexc_async.client.settings import NetworkSettings
from mexc_async.schema.json_values import plain
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.config import SimConfig
from mexc_async.transport.config import Timeouts

MOST_SEEDS = 1000
STEP = 10
HURRIED = NetworkSettings(timeouts=Timeouts(read_s=1.0, total_s=1.0))
"""Time-outs of which two fit into a seed."""

FAULTS = {
    "second_cancel": (
        Fault(kind="error", on="cancel_order", at="read", chance=0.15),
        Fault(kind="mute", on="cancel_order", at="read", chance=0.15),
        Fault(kind="reset", on="cancel_order", chance=0.1),
        Fault(kind="late_answer", on="new_order", chance=0.1),
        Fault(kind="skip", on="spot@private.*", chance=0.1),
    )
}
"""Faults in place of any mix, where a mix seldom has two that belong together."""


def find(name: str) -> object:
    """Rehearse the strategy until an order is left open or doubled; return that failure, None without one."""
    main = import_module(f"tests.rehearsals.planted.{name}").main
    for first in range(0, MOST_SEEDS, STEP):
        result = rehearse(
            main,
            seeds=range(first, first + STEP),
            seconds=10,
            parameters={"orders": 12},
            exchange=SimConfig(latency=NEARBY, flow=0),
            faults=FAULTS.get(name),
            cpus=1,
            network=HURRIED,
        )
        for failure in result.failures:
            if failure.shortest is not None and failure.rule in ("doubled", "open"):
                return plain(failure)
    return None


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(find(sys.argv[1])))
