"""Refusals that cannot belong to a request: a host that answers twice gives one request's answer to another.

Such a refusal proves nothing about the request that got it. Doubtful codes are in neither table: a code that several
kinds of request may get (bad symbol, permission, rate, risk control, suspended trading) is believed.
"""

from __future__ import annotations

from typing import Final

_PLACING: Final = frozenset(
    {
        *(30001, 30018, 30019, 30028, 30041),  # this side or type may not be placed now
        *(30002, 30003, 30010, 30025, 30032, 30087, 88004, 88013),  # value, price, position
        *(10101, 30004, 30005, 88015),  # balance
        *(30027, 30029, 30069),  # ceilings
    }
)
_MOVING: Final = frozenset(
    {10100, 10103, 10200, 10201, 10202, 10206, 10211, 10212, 10216, 10259, 10265, 10268},
)
"""Transfers and withdrawals."""
_KEYS_AND_ACCOUNTS: Final = frozenset(
    {10099, 140001, 140002, 730101, 730600, 730601, 730602, *range(730700, 730709)},
)
_READING: Final = frozenset({-1127})
_LOOKING: Final = frozenset({-2013, -2011})
"""Codes for an order that is looked up or cancelled and does not exist."""

NEVER_OF_A_CANCEL: Final = _PLACING | _MOVING | _KEYS_AND_ACCOUNTS | _READING
"""Codes that no cancel can get."""
NEVER_OF_AN_ORDER: Final = _LOOKING | _MOVING | _KEYS_AND_ACCOUNTS | _READING
"""Codes that no placing of an order can get."""
