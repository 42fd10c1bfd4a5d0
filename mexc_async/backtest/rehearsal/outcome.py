"""Outcome of one seed of a rehearsal, as a value that a worker process can hand back."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from mexc_async.sim.faults.faults import Fault

Rule: TypeAlias = str
"""Name of a rule: one of `RULES`, or of a user's function."""
RULES: dict[str, str] = {
    "raised": "the strategy and its tasks raise nothing",
    "time": "the strategy ends in time, and waits for nothing that never comes",
    "open": "no order is left open",
    "known": "the client knows every order of the exchange, and none besides",
    "doubled": "no order is placed twice",
    "belief": "the client's orders and fills are those of the exchange",
    "balances": "the balances are those that follow from the client's fills",
    "guard": "the guard's limits hold at every moment, by the exchange's books",
    "limits": "every rate limit holds when requests arrive",
    "left": "no task and no connection is left",
}
"""Rules of every rehearsal, and what each demands."""
Ended: TypeAlias = Literal["returned", "cancelled", "raised", "killed", "never"]


class Breach(Struct, frozen=True):
    """A rule that a seed broke, in one line."""

    rule: Rule
    text: str
    orders: tuple[str, ...] = ()
    """Client order ids that it is about."""

    @property
    def kind(self) -> str:
        """The rule, and for an error also its place and class: breaches of one kind have one cause."""
        return ": ".join([self.rule, *self.text.split(": ")[:2]]) if self.rule == "raised" else self.rule

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


def fault_text(fault: Fault) -> str:
    """Return a fault as `parse_fault` reads it, without the settings that have their usual values."""
    usual = Fault(kind=fault.kind)
    names = (name for name in Fault.__struct_fields__[1:] if getattr(fault, name) != getattr(usual, name))
    return ",".join([fault.kind, *(f"{name}={getattr(fault, name)}" for name in names)])


class Struck(Struct, frozen=True):
    """A fault that struck."""

    entry: Fault
    """The fault as an entry that strikes at the same opportunity again."""
    at_ms: int
    """Virtual time since the start."""
    orders: tuple[str, ...] = ()
    """Client order ids of the orders that it concerned."""
    states: tuple[str, ...] = ()
    """States of orders at that moment, as the client knew them."""


class SeedRun(Struct, frozen=True, kw_only=True):
    """Outcome of one seed."""

    seed: int
    breaches: tuple[Breach, ...] = ()
    """Rules that were broken; none if the seed held."""
    struck: tuple[Struck, ...] = ()
    ended: Ended = "never"
    """The strategy's end: it returned, was cancelled and ended by that, raised, was killed for good, or did not end."""
    orders: int = 0
    """Orders that the exchange accepted."""
    fills: int = 0
    virtual_ms: int = 0
    """Length in virtual time."""
    story: tuple[str, ...] = ()
    """Time line, if one was wanted."""
