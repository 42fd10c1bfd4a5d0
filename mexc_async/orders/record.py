"""The life of one order, from acks, queries and pushes in any order of arrival.

What is known of an order is a set of facts that only grows, and everything shown is computed from that set. Facts
therefore commute and repeat without harm: every permutation ends in the same state, the filled quantity never falls,
and a final state never reopens. Nothing here reads a clock; "now" comes in.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from decimal import Context, Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from msgspec import Struct

from mexc_async.errors import MexcError
from mexc_async.orders.snapshot import OrderFacts, RecordedError
from mexc_async.streams.user_state import fill_key

ZERO = Decimal(0)
MOST_UNCLAIMED = 1000
_EXACT = Context(prec=100)  # whatever precision the caller works with


class OrderState(StrEnum):
    """Where an order stands as far as this client knows; the exchange's own words where it has them."""

    SENDING = "SENDING"
    """On its way, or waiting for the limits."""
    UNKNOWN = "UNKNOWN"
    """It was sent and no answer came: the exchange may have it or not."""
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    PARTIALLY_CANCELED = "PARTIALLY_CANCELED"
    """Partly filled, the rest cancelled."""
    REFUSED = "REFUSED"
    """The exchange, or a check before sending, said no."""
    NOT_PLACED = "NOT_PLACED"
    """It never reached the exchange's book and can not any more."""

    @property
    def is_final(self) -> bool:
        """Whether nothing about the order can change any more."""
        return self not in _LIVE

    @property
    def is_open(self) -> bool:
        """Whether the exchange has the order and it can still trade."""
        return self is OrderState.NEW or self is OrderState.PARTIALLY_FILLED


_LIVE = (OrderState.SENDING, OrderState.UNKNOWN, OrderState.NEW, OrderState.PARTIALLY_FILLED)


class OrderFill(Struct, frozen=True, gc=False):
    """One trade of an order."""

    trade_id: str
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    fee: Decimal
    fee_asset: str
    """Empty where the exchange did not say."""
    time: int
    """Milliseconds UTC; REST cuts it to the second."""
    is_maker: bool


NO_FILLS: Mapping[str, OrderFill] = MappingProxyType({})


class Progress(Struct, frozen=True):
    """How far the exchange's order of some id got: what was told under that id."""

    executed: Decimal
    executed_quote: Decimal
    is_filled: bool
    is_cancelled: bool
    fills: tuple[OrderFill, ...]


class OrderRecord(Struct, eq=False):
    """All that is known of one order."""

    client_order_id: str
    symbol: str
    side: str
    type: str
    quantity: Decimal | None
    """Asked, in base; None for a market order sized in quote."""
    price: Decimal | None
    quote_quantity: Decimal | None = None
    """Asked, in quote, by a market order."""
    stp_mode: str | None = None
    """Self-trade prevention as asked, empty for none; None where nobody told."""
    order_id: str | None = None
    """The exchange's id."""
    is_named: bool = False
    """Whether the exchange told both ids together. An ack has no client order id, and may be another order's."""
    is_placed: bool = False
    """Whether the exchange is known to have taken it."""
    is_in_doubt: bool = False
    """Whether an answer is missing and nothing has told since what became of it."""
    accepted_until_ms: int | None = None
    """While in doubt: the last moment, by the exchange's clock, at which it can still be accepted."""
    error: MexcError | None = None
    """Why it was refused."""
    revision: int = 0
    """Counts the news about its fills or its end; nearly all other news leaves money where it is."""
    _fills: dict[str, OrderFill] | None = None
    """Made for the first: without it a record holds nothing that the garbage collector has to follow."""
    _told: Decimal = ZERO
    _told_quote: Decimal = ZERO
    _fill_quantity: Decimal = ZERO
    _fill_quote: Decimal = ZERO
    _is_cancelled: bool = False
    _is_filled: bool = False
    _is_given_up: bool = False

    # Facts come in; each says whether it changed anything

    def mark_unknown(self, accepted_until_ms: int) -> bool:
        """No answer came to a request that can be accepted until then."""
        if self.is_placed or self.error is not None:
            return False
        changed = not self.is_in_doubt or accepted_until_ms > (self.accepted_until_ms or 0)
        self.is_in_doubt = True
        self.accepted_until_ms = max(accepted_until_ms, self.accepted_until_ms or 0)
        return changed

    def refuse(self, error: MexcError) -> bool:
        """It was refused. What proves that the exchange has it counts more, before or after."""
        if self.error is not None:
            return False
        self.error = error
        self.is_in_doubt = False
        self.revision += 1
        return not self.is_placed

    def give_up(self, error: MexcError) -> bool:
        """It was never placed, and can not be any more. What proves the contrary counts more, before or after."""
        changed = self.refuse(error) or not self._is_given_up
        self._is_given_up = True
        return changed

    def place(self, order_id: str | None) -> bool:
        """The exchange has it."""
        changed = not self.is_placed or (self.order_id is None and order_id is not None)
        if self.error is not None and not self.is_placed:
            self.revision += 1  # refused, and yet it stands
        self.is_placed = True
        self.is_in_doubt = False
        if self.order_id is None:
            self.order_id = order_id
        return changed

    def tell(
        self, order_id: str | None, executed: Decimal, quote: Decimal, *, is_cancelled: bool, is_filled: bool
    ) -> bool:
        """The exchange told how far it got: `executed` in base, `quote` its value."""
        changed = self.place(order_id)
        if (executed, quote) > (self._told, self._told_quote):
            self._told, self._told_quote = executed, quote
            self.revision += 1
            changed = True
        if (is_cancelled and not self._is_cancelled) or (is_filled and not self._is_filled):
            self._is_cancelled |= is_cancelled
            self._is_filled |= is_filled
            self.revision += 1
            changed = True
        return changed

    def fill(self, order_id: str | None, fill: OrderFill) -> bool:
        """It traded; a fill counts once, whoever tells it how often."""
        changed = self.place(order_id)
        key = fill_key(fill.trade_id)
        if self._fills is None:
            self._fills = {}
        if key in self._fills:
            return changed
        self._fills[key] = fill
        self._fill_quantity = _EXACT.add(self._fill_quantity, fill.quantity)
        self._fill_quote = _EXACT.add(self._fill_quote, fill.quote_quantity)
        self.revision += 1
        return True

    # Facts that were another order's

    def release(self) -> Progress:
        """Hand out what was told under its order id, which is another order's; its own is in doubt from now on."""
        progress = Progress(
            self._told, self._told_quote, self._is_filled, self._is_cancelled, tuple(self.fills_by_id.values())
        )
        self.order_id = self.error = self._fills = None
        self._told = self._told_quote = self._fill_quantity = self._fill_quote = ZERO
        self.is_named = self.is_placed = self._is_filled = self._is_cancelled = self._is_given_up = False
        self.is_in_doubt = True
        self.revision += 1
        return progress

    def absorb(self, progress: Progress) -> None:
        """Take in what was told under its order id while that passed for another order's."""
        self.tell(
            self.order_id,
            progress.executed,
            progress.executed_quote,
            is_cancelled=progress.is_cancelled,
            is_filled=progress.is_filled,
        )
        for fill in progress.fills:
            self.fill(self.order_id, fill)

    # Facts as a value

    @property
    def facts(self) -> OrderFacts:
        """Everything but the fills."""
        return OrderFacts(
            self.client_order_id,
            self.symbol,
            self.side,
            self.type,
            self.quantity,
            self.price,
            self.quote_quantity,
            self.order_id,
            self.is_placed,
            self.is_in_doubt,
            self.accepted_until_ms,
            self._told or None,
            self._told_quote or None,
            self._is_filled,
            self._is_cancelled,
            self._is_given_up,
            None if self.error is None else RecordedError.of(self.error),
            self.is_named,
            self.stp_mode,
        )

    @classmethod
    def of(cls, facts: OrderFacts) -> Self:
        """The record that these facts were taken from, without its fills."""
        record = cls(
            facts.client_order_id,
            facts.symbol,
            facts.side,
            facts.type,
            facts.quantity,
            facts.price,
            facts.quote_quantity,
            facts.stp_mode,
        )
        record.recall(facts)
        return record

    def recall(self, facts: OrderFacts) -> None:
        """Be as it was when these facts were taken, but for the fills, which stay."""
        self.order_id = facts.order_id
        self.is_named = facts.is_named
        self.is_placed = facts.is_placed
        self.is_in_doubt = facts.is_in_doubt
        self.accepted_until_ms = facts.accepted_until_ms
        self._told = facts.executed or ZERO
        self._told_quote = facts.executed_quote or ZERO
        self._is_filled = facts.is_filled
        self._is_cancelled = facts.is_cancelled
        self._is_given_up = facts.is_given_up
        self.error = None if facts.error is None else facts.error.rebuilt(self.client_order_id)
        self.revision += 1

    # What follows from the facts

    @property
    def state(self) -> OrderState:
        """Where it stands."""
        if self.is_placed:
            return self._state_on_exchange()
        if self.error is not None:
            return OrderState.NOT_PLACED if self._is_given_up else OrderState.REFUSED
        return OrderState.UNKNOWN if self.is_in_doubt else OrderState.SENDING

    def _state_on_exchange(self) -> OrderState:
        filled = self.filled_quantity
        if self._is_filled or (self.quantity and filled >= self.quantity):
            return OrderState.FILLED
        if self._is_cancelled:
            return OrderState.PARTIALLY_CANCELED if filled else OrderState.CANCELED
        return OrderState.PARTIALLY_FILLED if filled else OrderState.NEW

    @property
    def is_final(self) -> bool:
        """What `state.is_final` says."""
        if not self.is_placed:
            return self.error is not None
        if self._told is ZERO and self._fill_quantity is ZERO and not (self._is_filled or self._is_cancelled):
            return False  # nothing was told yet, as of every order when its ack comes
        return self._is_filled or self._is_cancelled or bool(self.quantity and self.filled_quantity >= self.quantity)

    @property
    def filled_quantity(self) -> Decimal:
        """Filled so far, in base: what its fills add up to, or what the exchange told if that is more."""
        return max(self._told, self._fill_quantity)

    @property
    def filled_quote_quantity(self) -> Decimal:
        """The value of that, in quote."""
        return self._fill_quote if self._fill_quantity >= self._told else self._told_quote

    @property
    def remaining_quantity(self) -> Decimal | None:
        """Not filled, in base, whether it can still be or not; None for a market order sized in quote."""
        return None if self.quantity is None else max(_EXACT.subtract(self.quantity, self.filled_quantity), ZERO)

    @property
    def average_price(self) -> Decimal | None:
        """Average price of what was filled; None while nothing is."""
        filled = self.filled_quantity
        return self.filled_quote_quantity / filled if filled else None

    @property
    def fills_by_id(self) -> Mapping[str, OrderFill]:
        """Its trades as far as they are known, as they were told."""
        return self._fills or NO_FILLS

    @property
    def lacks(self) -> Decimal:
        """Filled quantity whose fills are not known yet."""
        if self._told is ZERO:
            return ZERO
        return max(_EXACT.subtract(self._told, self._fill_quantity), ZERO)

    @property
    def fills(self) -> tuple[OrderFill, ...]:
        """Its trades as far as they are known, the oldest first."""
        return tuple(sorted(self.fills_by_id.values(), key=lambda fill: (fill.time, fill.trade_id)))

    @property
    def fees(self) -> dict[str, Decimal]:
        """What its known fills cost, by asset."""
        fees: dict[str, Decimal] = {}
        for fill in self.fills_by_id.values():
            if fill.fee:
                fees[fill.fee_asset] = _EXACT.add(fees.get(fill.fee_asset, ZERO), fill.fee)
        return fees

    def __repr__(self) -> str:
        wanted = f"{self.quantity:f}" if self.quantity is not None else f"{self.quote_quantity or ZERO:f} in quote"
        at = f" at {self.price:f}" if self.price is not None else ""
        filled = f", {self.filled_quantity:f} filled" if self.filled_quantity else ""
        return f"<{self.client_order_id} {self.side} {wanted} {self.symbol}{at}: {self.state}{filled}>"


def may_conclude(asked_ms: float, accepted_until_ms: int, margin_ms: float) -> bool:
    """Whether a look-up sent at `asked_ms` that finds nothing proves that nothing was placed.

    A request is accepted while the exchange's clock is within its time stamp + recvWindow (MEXC: `timing`), and what
    was accepted may stay invisible for a moment: `margin_ms` covers that and the error of the clock. Before then a
    "-2013 order does not exist", or a cancel's -2011, proves nothing.
    """
    return asked_ms > accepted_until_ms + margin_ms


class OrderTable:
    """The orders of one client by both ids. Finished ones leave after a while, their ids are remembered longer."""

    def __init__(self, keep_s: float = 300.0, most_finished: int = 10_000, most_ids: int = 200_000) -> None:
        self.keep_s = keep_s
        self.most_finished = most_finished
        self.most_ids = most_ids
        self._by_client_id: dict[str, OrderRecord] = {}
        self._by_order_id: dict[str, OrderRecord] = {}
        self._finished: OrderedDict[str, float] = OrderedDict()
        """Client ids and when they were found finished, the oldest first."""
        self._remembered: set[str] = set()
        """Both ids of what left the table; with the queue half the memory of an ordered dict."""
        self._remembered_first: deque[str] = deque()
        """The same, the oldest first."""
        self._unclaimed: dict[str, Progress] = {}
        """What was told under order ids that passed for those of other orders, until their own claim them."""

    def add(self, record: OrderRecord) -> None:
        """Take an order in."""
        self._by_client_id[record.client_order_id] = record
        if record.order_id is not None:
            self.index(record)
        if len(self._by_client_id) > 2 * self.most_finished:
            self._retire_stale()

    def _retire_stale(self) -> None:
        """Let the oldest go: an account has 500 open orders at most, so these ended and nobody was told."""
        placed = [name for name, record in self._by_client_id.items() if record.is_placed]
        for name in placed[: self.most_finished]:
            self._finished.pop(name, None)
            self._retire(name)

    def index(self, record: OrderRecord) -> None:
        """Note the exchange's id of an order, once it is known; one that passes for another's needs `claim`."""
        if record.order_id is not None:
            self._by_order_id.setdefault(record.order_id, record)

    def claim(self, record: OrderRecord, order_id: str) -> OrderRecord | None:
        """Take both ids of an order as proven: it gets what was told under its order id, whoever seemed to have it.

        Returns the order that seemed to have it, if there was one: that is in doubt now.
        """
        if record.order_id is not None and record.order_id != order_id:
            self.release(record)
        loser = self._by_order_id.get(order_id)
        if loser is record:
            loser = None
        elif loser is not None:
            self.release(loser)
        record.place(order_id)
        record.is_named = True
        self._by_order_id[order_id] = record
        if (progress := self._unclaimed.pop(order_id, None)) is not None:
            record.absorb(progress)
        if not record.is_final:
            self._finished.pop(record.client_order_id, None)
        return loser

    def release(self, record: OrderRecord) -> None:
        """Take an order's id from it, which is another's; what was told under that id waits for the other's claim."""
        order_id = record.order_id
        if order_id is not None and (older := self._unclaimed.pop(order_id, None)) is not None:
            record.absorb(older)
        progress = record.release()
        self._finished.pop(record.client_order_id, None)
        if order_id is None:
            return
        if self._by_order_id.get(order_id) is record:
            del self._by_order_id[order_id]
        self._unclaimed[order_id] = progress
        if len(self._unclaimed) > MOST_UNCLAIMED:
            del self._unclaimed[next(iter(self._unclaimed))]

    def discard(self, client_order_id: str) -> None:
        """Forget an order that was never placed: its id may be used again."""
        self._by_client_id.pop(client_order_id, None)
        self._finished.pop(client_order_id, None)

    def find(self, order_id: str | None, client_order_id: str | None) -> OrderRecord | None:
        """The order with either id; None if it is not this client's, or left the table.

        The client order id counts: an order id that comes with one which is not known here does not lead to an order
        that has it from an ack alone.
        """
        if client_order_id is not None and (record := self._by_client_id.get(client_order_id)) is not None:
            return record
        record = None if order_id is None else self._by_order_id.get(order_id)
        return record if record is None or client_order_id is None or record.is_named else None

    def knows(self, name: str) -> bool:
        """Whether an order with this id, of either kind, is or was this client's."""
        return name in self._by_client_id or name in self._by_order_id or name in self._remembered

    def finish(self, record: OrderRecord, now_s: float) -> None:
        """An order ended; and let those go that ended `keep_s` ago."""
        if record.client_order_id in self._finished:
            return
        self._finished[record.client_order_id] = now_s
        while self._finished:
            name, ended_s = next(iter(self._finished.items()))
            if now_s - ended_s < self.keep_s and len(self._finished) <= self.most_finished:
                return
            del self._finished[name]
            self._retire(name)

    def _retire(self, client_order_id: str) -> None:
        record = self._by_client_id.pop(client_order_id, None)
        if record is None or not record.is_placed:
            return
        self.remember((client_order_id,))
        if record.order_id is not None:
            if self._by_order_id.get(record.order_id) is record:
                del self._by_order_id[record.order_id]
            self.remember((record.order_id,))

    def remember(self, names: Iterable[str]) -> None:
        """Know these ids, of either kind, without their orders."""
        for name in names:
            if name not in self._remembered:
                self._remembered.add(name)
                self._remembered_first.append(name)
                if len(self._remembered) > self.most_ids:
                    self._remembered.remove(self._remembered_first.popleft())

    @property
    def remembered(self) -> Iterable[str]:
        """Ids, of either kind, of orders that left the table."""
        return self._remembered_first

    def live(self) -> Iterator[OrderRecord]:
        """Orders that are not final."""
        return (record for record in self._by_client_id.values() if not record.is_final)

    def __iter__(self) -> Iterator[OrderRecord]:
        return iter(self._by_client_id.values())

    def __len__(self) -> int:
        return len(self._by_client_id)
