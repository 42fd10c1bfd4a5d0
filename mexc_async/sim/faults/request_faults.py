"""Faults drawn for one request when its headers arrive.

`Simulator._handle` passes them from step to step. `sim/rest/held_requests.py` carries out those that delay, lose or
repeat; the handlers of endpoints read the others (`lag_ms`, `fill_part`) from their `Call`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Protocol, get_args

from mexc_async.sim.faults.faults import LOSSES, BadFault, Fault, Faults, Kind, Stage, matcher, no_orders

REQUEST_KINDS: tuple[Kind, ...] = get_args(Kind)[get_args(Kind).index("mute") :]
"""Kinds of faults that apply to requests."""

_DRAWN: tuple[Kind, ...] = (*LOSSES, *(kind for kind in REQUEST_KINDS if kind not in LOSSES))
"""The same in the order in which they are drawn."""

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


class RequestFaults:
    """Faults drawn for one request, by kind. Each is reported once, when it is about to be carried out."""

    __slots__ = ("_report", "_reported", "drawn")

    def __init__(self, drawn: Mapping[Kind, Fault], report: Callable[[Fault], None]) -> None:
        self.drawn = drawn
        self._report = report
        self._reported: set[Kind] = set()

    def take(self, kind: Kind) -> Fault | None:
        """Return the fault of a kind, to be carried out; None without one."""
        fault = self.drawn.get(kind)
        if fault is not None and kind not in self._reported:
            self._reported.add(kind)
            self._report(fault)
        return fault

    def delay_ms(self, kind: Kind) -> int:
        """Return the delay of the fault of a kind, to be carried out; 0 without one."""
        fault = self.take(kind)
        return fault.delay_ms if fault is not None else 0

    @property
    def loss(self) -> Fault | None:
        """Fault that makes the request or its answer get lost."""
        return next((self.drawn[kind] for kind in LOSSES if kind in self.drawn), None) if self.drawn else None

    def take_loss(self, stage: Stage) -> Fault | None:
        """Return the fault that loses the request at this stage, to be carried out; None without one."""
        loss = self.loss
        return self.take(loss.kind) if loss is not None and loss.at == stage else None

    @property
    def lag_ms(self) -> int:
        """Age in ms below which orders, fills and transfers are hidden."""
        return (self.delay_ms("lag") or self.delay_ms("cancel_lag")) if self.drawn else 0

    @property
    def fill_part(self) -> float:
        """Share of an order's remainder that fills just before its cancel is carried out."""
        fault = self.take("fill_first")
        return fault.part if fault is not None else 0.0

    def carried_out(self, count: int) -> int:
        """Return the number of a batch's `count` orders that are placed before its answer is lost."""
        loss = self.loss
        return count if loss is None else max(1, int(count * loss.part))


UNHARMED = RequestFaults({}, lambda fault: None)


def request_faults_of(
    faults: Faults, endpoint: Named, orders: Callable[[], tuple[str, ...]] = no_orders
) -> RequestFaults:
    """Draw the faults of a request to `endpoint`. `orders` finds the client order ids that it names."""
    if not faults:
        return UNHARMED
    name, label = endpoint.name, _label(endpoint)
    drawn: dict[Kind, Fault] = {}
    is_lost = False
    for kind in _DRAWN:
        if name in _ONLY.get(kind, (name,)):
            fault = faults.draw(kind, name, label, may_strike=not (is_lost and kind in LOSSES))
            if fault is not None:
                drawn[kind] = fault
                is_lost = is_lost or kind in LOSSES
    return RequestFaults(drawn, lambda fault: faults.report(fault, orders)) if drawn else UNHARMED


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
