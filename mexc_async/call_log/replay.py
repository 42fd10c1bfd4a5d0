"""Replay of a call log: its client's orders as they were known at the last entry."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from mexc_async.call_log.entries import AnyEntry, Done, OrderChanged, Renamed, Sending
from mexc_async.orders.record import OrderRecord
from mexc_async.orders.table import OrderTable

_batch = msgspec.json.Decoder(list[dict[str, str]])


class OrderReplay:
    """Orders of each client, rebuilt from a log's entries in their order, as its tracker had them.

    An order with only a `sending` entry has an unknown outcome: a look-up has to settle it. Finished orders leave the
    table as they left the tracker's, by the log's times.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._tables: dict[str, OrderTable] = {}

    def of(self, client: str) -> OrderTable:
        """Return the orders of a client, including those that it placed under a former name."""
        table = self._tables.get(client)
        if table is None:
            table = self._tables[client] = OrderTable(self._keep_s)
        return table

    def take(self, entry: AnyEntry) -> None:
        """Apply the next entry."""
        if isinstance(entry, OrderChanged):
            _apply(self.of(entry.client), entry)
        elif isinstance(entry, Done):
            for name, order_id in entry.placed.items():
                _place(self.of(entry.client), name, order_id)
        elif isinstance(entry, Sending) and entry.order:
            _send(self.of(entry.client), entry)
        elif isinstance(entry, Renamed):
            self._rename(entry.client, entry.now)

    def _rename(self, old: str, new: str) -> None:
        before, table = self._tables.pop(old, None), self.of(new)
        if before is not None:
            table.take_over(before)


def _place(table: OrderTable, name: str, order_id: str | None) -> None:
    record = table.find(None, name)
    if record is not None:
        record.place(order_id)
        table.index(record)


def _apply(table: OrderTable, entry: OrderChanged) -> None:
    facts = entry.facts
    record = _live(table, facts.client_order_id)
    if record is None:
        record = OrderRecord.of(facts)
        table.add(record)
    if facts.order_id is None and record.order_id is not None:
        table.release(record)  # that id was another order's
    elif facts.order_id is not None and facts.is_named:
        table.claim(record, facts.order_id)
    record.recall(facts)
    if entry.fill is not None:
        record.fill(facts.order_id, entry.fill)
    table.index(record)
    if record.is_final:
        table.finish(record, entry.at / 1000)


def _send(table: OrderTable, entry: Sending) -> None:
    try:
        asked = [_asked(order) for order in orders_in(entry.params)]
    except ArithmeticError:  # somebody changed the entry
        return
    for fresh in asked:
        record = _live(table, fresh.client_order_id)
        if record is None:
            record = fresh
            table.add(record)
        record.mark_unknown(entry.until)


def _live(table: OrderTable, name: str) -> OrderRecord | None:
    """Return the order of this name; None if nothing was ever placed under it, so that it was free again."""
    record = table.find(None, name)
    if record is not None and record.is_final and not record.is_placed:
        table.discard(name)
        return None
    return record


def orders_in(params: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the orders that a call with these parameters places, each with its own; a cancel places none."""
    batch = params.get("batchOrders")
    try:
        orders = [dict(params)] if batch is None else _batch.decode(batch)
    except msgspec.MsgspecError:
        return []
    return [order for order in orders if "newClientOrderId" in order and "type" in order]


def _asked(order: Mapping[str, str]) -> OrderRecord:
    def amount(wire: str) -> Decimal | None:
        text = order.get(wire)
        return None if text is None else Decimal(text)

    return OrderRecord(
        order["newClientOrderId"],
        order.get("symbol", ""),
        order.get("side", ""),
        order["type"],
        amount("quantity"),
        amount("price"),
        amount("quoteOrderQty"),
        order.get("stpMode", ""),
    )
