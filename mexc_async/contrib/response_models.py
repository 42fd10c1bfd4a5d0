"""Models of a service's answers for OpenAPI: what `answer` writes, with amounts as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from msgspec import Struct
from msgspec.structs import fields
from pydantic import Field, WithJsonSchema, create_model

from mexc_async.schema import fields as markers
from mexc_async.schema.json_values import field_names
from mexc_async.schema.lazy_numbers import Lazy, LazyOrNone

AMOUNT: Any = Annotated[str, WithJsonSchema({"type": "string", "format": "decimal", "examples": ["0.001"]})]
"""A decimal as text."""

_LEAVES: dict[object, Any] = {
    Decimal: AMOUNT,
    markers.MaybeDecimal: AMOUNT | None,
    markers.Text: str,
    markers.MaybeText: str | None,
    markers.TimeMs: int,
    markers.MaybeTimeMs: int | None,
    str: str,
    int: int,
    float: float,
    bool: bool,
    NoneType: NoneType,
}


@cache
def model_of(kind: Any) -> Any:
    """Return the pydantic type of what `answer` writes for a class of the SDK, or a list or dict of it.

    @app.get("/balances", response_model=model_of(list[Balance]))
    """
    if kind in _LEAVES:
        return _LEAVES[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return model_of(arguments[0])
    if origin in (Union, UnionType):
        return Union[tuple(model_of(argument) for argument in arguments)]  # noqa: UP007 - built at run time
    if isinstance(origin or kind, type):
        cls = origin or kind
        if issubclass(cls, Struct):
            return list[AMOUNT] if issubclass(cls, Iterable) else _model(kind, cls)  # a level of a book
        if issubclass(cls, Mapping):
            return dict[str, model_of(arguments[-1])]  # type: ignore[misc]  # built at run time
        if issubclass(cls, Iterable) and arguments:
            return list[model_of(arguments[0])]  # type: ignore[misc]  # built at run time
        if issubclass(cls, Enum):
            return Annotated[str, Field(examples=[str(member.value) for member in cls][:3])]
        if hasattr(cls, "takes_number_as_text"):  # a coded value
            return str
    return Any


def _model(kind: Any, cls: type[Struct]) -> Any:
    """Return a model with the fields that `answer` writes."""
    types: dict[str, Any] = {}
    for field, name in zip(fields(kind), field_names(cls), strict=True):
        number = vars(cls).get(name)
        if isinstance(number, Lazy | LazyOrNone):
            types[name] = (AMOUNT if isinstance(number, Lazy) else AMOUNT | None, ...)
        else:
            types[name] = (model_of(field.type), ...)
    title = cls.__name__ + "".join(getattr(argument, "__name__", "") for argument in get_args(kind))
    return create_model(title, __doc__=(cls.__doc__ or "").partition("\n")[0], **types)
