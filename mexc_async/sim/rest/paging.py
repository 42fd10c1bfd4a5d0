"""Time spans and pages in the requests for wallet histories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from mexc_async.sim.exchange.bars import DAY
from mexc_async.sim.exchange.refusals import Refusal, bad_combination, illegal
from mexc_async.sim.rest.parameters import Parameters

T = TypeVar("T")


def whole_seconds(time_ms: int) -> int:
    """Cut a time to the second, as wallet histories show it. The result is in ms."""
    return time_ms // 1000 * 1000


class Span(NamedTuple):
    """A time span with both ends included."""

    first_ms: int
    last_ms: int

    def holds(self, time_ms: int) -> bool:
        """Return True if a row of this time, shown in whole seconds, belongs to the span."""
        return self.first_ms <= whole_seconds(time_ms) + 999 and whole_seconds(time_ms) <= self.last_ms


def read_span(
    parameters: Parameters, now_ms: int, *, days: int, most_days: int | None = None, reach_days: int | None = None
) -> Span:
    """Read `startTime` and `endTime`; the default is the last `days`.

    Raises Refusal -1128 for a start after the end, and 400 for a span over `most_days` or a start more than
    `reach_days` ago.
    """
    start_ms, end_ms = parameters.integer("startTime"), parameters.integer("endTime")
    last_ms = now_ms if end_ms is None else end_ms
    first_ms = last_ms - days * DAY if start_ms is None else start_ms
    if first_ms > last_ms:
        raise bad_combination()
    if most_days is not None and last_ms - first_ms > most_days * DAY:
        raise Refusal(400, f"The time range cannot exceed {most_days} days.")
    if reach_days is not None and start_ms is not None and start_ms < now_ms - reach_days * DAY:
        raise Refusal(400, f"startTime cannot be earlier than {reach_days} days ago.")
    return Span(first_ms, last_ms)


class Page(NamedTuple):
    """A requested page of a history."""

    number: int
    size: int

    def of(self, rows: Sequence[T]) -> list[T]:
        """Return the rows of this page."""
        first = (self.number - 1) * self.size
        return list(rows[first : first + self.size])

    def count(self, rows: Sequence[object]) -> int:
        """Return the number of pages for all rows."""
        return -(-len(rows) // self.size)


def read_page(parameters: Parameters, size_name: str, bounds: tuple[int, int]) -> Page:
    """Read `page`, from 1, and the page size with this (default, maximum). Raises Refusal 700008."""
    number = parameters.integer("page")
    if number == 0:
        raise illegal("page")
    return Page(number or 1, parameters.limit(bounds, size_name))
