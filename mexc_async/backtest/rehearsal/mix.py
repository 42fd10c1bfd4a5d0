"""Mixes of faults, each drawn from a seed: few kinds that strike often, many that strike seldom, or none.

No mix is unfair. A client can detect whatever strikes, and its reads of the market get through: a request that is never
answered is one about an order.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from msgspec.structs import replace

from mexc_async.backtest.rehearsal.coverage import Aim, State
from mexc_async.sim.faults.faults import Fault, Kind, Stage

PLACE = "new_order|batch_orders"
CANCEL = "cancel_order|cancel_open_orders|cancel_all_orders"
TRADE = f"{PLACE}|{CANCEL}"
LOOK = "query_order|open_orders|all_orders|my_trades"
PRIVATE = "spot@private.*"


class _Harm(NamedTuple):
    """A kind of fault and the ranges of its settings."""

    kind: Kind
    on: tuple[str, ...] = ("*",)
    """Targets, of which one is drawn."""
    most: float = 0.3
    """Greatest chance at one opportunity."""
    delay_ms: tuple[int, int] | None = None
    stages: tuple[Stage, ...] = ("processed",)
    statuses: tuple[int, ...] = ()
    has_part: bool = False

    def drawn(self, random: Random, share: float) -> Fault:
        """Draw a fault of this kind with a chance up to `share` of the greatest."""
        low, high = self.delay_ms or (0, 0)
        settings: dict[str, object] = {
            "on": random.choice(self.on),
            "chance": round(self.most * share * (0.2 + 0.8 * random.random()), 4),
        }
        if self.delay_ms:
            settings["delay_ms"] = round(low * (high / low) ** random.random())
        if (stage := random.choice(self.stages)) != "processed":
            settings["at"] = stage
        if self.statuses:
            settings["status"] = random.choice(self.statuses)
        if self.has_part:
            settings["part"] = random.choice((0.25, 0.5, 1.0))
        return Fault(kind=self.kind, **settings)  # type: ignore[arg-type]  # by their names


_ANY_STAGE: tuple[Stage, ...] = ("unread", "read", "processed")
_NAMING = ("new_order|batch_orders", "cancel_order", "query_order")
HARMS: tuple[_Harm, ...] = (
    _Harm("mute", (PLACE, CANCEL, TRADE, LOOK), 0.3, stages=_ANY_STAGE),
    _Harm("error", (PLACE, CANCEL, LOOK, "*"), 0.3, stages=_ANY_STAGE, statuses=(500, 502, 503, 504)),
    _Harm("reset", (PLACE, CANCEL, LOOK, "*"), 0.3, stages=_ANY_STAGE),
    _Harm("truncate", (PLACE, CANCEL, LOOK, "*"), 0.3),
    _Harm("clip", (PLACE, CANCEL, LOOK), 0.3),
    _Harm("stall", (PLACE, CANCEL, LOOK), 0.2),
    _Harm("restart", ("*",), 0.01, (50, 3000), _ANY_STAGE),
    _Harm("hold", (PLACE, CANCEL, "*"), 0.3, (10, 6000)),
    _Harm("overtake", (PLACE,), 0.3, (50, 3000)),
    _Harm("late_answer", (PLACE, CANCEL, LOOK, "*"), 0.3, (10, 6000)),
    _Harm("answer_twice", (PLACE, CANCEL, LOOK, "*"), 0.3),
    _Harm("repeat_answer", _NAMING, 0.3, (1, 1000)),
    _Harm("stale_answer", _NAMING, 0.3, (1, 3000)),
    _Harm("swap_requests", _NAMING, 0.3, (10, 500)),
    _Harm("swap_answers", _NAMING, 0.3, (10, 500)),
    _Harm("request_twice", ("new_order", CANCEL, "query_order"), 0.3),
    _Harm("throttle", (TRADE, LOOK, "*"), 0.02, (100, 2000)),
    _Harm("clock", ("*",), 0.02, (10, 3000)),
    _Harm("lag", (LOOK,), 0.5, (50, 500)),
    _Harm("cancel_lag", (CANCEL,), 0.3, (50, 500)),
    _Harm("fill_first", (CANCEL,), 0.5, has_part=True),
    _Harm("refuse", ("*",), 0.5),
    _Harm("drop", (PRIVATE, "*"), 0.05),
    _Harm("half_open", (PRIVATE, "*"), 0.02),
    _Harm("expire_key", (PRIVATE,), 0.1),
    _Harm("skip", (PRIVATE, "*"), 0.3),
    _Harm("duplicate", (PRIVATE, "*"), 0.3),
    _Harm("delay", (PRIVATE, "*"), 0.2, (10, 4000)),
    _Harm("reorder", (PRIVATE, "*"), 0.3),
    _Harm("corrupt", (PRIVATE, "*"), 0.2),
    _Harm("cut", (PRIVATE, "*"), 0.05),
    _Harm("hang_up", (PRIVATE, PLACE, CANCEL, "*"), 0.05, stages=_ANY_STAGE),
    _Harm("kill", (PLACE, CANCEL, LOOK, PRIVATE), 0.15, (100, 5000), _ANY_STAGE),
    _Harm("freeze", (PLACE, CANCEL, PRIVATE, "*"), 0.05, (100, 10_000), _ANY_STAGE),
)
"""Faults that mixes draw from. `block` and `ban` are none of them, because each strategy would have to end by them."""
KINDS: tuple[Kind, ...] = tuple(dict.fromkeys(harm.kind for harm in HARMS))
"""Kinds of faults that mixes draw from."""
DELAYED = frozenset(harm.kind for harm in HARMS if harm.delay_ms)
"""Kinds that take a time."""


def mixed(seed: int) -> tuple[Fault, ...]:
    """Draw the faults of a seed: a tenth of the seeds has none."""
    random = Random(f"{seed}:mix")
    roll = random.random()
    if roll < 0.1:
        return ()
    few = roll < 0.55
    count = random.randint(1, 3) if few else random.randint(5, 14)
    share = 1.0 if few else 0.25
    return tuple(harm.drawn(random, share) for harm in random.sample(HARMS, count))


def aimed(seed: int, aim: Aim) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """Return the faults of a seed that aims at a kind and a state, and those for the moment when the state is there."""
    random = Random(f"{seed}:{aim.kind}:{aim.state}:{aim.skip}")
    harm = random.choice([harm for harm in HARMS if harm.kind == aim.kind])
    fault = replace(harm.drawn(random, 1.0), chance=1.0, times=1)
    # The first one never strikes: opportunities are counted from the first fault of a kind on.
    counting = Fault(kind=aim.kind, chance=0.0)
    return (counting, *_LEADING.get(aim.state, ()), *mixed(seed)[:3]), (fault,)


_LEADING: dict[State, tuple[Fault, ...]] = {
    "partly filled": (
        Fault(kind="fill_first", on=CANCEL, chance=0.7, part=0.4),
        Fault(kind="error", on=CANCEL, chance=0.7, at="processed"),
    ),
    "waiting": (Fault(kind="throttle", on=TRADE, chance=0.1, delay_ms=1000),),
    "settling": (Fault(kind="mute", on=PLACE, chance=0.4),),
    "sent": (Fault(kind="hold", on=PLACE, chance=0.5, delay_ms=500),),
    "cancelling": (Fault(kind="hold", on=CANCEL, chance=0.5, delay_ms=500),),
}
"""Faults that bring orders into a state."""
