"""Time line of a seed: faults, what the exchange did with orders, and what the client knew of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from mexc_async.backtest.rehearsal.outcome import Struck, fault_text
from mexc_async.call_log.entries import Done, OrderChanged, Sending
from mexc_async.call_log.files import read_log
from mexc_async.orders.record import OrderRecord
from mexc_async.sim.exchange.events import OrderEvent

Who: TypeAlias = Literal["fault", "process", "exchange", "client"]
MOST_LINES = 40
_LAST_LINES = 10
_ORDERS = ("/api/v3/order", "/api/v3/batchOrders", "/api/v3/openOrders")


class Moment(NamedTuple):
    """One line of the time line."""

    at_ms: int
    who: Who
    text: str
    orders: tuple[str, ...] = ()
    """Orders that it is about."""

    def __str__(self) -> str:
        return f"{self.at_ms / 1000:10.3f} s  {self.who:<8}  {self.text}"


def story_of(moments: Iterable[Moment], concerned: Collection[str]) -> tuple[str, ...]:
    """Return the lines about these orders, or about all if there are none, cut to a screen."""
    told = sorted(
        (one for one in moments if not (concerned and one.orders) or any(name in concerned for name in one.orders)),
        key=lambda one: one.at_ms,
    )
    lines = list(_condensed(told))
    if len(lines) > MOST_LINES:
        first = MOST_LINES - _LAST_LINES - 1
        lines[first:-_LAST_LINES] = [f"{'...':>12}  {len(lines) - first - _LAST_LINES} lines left out"]
    return tuple(lines)


def _condensed(moments: Iterable[Moment]) -> Iterator[str]:
    """Yield the lines; of those that repeat themselves only the first, with their number and the last time."""
    same: dict[tuple[str, str], list[Moment]] = {}
    for one in moments:
        same.setdefault((one.who, one.text), []).append(one)
    for first, *more in same.values():
        again = f" ({len(more) + 1} times, until {more[-1].at_ms / 1000:.3f} s)" if more else ""
        yield f"{first}{again}"


def strikes(struck: Sequence[Struck]) -> Iterator[Moment]:
    """Yield the faults."""
    for one in struck:
        about = f" ({', '.join(one.orders)})" if one.orders else ""
        yield Moment(one.at_ms, "fault", f"{fault_text(one.entry)}{about}", one.orders)


def bookings(events: Iterable[tuple[int, OrderEvent]], start_ms: int) -> Iterator[Moment]:
    """Yield what the exchange did with orders, each with the time at which it did."""
    for now_ms, event in events:
        name = event.client_id or event.order_id
        filled = f", {event.executed:f} filled" if event.executed else ""
        terms = f"{event.side} {event.quantity:f} {event.symbol} at {event.price:f}"
        what = f"{name} ({terms}) is {event.status}{filled}"
        yield Moment(now_ms - start_ms, "exchange", what, (name,))


def knowledge(call_log: Path, start_ms: int) -> Iterator[Moment]:
    """Yield what the client sent and learned, by its call log."""
    with suppress(OSError):
        for _, stored in read_log(call_log):
            entry = stored.entry()
            if isinstance(entry, Sending):
                names = tuple((entry.order or "").split(","))
                yield Moment(entry.wall - start_ms, "client", f"sends {entry.endpoint} of {entry.order}", names)
            elif isinstance(entry, Done) and entry.endpoint.endswith(_ORDERS):
                names = tuple((entry.order or "").split(",")) if entry.order else tuple(entry.placed)
                reason = f" ({entry.error.kind}: {entry.error.message})" if entry.error else ""
                if names:
                    text = f"{entry.endpoint} of {', '.join(names)}: {entry.outcome}{reason}"
                    yield Moment(entry.wall - start_ms, "client", text, names)
            elif isinstance(entry, OrderChanged):
                record = OrderRecord.of(entry.facts)
                filled = f", {record.filled_quantity:f} filled" if record.filled_quantity else ""
                name = record.client_order_id
                yield Moment(entry.wall - start_ms, "client", f"knows {name} as {record.state}{filled}", (name,))
