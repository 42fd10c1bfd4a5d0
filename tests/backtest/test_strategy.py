"""Strategies: loading, and parameters by their annotated types."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from mexc_async.backtest.strategy import Main, Strategy, load
from mexc_async.errors import ConfigError
from mexc_async.spot.enums import Side


async def main(  # type: ignore[no-untyped-def]  # one parameter has no type
    mexc: object,
    levels: int,
    *,
    step: Decimal = Decimal("0.001"),
    factor: float = 1.5,
    is_dry: bool = False,
    symbol: str = "BTCUSDT",
    side: Side = Side.BUY,
    mode: Literal["fast", "slow"] = "fast",
    least: Decimal | None = None,
    symbols: tuple[str, ...] = (),
    prices: list[Decimal] = [],  # noqa: B006
    count=3,
    anything: Any = None,
) -> None: ...


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("levels", "5", 5),
        ("levels", 5, 5),
        ("step", "0.10", Decimal("0.10")),
        ("step", 1, Decimal(1)),
        ("step", Decimal("0.1"), Decimal("0.1")),
        ("factor", "2", 2.0),
        ("factor", 2, 2.0),
        ("is_dry", "true", True),
        ("is_dry", "0", False),
        ("symbol", "5", "5"),
        ("side", "SELL", Side.SELL),
        ("side", Side.SELL, Side.SELL),
        ("mode", "slow", "slow"),
        ("least", "7", Decimal(7)),
        ("least", None, None),
        ("symbols", "BTCUSDT,ETHUSDT", ("BTCUSDT", "ETHUSDT")),
        ("symbols", ("BTCUSDT",), ("BTCUSDT",)),
        ("prices", "1.5,2", [Decimal("1.5"), Decimal(2)]),
        ("count", "4", 4),
        ("anything", "4", "4"),
    ],
)
def test_parameter_is_converted_to_its_type(name: str, given: object, expected: object) -> None:
    found = Strategy(main, {"levels": 1, name: given}).parameters[name]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"levels": "five"}, "parameter levels 'five' of test_strategy.py:main is not a whole number, as in 5"),
        ({"levels": 1.5}, "levels 1.5"),
        ({"levels": True}, "levels True"),
        ({"levels": 1, "step": "a"}, "step 'a' of test_strategy.py:main is not an exact number, as in 0.001"),
        ({"levels": 1, "step": "nan"}, "step 'nan' of test_strategy.py:main is not a finite number"),
        ({"levels": 1, "step": 0.5}, "parameter step 0.5 is a float, rounded already"),
        ({"levels": 1, "factor": "inf"}, "factor 'inf' of test_strategy.py:main is not a finite number"),
        ({"levels": 1, "is_dry": "maybe"}, "is_dry 'maybe' of test_strategy.py:main is not true or false"),
        ({"levels": 1, "is_dry": 1}, "is_dry 1"),
        ({"levels": 1, "symbol": 5}, "symbol 5 of test_strategy.py:main is not of type str"),
        ({"levels": 1, "side": "buy"}, "side 'buy' of test_strategy.py:main is not one of BUY, SELL"),
        ({"levels": 1, "mode": "off"}, "is not one of fast, slow"),
        ({"levels": 1, "prices": "1,b"}, "is not a list separated by commas, each an exact number, as in 0.001"),
        ({"levels": 1, "stepp": "1"}, "parameter stepp is none of test_strategy.py:main: did you mean step?"),
        ({"levels": 1, "zz": "1"}, "parameter zz is none of test_strategy.py:main: it takes levels, step, factor"),
        ({}, "test_strategy.py:main needs levels: give it a value"),
    ],
)
def test_wrong_parameter_is_one_line(given: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Strategy(main, given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def not_async(mexc: object) -> None: ...


async def without_client() -> None: ...


async def by_name_only(*, mexc: object) -> None: ...


async def by_position(mexc: object, levels: int, /) -> None: ...


async def generator(mexc: object):  # type: ignore[no-untyped-def]
    yield 1


async def of_unknown_type(mexc: object, limit: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821


async def open_ended(mexc: object, **more: object) -> None: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (not_async, "test_strategy.py:not_async is not async: a strategy is async def main(mexc, ...)"),
        (generator, "test_strategy.py:generator yields values"),
        (without_client, "test_strategy.py:without_client takes no client"),
        (by_name_only, "takes no client"),
        (by_position, "takes levels by position only"),
        (5, "is an int, not a function"),
        (of_unknown_type, "limit '1' of test_strategy.py:of_unknown_type is not of type Missing, which"),
    ],
)
def test_what_is_no_strategy_is_one_line(function: Main, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Strategy(function, {"limit": "1"} if function is of_unknown_type else {})
    assert words in str(caught.value)


def test_a_strategy_may_take_any_parameter_or_be_partial() -> None:
    assert Strategy(open_ended, {"a": "1", "b": 2}).parameters == {"a": "1", "b": 2}
    fixed = Strategy(partial(main, symbol="ETHUSDT"), {"levels": "2"})
    assert fixed.name == "test_strategy.py:main"
    assert fixed.parameters == {"levels": 2}
    assert fixed.texts()["symbol"] == "ETHUSDT"


def test_parameters_are_shown_with_defaults_and_without_addresses() -> None:
    texts = Strategy(main, {"levels": 2, "step": "1e-3", "anything": object()}).texts()
    assert texts["step"] == "0.001"
    assert (texts["levels"], texts["factor"], texts["is_dry"], texts["side"]) == ("2", "1.5", "false", "BUY")
    assert texts["anything"] == "an object"


Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that writes a strategy's file."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def written(source: str) -> Path:
        path = tmp_path / "grid.py"
        path.write_text(source)
        return path

    return written


SOURCE = """
import beside

async def main(mexc, step=beside.STEP): ...

async def other(mexc): ...

levels = 5
"""


def test_function_is_loaded_from_a_file_with_its_neighbours(write: Write, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("STEP = 7\n")
    path = write(SOURCE)
    assert Strategy(load(str(path))).texts() == {"step": "7"}
    assert load(f"{path}:other").__name__ == "other"
    for place, words in [
        (f"{path}:mian", "grid.py has no mian; its async functions are main, other"),
        (f"{path}:levels", "grid.py:levels is an int, not a function"),
        (f"{tmp_path}/gird.py:main", f"there is no file {tmp_path}/gird.py"),
        (f"{tmp_path}", "names no Python file: give FILE.py:FUNCTION, as in grid.py:main"),
        ("grid:main", "names no Python file"),
    ]:
        with pytest.raises(ConfigError) as caught:
            load(place)
        assert words in str(caught.value)
