"""Client order ids: every order and withdrawal carries one, so that its outcome can always be looked up."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count

from msgspec.structs import force_setattr

from mexc_async.runtime.clock import Clock
from mexc_async.schema.settings import check_setting
from mexc_async.schema.validation import matching
from mexc_async.spot.trading import NewOrder

_copy: Callable[[NewOrder], NewOrder] = NewOrder.__copy__  # type: ignore[attr-defined]  # what `copy.copy` calls
MAX_LENGTH = 32
MAX_PREFIX = 8
STEM = 12
"""Number of characters that nine random bytes become."""


prefix_check = matching(
    f"(?=.*[A-Za-z0-9])[A-Za-z0-9-]{{1,{MAX_PREFIX}}}", f"1 to {MAX_PREFIX} ASCII letters, digits and '-'"
)
"""Check of the beginning of a client's order ids."""


class OrderIds:
    """Generator of ids `<prefix><72 random bits of this client>-<counter>`, unique over processes and restarts."""

    def __init__(self, prefix: str, clock: Clock) -> None:
        check_setting("id_prefix", prefix, prefix_check)
        self.prefix = prefix
        """Beginning of every id of this client, now and after a restart."""
        self._pattern = re.compile(rf"{re.escape(prefix)}[A-Za-z0-9.]{{{STEM}}}-[0-9]+")
        self._stem = f"{prefix}{clock.token(9).replace('_', '.').replace('-', '.')}-"
        self.next: Callable[[], str] = map(self._stem.__add__, map(str, count(1))).__next__
        """Makes a new id, at most 32 characters."""

    def makes(self, name: str) -> bool:
        """Return True if an id looks like one of this client, now or before a restart."""
        return self._pattern.fullmatch(name) is not None

    def named(self, order: NewOrder) -> NewOrder:
        """Return the order with an id, its own if it has one."""
        if order.new_client_order_id is not None:
            return order
        named = _copy(order)  # `replace` would check every field a second time
        force_setattr(named, "new_client_order_id", self.next())
        return named
