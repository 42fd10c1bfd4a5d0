"""`mexc-async doctor` end to end: problems are shown with advice, and set the exit status."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mexc_async import errors
from mexc_async.cli.doctor.checks import Finding, _ip_list, _permissions
from mexc_async.keys.key_file import KeyFile
from mexc_async.keys.key_ring import StoredKey
from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.server import SimConfig, main_account
from mexc_async.spot.account import ApiKeyInfo
from mexc_async.spot.enums import KeyStatus
from tests.support.command import Ended, invoke

READ = ("SPOT_ACCOUNT_READ", "SPOT_DEAL_READ")
TRADE = (*READ, "SPOT_DEAL_WRITE")


def account(name: str, **more: Any) -> AccountSpec:
    return AccountSpec(name=name, api_key=f"sim-key-{name}", api_secret=f"secret-of-{name}", **more)


ACCOUNTS = (
    main_account(),
    account("good", permissions=TRADE, ips=("127.0.0.1",)),
    account("reader", permissions=READ, ips=("127.0.0.1",)),
    account("elsewhere", permissions=TRADE, ips=("192.0.2.1",)),
    account("blind", permissions=("SPOT_DEAL_WRITE",)),
    account("old", permissions=TRADE, key_age_days=80),
    account("ended", permissions=TRADE, key_age_days=91),
    account("stranger", permissions=TRADE, ips=("127.0.0.1",), kyc="1"),
)


@pytest.fixture(scope="module")
def sim() -> Iterator[BackgroundSimulator]:
    with BackgroundSimulator(SimConfig(limits="none", flow=0, accounts=ACCOUNTS)) as simulator:
        yield simulator


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("MEXC_")}


def run(*arguments: str, **environ: str) -> Ended:
    done = invoke("doctor", *arguments, environ={**clean(), **environ})
    assert "secret-of-" not in done.out + done.err
    return done


@dataclass
class Diagnosis:
    status: int
    answer: dict[str, Any]

    def __getitem__(self, check: str) -> tuple[str, str, str | None]:
        (found,) = [one for one in self.answer["checks"] if one["check"] == check]
        return found["status"], found["text"], found["advice"]

    @property
    def failed(self) -> list[str]:
        return [one["check"] for one in self.answer["checks"] if one["status"] == "failed"]


def diagnosis(sim: BackgroundSimulator, name: str, secret: str | None = None) -> Diagnosis:
    key, own = f"sim-key-{name}", f"secret-of-{name}"
    done = run("--json", "--rest", sim.rest, MEXC_API_KEY=key, MEXC_API_SECRET=secret or own)
    assert done.err == ""
    answer = json.loads(done.out)
    assert answer["ok"] == (done.status == 0)
    assert answer["exchange"] == "SIM"
    return Diagnosis(done.status, answer)


def test_a_good_key_is_all_right(sim: BackgroundSimulator) -> None:
    found = diagnosis(sim, "good")
    assert found.status == 0
    assert {one["status"] for one in found.answer["checks"]} == {"ok", "note"}
    assert found["address 127.0.0.1"][1].startswith("connected in ")
    assert found["exchange"][1].startswith("answers in ")
    assert re.match(
        r"this machine's clock is \d+ ms (ahead of|behind) the exchange's \(within \d+ ms\)$", found["clock"][1]
    )
    assert found["permissions"][1] == ", ".join(TRADE)
    assert found["IP list"][:2] == ("ok", "127.0.0.1")
    assert found["this machine"][:2] == ("ok", "is on the IP list")
    assert found["identity check"][1] == "primary"
    assert "may be traded: BTCUSDT" in found["symbols"][1]
    assert "orders 12 in 1 s" in found["limits"][1]
    assert found["lost secret"][2] == errors.ADVICE_LOST_SECRET
    assert "keys rotate" in found["lost secret"][1]


def test_a_key_that_cannot_trade_is_warned_about(sim: BackgroundSimulator) -> None:
    found = diagnosis(sim, "reader")
    assert found.status == 0
    text = "THE KEY CANNOT TRADE: it lacks SPOT_DEAL_WRITE"
    assert found["trading"] == ("warning", text, errors.ADVICE_PERMISSION)


def test_a_wrong_secret_is_told_with_what_to_do(sim: BackgroundSimulator) -> None:
    found = diagnosis(sim, "good", secret="another")
    assert (found.status, found.failed) == (1, ["signature"])
    assert found["signature"][2] == errors.ADVICE_SIGNATURE
    assert found["account"][0] == "skipped"


def test_an_unknown_key_is_told(sim: BackgroundSimulator) -> None:
    found = diagnosis(sim, "nobody")
    assert found.failed == ["signature"]
    assert found["signature"][1].startswith("InvalidKey: 10072")
    assert errors.ADVICE_LOST_SECRET in (found["signature"][2] or "")


def test_a_machine_that_is_not_on_the_list_is_told_its_address(sim: BackgroundSimulator) -> None:
    found = diagnosis(sim, "elsewhere")
    assert (found.status, found.failed) == (1, ["this machine"])
    _, text, advice = found["this machine"]
    assert "address 127.0.0.1 is not on the key's IP list; mexc-async keys allow-ip" in text
    assert advice == errors.ADVICE_IP


def test_a_key_that_may_not_read_the_account_is_told(sim: BackgroundSimulator) -> None:
    found = diagnosis(sim, "blind")
    assert found["signature"][0] == "ok"
    assert found.failed == ["permissions"]


def test_old_and_ended_keys_are_told(sim: BackgroundSimulator) -> None:
    found = diagnosis(sim, "old")
    assert found["age"] == ("warning", "80 days, 10 left: rotate it", errors.ADVICE_ENDED_KEY)
    assert found["IP list"][:2] == ("warning", "EVERY ADDRESS MAY USE THE KEY, and it expires after 90 days")
    found = diagnosis(sim, "ended")
    assert found.failed == ["signature"]
    assert "a key without an IP list expires after 90 days" in (found["signature"][2] or "")


def test_a_missing_identity_check_is_told(sim: BackgroundSimulator) -> None:
    assert diagnosis(sim, "stranger")["identity check"][::2] == ("warning", errors.ADVICE_UNVERIFIED)


def test_the_stored_key_in_use_is_looked_at_with_its_age(sim: BackgroundSimulator, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "keys", lambda _: "correct horse", cost=10)
    for name in ("ended", "good"):
        made = StoredKey(api_key=f"sim-key-{name}", api_secret=f"secret-of-{name}", created_ms=1)
        keys.change(lambda book, name=name, made=made: book.added(name, made))  # type: ignore[misc]  # the loop's own
    environ = {"MEXC_KEYS": str(keys.path), "MEXC_KEYS_PASSWORD": "correct horse"}
    done = run("--json", "--rest", sim.rest, **environ)
    assert done.status == 1
    assert "rotate it now" in json.loads(done.out)["checks"][3]["text"]
    assert run("--json", "--rest", sim.rest, "--key", "good", **environ).status == 0
    for arguments, words in (
        (["--key", "nobody"], "there is no key 'nobody'"),
        (["--sim", "--key", "good"], "--sim brings an exchange"),
        (["--rest", "http://example.com"], "is not encrypted"),
    ):
        assert words in run(*arguments, **environ).error()


def test_without_a_key_it_says_so(sim: BackgroundSimulator, tmp_path: Path) -> None:
    done = run("--json", "--rest", sim.rest, XDG_CONFIG_HOME=str(tmp_path))
    assert done.status == 1
    (key,) = [one for one in json.loads(done.out)["checks"] if one["check"] == "key"]
    assert key["advice"] == errors.MissingCredentials("").advice
    half = run("--rest", sim.rest, MEXC_API_KEY="sim-key-good")
    assert half.error() == "error: MEXC_API_SECRET not set in the environment"


def test_an_exchange_that_is_not_reached_is_told(tmp_path: Path) -> None:
    done = run("--rest", "http://127.0.0.1:1", XDG_CONFIG_HOME=str(tmp_path))
    assert done.status == 1
    assert done.err == ""
    assert done.out.startswith("SIM http://127.0.0.1:1")
    assert errors.ADVICE_REACH.split()[0] in done.out


def test_the_simulated_exchange_is_looked_at_on_one_screen() -> None:
    done = run("--sim")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("SIM http://127.0.0.1:")
    assert "THE KEY MAY WITHDRAW" in done.out
    assert len(done.out.splitlines()) < 45


def info(**more: Any) -> ApiKeyInfo:
    return ApiKeyInfo(**{"access_key": "k", "create_time": 1, "permissions": "", "remaining_validity": -999, **more})


def statuses(findings: list[Finding]) -> dict[str, str]:
    return {finding.check: finding.status for finding in findings}


def test_private_addresses_on_the_list_never_match_at_mexc() -> None:
    listed = info(ip_white_list="203.0.114.7,10.0.0.5,192.168.1.2")
    (found,) = [one for one in _ip_list(listed, is_sim=False) if one.check == "private addresses"]
    assert (found.status, found.advice) == ("warning", errors.ADVICE_IP_LIST)
    assert found.text.endswith("10.0.0.5, 192.168.1.2")
    assert "private addresses" not in statuses(_ip_list(listed, is_sim=True))


def test_a_frozen_key_has_failed() -> None:
    assert statuses(_permissions(info(permissions=",".join(TRADE), status=KeyStatus.FROZEN)))["state"] == "failed"
    assert "trading" not in statuses(_permissions(info(permissions=",".join(TRADE))))
