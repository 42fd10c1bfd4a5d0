"""Request faults: their patterns, draws and control endpoints, the account audit, and all faults together."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from mexc_async.sim.exchange.accounts import DEMO_KEY, DEMO_SECRET, AccountSpec
from mexc_async.sim.faults.faults import BadFault, Fault, Faults, parse_fault
from mexc_async.sim.faults.request_faults import REQUEST_KINDS, UNHARMED, request_faults_of
from mexc_async.sim.rest.endpoint import ServedEndpoint
from mexc_async.sim.rest.routes import ENDPOINTS
from mexc_async.sim.rest.server import SimConfig, Simulator, main_account
from tests.support.faulty import market, placed, until
from tests.support.naive_client import NaiveClient
from tests.support.naive_trader import BATCH, BTC, FILLS, GOOD, OPEN, ORDER, Lost, NaiveTrader
from tests.support.sim_process import start
from tests.support.stream_client import Stage

BY_NAME = {endpoint.name: endpoint for endpoint in reversed(ENDPOINTS)}


class TestNames:
    def test_endpoints_are_called_as_the_clients_methods(self) -> None:
        assert {"new_order", "batch_orders", "query_order", "my_trades", "create_listen_key", "account"} <= set(BY_NAME)
        assert len({(each.name, each.method, each.path) for each in ENDPOINTS}) == len(ENDPOINTS)

    @pytest.mark.parametrize(
        ("on", "struck"),
        [
            ("new_order", {"new_order"}),
            ("new_order|batch_orders", {"new_order", "batch_orders"}),
            ("cancel_*", {"cancel_order", "cancel_open_orders", "cancel_all_orders", "cancel_withdraw"}),
            ("POST /api/v3/userDataStream", {"create_listen_key"}),
        ],
    )
    def test_a_fault_strikes_the_endpoints_that_it_names(self, on: str, struck: set[str]) -> None:
        faults = Faults([Fault(kind="reset", on=on)])
        assert {name for name, each in BY_NAME.items() if request_faults_of(faults, each).loss} == struck

    def test_all_writes_can_be_named_at_once(self) -> None:
        faults = Faults([Fault(kind="reset", on="POST *|DELETE *|PUT *")])
        struck = {each.method for each in ENDPOINTS if request_faults_of(faults, each).loss}
        assert struck == {"POST", "DELETE", "PUT"}

    @pytest.mark.parametrize("path", ["/api/v3/order/place", "/api/v3/order/cancel"])
    def test_other_spellings_have_the_same_faults(self, path: str) -> None:
        (endpoint,) = (each for each in ENDPOINTS if each.path == path and each.method == "POST")
        faults = Faults([Fault(kind="mute", on="new_order|cancel_order")])
        assert request_faults_of(faults, endpoint).loss

    def test_kinds_that_mean_nothing_to_an_endpoint_do_not_strike_it(self) -> None:
        faults = Faults([Fault(kind=kind) for kind in ("overtake", "lag", "cancel_lag", "fill_first")])
        assert set(request_faults_of(faults, BY_NAME["new_order"]).drawn) == {"overtake"}
        assert set(request_faults_of(faults, BY_NAME["my_trades"]).drawn) == {"lag"}
        cancel = request_faults_of(faults, BY_NAME["cancel_order"])
        assert (cancel.lag_ms, cancel.fill_part) == (1000, 1.0)
        assert request_faults_of(faults, BY_NAME["account"]) is UNHARMED
        assert all(count.seen == 1 or count.fault.kind == "lag" for count in faults.counts() if count.struck == 1)

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (
                Fault(kind="mute", on="new_ordr"),
                "fault mute: 'new_ordr' matches no endpoint that it applies to, such as new_order, ",
            ),
            (Fault(kind="lag", on="new_order"), "such as query_order, open_orders, all_orders$"),
            (
                Fault(kind="fill_first", on="query_order"),
                "such as cancel_order, cancel_all_orders, cancel_open_orders$",
            ),
            (Fault(kind="mute", on="new_order|bath_orders"), "fault mute: 'bath_orders' matches no endpoint"),
        ],
    )
    def test_a_fault_that_could_never_strike_is_refused(self, fault: Fault, words: str) -> None:
        with pytest.raises(BadFault, match=words):
            Simulator(SimConfig(flow=0, faults=(fault,)))
        simulator = Simulator(SimConfig(flow=0))
        with pytest.raises(BadFault, match=words):
            simulator.inject(Fault(kind="mute"), fault)
        assert simulator.fault_counts() == []

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            (
                "error,status=403,on=new_order|batch_orders",
                Fault(kind="error", status=403, on="new_order|batch_orders"),
            ),
            ("reset,at=unread,times=3", Fault(kind="reset", at="unread", times=3)),
            ("fill_first,part=0.5,chance=0.1", Fault(kind="fill_first", part=0.5, chance=0.1)),
            ("restart,now=true,delay_ms=20", Fault(kind="restart", now=True, delay_ms=20)),
        ],
    )
    def test_faults_to_requests_are_read_from_text(self, text: str, fault: Fault) -> None:
        assert parse_fault(text) == fault

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("boom", "'boom' is none of refuse, block, drop"),
            ("mute,chanse=1", "'chanse' is none of on, chance, after"),
            ("error,status=200", "status 200 is neither 403 nor 5xx"),
            ("error,status=teapot", "status"),
            ("reset,at=noon", "noon"),
            (
                "truncate,at=read",
                "only restart, reset, hang_up, mute, error, kill, freeze can apply before a request is processed",
            ),
            ("fill_first,part=0", "part 0.0 is not above 0 and at most 1"),
            ("fill_first,part=1.5", "part 1.5 is not above 0"),
            ("hold,delay_ms=soon", "delay_ms"),
            ("mute,now=true", "can apply at once"),
        ],
    )
    def test_bad_faults_to_requests_say_what_is_wrong(self, text: str, words: str) -> None:
        with pytest.raises(BadFault, match=words):
            parse_fault(text)


class TestChances:
    ALL = tuple(Fault(kind=kind, chance=0.2) for kind in REQUEST_KINDS)

    def draw(self, faults: Faults, endpoints: list[ServedEndpoint]) -> list[tuple[Fault, ...]]:
        return [tuple(request_faults_of(faults, endpoint).drawn.values()) for endpoint in endpoints]

    def test_the_same_seed_and_arrivals_have_the_same_fates(self) -> None:
        arrivals = [each for each in ENDPOINTS for _ in range(50)]
        one, same, other = (self.draw(Faults(self.ALL, seed=seed), arrivals) for seed in (1, 1, 2))
        assert one == same
        assert one != other
        assert len(set(one)) > 50

    def test_what_strikes_one_endpoint_does_not_depend_on_the_rest(self) -> None:
        rule = Fault(kind="mute", on="new_order", chance=0.3)
        alone = Faults([rule], seed=1)
        among = Faults([rule, Fault(kind="skip", chance=0.5), Fault(kind="reset", on="depth", chance=0.5)], seed=1)
        fates = self.draw(alone, [BY_NAME["new_order"]] * 100)
        for fate in fates:
            among.strikes("skip", "spot@public")
            request_faults_of(among, BY_NAME["depth"])
            assert tuple(request_faults_of(among, BY_NAME["new_order"]).drawn.values()) == fate

    def test_the_next_three_requests(self) -> None:
        faults = Faults([Fault(kind="mute", on="new_order", after=1, times=3)])
        losses = [request_faults_of(faults, BY_NAME["new_order"]).loss is not None for _ in range(6)]
        assert losses == [False, True, True, True, False, False]

    def test_one_request_has_one_loss_and_any_delays(self) -> None:
        fate = request_faults_of(Faults([Fault(kind=kind) for kind in REQUEST_KINDS]), BY_NAME["new_order"])
        assert fate.loss is not None
        assert fate.loss.kind == "restart"
        assert {"restart", "hold", "overtake", "late_answer", "answer_twice", "ban", "kill"} < set(fate.drawn)
        assert set(fate.drawn).isdisjoint({"reset", "mute", "stall", "freeze", "throttle", "swap_answers"})


async def ask(on: Stage, method: str, path: str, body: object = None) -> tuple[int, Any]:
    async with on.http.request(method, on.simulator.rest + path, json=body) as response:
        return response.status, await response.json()


class TestOrders:
    async def test_several_faults_at_once_and_all_or_none(self) -> None:
        async with market(control=True) as on:
            faults: list[object] = [{"kind": "mute", "on": "new_order", "chance": 0.1}, {"kind": "lag", "delay_ms": 5}]
            assert await ask(on, "POST", "/sim/faults", faults) == (200, {"struck": 0})
            status, answer = await ask(on, "POST", "/sim/faults", [{"kind": "mute"}, {"kind": "mute", "on": "nothing"}])
            assert (status, answer["code"]) == (400, 400)
            assert "'nothing' matches no endpoint" in answer["msg"]
            _, counts = await ask(on, "GET", "/sim/faults")
            assert [count["fault"]["kind"] for count in counts["faults"]] == ["mute", "lag"]

    async def test_a_restart_is_answered_before_it_begins(self) -> None:
        async with market(control=True) as on:
            stream = await on.connect()
            status, answer = await ask(on, "POST", "/sim/faults", {"kind": "restart", "now": True, "delay_ms": 20})
            assert status == 200
            assert answer["struck"] >= 1
            await stream.end()
            await NaiveTrader(on).place_stubbornly()
            assert placed(on) == 1

    async def test_the_ledger_tells_everything(self) -> None:
        second = AccountSpec(name="second", api_key="k", api_secret="s", balances={"USDT": Decimal(5)})
        async with market(control=True, accounts=(main_account(), second)) as on:
            trader = NaiveTrader(on)
            await trader.place(newClientOrderId="open")
            await trader.place(newClientOrderId="filled", **FILLS)
            status, audit = await ask(on, "GET", "/sim/ledger")
            assert status == 200
            assert (audit["account"], audit["name"]) == (on.account.uid, "main")
            lines = {line["client_id"]: (line["status"], line["executed"]) for line in audit["orders"]}
            assert lines == {"open": ("NEW", "0"), "filled": ("FILLED", "0.001000")}
            assert sum(Decimal(fill["quantity"]) for fill in audit["fills"]) == Decimal("0.001")
            (fill, *_) = audit["fills"]
            held = (await trader.send("GET", "/api/v3/account")).body["balances"]
            assert {b["asset"]: (Decimal(b["free"]), Decimal(b["locked"])) for b in held} == {
                asset: (Decimal(b["free"]), Decimal(b["locked"]))
                for asset, b in audit["balances"].items()
                if Decimal(b["free"]) or Decimal(b["locked"])
            }
            assert fill["client_id"] == "filled"
            assert await ask(on, "GET", "/sim/ledger?account=main") == (200, audit)
            assert await ask(on, "GET", f"/sim/ledger?account={on.account.uid}") == (200, audit)
            _, other = await ask(on, "GET", "/sim/ledger?account=second")
            assert (other["orders"], other["balances"]["USDT"]) == ([], {"free": "5", "locked": "0"})
            status, refused = await ask(on, "GET", "/sim/ledger?account=nobody")
            assert (status, refused["msg"]) == (400, "account 'nobody' is none of main, second")

    async def test_the_ledger_is_closed_unless_faults_can_be_ordered(self) -> None:
        async with market() as on:
            assert (await ask(on, "GET", "/sim/ledger"))[0] == 404


async def test_faults_are_not_special_to_orders() -> None:
    async with market(Fault(kind="reset", on="create_listen_key", times=1)) as on:
        with pytest.raises(Lost):
            await NaiveTrader(on).send("POST", "/api/v3/userDataStream")
        keys = (await NaiveTrader(on).send("GET", "/api/v3/userDataStream")).body["listenKey"]
        assert len(keys) == 1  # none of which the client knows


async def test_requests_that_are_not_read_are_not_counted() -> None:
    faults = [Fault(kind="reset", on="exchange_info", at="unread", times=10)]
    async with market(*faults, limits="default") as on:
        for _ in range(10):
            with pytest.raises(Lost):
                await NaiveTrader(on).send("GET", "/api/v3/exchangeInfo")
        for _ in range(10):
            assert (await NaiveTrader(on).send("GET", "/api/v3/exchangeInfo")).status == 200


async def test_closing_does_not_wait_for_what_waits() -> None:
    async with market(
        Fault(kind="mute", on="new_order"), Fault(kind="hold", on="cancel_order", delay_ms=600_000)
    ) as on:
        trader = NaiveTrader(on)
        under_way = [asyncio.create_task(trader.place()), asyncio.create_task(trader.cancel("x"))]
        await until(lambda: len(on.simulator._gate._waiting) == 2)
        await on.simulator.aclose()
        assert all(isinstance(each, Lost) for each in await asyncio.gather(*under_way, return_exceptions=True))


CHAOS = (
    *(Fault(kind="error", on="*order*", status=status, chance=0.03) for status in (403, 502, 504)),
    *(Fault(kind="error", on="*order*", status=status, chance=0.02, at="read") for status in (403, 502, 504)),
    *(Fault(kind="reset", on="*order*", chance=0.03, at=at) for at in ("unread", "read", "processed")),
    Fault(kind="mute", on="*order*", chance=0.03),
    Fault(kind="truncate", on="*order*", chance=0.03),
    Fault(kind="restart", on="*order*", chance=0.02, delay_ms=20),
    Fault(kind="hold", on="*order*", chance=0.1, delay_ms=150),
    Fault(kind="overtake", chance=0.1, delay_ms=150),
    Fault(kind="late_answer", on="*order*", chance=0.1, delay_ms=50),
    Fault(kind="answer_twice", on="*order*", chance=0.05),
    Fault(kind="lag", chance=0.3, delay_ms=100),
    Fault(kind="cancel_lag", chance=0.3, delay_ms=100),
    Fault(kind="fill_first", chance=0.2, part=0.5),
    Fault(kind="fill_first", chance=0.2),
)


class Believer:
    """A client that places and cancels orders, alone and in batches, and records its belief about each."""

    def __init__(self, on: Stage, name: str) -> None:
        self.trader = NaiveTrader(on, 0.1)
        self.name = name
        self.believed: dict[str, str] = {}

    async def run(self, count: int) -> None:
        for number in range(count):
            client_id = f"{self.name}-{number}"
            path = ORDER if number % 3 else BATCH
            try:
                await self.trader.place(path, newClientOrderId=client_id)
                self.believed[client_id] = "NEW"
                answer = await self.trader.cancel(client_id)
                self.believed[client_id] = "CANCELED" if answer.status == 200 else "none"
            except Lost:
                self.believed[client_id] = await self.look_up(client_id)

    async def look_up(self, client_id: str) -> str:
        """Return the state that the client takes for the order's."""
        try:
            answer = await self.trader.query(client_id)
        except Lost:
            return "none"
        return str(answer.body["status"]) if answer.status == 200 else "none"


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_ledger_stays_right_through_every_fault_and_a_naive_client_does_not(seed: int) -> None:
    async with market(*CHAOS, seed=seed) as on:
        believers = [Believer(on, f"b{number}") for number in range(10)]
        await asyncio.gather(*(believer.run(15) for believer in believers))
        struck = {count.fault.kind for count in on.simulator.fault_counts() if count.struck}
        assert struck == {fault.kind for fault in CHAOS}
        believed = {name: state for believer in believers for name, state in believer.believed.items()}
        real = {order.client_id: order.status for order in on.account.orders()}
        pairs = Counter((state, real.get(name, "none")) for name, state in believed.items())
        assert pairs["none", "NEW"] > 0  # some open orders are unknown to the client
        assert sum(count for (state, status), count in pairs.items() if state != status) > pairs["none", "NEW"]
        on.simulator.clear_faults()
        await until(lambda: on.simulator._gate.is_open and not on.simulator._gate._waiting)
        await NaiveTrader(on).send("DELETE", OPEN, symbol=BTC)
        audit = on.simulator.statement()
        assert not any(balance.locked for balance in audit.balances.values())
        assert sum(order.executed for order in audit.orders) == sum(fill.quantity for fill in audit.fills) > 0


def test_faults_to_orders_from_a_running_command() -> None:
    process = start("--faults", "--limits", "none", "--fault", "mute,on=new_order,times=1")
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    client = NaiveClient(ready["rest"], DEMO_KEY, DEMO_SECRET, timeout_s=0.5)
    with pytest.raises(TimeoutError):
        client.call("POST", ORDER, **{**GOOD, "price": "40000"})
    client.close()
    patient = NaiveClient(ready["rest"], DEMO_KEY, DEMO_SECRET)
    (order,) = patient.get("/sim/ledger").body["orders"]
    assert order["status"] == "NEW"
    answer = patient.send("POST", "/sim/faults", '{"kind": "restart", "now": true, "delay_ms": 50}')
    assert answer.status == 200
    patient.close()
    while True:
        try:
            (same,) = patient.get("/sim/ledger").body["orders"]
            break
        except ConnectionError:
            patient.close()
    assert same == order
    patient.close()
    process.terminate()
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0
