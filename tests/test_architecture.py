"""Rings are imported inwards only, the pure ones stay pure, and no module imports a package `__init__`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "mexc_async"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE

_PURE = {"errors", "error_codes", "core", "spot", "futures"}
_DECLARED = {"errors", "error_codes", "core", "spot", "futures"}
_SDK = {*_DECLARED, "keys", "catalogue", "paging", "net", "settings", "view", "wiring", "client"}
MAY_IMPORT = {
    "errors": set[str](),
    "error_codes": {"errors"},
    "core": {"errors", "error_codes", "core"},
    "spot": {"errors", "error_codes", "core", "spot"},
    "futures": {"errors", "error_codes", "core", "futures"},
    "catalogue": _DECLARED,
    "keys": {*_DECLARED, "keys"},
    "paging": _DECLARED,
    "net": {*_DECLARED, "net"},
    "settings": {*_DECLARED, "net"},
    "view": {*_DECLARED, "catalogue", "net"},
    "wiring": {*_DECLARED, "net"},
    "client": _SDK,
    "sim": {*_DECLARED, "sim"},
    "data": {*_SDK, "data", "sim"},
    "cli": {*_SDK, "cli", "sim", "data", "monitor", "contrib"},
    "monitor": {*_SDK, "monitor"},
    "contrib": {*_SDK, "contrib"},
    "pytest_plugin": {*_SDK, "sim"},
}
"""Which rings each ring may import."""
IMPURE = {
    "asyncio", "concurrent", "ctypes", "fileinput", "getpass", "glob", "http", "importlib", "io", "locale", "logging",
    "multiprocessing", "os", "pathlib", "platform", "queue", "random", "sched", "secrets", "select", "selectors",
    "shelve", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time",
    "uuid", "warnings", "zoneinfo",
}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "now", "utcnow", "today", "monotonic", "perf_counter", "getenv", "sleep"}
PURE_LIBRARIES = {"httptools", "msgspec"}
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
VERSION = f"{PACKAGE}.__version__"


def package_modules() -> dict[str, str]:
    """Source of each module by its dotted name; a package stands for its `__init__`, what is compiled for its stub."""
    found = {}
    for path in sorted([*ROOT.rglob("*.py"), *ROOT.rglob("*.pyi")]):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path.read_text(encoding="utf-8")
    return found


MODULES = package_modules()
PACKAGES = {".".join(path.parent.relative_to(ROOT.parent).parts) for path in ROOT.rglob("__init__.py")}


def ring(module: str) -> str:
    """The part of the package that a module belongs to; empty for the package's own `__init__`."""
    return module.split(".")[1] if "." in module else ""


def imported(module: str, source: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                here = module.split(".") if module in PACKAGES else module.split(".")[:-1]
                start = here[: len(here) - node.level + 1]
                origin = ".".join([*start, origin] if origin else start)
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def problems(module: str, source: str) -> list[str]:
    """What a module does against the rules, one line each."""
    found = []
    own = ring(module)
    for line, name in imported(module, source):
        if name == PACKAGE or name.startswith(f"{PACKAGE}."):
            found += [f"{module}:{line}: {text}" for text in _inside(own, name)]
        elif own in _PURE:
            top = name.split(".")[0]
            if top in IMPURE or (top not in sys.stdlib_module_names and top not in PURE_LIBRARIES):
                found.append(f"{module}:{line}: the pure ring {own} imports {name}")
    if own in _PURE:
        found += [f"{module}:{line}: the pure ring {own} calls {name}()" for line, name in _impure_calls(source)]
    return found


def _inside(own: str, name: str) -> Iterator[str]:
    """Problems of importing a name of the package itself."""
    if name == VERSION and own == "cli":
        return
    holder = name.rsplit(".", 1)[0]
    is_module = name in MODULES and name not in PACKAGES
    if not is_module and (name in PACKAGES or holder in PACKAGES):
        yield f"imports {name} from a package's __init__"
        return
    if own and ring(name) not in MAY_IMPORT[own]:
        yield f"the ring {own} imports {name}, which is not inwards"


def _impure_calls(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            if name in IMPURE_CALLS:
                yield node.lineno, name


@pytest.mark.parametrize("module", MODULES)
def test_module_keeps_to_its_ring(module: str) -> None:
    assert module == PACKAGE or ring(module) in MAY_IMPORT, f"{module} belongs to no known ring"
    assert problems(module, MODULES[module]) == []


def test_nothing_imports_the_outer_rings_but_those_that_start_them() -> None:
    outer = {"sim", "data", "cli", "monitor", "contrib", "pytest_plugin"}
    for name, allowed in MAY_IMPORT.items():
        if name not in outer:
            assert not allowed & outer


@pytest.mark.parametrize("module", MODULES)
def test_module_is_named_for_what_is_in_it(module: str) -> None:
    assert not VAGUE & set(module.split("."))


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("mexc_async.core.bad", "import asyncio", "imports asyncio"),
        ("mexc_async.core.bad", "def f():\n    import time", "imports time"),
        ("mexc_async.core.bad", "from os import environ", "imports os.environ"),
        ("mexc_async.core.bad", "import aiohttp.web", "imports aiohttp.web"),
        ("mexc_async.spot.bad", "from pathlib import Path", "imports pathlib.Path"),
        ("mexc_async.spot.bad", "import numpy", "imports numpy"),
        ("mexc_async.spot.bad", "from datetime import datetime\nx = datetime.now()", "calls now()"),
        ("mexc_async.spot.bad", "x = open('f')", "calls open()"),
        ("mexc_async.errors", "from mexc_async.core.query import encode", "not inwards"),
        ("mexc_async.core.bad", "from mexc_async.spot.enums import Side", "not inwards"),
        ("mexc_async.core.bad", "from ..net.pool import Pool", "not inwards"),
        ("mexc_async.spot.bad", "from mexc_async.futures.enums import Side", "not inwards"),
        ("mexc_async.futures.bad", "import mexc_async.spot.enums", "not inwards"),
        ("mexc_async.net.bad", "from mexc_async.client import Mexc", "not inwards"),
        ("mexc_async.net.bad", "from mexc_async.sim.server import Simulator", "not inwards"),
        ("mexc_async.sim.bad", "from mexc_async.net.pool import Pool", "not inwards"),
        ("mexc_async.sim.bad", "from mexc_async.client import Mexc", "not inwards"),
        ("mexc_async.monitor.bad", "from mexc_async.sim.server import Simulator", "not inwards"),
        ("mexc_async.contrib.bad", "from mexc_async.monitor.page import Page", "not inwards"),
        ("mexc_async.client", "from mexc_async.cli.app import main", "not inwards"),
        ("mexc_async.net.bad", "from mexc_async import Mexc", "__init__"),
        ("mexc_async.net.bad", "import mexc_async", "__init__"),
        ("mexc_async.cli.bad", "from mexc_async import Mexc", "__init__"),
        ("mexc_async.net.bad", "from mexc_async import __version__", "__init__"),
        ("mexc_async.client", "from mexc_async.spot import Spot", "__init__"),
        ("mexc_async.client", "import mexc_async.spot", "__init__"),
        ("mexc_async.client", "from mexc_async import spot", "__init__"),
        ("mexc_async.core.bad", "from . import limits, Limits", "__init__"),
    ],
)
def test_checker_finds_what_is_against_the_rules(module: str, source: str, complaint: str) -> None:
    found = problems(module, source)
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mexc_async.core.good", "from datetime import datetime\nimport msgspec\nfrom decimal import Decimal"),
        ("mexc_async.spot.good", "from mexc_async.core.endpoint import Route\nfrom mexc_async.core import limits"),
        ("mexc_async.net.good", "import time, aiohttp\nfrom mexc_async.spot.trading import NewOrder"),
        ("mexc_async.cli.good", "from mexc_async import __version__\nfrom mexc_async.sim.server import Simulator"),
        ("mexc_async.pytest_plugin", "from mexc_async.sim.server import SimConfig"),
    ],
)
def test_checker_lets_pass_what_is_allowed(module: str, source: str) -> None:
    assert problems(module, source) == []
