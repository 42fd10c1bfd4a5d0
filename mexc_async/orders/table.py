"""Table of a client's orders: live ones, those that ended lately, and the ids of earlier ones.

No call takes long, however many orders there are: an addition or an end makes room for a few orders, and no dict grows
so large that its growth takes 100 us. Nothing here reads a clock; "now" comes in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, count, islice
from operator import attrgetter
from typing import Final

from mexc_async.orders.record import OrderRecord, Progress
from mexc_async.runtime.recent import PARTS

MOST_UNCLAIMED: Final = 1000
MOST_LIVE: Final = 1_500
"""Most orders held as live; MEXC allows 500 open orders an account: older ones ended without a report."""
_AT_ONCE: Final = 4
"""Live orders that one addition may drop: finding the oldest takes longer than dropping it."""
_number_of = attrgetter("number")


class OrderTable:
    """Orders of one client by both ids. Finished ones leave after a while; their ids are remembered longer."""

    def __init__(
        self,
        keep_s: float = 300.0,
        most_finished: int = 10_000,
        most_ids: int = 200_000,
        most_live: int = MOST_LIVE,
    ) -> None:
        self.keep_s = keep_s
        self.most_finished = most_finished
        self.most_ids = most_ids
        self._most_live = most_live + _AT_ONCE
        self._live: dict[str, OrderRecord] = {}
        """Orders that are not known to have ended, by client order id, the oldest first."""
        self._live_by_order_id: dict[str, OrderRecord] = {}
        self._past: tuple[dict[str, OrderRecord | None], ...] = tuple({} for _ in range(PARTS))
        """Orders that ended, by both ids, in parts by hash; None for those that left the table."""
        self._finished: deque[OrderRecord] = deque()
        """Orders in the order of their ends, and some that turned out to be open or left the table since."""
        self._remembered: deque[str] = deque()
        """Ids, of either kind, of orders that left the table, the oldest first."""
        self._unclaimed: dict[str, Progress] = {}
        """Reports under order ids that passed for those of other orders, until the right orders claim them."""
        self._next_number = count(1).__next__

    def add(self, record: OrderRecord) -> None:
        """Add an order; of too many live ones the oldest leave."""
        record.number = self._next_number()
        self._live[record.client_order_id] = record
        if record.order_id is not None:
            self.index(record)
        if len(self._live) >= self._most_live:
            self._drop_oldest()

    def restore(self, record: OrderRecord) -> None:
        """Add an order of another table, which is used no more; `finish` it if it has ended."""
        record.ended_s = None
        self.add(record)

    def _drop_oldest(self) -> None:
        """Drop the oldest live orders, but none whose outcome is unknown."""
        for record in list(islice(self._live.values(), _AT_ONCE)):
            del self._live[record.client_order_id]
            if record.is_placed:
                self._retire(record)
            else:
                self._live[record.client_order_id] = record

    def index(self, record: OrderRecord) -> None:
        """Index an order after news of it, by the exchange's id; one that passes for another's needs `claim`."""
        order_id = record.order_id
        if record.ended_s is not None:
            self._index_ended(record, order_id)
        elif order_id is not None:
            self._live_by_order_id.setdefault(order_id, record)  # `_owner` prefers one that ended

    def _index_ended(self, record: OrderRecord, order_id: str | None) -> None:
        """Index an order that has ended, or hold it as live if it is open after all."""
        if not record.is_final:
            self._reopen(record)
        if order_id is not None and self._owner(order_id) is None:
            is_live = record.ended_s is None
            (self._live_by_order_id if is_live else self._past[hash(order_id) % PARTS])[order_id] = record

    def claim(self, record: OrderRecord, order_id: str) -> OrderRecord | None:
        """Record both ids of an order as proven: it gets the reports under its order id, whoever seemed to have it.

        Return the order that seemed to have that id, if there was one: its outcome is unknown now.
        """
        if record.order_id is not None and record.order_id != order_id:
            self.release(record)
        loser = self._owner(order_id)
        record.is_named = True
        if loser is record:
            loser = None
            record.place(order_id)
        else:
            if loser is not None:
                self.release(loser)
            record.place(order_id)
            self._live_by_order_id.pop(order_id, None)
            self._past[hash(order_id) % PARTS].pop(order_id, None)
            self.index(record)
        if (progress := self._unclaimed.pop(order_id, None)) is not None:
            record.absorb(progress)
        if not record.is_final:
            self._reopen(record)
        return loser

    def release(self, record: OrderRecord) -> None:
        """Remove an order's id, which is another's; the reports under that id wait for the other's claim."""
        order_id = record.order_id
        if order_id is not None and (older := self._unclaimed.pop(order_id, None)) is not None:
            record.absorb(older)
        if order_id is not None:
            self._disown(record, order_id)
        progress = record.release()
        self._reopen(record)
        if order_id is None:
            return
        self._unclaimed[order_id] = progress
        if len(self._unclaimed) > MOST_UNCLAIMED:
            del self._unclaimed[next(iter(self._unclaimed))]

    def discard(self, client_order_id: str) -> None:
        """Remove an order that was never placed: its id may be used again."""
        self._live.pop(client_order_id, None)
        self._past[hash(client_order_id) % PARTS].pop(client_order_id, None)

    def find(self, order_id: str | None, client_order_id: str | None) -> OrderRecord | None:
        """Return the order with either id; None if it is not this client's, or left the table.

        The client order id decides: if it is unknown here, an order id that comes with it does not lead to an order
        that has that id from an ack alone.
        """
        if client_order_id is not None:
            record = self._live.get(client_order_id)
            if record is None:
                record = self._past[hash(client_order_id) % PARTS].get(client_order_id)
            if record is not None:
                return record
        record = None if order_id is None else self._owner(order_id)
        return record if record is None or client_order_id is None or record.is_named else None

    def _owner(self, order_id: str) -> OrderRecord | None:
        record = self._past[hash(order_id) % PARTS].get(order_id)
        return self._live_by_order_id.get(order_id) if record is None else record

    def _disown(self, record: OrderRecord, order_id: str) -> None:
        """Remove an order id if it leads to this order."""
        for owners in (self._live_by_order_id, self._past[hash(order_id) % PARTS]):
            if owners.get(order_id) is record:
                del owners[order_id]

    def knows(self, name: str) -> bool:
        """Return True if an order with this id, of either kind, is or was this client's."""
        return name in self._live or name in self._live_by_order_id or name in self._past[hash(name) % PARTS]

    def finish(self, record: OrderRecord, now_s: float) -> None:
        """Note that an order has ended; drop one or two of those that ended `keep_s` ago, the oldest first."""
        if record.ended_s is not None:
            return
        record.ended_s = now_s
        name, order_id = record.client_order_id, record.order_id
        if self._live.get(name) is record:
            del self._live[name]
            self._past[hash(name) % PARTS][name] = record
        if order_id is not None and self._live_by_order_id.get(order_id) is record:
            del self._live_by_order_id[order_id]
            part = self._past[hash(order_id) % PARTS]
            if part.get(order_id) is None:
                part[order_id] = record
        finished = self._finished
        finished.append(record)
        for _ in (1, 2):  # one more than was added, so that they become fewer
            if not finished:
                return
            oldest = finished[0]
            ended_s = oldest.ended_s
            if ended_s is not None and now_s - ended_s < self.keep_s and len(finished) <= self.most_finished:
                return
            finished.popleft()
            if self._has_ended(oldest):
                self._retire(oldest)

    def _has_ended(self, record: OrderRecord) -> bool:
        """Return True if an order has ended and is still in the table."""
        name = record.client_order_id
        return record.ended_s is not None and self._past[hash(name) % PARTS].get(name) is record

    def _reopen(self, record: OrderRecord) -> None:
        """Hold an order as live that was taken for finished."""
        if not self._has_ended(record):
            record.ended_s = None
            return
        record.ended_s = None
        name, order_id = record.client_order_id, record.order_id
        self._live[name] = record
        del self._past[hash(name) % PARTS][name]
        if order_id is not None and self._owner(order_id) is record:
            self._disown(record, order_id)
            self._live_by_order_id[order_id] = record

    def _retire(self, record: OrderRecord) -> None:
        """Remove an order, and remember its ids if it was placed."""
        name, order_id = record.client_order_id, record.order_id
        self._past[hash(name) % PARTS].pop(name, None)
        if order_id is not None:
            self._disown(record, order_id)
        if record.is_placed:
            self.remember((name,) if order_id is None else (name, order_id))

    def remember(self, names: Iterable[str]) -> None:
        """Remember these ids, of either kind, without their orders."""
        remembered, past = self._remembered, self._past
        for name in names:
            part = past[hash(name) % PARTS]
            if name not in part:
                part[name] = None
                remembered.append(name)
                if len(remembered) > self.most_ids:
                    oldest = remembered.popleft()
                    part = past[hash(oldest) % PARTS]
                    if part.get(oldest) is None:
                        part.pop(oldest, None)

    @property
    def remembered(self) -> Iterable[str]:
        """Return the ids, of either kind, of orders that left the table."""
        return self._remembered

    def take_over(self, other: OrderTable) -> None:
        """Add the orders of another table, which is used no more, and the ids that it remembers."""
        records = list(other)
        ended = sorted((record.ended_s, record.number, record) for record in records if record.ended_s is not None)
        for record in records:
            self.restore(record)
        for ended_s, _, record in ended:
            self.finish(record, ended_s)
        self.remember(other.remembered)

    def live(self) -> Iterator[OrderRecord]:
        """Yield the orders that are not final."""
        return (record for record in self._live.values() if not record.is_final)

    def __iter__(self) -> Iterator[OrderRecord]:
        """Iterate over the orders, the oldest first."""
        ended = {record.number: record for record in self._finished if self._has_ended(record)}
        return iter(sorted(chain(ended.values(), self._live.values()), key=_number_of))

    def __len__(self) -> int:
        return sum(1 for _ in self)
