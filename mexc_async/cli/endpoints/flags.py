"""Command-line flags derived from endpoint declarations: names, types and help. Parameters are spelt nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from mexc_async.errors import InvalidRequest
from mexc_async.schema.endpoint import Request
from mexc_async.schema.meanings import meaning
from mexc_async.schema.validation import choices

Value: TypeAlias = str | int | bool | Decimal | tuple[Request[Any], ...]
R = TypeVar("R", bound=Request[Any])


class Flag(NamedTuple):
    """One parameter of an endpoint as a command-line flag."""

    name: str
    """The field's name."""
    wire: str
    required: bool
    kind: type
    """str, int, bool, Decimal, or the request class of a list's items."""
    choices: tuple[str, ...]
    doc: str

    @property
    def flag(self) -> str:
        """The flag on the command line, such as --start-time."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def takes(self) -> str:
        """The kind of value, for the help."""
        if self.choices:
            return "|".join(choice or '""' for choice in self.choices)
        return _TAKES.get(self.kind, "JSON list")

    def value(self, given: str) -> Value:
        """Convert the given text to the declared type. Raises InvalidRequest."""
        if self.kind is str:
            return given
        if self.kind is int:
            return whole(self.flag, given)
        if self.kind is Decimal:
            return amount(self.flag, given)
        if self.kind is bool:
            if given not in ("true", "false"):
                raise InvalidRequest(f"{self.flag} {given!r} is neither true nor false")
            return given == "true"
        return tuple(build(self.kind, item) for item in _objects(self.flag, given))


_TAKES: dict[type, str] = {str: "TEXT", int: "WHOLE", Decimal: "DECIMAL", bool: "true|false"}


def whole(name: str, given: str) -> int:
    """Parse a whole number. Raises InvalidRequest."""
    if not given.removeprefix("-").isdecimal():
        raise InvalidRequest(f"{name} {given!r} is not a whole number")
    return int(given)


def amount(name: str, given: str) -> Decimal:
    """Parse a decimal amount. Raises InvalidRequest."""
    try:
        return Decimal(given)
    except InvalidOperation:
        raise InvalidRequest(f"{name} {given!r} is not a number, as in 0.001") from None


@cache
def flags_of(request: type[Request[Any]]) -> tuple[Flag, ...]:
    """Return the flags of an endpoint, in the order of its declaration."""
    hints = get_type_hints(request, include_extras=True)
    return tuple(
        Flag(
            field.name,
            field.encode_name,
            field.required,
            _kind(hints[field.name]),
            tuple(dict.fromkeys(str(choice) for choice in choices(hints[field.name]))),
            meaning(request, field.name),
        )
        for field in msgspec.structs.fields(request)
    )


def build(request: type[R], given: Mapping[str, str]) -> R:
    """Build a request from flags; `given` holds their texts by field or wire name. Raises InvalidRequest."""
    flags = flags_of(request)
    by_name = {name: flag for flag in flags for name in (flag.name, flag.wire)}
    for name in given:
        if name not in by_name:
            known = ", ".join(flag.flag for flag in flags) or "it takes none"
            raise InvalidRequest(f"--{name.replace('_', '-')} is no flag of this endpoint: {known}")
    values = {by_name[name].name: by_name[name].value(text) for name, text in given.items()}
    missing = [flag.flag for flag in flags if flag.required and flag.name not in values]
    if missing:
        raise InvalidRequest(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} required")
    return request(**values)


def parse(words: Sequence[str]) -> dict[str, str]:
    """Parse `--name value` and `--name=value` into texts by name. Raises InvalidRequest."""
    given: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            raise InvalidRequest(f"{word!r} is not expected here: parameters are given as --name value")
        name, is_joined, text = word[2:].partition("=")
        if not is_joined:
            following = next(rest, None)
            if following is None:
                raise InvalidRequest(f"{word} needs a value after it")
            text = following
        name = name.replace("-", "_")
        if name in given:
            raise InvalidRequest(f"--{name.replace('_', '-')} is given twice")
        given[name] = text
    return given


def _kind(hint: Any) -> type:
    """Return the plain type of a field: without Annotated, None and the list around it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin in (Union, UnionType):
        return _kind(next(arm for arm in arguments if arm is not NoneType))
    if isinstance(origin, type) and issubclass(origin, Sequence):
        item: type = arguments[0]
        return item
    return hint if hint in _TAKES else str  # the rest are enums and literals, all given as text


def _objects(name: str, given: str) -> list[dict[str, str]]:
    """Parse a JSON list of flat objects; every value becomes text. Raises InvalidRequest."""
    try:
        items = msgspec.json.Decoder(list[dict[str, Any]], float_hook=Decimal).decode(given)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"{name} is not a JSON list of objects: {error}") from None
    return [{key: _as_text(value) for key, value in item.items() if value is not None} for item in items]


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode().strip('"')
