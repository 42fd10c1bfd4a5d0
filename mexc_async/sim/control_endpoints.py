"""The simulator's own endpoints, under /sim: to order faults and prices. MEXC has nothing like them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from mexc_async.sim.arbitrage import Gap, GapRequest
from mexc_async.sim.faults import Fault, FaultCount
from mexc_async.sim.refusals import Refusal

PREFIX = "/sim/"
LOOPBACK = ("127.0.0.1", "::1")


class Controlled(Protocol):
    """What can be ordered about."""

    def inject(self, fault: Fault) -> int:
        """Put a fault in force, or strike with it at once and return how many sockets it befell."""

    def clear_faults(self) -> None:
        """Put no fault in force any more."""

    def fault_counts(self) -> list[FaultCount]:
        """Every fault in force."""

    def open_gap(self, gap: GapRequest) -> Gap:
        """Open a price gap between three markets."""


_FAULT = msgspec.json.Decoder(Fault)
_GAP = msgspec.json.Decoder(GapRequest)


def answer(target: Controlled, method: str, path: str, body: bytes) -> object:
    """Carry out an order; returns what can be put into JSON. Raises Refusal."""
    try:
        handler = _HANDLERS[method, path]
    except KeyError:
        raise Refusal(404, "Not Found", 404) from None
    try:
        return handler(target, body)
    except (ValueError, UnicodeDecodeError) as error:
        raise Refusal(400, str(error)) from None


def _inject(target: Controlled, body: bytes) -> object:
    return {"struck": target.inject(_FAULT.decode(body))}


def _counts(target: Controlled, body: bytes) -> object:
    return {"faults": target.fault_counts()}


def _clear(target: Controlled, body: bytes) -> object:
    target.clear_faults()
    return {}


def _gap(target: Controlled, body: bytes) -> object:
    return target.open_gap(_GAP.decode(body or b"{}"))


_HANDLERS: dict[tuple[str, str], Callable[[Controlled, bytes], object]] = {
    ("POST", "/sim/faults"): _inject,
    ("GET", "/sim/faults"): _counts,
    ("DELETE", "/sim/faults"): _clear,
    ("POST", "/sim/gap"): _gap,
}
