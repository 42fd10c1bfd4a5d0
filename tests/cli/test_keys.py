"""`mexc-async keys` end to end: secrets come from standard input, and every refusal is one line."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mexc_async.keys.key_file import KeyFile
from mexc_async.keys.key_ring import StoredKey
from mexc_async.sim.exchange.keys import ALL_PERMISSIONS, ApiKey
from mexc_async.sim.rest.background import BackgroundSimulator
from tests.support.command import COMMAND, Ended, Terminal, invoke
from tests.support.keys_world import CONFIG, OTHER, SUB, sub_account_key
from tests.support.keys_world import client as client_of

KEYS = [*COMMAND, "keys"]
PASSWORD = "correct horse"
KEY, SECRET = "mx0clikey0000001", "clisecret0000001"


@pytest.fixture
def sim() -> Iterator[BackgroundSimulator]:
    with BackgroundSimulator(CONFIG) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def cheap_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let key files that commands write in this process cost little to open."""
    assert KeyFile.__init__.__kwdefaults__
    monkeypatch.setitem(KeyFile.__init__.__kwdefaults__, "cost", 10)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    ours = {"MEXC_KEYS": str(tmp_path / "keys"), "MEXC_KEYS_PASSWORD": PASSWORD}
    return {**{name: value for name, value in os.environ.items() if not name.startswith("MEXC_")}, **ours}


def run(environ: dict[str, str], *arguments: str, stdin: str = "") -> Ended:
    done = invoke("keys", *arguments, stdin=io.StringIO(stdin), environ=environ)
    assert SECRET not in done.out + done.err
    return done


def ok(environ: dict[str, str], *arguments: str, stdin: str = "") -> str:
    done = run(environ, *arguments, stdin=stdin)
    assert done.status == 0, done
    return done.out


def refused(environ: dict[str, str], *arguments: str, stdin: str = "", status: int = 2) -> str:
    done = run(environ, *arguments, stdin=stdin)
    assert (done.status, done.out) == (status, ""), done
    (line,) = done.err.splitlines()
    return line.removeprefix("error: ")


def add(environ: dict[str, str], name: str, key: str, secret: str, sub_account: str | None = None) -> None:
    """Store a key without the command, which would be slow."""
    made = StoredKey(api_key=key, api_secret=secret, created_ms=time.time_ns() // 1_000_000, sub_account=sub_account)
    KeyFile(Path(environ["MEXC_KEYS"]), lambda _: PASSWORD, cost=10).change(lambda book: book.added(name, made))


def issued(sim: BackgroundSimulator, *ips: str) -> ApiKey:
    uid = next(iter(sim.exchange.accounts))
    return sim.call(
        lambda s: s.exchange.keys.issue(uid, permissions=ALL_PERMISSIONS, ips=ips, note="n", now_ms=s._now_ms())
    )


def test_keys_are_added_listed_used_and_removed(environ: dict[str, str]) -> None:
    assert ok(environ, "add", "a", stdin=f"{KEY}\n{SECRET}\n") == "a (mx0cl...01) is stored and is in use\n"
    more = ("--created", "2020-01-01", "--sub-account", "gridbot01")
    assert "mexc-async keys use b" in ok(environ, "add", "b", *more, stdin=f"{KEY}b\n{SECRET}\n")
    rows = json.loads(ok(environ, "list", "--json"))
    assert [(row["name"], row["in_use"], row["level"], row["sub_account"]) for row in rows] == [
        ("a", True, "ok", None),
        ("b", False, "error", "gridbot01"),
    ]
    table = run(environ, "list")
    assert table.out.splitlines()[1].split() == ["*", "a", "mx0cl...01", "0", "days"]
    assert "error: b: it is" in table.err
    assert "rotate it now" in table.err
    assert ok(environ, "use", "b") == "b is in use\n"
    assert refused(environ, "remove", "b", stdin="n\n", status=1).endswith("nothing was removed")
    assert ok(environ, "remove", "b", "--yes").startswith("b is removed")
    assert [row["name"] for row in json.loads(ok(environ, "list", "--json"))] == ["a"]
    data = Path(environ["MEXC_KEYS"]).read_bytes()
    assert not {part for part in (KEY, SECRET, "mx0") if part.encode() in data}


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        (f" {KEY}\n{SECRET}\n", "the API key begins or ends with white space"),
        (f"{KEY}\n{SECRET}\t\n", "the API secret begins or ends with white space"),
        (f"{KEY}\n{SECRET[:5]} {SECRET[5:]}\n", "the API secret has white space inside"),
        (f"{KEY}\n", "the API secret is empty"),
        ("", "the API key is empty"),
    ],
)
def test_what_was_pasted_wrongly_is_refused(environ: dict[str, str], stdin: str, words: str) -> None:
    assert words in refused(environ, "add", "a", stdin=stdin)
    assert not Path(environ["MEXC_KEYS"]).exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["use", "nobody"], "there is no key 'nobody'; stored are: a"),
        (["remove", "nobody", "--yes"], "there is no key 'nobody'"),
        (["add", "a"], "there is a key 'a' already"),
        (["add", "b c"], "name 'b c' must be"),
        (["add", "b", "--created", "soon"], "--created 'soon' is not a date"),
        (["add", "b", "--created", "2999-01-01"], "is not in the past"),
        (["rotate", "nobody"], "there is no key 'nobody'"),
        (["rotate", "a", "--through", "a"], "belongs to no sub-account"),
        (["rotate", "a", "--wait", "-1"], "--wait -1 must be from 0"),
        (["allow-ip", "a", "--through", "a", "--for", "soon"], "--for 'soon' is not a duration of up to a day"),
        (["allow-ip", "a", "--through", "a", "--for", "25h"], "--for '25h'"),
        (["allow-ip", "a", "--through", "a", "--for", ""], "--for ''"),
        (["allow-ip", "a", "--through", "nobody", "--for", "1h"], "there is no key 'nobody'"),
        (["allow-ip", "a", "--through", "a", "--for", "1h", "--address", "1.2.3"], "--address '1.2.3' is not an IP"),
        (["allow-ip", "a", "--through", "a", "--for", "1h", "--address", "10.0.0.1"], "10.0.0.1 is a private address"),
        (["list", "--password-fd", "77"], "no password can be read from file descriptor '77'"),
    ],
)
def test_wrong_input_is_one_line_and_changes_nothing(environ: dict[str, str], arguments: list[str], words: str) -> None:
    add(environ, "a", KEY, SECRET)
    data = Path(environ["MEXC_KEYS"]).read_bytes()
    assert words in refused(environ, *arguments, stdin=f"{KEY}x\n{SECRET}\n")
    assert Path(environ["MEXC_KEYS"]).read_bytes() == data


def test_commands_take_the_stored_key_that_is_in_use(sim: BackgroundSimulator, environ: dict[str, str]) -> None:
    def balances(**variables: str) -> Ended:
        return invoke("balances", "--rest", sim.rest, environ=environ | variables)

    assert "no API key: set MEXC_API_KEY and MEXC_API_SECRET, or store one" in balances().error(2)
    add(environ, "a", sim.api_key, sim.api_secret)
    assert "USDT" in balances().out
    assert "wrong password" in balances(MEXC_KEYS_PASSWORD="another one").error(2)
    assert balances(MEXC_API_KEY=KEY).error(2) == "error: MEXC_API_SECRET not set in the environment"


def test_a_store_without_keys_says_how_to_add_one(environ: dict[str, str]) -> None:
    where = environ["MEXC_KEYS"]
    assert (
        ok(environ, "list") == f"no key is stored in the key file {where}; store one with: mexc-async keys add NAME\n"
    )
    assert ok(environ, "list", "--json") == "[]\n"
    for command in (["use", "a"], ["remove", "a"], ["rotate", "a"]):
        assert refused(environ, *command) == "no key is stored; add one with: mexc-async keys add NAME"


def test_adding_a_key_without_the_extra_asks_for_nothing(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    done = invoke("keys", "add", "a", stdin=Terminal(f"{KEY}\n{SECRET}\n"), environ=environ)
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines() == [
        "error: the encrypted key file needs the library cryptography: pip install 'mexc-async[keys]'"
    ]


def test_a_file_that_cannot_be_trusted_is_one_line(environ: dict[str, str]) -> None:
    add(environ, "a", KEY, SECRET)
    path = Path(environ["MEXC_KEYS"])
    assert "wrong password" in refused({**environ, "MEXC_KEYS_PASSWORD": "another one"}, "list")
    path.chmod(0o640)
    assert "its mode 0640 lets other users read it; close it with: chmod 600" in refused(environ, "list")
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    assert "it is damaged" in refused(environ, "use", "a")
    assert path.read_bytes() == data


def test_without_a_terminal_a_password_has_to_come_from_somewhere(environ: dict[str, str]) -> None:
    add(environ, "a", KEY, SECRET)
    del environ["MEXC_KEYS_PASSWORD"]
    done = subprocess.run(
        [*KEYS, "list"], env=environ, capture_output=True, text=True, timeout=60, start_new_session=True, check=False
    )
    assert done.returncode == 2
    assert "set MEXC_KEYS_PASSWORD or MEXC_KEYS_PASSWORD_FD, or run this at a terminal" in done.stderr
    reading, writing = os.pipe()
    os.write(writing, f"{PASSWORD}\n".encode())
    os.close(writing)
    done = subprocess.run(
        [*KEYS, "list", "--password-fd", str(reading)],
        env=environ, capture_output=True, text=True, timeout=60, pass_fds=[reading], check=False,
    )  # fmt: skip
    os.close(reading)
    assert (done.returncode, done.stderr) == (0, "")


def test_at_a_terminal_the_secret_and_the_password_are_not_shown(environ: dict[str, str]) -> None:
    del environ["MEXC_KEYS_PASSWORD"]
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(KEYS[0], [*KEYS, "add", "a"], environ)
    shown = b""
    for question, answer in (
        (b"Access key: ", KEY),
        (b"Secret (not shown): ", SECRET),
        (b"Password of the key file: ", PASSWORD),
        (b"Repeat the password: ", PASSWORD),
    ):
        while not shown.endswith(question):
            shown += os.read(terminal, 1024)
        os.write(terminal, f"{answer}\n".encode())
    try:
        while part := os.read(terminal, 1024):
            shown += part
    except OSError:  # the error of a closed terminal on Linux
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    os.close(terminal)
    assert b"is stored and is in use" in shown
    assert KEY.encode() in shown
    assert SECRET.encode() not in shown
    assert PASSWORD.encode() not in shown
    assert KeyFile(Path(environ["MEXC_KEYS"]), lambda _: PASSWORD).read()["a"].api_secret == SECRET


def test_an_own_key_is_rotated_to_one_of_the_same_account_only(
    environ: dict[str, str], sim: BackgroundSimulator
) -> None:
    old, new = issued(sim), issued(sim)
    add(environ, "grid", old.key, old.secret)
    data = Path(environ["MEXC_KEYS"]).read_bytes()
    rotate = ("rotate", "grid", "--rest", sim.rest)
    other = f"{OTHER.api_key}\n{OTHER.api_secret}\n"
    assert "belongs to another account" in refused(environ, *rotate, stdin=other)
    line = refused(environ, *rotate, stdin=f"{new.key}\nwrong\n", status=1)
    assert line.startswith(f"the new key {new.key[:5]}...{new.key[-2:]}, given on standard input, was refused: 700002 ")
    line = refused(environ, *rotate, stdin=f"{KEY}\n{SECRET}\n", status=1)
    assert line.startswith("the new key mx0cl...01, given on standard input, was refused: ")
    assert "MEXC_API_KEY" not in line
    assert "this is the old key" in refused(environ, *rotate, stdin=f"{old.key}\n{old.secret}\n")
    assert "white space" in refused(environ, *rotate, stdin=f"{new.key} \n{new.secret}\n")
    assert Path(environ["MEXC_KEYS"]).read_bytes() == data
    said = ok(environ, *rotate, stdin=f"{new.key}\n{new.secret}\n")
    assert "on MEXC's key page once your programs use it" in said
    assert old.secret not in said
    assert new.secret not in said
    assert KeyFile(Path(environ["MEXC_KEYS"]), lambda _: PASSWORD).read()["grid"].api_key == new.key


def test_an_own_key_that_has_ended_is_rotated_on_the_users_word(
    environ: dict[str, str], sim: BackgroundSimulator
) -> None:
    old, new = issued(sim), issued(sim)
    add(environ, "grid", old.key, old.secret)
    sim.call(lambda s: s.exchange.keys.delete(old.account, old.key))
    rotate, parts = ("rotate", "grid", "--rest", sim.rest), f"{new.key}\n{new.secret}\n"
    assert "the old key's account cannot be read any more (InvalidKey)" in refused(environ, *rotate, stdin=parts)
    ok(environ, *rotate, "--same-account", stdin=parts)
    (row,) = json.loads(ok(environ, "list", "--json"))
    assert (row["age_days"], row["level"]) == (0, "ok")


def test_a_sub_accounts_key_is_rotated_through_the_main_account(
    environ: dict[str, str], sim: BackgroundSimulator
) -> None:
    main = issued(sim)

    async def make() -> tuple[str, str]:
        async with client_of(sim) as mexc:  # type: ignore[arg-type]  # has the same URLs
            key = await sub_account_key(mexc)
            return key.api_key, key.api_secret

    key, secret = asyncio.run(make())
    add(environ, "main", main.key, main.secret)
    add(environ, "grid", key, secret, SUB)
    rotate = ("rotate", "grid", "--rest", sim.rest)
    assert "name the main account's key with --through" in refused(environ, *rotate)
    said = ok(environ, *rotate, "--through", "main", "--wait", "0").splitlines()
    assert said[0].startswith("grid is mx0")
    assert said[1].endswith("is deleted at the exchange")
    found = KeyFile(Path(environ["MEXC_KEYS"]), lambda _: PASSWORD).read()["grid"]
    assert sim.exchange.keys.find(key) is None
    made = sim.exchange.keys.find(found.api_key)
    assert made is not None
    assert (made.secret, made.ips, found.replaces) == (found.api_secret, ("127.0.0.1",), None)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_address_is_taken_out_when_the_command_is_interrupted(
    environ: dict[str, str], sim: BackgroundSimulator, number: signal.Signals
) -> None:
    bound, main = issued(sim, "192.0.2.1"), issued(sim)
    add(environ, "bound", bound.key, bound.secret)
    add(environ, "main", main.key, main.secret)
    command = [*KEYS, "allow-ip", "bound", "--through", "main", "--for", "1h", "--rest", sim.rest]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("127.0.0.1 is on the IP list of bound until ")
        assert bound.ips == ("192.0.2.1", "127.0.0.1")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (128 + number, "127.0.0.1 was removed again\n", "")
    assert list(bound.ips) == ["192.0.2.1"]


def test_an_address_is_taken_out_when_the_time_is_over(environ: dict[str, str], sim: BackgroundSimulator) -> None:
    bound, main = issued(sim, "192.0.2.1"), issued(sim)
    add(environ, "bound", bound.key, bound.secret)
    add(environ, "main", main.key, main.secret)
    allow = ("--through", "main", "--for", "1s", "--rest", sim.rest)
    assert ok(environ, "allow-ip", "bound", *allow).endswith("127.0.0.1 was removed again\n")
    assert bound.ips == ("192.0.2.1",)
    assert "accepts this machine's address already" in ok(environ, "allow-ip", "main", *allow)
