"""Plain words: docstrings open with a verb or a noun, and avoid some words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("mexc_async", "tests", "benchmarks", "examples")


class Docstring(NamedTuple):
    """A docstring and its place."""

    place: str
    """`path:line`."""
    text: str


def documented(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the docstrings of a module, its classes and functions, and of their attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in node.body:
                match statement:
                    case ast.Expr(value=ast.Constant(value=str()) as constant):
                        yield constant


@cache
def docstrings() -> tuple[Docstring, ...]:
    """Return all docstrings of the package, the tests, the benchmarks and the examples."""
    paths = (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py*")))
    return tuple(
        Docstring(f"{path.relative_to(ROOT)}:{constant.lineno}", str(constant.value).strip())
        for path in paths
        if path.suffix in (".py", ".pyi")
        for constant in documented(ast.parse(path.read_text(encoding="utf-8")))
    )


@pytest.mark.parametrize(
    ("pattern", "most"),
    [
        (r"(?:What|Who|Whether|How|Where|Which|When|Why)\b", 0.02),
        (r"(?is).*\b(?:tells?|told|anew)\b", 0.01),
    ],
)
def test_docstrings_are_plain(pattern: str, most: float) -> None:
    found = docstrings()
    offenders = [docstring for docstring in found if re.match(pattern, docstring.text)]
    lines = "\n".join(f"{place}: {text.splitlines()[0]}" for place, text in offenders)
    assert len(offenders) < most * len(found), f"{len(offenders)} of {len(found)} docstrings:\n{lines}"


def test_every_kind_of_docstring_is_found() -> None:
    source = '"""A."""\nx = 1\n"""B."""\nclass C:\n    """C."""\n    def d(self):\n        """D."""\n'
    assert sorted(str(constant.value) for constant in documented(ast.parse(source))) == ["A.", "B.", "C.", "D."]
