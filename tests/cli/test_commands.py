"""The command line end to end: in separate processes, with wrong input too."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import COMMAND, invoke

TAPE = Path(__file__).resolve().parents[3] / "shared" / "data" / "book-tape.jsonl.gz"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False)


def test_help_lists_the_commands() -> None:
    result = invoke("--help")
    assert result.status == 0
    assert {"demo", "sim"} <= set(result.out.split())
    commands = re.findall(r"^│ (\w+) {2,}", result.out.split("Commands")[1], re.MULTILINE)
    assert commands[:-1] == sorted(commands[:-1])  # command groups come last
    assert commands[-1] == "keys"


def test_version_is_printed() -> None:
    assert run("--version").stdout.startswith("mexc-async 0.")
    command = [sys.executable, "-m", "mexc_async", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("mexc-async 0.")


@pytest.mark.parametrize("command", [[], ["klines"], ["keys"], ["keys", "add"], ["call"], ["call", "depth"]])
def test_h_is_short_for_help(command: list[str]) -> None:
    short, long = (invoke(*command, flag) for flag in ("-h", "--help"))
    assert short == long
    assert short.status == 0


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("mexc-async bal", ["balances"]),
        ("mexc-async keys ro", ["rotate"]),
        ("mexc-async call dep", ["deposit_address"]),
    ],
)
def test_shell_completes_commands_and_endpoints(words: str, completed: list[str]) -> None:
    asked = {"_MEXC_ASYNC_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    ended = invoke(*words.split()[1:], environ={**os.environ, **asked})
    assert (ended.status, ended.err) == (0, "")
    assert set(completed) <= set(ended.out.split())
    assert not set(ended.out.split()) & {"demo", "add", "klines"}


def test_wrong_input_is_one_line_and_status_2() -> None:
    result = run("demo", "--seconds", "0")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: --seconds 0 must be from 1 to 3600\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seconds", "0"], "--seconds 0 must be from 1 to 3600"),
        (["--seconds", "nan"], "--seconds nan"),
        (["--symbols", "btcusdt"], "'btcusdt'"),
        (["--symbols", "BTC/USDT"], "as in BTCUSDT"),
        (["--symbols", "BTCUSDT,"], "--symbols ''"),
        (["--tape", "no/such/tape.jsonl"], "no/such/tape.jsonl"),
        (["--json", "no/such/folder/x.json"], "no/such/folder/x.json"),
    ],
)
def test_wrong_input_to_the_demo_is_one_line_and_status_2(arguments: list[str], words: str) -> None:
    assert words in invoke("demo", *arguments).error()


@pytest.mark.parametrize("arguments", [("sim", "--port", "abc"), ("sim", "--port=abc"), ("guard", "--pid", "abc")])
def test_a_value_of_the_wrong_type_is_named(arguments: tuple[str, ...]) -> None:
    line = invoke(*arguments).error()
    assert arguments[1].partition("=")[0] in line
    assert "'abc'" in line


def test_a_symbol_that_the_exchange_does_not_list_is_refused_before_trading() -> None:
    line = invoke("demo", "--symbols", "BTCUSDT,NOPEUSDT").error()
    assert line == "error: symbol 'NOPEUSDT' is not one of the exchange's 16"


def test_a_tape_that_is_not_one_names_file_and_line(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    tape.write_text('{"kind": "nonsense"}\n')
    assert f"{tape}, line 1" in invoke("demo", "--tape", str(tape)).error()


def check_summary(path: Path) -> dict[str, object]:
    """Check that no phase had an error; the machine's speed does not matter."""
    summary: dict[str, object] = json.loads(path.read_text())
    phases = summary["phases"]
    assert isinstance(phases, list)
    for phase in phases:
        assert phase["errors"] == {}
        assert phase["requests"] > 0
        assert phase["orders"] > 0
    assert isinstance(summary["problems"], list)
    assert all("expected at least" in problem for problem in summary["problems"])
    return summary


def test_demo_trades_and_sums_up(tmp_path: Path) -> None:
    out = tmp_path / "summary.json"
    result = run("demo", "--seconds", "2", "--symbols", "BTCUSDT,MXUSDT", "--seed", "3", "--json", str(out))
    summary = check_summary(out)
    assert result.returncode == (0 if summary["ok"] else 1)
    assert "SIM 127.0.0.1" in result.stdout
    assert ("balances that changed" in result.stdout) is bool(summary["balances"])
    assert [phase["profile"] for phase in summary["phases"]] == ["default", "guide"]  # type: ignore[attr-defined]


@pytest.mark.skipif(not TAPE.exists(), reason="the recorded tape is not beside the project")
def test_demo_trades_in_a_recorded_market(tmp_path: Path) -> None:
    out = tmp_path / "summary.json"
    run("demo", "--seconds", "1", "--tape", str(TAPE), "--json", str(out))
    summary = check_summary(out)
    assert summary["symbols"] == ["BANDGBP", "SKLGBP", "NUGBP"]


@pytest.fixture
def running_demo() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*COMMAND, "demo", "--seconds", "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_still_sums_up(running_demo: subprocess.Popen[str], number: signal.Signals) -> None:
    assert running_demo.stdout is not None
    assert "BTCUSDT" in running_demo.stdout.readline()  # trading begins here
    running_demo.send_signal(number)
    out, err = running_demo.communicate(timeout=30)
    assert running_demo.returncode == 130
    assert "interrupted; until then everything went through" in out
    assert err == ""


@pytest.mark.parametrize("option", ["--api-key", "--api-secret"])
def test_a_key_without_its_secret_is_refused(option: str) -> None:
    assert f"{option} is given alone" in invoke("sim", option, "abcdefgh").error()
