"""Protobuf messages of every shape, declared for tests."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from mexc_async.schema.fields import OpenEnum
from mexc_async.schema.protobuf import message_of
from mexc_async.schema.protobuf_fields import Field, Kind, Names, OneOf


class Colour(OpenEnum):
    RED = "red"
    BLUE = "blue"


class Row(Struct, frozen=True):
    text: Annotated[str, Field(1, "text")] = ""
    big: Annotated[int, Field(2, "big")] = 0
    small: Annotated[int, Field(3, "small", Kind.INT32)] = 0
    flag: Annotated[bool, Field(4, "flag")] = False
    colour: Annotated[Colour, Field(5, "colour", Names(Colour, {1: Colour.RED, 2: Colour.BLUE}))] = Colour("0")
    maybe: Annotated[str | None, Field(20, "maybe")] = None
    maybe_small: Annotated[int | None, Field(21, "maybeSmall", Kind.INT32)] = None


class Pair(Struct, frozen=True):
    first: Annotated[str, Field(1, "first")] = ""
    second: Annotated[str, Field(2, "second")] = ""


class Sides(Struct, frozen=True):
    left: Annotated[tuple[Pair, ...], Field(1, "left")] = ()
    right: Annotated[tuple[Pair, ...], Field(2, "right")] = ()
    note: Annotated[str, Field(3, "note")] = ""
    time: Annotated[int, Field(6, "time")] = 0


class Nest(Struct, frozen=True):
    one: Annotated[Row | Sides | None, OneOf(Field(10, "row", Row), Field(11, "sides", Sides))] = None
    plain: Annotated[Row | None, Field(2, "plain", message_of(Row))] = None
    many: Annotated[tuple[Sides, ...], Field(3, "many")] = ()
    local: int = 7
    """Not on the wire."""


ROW, SIDES, NEST = message_of(Row), message_of(Sides), message_of(Nest)


def book(left: list[tuple[str, str]], right: list[tuple[str, str]], note: str = "", time: int = 0) -> Sides:
    return Sides(tuple(Pair(*pair) for pair in left), tuple(Pair(*pair) for pair in right), note, time)


def levels(n: int) -> list[tuple[str, str]]:
    return [(f"{93220 + i}.{i:02}", "0" if i % 3 == 0 else f"{i % 17}.{i:08}") for i in range(n)]
