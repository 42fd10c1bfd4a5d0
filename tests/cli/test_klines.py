"""`mexc-async klines` end to end: complete files, kills in the middle, and wrong input."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from aiohttp import web

from mexc_async.cli.bar_file import COLUMNS, BarFile, Download
from mexc_async.errors import ConfigError
from mexc_async.runtime.clock import SYSTEM
from mexc_async.spot.models import Kline
from tests.support.command import COMMAND, Ended, invoke

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
SINCE = 1_735_689_600_000
"""2025-01-01, milliseconds UTC."""
COUNT = 12_000
UNTIL = SINCE + COUNT * MINUTE
GAP = range(5000, 5750)
"""Minutes without a trade, and so without a bar."""
DOWNLOAD = ["klines", "BTCUSDT", "--since", "2025-01-01"]


def row(minute: int) -> list[Any]:
    open_time = SINCE + minute * MINUTE
    price = f"{90_000 + minute % 977}.{minute % 100:02d}"
    return [open_time, price, price, price, price, "0.00000001", open_time + MINUTE, f"{minute}.500"]


@dataclass
class Exchange:
    """An exchange for klines; holds back the request with the number `hold`."""

    asked: int = 0
    hold: int | None = None
    fail: int | None = None
    held: Event = field(default_factory=Event)
    is_over: bool = False
    url: str = ""

    async def klines(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.asked == self.hold:
            self.held.set()
            while not self.is_over:  # noqa: ASYNC110 - the test ends in another thread
                await asyncio.sleep(0.02)
        if self.fail is not None and self.asked >= self.fail:
            return web.json_response({"code": 10007, "msg": "bad symbol"}, status=400)
        low, high, limit = (int(request.query[name]) for name in ("startTime", "endTime", "limit"))
        first, last = max(0, -(-(low - SINCE) // MINUTE)), min((high - SINCE) // MINUTE, COUNT + 500)
        step = 1 if request.query["interval"] == "1m" else 24 * 60
        minutes = [minute for minute in range(first, last + 1) if minute not in GAP and minute % step == 0]
        return web.json_response([row(minute) for minute in minutes[:limit]])

    @staticmethod
    async def time(_: web.Request) -> web.Response:
        return web.json_response({"serverTime": UNTIL + 3600_000})


@contextmanager
def serving() -> Iterator[Exchange]:
    """Serve klines from a thread, so that commands can run in the test's own."""
    exchange, loop = Exchange(), asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(_listening(exchange), loop).result(10)
    try:
        yield exchange
    finally:
        exchange.is_over = True
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _listening(exchange: Exchange) -> web.AppRunner:
    app = web.Application()
    app.router.add_get("/api/v3/klines", exchange.klines)
    app.router.add_get("/api/v3/time", exchange.time)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    exchange.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    return runner


def words(exchange: Exchange, out: Path, *more: str) -> list[str]:
    until = [] if "--until" in more else ["--until", str(UNTIL)]
    return [*DOWNLOAD, "--out", str(out), "--rest", exchange.url, "--limits", "unlimited", *more, *until]


@contextmanager
def held(exchange: Exchange, out: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a download in a process, and wait until the exchange holds a request of it back."""
    command = [*COMMAND, *words(exchange, out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert exchange.held.wait(60)
            yield process
        finally:
            process.kill()


def download(exchange: Exchange, out: Path, *more: str) -> Ended:
    return invoke(*words(exchange, out, *more))


def downloaded(exchange: Exchange, out: Path, *more: str) -> str:
    done = download(exchange, out, *more)
    assert (done.status, done.err) == (0, "")
    return done.out


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


EXPECTED = [minute for minute in range(COUNT) if minute not in GAP]


def test_csv_holds_every_bar_as_it_came(tmp_path: Path) -> None:
    with serving() as exchange:
        text = downloaded(exchange, tmp_path / "a.csv")
    head, *lines = (tmp_path / "a.csv").read_text().splitlines()
    assert head == "open_time,open,high,low,close,volume,close_time,quote_volume"
    assert lines == [",".join(map(str, row(minute))) for minute in EXPECTED]
    assert text.startswith(f"{tmp_path / 'a.csv'}: {len(EXPECTED)} bars of BTCUSDT 1m up to 2025-01-09 08:00; ")
    assert names(tmp_path) == ["a.csv"]


def test_json_lines_hold_amounts_as_text(tmp_path: Path) -> None:
    with serving() as exchange:
        downloaded(exchange, tmp_path / "a.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [list(line.values()) for line in lines] == [row(minute) for minute in EXPECTED]
    assert list(lines[0]) == ["open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume"]


@pytest.mark.parametrize(("name", "hold"), [("a.csv", 1), ("a.csv", 14), ("a.csv", 22), ("a.jsonl", 14)])
def test_a_download_that_was_killed_goes_on_and_ends_the_same(tmp_path: Path, name: str, hold: int) -> None:
    with serving() as exchange:
        downloaded(exchange, tmp_path / f"whole-{name}")
        exchange.asked, exchange.hold = 0, hold
        with held(exchange, tmp_path / name) as process:
            process.kill()
            process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert (tmp_path / f"{name}.part").exists()
        exchange.hold = None
        again, exchange.asked = exchange.asked, 0
        text = downloaded(exchange, tmp_path / name)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"whole-{name}").read_bytes()
    assert not (tmp_path / f"{name}.part").exists()
    if hold > 8:  # after the first write
        assert "after those before 2025-01-0" in text
        assert exchange.asked + again < 40


def test_a_line_that_was_cut_in_the_middle_is_read_again(tmp_path: Path) -> None:
    with serving() as exchange:
        downloaded(exchange, tmp_path / "whole.csv")
        whole = (tmp_path / "whole.csv").read_bytes()
        note = json.dumps({"symbol": "BTCUSDT", "interval": "1m", "since_ms": SINCE})
        for cut in (10, len(whole) // 2, len(whole) - 1, len(whole)):
            out = tmp_path / f"cut{cut}.csv"
            out.write_bytes(whole[:cut])
            (tmp_path / f"cut{cut}.csv.part").write_text(note)
            downloaded(exchange, out)
            assert out.read_bytes() == whole


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_download_keeps_what_it_has(tmp_path: Path, number: signal.Signals) -> None:
    with serving() as exchange:
        exchange.hold = 14
        with held(exchange, tmp_path / "a.csv") as process:
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        expected = (128 + number, "", "error: interrupted; the same command resumes\n")
        assert (process.returncode, out, err) == expected
        exchange.hold = None
        downloaded(exchange, tmp_path / "a.csv")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == len(EXPECTED) + 1


def test_an_exchange_that_fails_in_the_middle_is_told_and_what_was_read_is_kept(tmp_path: Path) -> None:
    with serving() as exchange:
        exchange.fail = 14
        line = download(exchange, tmp_path / "a.csv").error(1)
        assert line.startswith("error: GET /api/v3/klines: 10007 bad symbol")
        assert line.endswith("the file holds the bars so far: the same command resumes")
        exchange.fail = 1
        assert "kept" not in download(exchange, tmp_path / "b.csv").error(1)
        assert names(tmp_path) == ["a.csv", "a.csv.part"]
        exchange.fail = None
        downloaded(exchange, tmp_path / "a.csv")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == len(EXPECTED) + 1


def test_until_now_ends_with_the_last_bar_that_has_closed(tmp_path: Path) -> None:
    with serving() as exchange:
        downloaded(exchange, tmp_path / "a.csv", "--until", "now")
    last = (tmp_path / "a.csv").read_text().splitlines()[-1]
    assert last.split(",")[6] == str(UNTIL + 3600_000)


@pytest.mark.parametrize(
    ("since", "until", "warning"),
    [
        ("2024-12-01", UNTIL, "no bar opened from --since 2024-12-01 00:00 on until 2025-01-01 00:00, where"),
        ("2024-12-31T23:59", UNTIL, "no bar opened from --since 2024-12-31 23:59 on until 2025-01-01 00:00, where"),
        ("2024-12-31T23:59:01", UNTIL, ""),
        ("2024-12-01", SINCE, "no bar opened from --since 2024-12-01 00:00 on and has closed; the file is empty"),
    ],
)
def test_a_history_that_begins_later_than_asked_is_a_warning(
    tmp_path: Path, since: str, until: int, warning: str
) -> None:
    with serving() as exchange:
        done = download(exchange, tmp_path / "a.csv", "--since", since, "--until", str(until))
    assert done.status == 0
    assert warning in done.err
    assert done.err.startswith("warning: BTCUSDT 1m: ") == bool(warning)
    assert len(done.err.splitlines()) == bool(warning)


def test_another_download_is_not_mixed_in(tmp_path: Path) -> None:
    with serving() as exchange:
        exchange.hold = 14
        with held(exchange, tmp_path / "a.csv"):
            exchange.hold = None
            line = download(exchange, tmp_path / "a.csv").error()
            assert line == f"error: --out {tmp_path / 'a.csv'}: another run is writing it"
        line = download(exchange, tmp_path / "a.csv", "--interval", "5m").error()
        assert f"it is a download of BTCUSDT 1m from {SINCE}; name another file" in line
        downloaded(exchange, tmp_path / "a.csv")
        whole = (tmp_path / "a.csv").read_bytes()
        line = download(exchange, tmp_path / "a.csv", "--interval", "5m", "--until", "now").error()
        assert "the exchange has no bar of BTCUSDT 5m where the file ends" in line
        assert (tmp_path / "a.csv").read_bytes() == whole
        assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_finished_file_is_continued_without_a_hole_or_a_bar_twice(tmp_path: Path, name: str) -> None:
    with serving() as exchange:
        downloaded(exchange, tmp_path / f"whole-{name}")
        out = tmp_path / name
        for minute in (1, 3000, 5001, COUNT):  # the third ends in the gap
            since = ["--since", "2025-01-01"] if minute != COUNT else []
            assert "bars of BTCUSDT 1m up to" in continued(exchange, out, SINCE + minute * MINUTE, *since)
            assert names(tmp_path) == [name, f"whole-{name}"]
        assert out.read_bytes() == (tmp_path / f"whole-{name}").read_bytes()
        asked = exchange.asked
        assert ": 0 bars of BTCUSDT 1m up to 2025-01-09 08:00, after those before" in continued(exchange, out, UNTIL)
        assert ": 0 bars of" in continued(exchange, out, SINCE + MINUTE)  # nothing is cut off
        assert exchange.asked <= asked + 2
        assert out.read_bytes() == (tmp_path / f"whole-{name}").read_bytes()


def continued(exchange: Exchange, out: Path, until: int, *since: str) -> str:
    command = ["klines", "BTCUSDT", "--out", str(out), "--until", str(until), "--rest", exchange.url]
    done = invoke(*command, "--limits", "unlimited", *since)
    assert (done.status, done.err) == (0, "")
    return done.out


def test_a_continued_download_that_was_killed_goes_on(tmp_path: Path) -> None:
    with serving() as exchange:
        downloaded(exchange, tmp_path / "whole.csv")
        continued(exchange, tmp_path / "a.csv", SINCE + 500 * MINUTE, "--since", "2025-01-01")
        exchange.asked, exchange.hold = 0, 14
        with held(exchange, tmp_path / "a.csv"):
            pass
        assert (tmp_path / "a.csv.part").exists()
        exchange.hold = None
        continued(exchange, tmp_path / "a.csv", UNTIL)
        assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_file_that_is_no_earlier_download_is_left_alone(tmp_path: Path) -> None:
    begin, bar = (",".join(map(str, row(minute))) + "\n" for minute in (0, 7))
    head = ",".join(COLUMNS) + "\n"
    with serving() as exchange:
        for text, words in (
            ("a,b\n1,2\n", "it exists and is not a file of klines"),
            (head, "does not end with a bar"),
            (head + bar + "17", "does not end with a bar"),
            (head + "x\n", "its last line is not a bar"),
            (head + begin.replace("0.500", "0.501"), "its last line is not the exchange's bar of BTCUSDT 1m"),
            (head + bar, "it begins at 2025-01-01 00:07, and the exchange has bars from --since on"),
        ):
            out = tmp_path / "a.csv"
            out.write_text(text)
            assert words in download(exchange, out).error()
            assert out.read_text() == text
            assert names(tmp_path) == ["a.csv"]
        out.write_text(head + ",".join(map(str, row(COUNT + 900))) + "\n")
        line = invoke("klines", "BTCUSDT", "--out", str(out), "--rest", exchange.url).error()
        assert "the exchange has no bar of BTCUSDT 1m where the file ends" in line
        new = invoke("klines", "BTCUSDT", "--out", str(tmp_path / "new.csv"), "--rest", exchange.url).error()
        assert new == f"error: --since is needed: {tmp_path / 'new.csv'} has no bar to continue from"


def test_several_symbols_get_a_file_each(tmp_path: Path) -> None:
    with serving() as exchange:
        text = downloaded(exchange, tmp_path / "{symbol}-1m.csv", "ETHUSDT", "BTCUSDT")
        assert names(tmp_path) == ["BTCUSDT-1m.csv", "ETHUSDT-1m.csv"]
        assert [line.split(": ")[1].split()[3] for line in text.splitlines()] == ["BTCUSDT", "ETHUSDT"]
        line = download(exchange, tmp_path / "bars.csv", "ETHUSDT").error()
        assert line.endswith("several symbols need a file each, as in bars-{symbol}.csv")
        (tmp_path / "ETHUSDT-1m.csv").write_text("x\n")
        (tmp_path / "BTCUSDT-1m.csv").unlink()
        assert "not a file of klines" in download(exchange, tmp_path / "{symbol}-1m.csv", "ETHUSDT").error()
        exchange.fail = 1
        assert "10007" in download(exchange, tmp_path / "{symbol}-2.csv", "ETHUSDT").error(1)
        assert names(tmp_path) == ["ETHUSDT-1m.csv"]


def test_bars_of_a_simulated_exchange(tmp_path: Path) -> None:
    since_ms = (SYSTEM.wall_ms() // DAY - 365) * DAY
    result = invoke(
        "klines", "BTCUSDT", "--sim", "--since", str(since_ms), "--interval", "4h", "--out", str(tmp_path / "a.csv")
    )
    assert (result.status, result.err) == (0, "")
    _, first, *others = (tmp_path / "a.csv").read_text().splitlines()
    assert first.startswith(f"{since_ms},")
    assert len(others) >= 365 * 6 - 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["btcusdt"], "symbol 'btcusdt' has 'b'"),
        (["BTCUSDT", "--interval", "1h"], "interval '1h' is 60m at MEXC"),
        (["BTCUSDT", "--interval", "2h"], "interval '2h' is not one of '1m', '5m'"),
        (["BTCUSDT", "--since", "yesterday"], "--since 'yesterday' is not a time, such as 2025-01-01"),
        (["BTCUSDT", "--since", "12"], "or milliseconds"),
        (["BTCUSDT", "--since", "2999-01-01"], "--since '2999-01-01' is not before --until 'now'"),
        (["BTCUSDT", "--until", "2024-12-31"], "--since '2025-01-01' is not before --until '2024-12-31'"),
        (["BTCUSDT", "--until", "tomorrow"], "--until 'tomorrow' is not a time"),
        (["BTCUSDT", "--out", "bars.txt"], "the name must end in .csv or .jsonl"),
        (["BTCUSDT", "--out", "no/such/folder/bars.csv"], "bars.csv: No such file or directory"),
        (["BTCUSDT", "--limits", "fast"], "unknown limit profile 'fast'"),
        (["BTCUSDT", "--rest", "http://example.com"], "is not encrypted"),
        (["BTCUSDT", "--rest", "http://127.0.0.1:1", "--sim"], "--sim and --rest exclude each other"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(tmp_path: Path, arguments: list[str], words: str) -> None:
    defaults = {"--since": "2025-01-01", "--out": str(tmp_path / "bars.csv"), "--rest": "http://127.0.0.1:1"}
    for option, value in defaults.items():
        if option not in arguments and not (option == "--rest" and "--sim" in arguments):
            arguments = [*arguments, option, value]
    assert words in invoke("klines", *arguments).error()
    assert list(tmp_path.iterdir()) == []


def test_a_file_whose_end_is_no_bar_is_not_touched(tmp_path: Path) -> None:
    download = Download("BTCUSDT", "1m", SINCE)
    for name, text in (("a.csv", "1,2\n"), ("b.jsonl", "{}\n"), ("c.jsonl", "[1]\n"), ("d.csv", "x" * 5000)):
        (tmp_path / name).write_text(text)
        (tmp_path / f"{name}.part").write_text(json.dumps({"symbol": "BTCUSDT", "interval": "1m", "since_ms": SINCE}))
        with pytest.raises(ConfigError, match=r"not a bar|does not end with a bar"):
            BarFile(tmp_path / name, download)
        assert (tmp_path / name).read_text() == text
    (tmp_path / "e.csv.part").write_text("{")
    with pytest.raises(ConfigError, match="is not the marker of a download"):
        BarFile(tmp_path / "e.csv", download)


def test_small_amounts_are_written_plainly(tmp_path: Path) -> None:
    tiny = "1E-8"
    with BarFile(tmp_path / "a.csv", Download("A", "1m", 0)) as file:
        file.write([Kline(0, tiny, tiny, tiny, tiny, "1E+3", MINUTE, "0.10")])
        assert (file.next_ms, file.count) == (MINUTE, 1)
    line = (tmp_path / "a.csv").read_text().splitlines()[1]
    assert line == "0,0.00000001,0.00000001,0.00000001,0.00000001,1000,60000,0.10"
