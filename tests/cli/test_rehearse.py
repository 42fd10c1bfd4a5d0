"""`mexc-async rehearse`: its output and exit status, and wrong input."""

from __future__ import annotations

import io
import json
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mexc_async.backtest.rehearsal.rehearse import RehearsalProgress
from mexc_async.cli.progress_line import ProgressLine
from tests.support.command import COMMAND, invoke

SOURCE = '''
"""A strategy that takes an order without an answer within a second for not placed."""
import asyncio
from decimal import Decimal
from pathlib import Path

from mexc_async import Mexc


async def main(mexc: Mexc, *, patience: float = 1.0) -> None:
    await mexc.load_rules()
    print("a line for each seed")
    for _ in range(3):
        try:
            async with asyncio.timeout(patience):
                order = await mexc.orders.limit_buy("XRPUSDT", quantity=Decimal(40), price=Decimal("0.6"))
        except TimeoutError:
            continue
        await order.cancel()


async def fails(mexc):
    raise LookupError("at once")


async def marks(mexc, *, file: str):
    Path(file).touch()


def few(mexc, ledger):
    return f"{len(ledger.orders)} orders" if len(ledger.orders) > 2 else None
'''
SLOW = "--fault=late_answer,on=new_order,chance=0.5,delay_ms=2000"


@pytest.fixture
def strategy(tmp_path: Path) -> Path:
    path = tmp_path / "hasty.py"
    path.write_text(SOURCE)
    return path


def test_strategy_that_holds_ends_with_status_0(strategy: Path) -> None:
    done = invoke("rehearse", f"{strategy}:main", "--seeds", "3", "--calm", "--cpus", "1")
    assert done.status == 0, done.err
    assert done.err == ""
    assert done.out.splitlines()[0] == "hasty.py:main(patience=1.0), 3 seeds of 20 virtual seconds"
    assert done.out.endswith("every rule held in every seed\n")


def test_failure_ends_with_status_1_and_the_command_that_repeats_it(strategy: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    done = invoke("rehearse", f"{strategy}:main", "--seeds", "4", SLOW, "--json", str(result), "--cpus", "2")
    assert done.status == 1, done.err
    known = json.loads(result.read_bytes())
    failed = next(one for one in known["failures"] if one["shortest"])
    assert failed["rule"] == "open"
    assert len(failed["shortest"]) == 1
    assert failed["command"] in done.out
    again = invoke(*shlex.split(failed["command"])[1:], "--json", str(result))
    assert again.status == 1
    (repeated,) = json.loads(result.read_bytes())["failures"]
    assert [repeated[name] for name in ("rule", "shortest", "story")] == [
        failed[name] for name in ("rule", "shortest", "story")
    ]
    assert again.out.startswith("a line for each seed\n")  # one seed alone shows what the strategy prints


def test_rule_of_the_user_is_checked(strategy: Path) -> None:
    done = invoke("rehearse", f"{strategy}:main", "--seed", "5", "--calm", "--invariant", f"{strategy}:few")
    assert done.status == 1
    assert "seed 5: few: 3 orders" in done.out
    assert f"--invariant {strategy}:few --calm" in done.out


def test_error_that_may_be_raised_is_none(strategy: Path) -> None:
    done = invoke("rehearse", f"{strategy}:fails", "--seed", "5", "--calm")
    assert done.status == 1
    assert re.search(rf"seed 5: raised: {strategy}:\d+: LookupError: at once", done.out)
    assert invoke("rehearse", f"{strategy}:fails", "--seed", "5", "--calm", "--may-raise", "LookupError").status == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seeds", "0"], "seeds 0 must be from 1 to"),
        (["--seeds", "2", "--seed", "1"], "--seeds and --seed exclude each other"),
        (["--calm", "--fault", "mute"], "--calm and --fault exclude each other"),
        (["--fault", "quiet"], "fault 'quiet': 'quiet' is none of"),
        (["--fault", "mute,on=nowhere"], "'nowhere' matches no endpoint"),
        (["--seconds", "0"], "seconds 0.0 must be a number of seconds from"),
        (["--invariant", "nowhere.py:flat"], "invariant 'nowhere.py:flat': there is no file nowhere.py"),
        (["--may-raise", "Nothing"], "--may-raise Nothing is no error of mexc_async or of Python"),
        (["--param", "haste=1"], "parameter haste is none of hasty.py:main"),
        (["--param", "haste"], "--param 'haste' is not NAME=VALUE"),
        (["--cpus", "0"], "cpus 0 must be from 1 to"),
        (["--json", "/"], "--json /: cannot be written"),
    ],
)
def test_wrong_input_is_one_line(strategy: Path, arguments: list[str], words: str) -> None:
    assert words in invoke("rehearse", f"{strategy}:main", *arguments).error()


def test_ctrl_c_shows_what_was_done(strategy: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    arguments = ["--seeds", "100000", "--param", f"file={mark}", "--calm", "--cpus", "2"]
    with subprocess.Popen(
        [*COMMAND, "rehearse", f"{strategy}:marks", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not mark.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "error: interrupted\n"
    assert "hasty.py:marks(file=" in out


def test_progress_is_one_line() -> None:
    file = io.StringIO()
    line = ProgressLine(file)
    line.show_seeds(RehearsalProgress(1200, 10_000, 0))
    line.show_seeds(RehearsalProgress(1300, 10_000, 2))
    assert file.getvalue().split("\r\x1b[K")[1:] == ["1,200 of 10,000 seeds", "1,300 of 10,000 seeds, 2 failed"]
