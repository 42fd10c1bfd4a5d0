"""Faults drawn for one request when its headers arrive.

`sim/rest/pipeline.py` passes them from step to step. `sim/rest/held_requests.py` carries out those that delay, lose or
repeat; the handlers of endpoints read the others (`lag_ms`, `fill_part`) from their `Call`.

No fault is unfair: a client can detect each of them.

- Answers change places, or arrive behind later ones, only where they name their orders. A refusal names none: one that
  arrives alone in the place of another answer looks like a true one. So none changes places but "order does not exist",
  after which a client looks the order up anyway, and a refused order gets no other's answer, which could fit it. A
  refusal that comes again is fair: a ping over the connection detects it.
- Whatever trades, carried out twice, trades twice: the exchange accepts a client order id again once its order has
  ended. Of new orders, only a LIMIT_MAKER order with a client order id is carried out twice; the exchange refuses the
  second while the first rests. The answer to the second is dropped.
- Bytes are not changed at random: TLS detects that. A body that is clipped is no JSON.
- A request of which only a beginning arrived is one that is lost unread: `reset`, `hang_up` or `mute` with `at=unread`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Protocol, get_args

from mexc_async.sim.faults.faults import LOSSES, PROCESS, BadFault, Fault, Faults, Kind, Stage, matcher, no_orders

_ALONE: tuple[tuple[Kind, ...], ...] = (PROCESS, LOSSES, ("ban", "throttle"), ("swap_requests", "swap_answers"))
"""Groups of kinds of which only the first that applies strikes a request."""

_GROUPS = {kind: group for group in _ALONE for kind in group}

REQUEST_KINDS: tuple[Kind, ...] = tuple(
    dict.fromkeys((*itertools.chain(*_ALONE), *get_args(Kind)[get_args(Kind).index("hang_up") :]))
)
"""Kinds of faults that apply to requests, in the order in which they are drawn."""

_BOTH: tuple[Kind, ...] = ("hang_up", *PROCESS)
"""Kinds that apply to requests and to pushes."""

NAMING = ("new_order", "batch_orders", "cancel_order", "query_order")
"""Endpoints whose answers name their orders."""
NOT_FOUND = (-2011, -2013)
"""Codes of "order does not exist"."""
CANCELS = ("cancel_order", "cancel_open_orders", "cancel_all_orders")
_ONLY: dict[Kind, tuple[str, ...]] = {
    "overtake": ("new_order", "batch_orders"),
    "repeat_answer": NAMING,
    "stale_answer": NAMING,
    "swap_requests": NAMING,
    "swap_answers": NAMING,
    "request_twice": ("new_order", "query_order", *CANCELS),
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

    def reach(self, stage: Stage) -> None:
        """Report what befalls the client's process at this stage."""
        for kind in PROCESS if self.drawn else ():
            if kind in self.drawn and self.drawn[kind].at == stage:
                self.take(kind)

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
    taken: set[tuple[Kind, ...]] = set()
    for kind in faults.in_force(REQUEST_KINDS):
        if kind in _ONLY and name not in _ONLY[kind]:
            continue
        group = _GROUPS.get(kind)
        fault = faults.draw(kind, name, label, may_strike=group not in taken)
        if fault is not None:
            drawn[kind] = fault
            if group is not None:
                taken.add(group)
    return RequestFaults(drawn, lambda fault: faults.report(fault, orders)) if drawn else UNHARMED


def check_target(fault: Fault, endpoints: Iterable[Named]) -> None:
    """Check that each pattern in `on` of a request fault matches an endpoint it can apply to. Raises BadFault.

    Of a fault that applies to pushes too, a pattern with `@` is for channels.
    """
    if fault.kind not in REQUEST_KINDS or fault.now:
        return
    struck = [endpoint for endpoint in endpoints if endpoint.name in _ONLY.get(fault.kind, (endpoint.name,))]
    for pattern in fault.on.split("|"):
        matches = matcher(pattern)
        if "@" in pattern and fault.kind in _BOTH:
            continue
        if not any(matches(endpoint.name) or matches(_label(endpoint)) for endpoint in struck):
            names = dict.fromkeys(endpoint.name for endpoint in struck)
            nearest = ", ".join(get_close_matches(pattern, names, 3, 0))
            raise BadFault(f"fault {fault.kind}: {pattern!r} matches no endpoint that it applies to, such as {nearest}")


def _label(endpoint: Named) -> str:
    return f"{endpoint.method} {endpoint.path}"
