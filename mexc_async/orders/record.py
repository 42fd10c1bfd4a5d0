"""Life of one order, from acks, queries and pushes in any order of arrival.

An order's record is a set of facts that only grows, and everything shown is computed from that set. Facts therefore
commute and repeat without harm: every permutation ends in the same state, the filled quantity never falls, and a final
state never reopens. Nothing here reads a clock; "now" comes in.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from msgspec import Struct

from mexc_async.errors import MexcError
from mexc_async.orders.snapshot import OrderFacts, RecordedError
from mexc_async.streams.user_state import fill_key

ZERO = Decimal(0)
_EXACT = Context(prec=100)  # whatever precision the caller works with


class OrderState(StrEnum):
    """State of an order as this client knows it, in the exchange's own words where it has them."""

    SENDING = "SENDING"
    """On its way, or waiting for the rate limits."""
    UNKNOWN = "UNKNOWN"
    """Outcome unknown: it was sent and no answer came."""
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    PARTIALLY_CANCELED = "PARTIALLY_CANCELED"
    """Partly filled, the rest cancelled."""
    REFUSED = "REFUSED"
    """Refused by the exchange, or by a check before sending."""
    NOT_PLACED = "NOT_PLACED"
    """Never placed, and cannot be placed any more."""

    @property
    def is_final(self) -> bool:
        """True if nothing about the order can change any more."""
        return self not in _LIVE

    @property
    def is_open(self) -> bool:
        """True if the exchange has the order and it can still trade."""
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
    """Reported progress of the exchange's order with some id."""

    executed: Decimal
    executed_quote: Decimal
    is_filled: bool
    is_cancelled: bool
    fills: tuple[OrderFill, ...]


class OrderRecord(Struct, eq=False):
    """Everything known about one order."""

    client_order_id: str
    symbol: str
    side: str
    type: str
    quantity: Decimal | None
    """Ordered quantity in base; None for a market order sized in quote."""
    price: Decimal | None
    quote_quantity: Decimal | None = None
    """Ordered amount in quote, of a market order."""
    stp_mode: str | None = None
    """Self-trade prevention as ordered, empty for none; None if never reported."""
    order_id: str | None = None
    """The exchange's id."""
    is_named: bool = False
    """True if the exchange reported both ids together. An ack has no client order id, and may be another order's."""
    is_placed: bool = False
    """True if the exchange is known to have the order."""
    is_in_doubt: bool = False
    """True if an answer is missing and no later report settled the outcome."""
    accepted_until_ms: int | None = None
    """While the outcome is unknown: last moment, by the exchange's clock, at which the order can be accepted."""
    error: MexcError | None = None
    """Reason for the refusal."""
    revision: int = 0
    """Count of news about fills or the end; nearly all other news changes no money."""
    _fills: dict[str, OrderFill] | None = None
    """Made with the first fill: without it the garbage collector has nothing to follow in a record."""
    _executed: Decimal = ZERO
    _executed_quote: Decimal = ZERO
    _fill_quantity: Decimal = ZERO
    _fill_quote: Decimal = ZERO
    _is_cancelled: bool = False
    _is_filled: bool = False
    _is_given_up: bool = False
    number: int = 0
    """Place in the order of arrival, as the table counts."""
    ended_s: float | None = None
    """Time at which the table learned of its end; None while it can change."""

    # Facts come in; each method returns True if it changed something

    def mark_unknown(self, accepted_until_ms: int) -> bool:
        """Mark the outcome as unknown: no answer came to a request that can be accepted until then."""
        if self.is_placed or self.error is not None:
            return False
        changed = not self.is_in_doubt or accepted_until_ms > (self.accepted_until_ms or 0)
        self.is_in_doubt = True
        self.accepted_until_ms = max(accepted_until_ms, self.accepted_until_ms or 0)
        return changed

    def refuse(self, error: MexcError) -> bool:
        """Record a refusal. Proof that the exchange has the order counts more, before or after."""
        if self.error is not None:
            return False
        self.error = error
        self.is_in_doubt = False
        self.revision += 1
        return not self.is_placed

    def give_up(self, error: MexcError) -> bool:
        """Record that it was never placed and cannot be any more. Proof of the contrary counts more."""
        changed = self.refuse(error) or not self._is_given_up
        self._is_given_up = True
        return changed

    def place(self, order_id: str | None) -> bool:
        """Record that the exchange has the order."""
        changed = not self.is_placed or (self.order_id is None and order_id is not None)
        if self.error is not None and not self.is_placed:
            self.revision += 1  # refused, and yet it is open
        self.is_placed = True
        self.is_in_doubt = False
        if self.order_id is None:
            self.order_id = order_id
        return changed

    def report(
        self, order_id: str | None, executed: Decimal, quote: Decimal, *, is_cancelled: bool, is_filled: bool
    ) -> bool:
        """Record the exchange's report of its progress: `executed` in base, `quote` its value."""
        changed = self.place(order_id)
        if (executed, quote) > (self._executed, self._executed_quote):
            self._executed, self._executed_quote = executed, quote
            self.revision += 1
            changed = True
        if (is_cancelled and not self._is_cancelled) or (is_filled and not self._is_filled):
            self._is_cancelled |= is_cancelled
            self._is_filled |= is_filled
            self.revision += 1
            changed = True
        return changed

    def fill(self, order_id: str | None, fill: OrderFill) -> bool:
        """Record a fill; each counts once, however often and from whatever source it comes."""
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

    # Facts of another order

    def release(self) -> Progress:
        """Return the reports under its order id, which is another order's; its own outcome is unknown now."""
        progress = Progress(
            self._executed, self._executed_quote, self._is_filled, self._is_cancelled, tuple(self.fills_by_id.values())
        )
        self.order_id = self.error = self._fills = None
        self._executed = self._executed_quote = self._fill_quantity = self._fill_quote = ZERO
        self.is_named = self.is_placed = self._is_filled = self._is_cancelled = self._is_given_up = False
        self.is_in_doubt = True
        self.revision += 1
        return progress

    def absorb(self, progress: Progress) -> None:
        """Add what was reported under its order id while that passed for another order's."""
        self.report(
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
        """Return all facts but the fills."""
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
            self._executed or None,
            self._executed_quote or None,
            self._is_filled,
            self._is_cancelled,
            self._is_given_up,
            None if self.error is None else RecordedError.of(self.error),
            self.is_named,
            self.stp_mode,
        )

    @classmethod
    def of(cls, facts: OrderFacts) -> Self:
        """Build the record from these facts, without fills."""
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
        """Return to these facts, but keep the fills."""
        self.order_id = facts.order_id
        self.is_named = facts.is_named
        self.is_placed = facts.is_placed
        self.is_in_doubt = facts.is_in_doubt
        self.accepted_until_ms = facts.accepted_until_ms
        self._executed = facts.executed or ZERO
        self._executed_quote = facts.executed_quote or ZERO
        self._is_filled = facts.is_filled
        self._is_cancelled = facts.is_cancelled
        self._is_given_up = facts.is_given_up
        self.error = None if facts.error is None else facts.error.rebuilt(self.client_order_id)
        self.revision += 1

    # Results of the facts

    @property
    def state(self) -> OrderState:
        """Present state."""
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
        """Same as `state.is_final`."""
        if not self.is_placed:
            return self.error is not None
        if self._executed is ZERO and self._fill_quantity is ZERO and not (self._is_filled or self._is_cancelled):
            return False  # nothing was reported yet, as for every order when its ack comes
        return self._is_filled or self._is_cancelled or bool(self.quantity and self.filled_quantity >= self.quantity)

    @property
    def filled_quantity(self) -> Decimal:
        """Filled so far, in base: the sum of its fills, or the exchange's figure if that is more."""
        return max(self._executed, self._fill_quantity)

    @property
    def filled_quote_quantity(self) -> Decimal:
        """Value of the filled quantity, in quote."""
        return self._fill_quote if self._fill_quantity >= self._executed else self._executed_quote

    @property
    def remaining_quantity(self) -> Decimal | None:
        """Quantity that is not filled, in base, even if it no longer can be; None for a market order sized in quote."""
        return None if self.quantity is None else max(_EXACT.subtract(self.quantity, self.filled_quantity), ZERO)

    @property
    def average_price(self) -> Decimal | None:
        """Average price of the fills; None before the first."""
        filled = self.filled_quantity
        return self.filled_quote_quantity / filled if filled else None

    @property
    def fills_by_id(self) -> Mapping[str, OrderFill]:
        """Known trades by id, as reported."""
        return self._fills or NO_FILLS

    @property
    def lacks(self) -> Decimal:
        """Filled quantity whose fills are not known yet."""
        if self._executed is ZERO:
            return ZERO
        return max(_EXACT.subtract(self._executed, self._fill_quantity), ZERO)

    @property
    def fills(self) -> tuple[OrderFill, ...]:
        """Known trades, the oldest first."""
        return tuple(sorted(self.fills_by_id.values(), key=lambda fill: (fill.time, fill.trade_id)))

    @property
    def fees(self) -> dict[str, Decimal]:
        """Fees of the known fills, by asset."""
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
    """Return True if a look-up sent at `asked_ms` that finds nothing proves that nothing was placed.

    A request is accepted while the exchange's clock is within its time stamp + recvWindow (MEXC: `timing`), and an
    accepted order may stay invisible for a moment: `margin_ms` covers that and the error of the clock. Before then a
    "-2013 order does not exist", or a cancel's -2011, proves nothing.
    """
    return asked_ms > accepted_until_ms + margin_ms
