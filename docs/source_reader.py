"""Readers for docs/reference.py: docstrings of attributes, from the source, and types as text."""

from __future__ import annotations

import ast
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from mexc_async.schema import fields
from mexc_async.spot import channels, enums, parameters
from mexc_async.streams import subscriber

PACKAGE = "mexc_async"
ALIASES = (parameters, enums, channels, subscriber)
"""Modules whose named types have docstrings of their own."""
UNIONS = (Union, types.UnionType)
MARKERS = {
    fields.MaybeDecimal: "Decimal | None",
    fields.Text: "str",
    fields.MaybeText: "str | None",
    fields.TimeMs: "int",
    fields.MaybeTimeMs: "int | None",
    fields.Unspecified: "Json",
}
"""Field types that a type checker sees differently: `schema/fields.py`."""


class Attribute(NamedTuple):
    """An attribute as the source declares it."""

    doc: str = ""
    aliases: tuple[str, ...] = ()
    """Names in its annotation."""
    kind: str = ""
    """Its annotation, or the class that makes its value."""


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(Path(sys.modules[module].__file__ or "").read_text(encoding="utf-8"))


@cache
def attributes(cls: type) -> dict[str, Attribute]:
    """Return the attributes that a class or its `__init__` declares, without those that it inherits."""
    for node in ast.walk(_tree(cls.__module__)):
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            found = dict(_declared(node.body))
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
                    found |= {name: one for name, one in _declared(inner.body) if one.doc}
            return found
    return {}


@cache
def alias_docs() -> dict[str, str]:
    """Return the docstrings of named types, such as `Symbol`."""
    declared = (one for module in ALIASES for one in _declared(_tree(module.__name__).body))
    return {name: one.doc for name, one in declared if one.doc}


def _declared(body: list[ast.stmt]) -> Iterator[tuple[str, Attribute]]:
    """Yield (name, attribute) of assignments to a name or to `self`, with the string behind each as its docstring."""
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign):
            target, annotation = statement.target, statement.annotation
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, annotation = statement.targets[0], statement.value
        else:
            continue
        match target:
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name):
                pass
            case _:
                continue
        doc = ""
        match following:
            case ast.Expr(value=ast.Constant(value=str(text))):
                doc = inspect.cleandoc(text)
        names = tuple(node.id for node in ast.walk(annotation) if isinstance(node, ast.Name))
        kind = ""
        if isinstance(statement, ast.AnnAssign):
            kind = ast.unparse(annotation)
        elif isinstance(annotation, ast.Call) and isinstance(annotation.func, ast.Name):
            kind = annotation.func.id
        yield name, Attribute(doc, names, kind)


def documentation(cls: type, name: str) -> str:
    """Return the docstring of an attribute: its own, an inherited one, or that of its named type."""
    owners = [attributes(base) for base in cls.__mro__ if base.__module__.startswith(PACKAGE)]
    declared = [owner[name] for owner in owners if name in owner]
    docs = [one.doc for one in declared if one.doc]
    return (
        docs[0] if docs else next((alias_docs()[a] for one in declared for a in one.aliases if a in alias_docs()), "")
    )


def hints(thing: Any) -> dict[str, Any]:
    """Return the types of a class's attributes or a function's parameters; as text if they cannot be resolved."""
    try:
        return get_type_hints(thing)
    except (NameError, TypeError):
        return dict(getattr(thing, "__annotations__", {}))


def text_of(kind: Any) -> str:
    """Return a type as a reader writes it: `Decimal | None`, `list[Order]`, `Literal["BUY", "SELL"]`."""
    if isinstance(kind, str):
        return kind.replace("asyncio.", "")
    if kind is None or kind is type(None):
        return "None"
    if isinstance(kind, list):
        return f"[{', '.join(map(text_of, kind))}]"
    if kind in MARKERS:
        return MARKERS[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return text_of(arguments[0])
    if origin is Literal or origin in UNIONS:
        return " | ".join(dict.fromkeys(_members(kind)))
    if kind is Ellipsis:
        return "..."
    if origin is not None and arguments:
        return f"{_name(origin)}[{', '.join(map(text_of, arguments))}]"
    return _name(kind)


def _members(kind: Any) -> Iterator[str]:
    """Yield the members of a union as text; an enum's literals as the enum."""
    if get_origin(kind) in UNIONS:
        for one in get_args(kind):
            yield from _members(one)
    elif get_origin(kind) is Literal:
        values = get_args(kind)
        yield from (type(value).__name__ for value in values if isinstance(value, Enum))
        if plain := [default_of(value) for value in values if not isinstance(value, Enum)]:
            yield f"Literal[{', '.join(plain)}]"
    else:
        yield text_of(kind)


def _name(kind: Any) -> str:
    name: str = getattr(kind, "__name__", None) or getattr(kind, "_name", None) or str(kind)
    return "Callable" if kind is Callable or name == "Callable" else name


def default_of(value: object) -> str:
    """Return a default as text; `Timeouts()` for a Struct."""
    if isinstance(value, Struct):
        return f"{type(value).__name__}()"
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if type(value) is int:
        return f"{value:_}"
    if repr(value).startswith("<") or len(repr(value)) > 50:
        return "..."
    return f'"{value}"' if isinstance(value, str) else repr(value)


def signature(function: Callable[..., Any], name: str) -> str:
    """Return `async def name(...) -> type`, broken into lines if it is long; `name(...)` of an `__init__`."""
    known = hints(function)
    parts, is_keyword = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not is_keyword:
            parts.append("*")
        is_keyword = is_keyword or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        parts.append(_parameter(parameter, known))
    ending = f" -> {text_of(known['return'])}" if "return" in known else ""
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    prefix = "async def " if is_async else "def "
    if function.__name__ == "__init__":
        prefix = ending = ""
    line = f"{prefix}{name}({', '.join(parts)}){ending}"
    if len(line) <= 100:
        return line
    return f"{prefix}{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){ending}"


def _parameter(parameter: inspect.Parameter, known: dict[str, Any]) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    kind = known.get(parameter.name)
    text = f"{stars}{parameter.name}"
    if kind is not None:
        if get_origin(kind) is typing.Unpack:
            kind = f"Unpack[{text_of(get_args(kind)[0])}]"
        text += f": {text_of(kind)}"
    if parameter.default is not parameter.empty:
        text += f" = {default_of(parameter.default)}" if kind is not None else f"={default_of(parameter.default)}"
    return text
