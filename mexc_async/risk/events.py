"""Events of the alarms."""

from __future__ import annotations

from mexc_async.runtime.events import Event


class UnusualActivity(Event, frozen=True, gc=False):
    """Activity that is not this client's own, or unusual for it.

    `rule` is `foreign_order` (an order of the account that this client did not place), `call_rate` (far more calls of
    an endpoint than usual) or `foreign_429` (a rate refusal although the own budget is unspent: somebody else uses the
    key or the address).
    """

    rule: str
    text: str
    order_id: str | None = None
    """The exchange's id of the foreign order."""
    client_order_id: str | None = None
    symbol: str | None = None
    is_halted: bool = False
    """True if trading is halted from now on because of it."""
