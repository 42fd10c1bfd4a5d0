"""The private stream against the simulator: its listen key, and the REST backfill after a gap."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from mexc_async.client.mexc import Mexc
from mexc_async.errors import MissingCredentials
from mexc_async.rest.events import RequestDone
from mexc_async.sim.exchange.orders import OrderRequest
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.rest.server import SimConfig, Simulator
from mexc_async.sim.stream.socket_lifetime import SocketRules
from mexc_async.spot.enums import OrderStatus
from mexc_async.spot.push import Push
from mexc_async.spot.push_models import BalanceChange, FillPush, OrderPush
from mexc_async.streams import user_stream as user_stream_module
from mexc_async.streams.events import ListenKeyFailed
from mexc_async.streams.streams import Stream
from mexc_async.streams.user_stream import UserStream
from tests.support.streams import QUICK, Told, client, nothing_left, sim_client, until

XRP = "XRPUSDT"
PATH = "/api/v3/userDataStream"


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with nothing_left(), Simulator(SimConfig(limits="none", flow=0)) as simulator:
        yield simulator


def keys(sim: Simulator) -> list[str]:
    uid = next(iter(sim.exchange.accounts))
    return sim._listen_keys.of(uid, sim._now_ms())


def place(sim: Simulator, side: str, price: str | None, quantity: str = "10", symbol: str = XRP) -> str:
    """Place an order of the account from outside this client."""
    account = next(iter(sim.exchange.accounts.values()))
    request = OrderRequest(
        symbol=symbol,
        side=side,  # type: ignore[arg-type]  # BUY or SELL
        type="MARKET" if price is None else "LIMIT",
        quantity=Decimal(quantity),
        price=None if price is None else Decimal(price),
    )
    return sim.exchange.place(account, request, sim._now_ms()).order_id


def cancel(sim: Simulator, order_id: str, symbol: str = XRP) -> None:
    account = next(iter(sim.exchange.accounts.values()))
    order = account.open_orders[order_id]
    assert order.symbol == symbol
    sim.exchange.cancel([order], sim._now_ms())


def low(sim: Simulator, symbol: str = XRP) -> str:
    """Return a price at which nobody sells."""
    market = sim.exchange.markets[symbol]
    top = market.top("BUY")
    assert top is not None
    return str((top[0] * Decimal("0.97")).quantize(market.tick))


def trade_ids(sim: Simulator) -> list[str]:
    account = next(iter(sim.exchange.accounts.values()))
    return [trade.trade_id for trade in account.trades]


class Private:
    """Consumer of all three private streams."""

    def __init__(self, mexc: Mexc) -> None:
        self.orders: list[Push[OrderPush]] = []
        self.fills: list[Push[FillPush]] = []
        self.balances: list[Push[BalanceChange]] = []
        self.streams: list[Stream[Any]] = [
            mexc.streams.orders(callback=self.orders.append),
            mexc.streams.fills(callback=self.fills.append),
            mexc.streams.account(callback=self.balances.append),
        ]

    async def __aenter__(self) -> Private:
        for stream in self.streams:
            await asyncio.wait_for(stream.open(), 5)
        return self

    async def __aexit__(self, *_: object) -> None:
        for stream in self.streams:
            await stream.aclose()

    def states(self, order_id: str) -> list[tuple[OrderStatus, Decimal | None]]:
        return [(p.body.status, p.body.executed_quantity) for p in self.orders if p.body.order_id == order_id]

    def free(self, asset: str) -> Decimal:
        return Decimal([push.body.free_text for push in self.balances if push.body.asset == asset][-1])


def user_stream(mexc: Mexc) -> UserStream:
    assert isinstance(mexc._router.private, UserStream)
    return mexc._router.private


async def test_one_key_for_all_private_streams(sim: Simulator) -> None:
    async with sim_client(sim) as mexc:
        assert keys(sim) == []
        async with Private(mexc) as private:
            assert len(keys(sim)) == 1
            assert len(sim.sockets) == 1
            order_id = place(sim, "BUY", None)
            await until(lambda: private.fills and private.balances and len(private.states(order_id)) >= 1)
            assert private.states(order_id)[-1][0] is OrderStatus.FILLED
            assert sum(push.body.quantity for push in private.fills) == 10
            assert len(keys(sim)) == 1
    await until(lambda: keys(sim) == [])


async def test_without_credentials_there_is_no_private_stream(sim: Simulator) -> None:
    async with client(sim.spot_ws, sim.rest) as mexc:
        with pytest.raises(MissingCredentials):
            await mexc.streams.orders().open()


async def test_the_key_is_renewed(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_stream_module, "KEEPALIVE_S", (0.05, 0.06))
    async with sim_client(sim) as mexc:
        told = Told(mexc)
        async with Private(mexc):

            def renewals() -> int:
                done = [event for event in told.events if isinstance(event, RequestDone)]
                return sum(event.method == "PUT" and event.path == PATH and event.error is None for event in done)

            await until(lambda: renewals() >= 3)
            assert len(keys(sim)) == 1


async def test_a_failed_renewal_is_reported_and_tried_again(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_stream_module, "KEEPALIVE_S", (0.05, 0.06))
    monkeypatch.setattr(user_stream_module, "RETRY_S", 0.02)
    async with sim_client(sim) as mexc:
        told = Told(mexc)
        async with Private(mexc) as private:
            extend, failures = sim._listen_keys.extend, 0

            def fail(uid: str, name: str, now_ms: int) -> None:
                nonlocal failures
                failures += 1
                if failures < 3:
                    from mexc_async.sim.exchange.refusals import Refusal

                    raise Refusal(700013, "Bad request")
                extend(uid, name, now_ms)

            monkeypatch.setattr(sim._listen_keys, "extend", fail)
            await until(lambda: failures >= 4)
            assert sum(isinstance(event, ListenKeyFailed) for event in told.events) == 2
            assert private.streams[0].gaps == 0


@pytest.mark.parametrize("way", ["renewal", "fault"])
async def test_an_ended_key_is_replaced(sim: Simulator, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    if way == "renewal":
        monkeypatch.setattr(user_stream_module, "KEEPALIVE_S", (0.05, 0.06))
    async with sim_client(sim) as mexc:
        told = Told(mexc)
        async with Private(mexc) as private:
            (old,) = keys(sim)
            if way == "renewal":
                sim._listen_keys._keys.clear()
            else:
                assert sim.inject(Fault(kind="expire_key", now=True)) == 1
            await until(lambda: told.count("resubscribed") and keys(sim))
            assert keys(sim) != [old]
            order_id = place(sim, "BUY", None)
            await until(lambda: private.states(order_id))
    await until(lambda: keys(sim) == [])


async def test_keys_of_lost_sockets_are_given_back(sim: Simulator) -> None:
    async with sim_client(sim) as mexc:
        told = Told(mexc)
        async with Private(mexc):
            for round_ in range(1, 4):
                sim.inject(Fault(kind="drop", now=True))
                await until(lambda round_=round_: told.count("filled") >= round_)  # type: ignore[misc]  # the loop's own
            await until(lambda: len(keys(sim)) == 1)


async def test_closing_asks_once_for_the_end_of_the_key(sim: Simulator) -> None:
    asked: list[str] = []
    async with sim_client(sim) as mexc:
        async with Private(mexc):
            mexc.hooks.add(lambda event: asked.append(event.method) if isinstance(event, RequestDone) else None)
            sim.inject(Fault(kind="error", on="DELETE /api/v3/userDataStream", status=503, times=100))
        await mexc.aclose()
    assert asked.count("DELETE") == 1


@pytest.mark.parametrize("kind", ["drop", "half_open", "expire_key"])
async def test_what_a_gap_hid_is_told_once(sim: Simulator, kind: Any) -> None:
    async with sim_client(sim, timing=QUICK) as mexc:
        told = Told(mexc)
        async with Private(mexc) as private:
            resting = place(sim, "BUY", low(sim))
            partly = place(sim, "BUY", low(sim), "20")
            place(sim, "BUY", None)
            await until(lambda: private.states(resting) and private.states(partly) and private.fills)
            sim.inject(Fault(kind="refuse"))
            sim.inject(Fault(kind=kind, now=True))
            # during the gap: filled, cancelled, placed and filled, placed and cancelled, placed and still open
            filled = [place(sim, "BUY", None, quantity) for quantity in ("7", "11")]
            filled.append(place(sim, "SELL", None, "3"))
            cancel(sim, resting)
            brief = place(sim, "BUY", low(sim))
            cancel(sim, brief)
            fresh = place(sim, "BUY", low(sim), "30")
            sim.clear_faults()
            await until(lambda: told.count("filled"))
            late = place(sim, "BUY", None, "5")
            await until(lambda: private.states(late))
            await until(lambda: len({push.body.trade_id for push in private.fills}) == len(trade_ids(sim)))
            assert Counter(push.body.trade_id for push in private.fills) == Counter(trade_ids(sim))
            assert private.states(resting)[-1][0] is OrderStatus.CANCELED
            assert private.states(brief)[-1][0] is OrderStatus.CANCELED
            assert [status for status, _ in private.states(fresh)] == [OrderStatus.NEW]
            assert [status for status, _ in private.states(partly)] == [OrderStatus.NEW]
            for order_id in filled:
                assert [status for status, _ in private.states(order_id)] == [OrderStatus.FILLED]
            uid = next(iter(sim.exchange.accounts))
            for asset in ("XRP", "USDT"):
                assert private.free(asset) == sim.exchange.balances.balance(uid, asset).free
            assert all(stream.gaps for stream in private.streams)


DOGE = "DOGEUSDT"


async def lose(sim: Simulator, told: Told, meanwhile: Callable[[], Awaitable[object]]) -> None:
    """Lose the private socket, change the account, and wait for the backfill."""
    before = told.count("filled")
    sim.inject(Fault(kind="refuse"))
    sim.inject(Fault(kind="drop", now=True))
    await meanwhile()
    sim.clear_faults()
    await until(lambda: told.count("filled") > before)


async def test_a_fill_in_a_symbol_never_seen_is_found_by_the_balances(sim: Simulator) -> None:
    """An order of another client, or one from the web page, shows only in changed balances."""
    async with sim_client(sim) as mexc:
        told = Told(mexc)
        async with Private(mexc) as private:
            place(sim, "BUY", None)
            await until(lambda: private.fills and private.balances)
            placed: list[str] = []

            async def meanwhile() -> None:
                placed.append(place(sim, "BUY", None, "100", DOGE))

            await lose(sim, told, meanwhile)
            assert [status for status, _ in private.states(placed[0])] == [OrderStatus.FILLED]
            assert Counter(push.body.trade_id for push in private.fills) == Counter(trade_ids(sim))
            assert {push.symbol for push in private.fills} == {XRP, DOGE}
            asked = Counter(event.path for event in told.events if isinstance(event, RequestDone))
            assert asked["/api/v3/allOrders"] == asked["/api/v3/myTrades"] == 2  # XRPUSDT, which was seen, and this one


@pytest.mark.parametrize("ends", ["filled", "cancelled"])
async def test_an_own_order_in_a_symbol_never_seen_is_found(sim: Simulator, ends: str) -> None:
    """It ends within the gap; cancelled, it leaves no trace in the balances."""
    async with sim_client(sim) as mexc:
        told = Told(mexc)
        async with Private(mexc) as private:
            placed: list[str] = []

            async def meanwhile() -> None:
                price = Decimal(low(sim, DOGE)) if ends == "cancelled" else None
                kind = "LIMIT" if price else "MARKET"
                amount = {"quantity": Decimal(100), "price": price} if price else {"quote_order_qty": Decimal(20)}
                order = await mexc.spot.new_order(symbol=DOGE, side="BUY", type=kind, **amount)  # type: ignore[arg-type]  # either
                placed.append(order.order_id)
                if price:
                    await mexc.spot.cancel_order(symbol=DOGE, order_id=order.order_id)

            await lose(sim, told, meanwhile)
            last = OrderStatus.CANCELED if ends == "cancelled" else OrderStatus.FILLED
            assert [status for status, _ in private.states(placed[0])] == [last]
            assert Counter(push.body.trade_id for push in private.fills) == Counter(trade_ids(sim))


async def test_a_balance_that_is_gone_is_told(sim: Simulator) -> None:
    async with sim_client(sim) as mexc:
        told = Told(mexc)
        async with Private(mexc) as private:
            uid = next(iter(sim.exchange.accounts))
            held = sim.exchange.balances.balance(uid, "XRP").free

            async def meanwhile() -> None:
                place(sim, "SELL", None, f"{held:f}")

            await until(lambda: (reading := user_stream(mexc)._reading) and reading.done())
            await lose(sim, told, meanwhile)
            assert private.free("XRP") == 0
            (push,) = [push for push in private.balances if push.body.asset == "XRP"]
            assert (push.body.free_change, push.body.type) == (-held, "SNAPSHOT")


async def test_a_private_push_with_text_that_is_no_number_is_looked_up(sim: Simulator) -> None:
    async with sim_client(sim) as mexc:
        told = Told(mexc)
        async with Private(mexc) as private:
            order_id = place(sim, "BUY", None)
            await until(lambda: private.states(order_id) and private.fills)
            fill, order, balance = private.fills[0], private.orders[0], private.balances[0]
            broken: list[Push[Any]] = [
                replace(fill, body=replace(fill.body, trade_id="new", quantity_text="1,5")),
                replace(order, body=replace(order.body, order_id="new", executed_quantity_text="much")),
                replace(balance, body=replace(balance.body, free_text="")),
            ]
            counts = len(private.fills), len(private.orders), len(private.balances)
            for push in broken:
                mexc._router.deliver(push, 0.0)
            await until(lambda: told.count("filled"))
            assert mexc.streams.bad_frames == 3
            assert (len(private.fills), len(private.orders), len(private.balances)) == counts
            assert {stream.gaps for stream in private.streams} == {0}


async def test_two_gaps_in_a_row_hide_nothing(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket is lost again before REST answered about the first gap, and pushes came in between."""
    async with sim_client(sim) as mexc:
        told = Told(mexc)
        async with Private(mexc) as private:
            place(sim, "BUY", None)
            await until(lambda: private.fills)
            user = user_stream(mexc)
            look_up, is_down = user._look_up, True

            async def fail(since_ms: int) -> list[str]:
                if is_down:
                    await asyncio.Event().wait()
                return await look_up(since_ms)

            monkeypatch.setattr(user, "_look_up", fail)
            monkeypatch.setattr(user_stream_module, "MARGIN_MS", 0)
            sim.inject(Fault(kind="drop", now=True))
            hidden = place(sim, "BUY", None, "7")
            await until(lambda: told.count("resubscribed") >= 1 and user._filling is not None)
            await asyncio.sleep(1.1)  # REST cuts times to seconds
            seen = place(sim, "BUY", None, "8")
            await until(lambda: private.states(seen))
            is_down = False
            sim.inject(Fault(kind="drop", now=True))
            await until(lambda: told.count("filled"))
            assert private.states(hidden)
            assert Counter(push.body.trade_id for push in private.fills) == Counter(trade_ids(sim))


async def test_repeated_pushes_are_dropped(sim: Simulator) -> None:
    sim.inject(Fault(kind="duplicate", on="spot@private.*"))
    async with sim_client(sim) as mexc, Private(mexc) as private:
        order_id = place(sim, "BUY", low(sim))
        cancel(sim, order_id)
        place(sim, "BUY", None)
        last = place(sim, "BUY", low(sim), "30")
        await until(lambda: private.states(last))
        assert [status for status, _ in private.states(order_id)] == [OrderStatus.NEW, OrderStatus.CANCELED]
        assert Counter(push.body.trade_id for push in private.fills) == Counter(trade_ids(sim))


async def test_a_stream_of_orders_alone_does_not_miss_fills(sim: Simulator) -> None:
    async with sim_client(sim) as mexc:
        told = Told(mexc)
        async with mexc.streams.orders() as orders:
            place(sim, "BUY", None)
            await asyncio.wait_for(anext(orders), 30)
            sim.inject(Fault(kind="drop", now=True))
            hidden = place(sim, "BUY", low(sim))
            await until(lambda: told.count("filled"))
            async with asyncio.timeout(5):
                while (await anext(orders)).body.order_id != hidden:
                    pass


async def test_no_key_is_taken_while_the_client_closes(sim: Simulator) -> None:
    mexc = sim_client(sim)
    async with mexc:
        private = await Private(mexc).__aenter__()
        assert len(keys(sim)) == 1
    await until(lambda: len(sim.sockets) == 0)
    assert keys(sim) == []
    assert all(stream._subscriber.is_closed for stream in private.streams)


async def test_private_streams_are_one_socket_whatever_the_limit(sim: Simulator) -> None:
    async with nothing_left(), sim_client(sim, per_socket=1) as mexc, Private(mexc):
        assert len(sim.sockets) == 1
        assert len(keys(sim)) == 1


async def test_short_socket_rules_are_survived() -> None:
    rules = SocketRules(idle_s=0.6, listen_key_s=3600)
    config = SimConfig(limits="none", flow=0, sockets=rules)
    async with nothing_left(), Simulator(config) as sim, sim_client(sim) as mexc, Private(mexc) as private:
        await asyncio.sleep(0.9)  # longer than the rule; pings every 0.2 s keep the socket
        assert private.streams[0].gaps == 0
