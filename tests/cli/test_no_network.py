"""Commands without a network: each names the host and the reason, after one attempt."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mexc_async.cli import connection_options
from mexc_async.cli.doctor import checks
from tests.support.command import Ended, invoke


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time-outs, which are under the 5 s that a command without a network may take."""
    for module in (connection_options, checks):
        assert module.CONNECT_S < 5
        monkeypatch.setattr(module, "CONNECT_S", 0.3)


@pytest.fixture(params=["closed", "deaf", "unknown"])
def rest(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the URL of a closed port, of a host that never answers, and of a name that does not resolve."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if request.param == "deaf":
            taken.listen(50)
        port = taken.getsockname()[1]
        host = "mexc.invalid" if request.param == "unknown" else "127.0.0.1"
        yield f"https://{host}:{port}"


def run(command: str, rest: str, folder: Path) -> Ended:
    more = {
        "ticker": ["BTCUSDT"],
        "klines": ["BTCUSDT", "--out", f"{folder}/bars.csv", "--since", "2026-01-01"],
        "doctor": [],
    }
    return invoke(command, *more[command], "--rest", rest, environ={})


@pytest.mark.parametrize("command", ["ticker", "klines", "doctor"])
def test_the_host_and_the_reason_are_named(command: str, rest: str, tmp_path: Path) -> None:
    ended = run(command, rest, tmp_path)
    said = ended.out if command == "doctor" else ended.error(status=1)
    assert f"no connection to {rest.removeprefix('https://')}" in " ".join(said.split())
    assert ended.status == 1
    assert "Traceback" not in ended.err
    assert not list(tmp_path.iterdir())
