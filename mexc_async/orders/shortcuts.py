"""The ways to place an order, one method each: what `mexc.orders` and its sessions share."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NotRequired, TypedDict, Unpack

from mexc_async.orders.handle import TrackedOrder
from mexc_async.spot.enums import OrderTypeName, SideName, StpMode
from mexc_async.spot.trading import NewOrder

_WIRE_NAMES = {"client_order_id": "new_client_order_id", "quote": "quote_order_qty"}


class OrderTerms(TypedDict):
    """What every order may carry."""

    client_order_id: NotRequired[str | None]
    """Your own id; the client makes one if you give none."""
    stp_mode: NotRequired[StpMode | None]


class LimitTerms(OrderTerms):
    """An order at a price."""

    quantity: Decimal
    """In base."""
    price: Decimal


class MarketTerms(OrderTerms):
    """An order at whatever price; it takes one of the two."""

    quantity: NotRequired[Decimal | None]
    """In base."""
    quote: NotRequired[Decimal | None]
    """In quote."""


class Shortcuts:
    """The ways to place an order. Each returns once the exchange has it, and raises what it was refused with.

    Raises InvalidRequest or GuardRefused before anything is sent, InsufficientBalance, OrderRejected and the like
    where the exchange says no, OrderNotPlaced where an answer is missing and the order provably is not there, and
    OutcomeUnknown where that cannot be told in time: `mexc.orders.get(error.client_order_id)` then goes on looking.
    """

    async def place(self, order: NewOrder) -> TrackedOrder:
        """Place any order."""
        raise NotImplementedError

    async def _place(self, side: SideName, kind: OrderTypeName, symbol: str, terms: Mapping[str, Any]) -> TrackedOrder:
        named = {_WIRE_NAMES.get(name, name): value for name, value in terms.items()}
        return await self.place(NewOrder(symbol=symbol, side=side, type=kind, **named))

    async def limit_buy(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Buy at `price` or better; what does not trade rests."""
        return await self._place("BUY", "LIMIT", symbol, terms)

    async def limit_sell(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Sell at `price` or better; what does not trade rests."""
        return await self._place("SELL", "LIMIT", symbol, terms)

    async def maker_buy(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Rest at `price` to buy; refused if it would trade at once."""
        return await self._place("BUY", "LIMIT_MAKER", symbol, terms)

    async def maker_sell(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Rest at `price` to sell; refused if it would trade at once."""
        return await self._place("SELL", "LIMIT_MAKER", symbol, terms)

    async def ioc_buy(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Buy what is there at `price` or better; the rest is cancelled at once."""
        return await self._place("BUY", "IMMEDIATE_OR_CANCEL", symbol, terms)

    async def ioc_sell(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Sell what is wanted at `price` or better; the rest is cancelled at once."""
        return await self._place("SELL", "IMMEDIATE_OR_CANCEL", symbol, terms)

    async def fok_buy(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Buy all of it at `price` or better, or nothing."""
        return await self._place("BUY", "FILL_OR_KILL", symbol, terms)

    async def fok_sell(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Sell all of it at `price` or better, or nothing."""
        return await self._place("SELL", "FILL_OR_KILL", symbol, terms)

    async def market_buy(self, symbol: str, **terms: Unpack[MarketTerms]) -> TrackedOrder:
        """Buy `quantity` in base, or for `quote`, at whatever the book asks."""
        return await self._place("BUY", "MARKET", symbol, terms)

    async def market_sell(self, symbol: str, **terms: Unpack[MarketTerms]) -> TrackedOrder:
        """Sell `quantity` in base, or for `quote`, at whatever the book bids."""
        return await self._place("SELL", "MARKET", symbol, terms)
