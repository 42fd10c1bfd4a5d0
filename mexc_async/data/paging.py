"""Complete histories, page by page: async generators over the endpoints, oldest first, each item once.

    async for bar in paging.klines(mexc.spot, symbol="BTCUSDT", interval="1m", start_time=start_ms):
        ...

Each generator fetches pages as the items are consumed, and waits for the rate limits like every call. Generators store
no position: to resume, start from the time of your last item and skip the items that you have, as each function says.
Times are milliseconds UTC, both ends included; without `end_time` a history ends now. Each function raises
InvalidRequest for a start further back than MEXC's history, and the errors of its endpoint.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Hashable, Sequence
from typing import Any, Final, TypeVar

from mexc_async.errors import InvalidRequest, ProtocolError
from mexc_async.schema.validation import between, kind_of, whole
from mexc_async.spot.api import Spot
from mexc_async.spot.enums import AccountTypeName, DepositStatusCode, Interval, WithdrawStatusCode
from mexc_async.spot.market import KlinesQuery
from mexc_async.spot.models import AggTrade, Fill, Kline, Order
from mexc_async.spot.wallet_models import Deposit, InternalTransfer, Transfer, Withdrawal

T = TypeVar("T")

SECOND: Final = 1000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
_SPAN: Final = WEEK - 10 * SECOND  # the longest span of one call, less room for overlaps of a second
STEP_MS: Final[dict[str, int]] = {
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "60m": HOUR,
    "4h": 4 * HOUR,
    "1d": DAY,
    "1W": WEEK,
    "1M": 28 * DAY,
}
"""Minimum length of a bar in milliseconds, by interval."""
BARS: Final = 500
"""Maximum number of bars per answer, by the documents of 2026."""
ROWS: Final = 1000
"""Maximum number of rows per answer."""
_FILLS: Final = 100
"""Maximum number of fills per answer by the documents; newer measurements say 1000."""


async def klines(
    spot: Spot,
    *,
    symbol: str,
    interval: Interval,
    start_time: int,
    end_time: int | None = None,
    at_once: int = 4,
) -> AsyncIterator[Kline]:
    """Yield the klines that opened at `start_time` or later and have closed by `end_time`, without the current one.

    To resume, start from the `close_time` of your last bar. `at_once`: number of pages to fetch concurrently, 1 to 100.
    """

    async def ask(low: int, high: int) -> list[Kline]:
        page = await spot.klines(symbol=symbol, interval=interval, start_time=low, end_time=high, limit=BARS)
        return [bar for bar in page if bar.open_time >= low]

    async def span(low: int, high: int) -> list[Kline]:
        found: list[Kline] = []
        while page := await ask(low, high):  # ask again if the end is missing: the answer may have been cut off
            found += page
            last = max(bar.open_time for bar in page)
            if last + step > high:
                break
            low = last + 1
        return found

    KlinesQuery(symbol=symbol, interval=interval, start_time=start_time, end_time=end_time)  # validates them
    between(1, 100)("at_once", at_once)
    step = STEP_MS[interval]
    end_ms = await _end(spot, start_time, end_time)
    width = BARS * step - 1
    cursor, is_listed = start_time, step >= DAY
    while cursor < end_ms:
        lows = range(
            cursor, min(cursor + at_once * width, end_ms), width
        )  # spans touch, so the exchange may include their ends or not
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
    """Return the day before a symbol's first bar, milliseconds UTC; `end_ms` if it has none."""
    start_ms = max(start_ms - DAY, 0)  # its day began earlier
    while start_ms < end_ms:
        high = min(start_ms + BARS * DAY - 1, end_ms)
        days = await spot.klines(symbol=symbol, interval="1d", start_time=start_ms, end_time=high, limit=BARS)
        if days:
            return min(day.open_time for day in days) - DAY
        start_ms = high + 1
    return end_ms


async def _together(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Await the calls concurrently; the first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def agg_trades(
    spot: Spot, *, symbol: str, start_time: int, end_time: int | None = None, skip: int = 0
) -> AsyncIterator[AggTrade]:
    """Yield aggregated trades up to the last full second; their times and the period's ends are whole seconds.

    To resume, start from the time of your last trade, with `skip` the number of trades that you have of that second.
    Raises ProtocolError for a second with more trades than one answer holds: MEXC does not return the rest.
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
    """Yield the account's fills of a symbol, up to 30 days back; times are whole seconds, and MEXC may list fills late.

    To resume, start a while before your last fill, with `seen` the ids that you have since then. Raises ProtocolError
    for a second with more fills than one answer holds.
    """

    async def fetch(low: int, high: int) -> list[Fill]:
        return await spot.my_trades(symbol=symbol, start_time=low, end_time=high, limit=ROWS)

    end_ms = await _end(spot, start_time, end_time, days=30, seen=seen)
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
    """Yield the orders of a symbol in any state, up to 7 days back.

    To resume, start from the time of your last order, with `seen` the order ids that you have since then.
    """

    async def fetch(low: int, high: int) -> list[Order]:
        return await spot.all_orders(symbol=symbol, start_time=low, end_time=high, limit=ROWS)

    end_ms = await _end(spot, start_time, end_time, days=7, seen=seen)
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
    """Yield deposits, up to 90 days back. To resume, start from the second after your last deposit."""

    async def fetch(low: int, high: int) -> list[Deposit]:
        return await spot.deposit_history(coin=coin, status=status, start_time=low, end_time=high, limit=ROWS)

    def key(row: Deposit) -> Hashable:  # MEXC gives them no id
        return row.coin, row.tx_id, row.address, row.memo, row.amount, row.insert_time

    end_ms = await _end(spot, start_time, end_time, days=90)
    async for row in _spans(fetch, start_time, end_ms, _SPAN, lambda row: row.insert_time or 0, key):
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
    """Yield withdrawals, up to 90 days back.

    To resume, start from the time of your last withdrawal, with `seen` the ids that you have since then.
    """

    async def fetch(low: int, high: int) -> list[Withdrawal]:
        return await spot.withdraw_history(coin=coin, status=status, start_time=low, end_time=high, limit=ROWS)

    end_ms = await _end(spot, start_time, end_time, days=90, seen=seen)
    async for row in _spans(fetch, start_time, end_ms, _SPAN, lambda row: row.apply_time or 0, lambda row: row.id):
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
    """Yield transfers between the account's own wallets, up to 180 days back.

    To resume, start from the time of your last transfer, with `seen` the ids that you have since then.
    """
    types: dict[str, AccountTypeName] = {"from_account_type": from_account_type, "to_account_type": to_account_type}

    async def fetch(low: int, high: int, page: int) -> tuple[list[Transfer], int | None]:
        found = await spot.universal_transfer_history(**types, start_time=low, end_time=high, page=page, size=100)
        return found.rows, found.total

    end_ms = await _end(spot, start_time, end_time, days=180, seen=seen)
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
    """Yield transfers between the main account and sub-accounts; otherwise as `transfers`."""

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

    end_ms = await _end(spot, start_time, end_time, days=180, seen=seen)
    async for row in _pages(fetch, start_time, end_ms, 500, lambda row: row.timestamp, lambda row: row.tran_id):
        if row.tran_id not in seen:
            yield row


async def internal_transfers(
    spot: Spot, *, start_time: int, end_time: int | None = None, seen: Collection[str] = ()
) -> AsyncIterator[InternalTransfer]:
    """Yield transfers to and from other users of the exchange; otherwise as `transfers`."""

    async def fetch(low: int, high: int, page: int) -> tuple[list[InternalTransfer], int | None]:
        found = await spot.internal_transfer_history(start_time=low, end_time=high, page=page, limit=100)
        return found.data, found.total_records

    end_ms = await _end(spot, start_time, end_time, days=180, seen=seen)
    async for row in _pages(
        fetch, start_time, end_ms, 100, lambda row: row.timestamp, lambda row: row.tran_id or row
    ):  # some have no id
        if row.tran_id not in seen:
            yield row


async def _end(
    spot: Spot,
    start_ms: int,
    end_ms: int | None,
    *,
    days: int | None = None,
    margin_ms: int = 0,
    seen: Collection[str] = (),
) -> int:
    """Return the end of a history: `end_ms`, at most now by the exchange's clock. Raises InvalidRequest."""
    if isinstance(seen, str) or not isinstance(seen, Collection):
        raise InvalidRequest(f"seen must be a list or set of ids, not {kind_of(seen)}")
    for name, value in (("start_time", start_ms), ("end_time", start_ms if end_ms is None else end_ms)):
        whole(name, value)
        if value < start_ms:
            raise InvalidRequest(f"start_time {start_ms} is after end_time {end_ms}")
    now_ms = (await spot.server_time()).server_time
    if days is not None and start_ms < now_ms - days * DAY:
        raise InvalidRequest(f"start_time {start_ms} is more than {days} days back, the limit of MEXC's history")
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
    """Yield rows of endpoints that page by time; halve a span whose answer may have been cut off.

    Spans begin at whole seconds. If rows have a key, spans overlap by a second, so that no row is lost if the exchange
    cuts a span's ends to the second or excludes the last one. The key finds rows that are in two answers, and equal
    rows are counted. `full` holds further sizes that an answer may be cut to, as long as no answer was larger.
    """
    low, width, most = start_ms // SECOND * SECOND, longest_ms, 0
    before: Counter[Hashable] = Counter()
    while low <= end_ms:
        high = min(low + width - 1, end_ms)
        rows: list[T] = []
        for overlap in _overlaps(key is not None, width):
            rows = await fetch(low, min(high + overlap, end_ms))
            most = max(most, len(rows))
            if len(rows) < ROWS and not (len(rows) in full and len(rows) == most) and (rows or overlap != 0 or not key):
                break
        else:
            if width == SECOND:
                raise ProtocolError(
                    f"the second at {low} has {len(rows)} rows or more, and the exchange returns no more; "
                    f"to skip them, resume from {low + SECOND}"
                )
            width = max(SECOND, width // 2 // SECOND * SECOND)
            continue
        now: Counter[Hashable] = Counter()
        rows.reverse()  # MEXC sends newest first; rows of one second stay in order
        rows.sort(key=time_of)
        for row in rows:
            if key is not None:
                now[key(row)] += 1
            if key is None or now[key(row)] > before[key(row)]:
                yield row
        before, low, width = now, high + 1, min(longest_ms, width * 2)


def _overlaps(is_keyed: bool, width: int) -> tuple[int, ...]:
    """Return the milliseconds to ask beyond a span's end, to try in turn while the answer may be cut off."""
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
    """Yield rows of endpoints with page numbers, week by week; the key finds rows that come twice."""
    low = start_ms // SECOND * SECOND
    before: set[Hashable] = set()
    while low <= end_ms:
        high = min(low + _SPAN - 1, end_ms)
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
