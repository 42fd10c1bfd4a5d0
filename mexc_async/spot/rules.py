"""A symbol's trading rules: rounding to ticks and steps, and pre-trade checks of price, quantity and value."""

from __future__ import annotations

from copy import copy
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Literal, TypeAlias, TypeVar

from msgspec.structs import force_setattr

from mexc_async.errors import InvalidRequest
from mexc_async.schema.validation import Amount, amount, one_of
from mexc_async.spot.models import SymbolInfo
from mexc_async.spot.trading import OrderParameters

Terms = TypeVar("Terms", bound=OrderParameters[Any])
Rounding: TypeAlias = Literal["down", "up", "nearest"]
_check_round = one_of(("down", "up", "nearest"))
_MODES = {"down": ROUND_FLOOR, "up": ROUND_CEILING, "nearest": ROUND_HALF_EVEN}
_NO_LEAST, _NO_GREATEST = Decimal(0), Decimal("Infinity")
_WIDE = Context(prec=100)  # amounts have up to 40 digits, steps up to 20


class SymbolRules:
    """Trading rules of one symbol, from `exchange_info`."""

    def __init__(self, info: SymbolInfo) -> None:
        self.info = info
        self.symbol = info.symbol
        self.tick = Decimal(1).scaleb(-info.quote_precision)
        """Step of a price."""
        step = info.quantity_step
        self.step = step if step is not None and step > 0 else Decimal(1).scaleb(-info.base_precision)
        """Step of a quantity, and the least quantity."""
        self._surely_enough = (_NO_LEAST if info.min_notional is None else info.min_notional) * 2
        self._surely_allowed = (_NO_GREATEST if info.max_notional is None else info.max_notional) / 2
        self._has_decimal_step = self.step.as_tuple().digits == (1,)

    def price(self, value: Amount, round: Rounding = "down") -> Decimal:
        """Round a price to the symbol's tick. Raises InvalidRequest if the result is zero."""
        return self._rounded("price", value, self.tick, round)

    def quantity(self, value: Amount, round: Rounding = "down") -> Decimal:
        """Round a quantity to the symbol's step. Raises InvalidRequest if the result is zero."""
        return self._rounded("quantity", value, self.step, round)

    def _rounded(self, name: str, given: Amount, step: Decimal, mode: Rounding) -> Decimal:
        value = amount(name, given)
        _check_round("round", mode)
        rounded = _WIDE.multiply(_WIDE.divide(value, step).to_integral_value(rounding=_MODES[mode]), step)
        if rounded <= 0:
            raise InvalidRequest(f"{name} {value:f} is less than one step of {step:f} on {self.symbol}")
        return rounded

    def rounded(self, order: Terms) -> Terms:
        """Round an order to the symbol's tick and step, never to more quantity or a worse price.

        The quantity goes down, a buy's price down and a sell's price up. Raises InvalidRequest if a result is zero.
        """
        price, quantity = order.price, order.quantity
        if price is not None and _WIDE.remainder(price, self.tick):
            price = self.price(price, "down" if order.side == "BUY" else "up")
        if quantity is not None and _WIDE.remainder(quantity, self.step):
            quantity = self.quantity(quantity, "down")
        if price is order.price and quantity is order.quantity:
            return order
        rounded = copy(order)  # `replace` would validate every field again
        force_setattr(rounded, "price", price)
        force_setattr(rounded, "quantity", quantity)
        return rounded

    def is_on_steps(self, order: OrderParameters[Any]) -> bool:
        """Return True if price and quantity are multiples of the symbol's tick and step."""
        price, quantity = order.price, order.quantity
        # Most steps are powers of ten; then an equal number of decimals is proof, at a third of the cost.
        if price is not None and not price.same_quantum(self.tick) and _WIDE.remainder(price, self.tick):
            return False
        if quantity is None or (self._has_decimal_step and quantity.same_quantum(self.step)):
            return True
        return not _WIDE.remainder(quantity, self.step)

    def check_steps(self, order: OrderParameters[Any]) -> None:
        """Raise InvalidRequest if price or quantity is off the symbol's tick or step."""
        if order.price is not None:
            self._on_step("price", order.price, self.tick)
        if order.quantity is not None:
            self._on_step("quantity", order.quantity, self.step)

    def check(self, order: OrderParameters[Any]) -> None:
        """Check an order's price, quantity and value. The exchange decides if the symbol trades at the moment.

        Raises InvalidRequest, which names the value and the rule.
        """
        price, quantity = order.price, order.quantity
        try:
            # Operators cost a third of a context's methods. They are exact up to the default context's 28 digits, far
            # more than the slack left here; the code below checks values closer to a limit.
            if (
                price is not None
                and quantity is not None
                and not price % self.tick
                and not quantity % self.step
                and self._surely_enough < price * quantity < self._surely_allowed
            ):
                return  # the usual case
        except ArithmeticError:
            pass  # more digits, or a context set by the user
        self.check_steps(order)
        if order.type == "MARKET":
            low, high = self.info.min_notional_market, self.info.max_notional_market
            notional = order.quote_order_qty
        else:
            low, high = self.info.min_notional, self.info.max_notional
            notional = _WIDE.multiply(order.price, order.quantity) if order.price and order.quantity else None
        if notional is not None and low is not None and notional < low:
            raise InvalidRequest(f"value {notional:f} {self.info.quote} is below the minimum of {self.symbol}, {low:f}")
        if notional is not None and high is not None and notional > high:
            raise InvalidRequest(
                f"value {notional:f} {self.info.quote} is above the maximum of {self.symbol}, {high:f}"
            )

    def _on_step(self, name: str, value: Decimal, step: Decimal) -> None:
        if _WIDE.remainder(value, step):
            raise InvalidRequest(f"{name} {value:f} is not a multiple of the step of {self.symbol}, {step:f}")

    def __repr__(self) -> str:
        return f"SymbolRules({self.symbol}, tick {self.tick:f}, step {self.step:f})"
