"""Refusals of requests, with MEXC's code, message and HTTP status."""

from __future__ import annotations

from decimal import Decimal

from mexc_async.sim.exchange import assumptions


class Refusal(Exception):
    """Refusal of a request by the exchange. Nothing has changed."""

    def __init__(self, code: int, msg: str, status: int = 400, retry_after_s: int | None = None) -> None:
        super().__init__(f"{code}: {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.retry_after_s = retry_after_s


def missing(name: str) -> Refusal:
    """Build the refusal of a mandatory parameter that is absent or empty."""
    return Refusal(700004, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str) -> Refusal:
    """Build the refusal of a parameter that is no number, no known word or no legal text."""
    return Refusal(700008, f"Illegal characters found in parameter '{name}'.")


def invalid_symbol() -> Refusal:
    """Build the refusal of an unlisted symbol."""
    return Refusal(-1121, "Invalid symbol.")


def unknown_order() -> Refusal:
    """Build the refusal to cancel an order that does not exist or is not open."""
    return Refusal(-2011, "Unknown order sent.")


def bad_combination() -> Refusal:
    """Build the refusal of parameters that are legal alone but not together."""
    return Refusal(-1128, "Combination of optional parameters invalid.")


def below_minimum(minimum: Decimal, asset: str) -> Refusal:
    """Build the refusal of a value or quantity below the minimum. The message ends in the minimum, as MEXC's does."""
    return Refusal(30002, f"The minimum transaction volume cannot be less than:{minimum:f}{asset}")


def above_maximum(maximum: Decimal, asset: str) -> Refusal:
    """Build the refusal of an order value above the symbol's maximum."""
    return Refusal(30003, f"The maximum transaction volume cannot be greater than:{maximum:f}{asset}")


def too_many_decimals(name: str, decimals: int) -> Refusal:
    """Build the refusal of a price, quantity or amount with more decimals than allowed."""
    return Refusal(assumptions.TOO_MANY_DECIMALS, f"Parameter '{name}' has too many decimals, at most {decimals}.")
