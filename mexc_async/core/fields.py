"""Named field types for answers that differ between the exchange's sources: blank for missing, text or number.

A type checker sees the plain type; at run time each is a marker that `decode_field` turns into the value.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Self, TypeAlias


class OpenEnum(StrEnum):
    """A closed set on our side, open on the exchange's: an unknown value keeps its text and says `is_known` False."""

    @property
    def is_known(self) -> bool:
        """Whether this release knows the value."""
        return self._value_ in type(self)._value2member_map_

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        return member


def _maybe_decimal(value: object) -> Decimal | None:
    if value is None or value == "":
        return None
    if isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
        try:
            # A JSON number reaches this hook as a float; its shortest text is what the exchange printed.
            number = Decimal(str(value))
        except InvalidOperation:
            pass
        else:
            if number.is_finite():
                return number
    raise ValueError(f"expected a decimal, got {value!r}")


def _text(value: object) -> str:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"expected text or a whole number, got {value!r}")


def _maybe_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _time_ms(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        if value.isdigit():
            return int(value)
        moment = datetime.fromisoformat(value)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    raise ValueError(f"expected a time, got {value!r}")


if TYPE_CHECKING:
    MaybeDecimal: TypeAlias = Decimal | None
    Text: TypeAlias = str
    MaybeText: TypeAlias = str | None
    TimeMs: TypeAlias = int
else:

    class _Marker(type):
        def __instancecheck__(cls, value: object) -> bool:
            return True  # `decode` has made the value; msgspec asks whether it fits

    class MaybeDecimal(metaclass=_Marker):
        """A decimal, as text or number; None when null or blank."""

        decode = staticmethod(_maybe_decimal)

    class Text(metaclass=_Marker):
        """A text that some answers send as a number, such as an id."""

        decode = staticmethod(_text)

    class MaybeText(metaclass=_Marker):
        """The same, or None."""

        decode = staticmethod(_maybe_text)

    class TimeMs(metaclass=_Marker):
        """Milliseconds UTC; some answers send ISO 8601 text."""

        decode = staticmethod(_time_ms)


def decode_field(kind: type, value: object) -> object:
    """msgspec's `dec_hook`: let the marker turn the value into what it stands for. Raises ValueError if it cannot."""
    decode: Callable[[object], object] | None = getattr(kind, "decode", None)
    if decode is None:
        raise NotImplementedError(kind)
    return decode(value)
