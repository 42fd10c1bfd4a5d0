"""Answers printed for people."""

from __future__ import annotations

import pytest

from mexc_async.cli.exit_status import carry_out
from mexc_async.cli.output import show
from mexc_async.client.mexc import Mexc
from mexc_async.schema.json_values import Plain

WIDE: dict[str, Plain] = {f"a_rather_long_name_{number}": f"value{number}" for number in range(20)}


def test_a_row_too_wide_for_a_table_is_a_line_for_each_field(capsys: pytest.CaptureFixture[str]) -> None:
    show([WIDE, WIDE], as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * len(WIDE) + 1
    assert [line.split() for line in lines[:2]] == [
        ["a_rather_long_name_0", "value0"],
        ["a_rather_long_name_1", "value1"],
    ]


def test_rows_that_fit_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"symbol": "BTCUSDT", "price": "1.5"}], as_json=False)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["symbol", "price"], ["BTCUSDT", "1.5"]]


def test_a_reader_that_has_seen_enough_is_no_interruption(capsys: pytest.CaptureFixture[str]) -> None:
    async def print_into_a_closed_pipe(_: Mexc) -> None:
        raise SystemExit(1)  # as rich does

    with pytest.raises(SystemExit, match="1"):
        carry_out(Mexc(rest="http://127.0.0.1:1"), print_into_a_closed_pipe)
    assert capsys.readouterr().err == ""
