"""Playback of a recorded market: its levels become background orders, its trades fill users' resting orders.

A tape is JSON lines, gzipped or plain: snapshots, depth messages with absolute quantities, and trades.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from math import inf
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.market_state import Market
from mexc_async.sim.exchange.matching import Side, opposite
from mexc_async.sim.exchange.symbols import SymbolFilters, rules_of

PAUSE_MS = 1000
"""Pause between the end of the tape and its next start."""

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

_DECODER: msgspec.json.Decoder[TapeMessage] = msgspec.json.Decoder(TapeDepth | Snapshot | TapeTrade)


class Tape:
    """A tape's messages in order, and the rules of its symbols."""

    def __init__(self, messages: Sequence[TapeMessage]) -> None:
        self.messages = messages
        self.rules = tuple(_rules_of_symbol(name, messages) for name in dict.fromkeys(m.symbol for m in messages))

    def balances(self) -> dict[str, Decimal]:
        """Return starting balances for the tape's markets: the same value of every base, and 100,000 of every quote."""
        amounts: dict[str, Decimal] = {}
        for rules in self.rules:
            worth = rules.min_value * 20_000 / rules.start_price
            amounts.setdefault(rules.base, worth.quantize(Decimal("0.01"), rounding=ROUND_DOWN))
        for rules in self.rules:
            amounts.setdefault(rules.quote, rules.min_value * 100_000)
        return amounts


def read_tape(path: Path) -> Tape:
    """Read a tape. Raises BadTape."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise BadTape(f"tape {path}: {reason}") from None
    messages: list[TapeMessage] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            message = _DECODER.decode(line)
            _check(message)
        except (msgspec.DecodeError, ValueError) as error:
            raise BadTape(f"tape {path}, line {number}: {error}") from None
        messages.append(message)
    if not messages:
        raise BadTape(f"tape {path}: has no messages")
    try:
        return Tape(messages)
    except ValueError as error:
        raise BadTape(f"tape {path}: {error}") from None


def _check(message: TapeMessage) -> None:
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
    price_decimals = max(_decimals(price) for price, _ in levels) if levels else 0
    quantity_decimals = max(_decimals(quantity) for _, quantity in levels) if levels else 0
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


def _decimals(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _middle(message: TapeMessage) -> Decimal | None:
    if isinstance(message, TapeTrade):
        return message.price
    if isinstance(message, Snapshot) and message.bids and message.asks:
        return (message.bids[0][0] + message.asks[0][0]) / 2
    return None


class TapePlayer:
    """Player of a tape into an exchange that lists the tape's symbols."""

    def __init__(self, exchange: Exchange, tape: Tape, *, now_ms: int, loop: bool = True) -> None:
        """Set the first snapshot of every symbol. `advance` plays the rest. With `loop` the tape repeats for ever."""
        self._exchange = exchange
        self._messages = tape.messages
        self._markets: Mapping[str, Market] = {
            message.symbol: exchange.market(message.symbol.replace("-", "")) for message in tape.messages
        }
        self._loop = loop
        self._index = 0
        self._shift_ms = now_ms - tape.messages[0].ts_ms
        shown: set[str] = set()
        for message in tape.messages:
            if isinstance(message, Snapshot) and message.symbol not in shown:
                shown.add(message.symbol)
                self._play(message, now_ms)

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
        for _ in self._messages:
            if self.is_finished:
                return
            message = self._messages[self._index]
            due_ms = message.ts_ms + self._shift_ms
            if due_ms > now_ms:
                return
            self._play(message, due_ms)
            self._index += 1
            self._rewind(max(due_ms, now_ms - PAUSE_MS) + PAUSE_MS)

    def pause(self, ms: int) -> None:
        """Delay all coming messages by `ms`."""
        self._shift_ms += ms

    def _rewind(self, start_ms: int) -> None:
        """Restart the tape at `start_ms` if it has ended and loops."""
        if self._loop and self.is_finished:
            self._index = 0
            self._shift_ms = start_ms - self._messages[0].ts_ms

    def _play(self, message: TapeMessage, now_ms: int) -> None:
        market = self._markets[message.symbol]
        if isinstance(message, TapeTrade):
            maker: Side = "BUY" if message.maker_side == "buy" else "SELL"
            price, quantity = self._fit(market, (message.price, message.quantity))
            if quantity:
                self._exchange.take(market, opposite(maker), price, quantity, now_ms, must=True)
            return
        for side, levels in (("BUY", message.bids), ("SELL", message.asks)):
            self._set_levels(market, "BUY" if side == "BUY" else "SELL", levels, message, now_ms)

    def _set_levels(
        self, market: Market, side: Side, levels: Iterable[TapeLevel], message: TapeMessage, now_ms: int
    ) -> None:
        fitted = [self._fit(market, level) for level in levels]
        if isinstance(message, Snapshot):
            for price in market.house(side).keys() - {price for price, _ in fitted}:
                self._exchange.quote(market, side, price, Decimal(0), now_ms)
        for price, quantity in fitted:
            self._exchange.quote(market, side, price, quantity, now_ms)

    @staticmethod
    def _fit(market: Market, level: TapeLevel) -> TapeLevel:
        """Round a price and a quantity to the symbol's decimals."""
        return level[0].quantize(market.tick), level[1].quantize(market.step)
