"""Result of a run: orders, fills, balances, profit and drawdown as the exchange has booked them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Literal, TypeAlias

import orjson
from msgspec import Struct

from mexc_async.schema.json_values import ToDict, plain

End: TypeAlias = Literal["returned", "market ended", "interrupted"]
LimitKind: TypeAlias = Literal["waited", "refused by the guard", "refused by the exchange"]

_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_SHOWN = Decimal("0.00000001")
_MOST_ROWS = 12
"""Most balances that the table shows."""


class RunOrder(ToDict, Struct, frozen=True, kw_only=True, gc=False):
    """One order that the exchange accepted, in its last state."""

    account: str
    order_id: str
    client_order_id: str | None
    symbol: str
    side: str
    type: str
    price: Decimal
    quantity: Decimal
    """In base; 0 for an order sized by value."""
    quote_quantity: Decimal
    """In quote; 0 for an order sized by quantity."""
    status: str
    filled_quantity: Decimal
    filled_quote_quantity: Decimal
    created_time: int
    """Milliseconds UTC, by the exchange's clock; other times likewise."""
    updated_time: int


class RunFill(ToDict, Struct, frozen=True, kw_only=True, gc=False):
    """One fill of an order."""

    account: str
    trade_id: str
    order_id: str
    symbol: str
    side: str
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    time: int


class RunBalance(ToDict, Struct, frozen=True, kw_only=True, gc=False):
    """Balance of one asset in an account's spot and futures wallets, at the start and at the end."""

    account: str
    asset: str
    start: Decimal
    free: Decimal
    locked: Decimal


class Drawdown(ToDict, Struct, frozen=True, kw_only=True, gc=False):
    """Largest fall of the equity from an earlier peak; all 0 if it never fell."""

    amount: Decimal
    """In the run's quote asset."""
    ratio: Decimal
    """Part of the equity at the peak."""
    peak_time: int
    low_time: int


class BoundLimit(ToDict, Struct, frozen=True, kw_only=True, gc=False):
    """A limit that made calls wait, or refused them."""

    limit: str
    """Rate limit of the client or of the exchange, or the guard's rule; `NAME@ACCOUNT` where each has its own."""
    kind: LimitKind
    times: int
    waited_ms: int = 0
    """Total waiting time."""


class Result(ToDict, Struct, frozen=True, kw_only=True):
    """Result of a run. `print` it for a short table; `to_json` is the same for the same inputs, byte for byte.

    Everything is from the exchange's books, and amounts are exact. Profit counts what trading has changed: the
    balances at the end less those at the start, at the last prices. A run without a trade has none, whatever the
    prices did.
    """

    strategy: str
    """File and function, such as `grid.py:main`."""
    market: str
    """Name of the recorded data's file, or `simulator`."""
    seed: int
    parameters: dict[str, str]
    start_time: int
    """Milliseconds UTC, of the market."""
    end_time: int
    ended_by: End
    """The strategy returned, or was cancelled: at the end of the recorded market, or by Ctrl-C."""
    quote: str
    """Asset in which profit and equity are counted."""
    capital: Decimal
    """Value of all starting balances at the first prices."""
    profit: Decimal
    fees: dict[str, Decimal]
    """Fees paid, by asset; profit is after fees."""
    drawdown: Drawdown
    equity: tuple[tuple[int, Decimal], ...]
    """(time, profit so far) at regular intervals."""
    orders: tuple[RunOrder, ...]
    """Orders of all accounts, in the order in which the exchange accepted them."""
    fills: tuple[RunFill, ...]
    balances: tuple[RunBalance, ...]
    """Balances that are not zero, or were not."""
    limits: tuple[BoundLimit, ...]
    warnings: tuple[str, ...]
    """Properties of data and models to know before trusting the numbers."""

    def to_json(self) -> bytes:
        """Return the result as JSON: sorted names, amounts as text, no digit of real time in it."""
        return orjson.dumps(plain(self), option=orjson.OPT_SORT_KEYS)

    def balance(self, asset: str, account: str | None = None) -> Decimal:
        """Return the amount of an asset at the end, free and locked, of one account or of all."""
        own = (one for one in self.balances if one.asset == asset and account in (None, one.account))
        return sum((one.free + one.locked for one in own), Decimal(0))

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def normal(number: Decimal) -> Decimal:
    """Return an amount without trailing zeros, whatever precision the caller works with."""
    return _EXACT.normalize(number)


def _lines(result: Result) -> Iterator[str]:
    given = ", ".join(f"{name}={value}" for name, value in result.parameters.items())
    yield f"{result.strategy}({given}) on {result.market}, seed {result.seed}"
    length = _duration(result.end_time - result.start_time)
    yield f"{_moment(result.start_time)} to {_moment(result.end_time)} UTC ({length}), {result.ended_by}"
    for name, text in _rows(result):
        yield f"{name:<10} {text}"


def _rows(result: Result) -> Iterator[tuple[str, str]]:
    statuses = Counter(order.status for order in result.orders)
    states = ", ".join(f"{number:,} {status.lower().replace('_', ' ')}" for status, number in sorted(statuses.items()))
    yield "orders", f"{len(result.orders):,}{': ' if states else ''}{states}"
    makers = sum(fill.is_maker for fill in result.fills)
    yield "fills", f"{len(result.fills):,}{f', {makers:,} as maker' if result.fills else ''}"
    yield "fees", ", ".join(f"{_number(fee)} {asset}" for asset, fee in result.fees.items()) or "none"
    part = (
        f" ({_EXACT.divide(result.profit, result.capital):+.4%} of {_number(result.capital)})" if result.capital else ""
    )
    yield "profit", f"{_number(result.profit, sign='+')} {result.quote}{part}"
    yield "drawdown", _drawdown(result)
    moved = [one for one in result.balances if one.start != one.free + one.locked or one.locked]
    for one, name in zip(moved[:_MOST_ROWS], _first("balances"), strict=False):
        label = f"{one.account} " if len({each.account for each in result.balances}) > 1 else ""
        locked = f", {_number(one.locked)} in open orders" if one.locked else ""
        yield name, f"{label}{one.asset} {_number(one.start)} -> {_number(one.free + one.locked)}{locked}"
    if len(moved) > _MOST_ROWS:
        yield "", f"and {len(moved) - _MOST_ROWS} more"
    for limit, name in zip(result.limits, _first("limits"), strict=False):
        waited = f" {limit.waited_ms / 1000:,.3f} s" if limit.waited_ms else ""
        yield name, f"{limit.limit}: {limit.times:,} call{'' if limit.times == 1 else 's'} {limit.kind}{waited}"
    for warning, name in zip(result.warnings, _first("warnings"), strict=False):
        yield name, warning


def _first(name: str) -> Iterator[str]:
    """Yield the name for the first row of a group, and nothing for the others."""
    yield name
    while True:
        yield ""


def _drawdown(result: Result) -> str:
    drawdown = result.drawdown
    if not drawdown.amount:
        return "none"
    span = f"{_moment(drawdown.peak_time)} to {_moment(drawdown.low_time)}"
    return f"{_number(drawdown.amount)} {result.quote} ({drawdown.ratio:.4%}), {span}"


def _number(number: Decimal, sign: str = "") -> str:
    """Return an amount with at most 8 decimals, grouped by thousands."""
    return format(normal(_EXACT.quantize(number, _SHOWN)), f"{sign},f")


def _moment(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def _duration(ms: int) -> str:
    seconds, minutes, hours = ms // 1000, ms // 60_000, ms // 3_600_000
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min {seconds % 60} s"


def fees_of(fills: Iterable[RunFill]) -> dict[str, Decimal]:
    """Return the fees of fills by asset, sorted by name."""
    fees: dict[str, Decimal] = {}
    for fill in fills:
        fees[fill.fee_asset] = _EXACT.add(fees.get(fill.fee_asset, Decimal(0)), fill.fee)
    return {asset: normal(fees[asset]) for asset in sorted(fees) if fees[asset]}
