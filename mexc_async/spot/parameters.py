"""Parameter types shared by several requests, each with its validation rule."""

from __future__ import annotations

from typing import Annotated, ClassVar, Generic, TypeAlias, TypeVar, get_args

from mexc_async.errors import InvalidRequest
from mexc_async.schema.endpoint import Request
from mexc_async.schema.validation import Rule, between, client_id, ip_address, listed, matching, one_of, symbol, text
from mexc_async.spot.enums import Interval

T_co = TypeVar("T_co", covariant=True)
DAY_MS = 86_400_000
_ELSEWHERE = {"1h": "60m", "1H": "60m", "4H": "4h", "1D": "1d", "1w": "1W", "1mo": "1M"}
"""Lengths of bars as other exchanges spell them -> as MEXC does."""
_is_interval = one_of(get_args(Interval))


def mexc_spelling(name: str, value: object) -> None:
    """Refuse the length of a bar in the spelling of another exchange, with MEXC's."""
    if isinstance(value, str) and value in _ELSEWHERE:
        raise InvalidRequest(f"{name} {value!r} is {_ELSEWHERE[value]} at MEXC")


def bar_length(name: str, value: object) -> None:
    """Check the length of a bar."""
    mexc_spelling(name, value)
    _is_interval(name, value)


Symbol: TypeAlias = Annotated[str, Rule(symbol)]
"""Symbol in upper case without separator: BTCUSDT."""
SymbolList: TypeAlias = Annotated[str, Rule(listed(symbol))]
"""Symbols, separated by commas."""
ClientOrderId: TypeAlias = Annotated[str, Rule(client_id)]
"""Client order id: 1 to 32 visible ASCII characters."""
BarLength: TypeAlias = Annotated[Interval, Rule(bar_length)]
"""Length of a bar in MEXC's spelling: an hour is 60m."""
DepthLimit: TypeAlias = Annotated[int, Rule(between(1, 5000))]
PageLimit: TypeAlias = Annotated[int, Rule(between(1, 1000))]
"""Rows per answer. If MEXC's sources differ on the maximum, the larger passes here and the exchange decides."""
Limit100: TypeAlias = Annotated[int, Rule(between(1, 100))]
Limit200: TypeAlias = Annotated[int, Rule(between(1, 200))]
Limit500: TypeAlias = Annotated[int, Rule(between(1, 500))]
Count: TypeAlias = Annotated[int, Rule(between(1, 1_000_000))]
"""Page number, from 1; or rows per page if no maximum is known."""
AssetList: TypeAlias = Annotated[str, Rule(listed(text, 15))]
"""Up to 15 assets, separated by commas."""
NewSubAccount: TypeAlias = Annotated[str, Rule(matching("[A-Za-z0-9]{8,32}", "8 to 32 letters and digits"))]
"""Name of a new sub-account; older ones may have other names."""
IpList: TypeAlias = Annotated[str, Rule(listed(ip_address, 20))]
"""Up to 20 IP addresses, separated by commas."""


class Period(Request[T_co], Generic[T_co], frozen=True, kw_only=True):
    """A request with `start_time` and `end_time`, in order and at most `max_days` apart. Raises InvalidRequest."""

    max_days: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        start: int | None = getattr(self, "start_time")  # noqa: B009 - subclasses declare it, in the documents' order
        end: int | None = getattr(self, "end_time")  # noqa: B009
        if start is None or end is None:
            return
        if start > end:
            raise InvalidRequest(f"start_time {start} is after end_time {end}")
        if self.max_days is not None and end - start > self.max_days * DAY_MS:
            raise InvalidRequest(f"start_time {start} to end_time {end}: at most {self.max_days} days in one call")
