"""The ways to place an order, one method each: what `mexc.orders` and its sessions share."""

from __future__ import annotations

from decimal import Decimal

from mexc_async.net.tracked_order import TrackedOrder
from mexc_async.spot.enums import OrderTypeName, SideName, StpMode
from mexc_async.spot.trading import NewOrder


class Placing:
    """The ways to place an order. Each returns once the exchange has it, and raises what it was refused with.

    Raises InvalidRequest or GuardRefused before anything is sent, InsufficientBalance, OrderRejected and the like
    where the exchange says no, OrderNotPlaced where an answer is missing and the order provably is not there, and
    OutcomeUnknown where that cannot be told in time: `mexc.orders.get(error.client_order_id)` then goes on looking.
    """

    async def place(self, order: NewOrder) -> TrackedOrder:
        """Place any order."""
        raise NotImplementedError

    async def _place(
        self,
        side: SideName,
        kind: OrderTypeName,
        symbol: str,
        quantity: Decimal | None,
        price: Decimal | None,
        client_order_id: str | None,
        stp_mode: StpMode | None,
        quote: Decimal | None = None,
    ) -> TrackedOrder:
        return await self.place(
            NewOrder(
                symbol=symbol,
                side=side,
                type=kind,
                quantity=quantity,
                price=price,
                quote_order_qty=quote,
                new_client_order_id=client_order_id,
                stp_mode=stp_mode,
            )
        )

    async def limit_buy(
        self,
        symbol: str,
        *,
        quantity: Decimal,
        price: Decimal,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Buy at `price` or better; what does not trade rests."""
        return await self._place("BUY", "LIMIT", symbol, quantity, price, client_order_id, stp_mode)

    async def limit_sell(
        self,
        symbol: str,
        *,
        quantity: Decimal,
        price: Decimal,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Sell at `price` or better; what does not trade rests."""
        return await self._place("SELL", "LIMIT", symbol, quantity, price, client_order_id, stp_mode)

    async def maker_buy(
        self,
        symbol: str,
        *,
        quantity: Decimal,
        price: Decimal,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Rest at `price` to buy; refused if it would trade at once."""
        return await self._place("BUY", "LIMIT_MAKER", symbol, quantity, price, client_order_id, stp_mode)

    async def maker_sell(
        self,
        symbol: str,
        *,
        quantity: Decimal,
        price: Decimal,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Rest at `price` to sell; refused if it would trade at once."""
        return await self._place("SELL", "LIMIT_MAKER", symbol, quantity, price, client_order_id, stp_mode)

    async def ioc_buy(
        self,
        symbol: str,
        *,
        quantity: Decimal,
        price: Decimal,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Buy what is there at `price` or better; the rest is cancelled at once."""
        return await self._place("BUY", "IMMEDIATE_OR_CANCEL", symbol, quantity, price, client_order_id, stp_mode)

    async def ioc_sell(
        self,
        symbol: str,
        *,
        quantity: Decimal,
        price: Decimal,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Sell what is wanted at `price` or better; the rest is cancelled at once."""
        return await self._place("SELL", "IMMEDIATE_OR_CANCEL", symbol, quantity, price, client_order_id, stp_mode)

    async def fok_buy(
        self,
        symbol: str,
        *,
        quantity: Decimal,
        price: Decimal,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Buy all of it at `price` or better, or nothing."""
        return await self._place("BUY", "FILL_OR_KILL", symbol, quantity, price, client_order_id, stp_mode)

    async def fok_sell(
        self,
        symbol: str,
        *,
        quantity: Decimal,
        price: Decimal,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Sell all of it at `price` or better, or nothing."""
        return await self._place("SELL", "FILL_OR_KILL", symbol, quantity, price, client_order_id, stp_mode)

    async def market_buy(
        self,
        symbol: str,
        *,
        quantity: Decimal | None = None,
        quote: Decimal | None = None,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Buy `quantity` in base, or for `quote`, at whatever the book asks."""
        return await self._place("BUY", "MARKET", symbol, quantity, None, client_order_id, stp_mode, quote)

    async def market_sell(
        self,
        symbol: str,
        *,
        quantity: Decimal | None = None,
        quote: Decimal | None = None,
        client_order_id: str | None = None,
        stp_mode: StpMode | None = None,
    ) -> TrackedOrder:
        """Sell `quantity` in base, or for `quote`, at whatever the book bids."""
        return await self._place("SELL", "MARKET", symbol, quantity, None, client_order_id, stp_mode, quote)
