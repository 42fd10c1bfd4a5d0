"""The page for users of other clients: their bots run against the simulator where they are installed, names exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from mexc_async import Mexc
from mexc_async.error_codes import SPOT_CODES
from mexc_async.sim.rest.background import BackgroundSimulator
from tests.support import foreign_bot
from tests.support.documents import ROOT, Block, blocks

PAGE = ROOT / "docs" / "migration.md"
BEFORE = [block for block in blocks("python") if block.page == PAGE and block.needs]
_DESCRIBE = """
import sys
from tests.support import foreign_bot
library, *names = sys.argv[1:]
getattr(foreign_bot, f"point_{library}")("http://127.0.0.1")
if library == "ccxt":
    import ccxt.pro
    owners = {"exchange": ccxt.pro.mexc}
    print(" ".join(f"{code}:{kind.__name__}" for code, kind in ccxt.mexc().describe()["exceptions"]["exact"].items()))
elif library == "pymexc":
    from pymexc import spot
    owners = {"client": spot.HTTP, "spot.WebSocket(...)": spot.WebSocket}
else:
    import binance
    owners = {"client": binance.Client, "BinanceSocketManager(client)": binance.BinanceSocketManager}
print([name for name in names for owner, _, member in [name.rpartition(".")] if not hasattr(owners[owner], member)])
"""


def needs(library: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(library) is None, reason=f"{library} is not installed (make test-peers)")


def run(*command: str, **variables: str) -> str:
    """Return what a program of Python prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(heading: str) -> Iterator[list[str]]:
    """Yield the rows of the first table under a heading, without its head."""
    section = PAGE.read_text(encoding="utf-8").split(f"# {heading}\n")[1].split("\n#")[0]
    for line in [line for line in section.splitlines() if line.startswith("| ")][2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_has_a_bot_of_each_client() -> None:
    assert sorted(block.needs for block in BEFORE) == ["binance", "ccxt", "pymexc"]


@pytest.mark.parametrize("block", [pytest.param(b, marks=needs(b.needs), id=b.needs) for b in BEFORE])
def test_bot_of_another_client_trades_on_the_simulator(
    block: Block, mexc_sim: BackgroundSimulator, tmp_path: Path
) -> None:
    program = tmp_path / "bot.py"
    program.write_text(block.text, encoding="utf-8")
    keys = {"MEXC_API_KEY": mexc_sim.api_key, "MEXC_API_SECRET": mexc_sim.api_secret}
    printed = run(foreign_bot.__file__, block.needs, mexc_sim.rest, str(program), **keys)
    lines = printed.splitlines()
    assert len(lines) == 3, printed
    assert all(re.match(r"(open|NEW) 0(\.0)? at \d+\.\d+$", line) for line in lines), printed
    orders = mexc_sim.call(lambda simulator: simulator.statement("main")).orders
    assert [order.status for order in orders] == ["CANCELED"] * 3


@pytest.mark.parametrize(
    ("heading", "library"),
    [
        pytest.param(f"From {name}", library, marks=needs(library), id=library)
        for name, library in {"ccxt": "ccxt", "pymexc": "pymexc", "python-binance": "binance"}.items()
    ],
)
def test_names_of_another_client_exist(heading: str, library: str) -> None:
    cells = [row[0] for row in rows(heading)]
    names = [match[1] for cell in cells if (match := re.match(r"`([\w.()]*\.\w+)\(", cell))]
    assert len(names) > 12
    *codes, missing = run("-c", _DESCRIBE, library, *names).splitlines()
    assert missing == "[]"
    if codes:
        known = dict(pair.split(":") for pair in codes[0].split())
        for theirs, _, listed, _ in rows("Errors"):
            for code in re.findall(r"-?\d+", listed):
                assert known.get(code, "ExchangeError") in theirs or "HTTP" in listed, f"{code}: {theirs}"


def test_errors_are_those_of_the_codes() -> None:
    checked = 0
    for _, _, listed, ours in rows("Errors"):
        for code in re.findall(r"-?\d+", listed) if "HTTP" not in listed else ():
            checked += 1
            assert f"`{SPOT_CODES[int(code)].error.__name__}`" in ours, f"{code}: {ours}"
    assert checked > 15


async def test_every_call_that_the_page_names_exists() -> None:
    names = set(re.findall(r"`(?:\(?await )?(mexc(?:\.\w+)+)", PAGE.read_text(encoding="utf-8")))
    assert len(names) > 40
    mexc = Mexc(rest="http://127.0.0.1")
    for name in sorted(names):
        found: object = mexc
        for part in name.split(".")[1:]:
            assert hasattr(found, part), name
            found = getattr(found, part)
    await mexc.aclose()
