"""Rules that must hold at the end of a seed: the client's view of its orders against the exchange's own books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Context, Decimal

from mexc_async.backtest.rehearsal.outcome import Breach
from mexc_async.client.mexc import Mexc
from mexc_async.errors import MexcError
from mexc_async.orders.handle import TrackedOrder
from mexc_async.orders.record import OrderState
from mexc_async.sim.wallet.account_audit import AccountAudit, OrderLine

_EXACT = Context(prec=100)
_MOST = 3
"""Most orders that one breach names."""
_OPEN = (OrderState.NEW, OrderState.PARTIALLY_FILLED)


def breaches_of(mexc: Mexc, truth: AccountAudit, before: AccountAudit, leaves_orders: bool) -> list[Breach]:
    """Compare a client with the audit of its account; `before` is the audit at the start."""
    known = {order.client_order_id: order for order in mexc.orders.all()}
    found = [
        *_named("known", [*_unknown(known, truth), *_invented(known, truth), *_unsettled(known.values())]),
        *doubled(truth),
        *_named("belief", _misbelieved(known, truth)),
    ]
    if not leaves_orders:
        found += left_open(truth)
    if not found:  # they follow from the fills, which are right
        found += _named("balances", _wrong_balances(mexc, known.values(), truth, before))
    return found


def left_open(truth: AccountAudit) -> list[Breach]:
    """Return the breach of an account with open orders."""
    return _named("open", [f"{_name(line)} is {line.status}" for line in truth.orders if line.status in _OPEN])


def doubled(truth: AccountAudit) -> list[Breach]:
    """Return the breach of an account with two orders of one client order id."""
    times = Counter(line.client_id for line in truth.orders if line.client_id)
    return _named("doubled", [f"{name} was placed {count} times" for name, count in times.items() if count > 1])


def _named(rule: str, texts: Iterable[str]) -> list[Breach]:
    """Return one breach of a rule with the first texts; none without a text."""
    lines = list(texts)
    if not lines:
        return []
    more = f"; and {len(lines) - _MOST} more" if len(lines) > _MOST else ""
    return [Breach(rule, "; ".join(lines[:_MOST]) + more)]


def _unknown(known: dict[str, TrackedOrder], truth: AccountAudit) -> Iterator[str]:
    for line in truth.orders:
        order = known.get(line.client_id or "")
        if order is None:
            yield f"the client does not know {_name(line)}, which is {line.status}"
        elif order.error is not None:
            reason = f"{type(order.error).__name__}: {order.error}"
            yield f"the client takes {_name(line)} for {order.status} ({reason}), and it is {line.status}"


def _invented(known: dict[str, TrackedOrder], truth: AccountAudit) -> Iterator[str]:
    placed = {line.client_id for line in truth.orders}
    for name, order in known.items():
        if order.record.is_placed and name not in placed:
            yield f"the client takes {name} for {order.status}, and the exchange has no such order"


def _unsettled(known: Iterable[TrackedOrder]) -> Iterator[str]:
    for order in known:
        if order.status in (OrderState.SENDING, OrderState.UNKNOWN):
            yield f"{order.client_order_id} stays {order.status}"


def _misbelieved(known: dict[str, TrackedOrder], truth: AccountAudit) -> Iterator[str]:
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
            yield f"of {_name(line)} the client believes {', '.join(differences)}"
            continue
        made = {fill.trade_id: (fill.price, fill.quantity) for fill in order.fills}
        if made != fills.get(line.order_id, {}):
            yield f"{_name(line)} has {len(fills.get(line.order_id, {}))} fills, the client knows {len(made)}"


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


def _name(line: OrderLine) -> str:
    return line.client_id or line.order_id
