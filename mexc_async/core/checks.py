"""What a request's fields must satisfy before anything is sent; each refusal is one line: the value and the rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import msgspec

from mexc_async.errors import InvalidRequest

Check: TypeAlias = Callable[[str, object], None]
"""Takes a field's name and its value; raises InvalidRequest."""


_CLIENT_ID = re.compile(r"[!-~]{1,32}").fullmatch


class Rule(msgspec.Struct, frozen=True):
    """Marks a type with a check of its own: `Symbol = Annotated[str, Rule(symbol)]`."""

    check: Check


def positive(name: str, value: object) -> None:
    """Money: a finite `Decimal` above zero."""
    if not isinstance(value, Decimal):
        raise InvalidRequest(
            f"{name} {value!r} is a {type(value).__name__}: amounts are Decimal, as in Decimal('0.1'), never rounded"
        )
    if not value.is_finite():
        raise InvalidRequest(f"{name} {value} is not a number that an order can carry")
    if not -20 <= value.adjusted() <= 20 or (len(str(value)) > 40 and len(value.as_tuple().digits) > 40):
        raise InvalidRequest(f"{name} {value:.6e} is not an amount: it must lie within 1e-20 and 1e20, in 40 digits")
    if not value or value.is_signed():
        raise InvalidRequest(f"{name} {value:f} must be above zero")


def symbol(name: str, value: object) -> None:
    """A symbol as MEXC spells it: upper case, no separator (its documents say so for every endpoint)."""
    text(name, value)
    if str(value).isalnum() and str(value).isupper():  # nearly all
        return
    bad = re.search(r"[a-z\s/_,-]", str(value))
    if bad:
        hint = re.sub(r"[\s/_,-]", "", str(value)).upper() or "BTCUSDT"
        raise InvalidRequest(
            f"{name} {value!r} has {bad.group()!r}: symbols are upper case without a separator, as in {hint}"
        )


def symbol_list(name: str, value: object) -> None:
    """Symbols joined by commas."""
    text(name, value)
    for one in str(value).split(","):
        symbol(name, one)


def client_id(name: str, value: object) -> None:
    """A client order id: 1 to 32 visible ASCII characters, the longest that is known to work."""
    text(name, value)
    if not _CLIENT_ID(str(value)):
        raise InvalidRequest(f"{name} {value!r} must be 1 to 32 visible ASCII characters")


def text(name: str, value: object) -> None:
    """Text that is not empty and has no control characters."""
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} {value!r} is a {type(value).__name__}, not text")
    if not value or not value.isprintable():
        raise InvalidRequest(f"{name} {value!r} is {'empty' if not value else 'not printable'}")


def whole(name: str, value: object) -> None:
    """A whole number that is not negative."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRequest(f"{name} {value!r} is a {type(value).__name__}, not a whole number")
    if value < 0:
        raise InvalidRequest(f"{name} {value} must not be negative")


def boolean(name: str, value: object) -> None:
    """True or False."""
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name} {value!r} is a {type(value).__name__}, not True or False")


def between(low: int, high: int) -> Check:
    """A whole number from `low` to `high`."""

    def check(name: str, value: object) -> None:
        whole(name, value)
        if not low <= value <= high:  # type: ignore[operator]  # `whole` has seen that it is an int
            raise InvalidRequest(f"{name} {value} must be from {low} to {high}")

    return check


def one_of(allowed: Sequence[str]) -> Check:
    """One of a closed set of texts."""
    known = frozenset(allowed)

    def check(name: str, value: object) -> None:
        if not isinstance(value, str) or value not in known:
            raise InvalidRequest(f"{name} {value!r} is not one of {', '.join(repr(a) for a in allowed)}")

    return check


def checks_of(cls: type[msgspec.Struct]) -> tuple[tuple[str, bool, Check], ...]:
    """(field, may be None, check) of each field, read once from its type."""
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
        arms = get_args(hint)
        optional = NoneType in arms
        checks = [_check_of(arm)[0] for arm in arms if arm is not NoneType]
        texts = [choice for arm in arms for choice in _choices(arm)]
        return (one_of(list(dict.fromkeys(texts))) if texts else checks[0]), optional
    if choices := _choices(hint):
        return one_of(choices), False
    return _BY_TYPE.get(hint), False


def _choices(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [str(value) for value in get_args(hint)]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return [str(member.value) for member in hint]
    return []


_BY_TYPE: dict[object, Check] = {Decimal: positive, str: text, bool: boolean, int: whole}
