"""Parameter types that several requests share, each with its rule."""

from __future__ import annotations

from typing import Annotated, ClassVar, Generic, TypeAlias, TypeVar

from mexc_async.core.checks import Rule, between, client_id, ip_address, listed, matching, symbol, text
from mexc_async.core.endpoint import Request
from mexc_async.errors import InvalidRequest

T_co = TypeVar("T_co", covariant=True)
DAY_MS = 86_400_000

Symbol: TypeAlias = Annotated[str, Rule(symbol)]
"""Upper case, no separator: BTCUSDT."""
SymbolList: TypeAlias = Annotated[str, Rule(listed(symbol))]
"""Symbols joined by commas."""
ClientOrderId: TypeAlias = Annotated[str, Rule(client_id)]
"""1 to 32 visible ASCII characters."""
DepthLimit: TypeAlias = Annotated[int, Rule(between(1, 5000))]
PageLimit: TypeAlias = Annotated[int, Rule(between(1, 1000))]
"""Rows of one answer. Where MEXC's sources differ on the maximum, the greater is allowed and the exchange decides."""
Limit100: TypeAlias = Annotated[int, Rule(between(1, 100))]
Limit200: TypeAlias = Annotated[int, Rule(between(1, 200))]
Limit500: TypeAlias = Annotated[int, Rule(between(1, 500))]
Count: TypeAlias = Annotated[int, Rule(between(1, 1_000_000))]
"""Number of a page, from 1; or rows of one where no maximum is known."""
AssetList: TypeAlias = Annotated[str, Rule(listed(text, 15))]
"""Up to 15 assets joined by commas."""
NewSubAccount: TypeAlias = Annotated[str, Rule(matching("[A-Za-z0-9]{8,32}", "8 to 32 letters and digits"))]
"""Name of a sub-account that is to be made; older ones may have other names."""
IpList: TypeAlias = Annotated[str, Rule(listed(ip_address, 20))]
"""Up to 20 IP addresses joined by commas."""


class Period(Request[T_co], Generic[T_co], frozen=True, kw_only=True):
    """A request with `start_time` and `end_time`: they are in order and no further apart than `max_days`."""

    max_days: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        start: int | None = getattr(self, "start_time")  # noqa: B009 - declared below, where the documents have it
        end: int | None = getattr(self, "end_time")  # noqa: B009
        if start is None or end is None:
            return
        if start > end:
            raise InvalidRequest(f"start_time {start} is after end_time {end}")
        if self.max_days is not None and end - start > self.max_days * DAY_MS:
            raise InvalidRequest(f"start_time {start} to end_time {end}: at most {self.max_days} days in one call")
