"""Rules that must hold at the end of a seed: the client's view of its orders against the exchange's own books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Context, Decimal
from typing import TypeAlias

from mexc_async.backtest.rehearsal.outcome import Breach
from mexc_async.client.mexc import Mexc
from mexc_async.errors import MexcError
from mexc_async.orders.handle import TrackedOrder
from mexc_async.orders.record import OrderState
from mexc_async.sim.wallet.account_audit import AccountAudit, OrderLine

_EXACT = Context(prec=100)
_MOST = 3
"""Most orders that one breach names."""
Case: TypeAlias = tuple[str, str]
"""Client order id, or nothing, and the text."""
_OPEN = (OrderState.NEW, OrderState.PARTIALLY_FILLED)


def breaches_of(mexc: Mexc, truth: AccountAudit, before: AccountAudit, leaves_orders: bool) -> list[Breach]:
    """Compare a client with the audit of its account; `before` is the audit at the start."""
    known = {order.client_order_id: order for order in mexc.orders.all()}
    found = [
        *_breach("known", [*_unknown(known, truth), *_invented(known, truth), *_unsettled(known.values())]),
        *doubled(truth),
        *_breach("belief", _misbelieved(known, truth)),
    ]
    if not leaves_orders:
        found += left_open(truth)
    if not found:  # they follow from the fills, which are right
        found += _breach("balances", (("", text) for text in _wrong_balances(mexc, known.values(), truth, before)))
    return found


def left_open(truth: AccountAudit) -> list[Breach]:
    """Return the breach of an account with open orders."""
    lines = (line for line in truth.orders if line.status in _OPEN)
    return _breach("open", ((name_of(line), f"{name_of(line)} is {line.status}") for line in lines))


def doubled(truth: AccountAudit) -> list[Breach]:
    """Return the breach of an account with two orders of one client order id."""
    times = Counter(line.client_id for line in truth.orders if line.client_id)
    many = {name: count for name, count in times.items() if count > 1}
    return _breach("doubled", ((name, f"{name} was placed {count} times") for name, count in many.items()))


def _breach(rule: str, cases: Iterable[Case]) -> list[Breach]:
    """Return one breach of a rule with the first cases; none without a case."""
    found = list(cases)
    if not found:
        return []
    more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
    text = "; ".join(text for _, text in found[:_MOST]) + more
    return [Breach(rule, text, tuple(dict.fromkeys(name for name, _ in found[:_MOST] if name)))]


def _unknown(known: dict[str, TrackedOrder], truth: AccountAudit) -> Iterator[Case]:
    for line in truth.orders:
        order = known.get(line.client_id or "")
        if order is None:
            yield name_of(line), f"the client does not know {name_of(line)}, which is {line.status}"
        elif order.error is not None:
            reason = f"{type(order.error).__name__}: {order.error}"
            text = f"the client takes {name_of(line)} for {order.status} ({reason}), and it is {line.status}"
            yield name_of(line), text


def _invented(known: dict[str, TrackedOrder], truth: AccountAudit) -> Iterator[Case]:
    placed = {line.client_id for line in truth.orders}
    for name, order in known.items():
        if order.record.is_placed and name not in placed:
            yield name, f"the client takes {name} for {order.status}, and the exchange has no such order"


def _unsettled(known: Iterable[TrackedOrder]) -> Iterator[Case]:
    for order in known:
        if order.status in (OrderState.SENDING, OrderState.UNKNOWN):
            yield order.client_order_id, f"{order.client_order_id} stays {order.status}"


def _misbelieved(known: dict[str, TrackedOrder], truth: AccountAudit) -> Iterator[Case]:
    fills: dict[str, dict[str, tuple[Decimal, Decimal]]] = {}
    for fill in truth.fills:
        fills.setdefault(fill.order_id, {})[fill.trade_id] = (fill.price, fill.quantity)
    for line in truth.orders:
        order = known.get(line.client_id or "")
        if order is None or order.error is not None:
            continue
        believed = (order.order_id, str(order.status), order.filled_quantity, order.filled_quote_quantity)
        true = (line.order_id, line.status, line.executed, line.executed_value)
        if believed != true:
            differences = (f"{a} for {b}" for a, b in zip(believed, true, strict=True) if a != b)
            yield name_of(line), f"of {name_of(line)} the client believes {', '.join(differences)}"
            continue
        made = {fill.trade_id: (fill.price, fill.quantity) for fill in order.fills}
        true_fills = fills.get(line.order_id, {})
        if made != true_fills:
            yield name_of(line), f"{name_of(line)} has {len(true_fills)} fills, the client knows {len(made)}"


def _wrong_balances(
    mexc: Mexc, known: Iterable[TrackedOrder], truth: AccountAudit, before: AccountAudit
) -> Iterator[str]:
    if truth.transfers or truth.withdrawals or truth.deposits != before.deposits:
        return
    expected = _totals(before)
    for order in known:
        try:
            info = mexc.rules(order.symbol).info
        except MexcError:  # its rules were never loaded
            return
        for fill in order.fills:
            if not fill.fee_asset:
                return
            sign = 1 if order.side == "BUY" else -1
            for asset, amount in (
                (info.base, fill.quantity * sign),
                (info.quote, -sign * fill.quote_quantity),
                (fill.fee_asset, -fill.fee),
            ):
                expected[asset] = _EXACT.add(expected.get(asset, Decimal(0)), amount)
    for asset, amount in _totals(truth).items():
        if amount != expected.get(asset, Decimal(0)):
            yield f"{amount:f} {asset}, and {expected.get(asset, Decimal(0)):f} by the client's fills"


def _totals(audit: AccountAudit) -> dict[str, Decimal]:
    return {asset: _EXACT.add(line.free, line.locked) for asset, line in audit.balances.items()}


def name_of(line: OrderLine) -> str:
    """Return the client order id, or the exchange's id of an order without one."""
    return line.client_id or line.order_id
