"""Playback of a recorded market: its levels become background orders, its trades fill users' resting orders.

A tape is JSON lines, gzipped or plain: snapshots, depth messages with absolute quantities, and trades, in order of
time. Its first line may hold the trading rules, the fees and the clock offset of the time.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import inf
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from mexc_async.schema.lenient import decoder
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.market_state import Market
from mexc_async.sim.exchange.matching import Side, opposite
from mexc_async.sim.exchange.symbols import SymbolFilters, rules_of
from mexc_async.sim.market.listing import INFERRED, MarketData, decimals_of
from mexc_async.sim.market.models import USUAL, MarketModels
from mexc_async.sim.market.recorded_book import RecordedBook
from mexc_async.spot.models import SymbolInfo

PAUSE_MS = 1000
"""Pause between the end of the tape and its next start."""
_REPORTED_MS = 50
"""Longest time between a level that shrank and the report of the trade that shrank it."""

TapeLevel: TypeAlias = tuple[Decimal, Decimal]


class BadTape(ValueError):
    """Error for an unusable tape. The message is one line that names the file, and the line in it if there is one."""


class _TapeMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    ts_ms: int
    symbol: str


class TapeDepth(_TapeMessage, frozen=True, kw_only=True, tag="depth"):
    """Changed levels."""

    bids: tuple[TapeLevel, ...] = ()
    asks: tuple[TapeLevel, ...] = ()


class Snapshot(_TapeMessage, frozen=True, kw_only=True, tag="snapshot"):
    """The whole book."""

    bids: tuple[TapeLevel, ...]
    asks: tuple[TapeLevel, ...]


class TapeTrade(_TapeMessage, frozen=True, kw_only=True, tag="trade"):
    """A trade. `maker_side` is the side of the resting order."""

    price: Decimal
    quantity: Decimal
    maker_side: Literal["buy", "sell"]


TapeMessage: TypeAlias = TapeDepth | Snapshot | TapeTrade


class TapeInfo(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="info"):
    """First line of a tape, which is optional: facts about the market as it was. See `MarketData`."""

    exchange_info: tuple[SymbolInfo, ...] = ()
    """Rows of MEXC's exchangeInfo, unchanged."""
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    clock_offset_ms: int | None = None


_DECODER: msgspec.json.Decoder[TapeMessage] = msgspec.json.Decoder(TapeDepth | Snapshot | TapeTrade)


class Tape:
    """A tape's messages in order, and the rules of its symbols."""

    def __init__(self, messages: Sequence[TapeMessage], data: MarketData = INFERRED) -> None:
        self.messages = messages
        self.data = data
        names = dict.fromkeys(message.symbol for message in messages)
        self.rules = tuple(data.rules(_rules_of_symbol(name, messages)) for name in names)
        self.start_ms = messages[0].ts_ms
        self.end_ms = messages[-1].ts_ms
        """Times of the first and of the last message, milliseconds UTC."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Limits of this tape, one line each."""
        traded = {message.symbol for message in self.messages if isinstance(message, TapeTrade)}
        silent = [
            rules.symbol for rules in self.rules if rules.symbol not in {each.replace("-", "") for each in traded}
        ]
        if not silent:
            return ()
        return (
            f"the tape has no trades of {', '.join(silent)}: "
            "a resting order there is filled only where a recorded order crosses it",
        )


def read_tape(path: Path, data: MarketData = INFERRED) -> Tape:
    """Read a tape; `data` replaces what it holds about the market. Raises BadTape."""
    return tape_of(path, read_bytes(path), data)


def read_bytes(path: Path) -> bytes:
    """Read a recording, gzipped or plain. Raises BadTape."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise BadTape(f"tape {path}: {reason}") from None


def tape_of(path: Path, content: bytes, data: MarketData = INFERRED) -> Tape:
    """Build a tape of the content of the file `path`. Raises BadTape."""
    messages: list[TapeMessage] = []
    last_ms = 0
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            if not messages and b'"info"' in line:
                data = data.over(_facts(line))
                continue
            message = _DECODER.decode(line)
            _check(message, last_ms)
        except (msgspec.DecodeError, ValueError) as error:
            raise BadTape(f"tape {path}, line {number}: {error}") from None
        last_ms = message.ts_ms
        messages.append(message)
    if not messages:
        raise BadTape(f"tape {path}: has no messages")
    try:
        return Tape(messages, data)
    except ValueError as error:
        raise BadTape(f"tape {path}: {error}") from None


def _facts(line: bytes) -> MarketData:
    info: TapeInfo = decoder(TapeInfo).decode(line)
    return MarketData(
        exchange_info=info.exchange_info,
        maker_fee=info.maker_fee,
        taker_fee=info.taker_fee,
        clock_offset_ms=info.clock_offset_ms,
    )


def _check(message: TapeMessage, last_ms: int) -> None:
    if message.ts_ms < last_ms:
        raise ValueError(f"ts_ms {message.ts_ms} is before the message above, {last_ms}; sort the tape by time")
    base, _, quote = message.symbol.partition("-")
    if not (base.isalnum() and quote.isalnum()):
        raise ValueError(f"symbol {message.symbol!r} is not BASE-QUOTE")
    for price, quantity in _levels(message):
        if not (price.is_finite() and quantity.is_finite() and price > 0 and quantity >= 0):
            raise ValueError(f"level {price} x {quantity} is not a price and a quantity")


def _levels(message: TapeMessage) -> Iterable[TapeLevel]:
    if isinstance(message, TapeTrade):
        return ((message.price, message.quantity),)
    return (*message.bids, *message.asks)


def _rules_of_symbol(name: str, messages: Sequence[TapeMessage]) -> SymbolFilters:
    """Infer trading rules from the tape: decimals as recorded, MEXC's usual minimum values. Raises ValueError."""
    own = [message for message in messages if message.symbol == name]
    levels = [level for message in own for level in _levels(message)]
    price_decimals = decimals_of(price for price, _ in levels)
    quantity_decimals = decimals_of(quantity for _, quantity in levels)
    start_price = next((_middle(message) for message in own if _middle(message)), None)
    if start_price is None:
        raise ValueError(f"{name} has no two-sided snapshot and no trade")
    base, _, quote = name.partition("-")
    in_btc = quote == "BTC"
    return rules_of(
        base,
        quote,
        base,
        f"{start_price.quantize(Decimal(1).scaleb(-price_decimals)):f}",
        price_decimals,
        f"{Decimal(1).scaleb(-quantity_decimals):f}",
        min_value="0.00001" if in_btc else "1",
        max_value="50" if in_btc else "2000000",
    )


def _middle(message: TapeMessage) -> Decimal | None:
    if isinstance(message, TapeTrade):
        return message.price
    if isinstance(message, Snapshot) and message.bids and message.asks:
        return (message.bids[0][0] + message.asks[0][0]) / 2
    return None


class TapePlayer:
    """Player of a tape into an exchange that lists the tape's symbols."""

    def __init__(
        self,
        exchange: Exchange,
        tape: Tape,
        *,
        now_ms: int,
        loop: bool = True,
        models: MarketModels = USUAL,
        seed: int = 7,
    ) -> None:
        """Set the first snapshot of every symbol. `advance` plays the rest. With `loop` the tape repeats for ever."""
        self._exchange = exchange
        self._messages = list(tape.messages)
        self._is_fitted = bytearray(len(tape.messages))
        """1 for each message that was played, and is in the symbol's decimals since then."""
        self._books: dict[str, RecordedBook] = {}
        self._markets: dict[str, Market] = {}
        for name in dict.fromkeys(message.symbol for message in tape.messages):
            market = self._markets[name] = exchange.market(name.replace("-", ""))
            self._books[name] = RecordedBook(exchange, market, models, seed=seed)
        self._loop = loop
        self._index = 0
        self._shift_ms = now_ms - tape.start_ms
        shown: set[str] = set()
        for index, message in enumerate(tape.messages):
            if isinstance(message, Snapshot) and message.symbol not in shown:
                shown.add(message.symbol)
                self._play(index, now_ms)

    @property
    def is_finished(self) -> bool:
        """True if the tape has ended and does not loop."""
        return self._index >= len(self._messages)

    @property
    def due_ms(self) -> float:
        """Time of the next message; infinity after the last one."""
        return inf if self.is_finished else self._messages[self._index].ts_ms + self._shift_ms

    def advance(self, now_ms: int) -> None:
        """Play the messages that are due by `now_ms`. After a pause longer than the tape, play one round at most."""
        messages = self._messages
        for _ in messages:
            if self._index == len(messages):
                return
            message = messages[self._index]
            due_ms = message.ts_ms + self._shift_ms
            if due_ms > now_ms:
                return
            self._play(self._index, due_ms)
            self._index += 1
            if self._index == len(messages) and self._loop:
                self._rewind(max(due_ms, now_ms - PAUSE_MS) + PAUSE_MS)

    def pause(self, ms: int) -> None:
        """Delay all coming messages by `ms`."""
        self._shift_ms += ms

    def _rewind(self, start_ms: int) -> None:
        """Restart the tape at `start_ms`."""
        self._index = 0
        self._shift_ms = start_ms - self._messages[0].ts_ms
        for book in self._books.values():
            book.forget()

    def _play(self, index: int, now_ms: int) -> None:
        message = self._messages[index]
        market, book = self._markets[message.symbol], self._books[message.symbol]
        if not self._is_fitted[index]:
            message = self._messages[index] = _in_decimals(market, message)
            self._is_fitted[index] = 1
        if isinstance(message, TapeTrade):
            maker: Side = "BUY" if message.maker_side == "buy" else "SELL"
            if message.quantity:
                book.trade(opposite(maker), message.price, message.quantity, now_ms)
        else:
            if isinstance(message, Snapshot):
                book.clear("BUY", {price for price, _ in message.bids}, now_ms)
                book.clear("SELL", {price for price, _ in message.asks}, now_ms)
            coming = self._coming
            for price, quantity in message.bids:
                book.set_level("BUY", price, quantity, now_ms, coming)
            for price, quantity in message.asks:
                book.set_level("SELL", price, quantity, now_ms, coming)
        self._exchange.publish(market, now_ms)

    def _coming(self, symbol: str, side: Side, price: Decimal) -> Decimal:
        """Return how much the trades just after now take from a level. Many feeds report the level first."""
        maker, total = "buy" if side == "BUY" else "sell", Decimal(0)
        last_ms = self._messages[self._index].ts_ms + _REPORTED_MS
        for index in range(self._index + 1, len(self._messages)):
            later = self._messages[index]
            if later.ts_ms > last_ms:
                break
            if isinstance(later, TapeTrade) and later.maker_side == maker:
                market = self._markets[later.symbol]
                at, quantity = _fit(market, (later.price, later.quantity))
                total += quantity if at == price and market.rules.symbol == symbol else 0
        return total


def _in_decimals(market: Market, message: TapeMessage) -> TapeMessage:
    """Return a message with its prices and quantities in the symbol's decimals."""
    if isinstance(message, TapeTrade):
        price, quantity = _fit(market, (message.price, message.quantity))
        return replace(message, price=price, quantity=quantity)
    bids, asks = (tuple(_fit(market, level) for level in levels) for levels in (message.bids, message.asks))
    return replace(message, bids=bids, asks=asks)


def _fit(market: Market, level: TapeLevel) -> TapeLevel:
    """Round a price and a quantity to the symbol's decimals."""
    return level[0].quantize(market.tick), level[1].quantize(market.step)
