"""Comparison of the declarations with a reference of the exchange's interface, a JSON list of endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from mexc_async.errors import ConfigError, ProtocolError
from mexc_async.schema.answers import Reply, decode, decode_json, error_of
from mexc_async.schema.endpoint import Endpoint
from mexc_async.schema.validation import choices

DIFFERENT: dict[tuple[str, str], tuple[object, str]] = {
    ("batch_orders", "costs"): (
        {"uid": 1, "orders": 1, "batch_orders": 1},
        "the documents also state 2 requests/s for this endpoint alone, which the reference notes as an extra",
    ),
}
"""(endpoint, aspect) -> (declared value, reason) of declarations that differ from the reference on purpose."""

_LIMITS = {"spot_orders_uid": "orders"}
"""Names of the reference's buckets -> names in the limit profiles, where they differ."""


class Parameter(msgspec.Struct):
    """One parameter of an endpoint in the reference."""

    name: str
    required: bool
    enum: list[str] = []


class Bucket(msgspec.Struct):
    """A rate limit in addition to the weights."""

    bucket: str | None = None


class ReferenceEndpoint(msgspec.Struct):
    """One endpoint in the reference."""

    id: str
    method: str
    path: str
    auth: str
    permission: str | None
    weight: dict[str, int]
    params: list[Parameter]
    response: msgspec.Raw
    """A sample answer, as JSON text."""
    rate_limit: Bucket | None = None
    body: str | None = None


def read_reference(path: Path) -> list[ReferenceEndpoint]:
    """Read the entries of a file. Raises ConfigError, in one line, when it is missing or not such a list."""
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=list[ReferenceEndpoint])
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path} is not a reference of endpoints: {error}") from None
    if not entries:
        raise ConfigError(f"{path} is not a reference of endpoints: it lists none")
    if twice := {entry.id for entry in entries if sum(other.id == entry.id for other in entries) > 1}:
        raise ConfigError(f"{path} has more than one entry for {', '.join(sorted(twice))}")
    return entries


def wrong_in_declaration(endpoint: Endpoint, entry: ReferenceEndpoint) -> Iterator[str]:
    """Yield the differences between a declaration and the reference, except those in `DIFFERENT`."""
    fields = msgspec.structs.fields(endpoint.request)
    limits = {entry.rate_limit.bucket or entry.id} if entry.rate_limit else set()
    aspects: dict[str, tuple[object, object]] = {
        "method": (endpoint.method, entry.method),
        "path": (endpoint.path, entry.path),
        "auth": (endpoint.auth.value, entry.auth),
        "permission": (endpoint.route.permission, entry.permission),
        "body": ("json" if endpoint.route.json_body else None, entry.body),
        "costs": (
            {cost.limit: cost.weight for cost in endpoint.costs},
            entry.weight | {_LIMITS.get(limit, limit): 1 for limit in limits},
        ),
        "params": (
            [(field.encode_name, field.required) for field in fields],
            [(param.name, param.required) for param in entry.params],
        ),
        **{
            f"values of {param.name}": (_choices(field.type, param), sorted(param.enum))
            for param in entry.params
            for field in fields
            if field.encode_name == param.name
        },
    }
    for aspect, (declared, reference) in aspects.items():
        expected, _ = DIFFERENT.get((entry.id, aspect), (reference, ""))
        if declared != expected:
            yield f"{aspect}: declared {declared!r}, not {expected!r}"


def _choices(hint: object, param: Parameter) -> list[str]:
    if bool in (hint, *getattr(hint, "__args__", ())):
        return sorted(param.enum and ["true", "false"])
    return sorted({str(value) for value in choices(hint)})


def wrong_in_decoding(endpoint: Endpoint, entry: ReferenceEndpoint) -> Iterator[str]:
    """Yield the values that decoding loses or changes in the sample answer."""
    body = bytes(entry.response)
    if error := error_of(endpoint.route, Reply(200, {}, body)):
        yield f"read as a refusal: {error}"
        return
    try:
        value, odd = decode(endpoint.result, body)
    except ProtocolError as failure:
        yield str(failure)
        return
    yield from odd
    yield from losses(decode_json(body), value)


def losses(wire: Any, value: Any, at: str = "answer") -> Iterator[str]:
    """Yield the places where a decoded value differs from the wire value."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(type(value))
        if isinstance(wire, list) and type(value).__struct_config__.array_like:
            if len(wire) != len(fields):
                yield f"{at} has {len(wire)} items"
            wire = {field.encode_name: item for field, item in zip(fields, wire, strict=False)}
        elif isinstance(wire, list):
            (wire,) = wire  # an object inside a list of one
        names = {field.encode_name: field.name for field in fields}
        yield from (f"{at} loses {name}" for name in wire if name not in names)
        for name in wire.keys() & names.keys():
            yield from losses(wire[name], getattr(value, names[name]), f"{at}.{name}")
    elif isinstance(value, list):
        if len(wire) != len(value):
            yield f"{at} has {len(value)} of {len(wire)} items"
        for index, (item, one) in enumerate(zip(wire, value, strict=False)):
            yield from losses(item, one, f"{at}[{index}]")
    elif not _is_same(wire, value):
        yield f"{at}: {wire!r} became {value!r}"


def _is_same(wire: Any, value: Any) -> bool:
    if value is None or isinstance(wire, bool) or isinstance(value, bool):
        return wire is value or (value is None and wire == "")
    if isinstance(value, Enum):
        return bool(type(value)(str(wire)) == value)
    if isinstance(value, str):
        return str(wire) == value
    if isinstance(value, Decimal):
        return Decimal(str(wire)) == value
    return value in _numbers(str(wire))


def _numbers(text: str) -> set[int]:
    """Return the whole numbers that a text can stand for: itself, seconds or a date and time as milliseconds."""
    found = {int(text), int(text) * 1000} if text.lstrip("-").isdigit() else set()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return found
    return found | {round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)}
