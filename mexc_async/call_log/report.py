"""Report on a call log: filters for its entries, and sums over them."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from math import ceil, inf
from typing import TypeVar, get_args

from msgspec import Struct

from mexc_async.call_log.anomalies import HOUR_MS, Excess, excesses
from mexc_async.call_log.entries import Anomaly, AnyEntry, Done, Entry, Lost, OrderChanged, Pushed, Renamed, Sending
from mexc_async.call_log.replay import orders_in
from mexc_async.orders.snapshot import RecordedError

T = TypeVar("T")
ANY = "any"
_ID_NAMES = ("orderId", "origClientOrderId", "newClientOrderId")


def order_ids(entry: Entry) -> set[str]:
    """Return the ids of the orders that an entry is about, of either kind."""
    found: set[str | None] = set()
    if isinstance(entry, Sending | Done):
        found.update((entry.order or "").split(","))
        found.update(entry.params.get(name) for name in _ID_NAMES)
        if isinstance(entry, Done):
            found.add(entry.order_id)
            found.update(entry.placed.values())
    elif isinstance(entry, OrderChanged):
        found.update((entry.facts.client_order_id, entry.facts.order_id))
    elif isinstance(entry, Pushed | Anomaly):
        found.update((entry.order, entry.order_id))
    return {name for name in found if name}


def same_order(entries: Iterable[Entry], name: str) -> frozenset[str]:
    """Return both ids of the order that has this one, as far as a log has them."""
    found = {name}
    for entry in entries:
        if isinstance(entry, OrderChanged | Pushed) and name in (ids := order_ids(entry)):
            found |= ids
    return frozenset(found)


def symbols(entry: Entry) -> set[str]:
    """Return the symbols that an entry is about."""
    if isinstance(entry, Sending | Done):
        named = set(entry.params.get("symbol", "").split(","))
        return (named | {order.get("symbol", "") for order in orders_in(entry.params)}) - {""}
    if isinstance(entry, OrderChanged):
        return {entry.facts.symbol}
    return {entry.symbol} if isinstance(entry, Pushed | Anomaly) and entry.symbol else set()


def error_of(entry: Entry) -> RecordedError | None:
    """Return the error in an entry."""
    if isinstance(entry, Done):
        return entry.error
    return entry.facts.error if isinstance(entry, OrderChanged) else None


class Filter(Struct, frozen=True, kw_only=True):
    """Filter of entries; every given condition must hold."""

    endpoints: frozenset[str] | None = None
    """Methods and paths."""
    kinds: frozenset[str] | None = None
    client: str | None = None
    symbol: str | None = None
    order_ids: frozenset[str] | None = None
    """Ids of an order, of either kind; see `same_order`."""
    error: str | None = None
    """An error's class or code, an outcome (`refused`, `failed`, `unknown`), or `any` of them."""
    since_ms: int | None = None
    until_ms: int | None = None
    """End of the time range, exclusive; with `since_ms`, by the exchange's clock."""

    def wants(self, entry: AnyEntry, sent: Sending | None = None) -> bool:
        """Return True if an entry passes; `sent` is the `sending` entry of its call, which has more details."""
        if not (self.since_ms or 0) <= entry.at < (inf if self.until_ms is None else self.until_ms):
            return False
        if self.kinds is not None and kind_of(entry) not in self.kinds:
            return False
        if self.client is not None and getattr(entry, "client", None) != self.client:
            return False
        if self.endpoints is not None and getattr(entry, "endpoint", None) not in self.endpoints:
            return False
        about = (entry,) if sent is None else (entry, sent)
        if self.symbol is not None and not any(self.symbol in symbols(one) for one in about):
            return False
        if self.order_ids is not None and not any(self.order_ids & order_ids(one) for one in about):
            return False
        return self.error is None or self._has_error(entry)

    def _has_error(self, entry: AnyEntry) -> bool:
        error = error_of(entry)
        outcome = entry.outcome if isinstance(entry, Done) else "ok"
        if self.error == ANY:
            return error is not None or outcome != "ok"
        return self.error == outcome or (error is not None and self.error in (error.kind, str(error.code)))


def kind_of(entry: Entry) -> str:
    """Return an entry's `kind`."""
    return str(type(entry).__struct_config__.tag)


KINDS = tuple(str(kind.__struct_config__.tag) for kind in get_args(AnyEntry))
"""Every kind of entry."""


class CallStatistics:
    """Pairs of the two entries of each call that changes something."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, int], Sending] = {}
        """Calls without a recorded end."""

    def sent(self, entry: AnyEntry) -> Sending | None:
        """Return the `sending` entry of the call whose end this entry records."""
        if isinstance(entry, Sending):
            self.open[entry.client, entry.call] = entry
        elif isinstance(entry, Renamed):
            was, now = entry.client, entry.now
            self.open = {(now if client == was else client, call): one for (client, call), one in self.open.items()}
        return self.open.pop((entry.client, entry.call), None) if isinstance(entry, Done) else None


def select(entries: Iterable[tuple[T, AnyEntry]], wanted: Filter) -> Iterator[tuple[T, AnyEntry]]:
    """Yield the entries that pass the filter, with their attachments."""
    calls = CallStatistics()
    for stored, entry in entries:
        if wanted.wants(entry, calls.sent(entry)):
            yield stored, entry


# Sums


class EndpointSum(Struct, frozen=True):
    """Calls of one endpoint; each attempt counts. Latencies are in milliseconds, without waits for limits."""

    endpoint: str
    calls: int
    ok: int
    refused: int
    failed: int
    unknown: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    waited_s: float


class ErrorSum(Struct, frozen=True):
    """Count of one error."""

    error: str
    code: int | None
    count: int
    endpoints: dict[str, int]
    message: str
    """Message of the last one."""


class HourSum(Struct, frozen=True):
    """Sums of one hour by the exchange's clock."""

    hour_ms: int
    calls: int
    errors: int
    pushes: int


class CallSummary(Struct, frozen=True):
    """Sums of a call log."""

    entries: int
    first_ms: int | None
    last_ms: int | None
    clients: list[str]
    unanswered: int
    """Calls that were about to be sent and have no recorded end."""
    lost: int
    """Entries that could not be written."""
    endpoints: list[EndpointSum]
    errors: list[ErrorSum]
    hours: list[HourSum]
    excesses: list[Excess]
    """Hours with far more calls than the hours before them."""
    unusual: dict[str, int]
    """Reports of unusual activity, by rule."""


class Summing:
    """Sums of a log's entries, added as they come."""

    def __init__(self) -> None:
        self._entries = 0
        self._lost = 0
        self._first: int | None = None
        self._last: int | None = None
        self._clients: set[str] = set()
        self._calls = CallStatistics()
        self._outcomes: dict[str, Counter[str]] = {}
        self._latencies: dict[str, array[int]] = {}
        self._waited_us: Counter[str] = Counter()
        self._errors: dict[tuple[str, int | None], tuple[Counter[str], str]] = {}
        self._by_hour: dict[str, Counter[int]] = {}
        self._errors_by_hour: Counter[int] = Counter()
        self._pushes_by_hour: Counter[int] = Counter()
        self._unusual: Counter[str] = Counter()

    def take(self, entry: AnyEntry) -> None:
        """Add the next entry."""
        self._entries += 1
        self._first = entry.at if self._first is None else min(self._first, entry.at)
        self._last = entry.at if self._last is None else max(self._last, entry.at)
        self._clients.update(client for client in (getattr(entry, "client", None),) if client)
        self._calls.sent(entry)
        hour = entry.at - entry.at % HOUR_MS
        if isinstance(entry, Done):
            self._done(entry, hour)
        elif isinstance(entry, Pushed):
            self._pushes_by_hour[hour] += 1
        elif isinstance(entry, Anomaly):
            self._unusual[entry.rule] += 1
        elif isinstance(entry, Lost):
            self._lost += entry.count

    def _done(self, entry: Done, hour: int) -> None:
        name = entry.endpoint
        self._by_hour.setdefault(name, Counter())[hour] += 1
        self._outcomes.setdefault(name, Counter())[entry.outcome] += 1
        self._latencies.setdefault(name, array("q")).append(entry.latency_us)
        self._waited_us[name] += entry.waited_us
        if entry.error is not None:
            self._errors_by_hour[hour] += 1
            key = (entry.error.kind, entry.error.code)
            endpoints = self._errors.get(key, (Counter[str](), ""))[0]
            endpoints[name] += 1
            self._errors[key] = (endpoints, entry.error.message)

    def result(self) -> CallSummary:
        """Return the sums so far."""
        calls: Counter[int] = Counter()
        for by_hour in self._by_hour.values():
            calls.update(by_hour)
        hours = sorted(calls.keys() | self._pushes_by_hour.keys())
        return CallSummary(
            entries=self._entries,
            first_ms=self._first,
            last_ms=self._last,
            clients=sorted(self._clients),
            unanswered=len(self._calls.open),
            lost=self._lost,
            endpoints=[self._endpoint(name) for name in sorted(self._outcomes)],
            errors=[
                ErrorSum(kind, code, endpoints.total(), dict(endpoints), message)
                for (kind, code), (endpoints, message) in sorted(
                    self._errors.items(), key=lambda item: -item[1][0].total()
                )
            ],
            hours=[HourSum(at, calls[at], self._errors_by_hour[at], self._pushes_by_hour[at]) for at in hours],
            excesses=excesses(self._by_hour),
            unusual=dict(self._unusual),
        )

    def _endpoint(self, name: str) -> EndpointSum:
        outcomes, ordered = self._outcomes[name], sorted(self._latencies[name])

        def rank(share: float) -> float:
            return ordered[max(ceil(share * len(ordered)), 1) - 1] / 1000

        return EndpointSum(
            endpoint=name,
            calls=outcomes.total(),
            ok=outcomes["ok"],
            refused=outcomes["refused"],
            failed=outcomes["failed"],
            unknown=outcomes["unknown"],
            p50_ms=rank(0.50),
            p99_ms=rank(0.99),
            max_ms=rank(1.0),
            waited_s=round(self._waited_us[name] / 1e6, 6),
        )
