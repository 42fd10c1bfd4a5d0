"""Coverage of a rehearsal: which fault struck at which state of an order, and what further seeds should aim at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from mexc_async.orders.record import OrderRecord, OrderState
from mexc_async.sim.faults.faults import Kind

State: TypeAlias = Literal["waiting", "sent", "acked", "partly filled", "cancelling", "settling", "none"]
"""State of an order at a strike, as its client knows it.

waiting: not sent yet, because of a rate limit or a check. sent: on its way, without an answer. acked: the client knows
that the exchange has it. partly filled. cancelling: a cancel was sent, and the client does not know the end. settling:
its answer is missing, and the client looks it up. none: no order was open."""
STATES: tuple[State, ...] = ("none", "waiting", "sent", "acked", "partly filled", "cancelling", "settling")
TRIES = 8
"""Seeds that aim at one pair of kind and state before it is given up."""


class Aim(Struct, frozen=True):
    """Pair of kind and state that a seed aims at: the fault strikes as soon as an order is in the state."""

    kind: Kind
    state: State
    skip: int
    """Moments in that state to let pass."""


def state_of(record: OrderRecord, sent: Container[str], cancelling: Container[str]) -> State:
    """Return the state of an order that has not ended, by the orders that requests have named."""
    name = record.client_order_id
    if record.state is OrderState.SENDING:
        return "sent" if name in sent else "waiting"
    if name in cancelling:
        return "cancelling"
    if record.state is OrderState.UNKNOWN:
        return "settling"
    return "acked" if record.state is OrderState.NEW else "partly filled"


class Coverage:
    """Count of strikes by kind and state over all seeds, and the choice of the next aims."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = tuple(kinds)
        self._tries: Counter[tuple[str, str]] = Counter()
        self.table: Counter[tuple[str, str]] = Counter()

    def add(self, kind: str, states: Iterable[str]) -> None:
        """Count a strike."""
        for state in dict.fromkeys(states):
            self.table[kind, state] += 1

    def aims(self, most: int) -> Sequence[Aim]:
        """Return up to `most` aims at what was not seen yet, the least tried first."""
        missing: list[tuple[Kind, State]] = [
            (kind, state)
            for kind in self._kinds
            for state in STATES
            if not self.table[kind, state] and self._tries[kind, state] < TRIES
        ]
        missing.sort(key=lambda cell: self._tries[cell])
        found = []
        for kind, state in missing[:most]:
            found.append(Aim(kind, state, self._tries[kind, state] % 4))
            self._tries[kind, state] += 1
        return found

    def rows(self) -> dict[str, dict[str, int]]:
        """Return the counts by kind and state, zeros included, for the kinds that struck or should have."""
        kinds = dict.fromkeys([*self._kinds, *(kind for kind, _ in self.table)])
        return {kind: {state: self.table[kind, state] for state in STATES} for kind in kinds}
