"""What becomes of one request, decided when its head arrives; `gate` carries it out."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple, Protocol, get_args

from mexc_async.sim.faults import LOSSES, BadFault, Fault, Faults, Kind, Stage, matcher

REQUEST_KINDS: tuple[Kind, ...] = get_args(Kind)[get_args(Kind).index("mute") :]
"""Kinds that befall requests."""

CANCELS = ("cancel_order", "cancel_open_orders", "cancel_all_orders")
_ONLY: dict[Kind, tuple[str, ...]] = {
    "overtake": ("new_order", "batch_orders"),
    "lag": (
        "query_order",
        "open_orders",
        "all_orders",
        "my_trades",
        "universal_transfer_history",
        "universal_transfer_by_id",
        "internal_asset_transfer_record",
        "internal_transfer_history",
        "sub_universal_transfer_history",
        "broker_universal_transfer_history",
        "withdraw_history",
    ),
    "cancel_lag": CANCELS,
    "fill_first": CANCELS,
}
"""Endpoints by name, of kinds that mean nothing to the others."""


class Named(Protocol):
    """An endpoint, as far as faults care."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def method(self) -> str:
        """HTTP method."""

    @property
    def path(self) -> str:
        """Path."""


class Fate(NamedTuple):
    """What becomes of one request."""

    loss: Fault | None = None
    """What keeps its answer from the sender."""
    hold_ms: int = 0
    overtake_ms: int = 0
    answer_ms: int = 0
    is_answered_twice: bool = False
    lag_ms: int = 0
    """What is younger is not seen."""
    fill_part: float = 0.0
    """Share of what is left of an order that fills just before its cancel is carried out."""

    def loss_at(self, stage: Stage) -> Fault | None:
        """What it is lost by, now that it has come so far."""
        return self.loss if self.loss is not None and self.loss.at == stage else None

    def carried_out(self, count: int) -> int:
        """How many of so many orders of a batch are carried out before its answer is lost."""
        return count if self.loss is None else max(1, int(count * self.loss.part))


UNHARMED = Fate()


def fate_of(faults: Faults, endpoint: Named) -> Fate:
    """Draw the fate of a request to `endpoint`."""
    if not faults:
        return UNHARMED
    name, label = endpoint.name, _label(endpoint)

    def strike(kind: Kind) -> Fault | None:
        return faults.strikes(kind, name, label) if name in _ONLY.get(kind, (name,)) else None

    def delay_ms(kind: Kind) -> int:
        fault = strike(kind)
        return fault.delay_ms if fault else 0

    fill = strike("fill_first")
    return Fate(
        loss=next((fault for kind in LOSSES if (fault := strike(kind))), None),
        hold_ms=delay_ms("hold"),
        overtake_ms=delay_ms("overtake"),
        answer_ms=delay_ms("late_answer"),
        is_answered_twice=strike("answer_twice") is not None,
        lag_ms=delay_ms("lag") or delay_ms("cancel_lag"),
        fill_part=fill.part if fill else 0.0,
    )


def check_target(fault: Fault, endpoints: Iterable[Named]) -> None:
    """Raise BadFault for a fault of requests if a pattern of its `on` names no endpoint that it can strike."""
    if fault.kind not in REQUEST_KINDS or fault.now:
        return
    struck = [endpoint for endpoint in endpoints if endpoint.name in _ONLY.get(fault.kind, (endpoint.name,))]
    for pattern in fault.on.split("|"):
        matches = matcher(pattern)
        if not any(matches(endpoint.name) or matches(_label(endpoint)) for endpoint in struck):
            names = dict.fromkeys(endpoint.name for endpoint in struck)
            nearest = ", ".join(get_close_matches(pattern, names, 3, 0))
            raise BadFault(f"fault {fault.kind}: {pattern!r} matches no endpoint that it strikes, such as {nearest}")


def _label(endpoint: Named) -> str:
    return f"{endpoint.method} {endpoint.path}"
