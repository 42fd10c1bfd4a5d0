"""Time line of a seed."""

from __future__ import annotations

from mexc_async.backtest.rehearsal.outcome import Struck
from mexc_async.backtest.rehearsal.story import MOST_LINES, Moment, story_of, strikes
from mexc_async.sim.faults.faults import Fault


def test_lines_are_in_order_of_time_and_only_about_what_is_concerned() -> None:
    moments = [
        Moment(2000, "client", "knows a as NEW", ("a",)),
        Moment(1000, "exchange", "b is NEW", ("b",)),
        Moment(500, "process", "starts"),
        *strikes([Struck(Fault(kind="mute", on="new_order", after=3, times=1), 1500, ("a",))]),
    ]
    assert story_of(moments, {"a"}) == (
        "     0.500 s  process   starts",
        "     1.500 s  fault     mute,on=new_order,after=3,times=1 (a)",
        "     2.000 s  client    knows a as NEW",
    )
    assert len(story_of(moments, ())) == 4


def test_repetitions_are_one_line() -> None:
    moments = [Moment(at_ms, "client", text) for at_ms in (1000, 2000, 4000) for text in ("asks", f"at {at_ms}")]
    assert story_of(moments, ()) == (
        "     1.000 s  client    asks (3 times, until 4.000 s)",
        "     1.000 s  client    at 1000",
        "     2.000 s  client    at 2000",
        "     4.000 s  client    at 4000",
    )


def test_story_fits_a_screen() -> None:
    lines = story_of([Moment(at_ms, "client", f"line {at_ms}") for at_ms in range(100)], ())
    assert len(lines) == MOST_LINES
    assert [line.rpartition(" ")[2] for line in (lines[0], lines[28], lines[30], lines[-1])] == ["0", "28", "90", "99"]
    assert lines[29].endswith("61 lines left out")
