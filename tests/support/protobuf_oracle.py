"""Google's protobuf runtime as the oracle: message classes built from `push.proto` without protoc."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf import (  # type: ignore[import-untyped]  # the package ships no types
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

SCHEMA = Path(__file__).with_name("push.proto")
FILE, PACKAGE = "mexc_async_tests_push.proto", "mexc_async.tests.push"
WRAPPER = "PushDataV3ApiWrapper"
_FIELD = re.compile(r"(optional |repeated |)(\w+) (\w+) = (\d+);")
_SCALARS = {"string": 9, "int64": 3, "int32": 5, "bool": 8}
_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3


class FieldRow(NamedTuple):
    """One field of the schema."""

    number: int
    name: str
    type: str
    label: str
    oneof: str | None


@cache
def schema() -> dict[str, tuple[FieldRow, ...]]:
    """Return the fields of every message of `push.proto`."""
    rows: dict[str, list[FieldRow]] = {}
    fields: list[FieldRow] = []
    oneof: str | None = None
    for line in SCHEMA.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[:1] == ["message"]:
            fields = rows.setdefault(words[1], [])
        elif words[:1] == ["oneof"]:
            oneof = words[1]
        elif words == ["}"]:
            oneof = None
        elif found := _FIELD.fullmatch(line.strip()):
            label, kind, name, number = found.groups()
            fields.append(FieldRow(int(number), name, kind, label.strip() or "singular", oneof))
    return {name: tuple(fields) for name, fields in rows.items()}


@cache
def message_class(name: str) -> Any:
    """Return the runtime's class of one message, in its own pool."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def _pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name=FILE, package=PACKAGE, syntax="proto3")
    for name, rows in schema().items():
        message = file.message_type.add(name=name)
        for oneof in dict.fromkeys(row.oneof for row in rows if row.oneof):
            message.oneof_decl.add(name=oneof)
        for row in rows:
            _add_field(message, row)
    pool.Add(file)
    return pool


def _add_field(message: Any, row: FieldRow) -> None:
    label = _REPEATED if row.label == "repeated" else _OPTIONAL
    field = message.field.add(name=row.name, number=row.number, label=label, type=_SCALARS.get(row.type, _MESSAGE))
    if row.type not in _SCALARS:
        field.type_name = f".{PACKAGE}.{row.type}"
    if row.oneof:
        field.oneof_index = 0
    elif row.label == "optional":  # proto3 presence is a oneof of one
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{row.name}")


def known_fields(message: Any) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) of a message's fields; an absent field with presence has None."""
    for row in schema()[message.DESCRIPTOR.name]:
        present = row.label == "optional" or row.oneof
        yield row.name, None if present and not message.HasField(row.name) else getattr(message, row.name)
