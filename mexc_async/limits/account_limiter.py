"""The limits of one account among several that share an address: its own budgets, and everybody's IP budget."""

from __future__ import annotations

from msgspec.structs import replace

from mexc_async.limits.gate import Gate
from mexc_async.limits.limiter import LimitReport, RateLimiter
from mexc_async.limits.profiles import Limits
from mexc_async.schema.endpoint import Cost, Route


class AccountLimiter:
    """Passes on to a shared limiter, whose table has a row of its own for every account limit of this account."""

    def __init__(self, shared: RateLimiter, account: str) -> None:
        self._shared = shared
        self._account = account
        self._own = {name for name in shared.limits.account_limits if name.endswith(f"@{account}")}
        self._routes: dict[Route, Route] = {}

    @property
    def limits(self) -> Limits:
        """The whole table."""
        return self._shared.limits

    def _route(self, route: Route) -> Route:
        own = self._routes.get(route)
        if own is None:
            named = ((cost, f"{cost.limit}@{self._account}") for cost in route.costs)
            costs = tuple(Cost(name, cost.weight) if name in self._own else cost for cost, name in named)
            own = self._routes[route] = replace(route, costs=costs)
        return own

    def now(self) -> float:
        """As `RateLimiter.now`."""
        return self._shared.now()

    def gate(self, route: Route) -> Gate:
        """As `RateLimiter.gate`."""
        return self._shared.gate(self._route(route))

    def penalise(self, route: Route, status: int, seconds: float) -> None:
        """As `RateLimiter.penalise`: a 429 on an account's limit stops that account, a 418 everybody."""
        self._shared.penalise(self._route(route), status, seconds)

    def spent(self, route: Route) -> float | None:
        """As `RateLimiter.spent`."""
        return self._shared.spent(self._route(route))

    def report(self) -> LimitReport:
        """Of all accounts."""
        return self._shared.report()

    def close(self) -> None:
        """Nothing to do: whoever made the shared limiter closes it."""
