"""Snapshot of an order's record, as values that can be written and read again: see `OrderRecord.facts`."""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from msgspec import Struct

from mexc_async import errors
from mexc_async.schema.answers import scrub


class RecordedError(Struct, frozen=True, omit_defaults=True, gc=False):
    """Error without its cause."""

    kind: str
    """Name of its class in `mexc_async.errors`."""
    message: str = ""
    code: int | None = None
    status: int | None = None
    method: str | None = None
    path: str | None = None

    @classmethod
    def of(cls, error: errors.MexcError) -> Self:
        """Copy the recordable parts of an error; nothing in it looks like a key or a signature."""
        return cls(type(error).__name__, scrub(error.message), error.code, error.status, error.method, error.path)

    def rebuilt(self, client_order_id: str | None = None) -> errors.MexcError:
        """Rebuild the error; if this release does not know its class, as the base class."""
        found = getattr(errors, self.kind, None)
        kind = found if isinstance(found, type) and issubclass(found, errors.MexcError) else errors.MexcError
        return kind(
            self.message,
            code=self.code,
            status=self.status,
            method=self.method,
            path=self.path,
            client_order_id=client_order_id,
        )


class OrderFacts(Struct, frozen=True, omit_defaults=True, gc=False):
    """Terms of an order, and everything known about it except its fills."""

    client_order_id: str
    symbol: str
    side: str
    type: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    quote_quantity: Decimal | None = None
    order_id: str | None = None
    is_placed: bool = False
    is_in_doubt: bool = False
    accepted_until_ms: int | None = None
    executed: Decimal | None = None
    """Filled quantity that the exchange reported, in base; None if it reported none, or nothing."""
    executed_quote: Decimal | None = None
    is_filled: bool = False
    is_cancelled: bool = False
    is_given_up: bool = False
    error: RecordedError | None = None
    is_named: bool = False
    """True if the exchange reported both ids together."""
    stp_mode: str | None = None
    """Self-trade prevention as ordered, empty for none; None if never reported."""
