"""Generator of docs/api/: signatures, fields and docstrings of the public interface, as Markdown.

python docs/reference.py            writes every page
python docs/reference.py --check    exit status 1 if a page is out of date
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec
from reference_pages import COMMON, CONSTRUCTED, HIDDEN, INDEX, INTRODUCTION, MEANINGS, PAGES, Page
from source_reader import attributes, default_of, documentation, hints, signature, text_of
from tables import GROUPS, table

import mexc_async
from mexc_async import MexcError
from mexc_async.client.catalogue import endpoints
from mexc_async.error_codes import SPOT_CODES
from mexc_async.runtime.events import Event
from mexc_async.schema.endpoint import Endpoint, Request
from mexc_async.schema.lazy_numbers import Lazy, LazyOrNone
from mexc_async.schema.meanings import meaning
from mexc_async.spot import enums
from mexc_async.spot.models import Answer

API = Path(__file__).resolve().parent / "api"
PACKAGE = "mexc_async"
WORD = re.compile(r"`[^`\n]*`|\b[A-Z]\w+\b")


class Row(NamedTuple):
    """One field, attribute or parameter."""

    name: str
    kind: str = ""
    default: str = ""
    doc: str = ""
    wire: str = ""


class Writer:
    """Writer of the pages; knows the page of every documented name."""

    def __init__(self) -> None:
        self.groups: dict[str, list[Endpoint]] = {}
        for endpoint in endpoints():
            self.groups.setdefault(endpoint.request.__module__.rpartition(".")[2], []).append(endpoint)
        self.home: dict[str, str] = {}
        for page in PAGES:
            self.home |= {_title(item): page.name for item in page.items}
        self.anchors = {}
        for group, calls in self.groups.items():
            for name, anchor in ((call.request.__name__, f"mexcspot{call.name}") for call in calls):
                if self.home.setdefault(name, f"spot_{group}") == f"spot_{group}":
                    self.anchors[name] = anchor
        self.answers = {group: self._claim(group, calls) for group, calls in self.groups.items()}
        self.page = ""

    def _claim(self, group: str, calls: Sequence[Endpoint]) -> list[type]:
        """Return the classes of a group's answers that no earlier page documents."""
        found: list[type] = []
        for call in calls:
            used = [*hints(call.request).values(), call.result]
            for cls in (cls for kind in used for cls in _classes(kind)):
                if cls.__name__ not in self.home:
                    self.home[cls.__name__] = f"spot_{group}"
                    found.append(cls)
        return found

    # Pieces

    def link(self, name: str, label: str | None = None) -> str:
        """Return a link to a documented class, or its name as code."""
        home = self.home.get(name)
        label = label or name
        if home is None:
            return f"`{label}`"
        anchor = self.anchors.get(name, re.sub(r"[^\w-]", "", name.lower()))
        return f"[`{label}`]({'' if home == self.page else f'{home}.md'}#{anchor})"

    def kind(self, kind: Any) -> str:
        """Return a type as code that links to the innermost class that is documented."""
        text = text_of(kind)
        named = [name for name in re.findall(r"\w+", text) if name in self.home]
        if self.page == "simulator":  # it has types of its own, with the same names
            named = [name for name in named if self.home[name] == self.page]
        return (self.link(named[-1], text) if named else f"`{text}`") if text else ""

    def text(self, doc: str) -> str:
        """Return a docstring as Markdown, with links for the names of errors."""

        def linked(match: re.Match[str]) -> str:
            word = match[0]
            known = getattr(mexc_async.errors, word, None)
            return self.link(word) if isinstance(known, type) and issubclass(known, MexcError) else word

        return WORD.sub(linked, doc)

    def cell(self, doc: str) -> str:
        """Return a docstring for a table's cell."""
        return " ".join(self.text(doc).split()).replace("|", "\\|")

    def rows(self, rows: Sequence[Row], head: str) -> str:
        """Return a table of rows, without the columns that are empty."""
        if not rows:
            return ""
        columns: list[tuple[str, Callable[[Row], str]]] = [
            (head, lambda row: f"`{row.name}`"),
            ("value" if head == "member" else "at MEXC", lambda row: row.wire and f"`{row.wire}`"),
            ("type", lambda row: row.kind.replace("|", "\\|")),
            ("default", lambda row: row.default.replace("|", "\\|")),
            ("meaning", lambda row: self.cell(row.doc)),
        ]
        used = [(title, read) for title, read in columns if any(read(row) for row in rows)]
        return table([title for title, _ in used], [[read(row) for _, read in used] for row in rows])

    # Classes

    def item(self, item: Any) -> str:
        """Return the section of a class or function."""
        if isinstance(item, type):
            return self.class_section(item)
        return f"## {_title(item)}\n\n{self.function(item, _title(item))}"

    def class_section(self, cls: type, level: str = "##") -> str:
        """Return the section of a class: what it is, its fields, attributes and methods."""
        head, arguments, tail = _sections(inspect.cleandoc(cls.__doc__ or ""))
        parts = [f"{level} {cls.__name__}", self.text(head)]
        parts += [self.rows([Row(name, doc=doc) for name, doc in arguments], "argument"), self.text(tail)]
        if numbers := [name for name in dir(cls) if _number(cls, name)]:
            parts.append(f"A number can be read as MEXC sent it, too, such as `{numbers[0]}_text`.")
        skipped = set[str]() if cls.__name__ in COMMON else COMMON
        own = [base for base in cls.__mro__ if base.__module__.startswith(PACKAGE) and base.__name__ not in skipped]
        bases = [base for base in own if base.__name__ in self.home and base is not cls]
        if bases and not issubclass(cls, Exception):
            parts.append(f"Has everything that {' and '.join(self.link(base.__name__) for base in bases)} has, and:")
        shown = [base for base in reversed(own) if not any(base in known.__mro__ for known in bases)]
        if cls.__name__ in CONSTRUCTED:
            parts.append(self.function(cls.__init__, cls.__name__))
        parts.append(self.rows(list(self._fields(cls)), "member" if issubclass(cls, Enum) else "field"))
        parts.append(self.rows(list(self._attributes(cls, shown)), "attribute"))
        for base in shown:
            for name, method in _methods(base):
                if name == "__call__":
                    parts.append(self.function(method, cls.__name__.lower()))
                elif name not in HIDDEN.get(base.__name__, ()):
                    parts.append(f"{level}# {_heading(cls, name, method)}\n\n{self.function(method, name)}")
        return "\n\n".join(part.strip("\n") for part in parts if part.strip())

    def _fields(self, cls: type) -> Iterator[Row]:
        """Yield the fields of a Struct or NamedTuple, the members of an enum."""
        if issubclass(cls, Enum):
            for member in cls:
                yield Row(member.name, doc=documentation(cls, member.name), wire=default_of(member.value))
            return
        known = hints(cls)
        if _is_struct(cls):
            is_request = issubclass(cls, Request)
            has_defaults = is_request or not (cls.__module__.startswith(f"{PACKAGE}.spot.") or issubclass(cls, Event))
            for field in msgspec.structs.fields(cls):
                name = field.name.removesuffix("_text")
                default = f"`{_default(field)}`" if has_defaults and not field.required else "required" * is_request
                kind = number if (number := _number(cls, name)) else self.kind(known[field.name])
                yield Row(name if number else field.name, kind, default, _meaning(cls, name), _wire(cls, field, name))
        elif issubclass(cls, tuple):
            for name in getattr(cls, "_fields", ()):
                yield Row(name, self.kind(known[name]), "", documentation(cls, name))

    def _attributes(self, cls: type, shown: Sequence[type]) -> Iterator[Row]:
        """Yield documented attributes and properties that are no fields."""
        fields = set(getattr(cls, "__struct_fields__", ())) | set(getattr(cls, "_fields", ()))
        if issubclass(cls, Enum):
            fields |= set(cls.__members__)
        seen = set(fields)
        for base in shown:
            known = hints(base.__init__) | hints(base)
            for name, one in attributes(base).items():
                hidden = seen | HIDDEN.get(base.__name__, set())
                if one.doc and not name.startswith("_") and name not in hidden and "ClassVar" not in one.kind:
                    if not _number(cls, name):
                        yield Row(name, self.kind(known.get(name, one.kind)), "", one.doc)
                    seen.add(name)
            for name, value in vars(base).items():
                if isinstance(value, property) and not name.startswith("_") and name not in seen:
                    seen.add(name)
                    kind = hints(value.fget).get("return", "")
                    yield Row(name, self.kind(kind), "", inspect.getdoc(value) or "")

    # Functions

    def function(self, function: Any, name: str) -> str:
        """Return a function's signature, docstring and arguments."""
        head, arguments, tail = _sections(inspect.cleandoc(function.__doc__ or ""))
        known = hints(function)
        rows = [Row(one, self.kind(known.get(one, "")), "", doc) for one, doc in arguments]
        parts = [f"```python\n{signature(function, name)}\n```", self.text(head), self.rows(rows, "argument")]
        return "\n\n".join(part.strip("\n") for part in [*parts, self.text(tail)] if part.strip())

    def call(self, call: Endpoint) -> str:
        """Return the section of an endpoint."""
        fields = msgspec.structs.fields(call.request)
        required = [field.name for field in fields if field.required]
        given = ", ".join([f"{name}=..." for name in required] + (["..."] if len(required) < len(fields) else []))
        costs = ", ".join(f"`{cost.limit}` {cost.weight}" for cost in call.costs)
        facts = [f"`{call.method} {call.path}`"]
        facts += [f"permission `{call.route.permission}`"] if call.route.permission else []
        facts += ["no key needed"] if call.auth.value == "none" else []
        facts += [f"weight {costs}"] if costs else []
        known = hints(call.request)
        rows = [
            Row(
                field.name,
                self.kind(known[field.name]),
                "required" if field.required else "`None`",
                _meaning(call.request, field.name),
            )
            for field in fields
        ]
        named = [name for name in dict.fromkeys(re.findall(r"\w+", text_of(call.result))) if name in self.home]
        text = text_of(call.result)
        returns = self.kind(call.result) if len(named) < 2 else f"`{text}`: {', '.join(map(self.link, named))}"
        parts = [
            f"### mexc.spot.{call.name}",
            f"```python\nawait mexc.spot.{call.name}({given})\n```",
            self.text(call.doc),
            self.rows(rows, "parameter"),
            f"Returns {returns}.",
            f"{'; '.join(facts)}. As a value: `{call.request.__name__}({given})`.",
        ]
        return "\n\n".join(part.strip("\n") for part in parts if part.strip())

    # Pages

    def error(self, cls: type[MexcError]) -> str:
        """Return the section of an error."""
        codes = [str(code) for code, row in SPOT_CODES.items() if row.error is cls]
        rows = [Row(name, doc=one.doc) for name, one in attributes(cls).items() if one.doc and cls is not MexcError]
        bases = ", ".join(self.link(base.__name__) for base in cls.__bases__)
        parts = (
            [self.class_section(cls)]
            if cls is MexcError
            else [f"## {cls.__name__}", self.text(inspect.cleandoc(cls.__doc__ or ""))]
        )
        facts = [f"A kind of {bases}."]
        facts += ["The same call can succeed later."] if cls.retryable else []
        facts += ["The outcome of a call that changes something is unknown."] if not cls.outcome_known else []
        facts += [f"Codes: {', '.join(codes)}."] if codes else []
        parts += [self.rows(rows, "attribute")] if rows else []
        parts += [" ".join(facts)] if cls is not MexcError else []
        parts += [f"> {cls.advice}"] if isinstance(cls.advice, str) else []
        return "\n\n".join(part.strip("\n") for part in parts if part.strip())

    def written(self, page: Page) -> str:
        """Return one page."""
        self.page = page.name
        render = self.error if page.name == "errors" else self.item
        return (
            "\n\n".join([f"# Reference: {page.title}", self.text(page.introduction), *map(render, page.items)]) + "\n"
        )

    def group(self, name: str, calls: Sequence[Endpoint]) -> str:
        """Return the page of a group of endpoints."""
        self.page = f"spot_{name}"
        parts = [f"# Reference: {GROUPS[name]}", INTRODUCTION, "## Calls", *map(self.call, calls)]
        if answers := self.answers[name]:
            parts += ["## Answers", *(self.class_section(cls, "###") for cls in answers)]
        return "\n\n".join(parts) + "\n"

    def index(self) -> str:
        """Return the page that lists the others, and every name."""
        self.page = "README"
        rows = [(f"[{page.title}]({page.name}.md)", page.summary) for page in PAGES]
        rows += [
            (
                f"[{GROUPS[name]}](spot_{name}.md)",
                ", ".join(f"[`{call.name}`](spot_{name}.md#mexcspot{call.name})" for call in calls),
            )
            for name, calls in self.groups.items()
        ]
        names = " ".join(self.link(name) for name in sorted(self.home, key=str.lower))
        return INDEX.format(pages=table(("page", "describes"), rows), names=names)

    def all(self) -> dict[str, str]:
        """Return the text of every page by its file's name."""
        pages = {f"{page.name}.md": self.written(page) for page in PAGES}
        pages |= {f"spot_{name}.md": self.group(name, calls) for name, calls in self.groups.items()}
        return {"README.md": self.index(), **pages}


def _title(item: Any) -> str:
    if not isinstance(item, type):
        for home, room in (("mexc_async.data.paging", "paging"), ("mexc_async.backtest", "backtest")):
            if item.__module__.startswith(home):
                return f"{room}.{item.__name__}"
    return str(item.__name__)


def _heading(cls: type, name: str, method: Any) -> str:
    """Return a method's heading: `Orders.place`, `Orders[client_order_id]`."""
    if name == "__getitem__":
        return f"{cls.__name__}[{list(inspect.signature(method).parameters)[1]}]"
    return f"{cls.__name__}.{name}"


def _is_struct(cls: type) -> bool:
    return issubclass(cls, msgspec.Struct)


def _default(field: Any) -> str:
    if field.default is not msgspec.NODEFAULT:
        return default_of(field.default)
    return default_of(field.default_factory())


def _meaning(cls: type, name: str) -> str:
    """Return the meaning of a parameter, or the docstring of a field, or what its name means everywhere."""
    if issubclass(cls, Request):
        return meaning(cls, name)
    return documentation(cls, name) or MEANINGS.get(name, "")


def _number(cls: type, name: str) -> str:
    """Return the type of a number that is stored as text; empty for any other field."""
    match inspect.getattr_static(cls, name, None):
        case Lazy() as reader:
            return "`int`" if reader._parse is int else "`Decimal`"
        case LazyOrNone() as reader:
            return "`int | None`" if reader._parse is int else "`Decimal | None`"
    return ""


def _wire(cls: Any, field: Any, name: str) -> str:
    """Return MEXC's name of an answer's or push's field, unless it is ours in camel case."""
    wire = field.encode_name if issubclass(cls, Answer) else ""
    for one in getattr(get_type_hints(cls, include_extras=True)[field.name], "__metadata__", ()):
        wire = getattr(one, "name", wire)
    first, *others = name.split("_")
    is_ours = wire in (name, first + "".join(map(str.title, others)))
    return "" if is_ours or cls.__struct_config__.array_like else wire


def _methods(base: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(base).items():
        method = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        is_shown = not name.startswith("_") or name in ("__call__", "__getitem__")
        if is_shown and inspect.isfunction(method) and method.__doc__:
            yield name, method


def _classes(kind: Any) -> Iterator[type]:
    """Yield the package's Structs and enums in a type, and in the types of their fields."""
    for one in get_args(kind):
        yield from _classes(one)
    cls = getattr(enums, kind.__name__, kind) if isinstance(kind, type) else getattr(kind, "__origin__", None)
    if isinstance(cls, type) and issubclass(cls, msgspec.Struct | Enum) and cls.__module__.startswith(PACKAGE):
        yield cls
        if issubclass(cls, msgspec.Struct):
            for field in hints(cls).values():
                yield from _classes(field)


def _sections(doc: str) -> tuple[str, list[tuple[str, str]], str]:
    """Split a docstring at its `Args:`: the text before it, (name, text) of each argument, and the text after it."""
    head, _, rest = doc.partition("\nArgs:\n")
    lines, arguments = rest.splitlines(), list[tuple[str, str]]()
    while lines and (lines[0].startswith("    ") or not lines[0]):
        line = lines.pop(0)
        if match := re.match(r"    (\w+): (.*)", line):
            arguments.append((match[1], match[2]))
        elif line and arguments:
            arguments[-1] = (arguments[-1][0], f"{arguments[-1][1]} {line.strip()}")
    return head, arguments, "\n".join(lines)


def main() -> None:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description="Write docs/api/ from the docstrings of the package.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a page is out of date")
    check: bool = parser.parse_args().check
    pages = Writer().all()
    present = {path.name: path.read_text(encoding="utf-8") for path in API.glob("*.md")}
    stale = sorted(name for name in {*pages, *present} if pages.get(name) != present.get(name))
    if check and stale:
        sys.exit(f"out of date: {', '.join(stale)}; run make docs")
    API.mkdir(exist_ok=True)
    for name in () if check else stale:
        if name in pages:
            (API / name).write_text(pages[name], encoding="utf-8")
        else:
            (API / name).unlink()


if __name__ == "__main__":
    main()
