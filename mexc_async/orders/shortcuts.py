"""Shortcuts to place an order, one method per kind, shared by `mexc.orders` and its sessions."""

from __future__ import annotations

from mexc_async.orders.handle import TrackedOrder
from mexc_async.schema.validation import Amount
from mexc_async.spot.enums import OrderTypeName, SideName, StpMode
from mexc_async.spot.trading import NewOrder


class Shortcuts:
    """One method per kind of order. Each returns once the exchange has the order, and raises its refusal.

    Raises InvalidRequest or GuardRefused before anything is sent, InsufficientBalance, OrderRejected and the like where
    the exchange refuses, OrderNotPlaced where the answer is missing and the order provably does not exist, and
    OutcomeUnknown where this cannot be settled in time: `mexc.orders.get(error.client_order_id)` then still tracks it.

    Args:
        symbol: symbol in upper case without separator, such as BTCUSDT.
        quantity: quantity in base.
        price: limit price in quote.
        quote: value in quote, for a market order without `quantity`.
        client_order_id: your own id; the client makes one if you give none.
        stp_mode: self-trade prevention.
    """

    async def place(self, order: NewOrder) -> TrackedOrder:
        """Place any order."""
        raise NotImplementedError

    async def _limit(
        self,
        side: SideName,
        kind: OrderTypeName,
        symbol: str,
        quantity: Amount,
        price: Amount,
        client_order_id: str | None,
        stp_mode: StpMode | None,
    ) -> TrackedOrder:
        return await self.place(
            NewOrder(
                symbol=symbol,
                side=side,
                type=kind,
                quantity=quantity,
                price=price,
                new_client_order_id=client_order_id,
                stp_mode=stp_mode,
            )
        )

    async def _market(
        self,
        side: SideName,
        symbol: str,
        quantity: Amount | None,
        quote: Amount | None,
        client_order_id: str | None,
        stp_mode: StpMode | None,
    ) -> TrackedOrder:
        return await self.place(
            NewOrder(
                symbol=symbol,
                side=side,
                type="MARKET",
                quantity=quantity,
                quote_order_qty=quote,
                new_client_order_id=client_order_id,
                stp_mode=stp_mode,
            )
        )

    async def limit_buy(
        self,
        symbol: str,
        *,
        quantity: Amount,
        price: Amount,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Buy at `price` or better; the rest stays in the book."""
        return await self._limit("BUY", "LIMIT", symbol, quantity, price, client_order_id, stp_mode)

    async def limit_sell(
        self,
        symbol: str,
        *,
        quantity: Amount,
        price: Amount,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Sell at `price` or better; the rest stays in the book."""
        return await self._limit("SELL", "LIMIT", symbol, quantity, price, client_order_id, stp_mode)

    async def maker_buy(
        self,
        symbol: str,
        *,
        quantity: Amount,
        price: Amount,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Place a buy order in the book at `price`; raises WouldTakeLiquidity if it would trade at once."""
        return await self._limit("BUY", "LIMIT_MAKER", symbol, quantity, price, client_order_id, stp_mode)

    async def maker_sell(
        self,
        symbol: str,
        *,
        quantity: Amount,
        price: Amount,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Place a sell order in the book at `price`; raises WouldTakeLiquidity if it would trade at once."""
        return await self._limit("SELL", "LIMIT_MAKER", symbol, quantity, price, client_order_id, stp_mode)

    async def ioc_buy(
        self,
        symbol: str,
        *,
        quantity: Amount,
        price: Amount,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Buy the quantity on offer at `price` or better; the rest is cancelled at once."""
        return await self._limit("BUY", "IMMEDIATE_OR_CANCEL", symbol, quantity, price, client_order_id, stp_mode)

    async def ioc_sell(
        self,
        symbol: str,
        *,
        quantity: Amount,
        price: Amount,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Sell the quantity in demand at `price` or better; the rest is cancelled at once."""
        return await self._limit("SELL", "IMMEDIATE_OR_CANCEL", symbol, quantity, price, client_order_id, stp_mode)

    async def fok_buy(
        self,
        symbol: str,
        *,
        quantity: Amount,
        price: Amount,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Buy all of it at `price` or better, or nothing."""
        return await self._limit("BUY", "FILL_OR_KILL", symbol, quantity, price, client_order_id, stp_mode)

    async def fok_sell(
        self,
        symbol: str,
        *,
        quantity: Amount,
        price: Amount,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Sell all of it at `price` or better, or nothing."""
        return await self._limit("SELL", "FILL_OR_KILL", symbol, quantity, price, client_order_id, stp_mode)

    async def market_buy(
        self,
        symbol: str,
        *,
        quantity: Amount | None = None,
        quote: Amount | None = None,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Buy `quantity` in base, or for `quote`, at any price in the book."""
        return await self._market("BUY", symbol, quantity, quote, client_order_id, stp_mode)

    async def market_sell(
        self,
        symbol: str,
        *,
        quantity: Amount | None = None,
        quote: Amount | None = None,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Sell `quantity` in base, or for `quote`, at any price in the book."""
        return await self._market("SELL", symbol, quantity, quote, client_order_id, stp_mode)
