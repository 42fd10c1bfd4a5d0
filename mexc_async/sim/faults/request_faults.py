"""Faults drawn for one request when its headers arrive.

`Simulator._handle` passes them from step to step. `sim/rest/held_requests.py` carries out those that delay, lose or
repeat; the handlers of endpoints read the others (`lag_ms`, `fill_part`) from their `Call`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple, Protocol, get_args

from mexc_async.sim.faults.faults import LOSSES, BadFault, Fault, Faults, Kind, Stage, matcher

REQUEST_KINDS: tuple[Kind, ...] = get_args(Kind)[get_args(Kind).index("mute") :]
"""Kinds of faults that apply to requests."""

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
"""Endpoints, by name, of the kinds that apply to a few endpoints only."""


class Named(Protocol):
    """Interface of an endpoint for faults."""

    @property
    def name(self) -> str:
        """The endpoint's name."""
        ...

    @property
    def method(self) -> str:
        """HTTP method."""
        ...

    @property
    def path(self) -> str:
        """URL path."""
        ...


class RequestFaults(NamedTuple):
    """Faults drawn for one request."""

    loss: Fault | None = None
    """Fault that makes the request or its answer get lost."""
    hold_ms: int = 0
    overtake_ms: int = 0
    answer_ms: int = 0
    is_answered_twice: bool = False
    lag_ms: int = 0
    """Age in ms below which orders, fills and transfers are hidden."""
    fill_part: float = 0.0
    """Share of an order's remainder that fills just before its cancel is carried out."""

    def loss_at(self, stage: Stage) -> Fault | None:
        """Return the fault that loses the request at this stage, if there is one."""
        return self.loss if self.loss is not None and self.loss.at == stage else None

    def carried_out(self, count: int) -> int:
        """Return the number of a batch's `count` orders that are placed before its answer is lost."""
        return count if self.loss is None else max(1, int(count * self.loss.part))


UNHARMED = RequestFaults()


def request_faults_of(faults: Faults, endpoint: Named) -> RequestFaults:
    """Draw the faults of a request to `endpoint`."""
    if not faults:
        return UNHARMED
    name, label = endpoint.name, _label(endpoint)

    def strike(kind: Kind) -> Fault | None:
        return faults.strikes(kind, name, label) if name in _ONLY.get(kind, (name,)) else None

    def delay_ms(kind: Kind) -> int:
        fault = strike(kind)
        return fault.delay_ms if fault else 0

    fill = strike("fill_first")
    return RequestFaults(
        loss=next((fault for kind in LOSSES if (fault := strike(kind))), None),
        hold_ms=delay_ms("hold"),
        overtake_ms=delay_ms("overtake"),
        answer_ms=delay_ms("late_answer"),
        is_answered_twice=strike("answer_twice") is not None,
        lag_ms=delay_ms("lag") or delay_ms("cancel_lag"),
        fill_part=fill.part if fill else 0.0,
    )


def check_target(fault: Fault, endpoints: Iterable[Named]) -> None:
    """Check that each pattern in `on` of a request fault matches an endpoint it can apply to. Raises BadFault."""
    if fault.kind not in REQUEST_KINDS or fault.now:
        return
    struck = [endpoint for endpoint in endpoints if endpoint.name in _ONLY.get(fault.kind, (endpoint.name,))]
    for pattern in fault.on.split("|"):
        matches = matcher(pattern)
        if not any(matches(endpoint.name) or matches(_label(endpoint)) for endpoint in struck):
            names = dict.fromkeys(endpoint.name for endpoint in struck)
            nearest = ", ".join(get_close_matches(pattern, names, 3, 0))
            raise BadFault(f"fault {fault.kind}: {pattern!r} matches no endpoint that it applies to, such as {nearest}")


def _label(endpoint: Named) -> str:
    return f"{endpoint.method} {endpoint.path}"
