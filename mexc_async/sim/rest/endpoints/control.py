"""Endpoints of the simulator under /sim, which MEXC does not have: faults, prices, deposits, account audits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import parse_qsl

import msgspec

from mexc_async.sim.exchange.refusals import Refusal
from mexc_async.sim.faults.faults import Fault, FaultCount
from mexc_async.sim.market.arbitrage import Gap, GapRequest
from mexc_async.sim.wallet.account_audit import AccountAudit
from mexc_async.sim.wallet.back_office import PATHS, Order

PREFIX = "/sim/"
LOOPBACK = ("127.0.0.1", "::1")


class Controlled(Protocol):
    """Interface of a simulator that these endpoints control."""

    def inject(self, *faults: Fault) -> int:
        """Put faults in force, or apply them at once. Return the number of sockets that were hit. Raises BadFault."""
        ...

    def clear_faults(self) -> None:
        """Remove all faults."""
        ...

    def fault_counts(self) -> list[FaultCount]:
        """Return every fault in force with its counts."""
        ...

    def open_gap(self, gap: GapRequest) -> Gap:
        """Open a price gap between three markets. Raises ValueError."""
        ...

    def statement(self, account: str | None) -> AccountAudit:
        """Return the audit of an account. Raises ValueError for an unknown one."""
        ...

    def order(self, order: Order) -> dict[str, object]:
        """Carry out a back-office command about funds, keys or accounts. Raises ValueError or Refusal."""
        ...


_FAULTS = msgspec.json.Decoder(Fault | list[Fault])
_GAP = msgspec.json.Decoder(GapRequest)


def answer(target: Controlled, method: str, target_path: str, body: bytes) -> object:
    """Carry out a request and return a value for JSON. Raises Refusal 404 (unknown path) or 400 (invalid body)."""
    path, _, query = target_path.partition("?")
    try:
        handler = _HANDLERS[method, path]
    except KeyError:
        raise Refusal(404, "Not Found", 404) from None
    try:
        return handler(target, dict(parse_qsl(query)), body)
    except (ValueError, UnicodeDecodeError) as error:
        raise Refusal(400, str(error)) from None


def _inject(target: Controlled, query: Mapping[str, str], body: bytes) -> object:
    decoded = _FAULTS.decode(body)
    faults = decoded if isinstance(decoded, list) else [decoded]
    if not faults:
        raise ValueError("the list of faults is empty")
    return {"struck": target.inject(*faults)}


def _counts(target: Controlled, query: Mapping[str, str], body: bytes) -> object:
    return {"faults": target.fault_counts()}


def _clear(target: Controlled, query: Mapping[str, str], body: bytes) -> object:
    target.clear_faults()
    return {}


def _gap(target: Controlled, query: Mapping[str, str], body: bytes) -> object:
    return target.open_gap(_GAP.decode(body or b"{}"))


def _ledger(target: Controlled, query: Mapping[str, str], body: bytes) -> object:
    return target.statement(query.get("account"))


def _ordered(kind: type[Order]) -> Callable[[Controlled, Mapping[str, str], bytes], object]:
    decoder = msgspec.json.Decoder(kind)
    return lambda target, query, body: target.order(decoder.decode(body))


_HANDLERS: dict[tuple[str, str], Callable[[Controlled, Mapping[str, str], bytes], object]] = {
    ("POST", "/sim/faults"): _inject,
    ("GET", "/sim/faults"): _counts,
    ("DELETE", "/sim/faults"): _clear,
    ("POST", "/sim/gap"): _gap,
    ("GET", "/sim/ledger"): _ledger,
    **{("POST", path): _ordered(kind) for path, kind in PATHS.items()},
}
