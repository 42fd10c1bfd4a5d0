"""State of the private stream: news, and orders that lack fills."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mexc_async.streams import user_state
from mexc_async.streams.user_state import Balances, Movement, UserState, between
from tests.support.steps import steps_of

D = Decimal
SINCE = 1_000


def test_an_order_only_goes_forward() -> None:
    state = UserState(SINCE)
    assert state.order("1", "BTCUSDT", D(0), True, 2000, "new")
    assert not state.order("1", "BTCUSDT", D(0), True, 2000, "new")  # a repeated push
    assert state.order("1", "BTCUSDT", D(1), True, 2000, "one")
    assert not state.order("1", "BTCUSDT", D(0), True, 2000, "new")  # an older one
    assert state.order("1", "BTCUSDT", D(1), False, 2000, "ended")
    assert not state.order("1", "BTCUSDT", D(1), True, 2000, "one")
    assert not state.order("1", "BTCUSDT", D(1), False, 2000, "ended")


def test_rest_and_push_tell_a_state_once() -> None:
    state = UserState(SINCE)
    assert state.order("1", "BTCUSDT", D(1), True, 2000)
    assert not state.order("1", "BTCUSDT", D(1), True, 2000)
    assert not state.order("1", "BTCUSDT", D(1), True, 2000, "the push of what REST told")
    assert not state.order("1", "BTCUSDT", D(1), True, 2000)
    assert state.order("1", "BTCUSDT", D(1), True, 2000, "says something else of it")
    assert state.order("1", "BTCUSDT", D(2), True, 2000)
    assert not state.order("1", "BTCUSDT", D(2), True, 2000, "late")


def test_a_fill_is_news_once() -> None:
    state = UserState(SINCE)
    assert state.fill("t1", "1", "BTCUSDT", D(1))
    assert not state.fill("t1", "1", "BTCUSDT", D(1))
    assert (known := state.known("1")) is not None
    assert known.filled == D(1)
    assert state.order("1", "BTCUSDT", D(1), True, 2000, "after its fill")
    assert state.lacking() == []


def test_orders_lack_the_fills_that_were_not_told() -> None:
    state = UserState(SINCE)
    state.order("1", "BTCUSDT", D(3), True, 2000)
    state.fill("t1", "1", "BTCUSDT", D(1))
    state.order("2", "ETHUSDT", D(0), True, 2000)
    assert state.lacking() == ["1"]
    assert state.lacking(["2", "unknown"]) == []
    state.fill("t2", "1", "BTCUSDT", D(2))
    assert state.lacking(["1", "2"]) == []
    assert state.symbols() == {"BTCUSDT", "ETHUSDT"}


@pytest.mark.parametrize("fill_first", [False, True])
def test_what_an_order_had_before_the_stream_is_not_lacking(fill_first: bool) -> None:
    state = UserState(SINCE)
    if fill_first:
        state.fill("t1", "1", "BTCUSDT", D(1))
        state.order("1", "BTCUSDT", D(6), True, 500)  # five before, one since
    else:
        state.order("1", "BTCUSDT", D(5), True, 500)
    assert state.lacking() == []
    state.order("1", "BTCUSDT", D(8), True, 500)
    assert state.lacking() == ["1"]


def test_open_orders_are_those_not_known_to_have_ended() -> None:
    state = UserState(SINCE)
    state.order("1", "BTCUSDT", D(0), True, 2000)
    state.order("2", "BTCUSDT", D(0), True, 2000)
    state.order("2", "BTCUSDT", D(0), False, 2000)
    state.fill("t1", "3", "", D(1))
    state.fill("t2", "4", "ETHUSDT", D(1))
    assert state.believed_open() == [("1", "BTCUSDT"), ("4", "ETHUSDT")]


def test_old_fills_and_finished_orders_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_state, "MAX_FILLS", 3)
    monkeypatch.setattr(user_state, "MAX_ORDERS", 10)
    state = UserState(SINCE)
    for number in range(20):
        state.order(str(number), "BTCUSDT", D(0), True, 2000)
        state.order(str(number), "BTCUSDT", D(0), number == 0, 2000)
        state.fill(f"t{number}", str(number), "BTCUSDT", D(1))
    assert len(state) <= 14
    assert state.believed_open() == [("0", "BTCUSDT")]
    assert state.fill("t0", "0", "BTCUSDT", D(1))
    assert not state.fill("t19", "19", "BTCUSDT", D(1))


def holding(**amounts: str) -> dict[str, tuple[Decimal, Decimal]]:
    """Build free and locked amounts, written `free+locked`."""
    pairs = {asset: text.split("+") for asset, text in amounts.items()}
    return {asset: (D(free), D(locked[0]) if locked else D(0)) for asset, (free, *locked) in pairs.items()}


def test_a_look_tells_what_differs_from_what_is_known() -> None:
    balances = Balances()
    balances.begin()
    balances.start(holding(USDT="100+5", XRP="7", BTC="1"))
    balances.push("XRP", D(6), D(1))
    balances.begin()
    assert balances.look(holding(USDT="90+5", XRP="6+1", DOGE="50")) == [
        Movement("BTC", D(0), D(-1), D(0), D(0)),  # left out: sold
        Movement("DOGE", D(50), D(50), D(0), D(0)),
        Movement("USDT", D(90), D(-10), D(5), D(0)),
    ]
    assert balances.moved == {"BTC", "DOGE", "USDT"}
    assert balances.look(holding(USDT="90+5", XRP="6+1", DOGE="50")) == []


def test_what_is_pushed_during_a_look_is_newer_than_it() -> None:
    balances = Balances()
    balances.begin()
    balances.push("USDT", D(80), D(0))
    balances.start(holding(USDT="100"))
    balances.begin()
    balances.push("USDT", D(70), D(0))
    assert balances.look(holding(USDT="75")) == []
    assert balances.moved == {"USDT"}  # it may have changed before the push as well
    balances.begin()
    assert balances.look(holding(USDT="70")) == []


def test_a_look_that_is_not_whole_tells_nothing_of_what_it_leaves_out() -> None:
    balances = Balances()
    balances.begin()
    balances.start(holding(USDT="100", BTC="1"), is_whole=False)
    balances.begin()
    assert balances.look(holding(USDT="90", XRP="5"), is_whole=False) == [
        Movement("USDT", D(90), D(-10), D(0), D(0)),
        Movement("XRP", D(5), D(0), D(0), D(0)),  # may have existed before
    ]
    assert balances.moved == {"USDT"}
    balances.begin()
    assert balances.look(holding(USDT="90", XRP="5")) == [Movement("BTC", D(0), D(-1), D(0), D(0))]


def test_without_a_first_look_what_is_new_may_have_been_there() -> None:
    balances = Balances()
    balances.push("USDT", D(80), D(0))
    balances.begin()
    assert balances.look(holding(USDT="60", BTC="1")) == [
        Movement("BTC", D(1), D(0), D(0), D(0)),
        Movement("USDT", D(60), D(-20), D(0), D(0)),
    ]
    assert balances.moved == {"USDT"}


def test_markets_between_what_moved() -> None:
    markets = {
        "XRPUSDT": ("XRP", "USDT"),
        "DOGEUSDT": ("DOGE", "USDT"),
        "DOGEUSDC": ("DOGE", "USDC"),
        "ETHBTC": ("ETH", "BTC"),
        "ETHUSDT": ("ETH", "USDT"),
        "BTCUSDT": ("BTC", "USDT"),
    }
    assert between({"DOGE", "USDT"}, markets, {"XRPUSDT", "GONEUSDT"}) == ["DOGEUSDT"]
    assert between({"USDT"}, markets, set()) == []
    moved = {"ETH", "BTC", "USDT", "DOGE"}
    assert between(moved, markets, {"ETHUSDT", "BTCUSDT"}) == ["DOGEUSDT", "ETHBTC"]  # unexplained ones first


def test_of_very_many_orders_those_that_ended_are_forgotten_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_state, "MAX_ORDERS", 1000)
    state = UserState(SINCE)
    resting = [f"open {number}" for number in range(50)]
    for name in resting:
        state.order(name, "BTCUSDT", D(0), True, 2000)
    steps = []
    for number in range(4000):
        name = str(number)
        steps.append(steps_of(lambda name=name: state.order(name, "BTCUSDT", D(0), True, 2000)))  # type: ignore[misc]
        state.order(name, "BTCUSDT", D(0), False, 2000)
    assert max(steps) < 1000
    assert len(state) < 1600
    assert {name for name, _ in state.believed_open()} == set(resting)
    assert not state.order("3999", "BTCUSDT", D(0), False, 2000)
    assert state.order("0", "BTCUSDT", D(0), False, 2000)  # forgotten


def test_an_order_that_was_just_reported_is_not_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_state, "MAX_ORDERS", 10)
    state = UserState(SINCE)
    state.order("first", "BTCUSDT", D(0), True, 2000)
    for number in range(10):
        state.order("first", "BTCUSDT", D(0), number < 9, 2000, content=number)
        state.order(str(number), "BTCUSDT", D(0), False, 2000)
    assert state.known("first") is not None
