"""Imports run downwards only, pure modules stay pure, rooms stay small, and no module imports a package `__init__`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = "mexc_async"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE
MOST_FILES = 20
"""Most files in one room."""

ORDER: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("error_codes",),
    ("native", "runtime"),
    ("schema",),
    ("spot", "futures", "limits", "transport", "recording"),
    ("rest", "sim.exchange"),
    ("streams", "keys", "sim.faults", "sim.market", "sim.wallet"),
    ("books", "orders", "sim.stream"),
    ("call_log", "accounts", "sim.rest"),
    ("risk",),
    ("client",),
    ("data", "backtest", "monitor", "contrib", "pytest_plugin"),
    ("cli",),
    ("__main__",),
)
"""Rooms, the lowest first: each imports those below it; rooms of one line do not import each other."""
SIM_MAY_IMPORT = {"errors", "error_codes", "native", "runtime", "schema", "spot", "futures", "recording"}
"""Modules that the simulator shares with the client: declarations, and none that decides or sends."""
MAY_IMPORT_SIM = {"data", "backtest", "pytest_plugin", "cli"}

PUBLIC_ROOMS = {f"{PACKAGE}.backtest"}
"""Rooms that users import whole, so that the package's `__init__` names them."""

EDGE_ROOMS = {"__main__", "cli", "contrib", "data", "backtest", "monitor", "pytest_plugin"}
"""Programs and integrations: none has to be pure."""
EDGE = frozenset(
    f"{PACKAGE}.{room}.{module}"
    for room, modules in {
        "accounts": "accounts transfers",
        "books": "live_book",
        "call_log": "appender client_log files log writer",
        "client": "blocking channel life mexc orders settings sim_process sweep sync sync_parts view wiring",
        "keys": "allow_ip encryption environment key_file os_keyring replace rotation shielded stores watch",
        "limits": "account_limiter limiter",
        "native": "fallback",
        "orders": "execution halt handle heartbeat ids orders reconciler session shortcuts started tracker",
        "rest": "call keep_warm pipeline route_plan server_clock symbol_rules",
        "risk": "alarms exposure_counter guard",
        "runtime": (
            "clock hooks log loop_thread priority_semaphore program_lines real_world runner tasks virtual_loop "
            "virtual_process virtual_run virtual_tasks virtual_timeline virtual_world"
        ),
        "sim.exchange": "accounts events exchange history ids keys market_state order_checks past settlement",
        "sim.faults": "faults request_faults wire",
        "sim.market": "arbitrage bar_player bars latency liquidity recorded_book recording tape watcher",
        "sim.rest": (
            "answers auth background config endpoint gateway held_requests http_server paging parameters "
            "pipeline port responses routes server steps swaps"
        ),
        "sim.rest.endpoints": (
            "account affiliate announcement broker control futures market order_names rebate subaccount trade transfer "
            "user_stream wallet"
        ),
        "sim.stream": "connection feeds listen_keys pushes sockets subscriptions",
        "sim.wallet": (
            "account_audit addresses back_office deposits dust rebates subaccounts transfers wallet withdrawals"
        ),
        "streams": "live_balances reconnecting router streams subscriber user_stream websocket",
        "transport": "addresses config connection delivery dial lane pool transport",
    }.items()
    for module in modules.split()
)
"""Modules that touch the world, or import one that does. Every other module is pure."""

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

LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}


def package_modules() -> dict[str, str]:
    """Return the source of each module by its dotted name: a package's `__init__`, a compiled module's stub."""
    found = {}
    for path in sorted([*ROOT.rglob("*.py"), *ROOT.rglob("*.pyi")]):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path.read_text(encoding="utf-8")
    return found


MODULES = package_modules()
PACKAGES = {".".join(path.parent.relative_to(ROOT.parent).parts) for path in ROOT.rglob("__init__.py")}


def room(module: str) -> str:
    """Return the room of a module, such as `orders` or `sim.rest`; empty for the package's own `__init__`."""
    parts = module.split(".")[1:]
    return ".".join(parts[:2]) if parts[:1] == ["sim"] else "".join(parts[:1])


def is_pure(module: str) -> bool:
    """Return True if a module must not touch the world."""
    return module != PACKAGE and module not in EDGE and room(module) not in EDGE_ROOMS


def imported(module: str, source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of everything that a module imports, anywhere in it."""
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


def holder(name: str) -> str:
    """Return the module that an imported name is, or is in."""
    return name if name in MODULES else name.rsplit(".", 1)[0]


def problems(module: str, source: str) -> list[str]:
    """Return a module's violations of the rules, one line each."""
    found = []
    for line, name in imported(module, source):
        if name == PACKAGE or name.startswith(f"{PACKAGE}."):
            found += [f"{module}:{line}: {text}" for text in _inside(module, name)]
        elif is_pure(module):
            top = name.split(".")[0]
            if top in IMPURE or (top not in sys.stdlib_module_names and top not in PURE_LIBRARIES):
                found.append(f"{module}:{line}: is pure and imports {name}")
    if is_pure(module):
        found += [f"{module}:{line}: is pure and calls {name}()" for line, name in _impure_calls(source)]
    return found


def _inside(module: str, name: str) -> Iterator[str]:
    """Return the problems of importing a name of the package itself."""
    own, other = room(module), room(name)
    if (name == VERSION and own == "cli") or (module == PACKAGE and name in PUBLIC_ROOMS):
        return
    is_module = name in MODULES and name not in PACKAGES
    if not is_module and (name in PACKAGES or name.rsplit(".", 1)[0] in PACKAGES):
        yield f"imports {name} from a package's __init__"
        return
    if own and own != other and not may_import(own, other):
        yield f"imports {name}, which is not downwards\n{drawing()}"
    elif is_pure(module) and not is_pure(holder(name)):
        yield f"is pure and imports {name}, which touches the world"


def may_import(own: str, other: str) -> bool:
    """Return True if a room may import another."""
    if own.startswith("sim.") and not other.startswith("sim."):
        return other in SIM_MAY_IMPORT
    if other.startswith("sim.") and not own.startswith("sim.") and own not in MAY_IMPORT_SIM:
        return False
    return own in LEVEL and other in LEVEL and LEVEL[other] < LEVEL[own]


def drawing() -> str:
    """Return the order of the rooms, the highest first."""
    return "\n".join(["the order of the rooms, each imports those below it:", *map(" | ".join, reversed(ORDER))])


def _impure_calls(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            if name in IMPURE_CALLS:
                yield node.lineno, name


def circles(imports: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or by others."""
    reached: dict[str, set[str]] = {}
    for start in imports:
        seen: set[str] = set()
        left = [start]
        while left:
            for name in imports.get(left.pop(), ()):
                if name not in seen:
                    seen.add(name)
                    left.append(name)
        reached[start] = seen
    groups = {frozenset(b for b in reached[a] if a in reached.get(b, ())) for a in reached if a in reached[a]}
    return sorted(sorted(group) for group in groups)


@pytest.mark.parametrize("module", MODULES)
def test_module_keeps_to_its_room(module: str) -> None:
    assert module in PACKAGES or room(module) in LEVEL, f"{module} belongs to no known room\n{drawing()}"
    assert problems(module, MODULES[module]) == []


def test_no_modules_import_each_other() -> None:
    imports = {module: {holder(name) for _, name in imported(module, source)} for module, source in MODULES.items()}
    imports = {module: {name for name in names if name in MODULES} for module, names in imports.items()}
    assert circles(imports) == []


def test_the_simulator_knows_aiohttp_only_where_it_listens() -> None:
    users = {m for m, source in MODULES.items() if any(name.startswith("aiohttp") for _, name in imported(m, source))}
    assert {m for m in users if room(m).startswith("sim.")} == {
        "mexc_async.sim.rest.http_server",
        "mexc_async.sim.rest.port",
    }


def test_no_benchmarks_import_each_other() -> None:
    sources = {f"benchmarks.{path.stem}": path.read_text() for path in (ROOT.parent / "benchmarks").glob("*.py")}
    imports = {
        module: {name if name in sources else name.rsplit(".", 1)[0] for _, name in imported(module, source)}
        for module, source in sources.items()
    }
    assert circles(imports) == []


def test_no_room_is_crowded() -> None:
    rooms = [ROOT, *(ROOT.parent / package.replace(".", "/") for package in PACKAGES)]
    crowded = {str(path.relative_to(ROOT.parent)): len(list(path.glob("*.py"))) for path in rooms}
    assert {name: count for name, count in crowded.items() if count > MOST_FILES} == {}


def test_every_edge_module_exists_and_has_to_be_one() -> None:
    assert EDGE - set(MODULES) == set()
    needless = []
    for module in EDGE:
        names = [name for _, name in imported(module, MODULES[module])]
        own = [holder(name) for name in names if name.startswith(f"{PACKAGE}.")]
        touches = [name for name in names if name.split(".")[0] in IMPURE or not _is_known(name)]
        if not touches and not [*_impure_calls(MODULES[module])] and all(is_pure(name) for name in own):
            needless.append(module)
    assert needless == [], "these are pure: take them off the list"


def _is_known(name: str) -> bool:
    top = name.split(".")[0]
    return top in sys.stdlib_module_names or top in PURE_LIBRARIES or top == PACKAGE


@pytest.mark.parametrize("module", MODULES)
def test_module_is_named_for_what_is_in_it(module: str) -> None:
    assert not VAGUE & set(module.split("."))


def test_tests_stand_in_the_rooms_of_what_they_test() -> None:
    tests = ROOT.parent / "tests"
    rooms = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    mirrored = {path.parent.relative_to(ROOT) for path in ROOT.rglob("*.py") if path.name != "__init__.py"}
    assert {str(room) for room in rooms - mirrored} == {"benchmarks", "chaos", "docs", "rehearsals"}


def test_no_test_imports_another() -> None:
    found = []
    for path in sorted((ROOT.parent / "tests").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        for line, name in imported(module, path.read_text(encoding="utf-8")):
            if any(part.startswith("test_") for part in name.split(".")[:-1]) and name.startswith("tests."):
                found.append(f"{module}:{line}: imports {name}; what tests share stands in tests/support")
    assert found == []


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("mexc_async.schema.bad", "import asyncio", "imports asyncio"),
        ("mexc_async.schema.bad", "def f():\n    import time", "imports time"),
        ("mexc_async.books.bad", "from os import environ", "imports os.environ"),
        ("mexc_async.books.bad", "import aiohttp.web", "imports aiohttp.web"),
        ("mexc_async.spot.bad", "from pathlib import Path", "imports pathlib.Path"),
        ("mexc_async.spot.bad", "import numpy", "imports numpy"),
        ("mexc_async.spot.bad", "from datetime import datetime\nx = datetime.now()", "calls now()"),
        ("mexc_async.spot.bad", "x = open('f')", "calls open()"),
        ("mexc_async.rest.bad", "from mexc_async.transport.lane import Lane", "touches the world"),
        ("mexc_async.errors", "from mexc_async.schema.query import encode", "not downwards"),
        ("mexc_async.schema.bad", "from mexc_async.spot.enums import Side", "not downwards"),
        ("mexc_async.schema.bad", "from ..transport.http1 import ResponseReader", "not downwards"),
        ("mexc_async.spot.bad", "from mexc_async.futures.enums import Side", "not downwards"),
        ("mexc_async.futures.bad", "import mexc_async.spot.enums", "not downwards"),
        ("mexc_async.rest.pipeline", "from mexc_async.client.mexc import Mexc", "not downwards"),
        (
            "mexc_async.rest.pipeline",
            "if TYPE_CHECKING:\n from mexc_async.orders.record import OrderRecord",
            "downwards",
        ),
        ("mexc_async.orders.orders", "from mexc_async.risk.guard import OrderGuard", "not downwards"),
        ("mexc_async.rest.pipeline", "from mexc_async.sim.rest.server import Simulator", "not downwards"),
        ("mexc_async.sim.rest.server", "from mexc_async.transport.pool import Pool", "not downwards"),
        ("mexc_async.sim.rest.server", "from mexc_async.limits.profiles import Limits", "not downwards"),
        ("mexc_async.sim.rest.server", "from mexc_async.client.mexc import Mexc", "not downwards"),
        ("mexc_async.sim.exchange.exchange", "from mexc_async.sim.rest.server import Simulator", "not downwards"),
        ("mexc_async.monitor.bad", "from mexc_async.sim.rest.server import Simulator", "not downwards"),
        ("mexc_async.contrib.bad", "from mexc_async.monitor.page import Page", "not downwards"),
        ("mexc_async.client.mexc", "from mexc_async.cli.app import main", "not downwards"),
        ("mexc_async.rest.pipeline", "from mexc_async import Mexc", "__init__"),
        ("mexc_async.rest.pipeline", "import mexc_async", "__init__"),
        ("mexc_async.cli.bad", "from mexc_async import Mexc", "__init__"),
        ("mexc_async.rest.pipeline", "from mexc_async import __version__", "__init__"),
        ("mexc_async.client.mexc", "from mexc_async.spot import Spot", "__init__"),
        ("mexc_async.client.mexc", "import mexc_async.spot", "__init__"),
        ("mexc_async.client.mexc", "from mexc_async import spot", "__init__"),
        ("mexc_async.limits.bad", "from . import profiles, Limits", "__init__"),
    ],
)
def test_checker_finds_what_is_against_the_rules(module: str, source: str, complaint: str) -> None:
    found = problems(module, source)
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mexc_async.schema.good", "from datetime import datetime\nimport msgspec\nfrom decimal import Decimal"),
        ("mexc_async.spot.good", "from mexc_async.schema.endpoint import Route\nfrom mexc_async.schema import query"),
        ("mexc_async.rest.pipeline", "import time, aiohttp\nfrom mexc_async.spot.trading import NewOrder"),
        ("mexc_async.cli.good", "from mexc_async import __version__\nfrom mexc_async.sim.rest.server import Simulator"),
        ("mexc_async.pytest_plugin", "from mexc_async.sim.rest.server import SimConfig"),
    ],
)
def test_checker_passes_what_is_allowed(module: str, source: str) -> None:
    assert problems(module, source) == []


def test_circles_are_found() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": ["b"], "d": ["a", "d"]}) == [["b", "c"], ["d"]]
