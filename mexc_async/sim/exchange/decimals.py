"""Checks and formats of decimal amounts."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from functools import wraps
from typing import ParamSpec, TypeVar

from mexc_async.sim.exchange.refusals import too_many_decimals

P = ParamSpec("P")
R = TypeVar("R")


def check_decimals(name: str, number: Decimal, decimals: int) -> None:
    """Raise Refusal 10096 if `number` has more decimals than `decimals`. Trailing zeros do not count."""
    exponent = number.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > decimals:
        raise too_many_decimals(name, decimals)


def text(number: Decimal) -> str:
    """Format a decimal as MEXC does, without an exponent."""
    written = str(number)  # takes a quarter of the time of `format`
    return format(number, "f") if "E" in written else written


def short(number: Decimal) -> str:
    """Format a decimal without trailing zeros, as MEXC formats balances."""
    return format(number.normalize(), "f")


_EXACT = Context(prec=28)


def exactly(act: Callable[P, R]) -> Callable[P, R]:
    """Let a function calculate with 28 digits, whatever precision a client in the same task works with."""

    @wraps(act)
    def exact(*args: P.args, **kwargs: P.kwargs) -> R:
        with localcontext(_EXACT):
            return act(*args, **kwargs)

    return exact
