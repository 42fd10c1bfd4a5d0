"""Observer of the exchange during a seed: what it did with each order, and the guard's limits at every moment."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import inf

from mexc_async.backtest.rehearsal.outcome import Breach
from mexc_async.risk.risk_limits import GuardLimits
from mexc_async.sim.exchange.events import Event, OrderEvent
from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.orders import NEW, PARTIALLY_FILLED


class Watch:
    """Record of the orders of all accounts, and a check of each new one."""

    def __init__(self, now_ms: Callable[[], int], limits_of: Callable[[str], GuardLimits | None]) -> None:
        """`limits_of` returns the guard's limits of the account with a uid, None without a guard."""
        self.events: list[tuple[int, OrderEvent]] = []
        """News of orders, each with its time."""
        self._now_ms = now_ms
        self.breaches: list[Breach] = []
        """Breaches of the guard's limits."""
        self.due_ms = inf
        self._limits_of = limits_of
        self._open: dict[str, set[str]] = {}

    def begin(self, exchange: Exchange, now_ms: int) -> None:
        """Start to observe."""
        self._exchange = exchange
        exchange.subscribe(self._on_event)

    def advance(self, now_ms: int) -> None:
        """Do nothing: the exchange's events come by themselves."""

    def pause(self, ms: int) -> None:
        """Do nothing."""

    def _on_event(self, event: Event) -> None:
        if not isinstance(event, OrderEvent):
            return
        self.events.append((self._now_ms(), event))
        is_open = event.status in (NEW, PARTIALLY_FILLED)
        open_orders = self._open.setdefault(event.account, set())
        is_new = is_open and event.last_quantity is None and event.order_id not in open_orders
        if is_open:
            open_orders.add(event.order_id)
        else:
            open_orders.discard(event.order_id)
        if is_new and (limits := self._limits_of(event.account)) is not None:
            self._check(event, limits, len(open_orders))

    def _check(self, event: OrderEvent, limits: GuardLimits, open_orders: int) -> None:
        name = event.client_id or event.order_id
        if limits.symbols is not None and event.symbol not in limits.symbols:
            self.breaches.append(
                Breach("guard", f"{name} is an order of {event.symbol}, which is not allowed", (name,))
            )
        if limits.max_open_orders is not None and open_orders > limits.max_open_orders:
            text = f"with {name} {open_orders} orders are open, max_open_orders is {limits.max_open_orders}"
            self.breaches.append(Breach("guard", text, (name,)))
        if limits.max_order_notional is not None and event.type != "MARKET":
            quote = self._exchange.market(event.symbol).rules.quote
            worth, most = event.price * event.quantity, limits.max_order_notional.get(quote, Decimal(0))
            if worth > most:
                text = f"{name} is worth {worth:f} {quote}, max_order_notional is {most:f}"
                self.breaches.append(Breach("guard", text, (name,)))
