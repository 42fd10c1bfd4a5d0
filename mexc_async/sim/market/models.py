"""Settings of the market models: queue position, impact, and the market that is made of bars."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Literal, TypeAlias, get_args

import msgspec

Queue: TypeAlias = Literal["power", "proportional", "behind"]

_MOST_POWER = 20
_MOST_TICKS = 10_000


class BadModels(ValueError):
    """Error for an unusable setting of a market model. The message is one line with the value and the rule."""


class MarketModels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Assumptions about what a recording does not show. Generated markets do not use them."""

    queue: Queue = "power"
    """Part of the queue that shrinks where a recorded level shrinks without a trade and your order rests in it.

    `power` draws it: the chance of each part, ahead of your order or behind it, grows with its quantity to the power of
    `queue_power`. `proportional` is a power of 1. `behind` takes the end of the queue first, your worst case.
    """
    queue_power: float = 2.0
    """Exponent of `power`, from 0 to 20. The larger it is, the more often the larger part shrinks."""
    impact: Literal["until_gone", "none"] | float = "until_gone"
    """Time for which the quantity that your orders took from a recorded level is missing there.

    `until_gone`: until the recording removes the level. A number: this many seconds, and then until the next message
    about the level. `none`: until the next message about the level.
    """
    mx_price: Decimal | None = None
    """Price of MX in USDT, for accounts that pay fees in MX, where no market of MXUSDT is listed. Without one, fees are
    paid in quote there."""
    spread_ticks: int = 1
    """Bars: distance of the best ask from the best bid, in ticks, from 1."""
    volume_share: Decimal = Decimal("0.1")
    """Bars: share of a bar's volume that users can buy during it, and the same for selling; above 0, up to 1."""
    fills_at_touch: bool = True
    """Bars: True to fill a resting order when the price reaches it, False only when the price goes a tick further."""

    def __post_init__(self) -> None:
        if self.queue not in get_args(Queue):
            raise BadModels(f"queue {self.queue!r} is none of {', '.join(get_args(Queue))}")
        if not 0 <= self.queue_power <= _MOST_POWER:
            raise BadModels(f"queue_power {self.queue_power} is not between 0 and {_MOST_POWER}")
        if isinstance(self.impact, str):
            if self.impact not in ("until_gone", "none"):
                raise BadModels(f"impact {self.impact!r} is neither until_gone nor none, nor a number of seconds")
        elif not (isfinite(self.impact) and self.impact >= 0):
            raise BadModels(f"impact {self.impact} is not a number of seconds from 0")
        if self.mx_price is not None and not (self.mx_price.is_finite() and self.mx_price > 0):
            raise BadModels(f"mx_price {self.mx_price} is not above 0")
        if not 1 <= self.spread_ticks <= _MOST_TICKS:
            raise BadModels(f"spread_ticks {self.spread_ticks} is not between 1 and {_MOST_TICKS}")
        if not (self.volume_share.is_finite() and 0 < self.volume_share <= 1):
            raise BadModels(f"volume_share {self.volume_share} is not above 0 and at most 1")


USUAL = MarketModels()
"""The models with their defaults."""
