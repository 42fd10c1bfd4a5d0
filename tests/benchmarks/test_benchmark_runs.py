"""Every benchmark runs in its quick form and writes its figures; wrong input ends with status 2 and one line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks import order, rest, rest_client, stream, stream_client, table, tick_client, tick_to_trade
from benchmarks.__main__ import MODULES, main
from benchmarks.decode import frames_by_case
from benchmarks.harness import OWN, Row, Settings, SubjectFailed, machine, pinning, write_json
from benchmarks.mock_exchange import mock_exchange
from benchmarks.order_client import check_order
from benchmarks.order_subjects import SUBJECTS, absent_peers
from benchmarks.stream_subjects import TICKER, check
from benchmarks.tick_subjects import TRADERS, absent_traders
from benchmarks.ticks import pushes
from mexc_async.spot.push import decode_push

PATHS = {
    rest_client.INFO: "GET /api/v3/exchangeInfo",
    rest_client.DEPTH: "GET /api/v3/depth",
    rest_client.KLINES: "GET /api/v3/klines",
}
CASE_KEYS = ["case", "subject", "metric", "median", "min", "max", "runs"]
BASELINES = {
    "import": "aiohttp",
    "sign": "hmac.new",
    "limiter": "aiolimiter",
    "order": "raw",
    "orders": "untracked",
    "tails": "mexc_async_lane",
    "book": "sortedcontainers_float",
    "decode": "protobuf_+_Structs_text",
    "stream": "picows_bare",
    "tick_to_trade": "raw",
    "rest": "aiohttp_+_json_text",
}


def read(path: Path, name: str) -> list[dict[str, Any]]:
    document = msgspec.json.decode(path.read_bytes())
    assert list(document) == ["benchmark", "machine", "cases"]
    assert document["benchmark"] == name
    assert {"date", "cpu", "cpus", "python", "versions"} <= set(document["machine"])
    cases: list[dict[str, Any]] = document["cases"]
    for case in cases:
        assert list(case) == CASE_KEYS
        assert case["min"] <= case["median"] <= case["max"]
        assert case["runs"] >= 1
    return cases


@pytest.mark.parametrize("name", MODULES)
def test_every_benchmark_writes_its_figures(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.json"
    assert main([name, "--quick", "--rounds", "1", "--json", str(path)]) == 0
    cases = read(path, name)
    assert OWN in {case["subject"] for case in cases}
    if name in BASELINES:
        assert any(c["subject"] == OWN and c["metric"].endswith(f"_ratio_to_{BASELINES[name]}") for c in cases)


def test_all_writes_one_file_a_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    modules = {"sign": "sign", "decode": "decode"}
    monkeypatch.setattr("benchmarks.__main__.MODULES", modules)
    assert main(["all", "--quick", "--rounds", "1", "--json", str(tmp_path / "out.json")]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-decode.json", "out-sign.json"]
    printed = capsys.readouterr().out
    for name in modules:
        read(tmp_path / f"out-{name}.json", name)
        assert f"{name}: " in printed


def test_one_benchmark_writes_the_file_that_was_named(tmp_path: Path) -> None:
    assert main(["sign", "--quick", "--json", str(tmp_path / "sign.json")]) == 0
    assert {case["runs"] for case in read(tmp_path / "sign.json", "sign")} == {2}


@pytest.fixture(scope="module")
def mock_port() -> Iterator[int]:
    """Run one mock exchange for all tests that need one."""
    with mock_exchange(None) as port:
        yield port


@pytest.mark.parametrize("name", [name for name in SUBJECTS if name not in absent_peers()])
def test_every_subject_sends_a_good_order(name: str, mock_port: int) -> None:
    async def one() -> None:
        subject = SUBJECTS[name]()
        await subject.open(mock_port, 2)
        try:
            await check_order(subject, mock_port)
        finally:
            await subject.close()
            await asyncio.sleep(0)  # transports close in the loop's next round

    asyncio.run(one())


def test_a_subject_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(order, "SUBJECTS", {"no such subject": None})
    monkeypatch.setattr(order, "_CLIENT", "benchmarks.no_such_client")
    monkeypatch.setattr(order, "mock_exchange", lambda core: nullcontext(1))
    assert main(["order", "--quick", "--rounds", "1"]) == 1
    error = capsys.readouterr().err
    assert "no such subject: " in error
    assert "no_such_client" in error


class Process:
    """Stand-in for a process of `_process`: it prints the given lines."""

    def __init__(self, printed: str) -> None:
        self.stdin, self.stdout = StringIO(), StringIO(printed)


def test_stream_subjects_that_fail_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = '{"frames_per_s": 1.0, "cpu_us_per_frame": 1.0}\n'
    failure = '{"error": "KeyError: \'no such subject\'"}\n'
    printed = {"benchmarks.mock_stream": ["1\n"], "benchmarks.stream_client": [answer * 9, failure * 9]}

    @contextmanager
    def process(module: str, core: int | None) -> Iterator[Process]:
        yield Process(printed[module].pop(0))

    monkeypatch.setattr(stream, "running", process)
    monkeypatch.setattr(stream, "absent", dict)
    monkeypatch.setattr(stream, "PEERS", {"no such peer": "none"})
    monkeypatch.setattr(stream, "SUBJECTS", {OWN: None, "no such peer": None})
    report = stream.run(Settings(rounds=1, quick=True))
    assert {row.subject for row in report.rows} == {OWN}
    assert [note for note in report.notes if "no such peer" in note and TICKER in note]
    printed |= {"benchmarks.mock_stream": ["1\n"], "benchmarks.stream_client": [failure]}
    monkeypatch.setattr(stream, "SUBJECTS", {"no such subject": None})
    with pytest.raises(SubjectFailed, match="no such subject"):
        stream.run(Settings(rounds=1, quick=True))


def test_a_client_answers_for_a_subject_that_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"subject": "no such subject", "port": 1, "case": TICKER, "frames": 64}
    monkeypatch.setattr("sys.stdin", StringIO(msgspec.json.encode(asked).decode() + "\n"))
    monkeypatch.setattr("sys.argv", ["stream_client"])
    monkeypatch.setattr("sys.stdout", sys.stdout)  # restores the original afterwards
    stream_client.main()
    assert msgspec.json.decode(capsys.readouterr().out) == {"error": "KeyError: 'no such subject'"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([Row(TICKER, OWN, "cpu_us_per_frame", 2.5, 1.0, 1e9, 3)], "at least 400,000: 400,000, met"),
        ([Row(TICKER, OWN, "cpu_us_per_frame", 2.501, 1.0, 1e9, 3)], "at least 400,000: 399,840, MISSED"),
        ([Row(TICKER, "picows bare", "cpu_us_per_frame", 1.0, 1.0, 1.0, 3)], "at least 400,000: not measured"),
    ],
)
def test_stream_goal_is_reported(rows: list[Row], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "core_kind", "compiled")
    assert stream.verdicts(rows)[0].endswith(said)


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        ([1000, 3000, 2000], (2.0, 3.0, 1.0)),
        # A missing order has waited until the end: two more ticks, and the grace.
        ([-1, 1000, 2000], (2.0, 1.505e6, 2 / 3)),
    ],
)
def test_ticks_without_an_order_count_as_late(waits: list[int], expected: tuple[float, ...]) -> None:
    found = tick_to_trade.latency(waits)
    assert (found["p50_us"], found["p999_us"], found["answered_share"]) == pytest.approx(expected)


@pytest.mark.parametrize("name", [name for name in TRADERS if name not in absent_traders()])
def test_every_trader_answers_each_tick_with_an_order_at_its_bid(name: str) -> None:
    async def ten() -> None:
        trader = TRADERS[name](f"ws://127.0.0.1:{port}/ws/0/10")
        assert await asyncio.wait_for(tick_client.measure(trader, port, 0, 10, 0), 30) == {}

    with mock_exchange(None, pushes=pushes()) as port:
        asyncio.run(ten())
        waits = tick_to_trade.waits_ns(port)
    assert len(waits) == 10
    assert all(wait > 0 for wait in waits)


def test_readers_hand_out_all_there_is() -> None:
    bodies = rest.bodies()
    assert {case: rest_client.size(case, bodies[path]) for case, path in PATHS.items()} == rest_client.SIZES


def test_streams_are_held_against_the_last_frame() -> None:
    first, *_, last = frames_by_case()[TICKER]
    check(last, TICKER)
    check(decode_push(last), TICKER)
    for wrong in (first, decode_push(first), None):
        with pytest.raises(AssertionError):
            check(wrong, TICKER)


def test_instructions_need_valgrind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    notes: list[str] = []
    assert order._instructions(["raw"], 1, Settings(), notes) == []
    assert notes == ["absent: instructions_per_op: valgrind is not installed"]


def test_client_and_server_have_a_core_each_or_none() -> None:
    client, server = pinning(Settings())
    assert (client is None) == (server is None)
    assert client is None or client != server
    assert pinning(Settings(quick=True)) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["ordr"], "'ordr'"),
        ([], "NAME"),
        (["sign", "--rounds", "0"], "'0'"),
        (["sign", "--rounds", "x"], "'x'"),
        (["soak", "--minutes", "0"], "'0'"),
        (["soak", "--minutes", "nan"], "'nan'"),
        (["sign", "--json", "/nowhere/out.json"], "/nowhere/out.json"),
        (["all", "--json", "/nowhere/out.json"], "/nowhere/out-import.json"),
        (["sign", "--json", "."], "."),
    ],
)
def test_wrong_input_ends_with_status_2(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(arguments)
    except SystemExit as exit:
        status = exit.code  # type: ignore[assignment]  # an int
    error = capsys.readouterr().err
    assert status == 2
    assert named in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("benchmark", [order, tick_to_trade, rest])
def test_without_a_compiler_a_benchmark_says_so(benchmark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "compiler", lambda: None)
    report = benchmark.run(Settings(quick=True))
    assert not report.rows
    assert report.notes == ["absent: everything: the mock exchange needs a C compiler"]


@pytest.mark.parametrize(("counts", "is_valid"), [([20_000.0, 20_100.0], True), ([20_000.0, 22_500.0], False)])
def test_a_floor_that_is_not_the_prototypes_makes_a_run_invalid(counts: list[float], is_valid: bool) -> None:
    if is_valid:
        assert order._validity(counts, (3, 11)).endswith("the run is valid")
    else:
        with pytest.raises(SubjectFailed, match="the run is invalid"):
            order._validity(counts, (3, 11))
    assert order._validity(counts, (3, 12)).endswith("not held against it")


def test_figures_become_a_table_in_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        Row("concurrent-50", "raw", "cpu_us_per_op", 10.0, 9.0, 11.0, 3),
        Row("concurrent-50", OWN, "cpu_us_per_op", 130.0, 9.0, 1e3, 3),
        Row("concurrent-50", OWN, "cpu_us_per_op_ratio_to_raw", 12.5, 9.0, 99.0, 3),
    ]
    figures, page = tmp_path / "order.json", tmp_path / "page.md"
    write_json(figures, "order", machine(), rows)
    page.write_text("a\n<!-- measured: order -->\nold\n<!-- end of measured -->\nb\n")
    assert table.main([str(figures), str(page)]) == 0
    text = page.read_text()
    assert "| raw | 10.0 (1.0) |\n| mexc_async | 130 (12.5) |\n" in text
    assert "old" not in text
    assert text.startswith("a\n")
    assert text.endswith("-->\nb\n")
    page.write_text("no place")
    assert table.main([str(figures), str(page)]) == 2
    assert table.main([str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err
    write_json(figures, "another", machine(), rows)
    assert table.main([str(figures)]) == 0
    assert "| subject | concurrent-50: cpu_us_per_op |\n" in capsys.readouterr().out
    write_json(figures, "order", machine(), rows)
    assert table.main([str(figures)]) == 0
    assert "| raw |" in capsys.readouterr().out
