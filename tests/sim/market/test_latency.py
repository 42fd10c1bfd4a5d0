"""Travel times: settings, the command's form, and draws from the seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mexc_async.sim.market.latency import Latency, Travel, parse_latency


@pytest.mark.parametrize(
    ("delay", "message"),
    [
        (-1.0, "latency order: -1.0 ms is not between 0 and 60000"),
        (float("nan"), "latency order: nan ms"),
        ((1.0, 60_000.5), "latency order: 60000.5 ms"),
        ((), "latency order: no samples"),
    ],
)
def test_impossible_travel_times_are_refused(delay: float | tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Latency(order=delay)


def test_the_command_takes_a_number_or_a_file_for_each_direction(tmp_path: Path) -> None:
    path = tmp_path / "samples.txt"
    path.write_text("8.5\n9\n30.25\n")
    assert parse_latency(["order=12.5", f"feed={path}"]) == Latency(order=12.5, feed=(8.5, 9.0, 30.25))
    assert parse_latency([]) == Latency()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("there=1", "'there' is none of order, answer, feed"),
        ("order", "write order=MS or order=FILE"),
        ("order=no-such-file", "latency order: no-such-file: No such file"),
        ("order=-3", "latency order: -3.0 ms"),
    ],
)
def test_the_command_refuses_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_latency([text])
    assert "\n" not in str(caught.value)


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "samples.txt"
    path.write_text("ms\n1\n")
    with pytest.raises(ValueError, match=r"latency answer: .*samples\.txt: could not convert"):
        parse_latency([f"answer={path}"])
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not a text"):
        parse_latency([f"answer={path}"])
    path.write_text("")
    with pytest.raises(ValueError, match="no samples"):
        parse_latency([f"answer={path}"])


def test_the_seed_decides_which_samples_are_drawn() -> None:
    samples = tuple(map(float, range(10)))

    def drawn(seed: int, direction: str = "order") -> list[float]:
        travel = Travel(samples, seed, direction)
        return [travel.draw_ms() for _ in range(1000)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert drawn(1) != drawn(1, "answer")
    assert set(drawn(1)) == set(samples)
    travel = Travel(samples, 1, "order")
    assert [(travel.draw_ms(), travel.draw_ms("other"))[0] for _ in range(1000)] == drawn(1)  # kinds are independent
    assert [Travel(5.0, 1, "order").draw_ms() for _ in range(3)] == [5.0] * 3
    assert Travel(0.0, 1, "order").is_instant
    assert Travel((0.0, 2.0), 1, "feed", extra_ms=0.5).draw_ms() in (0.5, 2.5)
    assert not Travel((0.0, 1.0), 1, "order").is_instant
