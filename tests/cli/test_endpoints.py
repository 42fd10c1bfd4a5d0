"""`mexc-async endpoints` end to end: the list, and the check against a reference."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mexc_async.sim.rest.routes import ENDPOINTS
from tests.support.command import Ended, invoke
from tests.support.reference import FOLDER, spot_endpoints

REFERENCE = FOLDER / "spot-rest.json"


def run(*arguments: str) -> Ended:
    return invoke("endpoints", *arguments)


def entries(*names: str) -> list[dict[str, Any]]:
    rows = spot_endpoints()
    return [json.loads(json.dumps(rows[name], default=float)) for name in names]


def checked(path: Path, rows: list[dict[str, Any]]) -> Ended:
    file = path / "reference.json"
    file.write_text(json.dumps(rows))
    return run("--check", str(file))


def test_list_has_a_line_for_every_endpoint() -> None:
    result = run()
    assert result.status == 0
    lines = result.out.splitlines()
    assert lines[-1] == "99 endpoints"
    (line,) = [line.split() for line in lines if line.startswith("withdraw ")]
    assert line == ["withdraw", "POST", "/api/v3/capital/withdraw", "SPOT_WITHDRAW_WRITE", "ip", "1"]
    assert len([line for line in lines if "/api/v3/" in line]) == 99


def test_list_as_json_tells_what_a_program_needs() -> None:
    rows = {row["name"]: row for row in json.loads(run("--json").out)}
    assert len(rows) == 99
    transfer = rows["universal_transfer"]
    assert (transfer["method"], transfer["path"]) == ("POST", "/api/v3/capital/transfer")
    assert (transfer["safe"], transfer["money"], transfer["costs"]) == (False, "transfer", {"ip": 50})
    assert transfer["parameters"][0] == {
        "name": "from_account_type",
        "wire": "fromAccountType",
        "required": True,
        "choices": ["SPOT", "FUTURES"],
    }
    assert rows["ping"]["auth"] == "none"
    assert all(row["doc"] for row in rows.values())


def test_the_whole_reference_is_declared_decoded_and_answered() -> None:
    reference = spot_endpoints()
    served = {(endpoint.method, endpoint.path) for endpoint in ENDPOINTS}
    expected = [name for name, row in reference.items() if (row["method"], row["path"]) in served]
    result = run("--check", str(REFERENCE))
    *problems, summary = result.out.splitlines()
    counts = [int(number) for number in re.findall(r"(\d+) of 99", summary)]
    if len(expected) == 99:
        assert summary == "99 of 99 declared, decoded, answered by the simulator"
        assert (problems, result.status) == ([], 0)
    else:
        assert counts == [99, 99, len(expected)]
        assert all(": not answered by the simulator: " in problem for problem in problems)
        assert result.status == 1


def test_each_of_the_three_is_counted_by_itself(tmp_path: Path) -> None:
    depth, trades, klines, unknown = entries("depth", "trades", "klines", "avg_price")
    depth["weight"] = {"ip": 4}
    trades["response"] = [{"price": "1"}]
    unknown["id"] = "something_new"
    result = checked(tmp_path, [depth, trades, klines, unknown])
    assert result.status == 1
    lines = result.out.splitlines()
    assert lines[-1] == "2 of 4 declared, 2 of 4 decoded, 3 of 4 answered by the simulator"
    assert "depth: not declared: costs: declared {'ip': 3}, not {'ip': 4}" in lines
    assert any(line.startswith("trades: not decoded: unexpected shape") for line in lines)
    assert "something_new: not answered by the simulator: there is no declaration" in lines
    assert "ping: declared, but not in the reference" in lines


def test_check_as_json(tmp_path: Path) -> None:
    (row,) = entries("ping")
    file = tmp_path / "reference.json"
    file.write_text(json.dumps([row | {"path": "/api/v3/pong"}]))
    result = run("--json", "--check", str(file))
    answer = json.loads(result.out)
    assert (answer["endpoints"], answer["declared"], answer["decoded"]) == (1, 0, 1)
    assert answer["answered by the simulator"] == 1
    assert {
        "endpoint": "ping",
        "aspect": "declared",
        "problem": "path: declared '/api/v3/ping', not '/api/v3/pong'",
    } in (answer["problems"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Input data was truncated"),
        ("[{", "Input data was truncated"),
        ("nonsense", "JSON is malformed"),
        ("{}", "Expected `array`, got `object`"),
        ("[]", "it lists none"),
        ('[{"id": "ping"}]', "missing required field"),
        ("\xff", "not a reference of endpoints"),
    ],
)
def test_a_file_that_is_no_reference_is_one_line_and_status_2(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text, encoding="latin-1")
    line = run("--check", str(file)).error()
    assert words in line
    assert str(file) in line


def test_a_file_that_is_missing_or_a_folder_is_one_line_and_status_2(tmp_path: Path) -> None:
    assert run("--check", "no/such/file.json").error() == "error: no/such/file.json: No such file or directory"
    assert "Is a directory" in run("--check", str(tmp_path)).error()


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    assert "more than one entry for ping" in checked(tmp_path, entries("ping") * 2).error()
