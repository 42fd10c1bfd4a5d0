"""Shortcuts to place an order, one method per kind, shared by `mexc.orders` and its sessions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NotRequired, TypedDict, Unpack

from mexc_async.orders.handle import TrackedOrder
from mexc_async.spot.enums import OrderTypeName, SideName, StpMode
from mexc_async.spot.trading import NewOrder

_WIRE_NAMES = {"client_order_id": "new_client_order_id", "quote": "quote_order_qty"}


class OrderTerms(TypedDict):
    """Terms that every order may have."""

    client_order_id: NotRequired[str | None]
    """Your own id; the client makes one if you give none."""
    stp_mode: NotRequired[StpMode | None]


class LimitTerms(OrderTerms):
    """Terms of an order with a price."""

    quantity: Decimal
    """In base."""
    price: Decimal


class MarketTerms(OrderTerms):
    """Terms of a market order: one of the two."""

    quantity: NotRequired[Decimal | None]
    """In base."""
    quote: NotRequired[Decimal | None]
    """In quote."""


class Shortcuts:
    """One method per kind of order. Each returns once the exchange has the order, and raises its refusal.

    Raises InvalidRequest or GuardRefused before anything is sent, InsufficientBalance, OrderRejected and the like where
    the exchange refuses, OrderNotPlaced where the answer is missing and the order provably does not exist, and
    OutcomeUnknown where this cannot be settled in time: `mexc.orders.get(error.client_order_id)` then still tracks it.
    """

    async def place(self, order: NewOrder) -> TrackedOrder:
        """Place any order."""
        raise NotImplementedError

    async def _place(self, side: SideName, kind: OrderTypeName, symbol: str, terms: Mapping[str, Any]) -> TrackedOrder:
        named = {_WIRE_NAMES.get(name, name): value for name, value in terms.items()}
        return await self.place(NewOrder(symbol=symbol, side=side, type=kind, **named))

    async def limit_buy(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Buy at `price` or better; the rest stays in the book."""
        return await self._place("BUY", "LIMIT", symbol, terms)

    async def limit_sell(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Sell at `price` or better; the rest stays in the book."""
        return await self._place("SELL", "LIMIT", symbol, terms)

    async def maker_buy(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Place a buy order in the book at `price`; refused if it would trade at once."""
        return await self._place("BUY", "LIMIT_MAKER", symbol, terms)

    async def maker_sell(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Place a sell order in the book at `price`; refused if it would trade at once."""
        return await self._place("SELL", "LIMIT_MAKER", symbol, terms)

    async def ioc_buy(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Buy the quantity on offer at `price` or better; the rest is cancelled at once."""
        return await self._place("BUY", "IMMEDIATE_OR_CANCEL", symbol, terms)

    async def ioc_sell(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Sell the quantity in demand at `price` or better; the rest is cancelled at once."""
        return await self._place("SELL", "IMMEDIATE_OR_CANCEL", symbol, terms)

    async def fok_buy(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Buy all of it at `price` or better, or nothing."""
        return await self._place("BUY", "FILL_OR_KILL", symbol, terms)

    async def fok_sell(self, symbol: str, **terms: Unpack[LimitTerms]) -> TrackedOrder:
        """Sell all of it at `price` or better, or nothing."""
        return await self._place("SELL", "FILL_OR_KILL", symbol, terms)

    async def market_buy(self, symbol: str, **terms: Unpack[MarketTerms]) -> TrackedOrder:
        """Buy `quantity` in base, or for `quote`, at any price in the book."""
        return await self._place("BUY", "MARKET", symbol, terms)

    async def market_sell(self, symbol: str, **terms: Unpack[MarketTerms]) -> TrackedOrder:
        """Sell `quantity` in base, or for `quote`, at any price in the book."""
        return await self._place("SELL", "MARKET", symbol, terms)
