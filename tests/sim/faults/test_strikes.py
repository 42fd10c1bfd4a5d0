"""Strikes: each fault that is carried out is an exact entry, and entries alone repeat what their rules did."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from mexc_async.sim.faults.faults import Fault, Faults, Strike, parse_fault
from mexc_async.sim.faults.request_faults import request_faults_of
from mexc_async.sim.faults.wire import Wire
from mexc_async.sim.rest.endpoint import ServedEndpoint
from mexc_async.sim.rest.routes import ENDPOINTS
from tests.support.faulty import market
from tests.support.naive_trader import BTC, OPEN, ORDER, Lost, NaiveTrader

BY_NAME = {endpoint.name: endpoint for endpoint in reversed(ENDPOINTS)}
CALLS = [BY_NAME[name] for name in ("new_order", "cancel_order", "query_order", "depth", "batch_orders")]
CHANNELS = ("spot@private.orders.v3.api.pb", "spot@private.deals.v3.api.pb", "spot@public.limit.depth.v3.api.pb@X@5")
RULES = (
    Fault(kind="mute", on="new_order|cancel_order", chance=0.2),
    Fault(kind="mute", on="*", chance=0.1, after=7),
    Fault(kind="reset", on="POST *", chance=0.3, times=9),
    Fault(kind="lag", chance=0.4),
    Fault(kind="hold", on="DELETE *", chance=0.3),
    Fault(kind="answer_twice", chance=0.1),
    Fault(kind="drop", chance=0.05),
    Fault(kind="skip", on="spot@private*", chance=0.2),
    Fault(kind="corrupt", chance=0.3),
    Fault(kind="reorder", on="*orders*|*depth*", chance=0.3),
    Fault(kind="delay", chance=0.2, delay_ms=70),
)


class Story:
    """All that befalls a fixed row of requests and pushes."""

    def __init__(self, rules: Sequence[Fault], seed: int = 3) -> None:
        self.entries: list[Fault] = []
        faults = Faults(rules, seed=seed, report=lambda fault, orders: self.entries.append(fault))
        wire, random = Wire(faults), Random(1)
        self.pushed = []
        for _ in range(800):
            if random.random() < 0.5:
                self._request(faults, random.choice(CALLS))
            else:
                self.pushed.append(wire.carry(random.choice(CHANNELS), random.randbytes(20)))

    @staticmethod
    def _request(faults: Faults, endpoint: ServedEndpoint) -> None:
        fate = request_faults_of(faults, endpoint)
        for kind in fate.drawn:
            fate.take(kind)


def test_entries_alone_repeat_all_strikes() -> None:
    story = Story(RULES)
    assert {entry.kind for entry in story.entries} == {rule.kind for rule in RULES}
    assert len(set(story.entries)) == len(story.entries) > 300
    assert all(entry.times == 1 and entry.chance == 1 for entry in story.entries)
    again = Story([parse_fault(text_of(entry)) for entry in story.entries])
    assert again.entries == story.entries
    assert again.pushed == story.pushed


def test_an_entry_strikes_the_same_whatever_stands_beside_it() -> None:
    story = Story(RULES)
    random = Random(2)
    for _ in range(5):
        some = random.sample(story.entries, 12)
        assert set(Story(some).entries) == set(some)
        assert set(some) <= set(Story([*some, Fault(kind="block"), Fault(kind="error", after=10_000)]).entries)


def test_the_details_of_a_strike_follow_the_seed_and_the_entry() -> None:
    corrupted = Story([Fault(kind="corrupt", chance=0.5)])
    whole = Story([]).pushed
    spoiled = [number for number, passage in enumerate(corrupted.pushed) if passage != whole[number]]
    assert len(spoiled) == len(corrupted.entries)
    for entry, number in list(zip(corrupted.entries, spoiled, strict=True))[:10]:
        alone = Story([entry]).pushed
        assert alone[number] == corrupted.pushed[number]
        assert alone[:number] + alone[number + 1 :] == whole[:number] + whole[number + 1 :]
    other = Story([Fault(kind="corrupt")], seed=4).pushed
    assert other != Story([Fault(kind="corrupt")]).pushed


def text_of(entry: Fault) -> str:
    fields = [name for name in entry.__struct_fields__[1:] if name != "now"]
    return ",".join([entry.kind, *(f"{name}={getattr(entry, name)}" for name in fields)])


async def test_a_simulator_reports_each_strike_with_its_orders_before_it_is_carried_out() -> None:
    struck: list[Strike] = []
    async with market() as on:
        simulator, trader = on.simulator, NaiveTrader(on)
        simulator._on_strike = struck.append
        await trader.place(newClientOrderId="a")
        simulator.inject(Fault(kind="reset", on="new_order", after=1), Fault(kind="lag", on="query_order"))
        await trader.place(newClientOrderId="b")
        with pytest.raises(Lost):
            await trader.place(newClientOrderId="c")
        first = on.account.find_order(None, "a")
        assert first is not None
        await trader.send("GET", ORDER, symbol=BTC, orderId=first.order_id)
        await trader.send("GET", OPEN, symbol=BTC)
        now_ms = simulator._now_ms()
    assert [(strike.label, strike.fault.kind, strike.fault.after, strike.orders) for strike in struck] == [
        ("new_order", "reset", 1, ("c",)),
        ("query_order", "lag", 0, ("a",)),
    ]
    assert all(0 <= now_ms - strike.at_ms < 60_000 for strike in struck)
