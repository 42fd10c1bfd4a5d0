"""Recorded bars (klines) of one or several symbols, from a CSV file or the JSON lines of `mexc-async klines`."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from itertools import pairwise
from pathlib import Path

import msgspec
from msgspec.structs import replace

from mexc_async.sim.exchange.bars import Bar
from mexc_async.sim.exchange.symbols import ONLINE, SEEDED, SymbolFilters, rules_of
from mexc_async.sim.market.listing import INFERRED, MarketData, decimals_of
from mexc_async.sim.market.tape import read_bytes

COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
"""Columns of a file without a header."""
_TIMES = ("timestamp", "open_time", "time", "datetime", "date", "ts_ms", "ts")
_PRICES = ("open", "high", "low", "close")
_MS_FROM, _US_FROM, _NS_FROM = 10**11, 10**14, 10**17
"""Least numbers that count as a time in ms, µs and ns; smaller ones are seconds."""
_MOST_VALUE = 10**10
"""Average value of a bar, in quote, from which on its volume is probably no volume in base."""


class BadBars(ValueError):
    """Error for unusable bars. The message is one line that names the file, and the line in it if there is one."""


class Bars:
    """Bars in order of time, and the rules of their symbols."""

    def __init__(self, bars: Mapping[str, Sequence[Bar]], data: MarketData) -> None:
        """Take bars by symbol, such as BTC-USDT. Raises ValueError for bars without volume or an interval."""
        self.data = data
        self.bars = {name.replace("-", ""): rows for name, rows in bars.items()}
        """Bars by listed symbol; `volume` in base and `value` in quote, one of them 0 where the file does not say."""
        self.interval_ms = _interval_of(self.bars)
        for symbol, rows in self.bars.items():
            if not any(bar.volume or bar.value for bar in rows):
                raise ValueError(f"{symbol} has no volume in any bar: without it nothing could be traded")
        self.rules = tuple(data.rules(_rules_of_symbol(name, rows)) for name, rows in bars.items())
        self.start_ms = min(rows[0].open_ms for rows in bars.values())
        self.end_ms = max(rows[-1].open_ms for rows in bars.values()) + self.interval_ms
        """Times at which the first bar opens and the last one closes, milliseconds UTC."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Limits of these bars, one line each."""
        by_symbol = (
            found for name, rows in self.bars.items() for found in (*self._gaps(name, rows), *_unlikely(name, rows))
        )
        return (*_NOT_SHOWN, *by_symbol)

    def _gaps(self, symbol: str, rows: Sequence[Bar]) -> Iterator[str]:
        gaps = [(after.open_ms - bar.open_ms, bar.open_ms) for bar, after in pairwise(rows)]
        missing = [(length // self.interval_ms - 1, open_ms) for length, open_ms in gaps if length > self.interval_ms]
        if missing:
            most, open_ms = max(missing)
            yield (
                f"{symbol}: {sum(count for count, _ in missing)} bars are missing in {len(missing)} gaps, the longest "
                f"{most} bars after {_text(open_ms)}: the price stands still there, and its klines are flat"
            )


_NOT_SHOWN = (
    "bars show no order book: each move has one price on each side, at models.spread_ticks, so spread, depth and queue "
    "are assumptions",
    "bars show no order of prices: high and low come in an order drawn from the seed, so a result that depends on "
    "which was first is luck; try several seeds",
    "bars show no time within a bar: the price moves four times in it, so results of strategies that act faster mean "
    "nothing",
    "bars before the first are generated: indicators warm up on invented prices",
)


def _unlikely(symbol: str, rows: Sequence[Bar]) -> Iterator[str]:
    value = sum(bar.volume * bar.close for bar in rows) / len(rows)
    if value > _MOST_VALUE:
        yield (
            f"{symbol}: an average bar trades {value:.3g} of the quote asset; if the volume of the file is in quote, "
            "say MarketData(volume_in='quote')"
        )


def bars_of(path: Path, content: bytes, data: MarketData = INFERRED) -> Bars:
    """Build bars of the content of the file `path`: CSV, with or without a header, or JSON lines. Raises BadBars."""
    found: dict[str, list[Bar]] = {}
    for number, row in _rows(path, content):
        try:
            name = _name(row.get("symbol") or data.symbol, path)
            bar = _bar(row, data)
            rows = found.setdefault(name, [])
            if rows and bar.open_ms <= rows[-1].open_ms:
                raise ValueError(f"opens at {_text(bar.open_ms)}, not after the bar above, {_text(rows[-1].open_ms)}")
        except ValueError as error:
            raise BadBars(f"bars {path}, line {number}: {error}") from None
        rows.append(bar)
    if not found:
        raise BadBars(f"bars {path}: has no bars")
    try:
        return Bars(found, data)
    except ValueError as error:
        raise BadBars(f"bars {path}: {error}") from None


def read_bars(path: Path, data: MarketData = INFERRED) -> Bars:
    """Read bars, gzipped or plain; `data` names their symbol and the unit of their volume.

    Times are ISO 8601 (UTC without an offset) or numbers of s, ms, µs or ns. Raises BadBars, or BadTape for a file that
    cannot be read.
    """
    return bars_of(path, read_bytes(path), data)


def _rows(path: Path, content: bytes) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield (line number, cells by column name)."""
    lines = content.decode("utf-8-sig", "replace").splitlines()
    first = next((line for line in lines if line.strip()), "")
    if first.lstrip().startswith("{"):
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, _object(path, number, line)
        return
    columns: Sequence[str] = ()
    for number, cells in enumerate(csv.reader(lines), 1):
        if not any(cells):
            continue
        if not columns:
            columns = [cell.strip().lower() for cell in cells]
            if not columns[0][:1].isdigit():
                _check_columns(path, columns)
                continue
            columns = COLUMNS
        if len(cells) < len(columns):
            raise BadBars(f"bars {path}, line {number}: has {len(cells)} of {len(columns)} cells")
        yield number, dict(zip(columns, cells, strict=False))


def _object(path: Path, number: int, line: str) -> Mapping[str, str]:
    try:
        cells = msgspec.json.decode(line, type=dict[str, str | int | float | None])
    except msgspec.DecodeError as error:
        raise BadBars(f"bars {path}, line {number}: {error}") from None
    return {name: "" if cell is None else str(cell) for name, cell in cells.items()}


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    for name in (*_PRICES, "volume"):
        if name not in columns:
            raise BadBars(f"bars {path}: has no column {name}, only {', '.join(columns)}")
    if not set(_TIMES) & set(columns):
        raise BadBars(f"bars {path}: has no column of times ({', '.join(_TIMES)}), only {', '.join(columns)}")


def _bar(row: Mapping[str, str], data: MarketData) -> Bar:
    """Build a bar of a row. Raises ValueError."""
    time = next((row[name] for name in _TIMES if row.get(name)), None)
    if time is None:
        raise ValueError(f"has no time ({', '.join(_TIMES)})")
    first, high, low, close = (_number(row, name) for name in _PRICES)
    bar = Bar(_time_ms(time.strip()), first)
    bar.high, bar.low, bar.close = high, low, close
    if high < low:
        raise ValueError(f"high {high} is below low {low}")
    if low <= 0:
        raise ValueError(f"low {low} is not above 0")
    for name, price in (("open", first), ("close", close)):
        if not low <= price <= high:
            raise ValueError(f"{name} {price} is not between low {low} and high {high}")
    volume = _number(row, "volume")
    if volume < 0:
        raise ValueError(f"volume {volume} is below 0")
    if not volume and high > low:
        raise ValueError(f"volume is 0, but the price moved from {low} to {high}")
    if data.volume_in == "quote":
        bar.value = volume
    else:
        bar.volume = volume
    return bar


def _number(row: Mapping[str, str], name: str) -> Decimal:
    text = row.get(name, "").strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{name} {text!r} is not a number" if text else f"has no {name}") from None
    if not number.is_finite():
        raise ValueError(f"{name} {text!r} is not a number")
    return number


def _time_ms(text: str) -> int:
    try:
        number = Decimal(text)
    except InvalidOperation:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return round(moment.timestamp() * 1000)
    if not number.is_finite():
        raise ValueError(f"time {text!r} is not a time")
    for least, factor in ((_NS_FROM, Decimal("1e-6")), (_US_FROM, Decimal("1e-3")), (_MS_FROM, Decimal(1))):
        if number >= least:
            return int(number * factor)
    return int(number * 1000)


def _text(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


@cache  # asked for each bar
def _name(given: str, path: Path) -> str:
    """Return a symbol as BASE-QUOTE. Raises ValueError if it is not known."""
    if given.count("-") == 1 and all(part.isalnum() for part in given.split("-")):
        return given
    file = path.name.upper().replace("-", "").replace("_", "")
    for rules in SEEDED:
        if given == rules.symbol or (not given and rules.symbol in file):
            return f"{rules.base}-{rules.quote}"
    if given:
        raise ValueError(f"symbol {given!r} is not BASE-QUOTE, such as BTC-USDT")
    raise ValueError(
        "the symbol is not known: name the file after it, or give MarketData(symbol='BTC-USDT') "
        "(--data symbol=BTC-USDT)"
    )


def _interval_of(bars: Mapping[str, Sequence[Bar]]) -> int:
    """Return the most frequent time between two bars, in ms. Raises ValueError."""
    steps = Counter(after.open_ms - bar.open_ms for rows in bars.values() for bar, after in pairwise(rows))
    if not steps:
        raise ValueError("has one bar, which does not show its interval")
    most = max(steps.values())
    interval_ms = min(step for step, count in steps.items() if count == most)
    for symbol, rows in bars.items():
        for bar, after in pairwise(rows):
            if after.open_ms - bar.open_ms < interval_ms:
                raise ValueError(
                    f"{symbol} has a bar {(after.open_ms - bar.open_ms) / 1000:g} s after that of "
                    f"{_text(bar.open_ms)}, and most are {interval_ms / 1000:g} s apart"
                )
    return interval_ms


def _rules_of_symbol(name: str, rows: Sequence[Bar]) -> SymbolFilters:
    """Return the simulator's rules of the symbol, or usual ones with the decimals of the bars."""
    base, _, quote = name.partition("-")
    start, known = rows[0].open, next((each for each in SEEDED if each.symbol == base + quote), None)
    prices: Iterable[Decimal] = (price for bar in rows for price in (bar.open, bar.high, bar.low, bar.close))
    decimals = max(decimals_of(prices), known.price_decimals if known else 0)
    if known is not None:
        return replace(known, price_decimals=decimals, start_price=start, status=ONLINE, open_to_api=True)
    step = Decimal(1).scaleb(min(0, -2 - start.adjusted()))
    least = "0.00001" if quote == "BTC" else "1"
    most = "50" if quote == "BTC" else "2000000"
    return rules_of(base, quote, base, f"{start:f}", decimals, f"{step:f}", min_value=least, max_value=most)
