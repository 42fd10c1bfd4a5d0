"""The demo's counters and its summary: as a value, as text and as JSON."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from math import ceil

import msgspec
import orjson
from msgspec import Struct
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mexc_async.limits.limiter import LimitReport
from mexc_async.rest.events import RequestDone
from mexc_async.runtime.clock import Clock
from mexc_async.runtime.events import Event
from mexc_async.streams.events import StreamState

BUCKETS_MS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Upper bounds of the histogram's columns; one more column holds slower calls."""
_BARS = " ▁▂▃▄▅▆▇█"


class Latency(Struct, frozen=True):
    """Latency of one endpoint's calls, without the wait for limits."""

    endpoint: str
    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    histogram: list[int]
    """Calls per bucket of `BUCKETS_MS`, then the slower ones."""


class Phase(Struct, frozen=True):
    """Figures of one part of the demo."""

    name: str
    profile: str
    seconds: float
    requests: int
    """Requests that the exchange answered, refusals included."""
    requests_per_s: float
    orders: int
    """Orders placed."""
    cancels: int
    fills: int
    pushes: int
    """Pushes received over streams."""
    gaps: int
    """Gaps in streams, where pushes may be missing."""
    too_late: int
    """Cancels that arrived after the fill: normal in trading, not an error."""
    errors: dict[str, int]
    bound_by: str | None
    """The limit that delayed the most calls."""
    waits: dict[str, tuple[int, float]]
    """By limit: number of calls that it delayed, and the sum of their waits in seconds."""
    latencies: list[Latency]


class BalanceDifference(Struct, frozen=True):
    """An asset's balance before and after trading."""

    asset: str
    before: Decimal
    after: Decimal


class Summary(Struct, frozen=True):
    """The demo's result."""

    ok: bool
    interrupted: bool
    symbols: list[str]
    seed: int
    tape: str | None
    phases: list[Phase]
    balances: list[BalanceDifference]
    problems: list[str]
    """The reasons for a False `ok`, a line each."""

    def as_json(self) -> bytes:
        """Encode the summary as JSON; amounts are text."""
        return orjson.dumps(msgspec.to_builtins(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


class Counters:
    """Counters of a client's events."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.latencies: dict[str, list[float]] = {}
        self.errors: Counter[str] = Counter()
        self.requests = 0
        self.orders = 0
        self.cancels = 0
        self.fills = 0
        self.pushes = 0
        self.gaps = 0
        self.too_late = 0
        self.last_at = 0.0
        """Monotonic seconds of the last answer."""

    def listen(self, event: Event) -> None:
        """Count one event."""
        if isinstance(event, StreamState):
            self.gaps += event.state == "gap"
        if not isinstance(event, RequestDone):
            return
        if event.status is not None:
            self.requests += 1
            self.last_at = self._clock.monotonic()
            self.latencies.setdefault(f"{event.method} {event.path}", []).append(event.latency_s * 1000)
        is_order = event.path == "/api/v3/order"
        if event.error is None:
            if event.status is not None:  # or else its caller was cancelled
                self.orders += is_order and event.method == "POST"
                self.cancels += is_order and event.method == "DELETE"
        elif event.method == "GET" and is_order and event.error.code == -2013:
            pass  # how the client finds out what became of a call without an answer; the demo's own look-ups raise it
        elif event.method == "DELETE" and event.error.code == -2011:
            self.too_late += 1
        else:
            code = "" if event.error.code is None else f" {event.error.code}"
            self.errors[f"{type(event.error).__name__}{code}"] += 1

    def phase(self, name: str, seconds: float, report: LimitReport) -> Phase:
        """Return the counts as a value."""
        return Phase(
            name=name,
            profile=report.profile,
            seconds=round(seconds, 3),
            requests=self.requests,
            requests_per_s=round(self.requests / seconds, 2) if seconds else 0.0,
            orders=self.orders,
            cancels=self.cancels,
            fills=self.fills,
            pushes=self.pushes,
            gaps=self.gaps,
            too_late=self.too_late,
            errors=dict(self.errors),
            bound_by=report.binding,
            waits={use.limit: (use.bound, round(use.waited_s, 3)) for use in report.limits if use.bound},
            latencies=[latency(endpoint, values) for endpoint, values in sorted(self.latencies.items())],
        )


def latency(endpoint: str, values_ms: Sequence[float]) -> Latency:
    """Compute percentiles (nearest rank) and the histogram of an endpoint's latencies, at least one."""
    ordered = sorted(values_ms)
    histogram = [0] * (len(BUCKETS_MS) + 1)
    for value in ordered:
        histogram[bisect_right(BUCKETS_MS, value)] += 1

    def rank(share: float) -> float:
        return round(ordered[max(ceil(share * len(ordered)), 1) - 1], 3)

    return Latency(endpoint, len(ordered), rank(0.50), rank(0.90), rank(0.99), round(ordered[-1], 3), histogram)


def bars(histogram: Sequence[int]) -> str:
    """Draw a histogram as one line of block characters; a non-empty column is never blank."""
    most = max(histogram, default=0) or 1
    return "".join(_BARS[ceil(count / most * (len(_BARS) - 1))] for count in histogram)


def render(summary: Summary) -> RenderableType:
    """Render the summary for a terminal."""
    parts: list[RenderableType] = [""]
    columns = ", ".join(f"{bound:g}" for bound in BUCKETS_MS)
    for phase in summary.phases:
        parts += [_totals(phase), _latencies(phase)]
    if summary.phases:
        parts += [Text(f"histogram columns end at {columns} ms; the last has the rest", style="italic"), ""]
    if summary.balances:
        parts.append(_balances(summary.balances))
    for problem in summary.problems:
        parts.append(Text(f"problem: {problem}", style="red"))
    verdict = "everything went through" if summary.ok else "not everything went through"
    if summary.interrupted:
        verdict = f"interrupted; until then {verdict}"
    parts.append(Text(verdict, style="bold green" if summary.ok else "bold red"))
    return Group(*parts)


def _totals(phase: Phase) -> Table:
    table = Table(
        title=f"{phase.name}: {phase.seconds:.1f} s on profile {phase.profile}",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
    )
    table.show_header = False
    waits = [f"{limit}: {count} calls, {seconds:.1f} s in all" for limit, (count, seconds) in phase.waits.items()]
    errors = [f"{name}: {count}" for name, count in phase.errors.items()]
    table.add_row("requests", f"{phase.requests}, {phase.requests_per_s:.1f} a second")
    table.add_row("orders", f"{phase.orders} placed, {phase.cancels} cancelled, {phase.fills} fills")
    if phase.pushes:
        table.add_row("pushes", f"{phase.pushes}, {phase.gaps} gaps")
    if phase.too_late:
        table.add_row("cancels too late", f"{phase.too_late}, the orders had been filled")
    table.add_row("waited for", "\n".join(waits) or "nothing")
    table.add_row("errors", "\n".join(errors) or "none")
    return table


def _latencies(phase: Phase) -> Table:
    table = Table(title="latency in ms, without waiting for limits", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("endpoint", no_wrap=True)
    for name in ("calls", "p50", "p90", "p99", "max"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("histogram", no_wrap=True)
    for row in phase.latencies:
        numbers = (row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms)
        table.add_row(
            row.endpoint.replace("/api/v3", ""), str(row.count), *(f"{n:.3g}" for n in numbers), bars(row.histogram)
        )
    return table


def _balances(changes: Sequence[BalanceDifference]) -> Table:
    table = Table(title="balances that changed", title_justify="left", box=SIMPLE_HEAD)
    for name in ("asset", "before", "after", "change"):
        table.add_column(name, justify="left" if name == "asset" else "right")
    for row in changes:
        difference = row.after - row.before
        table.add_row(
            row.asset, *(f"{n.normalize():f}" for n in (row.before, row.after)), f"{difference.normalize():+f}"
        )
    return table
