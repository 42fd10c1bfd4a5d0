"""Histories page by page on an exchange of a few lines with various habits: each item comes once, oldest first."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mexc_async.data import paging
from mexc_async.data.paging import DAY, HOUR, SECOND, STEP_MS
from mexc_async.errors import InvalidRequest, ProtocolError
from mexc_async.schema.endpoint import Request
from mexc_async.spot.account import MyTradesQuery
from mexc_async.spot.api import Spot
from mexc_async.spot.market import AggTradesQuery, KlinesQuery, ServerTimeQuery
from mexc_async.spot.models import AggTrade, Fill, Kline, Order, Page, ServerTime
from mexc_async.spot.subaccounts import SubUniversalTransferHistoryQuery
from mexc_async.spot.trading import AllOrdersQuery
from mexc_async.spot.wallet import (
    DepositHistoryQuery,
    InternalTransferHistoryQuery,
    UniversalTransferHistoryQuery,
    WithdrawHistoryQuery,
)
from mexc_async.spot.wallet_models import (
    Deposit,
    InternalTransfer,
    SubTransferPage,
    Transfer,
    TransferPage,
    Withdrawal,
)

NOW = 1_790_000_000_000
MINUTE = 60 * SECOND
ONE = Decimal(1)


@dataclass
class Row:
    """Event at a moment; reports may cut its time to the second."""

    at_ms: int
    value: Any


@dataclass
class Exchange:
    """Exchange that answers from its events, by its habits."""

    rows: list[Row] = field(default_factory=list)
    bars: list[Kline] = field(default_factory=list)
    days: list[Kline] = field(default_factory=list)
    most: int = 1000
    """Most rows of an answer, whatever the request says."""
    is_cut: bool = False
    """True if the ends of a span are read to the second."""
    is_open: bool = False
    """True if the end of a span is excluded."""
    has_total: bool = True
    asked: list[Request[Any]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    async def send(self, request: Request[Any], /) -> Any:
        self.asked.append(request)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        if isinstance(request, ServerTimeQuery):
            return ServerTime(server_time=NOW)
        if isinstance(request, KlinesQuery):
            return self._bars(request)
        found = self._found(request)
        if isinstance(request, UniversalTransferHistoryQuery):
            return TransferPage(rows=self._page(found, request.page, request.size), total=self._total(found))
        if isinstance(request, SubUniversalTransferHistoryQuery):
            rows = self._page(found, request.page, request.limit)
            return SubTransferPage(result=rows, total_count=self._total(found))
        if isinstance(request, InternalTransferHistoryQuery):
            rows = self._page(found, request.page, request.limit)
            return Page[InternalTransfer](data=rows, total_records=self._total(found))
        limit: int = getattr(request, "limit")  # noqa: B009 - every request left has one
        return found[: min(limit, self.most)]

    def _found(self, request: Any) -> list[Any]:
        """Return the events in the span, newest first."""
        low, high = request.start_time, request.end_time

        def inside(at_ms: int) -> bool:
            if self.is_cut:
                last = high // SECOND - self.is_open
                return bool(low // SECOND <= at_ms // SECOND <= last)
            return bool(low <= at_ms < high if self.is_open else low <= at_ms <= high)

        return [row.value for row in sorted(self.rows, key=lambda row: row.at_ms)[::-1] if inside(row.at_ms)]

    def _page(self, found: Sequence[Any], page: int | None, size: int | None) -> list[Any]:
        size = min(size or 10, self.most)
        first = ((page or 1) - 1) * size
        return list(found[first : first + size])

    def _total(self, found: Sequence[Any]) -> int | None:
        return len(found) if self.has_total else None

    def _bars(self, request: KlinesQuery) -> list[Kline]:
        bars = self.days if request.interval == "1d" and self.days else self.bars
        assert request.start_time is not None
        assert request.end_time is not None
        assert request.limit is not None
        high = request.end_time - self.is_open
        found = [bar for bar in bars if request.start_time <= bar.open_time <= high]
        return found[: min(request.limit, self.most)]

    @property
    def spot(self) -> Spot:
        return Spot(self)


async def all_of(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def collected(items: AsyncIterator[Any]) -> list[Any]:
    return asyncio.run(all_of(items))


# --- klines ---


def bar(open_time: int, step: int = MINUTE) -> Kline:
    return Kline(open_time, "1", "1", "1", "1", "1", open_time + step, "1")


START = NOW // DAY * DAY - 30 * DAY
MONTHS = {"1M": 31 * DAY}


@pytest.mark.parametrize("interval", STEP_MS)
@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 2500])
@pytest.mark.parametrize("is_open", [False, True])
async def test_bars_of_any_period_come_once_and_in_order(interval: Any, count: int, is_open: bool) -> None:
    step = MONTHS.get(interval, STEP_MS[interval])
    total = min(3000, NOW // step - 1)
    count = min(count, total)
    first = NOW // step * step - total * step
    exchange = Exchange(bars=[bar(first + index * step, step) for index in range(total)], is_open=is_open)
    end = first + count * step

    async def found(low: int, high: int) -> list[Kline]:
        bars = paging.klines(exchange.spot, symbol="BTCUSDT", interval=interval, start_time=low, end_time=high)
        return await all_of(bars)

    assert await found(first, end) == exchange.bars[:count]
    assert await found(first + 1, end + 1) == exchange.bars[1:count]
    assert await found(first, end + step - 1) == exchange.bars[:count]


@given(
    st.sets(st.integers(0, 4000), max_size=60).map(sorted),
    st.integers(0, 4000 * MINUTE),
    st.integers(0, 4000 * MINUTE),
    st.booleans(),
    st.sampled_from([3, 100, 500]),
    st.integers(1, 5),
)
def test_bars_with_gaps_come_once_and_in_order(
    minutes: list[int], one: int, other: int, is_open: bool, most: int, at_once: int
) -> None:
    """The history is complete even if the exchange gives fewer bars than requested."""
    bars = [bar(START + minute * MINUTE) for minute in minutes]
    exchange = Exchange(bars=bars, days=[bar(START + day * DAY, DAY) for day in range(3)], is_open=is_open, most=most)
    low, high = sorted((START + one, START + other))
    found = collected(
        paging.klines(exchange.spot, symbol="BTCUSDT", interval="1m", start_time=low, end_time=high, at_once=at_once)
    )
    assert found == [each for each in bars if low <= each.open_time and each.close_time <= high]


@pytest.mark.parametrize("most", [7, 100, 499])
async def test_an_exchange_that_gives_fewer_bars_than_asked_for_loses_none(most: int) -> None:
    exchange = Exchange(bars=[bar(START + index * MINUTE) for index in range(1200)], most=most)
    assert await all_of(paging.klines(exchange.spot, symbol="A", interval="1m", start_time=START)) == exchange.bars


@pytest.mark.parametrize("hour", [0, 1, 9, 23, 24, 30])
async def test_bars_begin_in_the_middle_of_a_day(hour: int) -> None:
    """The daily bar that shows a symbol's listing has opened before the history's start."""
    bars = [bar(START + hour * HOUR + index * MINUTE) for index in range(100)]
    exchange = Exchange(bars=bars, days=[bar(START + hour // 24 * DAY, DAY)])
    start = START + min(hour, 5) * HOUR
    assert await all_of(paging.klines(exchange.spot, symbol="A", interval="1m", start_time=start, at_once=1)) == bars


async def test_bars_go_on_from_the_last_one() -> None:
    bars = [bar(START + index * MINUTE) for index in range(1200)]
    exchange = Exchange(bars=bars)
    for cut in (1, 499, 500, 501, 1199):
        last = bars[cut - 1].close_time
        rest = await all_of(paging.klines(exchange.spot, symbol="BTCUSDT", interval="1m", start_time=last))
        assert rest == bars[cut:]


async def test_the_bar_that_still_runs_is_left_out() -> None:
    minute = NOW // MINUTE * MINUTE
    exchange = Exchange(bars=[bar(minute - MINUTE), bar(minute)])
    for end in (None, NOW, NOW + DAY):
        found = await all_of(
            paging.klines(exchange.spot, symbol="BTCUSDT", interval="1m", start_time=minute - HOUR, end_time=end)
        )
        assert found == exchange.bars[:1]


async def test_years_before_a_listing_are_skipped() -> None:
    listed = NOW // DAY * DAY - DAY + 3 * HOUR
    bars = [bar(listed + index * MINUTE) for index in range(100)]
    exchange = Exchange(bars=bars, days=[bar(NOW // DAY * DAY - DAY, DAY), bar(NOW // DAY * DAY, DAY)])
    found = await all_of(paging.klines(exchange.spot, symbol="NEWUSDT", interval="1m", start_time=NOW - 3000 * DAY))
    assert found == bars
    assert len(exchange.asked) < 25
    exchange = Exchange(days=[bar(0, DAY)])
    assert await all_of(paging.klines(exchange.spot, symbol="NONEUSDT", interval="1m", start_time=1)) == []


async def test_pages_of_bars_are_fetched_together_and_only_as_they_are_needed() -> None:
    exchange = Exchange(bars=[bar(START + index * MINUTE) for index in range(20_000)])
    bars = paging.klines(exchange.spot, symbol="BTCUSDT", interval="1m", start_time=START, at_once=3)
    assert await anext(bars) == exchange.bars[0]
    assert exchange.most_under_way == 3
    assert len(exchange.asked) == 4  # the time, and one bunch
    assert all(request.route.priority == KlinesQuery.route.priority for request in exchange.asked)


async def test_a_failed_page_ends_the_others_and_raises_its_own_error() -> None:
    ended: list[int] = []

    class Failing(Exchange):
        async def send(self, request: Request[Any], /) -> Any:
            if isinstance(request, KlinesQuery):
                if request.start_time != START:
                    raise ProtocolError("no page")
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.append(1)
            return await super().send(request)

    with pytest.raises(ProtocolError, match="no page"):
        await all_of(paging.klines(Failing().spot, symbol="BTCUSDT", interval="1m", start_time=START))
    assert ended == [1]


# --- endpoints by time only ---

DAY_ONE = NOW // DAY * DAY - 5 * DAY
moments = st.lists(
    st.one_of(st.integers(0, 5 * DAY), st.integers(0, 3000), st.integers(HOUR - 2000, HOUR + 2000)), max_size=60
)
habits = st.fixed_dictionaries(
    {"is_cut": st.booleans(), "is_open": st.booleans(), "most": st.sampled_from([100, 1000])}
)


def fill(number: int, at_ms: int) -> Fill:
    return Fill(
        symbol="BTCUSDT",
        id=f"{number}X1",
        order_id="1",
        price=ONE,
        quantity=ONE,
        quote_quantity=ONE,
        commission=ONE,
        commission_asset="USDT",
        time=at_ms // SECOND * SECOND,
        is_buyer=True,
        is_maker=False,
    )


@given(moments, habits, st.integers(0, 2 * DAY))
def test_fills_come_once_whatever_the_exchange_makes_of_a_span(
    times: list[int], habits: dict[str, Any], offset: int
) -> None:
    rows = [Row(DAY_ONE + at_ms, fill(number, DAY_ONE + at_ms)) for number, at_ms in enumerate(times)]
    exchange = Exchange(rows, **habits)
    start = DAY_ONE + offset
    found = collected(paging.my_trades(exchange.spot, symbol="BTCUSDT", start_time=start))
    assert [each.time for each in found] == sorted(each.time for each in found)
    wanted = {row.value.id for row in rows if row.at_ms // SECOND >= start // SECOND}
    assert Counter(each.id for each in found) == Counter(wanted)


@given(moments, habits, st.integers(0, 59))
def test_fills_go_on_from_the_last_one(times: list[int], habits: dict[str, Any], cut: int) -> None:
    rows = [Row(DAY_ONE + at_ms, fill(number, DAY_ONE + at_ms)) for number, at_ms in enumerate(times)]
    spot = Exchange(rows, **habits).spot
    whole = collected(paging.my_trades(spot, symbol="BTCUSDT", start_time=DAY_ONE))
    have = whole[:cut]
    start = have[-1].time if have else DAY_ONE
    seen = {each.id for each in have if each.time >= start}
    rest = collected(paging.my_trades(spot, symbol="BTCUSDT", start_time=start, seen=seen))
    assert have + rest == whole


@pytest.mark.parametrize("most", [100, 1000])
async def test_busy_spans_are_narrowed(most: int) -> None:
    rows = [Row(DAY_ONE + number * 15, fill(number, DAY_ONE + number * 15)) for number in range(20_000)]
    exchange = Exchange(rows, most=most)
    found = await all_of(paging.my_trades(exchange.spot, symbol="BTCUSDT", start_time=DAY_ONE))
    assert Counter(each.id for each in found) == Counter(row.value.id for row in rows)
    spans = [request for request in exchange.asked if isinstance(request, MyTradesQuery)]
    assert len(spans) < (1000 if most == 100 else 120)


async def test_a_second_with_more_fills_than_an_answer_is_told_and_not_passed_over() -> None:
    for count, most in ((1001, 1000), (101, 100), (100, 100)):
        rows = [Row(DAY_ONE + 5, fill(number, DAY_ONE + 5)) for number in range(count)]
        with pytest.raises(ProtocolError, match=f"the second at {DAY_ONE} has {most} rows or more") as caught:
            await all_of(paging.my_trades(Exchange(rows, most=most).spot, symbol="BTCUSDT", start_time=DAY_ONE))
        assert f"resume from {DAY_ONE + SECOND}" in str(caught.value)


@pytest.mark.parametrize("is_cut", [False, True])
async def test_neighbouring_seconds_that_fill_an_answer_together_are_told_apart(is_cut: bool) -> None:
    at = [DAY_ONE + 990 + number // 60 * SECOND for number in range(300)]
    rows = [Row(at_ms, fill(number, at_ms)) for number, at_ms in enumerate(at)]
    exchange = Exchange(rows, most=100, is_cut=is_cut)
    found = await all_of(paging.my_trades(exchange.spot, symbol="BTCUSDT", start_time=DAY_ONE))
    assert Counter(each.id for each in found) == Counter(row.value.id for row in rows)


async def test_a_hundred_fills_in_a_second_are_no_cut_where_answers_were_larger() -> None:
    rows = [Row(DAY_ONE + 5 * HOUR, fill(number, DAY_ONE + 5 * HOUR)) for number in range(100)]
    rows += [Row(DAY_ONE + number, fill(1000 + number, DAY_ONE + number)) for number in range(150)]
    found = await all_of(paging.my_trades(Exchange(rows).spot, symbol="BTCUSDT", start_time=DAY_ONE))
    assert len(found) == 250


def agg(at_ms: int, price: int = 1) -> AggTrade:
    return AggTrade(
        price=Decimal(price), quantity=ONE, time=at_ms // SECOND * SECOND, is_buyer_maker=True, is_best_match=True
    )


@given(moments, st.integers(0, 2 * DAY))
def test_aggregated_trades_come_once_though_equal_ones_are_many(times: list[int], offset: int) -> None:
    """They have no ids; this endpoint is known to read ends to the second and to include them."""
    rows = [Row(DAY_ONE + at_ms, agg(DAY_ONE + at_ms)) for at_ms in sorted(times)]
    exchange = Exchange(rows, is_cut=True)
    start = DAY_ONE + offset
    end = start + DAY
    found = collected(paging.agg_trades(exchange.spot, symbol="BTCUSDT", start_time=start, end_time=end))
    assert found == [row.value for row in rows if start // SECOND <= row.at_ms // SECOND <= end // SECOND]
    asked = [request for request in exchange.asked if isinstance(request, AggTradesQuery)]
    assert all(one.end_time - one.start_time < HOUR for one in asked if one.end_time and one.start_time)


async def test_aggregated_trades_go_on_in_the_middle_of_a_second() -> None:
    rows = [Row(DAY_ONE + number * 100, agg(DAY_ONE + number * 100, number + 1)) for number in range(3000)]
    spot = Exchange(rows, is_cut=True).spot
    whole = await all_of(paging.agg_trades(spot, symbol="BTCUSDT", start_time=DAY_ONE))
    assert whole == [row.value for row in rows]
    for cut in (1, 7, 10, 1499, 2999):
        have = whole[:cut]
        skip = sum(each.time == have[-1].time for each in have)
        rest = await all_of(paging.agg_trades(spot, symbol="BTCUSDT", start_time=have[-1].time, skip=skip))
        assert have + rest == whole


async def test_aggregated_trades_end_with_a_second_that_is_over() -> None:
    second = NOW // SECOND * SECOND
    rows = [Row(second - SECOND, agg(second - SECOND)), Row(second, agg(second))]
    for end in (None, NOW, NOW + HOUR):
        trades = paging.agg_trades(
            Exchange(rows, is_cut=True).spot, symbol="BTCUSDT", start_time=NOW - HOUR, end_time=end
        )
        assert await all_of(trades) == [rows[0].value]


def order(number: int, at_ms: int) -> Order:
    return Order(
        symbol="BTCUSDT",
        order_id=str(number),
        executed_quantity=ONE,
        executed_quote_quantity=ONE,
        status="NEW",  # type: ignore[arg-type]  # not what is looked at
        type="LIMIT",  # type: ignore[arg-type]
        side="BUY",  # type: ignore[arg-type]
        time=at_ms,
    )


def deposit(at_ms: int) -> Deposit:
    return Deposit(
        amount=ONE,
        coin="USDT",
        status="5",  # type: ignore[arg-type]  # not what is looked at
        tx_id="0x",
        insert_time=at_ms // SECOND * SECOND,
    )


def withdrawal(number: int, at_ms: int) -> Withdrawal:
    return Withdrawal(
        id=str(number),
        coin="USDT",
        amount=ONE,
        status="7",  # type: ignore[arg-type]  # not what is looked at
        apply_time=at_ms // SECOND * SECOND,
    )


@given(moments, habits)
def test_orders_deposits_and_withdrawals_come_once(times: list[int], habits: dict[str, Any]) -> None:
    at = [DAY_ONE + at_ms for at_ms in times]
    kinds: dict[Callable[..., AsyncIterator[Any]], list[Any]] = {
        paging.deposits: [deposit(at_ms) for at_ms in at],  # many of them equal
        paging.withdrawals: [withdrawal(number, at_ms) for number, at_ms in enumerate(at)],
    }
    for history, values in kinds.items():
        exchange = Exchange([Row(at_ms, value) for at_ms, value in zip(at, values, strict=True)], **habits)
        assert Counter(collected(history(exchange.spot, start_time=DAY_ONE))) == Counter(values)
        for request in exchange.asked:
            if isinstance(request, DepositHistoryQuery | WithdrawHistoryQuery):
                assert request.end_time is not None
                assert request.start_time is not None
                assert request.end_time - request.start_time <= 7 * DAY
    orders = [order(number, at_ms) for number, at_ms in enumerate(at)]
    exchange = Exchange([Row(each.time, each) for each in orders], **habits)
    found = collected(paging.all_orders(exchange.spot, symbol="BTCUSDT", start_time=DAY_ONE))
    assert Counter(found) == Counter(orders)
    assert all(isinstance(each, AllOrdersQuery | ServerTimeQuery) for each in exchange.asked)


async def test_deposits_of_months_are_asked_by_weeks_and_counted_where_weeks_touch() -> None:
    start = NOW - 80 * DAY
    rows = [Row(start + number * HOUR // 2, deposit(start + number * HOUR // 2)) for number in range(80 * 48)]
    edges = [
        Row(start // SECOND * SECOND + paging._SPAN + shift, deposit(start + paging._SPAN)) for shift in (-1, 0, 1)
    ]
    rows += edges * 3
    exchange = Exchange(rows)
    found = await all_of(paging.deposits(exchange.spot, start_time=start))
    assert len(found) == len(rows)
    assert len(exchange.asked) < 20


# --- endpoints by page number ---


def transfer(number: int, at_ms: int) -> Transfer:
    return Transfer(
        tran_id=str(number),
        asset="USDT",
        amount=ONE,
        status="SUCCESS",  # type: ignore[arg-type]  # not what is looked at
        timestamp=at_ms,
    )


def internal(number: int, at_ms: int) -> InternalTransfer:
    return InternalTransfer(
        tran_id="" if number % 2 else str(number),
        asset="USDT",
        amount=Decimal(number),
        status="SUCCESS",  # type: ignore[arg-type]
        timestamp=at_ms,
    )


TYPES: dict[str, Any] = {"from_account_type": "SPOT", "to_account_type": "FUTURES"}


@pytest.mark.parametrize("has_total", [True, False])
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 1234])
async def test_transfers_of_every_kind_come_once(count: int, has_total: bool) -> None:
    start = NOW - 60 * DAY
    at = [start + number * HOUR for number in range(count)]
    for history, values, parameters in (
        (paging.transfers, [transfer(number, at_ms) for number, at_ms in enumerate(at)], TYPES),
        (paging.sub_transfers, [transfer(number, at_ms) for number, at_ms in enumerate(at)], TYPES),
        (paging.internal_transfers, [internal(number, at_ms) for number, at_ms in enumerate(at)], {}),
    ):
        rows = [Row(at_ms, value) for at_ms, value in zip(at, values, strict=True)]
        exchange = Exchange(rows, has_total=has_total)
        assert await all_of(history(exchange.spot, start_time=start, **parameters)) == values
        if values:
            last = values[len(values) // 2]
            seen = {each.tran_id for each in values if each.timestamp <= last.timestamp} - {""}
            rest = await all_of(history(exchange.spot, start_time=last.timestamp, seen=seen, **parameters))
            assert [each for each in rest if each is not last] == values[len(values) // 2 + 1 :]


async def test_transfers_where_weeks_touch_come_once() -> None:
    start = NOW // SECOND * SECOND - 30 * DAY
    at = [start + paging._SPAN + shift for shift in (-1, 0, 1, 500, 999, 1000, 1001)]
    values = [transfer(number, at_ms) for number, at_ms in enumerate(at)]
    different: list[dict[str, Any]] = [{}, {"is_open": True}, {"is_cut": True}, {"is_cut": True, "is_open": True}]
    for habits in different:
        rows = [Row(at_ms, value) for at_ms, value in zip(at, values, strict=True)]
        found = await all_of(paging.transfers(Exchange(rows, **habits).spot, start_time=start, **TYPES))
        assert found == values


async def test_an_exchange_that_ignores_page_numbers_does_not_hold_it_up() -> None:
    class Stubborn(Exchange):
        def _page(self, found: Sequence[Any], page: int | None, size: int | None) -> list[Any]:
            return list(found[:100])

    rows = [Row(NOW - number, transfer(number, NOW - number)) for number in range(150)]
    exchange = Stubborn(rows, has_total=False)
    found = await all_of(paging.transfers(exchange.spot, start_time=NOW - DAY, **TYPES))
    assert len(found) == 100
    assert len(exchange.asked) < 10


async def test_a_page_number_that_shifts_while_rows_arrive_gives_none_twice() -> None:
    class Growing(Exchange):
        def _page(self, found: Sequence[Any], page: int | None, size: int | None) -> list[Any]:
            newer = [transfer(9000 + (page or 1), NOW - 1)]
            return super()._page([*newer * ((page or 1) - 1), *found], page, size)

    rows = [Row(NOW - number, transfer(number, NOW - number)) for number in range(250)]
    found = await all_of(paging.transfers(Growing(rows).spot, start_time=NOW - DAY, **TYPES))
    assert Counter(each.tran_id for each in found if int(each.tran_id) < 9000) == Counter(map(str, range(250)))


# --- refusals ---


@pytest.mark.parametrize(
    ("history", "parameters", "words"),
    [
        (paging.klines, {"symbol": "btcusdt", "interval": "1m", "start_time": 1}, "symbol 'btcusdt'"),
        (paging.klines, {"symbol": "A", "interval": "1h", "start_time": 1}, "interval '1h' is 60m at MEXC"),
        (paging.klines, {"symbol": "A", "interval": "1m", "start_time": 1.5}, "start_time 1.5 is a float"),
        (paging.klines, {"symbol": "A", "interval": "1m", "start_time": 2, "end_time": 1}, "start_time 2 is after"),
        (paging.klines, {"symbol": "A", "interval": "1m", "start_time": 1, "at_once": 0}, "at_once 0 must be from 1"),
        (paging.agg_trades, {"symbol": "A", "start_time": 2, "end_time": 1}, "start_time 2 is after end_time 1"),
        (paging.agg_trades, {"symbol": "A", "start_time": 2, "skip": -1}, "skip -1 must not be negative"),
        (paging.agg_trades, {"symbol": "a", "start_time": 2, "end_time": 3}, "symbol 'a'"),
        (paging.my_trades, {"symbol": "A", "start_time": NOW - 31 * DAY}, "is more than 30 days back"),
        (paging.all_orders, {"symbol": "A", "start_time": NOW - 8 * DAY}, "is more than 7 days back"),
        (paging.deposits, {"start_time": NOW - 91 * DAY}, "is more than 90 days back"),
        (paging.withdrawals, {"start_time": 0}, "start_time 0 is more than 90 days back"),
        (paging.withdrawals, {"start_time": "yesterday"}, "start_time 'yesterday' is a str"),
        (paging.transfers, TYPES | {"start_time": NOW - 181 * DAY}, "is more than 180 days back"),
        (paging.sub_transfers, TYPES | {"start_time": NOW, "end_time": NOW - 1}, "is after end_time"),
        (paging.internal_transfers, {"start_time": NOW - 181 * DAY}, "is more than 180 days back"),
    ],
)
async def test_wrong_input_is_refused(
    history: Callable[..., AsyncIterator[Any]], parameters: dict[str, Any], words: str
) -> None:
    exchange = Exchange()
    with pytest.raises(InvalidRequest, match=words):
        await all_of(history(exchange.spot, **parameters))
    assert all(isinstance(request, ServerTimeQuery) for request in exchange.asked)
