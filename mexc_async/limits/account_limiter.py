"""Rate limits of one account among several behind one IP address: own account budgets, one shared IP budget."""

from __future__ import annotations

from msgspec.structs import replace

from mexc_async.limits.gate import Gate
from mexc_async.limits.limiter import LimitReport, RateLimiter
from mexc_async.limits.profiles import Limits
from mexc_async.runtime.clock import Clock
from mexc_async.schema.endpoint import Cost, Route


class AccountLimiter:
    """View of a shared limiter for one account; the shared table has a separate row for each of its account limits."""

    def __init__(self, shared: RateLimiter, account: str) -> None:
        self._shared = shared
        self._account = account
        self._own = {name for name in shared.limits.account_limits if name.endswith(f"@{account}")}
        self._routes: dict[Route, Route] = {}

    @property
    def limits(self) -> Limits:
        """The table of all accounts."""
        return self._shared.limits

    @property
    def clock(self) -> Clock:
        """As `RateLimiter.clock`."""
        return self._shared.clock

    def _route(self, route: Route) -> Route:
        own = self._routes.get(route)
        if own is None:
            named = ((cost, f"{cost.limit}@{self._account}") for cost in route.costs)
            costs = tuple(Cost(name, cost.weight) if name in self._own else cost for cost, name in named)
            own = self._routes[route] = replace(route, costs=costs)
        return own

    def now(self) -> float:
        """Return the time, as `RateLimiter.now` does."""
        return self._shared.now()

    def gate(self, route: Route) -> Gate:
        """Return the gate of a route, as `RateLimiter.gate` does."""
        return self._shared.gate(self._route(route))

    def penalise(self, route: Route, status: int, seconds: float) -> None:
        """Close limits after a refusal: a 429 on an account limit stops this account, a 418 stops all accounts."""
        self._shared.penalise(self._route(route), status, seconds)

    def spent(self, route: Route) -> float | None:
        """Return the greatest share used of any budget of the route, as `RateLimiter.spent` does."""
        return self._shared.spent(self._route(route))

    def report(self) -> LimitReport:
        """Report the use of the limits by all accounts."""
        return self._shared.report()

    def close(self) -> None:
        """Do nothing: the owner of the shared limiter closes it."""
