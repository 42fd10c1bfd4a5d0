"""Settlement of matches: quote and base change hands, and each user pays a fee to the exchange."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal

from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.assumptions import MX_DISCOUNT
from mexc_async.sim.exchange.balances import Balances
from mexc_async.sim.exchange.market_state import Market, worth_in_usdt
from mexc_async.sim.exchange.matching import Match
from mexc_async.sim.exchange.orders import Order, OrderRequest

HOUSE = "house"
"""Balances of the background market and the tape; unbounded."""
FEES = "fees"
"""Balances of the fees that the exchange charged."""
CHAIN = "chain"
"""Balances outside the exchange: deposits come from them and withdrawals go to them; unbounded."""

_MX_STEP = Decimal("0.00000001")
_MX_QUOTE = "USDT"
ZERO = Decimal(0)


class Settlement:
    """Settlement of matches and adjustment of the orders' holds."""

    def __init__(self, balances: Balances, markets: Mapping[str, Market], mx_price: Decimal | None = None) -> None:
        """Take the price of MX in USDT for an exchange that does not list MXUSDT."""
        self._balances = balances
        self._markets = markets
        self._mx_price = mx_price

    def fee_rate(self, account: Account, market: Market, *, is_maker: bool) -> Decimal:
        """Return the account's fee ratio for this symbol."""
        own = account.maker_fee if is_maker else account.taker_fee
        if own is not None:
            return own
        if tier := account.tier:
            return tier.maker_fee if is_maker else tier.taker_fee
        return market.rules.maker_fee if is_maker else market.rules.taker_fee

    def cost_rate(self, account: Account, market: Market) -> Decimal:
        """Return the quote to hold per quote of a buy's value: 1 plus the higher of the two fee ratios."""
        maker = self.fee_rate(account, market, is_maker=True)
        return 1 + max(maker, self.fee_rate(account, market, is_maker=False))

    def hold_for(self, account: Account, market: Market, request: OrderRequest, plan: Match) -> tuple[str, Decimal]:
        """Return the asset and amount to hold. A limit buy holds value and fee, a market buy its exact cost."""
        if request.side == "SELL":
            by_value = request.quantity is None
            return market.rules.base, plan.quantity if by_value else request.quantity or ZERO
        rate = self.cost_rate(account, market)
        if request.type == "MARKET":
            return market.rules.quote, plan.value * rate
        return market.rules.quote, (request.price or ZERO) * (request.quantity or ZERO) * rate

    def exchange(
        self, market: Market, buyer: Order | None, seller: Order | None, price: Decimal, quantity: Decimal
    ) -> None:
        """Swap quote for base between two orders. None stands for the background market."""
        rules = market.rules
        value = price * quantity
        payer = HOUSE if buyer is None else buyer.account
        giver = HOUSE if seller is None else seller.account
        self._balances.pay(payer, giver, rules.quote, value, from_locked=buyer is not None)
        self._balances.pay(giver, payer, rules.base, quantity, from_locked=seller is not None)
        if buyer is not None:
            buyer.held -= value
        if seller is not None:
            seller.held -= quantity

    def charge(
        self, market: Market, order: Order, account: Account, value: Decimal, *, is_maker: bool
    ) -> tuple[Decimal, str]:
        """Charge the fee of one fill and return it with its asset: quote, or MX if the account pays in MX."""
        fee = value * self.fee_rate(account, market, is_maker=is_maker)
        quote = market.rules.quote
        if account.fee_tiers:
            account.traded += value * (worth_in_usdt(quote, self._markets) or ZERO)
        if not fee:
            return ZERO, quote
        if account.mx_deduct:
            in_mx = self._in_mx(fee, quote)
            if in_mx is not None and self._balances.balance(account.uid, "MX").free >= in_mx:
                self._balances.pay(account.uid, FEES, "MX", in_mx)
                return in_mx, "MX"
        is_buyer = order.side == "BUY"
        self._balances.pay(account.uid, FEES, quote, fee, from_locked=is_buyer)
        if is_buyer:
            order.held -= fee
        return fee, quote

    def trim_hold(self, market: Market, order: Order, account: Account) -> None:
        """Release the part of an order's hold that it no longer needs, after better prices, lower fees or its end."""
        needed = ZERO
        if order.is_open:
            needed = order.remaining
            if order.side == "BUY":
                needed *= order.price * self.cost_rate(account, market)
        self._balances.release(account.uid, order.hold_asset, order.held - needed)
        order.held = needed

    def _in_mx(self, fee: Decimal, quote: str) -> Decimal | None:
        market = self._markets.get("MX" + _MX_QUOTE)
        price = self._mx_price if market is None else market.last_price
        if quote != _MX_QUOTE or price is None:
            return None
        return (fee * MX_DISCOUNT / price).quantize(_MX_STEP, rounding=ROUND_UP)
