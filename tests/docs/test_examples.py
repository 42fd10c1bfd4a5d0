"""Examples in the documentation: Python runs on the simulator, commands are parsed."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from textwrap import indent

import pytest
from typer.main import get_group

from benchmarks.__main__ import LATENCY, _parser
from mexc_async.cli.app import app
from mexc_async.cli.endpoints.flags import build, parse
from mexc_async.client.catalogue import endpoints
from mexc_async.client.mexc import Mexc
from mexc_async.sim.exchange.accounts import read_accounts
from mexc_async.sim.market.tape import read_tape
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig
from tests.support.documents import ROOT, Block, blocks

PYTHON = blocks("python")
_RUNS = re.compile(r"\b(asyncio|mexc_async)\.run\(|\bMexc\.sync\b")
PROGRAMS = [b for b in PYTHON if _RUNS.search(b.text) and "def test_" not in b.text and not b.compiled_only]
TESTS = [b for b in PYTHON if "def test_" in b.text]
BACKTESTS = [b for b in PYTHON if "backtest.run(" in b.text and b not in PROGRAMS]
FRAGMENTS = [b for b in PYTHON if b not in [*PROGRAMS, *TESTS, *BACKTESTS] and not b.compiled_only]
COMMANDS = [
    (block, words)
    for block in blocks("sh")
    for line in block.text.splitlines()
    if (words := shlex.split(line, comments=True))
]


DEADLINE_S = 120


def named(block: object) -> str | None:
    return block.name if isinstance(block, Block) else None


@pytest.fixture(scope="module")
def simulator() -> Iterator[BackgroundSimulator]:
    with BackgroundSimulator(SimConfig(limits="none")) as simulator:
        yield simulator


@pytest.fixture
def deadline() -> Iterator[None]:
    """Fail a program that does not end, so that it blocks no other test."""

    def give_up(*_: object) -> None:
        raise TimeoutError(f"the example did not end within {DEADLINE_S} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(DEADLINE_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def simulated_mexc(simulator: BackgroundSimulator, monkeypatch: pytest.MonkeyPatch) -> BackgroundSimulator:
    """Point `Mexc.from_env()` at the simulator."""
    monkeypatch.setenv("MEXC_API_KEY", simulator.api_key)
    monkeypatch.setenv("MEXC_API_SECRET", simulator.api_secret)
    defaults = Mexc.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "rest", simulator.rest)
    monkeypatch.setitem(defaults, "ws", simulator.spot_ws)
    return simulator


@pytest.mark.parametrize("block", PYTHON, ids=named)
def test_python_compiles(block: Block) -> None:
    compile(block.text, block.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("block", PROGRAMS, ids=named)
@pytest.mark.usefixtures("simulated_mexc", "deadline")
def test_program_runs(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block.text, block.name, "exec"), {"__name__": "__main__"})
    assert "SIM" in capsys.readouterr().out


@pytest.mark.parametrize("block", PROGRAMS, ids=named)
@pytest.mark.usefixtures("simulated_mexc", "deadline")
def test_program_for_the_simulator_runs_with_keys(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    if "Mexc.sim()" not in block.text:
        pytest.skip("names settings of the simulator")
    exec(compile(block.text.replace("Mexc.sim()", "Mexc.from_env()"), block.name, "exec"), {"__name__": "__main__"})
    assert "SIM" in capsys.readouterr().out


@pytest.mark.parametrize("block", BACKTESTS, ids=named)
@pytest.mark.usefixtures("deadline")
def test_back_test_runs(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    bars = [f"{1_700_000_000 + 60 * minute},100,101,99,100.5,50" for minute in range(30)]
    Path("BTCUSDT-1m.csv").write_text("timestamp,open,high,low,close,volume\n" + "\n".join(bars), encoding="utf-8")
    exec(compile(block.text, block.name, "exec"), {"__name__": "__main__"})
    assert re.search(r"^orders +[1-9]", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("block", FRAGMENTS, ids=named)
@pytest.mark.usefixtures("simulated_mexc")
async def test_fragment_runs_with_an_open_client(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # some write files
    code = compile(block.text, block.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    async with asyncio.timeout(DEADLINE_S), Mexc.from_env() as mexc:
        await mexc.warm_up(1)
        result = eval(code, {"__name__": "__main__", "mexc": mexc})
        if inspect.iscoroutine(result):
            await result


def test_examples_of_tests_pass(tmp_path: Path) -> None:
    assert TESTS
    for number, block in enumerate(TESTS):
        (tmp_path / f"test_example_{number}.py").write_text(block.text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(TESTS)} passed" in done.stdout


def in_a_function(fragment: str) -> str:
    """Return a fragment as its reader pastes it: its imports, then a function with an open client."""
    imports: list[str] = []
    rest: list[str] = []
    for line in fragment.splitlines():
        (imports if line.startswith(("import ", "from ")) else rest).append(line)
    head = ["from __future__ import annotations", "from mexc_async import Mexc", *imports]
    return "\n".join([*head, "async def fragment(mexc: Mexc) -> None:", indent("\n".join(rest), "    "), ""])


def test_every_block_passes_pyright_as_pasted(tmp_path: Path) -> None:
    pasted = {block.name: block.text for block in PROGRAMS + TESTS}
    pasted |= {block.name: in_a_function(block.text) for block in FRAGMENTS}
    for name, text in pasted.items():
        (tmp_path / f"{re.sub(r'[.:]', '_', name)}.py").write_text(text, encoding="utf-8")
    settings = {"pythonVersion": "3.11", "typeCheckingMode": "standard"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    report = json.loads(done.stdout)
    found = [f"{Path(one['file']).name}: {one['message']}" for one in report["generalDiagnostics"]]
    assert found == []
    assert report["summary"]["filesAnalyzed"] == len(pasted)


def test_no_example_is_forgotten() -> None:
    compiled_only = [block for block in PYTHON if block.compiled_only]
    groups = (PROGRAMS, TESTS, BACKTESTS, FRAGMENTS, compiled_only)
    assert sum(map(len, groups)) == len(PYTHON)
    assert [block.name for block in compiled_only if block.needs not in block.text] == []
    tests = {(block.note or "").split()[0] for block in compiled_only if not block.needs}
    assert [test for test in tests if not (ROOT / test).is_file()] == []
    assert len(PROGRAMS) >= 3
    assert len(FRAGMENTS) >= 5


@pytest.mark.parametrize(("block", "words"), COMMANDS, ids=named)
def test_command_is_valid(block: Block, words: list[str]) -> None:
    group = get_group(app)
    if words[0] == "mexc-async":
        command, rest = group.commands[words[1]], words[2:]
        if isinstance(command, type(group)):
            command, rest = command.commands[rest[0]], rest[1:]
        context = command.make_context(words[1], rest)
        if words[1] == "call" and "--help" not in words and "--list" not in words:
            declared = {endpoint.name: endpoint for endpoint in endpoints()}
            assert build(declared[words[2]].request, parse(context.args)) is not None
    elif words[0] == "make":
        targets = [line.split(":")[0] for line in (ROOT / "Makefile").read_text().splitlines() if ":" in line]
        assert words[1] in targets
        for setting in words[2:]:
            name, _, value = setting.partition("=")
            assert name == "DEMO_ARGS"
            assert group.commands["demo"].make_context("demo", shlex.split(value)) is not None
    elif words[:3] == ["python", "-m", "benchmarks"]:
        assert words[3] == LATENCY or _parser().parse_args(words[3:])
    elif words[:2] == ["python", "-m"]:
        assert find_spec(words[2]) is not None
    else:
        assert words[0] in {"pip", "read", "install", "set", "curl"}, f"{block.name}: is {words[0]} meant?"


def test_flags_of_the_simulator_are_all_described() -> None:
    page = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
    flags = {flag for parameter in get_group(app).commands["sim"].params for flag in parameter.opts}
    assert {flag for flag in flags if f"`{flag}" not in page} == set()


def test_flags_of_the_download_are_all_described() -> None:
    page = (ROOT / "docs" / "history.md").read_text(encoding="utf-8")
    flags = {flag for parameter in get_group(app).commands["klines"].params for flag in parameter.opts}
    assert {flag for flag in flags if flag.startswith("-") and f"`{flag}" not in page} == set()


def test_flags_of_keys_and_doctor_are_all_described() -> None:
    page = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    group = get_group(app)
    keys = group.commands["keys"]
    assert isinstance(keys, type(group))
    flags = {flag for one in (*keys.commands.values(), group.commands["doctor"]) for p in one.params for flag in p.opts}
    assert {flag for flag in flags if flag.startswith("-") and not re.search(rf"{flag}\b", page)} == set()


def test_flags_of_the_calls_are_all_described() -> None:
    page = (ROOT / "docs" / "call-log.md").read_text(encoding="utf-8")
    flags = {flag for parameter in get_group(app).commands["calls"].params for flag in parameter.opts} - {"path"}
    assert {flag for flag in flags if f"`{flag}" not in page} == set()


def test_flags_of_the_guard_are_all_described() -> None:
    page = (ROOT / "docs" / "guard.md").read_text(encoding="utf-8")
    flags = {flag for parameter in get_group(app).commands["guard"].params for flag in parameter.opts}
    assert {flag for flag in flags if f"`{flag}" not in page} == set()


def test_flags_of_the_demo_are_all_described() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    flags = {flag for parameter in get_group(app).commands["demo"].params for flag in parameter.opts}
    assert {flag for flag in flags if f"`{flag}" not in page} == set()


@pytest.mark.parametrize(
    "command", ["ticker", "book", "trades", "balances", "orders", "buy", "sell", "cancel", "transfer", "call"]
)
def test_flags_of_the_command_line_are_all_described(command: str) -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    flags = {flag for parameter in get_group(app).commands[command].params for flag in parameter.opts}
    assert {flag for flag in flags if flag.startswith("-") and f"{flag}" not in page} == set()


def test_examples_of_files_are_read(tmp_path: Path) -> None:
    accounts, tape = [block for block in blocks("json") if block.page.name == "simulator.md"]
    (tmp_path / "accounts.json").write_text(accounts.text)
    (tmp_path / "tape.jsonl").write_text(tape.text)
    assert [spec.name for spec in read_accounts(tmp_path / "accounts.json")] == ["reader", "elsewhere"]
    assert [rules.symbol for rules in read_tape(tmp_path / "tape.jsonl").rules] == ["BTCUSD"]
