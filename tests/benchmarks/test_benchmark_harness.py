"""The benchmarks' arithmetic and files, without timing."""

from __future__ import annotations

import sys
from functools import partial
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from benchmarks.__main__ import main
from benchmarks.harness import (
    OWN,
    CpuLoop,
    Goal,
    Report,
    Row,
    interleave,
    machine,
    most_in_window,
    percentile,
    ratios,
    show,
    summarise,
    write_json,
)
from benchmarks.limiter import crowd_sample


@pytest.mark.parametrize(
    ("times", "window_s", "most"),
    [
        ([], 1.0, 0),
        ([5.0], 1.0, 1),
        ([0.0, 1.0], 1.0, 1),  # half-open: exactly one window apart is not in the same one
        ([0.0, 0.999], 1.0, 2),
        ([3.0, 0.0, 0.5, 1.4, 1.45, 1.5], 1.0, 3),  # 0.5 to 1.45, or 1.4 to 1.5; order does not matter
        ([0.0] * 4 + [10.0] * 3, 1.0, 4),
    ],
)
def test_most_in_window_counts_half_open_windows(times: list[float], window_s: float, most: int) -> None:
    assert most_in_window(times, window_s) == most


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([7.0], 0.99, 7.0), ([3.0, 1.0, 2.0, 4.0], 0.5, 2.0), (range(1, 101), 0.99, 99), (range(1, 101), 1.0, 100)],
)
def test_percentile_is_the_nearest_rank(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_crowd_is_held_against_the_least_possible_time() -> None:
    sample = crowd_sample([0.0, 0.0, 1.02, 1.02, 2.04], budget=2, window_s=1.0, margin_s=0.02)
    assert sample["most_in_window"] == 2
    assert sample["time_to_ideal"] == pytest.approx(1.0)


def test_rounds_run_every_subject_once_in_changing_order() -> None:
    calls: list[str] = []

    def subject(name: str) -> int:
        calls.append(name)
        return len(calls)

    results = interleave({name: partial(subject, name) for name in "abc"}, rounds=20)
    rounds = [tuple(calls[at : at + 3]) for at in range(0, 60, 3)]
    assert all(sorted(one) == ["a", "b", "c"] for one in rounds)
    assert len(set(rounds)) > 1
    assert [len(found) for found in results.values()] == [20, 20, 20]


def test_ratios_pair_figures_of_the_same_round() -> None:
    own, other = [{"us": 1.0}, {"us": 6.0}, {"us": 3.0}], [{"us": 2.0}, {"us": 2.0}, {"us": 0.0}]
    assert ratios(own, other, "us") == [0.5, 3.0]


def test_rows_hold_median_spread_and_ratio() -> None:
    results = {OWN: [{"us": 1.0}, {"us": 9.0}, {"us": 2.0}], "the floor": [{"us": 1.0}, {"us": 3.0}, {"us": 4.0}]}
    assert summarise("case", results, ["the floor"], ["us"]) == [
        Row("case", OWN, "us", 2.0, 1.0, 9.0, 3),
        Row("case", OWN, "us_ratio_to_the_floor", 1.0, 0.5, 3.0, 3),
        Row("case", "the floor", "us", 3.0, 1.0, 4.0, 3),
    ]


def test_a_baseline_that_was_not_measured_gives_no_ratio() -> None:
    assert [row.metric for row in summarise("case", {OWN: [{"us": 1.0}]}, ["ccxt"], ["us"])] == ["us"]


def test_table_goals_and_notes_are_printed() -> None:
    results = {OWN: [{"us": 1.0}], "floor": [{"us": 4.0}]}
    goals = [Goal("case", "us", "floor", 0.3), Goal("case", "us", "floor", 0.2), Goal("case", "us", "ccxt", 1)]
    goals += [Goal("case", "us", None, 2), Goal("case", "us", None, 2, "floor"), Goal("case", "nothing", None, 2)]
    report = Report(summarise("case", results, ["floor"], ["us"]), goals, ["absent: ccxt is not installed"])
    printed = StringIO()
    show(Console(width=160, file=printed), "order", report, machine() | {"foreign_cpus": 0.5})
    text = printed.getvalue()
    assert "0.25 [0.25-0.25]" in text
    assert "at most 0.3 x floor: 0.25, met" in text
    assert "at most 0.2 x floor: 0.25, MISSED" in text
    assert "at most 1 x ccxt: not measured" in text
    assert "us at most 2: 1, met" in text
    assert "us of floor at most 2: 4, MISSED" in text
    assert "nothing at most 2: not measured" in text
    assert "absent: ccxt is not installed" in text
    assert "other processes used 0.5 CPUs meanwhile" in text


def test_json_is_exactly_of_the_promised_shape(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_json(path, "sign", machine(), [Row("case", OWN, "us", 2.0, 1.0, 9.0, 3)])
    document = msgspec.json.decode(path.read_bytes())
    assert list(document) == ["benchmark", "machine", "cases"]
    assert document["machine"]["versions"]["aiohttp"]
    assert document["cases"] == [
        {"case": "case", "subject": OWN, "metric": "us", "median": 2.0, "min": 1.0, "max": 9.0, "runs": 3}
    ]


def test_cpu_loop_times_enough_calls() -> None:
    loop = CpuLoop(lambda: sum(range(50)), 0.002)
    assert loop.loops > 10
    assert loop()["cpu_ns_per_op"] > 0


@pytest.mark.parametrize(("name", "module", "library"), [
    ("limiter", "benchmarks.limiter", "aiolimiter"), ("book", "benchmarks.book", "sortedcontainers"),
])  # fmt: skip
def test_library_of_the_extra_is_named_in_one_line(
    name: str, module: str, library: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    assert main([name, "--quick"]) == 2
    line = f"python -m benchmarks: {library} is missing; the extra dev has it: pip install --editable '.[dev]'\n"
    assert capsys.readouterr().err.endswith(line)
