"""One client's part of a call log: the entries that it writes, and the orders that it reads back after a restart."""

from __future__ import annotations

import asyncio
import hashlib
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from mexc_async.call_log.chain import ChainCheck
from mexc_async.call_log.entries import Anomaly, Done, OrderChanged, Pushed, Renamed, Sending, public
from mexc_async.call_log.events import CallLogState
from mexc_async.call_log.files import read_log
from mexc_async.call_log.log import CallLog
from mexc_async.call_log.replay import OrderReplay
from mexc_async.errors import ApiError, ConfigError, MexcError
from mexc_async.native.loader import compiled
from mexc_async.orders.record import OrderFill, OrderRecord
from mexc_async.orders.snapshot import RecordedError
from mexc_async.orders.table import OrderTable
from mexc_async.rest.call import Call, params_of
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.server_clock import ServerClock
from mexc_async.runtime.hooks import Hooks
from mexc_async.runtime.log import logger
from mexc_async.schema.endpoint import Priority, Route
from mexc_async.spot.push import Push
from mexc_async.spot.trading import BatchOrders, CancelOrder, NewOrder


class ClientLog:
    """Writer of one client's entries."""

    def __init__(self, log: CallLog, credentials: Credentials, prefix: str, clock: ServerClock, hooks: Hooks) -> None:
        self.client = client_name(credentials, prefix)
        self.now_ms = clock.now_ms
        self._wall_ms = clock.local.wall_ms
        self._clock = clock.local
        self.log = log
        self._prefix = prefix
        self._hooks = hooks
        self._calls = count(1)
        self._quick = self._quick_entries()
        log.join(self)
        self.hide(credentials)

    def _quick_entries(self) -> compiled.QuickEntries | None:
        """Return the compiled writer of the entries of usual orders and cancels; it leaves all others to Python."""
        if not compiled:
            return None
        wall_ms = None if self._clock.has_system_time else self._wall_ms
        return compiled.QuickEntries(self.log.appender, self.client, NewOrder, CancelOrder, wall_ms)

    def hide(self, credentials: Credentials) -> None:
        """Remove this key from every entry, in its JSON spelling too."""
        self.log.hide(credentials.api_key.encode())
        self.log.hide(msgspec.json.encode(credentials.api_key)[1:-1])

    def rename(self, credentials: Credentials) -> None:
        """Continue under another key; the earlier entries remain this client's."""
        self.hide(credentials)
        old, self.client = self.client, client_name(credentials, self._prefix)
        self._quick = self._quick_entries()
        self.log.add(Renamed(self.now_ms(), self._wall_ms(), old, self.client))

    def sending(self, call: Call, attempt: int, at: int, until: int) -> None:
        """Record a call that changes something, with the time stamp `at`, before it is sent.

        Raises CallLogFailed if that fails, and then nothing may be sent; a cancel always may.
        """
        call.number = call.number or next(self._calls)
        if self._quick is not None and self._quick.sending(call, attempt, at, until):
            self.log.due()
            return
        route = call.route
        entry = Sending(
            at,
            self._wall_ms(),
            self.client,
            call.number,
            f"{route.method} {route.path}",
            public(params_of(call)),
            until,
            call.client_order_id,
            attempt,
        )
        self.log.write_ahead(entry, may_refuse=route.priority is not Priority.CANCEL)

    def done(
        self,
        call: Call,
        attempt: int,
        wait_s: float,
        latency_s: float,
        status: int | None,
        error: MexcError | None,
        answer: object,
    ) -> None:
        """Record the end of an attempt."""
        quick = self._quick
        if quick is not None and error is None and quick.done(call, attempt, wait_s, latency_s, status, answer):
            self.log.due()
            return
        route = call.route
        entry = call.done = Done(
            call.stamped_ms + int(latency_s * 1000) if call.stamped_ms else self.now_ms(),
            self._wall_ms(),
            self.client,
            f"{route.method} {route.path}",
            "ok" if status is not None and error is None else _outcome(route, error),
            int(latency_s * 1e6),
            int(wait_s * 1e6),
            call.number,
            status,
            call.client_order_id,
            getattr(answer, "order_id", None),
            attempt,
            {} if call.number else public(params_of(call)),
            None if error is None else RecordedError.of(error),
        )
        if error is None and isinstance(call.given, NewOrder | BatchOrders):
            self.log.hold(entry)
        else:
            self.log.add(entry)

    def push(self, push: Push[Any]) -> None:
        """Record a private push, or the REST answer in its place."""
        body = push.body
        order, order_id = getattr(body, "client_order_id", None) or None, getattr(body, "order_id", None)
        self.log.add(
            Pushed(
                self.now_ms(),
                self._wall_ms(),
                self.client,
                push.channel,
                body,
                push.symbol,
                order,
                order_id,
                push.send_time,
            )
        )

    def placed(self, record: OrderRecord, call: Call) -> None:
        """Record that the exchange has an order, as the answer to a call says."""
        if self._quick is not None and self._quick.placed(call, record.client_order_id, record.order_id):
            return
        if isinstance(call.done, Done) and self.log.is_last(call.done):
            call.done.placed[record.client_order_id] = record.order_id
        else:
            self.order(record)

    def order(self, record: OrderRecord, fill: OrderFill | None = None) -> None:
        """Record an order's news; `fill` is the trade, if it is one."""
        self.log.add(OrderChanged(self.now_ms(), self._wall_ms(), self.client, record.facts, fill))

    def whole(self, record: OrderRecord) -> None:
        """Record everything known about an order, so that this log alone can restore it."""
        for fill in record.fills or (None,):
            self.order(record, fill)

    def anomaly(self, rule: str, text: str, order: str | None, order_id: str | None, symbol: str | None) -> None:
        """Record activity that is not this client's own, or unusual for it."""
        self.log.add(Anomaly(self.now_ms(), self._wall_ms(), self.client, rule, text, order, order_id, symbol))

    def on_log(self, reason: str | None, lost: int) -> None:
        """Notify the client's listeners that the log fails, or works again."""
        self._hooks.emit(CallLogState(reason is None, reason or "", lost))

    def close(self) -> None:
        """Leave the log: the client is closed. Idempotent."""
        self.log.leave(self)


def client_name(credentials: Credentials, prefix: str) -> str:
    """Return the name of a client's entries, the same after a restart; another key or prefix is another client."""
    return f"{prefix}@{hashlib.sha256(credentials.api_key.encode()).hexdigest()[:8]}"


async def past_orders(path: Path, client: str, keep_s: float) -> OrderTable:
    """Return the orders that a client's tracker knew at the last entry of a log. Raises ConfigError.

    A broken chain is reported, and the readable part is used: open orders are looked up in any case.
    """
    try:
        return await asyncio.to_thread(_replayed, path, client, keep_s)
    except OSError as error:
        raise ConfigError(f"the call log {path} cannot be read: {error.strerror or error}") from error


def _replayed(path: Path, client: str, keep_s: float) -> OrderTable:
    replay, check = OrderReplay(keep_s), ChainCheck()
    for where, stored in read_log(path):
        check.take(stored, where)
        if (entry := stored.entry()) is not None:
            replay.take(entry)
    if check.problems:
        logger.warning("call log: %s is broken in %d places, first %s", path, len(check.problems), check.problems[0])
    return replay.of(client)


def _outcome(route: Route, error: MexcError | None) -> str:
    """Name the outcome of an attempt without a value; without an error its caller was cancelled."""
    if route.safe or (error is not None and error.outcome_known):
        return "refused" if isinstance(error, ApiError) and error.outcome_known else "failed"
    return "unknown"
