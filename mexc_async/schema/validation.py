"""Checks of a request's fields before it is sent; each error is one line: the value and the rule."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    TypeAlias,
    TypeGuard,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from mexc_async.errors import InvalidRequest
from mexc_async.native.loader import compiled

Check: TypeAlias = Callable[[str, object], object]
"""Function of a field's name and value that raises InvalidRequest; one in `CONVERTING` returns the value to store."""


Amount: TypeAlias = Decimal | int | str
"""An exact amount, price or quantity: `Decimal("0.001")`, `60000`, or text in plain notation such as `"0.001"`."""

if TYPE_CHECKING:

    class GivenAmount:
        """Field of a request that takes an `Amount` and stores a Decimal."""

        def __get__(self, request: object, owner: type | None = None) -> Decimal: ...
        def __set__(self, request: object, value: Amount) -> None: ...

    class MaybeAmount:
        """Field of a request that takes an `Amount` or None, and stores a Decimal or None."""

        def __get__(self, request: object, owner: type | None = None) -> Decimal | None: ...
        def __set__(self, request: object, value: Amount | None) -> None: ...
else:
    GivenAmount, MaybeAmount = Amount, Amount | None

NOT_GIVEN: Final[Any] = None
"""Default of a `MaybeAmount`."""
_PLAIN_NUMBER = re.compile(r"-?[0-9]{1,100}(\.[0-9]{1,100})?").fullmatch


class Rule(msgspec.Struct, frozen=True):
    """Marker that gives a type its own check: `Symbol = Annotated[str, Rule(symbol)]`."""

    check: Check
    choices: tuple[str, ...] = ()
    """Texts that the check allows, if they are a closed set."""


def kind_of(value: object) -> str:
    """Return the name of a value's type, with its article."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def shown(value: object) -> str:
    """Return a value's `repr` for a message: one line of at most 80 characters, whatever the value is."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # of a foreign class, or a whole number of thousands of digits
        return f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."


def is_amount_pure(value: object) -> TypeGuard[Decimal]:
    """Return True for a common amount, without a full check; `amount` also accepts longer and smaller ones."""
    return (
        type(value) is Decimal
        and bool(value)
        and len(text := str(value)) <= 21
        and "0" <= text < ":"
        and "E" not in text
    )


is_amount = compiled.is_amount if compiled else is_amount_pure


def amount(name: str, value: object) -> Decimal:
    """Return money as an exact `Decimal`: a Decimal, a whole number or exact text, finite and above zero."""
    if is_amount(value):
        return value  # nearly all
    number = exact(name, value)
    _check_range(name, number)
    return number


def exact(name: str, value: object) -> Decimal:
    """Convert a whole number or text in plain notation without rounding."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, float):
        raise InvalidRequest(
            f"{name} {value!r} is a float, rounded already: amounts are Decimal('0.1'), a whole number, or exact text "
            "such as '0.1'"
        )
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} {shown(value)} is {kind_of(value)}: amounts are Decimal, a whole number or text")
    if not _PLAIN_NUMBER(value):
        raise InvalidRequest(
            f"{name} {shown(value)} is not an exact amount: text is digits, with a point before decimals, as in '0.001'"
        )
    return Decimal(value)


def _check_range(name: str, value: Decimal) -> None:
    if not value.is_finite():
        raise InvalidRequest(f"{name} {value} is not a number that an order can carry")
    if not -20 <= value.adjusted() <= 20 or (len(str(value)) > 40 and len(value.as_tuple().digits) > 40):
        raise InvalidRequest(f"{name} {value:.6e} is not an amount: it must lie within 1e-20 and 1e20, in 40 digits")
    if not value or value.is_signed():
        raise InvalidRequest(f"{name} {value:f} must be above zero")


def symbol(name: str, value: object) -> None:
    """Check a symbol in MEXC's spelling: upper case, no separator (documented for every endpoint)."""
    if type(value) is str and value.isalnum() and value.isupper():  # nearly all
        return
    text(name, value)
    bad = re.search(r"[a-z\s/_,-]", str(value))
    if bad:
        hint = re.sub(r"[\s/_,-]", "", str(value)).upper()[:20] or "BTCUSDT"
        raise InvalidRequest(
            f"{name} {shown(value)} has {bad.group()!r}: symbols are upper case without a separator, as in {hint}"
        )


def listed(check: Check, most: int | None = None) -> Check:
    """Make a check of texts joined by commas, at most `most`, each of which passes `check`."""

    def check_all(name: str, value: object) -> None:
        text(name, value)
        parts = str(value).split(",")
        if most is not None and len(parts) > most:
            raise InvalidRequest(f"{name} holds {len(parts)}: at most {most}, joined by commas")
        for one in parts:
            check(name, one)

    return check_all


def matching(pattern: str, rule: str) -> Check:
    """Make a check of text against a pattern; `rule` describes it in the error."""
    matches = re.compile(pattern).fullmatch

    def check(name: str, value: object) -> None:
        text(name, value)
        if not matches(str(value)):
            raise InvalidRequest(f"{name} {shown(value)} must be {rule}")

    return check


def ip_address(name: str, value: object) -> None:
    """Check an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        raise InvalidRequest(f"{name} {shown(value)} is not an IP address, as in 203.0.113.7") from None


client_id = matching(r"[!-~]{1,32}", "1 to 32 visible ASCII characters")
"""Check of a client order id; 32 characters are the longest known to work."""


def text(name: str, value: object) -> None:
    """Check text: not empty, no control characters."""
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} {shown(value)} is {kind_of(value)}, not text")
    if not value or not value.isprintable():
        raise InvalidRequest(f"{name} {shown(value)} is {'empty' if not value else 'not printable'}")


def whole(name: str, value: object) -> None:
    """Check a whole number that is not negative and has 64 bits at most."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRequest(f"{name} {shown(value)} is {kind_of(value)}, not a whole number")
    if value < 0:
        raise InvalidRequest(f"{name} {shown(value)} must not be negative")
    if value >= 1 << 63:
        raise InvalidRequest(f"{name} {shown(value)} must be below 2 to the power of 63")


def boolean(name: str, value: object) -> None:
    """Check for True or False: any text, such as "no" from a file, would be true."""
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name} {shown(value)} is {kind_of(value)}, not True or False")


def number(rule: str, holds: Callable[[float], bool]) -> Check:
    """Make a check of a number that `holds` accepts; `rule` describes it in the error."""

    def check(name: str, value: object) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool) or not holds(value):
            raise InvalidRequest(f"{name} {shown(value)} {rule}")

    return check


def wait_s(name: str, value: object) -> None:
    """Check the longest time of a wait: a number of seconds that is not negative, or None."""
    if value is not None:
        _wait_s(name, value)


_wait_s = number("must be a number of seconds that is not negative, or None", lambda value: 0 <= value < 1e9)


def instance_of(kind: type, wanted: str = "") -> Check:
    """Make a check of a value's class; the error does not show the value."""

    def check(name: str, value: object) -> None:
        if not isinstance(value, kind):
            raise InvalidRequest(f"{name} must be {wanted or f'{kind.__name__}(...)'}, not {kind_of(value)}")

    return check


def each(kind: type, rule: str) -> Check:
    """Make a check of a tuple whose items are of this class, and not empty texts; `rule` describes it in the error."""

    def check(name: str, value: object) -> None:
        if not isinstance(value, tuple) or not all(
            isinstance(item, kind) and (not isinstance(item, str) or (item != "" and item.isprintable()))
            for item in value
        ):
            raise InvalidRequest(f"{name} {shown(value)} {rule}")

    return check


def between(low: int, high: int) -> Check:
    """Make a check of a whole number from `low` to `high`."""

    def check(name: str, value: object) -> None:
        whole(name, value)
        if not low <= value <= high:  # type: ignore[operator]  # `whole` has seen that it is an int
            raise InvalidRequest(f"{name} {shown(value)} must be from {low} to {high}")

    return check


def one_of(allowed: Sequence[str | int]) -> Check:
    """Make a check of a closed set of texts or whole numbers."""
    known = frozenset(allowed)

    def check(name: str, value: object) -> None:
        if type(value) is str and value in known:
            return  # nearly all
        if not isinstance(value, str | int) or isinstance(value, bool) or value not in known:
            raise InvalidRequest(f"{name} {shown(value)} is not one of {', '.join(repr(a) for a in allowed)}")

    return check


def checks_of(cls: type[msgspec.Struct]) -> tuple[tuple[str, bool, Check], ...]:
    """Return (field, may be None, check) of each field, read once from its type."""
    hints = get_type_hints(cls, include_extras=True)
    found = []
    for field in msgspec.structs.fields(cls):
        check, optional = _check_of(hints[field.name])
        if check is not None:
            found.append((field.name, optional, check))
    return tuple(found)


def _check_of(hint: Any) -> tuple[Check | None, bool]:
    if get_origin(hint) is Annotated:
        base, *notes = get_args(hint)
        own = [note.check for note in notes if isinstance(note, Rule)]
        return (own[0], False) if own else _check_of(base)
    if get_origin(hint) in (Union, UnionType):
        arms = [arm for arm in get_args(hint) if arm is not NoneType]
        if is_exact(hint):
            return amount, NoneType in get_args(hint)
        check, _ = _check_of(arms[0]) if len(arms) == 1 else (one_of(choices(hint)), False)
        return check, NoneType in get_args(hint)
    if allowed := choices(hint):
        return one_of(allowed), False
    if hint in _BY_TYPE:
        return _BY_TYPE[hint], False
    return (instance_of(hint) if isinstance(hint, type) else None), False


def is_exact(hint: Any) -> bool:
    """Return True for the type of an amount, which may be None."""
    arms = set(get_args(hint)) if get_origin(hint) in (Union, UnionType) else {hint}
    return arms - {NoneType} in ({Decimal}, set(get_args(Amount)))


def choices(hint: Any) -> list[str | int]:
    """Return the closed set of values that a field of this type takes; empty if it is open."""
    if get_origin(hint) is Annotated:
        base, *notes = get_args(hint)
        own: list[str | int] = [value for note in notes if isinstance(note, Rule) for value in note.choices]
        return own or choices(base)
    if get_origin(hint) in (Union, UnionType):
        return list(dict.fromkeys(value for arm in get_args(hint) for value in choices(arm)))
    if get_origin(hint) is Literal:
        return [value.value if isinstance(value, Enum) else value for value in get_args(hint)]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return [member.value for member in hint]
    return []


CONVERTING: Final = frozenset({amount})
"""Checks that return the value to store."""
_BY_TYPE: dict[object, Check] = {Decimal: amount, str: text, bool: boolean, int: whole}
