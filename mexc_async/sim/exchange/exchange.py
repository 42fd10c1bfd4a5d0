"""The exchange: accounts, orders, matching, balances and history of every symbol.

Nothing here reads a clock or waits: the time is an argument, and each command succeeds completely or changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import ROUND_DOWN, Decimal

from mexc_async.sim.exchange import assumptions, order_checks
from mexc_async.sim.exchange.accounts import DEFAULT_BALANCES, Account, AccountSpec, key_of
from mexc_async.sim.exchange.balances import Balances, BalanceTooLow
from mexc_async.sim.exchange.events import (
    BookEvent,
    DealEvent,
    Event,
    Subscriber,
    TradeEvent,
    balance_events,
    order_event,
)
from mexc_async.sim.exchange.history import Trade
from mexc_async.sim.exchange.keys import KeyRing
from mexc_async.sim.exchange.market_state import Market
from mexc_async.sim.exchange.matching import Fill, Match, Prevention, RestingOrder, Side, opposite
from mexc_async.sim.exchange.orders import FILLED, AccountTrade, Order, OrderRequest
from mexc_async.sim.exchange.refusals import Refusal, invalid_symbol
from mexc_async.sim.exchange.settlement import FEES, HOUSE, Settlement
from mexc_async.sim.exchange.stp_groups import StpGroups
from mexc_async.sim.exchange.symbols import SymbolFilters

ZERO = Decimal(0)

_FIRST_ORDER = 342252993005723644225
_FIRST_TRADE = 505979017439002624
_FIRST_UID = 20930283
_NO_REASONS: Mapping[str, str] = {}


class Exchange:
    """A spot exchange in memory."""

    def __init__(
        self,
        symbols: Iterable[SymbolFilters],
        *,
        seed: int,
        now_ms: int,
        recorded: Collection[str] = (),
        mx_price: Decimal | None = None,
    ) -> None:
        """List `symbols`, of which `recorded` follow a recording. Without MXUSDT, fees in MX go by `mx_price`."""
        self.markets = {
            rules.symbol: Market(rules, str(seed), now_ms, is_recorded=rules.symbol in recorded) for rules in symbols
        }
        self.balances = Balances()
        self.balances.open(HOUSE, {}, unbounded=True)
        self.balances.open(FEES, {})
        self.accounts: dict[str, Account] = {}
        """Accounts by uid."""
        self.stp_groups = StpGroups()
        self.keys = KeyRing(seed)
        self._orders: dict[str, Order] = {}
        self._settlement = Settlement(self.balances, self.markets, mx_price)
        self._subscribers: list[Subscriber] = []
        self._events: list[Event] = []
        self.fill_count = 0
        """Number of the accounts' fills so far."""
        self._order_count = 0
        self._trade_count = 0

    @property
    def has_orders(self) -> bool:
        """True if an account has an open order."""
        return bool(self._orders)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with every event after each command, from now on. Return a function that ends this."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    # Accounts

    def open_account(self, spec: AccountSpec, now_ms: int, extra: Mapping[str, Decimal] | None = None) -> Account:
        """Open an account. Without balances of its own it gets the default ones and `extra`.

        Raises ValueError if its API key is in use.
        """
        account = Account.of(self.next_uid(), spec, now_ms)
        self.keys.add(key_of(spec, account.uid, now_ms))
        usual = {**(extra or {}), **DEFAULT_BALANCES}
        self.add_account(account, usual if spec.balances is None else spec.balances)
        account.inviter = next((each for each in self.accounts.values() if each.name == spec.invited_by), None)
        return account

    def add_account(self, account: Account, balances: Mapping[str, Decimal]) -> None:
        """Open an account's spot wallet with `balances`, and an empty futures wallet."""
        self.balances.open(account.uid, balances)
        self.balances.open(account.futures, {})
        self.accounts[account.uid] = account

    def next_uid(self) -> str:
        """Return the uid of the next account to open."""
        return str(_FIRST_UID + len(self.accounts))

    def market(self, symbol: str) -> Market:
        """Return the symbol's market. Raises Refusal -1121."""
        found = self.markets.get(symbol)
        if found is None:
            raise invalid_symbol()
        return found

    def fee_rates(self, account: Account, market: Market) -> tuple[Decimal, Decimal]:
        """Return the account's (maker, taker) fee ratios for this symbol."""
        rate = self._settlement.fee_rate
        return rate(account, market, is_maker=True), rate(account, market, is_maker=False)

    # Orders

    def check(self, account: Account, request: OrderRequest) -> Market:
        """Make all checks of `place` except the balance and the state of the book. Raises Refusal."""
        order_checks.check_fields(request)
        market = self.market(request.symbol)
        rules = market.rules
        order_checks.check_state(request, rules)
        order_checks.check_numbers(request, rules, market.last_price)
        order_checks.check_band(request, rules, market.last_price)
        order_checks.check_account(request, account)
        return market

    def place(self, account: Account, request: OrderRequest, now_ms: int) -> Order:
        """Place an order: match it, then rest or cancel the remainder. Raises Refusal and then changes nothing."""
        market = self.check(account, request)
        request = order_checks.in_steps(request, market.tick, market.step)
        is_market = request.type == "MARKET"
        if request.type == "LIMIT_MAKER" and request.price and market.book.crosses(request.side, request.price):
            raise Refusal(assumptions.POST_ONLY_WOULD_TRADE, "The order would trade at once and is post only.")
        if is_market and market.top(opposite(request.side)) is None:
            raise Refusal(assumptions.NO_OPPOSING_ORDER, "There is no opposing order.")
        plan = market.book.plan(
            request.side,
            request.price,
            request.quantity,
            request.quote_quantity,
            self._prevention(account, request.stp_mode),
        )
        asset, amount = self._settlement.hold_for(account, market, request, plan)
        try:
            self.balances.hold(account.uid, asset, amount)
        except BalanceTooLow:
            if request.side == "BUY":
                raise Refusal(assumptions.BUY_WITHOUT_BALANCE, "Insufficient position") from None
            raise Refusal(assumptions.SELL_WITHOUT_BALANCE, "Oversold") from None
        order = self._accept(account, market, request, now_ms)
        order.hold_asset, order.held = asset, amount
        if request.type == "FILL_OR_KILL" and plan.left:
            plan = Match([], [], False, plan.left)
        self.execute(market, order, account, plan, now_ms)
        self._finish(market, order, account, plan, now_ms)
        self.publish(market, now_ms)
        return order

    def cancel(self, orders: Iterable[Order], now_ms: int) -> list[Order]:
        """Cancel the open ones among `orders` in this order, and return them."""
        cancelled = [order for order in orders if order.is_open]
        for order in cancelled:
            self._close(self.markets[order.symbol], order, now_ms)
        for symbol in dict.fromkeys(order.symbol for order in cancelled):
            self.publish(self.markets[symbol], now_ms)
        return cancelled

    # The background market

    def quote(self, market: Market, side: Side, price: Decimal, quantity: Decimal, now_ms: int) -> None:
        """Set the background market's quantity at `price`, and match it against the users' orders that it crosses.

        The background market's own levels on the other side that it would cross are withdrawn. A level that shrinks
        keeps its place in the queue. One that grows goes to the end.
        """
        own = market.house(side).get(price)
        if own is not None and 0 < quantity <= own.quantity:
            if quantity < own.quantity:
                market.book.half(side).reduce(own, own.quantity - quantity)
                self.publish(market, now_ms)
            return
        if own is not None:
            del market.house(side)[price]
            market.book.remove(own)
        if quantity and market.book.crosses(side, price):
            self._withdraw_crossed(market, side, price)
            plan = market.book.plan(side, price, quantity)
            self.execute(market, None, None, plan, now_ms, side)
            quantity = plan.left
        if quantity:
            entry = RestingOrder(HOUSE, "", side, price, quantity)
            market.house(side)[price] = entry
            market.book.rest(entry)
        self.publish(market, now_ms)

    def open_book(self, market: Market, levels: Callable[[Side], Mapping[Decimal, Decimal]], now_ms: int) -> None:
        """Fill an empty book with levels of the background market, in one change: drawn when somebody looks at it."""

        def orders(side: Side) -> list[RestingOrder]:
            return [RestingOrder(HOUSE, "", side, price, quantity) for price, quantity in levels(side).items()]

        market.open(orders, now_ms)
        if self._subscribers:
            bids, asks = tuple(levels("BUY").items()), tuple(levels("SELL").items())
            self._events.append(BookEvent(market.rules.symbol, market.version, now_ms, bids, asks))
            self.report(now_ms)

    def take(
        self, market: Market, side: Side, limit: Decimal, quantity: Decimal, now_ms: int, *, must: bool = False
    ) -> None:
        """Match a background order against the orders within `limit`, and drop the remainder.

        With `must`, the remainder is still published as a trade at `limit`, because a recorded trade took place.
        """
        plan = market.book.plan(side, limit, quantity)
        self.execute(market, None, None, plan, now_ms, side)
        if must and plan.left:
            self.print_trade(market, limit, plan.left, side, now_ms)
        self.publish(market, now_ms)

    def meet(self, order: Order, part: float, now_ms: int) -> None:
        """Fill `part` of an order's remainder, at least one step, out of turn, with the background market."""
        market = self.markets[order.symbol]
        if order.entry is None:
            return
        share = (order.remaining * Decimal(str(part))).quantize(market.step, rounding=ROUND_DOWN)
        plan = Match([Fill(order.entry, order.price, max(share, market.step))], [], False, ZERO)
        self.execute(market, None, None, plan, now_ms, opposite(order.side))
        self.publish(market, now_ms)

    def _withdraw_crossed(self, market: Market, side: Side, price: Decimal) -> None:
        against = market.book.half(opposite(side))
        house = market.house(opposite(side))
        for other in list(against.prices()):
            if not against.reaches(other, price):
                return
            crossed = house.pop(other, None)
            if crossed is not None:
                market.book.remove(crossed)

    # Steps of a command

    def _prevention(self, account: Account, mode: str) -> Prevention | None:
        if not mode:
            return None
        mates = self.stp_groups.mates(account.uid)
        return Prevention(mode, mates.__contains__) if mates else None

    def _accept(self, account: Account, market: Market, request: OrderRequest, now_ms: int) -> Order:
        self._order_count += 1
        price = market.last_price if request.price is None else request.price
        order = Order(f"C02__{_FIRST_ORDER + self._order_count}", account.uid, request, price, now_ms)
        account.add_order(order)
        account.open_orders[order.order_id] = order
        self._orders[order.order_id] = order
        self._report_order(order, now_ms)
        return order

    def execute(
        self,
        market: Market,
        taker: Order | None,
        taker_account: Account | None,
        plan: Match,
        now_ms: int,
        side: Side | None = None,
    ) -> None:
        """Apply a plan to book, balances, orders and history. `side` is the taker's side if the taker is no order."""
        taker_side: Side = taker.side if taker is not None else side or "BUY"
        market.book.apply(plan)
        for fill in plan.fills:
            self._fill(market, taker, taker_account, taker_side, fill, now_ms)
        for entry in plan.prevented:
            prevented = self._orders[entry.order_id]
            self._close(market, prevented, now_ms, "stp_cancel")

    def _fill(
        self,
        market: Market,
        taker: Order | None,
        taker_account: Account | None,
        taker_side: Side,
        fill: Fill,
        now_ms: int,
    ) -> None:
        maker = self._orders.get(fill.maker.order_id)
        buyer, seller = (taker, maker) if taker_side == "BUY" else (maker, taker)
        self._settlement.exchange(market, buyer, seller, fill.price, fill.quantity)
        trade = self.print_trade(market, fill.price, fill.quantity, taker_side, now_ms)
        is_self = taker is not None and maker is not None and taker.account == maker.account
        if taker is not None and taker_account is not None:
            self._credit(market, taker, taker_account, trade, is_maker=False, is_self=is_self)
        if maker is not None:
            account = self.accounts[maker.account]
            self._credit(market, maker, account, trade, is_maker=True, is_self=is_self)
            if not maker.is_open:
                self._forget(maker, account)
            self._settlement.trim_hold(market, maker, account)
        else:
            market.house_traded(fill.maker, fill.quantity, now_ms, with_user=taker is not None)

    def print_trade(self, market: Market, price: Decimal, quantity: Decimal, taker_side: Side, now_ms: int) -> Trade:
        """Record and publish a trade, and return it."""
        self._trade_count += 1
        trade = Trade(_FIRST_TRADE + self._trade_count, price, quantity, now_ms, taker_side == "SELL")
        market.last_price = price
        market.history.record(trade)
        if self._subscribers:
            self._events.append(TradeEvent(market.rules.symbol, trade))
        return trade

    def _credit(
        self, market: Market, order: Order, account: Account, trade: Trade, *, is_maker: bool, is_self: bool
    ) -> None:
        """Book one order's part of a trade: its totals, its fee and the account's fill."""
        value = trade.price * trade.quantity
        order.count_fill(trade.price, trade.quantity, trade.time_ms)
        fee, fee_asset = self._settlement.charge(market, order, account, value, is_maker=is_maker)
        own = AccountTrade(
            trade_id=f"{trade.trade_id}X{2 if is_maker else 1}",
            order_id=order.order_id,
            client_id=order.client_id,
            account=account.uid,
            symbol=order.symbol,
            price=trade.price,
            quantity=trade.quantity,
            value=value,
            fee=fee,
            fee_asset=fee_asset,
            time_ms=trade.time_ms,
            is_buyer=order.side == "BUY",
            is_maker=is_maker,
            is_self_trade=is_self,
        )
        account.add_trade(own)
        self.fill_count += 1
        if self._subscribers:
            self._events.append(DealEvent(account.uid, own))
            self._report_order(order, trade.time_ms, own)

    def _finish(self, market: Market, order: Order, account: Account, plan: Match, now_ms: int) -> None:
        """Rest, cancel or complete the remainder of an incoming order."""
        if not order.quantity and order.executed and market.top(opposite(order.side)) is not None:
            order.status = FILLED  # sized by value: the remainder does not buy one more step
            self._report_order(order, now_ms)
        if order.status == FILLED:
            self._forget(order, account)
        elif order.type in ("LIMIT", "LIMIT_MAKER") and not plan.taker_prevented:
            order.entry = RestingOrder(account.uid, order.order_id, order.side, order.price, order.remaining)
            market.book.rest(order.entry)
        else:
            self._close(market, order, now_ms, "stp_cancel" if plan.taker_prevented else None)
        self._settlement.trim_hold(market, order, account)

    def _close(self, market: Market, order: Order, now_ms: int, reason: str | None = None) -> None:
        """Close an open order, release its hold and remove it from the book."""
        account = self.accounts[order.account]
        if order.entry is not None:
            market.book.remove(order.entry)
        order.close(now_ms, reason)
        self._forget(order, account)
        self._settlement.trim_hold(market, order, account)
        self._report_order(order, now_ms)

    def _forget(self, order: Order, account: Account) -> None:
        """Drop a closed order from the open orders. The account still stores it."""
        order.entry = None
        account.open_orders.pop(order.order_id, None)
        self._orders.pop(order.order_id, None)

    # Events

    def _report_order(self, order: Order, now_ms: int, fill: AccountTrade | None = None) -> None:
        if self._subscribers:
            self._events.append(order_event(order, now_ms, fill))

    def publish(self, market: Market, now_ms: int) -> None:
        """End a command: increment the book's version if the book changed, and report the events."""
        book = market.book
        if book.bids.touched or book.asks.touched:
            bids, asks = book.bids.take_changes(), book.asks.take_changes()
            market.version += 1
            market.changed_ms = now_ms
            if self._subscribers:
                self._events.append(BookEvent(market.rules.symbol, market.version, now_ms, bids, asks))
        self.report(now_ms)

    def report(self, now_ms: int, reasons: Mapping[str, str] = _NO_REASONS) -> None:
        """Send the subscribers the events since the last call, and the balance changes they made.

        Code that moves money outside the markets calls this afterwards. `reasons` maps accounts to MEXC's change types.
        """
        touched = self.balances.take_touched()
        if not self._subscribers:
            return
        events, self._events = self._events, []
        if touched:
            events += balance_events(self.balances, self.accounts, touched, events, now_ms, reasons)
        subscribers = tuple(self._subscribers)
        for event in events:
            for subscriber in subscribers:
                subscriber(event)
