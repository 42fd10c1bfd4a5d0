"""Whole histories, page by page: plain async generators over the endpoints, oldest first, each item once.

    async for bar in paging.klines(mexc.spot, symbol="BTCUSDT", interval="1m", start_time=start_ms):
        ...

Pages are fetched as the items are consumed and wait for the rate limits like every call. Nothing is kept between
runs: to go on after the last item that you have, start from its time and leave out what you have of it, as each
function says. Times are milliseconds UTC, both ends included; without `end_time` a history ends now. Each raises
InvalidRequest for a start that is further back than MEXC tells of, and what its endpoint raises.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Hashable, Sequence
from typing import Any, Final, TypeVar

from mexc_async.core.checks import between, whole
from mexc_async.errors import InvalidRequest, ProtocolError
from mexc_async.spot.api import Spot
from mexc_async.spot.enums import AccountTypeName, DepositStatusCode, Interval, WithdrawStatusCode
from mexc_async.spot.market import KlinesQuery
from mexc_async.spot.models import AggTrade, Fill, Kline, Order
from mexc_async.spot.wallet_models import Deposit, InternalTransfer, Transfer, Withdrawal

T = TypeVar("T")

SECOND: Final = 1000
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR
_WEEK: Final = 7 * DAY - 10 * SECOND  # what one call may ask for, with room for the second that spans overlap by
STEP_MS: Final[dict[str, int]] = {
    "1m": 60 * SECOND,
    "5m": 300 * SECOND,
    "15m": 900 * SECOND,
    "30m": 1800 * SECOND,
    "60m": HOUR,
    "4h": 4 * HOUR,
    "1d": DAY,
    "1W": 7 * DAY,
    "1M": 28 * DAY,
}
"""Length of a bar, at least."""
BARS: Final = 500
"""Bars of one answer, by the documents of 2026."""
ROWS: Final = 1000
"""Rows of one answer."""
_FILLS: Final = 100
"""Fills of one answer by the documents; newer measurements say 1000."""


async def klines(
    spot: Spot,
    *,
    symbol: str,
    interval: Interval,
    start_time: int,
    end_time: int | None = None,
    at_once: int = 4,
) -> AsyncIterator[Kline]:
    """Bars that opened at `start_time` or later and have closed by `end_time`; one that still runs is left out.

    To go on, start from the `close_time` of the last bar that you have. `at_once`: pages that are fetched together.
    """

    async def ask(low: int, high: int) -> list[Kline]:
        page = await spot.klines(symbol=symbol, interval=interval, start_time=low, end_time=high, limit=BARS)
        return [bar for bar in page if bar.open_time >= low]

    async def span(low: int, high: int) -> list[Kline]:
        found: list[Kline] = []
        while page := await ask(low, high):  # again where the end is missing: it may have been cut off
            found += page
            last = max(bar.open_time for bar in page)
            if last + step > high:
                break
            low = last + 1
        return found

    KlinesQuery(symbol=symbol, interval=interval, start_time=start_time, end_time=end_time)  # refuses what is wrong
    between(1, 100)("at_once", at_once)
    step = STEP_MS[interval]
    end_ms = await _end(spot, start_time, end_time)
    width = BARS * step - 1
    cursor, is_listed = start_time, step >= DAY
    while cursor < end_ms:
        lows = range(cursor, min(cursor + at_once * width, end_ms), width)  # spans touch, be their ends included or not
        calls = [span(low, min(low + width, end_ms)) for low in lows]
        bars = sorted((bar for page in await _together(calls) for bar in page), key=lambda bar: bar.open_time)
        for bar in bars:
            if cursor <= bar.open_time and bar.close_time <= end_ms:
                cursor = bar.open_time + 1
                yield bar
        cursor = max(cursor, lows[-1] + width)
        if not bars and not is_listed:
            cursor = max(cursor, await _first_day(spot, symbol, cursor, end_ms))
        is_listed = True


async def _first_day(spot: Spot, symbol: str, start_ms: int, end_ms: int) -> int:
    """When a symbol began to trade, to the day before; `end_ms` if it did not."""
    start_ms = max(start_ms - DAY, 0)  # the day that it falls into has begun earlier
    while start_ms < end_ms:
        high = min(start_ms + BARS * DAY - 1, end_ms)
        days = await spot.klines(symbol=symbol, interval="1d", start_time=start_ms, end_time=high, limit=BARS)
        if days:
            return min(day.open_time for day in days) - DAY
        start_ms = high + 1
    return end_ms


async def _together(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """All of them at the same time; the first failure ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def agg_trades(
    spot: Spot, *, symbol: str, start_time: int, end_time: int | None = None, skip: int = 0
) -> AsyncIterator[AggTrade]:
    """Aggregated trades; their times and the ends of the span are whole seconds, at most the one before now.

    To go on, start from the time of the last trade that you have, with `skip` the number of trades that you have of
    that second. Raises ProtocolError for a second with more trades than one answer holds: MEXC tells of no more.
    """

    async def fetch(low: int, high: int) -> list[AggTrade]:
        return await spot.agg_trades(symbol=symbol, start_time=low, end_time=high, limit=ROWS)

    whole("skip", skip)
    end_ms = await _end(spot, start_time, end_time, margin_ms=SECOND)
    async for row in _spans(fetch, start_time, end_ms, HOUR, lambda row: row.time):
        if skip and row.time <= start_time:
            skip -= 1
        else:
            yield row


async def my_trades(
    spot: Spot,
    *,
    symbol: str,
    start_time: int,
    end_time: int | None = None,
    seen: Collection[str] = (),
) -> AsyncIterator[Fill]:
    """The account's fills of a symbol, up to 30 days back; their times are whole seconds, and they may come late.

    To go on, start a while before the last fill that you have, with `seen` the ids that you have since then. Raises
    ProtocolError for a second with more fills than one answer holds.
    """

    async def fetch(low: int, high: int) -> list[Fill]:
        return await spot.my_trades(symbol=symbol, start_time=low, end_time=high, limit=ROWS)

    end_ms = await _end(spot, start_time, end_time, days=30)
    async for fill in _spans(
        fetch, start_time, end_ms, DAY, lambda fill: fill.time, lambda fill: fill.id, full=(_FILLS,)
    ):
        if fill.id not in seen:
            yield fill


async def all_orders(
    spot: Spot,
    *,
    symbol: str,
    start_time: int,
    end_time: int | None = None,
    seen: Collection[str] = (),
) -> AsyncIterator[Order]:
    """Orders of a symbol in any state, up to 7 days back.

    To go on, start from the time of the last order that you have, with `seen` the order ids that you have since then.
    """

    async def fetch(low: int, high: int) -> list[Order]:
        return await spot.all_orders(symbol=symbol, start_time=low, end_time=high, limit=ROWS)

    end_ms = await _end(spot, start_time, end_time, days=7)
    async for order in _spans(fetch, start_time, end_ms, DAY, lambda order: order.time, lambda order: order.order_id):
        if order.order_id not in seen:
            yield order


async def deposits(
    spot: Spot,
    *,
    start_time: int,
    end_time: int | None = None,
    coin: str | None = None,
    status: DepositStatusCode | None = None,
) -> AsyncIterator[Deposit]:
    """Deposits, up to 90 days back. To go on, start from the second after the last one that you have."""

    async def fetch(low: int, high: int) -> list[Deposit]:
        return await spot.deposit_history(coin=coin, status=status, start_time=low, end_time=high, limit=ROWS)

    def key(row: Deposit) -> Hashable:  # MEXC gives them no id
        return row.coin, row.tx_id, row.address, row.memo, row.amount, row.insert_time

    end_ms = await _end(spot, start_time, end_time, days=90)
    async for row in _spans(fetch, start_time, end_ms, _WEEK, lambda row: row.insert_time or 0, key):
        yield row


async def withdrawals(
    spot: Spot,
    *,
    start_time: int,
    end_time: int | None = None,
    coin: str | None = None,
    status: WithdrawStatusCode | None = None,
    seen: Collection[str] = (),
) -> AsyncIterator[Withdrawal]:
    """Withdrawals, up to 90 days back.

    To go on, start from the time of the last one that you have, with `seen` the ids that you have since then.
    """

    async def fetch(low: int, high: int) -> list[Withdrawal]:
        return await spot.withdraw_history(coin=coin, status=status, start_time=low, end_time=high, limit=ROWS)

    end_ms = await _end(spot, start_time, end_time, days=90)
    async for row in _spans(fetch, start_time, end_ms, _WEEK, lambda row: row.apply_time or 0, lambda row: row.id):
        if row.id not in seen:
            yield row


async def transfers(
    spot: Spot,
    *,
    from_account_type: AccountTypeName,
    to_account_type: AccountTypeName,
    start_time: int,
    end_time: int | None = None,
    seen: Collection[str] = (),
) -> AsyncIterator[Transfer]:
    """Transfers between the account's own wallets, up to 180 days back.

    To go on, start from the time of the last one that you have, with `seen` the ids that you have since then.
    """
    types: dict[str, AccountTypeName] = {"from_account_type": from_account_type, "to_account_type": to_account_type}

    async def fetch(low: int, high: int, page: int) -> tuple[list[Transfer], int | None]:
        found = await spot.universal_transfer_history(**types, start_time=low, end_time=high, page=page, size=100)
        return found.rows, found.total

    end_ms = await _end(spot, start_time, end_time, days=180)
    async for row in _pages(fetch, start_time, end_ms, 100, lambda row: row.timestamp, lambda row: row.tran_id):
        if row.tran_id not in seen:
            yield row


async def sub_transfers(
    spot: Spot,
    *,
    from_account_type: AccountTypeName,
    to_account_type: AccountTypeName,
    start_time: int,
    end_time: int | None = None,
    from_account: str | None = None,
    to_account: str | None = None,
    seen: Collection[str] = (),
) -> AsyncIterator[Transfer]:
    """Transfers between the main account and sub-accounts; the rest as for `transfers`."""

    async def fetch(low: int, high: int, page: int) -> tuple[list[Transfer], int | None]:
        found = await spot.sub_universal_transfer_history(
            from_account=from_account,
            to_account=to_account,
            from_account_type=from_account_type,
            to_account_type=to_account_type,
            start_time=low,
            end_time=high,
            page=page,
            limit=500,
        )
        return found.result, found.total_count

    end_ms = await _end(spot, start_time, end_time, days=180)
    async for row in _pages(fetch, start_time, end_ms, 500, lambda row: row.timestamp, lambda row: row.tran_id):
        if row.tran_id not in seen:
            yield row


async def internal_transfers(
    spot: Spot, *, start_time: int, end_time: int | None = None, seen: Collection[str] = ()
) -> AsyncIterator[InternalTransfer]:
    """Transfers to and from others on the exchange; the rest as for `transfers`."""

    async def fetch(low: int, high: int, page: int) -> tuple[list[InternalTransfer], int | None]:
        found = await spot.internal_transfer_history(start_time=low, end_time=high, page=page, limit=100)
        return found.data, found.total_records

    end_ms = await _end(spot, start_time, end_time, days=180)
    async for row in _pages(
        fetch, start_time, end_ms, 100, lambda row: row.timestamp, lambda row: row.tran_id or row
    ):  # some have no id
        if row.tran_id not in seen:
            yield row


async def _end(spot: Spot, start_ms: int, end_ms: int | None, *, days: int | None = None, margin_ms: int = 0) -> int:
    """The end of a history: now, by the exchange's clock, at the latest. Raises InvalidRequest."""
    for name, value in (("start_time", start_ms), ("end_time", start_ms if end_ms is None else end_ms)):
        whole(name, value)
        if value < start_ms:
            raise InvalidRequest(f"start_time {start_ms} is after end_time {end_ms}")
    now_ms = (await spot.server_time()).server_time
    if days is not None and start_ms < now_ms - days * DAY:
        raise InvalidRequest(f"start_time {start_ms} is more than {days} days back, the most that MEXC tells of")
    if margin_ms:
        now_ms = now_ms // margin_ms * margin_ms - 1
    return now_ms if end_ms is None else min(end_ms, now_ms)


async def _spans(
    fetch: Callable[[int, int], Awaitable[list[T]]],
    start_ms: int,
    end_ms: int,
    longest_ms: int,
    time_of: Callable[[T], int],
    key: Callable[[T], Hashable] | None = None,
    full: Collection[int] = (),
) -> AsyncIterator[T]:
    """Rows of endpoints that are asked by time only: a span whose rows may not have fitted into its answer is narrowed.

    Spans begin at whole seconds. Where rows have a key, spans overlap by a second, so that nothing falls between them
    if the exchange reads their ends to the second or leaves the last one out; rows that two answers hold are told by
    their key, and equal ones counted. `full` holds further sizes that an answer may be cut to, while none was larger.
    """
    low, width, most = start_ms // SECOND * SECOND, longest_ms, 0
    before: Counter[Hashable] = Counter()
    while low <= end_ms:
        high = min(low + width - 1, end_ms)
        for overlap in _overlaps(key is not None, width):
            rows = await fetch(low, min(high + overlap, end_ms))
            most = max(most, len(rows))
            if len(rows) < ROWS and not (len(rows) in full and len(rows) == most) and (rows or overlap != 0 or not key):
                break
        else:
            if width == SECOND:
                raise ProtocolError(
                    f"the second at {low} has {len(rows)} rows or more, and the exchange tells of no more; "
                    f"to do without them go on from {low + SECOND}"
                )
            width = max(SECOND, width // 2 // SECOND * SECOND)
            continue
        now: Counter[Hashable] = Counter()
        rows.reverse()  # they come newest first; rows of one second keep their order
        rows.sort(key=time_of)
        for row in rows:
            if key is not None:
                now[key(row)] += 1
            if key is None or now[key(row)] > before[key(row)]:
                yield row
        before, low, width = now, high + 1, min(longest_ms, width * 2)


def _overlaps(is_keyed: bool, width: int) -> tuple[int, ...]:
    """By how much to ask beyond the end of a span; in turn, while the answer may be cut."""
    if not is_keyed:
        return (0,)
    return (SECOND,) if width > SECOND else (SECOND, 1, 0)


async def _pages(
    fetch: Callable[[int, int, int], Awaitable[tuple[list[T], int | None]]],
    start_ms: int,
    end_ms: int,
    size: int,
    time_of: Callable[[T], int],
    key: Callable[[T], Hashable],
) -> AsyncIterator[T]:
    """Rows of endpoints that number their pages, week by week; a row that comes twice is told by its key."""
    low = start_ms // SECOND * SECOND
    before: set[Hashable] = set()
    while low <= end_ms:
        high = min(low + _WEEK - 1, end_ms)
        found: dict[Hashable, T] = {}
        page, count = 1, 0
        while True:
            rows, total = await fetch(low, min(high + SECOND, end_ms), page)
            known = len(found)
            found.update((key(row), row) for row in rows)
            page, count = page + 1, count + len(rows)
            if len(found) == known or (count >= total if total is not None else len(rows) < size):
                break
        rows = list(reversed(found.values()))
        rows.sort(key=time_of)
        for row in rows:
            if key(row) not in before:
                yield row
        before, low = set(found), high + 1
