"""Names in the pages: classes and settings are those of the package, and are imported from its root."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest

import mexc_async
from mexc_async import GuardLimits, Limit, NetworkSettings, OrderSettings, Timeouts
from mexc_async.client.settings import Settings
from tests.support.documents import PAGES, ROOT, blocks

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def settings_structs(kind: type = Settings) -> Iterator[type[msgspec.Struct]]:
    """Yield the classes of settings that a client takes, and those inside them."""
    for hint in get_type_hints(kind).values():
        for one in (hint, *get_args(hint), *(inner for arm in get_args(hint) for inner in get_args(arm))):
            if isinstance(one, type) and issubclass(one, msgspec.Struct):
                yield one
                yield from settings_structs(one)


def test_every_setting_stands_on_the_page_of_settings() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### `(\w[\w.]*)[^`]*`\n(.*?)(?=^### |\Z)", page, re.M | re.S))
    structs: set[type[msgspec.Struct]] = {*settings_structs(), GuardLimits}
    assert {NetworkSettings, Timeouts, OrderSettings, Limit} <= structs
    named = {kind.__name__: [field.name for field in msgspec.structs.fields(kind)] for kind in structs}
    for title, names in {"Mexc": list(get_type_hints(Settings)), **named}.items():
        rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| (.*) \|$", sections[title], re.M))
        assert [name for name in names if not rows.get(name)] == [], title
        assert title in mexc_async.__all__


def test_every_name_is_imported_from_the_root() -> None:
    services = (ROOT / "docs" / "web.md").read_text(encoding="utf-8")
    for block in blocks("python"):
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mexc_async"):
                module = node.module or ""
                assert module == "mexc_async" or module.startswith("mexc_async.contrib."), block.name
                assert module == "mexc_async" or f"`{module}`" in services, block.name


@pages
def test_classes_are_those_of_the_root(page: Path) -> None:
    if page.name in ("architecture.md", "CHANGELOG.md"):
        return  # for people who change the package, and history
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    words = {
        word
        for code in re.findall(r"`([^`]+)`", text)
        for word in re.findall(r"(?<!backtest\.)\b[A-Z][a-z]\w+\b", code)
    }
    elsewhere = {name for name in words & classes().keys() if not hasattr(mexc_async, name)}
    assert {name for name in elsewhere if "mexc_async.contrib" not in classes()[name]} == set()


@cache
def classes() -> dict[str, str]:
    """Return the classes and type aliases of the package, each with the modules that define it."""
    found: dict[str, str] = {}
    for path in (ROOT / "mexc_async").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            match node:
                case ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                    found[name] = f"{found.get(name, '')} {module}"
    return found
