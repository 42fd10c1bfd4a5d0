"""Field types for answers that differ between the exchange's sources: blank for missing, text or number.

A type checker sees the plain type; at run time each is a marker that `decode_field` turns into the value. A field with
two spellings is declared in both; `same_under` copies the value to both.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeAlias, TypeVar

import msgspec


class OpenEnum(StrEnum):
    """Base of enums that accept unknown values of the exchange: such a value has its text, and `is_known` is False."""

    @property
    def is_known(self) -> bool:
        """True if this release knows the value."""
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
    # A JSON number with a fraction reaches this hook as a float, which may have lost digits: `lenient.py` reads it.
    if type(value) is str or (isinstance(value, int | Decimal) and not isinstance(value, bool)):
        try:
            number = Decimal(value)
        except InvalidOperation:
            pass
        else:
            if number.is_finite():
                return number
    raise ValueError(f"expected a decimal, got {value!r}")


def _text(value: object) -> str:
    if type(value) is str:
        return value
    if value and isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    # `lenient.py` reads the rest: it sees a number as it was written; 0 may have been -0.
    raise ValueError(f"expected text or a number, got {value!r}")


def _maybe_text(value: object) -> str | None:
    return None if value is None else _text(value)


_SECONDS_BELOW = 100_000_000_000
"""Times below this are in seconds: as milliseconds they would lie before 1974."""


def _time_ms(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value * 1000 if 0 < value < _SECONDS_BELOW else value
    if isinstance(value, str):
        if value.isdigit() and len(value) != len("20221022"):
            return _time_ms(int(value))
        moment = datetime.fromisoformat(value)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    raise ValueError(f"expected a time, got {value!r}")


def _maybe_time_ms(value: object) -> int | None:
    return None if value is None or value == "" else _time_ms(value)


def same_under(answer: msgspec.Struct, name: str, other: str) -> None:
    """Copy a field with two spellings to both names, whichever the exchange sent.

    Raises ValueError if it sent neither and the default is blank rather than None.
    """
    one, two = getattr(answer, name), getattr(answer, other)
    if one == two == "":
        raise ValueError(f"{name} is missing")
    if one in (None, ""):
        msgspec.structs.force_setattr(answer, name, two)
    elif two in (None, ""):
        msgspec.structs.force_setattr(answer, other, one)


class Hiding:
    """Mixin for answers and requests with a secret: `repr` shows *** for the fields in `hidden`."""

    __slots__ = ()
    hidden: ClassVar[tuple[str, ...]] = ()

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        names = [field.name for field in msgspec.structs.fields(self)]  # type: ignore[arg-type]  # mixed into Structs
        return [(name, "***" if name in self.hidden else getattr(self, name)) for name in names]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


E = TypeVar("E", bound=OpenEnum)

if TYPE_CHECKING:
    from mexc_async.schema.endpoint import Json

    MaybeDecimal: TypeAlias = Decimal | None
    Text: TypeAlias = str
    MaybeText: TypeAlias = str | None
    TimeMs: TypeAlias = int
    MaybeTimeMs: TypeAlias = int | None
    Coded: TypeAlias = Annotated[E, "text or number"]
    Unspecified: TypeAlias = Json
else:

    class _Marker(type):
        def __instancecheck__(cls, value: object) -> bool:
            return True  # `decode` has made the value; msgspec asks whether it fits

    class MaybeDecimal(metaclass=_Marker):
        """A decimal, as text or number; None when null or blank."""

        takes_number_as_text = True
        decode = staticmethod(_maybe_decimal)

    class Text(metaclass=_Marker):
        """A text that some answers send as a number, such as an id; it has all characters as they were sent."""

        takes_number_as_text = True
        decode = staticmethod(_text)

    class MaybeText(metaclass=_Marker):
        """`Text`, or None."""

        takes_number_as_text = True
        decode = staticmethod(_maybe_text)

    class TimeMs(metaclass=_Marker):
        """Milliseconds UTC; some answers send seconds, a date or ISO 8601 text."""

        decode = staticmethod(_time_ms)

    class MaybeTimeMs(metaclass=_Marker):
        """`TimeMs`, or None when null or blank."""

        decode = staticmethod(_maybe_time_ms)

    class Coded:
        """`Coded[SomeEnum]`: a value of the enum, as text or number."""

        @classmethod
        @cache
        def __class_getitem__(cls, enum: type[OpenEnum]) -> type:
            decode = staticmethod(lambda value: enum(_text(value)))
            return _Marker(enum.__name__, (), {"decode": decode, "takes_number_as_text": True})

    class Unspecified(metaclass=_Marker):
        """An answer that no source describes; it stays undecoded."""


def decode_field(kind: type, value: object) -> object:
    """Decode a value by its marker (msgspec's `dec_hook`). Raises ValueError if that fails."""
    try:
        decode: Callable[[object], object] = kind.decode  # type: ignore[attr-defined]  # every marker has it
    except AttributeError:
        raise NotImplementedError(kind) from None
    return decode(value)
