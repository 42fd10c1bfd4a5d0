"""Order books: a 30-level delta and a read, on 1,000 and 5,000 levels per side, and the memory of 1,000 books.

Every subject gets the same messages of wire text, created again for each run, because texts off the wire are new each
time and have no cached hash. Deltas are near the best price, half of them removals as far as levels exist.
"""

from __future__ import annotations

import gc
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from importlib import import_module
from time import process_time
from typing import Any, Protocol, TypeAlias

from sortedcontainers import SortedDict  # type: ignore[import-untyped]  # has no type information

from benchmarks import instructions
from benchmarks.harness import (
    OWN,
    OWN_PURE,
    Goal,
    Report,
    Row,
    Sample,
    Settings,
    SubjectFailed,
    interleave,
    resident_mb,
    summarise,
)
from benchmarks.instructions import FEW, MANY, Work, Works
from mexc_async.books.book import BookView, OrderBook
from mexc_async.books.side import PureBookSide
from mexc_async.native.loader import core_kind

Pairs: TypeAlias = list[tuple[str, str]]
Message: TypeAlias = tuple[Pairs, Pairs]
Sides: TypeAlias = tuple[Sequence[tuple[Any, Any]], Sequence[tuple[Any, Any]]]

SORTED, SORTED_DECIMAL, CCXT = "sortedcontainers float", "sortedcontainers Decimal", "ccxt float"
OWN_FLOAT, OWN_SMALL = f"{OWN} float", f"{OWN} 1000 levels"
DEPTHS = (1000, 5000)
TOP = 20
MESSAGES = 64
"""Deltas per pass of the instruction count; from the second pass on, every pass makes the same changes."""
FLAT = "30-level delta and best, 5000 levels beside 1000"
MEMORY = "memory, {} books of {} levels a side"


class Subject(Protocol):
    """An order book to measure."""

    def load(self, bids: Pairs, asks: Pairs) -> None: ...
    def apply(self, bids: Pairs, asks: Pairs) -> None: ...
    def best(self) -> object: ...
    def top(self) -> Sides: ...


class Own:
    """The SDK's order book, read as Decimal."""

    def __init__(self) -> None:
        self.book = OrderBook()
        self.view: BookView[Any] = self.book

    def load(self, bids: Pairs, asks: Pairs) -> None:
        self.book.load(bids, asks, 1)

    def apply(self, bids: Pairs, asks: Pairs) -> None:
        self.book.apply(bids, asks, 1)

    def best(self) -> object:
        return self.view.best_bid, self.view.best_ask

    def top(self) -> Sides:
        return self.view.bids(TOP), self.view.asks(TOP)


class OwnPure(Own):
    def __init__(self) -> None:
        self.book = OrderBook(PureBookSide)
        self.view = self.book


class OwnFloat(Own):
    def __init__(self) -> None:
        super().__init__()
        self.view = self.book.floats


class Sorted:
    """One SortedDict per side; bids by their negative price, so that the best is first."""

    number: Callable[[str], Any] = float

    def load(self, bids: Pairs, asks: Pairs) -> None:
        number = type(self).number
        self.bids = SortedDict({-number(price): number(quantity) for price, quantity in bids})
        self.asks = SortedDict({number(price): number(quantity) for price, quantity in asks})

    def apply(self, bids: Pairs, asks: Pairs) -> None:
        number, side = type(self).number, self.bids
        for price, quantity in bids:
            if amount := number(quantity):
                side[-number(price)] = amount
            else:
                side.pop(-number(price), None)
        side = self.asks
        for price, quantity in asks:
            if amount := number(quantity):
                side[number(price)] = amount
            else:
                side.pop(number(price), None)

    def best(self) -> object:
        (bid, bid_quantity), (ask, ask_quantity) = self.bids.peekitem(0), self.asks.peekitem(0)
        return (-bid, bid_quantity), (ask, ask_quantity)

    def top(self) -> Sides:
        bids, asks = self.bids, self.asks
        return [(-key, bids[key]) for key in bids.islice(0, TOP)], [(key, asks[key]) for key in asks.islice(0, TOP)]


class SortedDecimal(Sorted):
    number = Decimal


class Ccxt:
    """ccxt's book as its exchange classes use it: one `store` per level, of floats."""

    def __init__(self, make: Callable[[dict[str, Any]], Any]) -> None:
        self.make = make

    def load(self, bids: Pairs, asks: Pairs) -> None:
        sides = {"bids": bids, "asks": asks}
        self.book = self.make({name: [[float(p), float(q)] for p, q in side] for name, side in sides.items()})

    def apply(self, bids: Pairs, asks: Pairs) -> None:
        for side, levels in ((self.book["bids"], bids), (self.book["asks"], asks)):
            for price, quantity in levels:
                side.store(float(price), float(quantity))

    def best(self) -> object:
        return tuple(self.book["bids"][0]), tuple(self.book["asks"][0])

    def top(self) -> Sides:
        return [tuple(level) for level in self.book["bids"][:TOP]], [tuple(level) for level in self.book["asks"][:TOP]]


def _makers() -> dict[str, Callable[[], Subject]]:
    makers: dict[str, Callable[[], Subject]] = {OWN: Own, OWN_PURE: OwnPure, OWN_FLOAT: OwnFloat}
    makers |= {SORTED: Sorted, SORTED_DECIMAL: SortedDecimal}
    try:
        ccxt = import_module("ccxt.async_support.base.ws.order_book").OrderBook
    except ImportError:
        return makers
    return makers | {CCXT: lambda: Ccxt(ccxt)}


def run(settings: Settings) -> Report:
    """Measure deltas with both reads, and memory."""
    depths = (50, 100) if settings.quick else DEPTHS
    messages = 20 if settings.quick else 400
    makers = _makers()
    notes = [
        f"{OWN}: the {core_kind} core",
        f"{OWN}: read as Decimal; every subject gets the same text and converts it to its own numbers",
        "goals: 1,000 books of 1,000 levels in at most 250 MB; load: a snapshot of that many levels on both sides",
    ]
    if CCXT not in makers:
        notes.append("absent: ccxt is not installed")
    flows = {depth: Flow(depth, messages) for depth in depths}
    _check(makers.values(), flows[depths[0]])
    rows: list[Row] = []
    for read in ("best", "top"):
        subjects = {
            (name, depth): _measured(make(), flows[depth], read) for name, make in makers.items() for depth in depths
        }
        results = interleave(
            {f"{name}/{depth}": subject for (name, depth), subject in subjects.items()}, settings.rounds
        )
        what = "best" if read == "best" else f"top {TOP}"
        for depth, named in zip(depths, DEPTHS, strict=True):
            case = f"30-level delta and {what}, {named} levels"
            own = {name: results[f"{name}/{depth}"] for name in makers}
            rows += summarise(case, own, [SORTED, SORTED_DECIMAL, CCXT], ["cpu_us_per_op"])
        if read == "best":
            pair = {OWN: results[f"{OWN}/{depths[1]}"], OWN_SMALL: results[f"{OWN}/{depths[0]}"]}
            rows += summarise(FLAT, pair, [OWN_SMALL], ["cpu_us_per_op"])
    books, levels = (5, 50) if settings.quick else (1000, 1000)
    held = {name: partial(memory, name, books, levels) for name in (OWN, OWN_PURE, SORTED)}
    rows += summarise(MEMORY.format(books, levels), interleave(held, 1), [SORTED], ["rss_mb"])
    rows += instructions.rows("book", settings, notes, [SORTED, SORTED_DECIMAL, CCXT])
    own_goal = 0.1 if core_kind == "compiled" else 0.4
    goals = [
        Goal(f"30-level delta and best, {depth} levels", "cpu_us_per_op", SORTED, at_most, subject)
        for depth in DEPTHS
        for subject, at_most in ((OWN, own_goal), (OWN_PURE, 0.4))
    ]
    return Report(rows, [*goals, Goal(FLAT, "cpu_us_per_op", OWN_SMALL, 1.3)], notes)


def work() -> Works:
    """Return the work for the instruction count: deltas, each followed by a read of the best prices."""
    flows = {depth: Flow(depth, MESSAGES) for depth in DEPTHS}
    return {
        f"30-level delta and best, {depth} levels": {name: _passes(make(), flow) for name, make in _makers().items()}
        for depth, flow in flows.items()
    }


def _passes(subject: Subject, flow: Flow) -> Work:
    subject.load(*flow.snapshot)
    texts = [flow.texts() for _ in range((MANY + FEW + MANY) // MESSAGES)]  # a new book each time

    def apply(times: int) -> None:
        for _ in range(times // MESSAGES):
            for bids, asks in texts.pop():
                subject.apply(bids, asks)
                subject.best()

    return apply


class Flow:
    """A snapshot and its deltas, the same in every run."""

    def __init__(self, depth: int, messages: int, seed: int = 5) -> None:
        self._random = random.Random(seed)
        self._middle = 9_338_728
        sides = [
            {self._middle - 2 * step: self._quantity() for step in range(depth)},
            {self._middle + 1 + 2 * step: self._quantity() for step in range(depth)},
        ]
        bids, asks = ([(_text(price), quantity) for price, quantity in side.items()] for side in sides)
        self.snapshot: Message = (bids, asks)
        self.deltas: list[Message] = [
            (self._changes(sides[0], -1, depth), self._changes(sides[1], 1, depth)) for _ in range(messages)
        ]

    def _quantity(self) -> str:
        return f"{self._random.uniform(0.1, 9):.6f}"

    def _changes(self, side: dict[int, str], sign: int, depth: int) -> Pairs:
        pairs = []
        for _ in range(15):
            price = self._middle + (sign > 0) + sign * min(int(self._random.expovariate(0.02)), 2 * depth - 1)
            quantity = "0.000000" if price in side and self._random.random() < 0.5 else self._quantity()
            if quantity == "0.000000":
                del side[price]
            else:
                side[price] = quantity
            pairs.append((_text(price), quantity))
        return pairs

    def texts(self) -> list[Message]:
        """Copy the deltas into new strings."""
        return [(_renewed(bids), _renewed(asks)) for bids, asks in self.deltas]


def _check(makers: Iterable[Callable[[], Subject]], flow: Flow) -> None:
    """Raise AssertionError unless every subject ends with the same best levels."""
    tops = []
    for make in makers:
        subject = make()
        subject.load(*flow.snapshot)
        for bids, asks in flow.texts():
            subject.apply(bids, asks)
        tops.append([[(float(price), float(quantity)) for price, quantity in side] for side in subject.top()])
    assert all(top == tops[0] for top in tops), "the subjects do not do the same"


def _text(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def _renewed(pairs: Iterable[tuple[str, str]]) -> Pairs:
    return [(price[:1] + price[1:], quantity[:1] + quantity[1:]) for price, quantity in pairs]


def _measured(subject: Subject, flow: Flow, read: str) -> Callable[[], Sample]:
    look = subject.best if read == "best" else subject.top

    def measure() -> Sample:
        messages = flow.texts()
        warming = len(messages) // 4  # the first deltas run with cold caches
        gc.disable()
        started = process_time()
        subject.load(*flow.snapshot)
        loaded = process_time() - started
        for bids, asks in messages[:warming]:
            subject.apply(bids, asks)
        started = process_time()
        for bids, asks in messages[warming:]:
            subject.apply(bids, asks)
            look()
        taken = process_time() - started
        gc.enable()
        return {"cpu_us_per_op": taken / (len(messages) - warming) * 1e6, "load_cpu_ms": loaded * 1e3}

    return measure


def memory(name: str, books: int, levels: int) -> Sample:
    """Measure the growth of a separate process that creates the books."""
    code = f"from benchmarks.book import grow; print(grow({name!r}, {books}, {levels}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise SubjectFailed((done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1])
    return {"rss_mb": float(done.stdout)}


def grow(name: str, books: int, levels: int) -> float:
    """Create the books and return the growth of this process in megabytes."""
    makers: dict[str, Callable[[], Subject]] = {OWN: Own, OWN_PURE: OwnPure, SORTED: Sorted}
    make = makers[name]
    kept: list[Subject] = []
    first = Flow(levels, 0, seed=0)
    before = resident_mb()
    for seed in range(books):
        book = make()
        bids, asks = Flow(levels, 0, seed).snapshot
        book.load(bids, asks)
        kept.append(book)
    del first
    gc.collect()
    return round(resident_mb() - before, 1)
