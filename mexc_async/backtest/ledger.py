"""Records what an exchange books during a run, and values it: the truth, whatever the client believes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Context, Decimal

from mexc_async.backtest.result import Drawdown, RunBalance, RunFill, RunOrder, normal
from mexc_async.sim.exchange.accounts import Account
from mexc_async.sim.exchange.events import DealEvent, Event, OrderEvent
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.market_state import Market
from mexc_async.sim.exchange.orders import AccountTrade

ZERO = Decimal(0)
_EXACT = Context(prec=120)
_RATIO = Context(prec=28)
# Operators would round to the precision of the strategy, in whose task an order is matched.
_add, _subtract, _multiply, _divide = _EXACT.add, _EXACT.subtract, _EXACT.multiply, _RATIO.divide


class Prices:
    """Prices of assets in one quote asset, over as few markets as possible."""

    def __init__(self, markets: Iterable[Market], quote: str) -> None:
        self._routes: dict[str, tuple[tuple[Market, bool], ...]] = {quote: ()}
        self._routes |= _routes(tuple(markets), quote)

    def price(self, asset: str) -> Decimal | None:
        """Return the present price by the last trades; None if no market leads to the quote asset."""
        route = self._routes.get(asset)
        if route is None:
            return None
        price = Decimal(1)
        for market, is_bought in route:
            price = _divide(price, market.last_price) if is_bought else _multiply(price, market.last_price)
        return price


def _routes(markets: tuple[Market, ...], quote: str) -> dict[str, tuple[tuple[Market, bool], ...]]:
    """Return the shortest way from each asset to `quote`: markets, and True where the asset is a market's quote."""
    routes: dict[str, tuple[tuple[Market, bool], ...]] = {quote: ()}
    found = deque([quote])
    while found:
        asset = found.popleft()
        for market in markets:
            rules = market.rules
            for here, there, is_bought in ((rules.quote, rules.base, False), (rules.base, rules.quote, True)):
                if here == asset and there not in routes:
                    routes[there] = ((market, is_bought), *routes[asset])
                    found.append(there)
    return routes


class Ledger:
    """Record of every order, fill and balance of all accounts of one exchange, from its start on.

    The simulator moves it as a part of its market (`Watcher`), so that a sample is taken before any request of the
    same millisecond.
    """

    def __init__(self, quote: str, sample_s: float) -> None:
        """Value everything in `quote`, and every `sample_s` seconds of the exchange's time."""
        self._quote = quote
        self._sample_ms = round(sample_s * 1000)
        self._orders: dict[str, OrderEvent] = {}
        self._fills: list[AccountTrade] = []
        self.equity: list[tuple[int, Decimal]] = []
        """(time, profit) at each sample."""
        self.capital = ZERO
        """Value of all balances at the start."""

    def begin(self, exchange: Exchange, now_ms: int) -> None:
        """Start to record."""
        self._exchange = exchange
        self._prices = Prices(exchange.markets.values(), self._quote)
        self._start = self._totals()
        self._peak = self._low = (ZERO, now_ms)
        """(profit, time) of the last peak, and of the lowest point after it."""
        self._worst = (self._peak, self._peak)
        self._next_ms = now_ms
        for (_, asset), amount in self._start.items():
            self.capital = _add(self.capital, self._value(asset, amount))
        exchange.subscribe(self._on_event)

    @property
    def due_ms(self) -> float:
        """Time of the next sample."""
        return self._next_ms

    def advance(self, now_ms: int) -> None:
        """Add the present profit to the equity curve if a sample is due."""
        if now_ms >= self._next_ms:
            self._next_ms += (1 + (now_ms - self._next_ms) // self._sample_ms) * self._sample_ms
            self.sample(now_ms)

    def pause(self, ms: int) -> None:
        """Do nothing: the curve has a point for an exchange that is down too."""

    def sample(self, now_ms: int) -> None:
        """Add the present profit to the equity curve."""
        profit = self.profit()
        self._mark(profit, now_ms)
        self.equity.append((now_ms, normal(profit)))

    def _on_event(self, event: Event) -> None:
        if isinstance(event, OrderEvent):
            self._orders[event.order_id] = event
        elif isinstance(event, DealEvent):
            self._fills.append(event.trade)
            self._mark(self.profit(), event.trade.time_ms)

    def _mark(self, profit: Decimal, now_ms: int) -> None:
        if profit > self._peak[0]:
            self._peak = self._low = (profit, now_ms)
        elif profit < self._low[0]:
            self._low = (profit, now_ms)
            peak, low = self._worst
            if _subtract(self._peak[0], profit) > _subtract(peak[0], low[0]):
                self._worst = (self._peak, self._low)

    def profit(self) -> Decimal:
        """Return the value of what changed in the balances since the start, at the last prices."""
        profit = ZERO
        for asset, amount in self._changes():
            profit = _add(profit, self._value(asset, amount))
        return profit

    def _changes(self) -> list[tuple[str, Decimal]]:
        """Return the change of each asset over all accounts since the start."""
        changes: dict[str, Decimal] = {}
        for key, amount in self._totals().items():
            if change := _subtract(amount, self._start.get(key, ZERO)):
                changes[key[1]] = _add(changes.get(key[1], ZERO), change)
        return [(asset, amount) for asset, amount in changes.items() if amount]

    def _totals(self) -> dict[tuple[str, str], Decimal]:
        """Return free and locked amounts of each (account's uid, asset), in both wallets."""
        totals: dict[tuple[str, str], Decimal] = {}
        balances = self._exchange.balances
        for account in self._exchange.accounts.values():
            for wallet in (account.uid, account.futures):
                for asset, one in balances.balances(wallet).items():
                    amount = _add(one.free, one.locked) if one.locked else one.free
                    known = totals.get((account.uid, asset))
                    totals[account.uid, asset] = amount if known is None else _add(known, amount)
        return totals

    def _value(self, asset: str, amount: Decimal) -> Decimal:
        price = self._prices.price(asset)
        return ZERO if price is None else _multiply(amount, price)

    # The result

    def orders(self) -> tuple[RunOrder, ...]:
        """Return every order in its last state, in the order in which they were accepted."""
        return tuple(self._order(event) for event in self._orders.values())

    def _order(self, event: OrderEvent) -> RunOrder:
        return RunOrder(
            account=self._name(event.account),
            order_id=event.order_id,
            client_order_id=event.client_id,
            symbol=event.symbol,
            side=event.side,
            type=event.type,
            price=normal(event.price),
            quantity=normal(event.quantity),
            quote_quantity=normal(event.quote_quantity),
            status=event.status,
            filled_quantity=normal(event.executed),
            filled_quote_quantity=normal(event.executed_value),
            created_time=event.created_ms,
            updated_time=event.time_ms,
        )

    def fills(self) -> tuple[RunFill, ...]:
        """Return every fill, oldest first."""
        return tuple(
            RunFill(
                account=self._name(made.account),
                trade_id=made.trade_id,
                order_id=made.order_id,
                symbol=made.symbol,
                side="BUY" if made.is_buyer else "SELL",
                price=normal(made.price),
                quantity=normal(made.quantity),
                quote_quantity=normal(made.value),
                fee=normal(made.fee),
                fee_asset=made.fee_asset,
                is_maker=made.is_maker,
                time=made.time_ms,
            )
            for made in self._fills
        )

    def balances(self) -> tuple[RunBalance, ...]:
        """Return the balances that are or were not zero, by account and asset."""
        return tuple(
            one
            for account in self._exchange.accounts.values()
            for asset in sorted({asset for uid, asset in self._totals() if uid == account.uid})
            if (one := self._balance(account, asset)).start or one.free or one.locked
        )

    def _balance(self, account: Account, asset: str) -> RunBalance:
        wallets = [self._exchange.balances.balance(name, asset) for name in (account.uid, account.futures)]
        return RunBalance(
            account=account.name,
            asset=asset,
            start=normal(self._start.get((account.uid, asset), ZERO)),
            free=normal(_add(wallets[0].free, wallets[1].free)),
            locked=normal(_add(wallets[0].locked, wallets[1].locked)),
        )

    def _name(self, uid: str) -> str:
        return self._exchange.accounts[uid].name

    def drawdown(self) -> Drawdown:
        """Return the largest fall from a peak, at the samples and fills so far."""
        (peak, peak_ms), (low, low_ms) = self._worst
        amount, height = _subtract(peak, low), _add(self.capital, peak)
        ratio = _divide(amount, height) if height > 0 else ZERO
        return Drawdown(amount=normal(amount), ratio=round(ratio, 8), peak_time=peak_ms, low_time=low_ms)

    def warnings(self) -> list[str]:
        """Name the assets whose change no market can value."""
        return [
            f"profit leaves out {normal(amount):+f} {asset}: no market leads from {asset} to {self._quote}"
            for asset, amount in self._changes()
            if self._prices.price(asset) is None
        ]
