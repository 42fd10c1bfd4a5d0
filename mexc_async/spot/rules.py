"""A symbol's trading rules: rounding to them, and refusing an order that breaks one before it is sent."""

from __future__ import annotations

from copy import copy
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Literal, TypeAlias, TypeVar

from msgspec.structs import force_setattr

from mexc_async.core.checks import positive
from mexc_async.errors import InvalidRequest
from mexc_async.spot.models import SymbolInfo
from mexc_async.spot.trading import OrderParameters

Terms = TypeVar("Terms", bound=OrderParameters[Any])
Rounding: TypeAlias = Literal["down", "up", "nearest"]
_MODES = {"down": ROUND_FLOOR, "up": ROUND_CEILING, "nearest": ROUND_HALF_EVEN}
_WIDE = Context(prec=100)  # amounts have up to 40 digits, steps up to 20


class SymbolRules:
    """The rules of one symbol, as `exchange_info` gave them."""

    def __init__(self, info: SymbolInfo) -> None:
        self.info = info
        self.symbol = info.symbol
        self.tick = Decimal(1).scaleb(-info.quote_precision)
        """Step of a price."""
        self.step = info.quantity_step if info.quantity_step > 0 else Decimal(1).scaleb(-info.base_precision)
        """Step of a quantity, and the least one."""
        self._surely_enough = info.min_notional * 2
        self._surely_allowed = info.max_notional / 2
        self._has_decimal_step = self.step.as_tuple().digits == (1,)

    def price(self, value: Decimal, round: Rounding = "down") -> Decimal:
        """The price on the symbol's ticks. Raises InvalidRequest if nothing is left of it."""
        return self._rounded("price", value, self.tick, round)

    def quantity(self, value: Decimal, round: Rounding = "down") -> Decimal:
        """The quantity in the symbol's steps. Raises InvalidRequest if nothing is left of it."""
        return self._rounded("quantity", value, self.step, round)

    def _rounded(self, name: str, value: Decimal, step: Decimal, mode: Rounding) -> Decimal:
        positive(name, value)
        if mode not in _MODES:
            raise InvalidRequest(f"round {mode!r} is not one of 'down', 'up', 'nearest'")
        rounded = _WIDE.multiply(_WIDE.divide(value, step).to_integral_value(rounding=_MODES[mode]), step)
        if rounded <= 0:
            raise InvalidRequest(f"{name} {value:f} is less than one step of {step:f} on {self.symbol}")
        return rounded

    def rounded(self, order: Terms) -> Terms:
        """The order on the symbol's steps, never more or worse than was asked.

        That is less quantity, a lower price for a buy and a higher one for a sell. Raises InvalidRequest if nothing is
        left of it.
        """
        price, quantity = order.price, order.quantity
        if price is not None and _WIDE.remainder(price, self.tick):
            price = self.price(price, "down" if order.side == "BUY" else "up")
        if quantity is not None and _WIDE.remainder(quantity, self.step):
            quantity = self.quantity(quantity, "down")
        if price is order.price and quantity is order.quantity:
            return order
        rounded = copy(order)  # `replace` would check every field a second time
        force_setattr(rounded, "price", price)
        force_setattr(rounded, "quantity", quantity)
        return rounded

    def is_on_steps(self, order: OrderParameters[Any]) -> bool:
        """Whether price and quantity are on the symbol's steps."""
        price, quantity = order.price, order.quantity
        # Steps are nearly always powers of ten, and then an equal number of decimals settles it at a third of the cost.
        if price is not None and not price.same_quantum(self.tick) and _WIDE.remainder(price, self.tick):
            return False
        if quantity is None or (self._has_decimal_step and quantity.same_quantum(self.step)):
            return True
        return not _WIDE.remainder(quantity, self.step)

    def check_steps(self, order: OrderParameters[Any]) -> None:
        """Refuse a price or quantity off the symbol's steps. Raises InvalidRequest."""
        if order.price is not None:
            self._on_step("price", order.price, self.tick)
        if order.quantity is not None:
            self._on_step("quantity", order.quantity, self.step)

    def check(self, order: OrderParameters[Any]) -> None:
        """Refuse an order that breaks a rule of value; whether the symbol trades now is the exchange's to say.

        Raises InvalidRequest naming the value and the rule.
        """
        price, quantity = order.price, order.quantity
        try:
            # Operators cost a third of a context's methods. They are exact up to the 28 digits of the usual context,
            # which is more than the slack that is left here; what is nearer to a limit is looked at below.
            if (
                price is not None
                and quantity is not None
                and not price % self.tick
                and not quantity % self.step
                and self._surely_enough < price * quantity < self._surely_allowed
            ):
                return  # nearly all
        except ArithmeticError:
            pass  # more digits than that, or a context of the user's own
        self.check_steps(order)
        if order.type == "MARKET":
            low, high = self.info.min_notional_market, self.info.max_notional_market
            notional = order.quote_order_qty
        else:
            low, high = self.info.min_notional, self.info.max_notional
            notional = _WIDE.multiply(order.price, order.quantity) if order.price and order.quantity else None
        if notional is not None and low is not None and notional < low:
            raise InvalidRequest(f"value {notional:f} {self.info.quote} is below the least of {self.symbol}, {low:f}")
        if notional is not None and high is not None and notional > high:
            raise InvalidRequest(
                f"value {notional:f} {self.info.quote} is above the greatest of {self.symbol}, {high:f}"
            )

    def _on_step(self, name: str, value: Decimal, step: Decimal) -> None:
        if _WIDE.remainder(value, step):
            raise InvalidRequest(f"{name} {value:f} is off the steps of {self.symbol}, {step:f}")

    def __repr__(self) -> str:
        return f"SymbolRules({self.symbol}, tick {self.tick:f}, step {self.step:f})"
