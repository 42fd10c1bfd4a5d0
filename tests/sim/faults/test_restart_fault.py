"""The fault `restart` drops every connection and keeps the exchange's state."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from mexc_async.sim.exchange.exchange import Exchange
from mexc_async.sim.exchange.symbols import rules_of
from mexc_async.sim.faults.faults import Fault
from mexc_async.sim.market.liquidity import Liquidity
from tests.support.faulty import held, market, order_of, placed, until
from tests.support.naive_trader import BTC, ORDER, Lost, NaiveTrader, line
from tests.support.stream_client import Closed, Stage

DEALS = "spot@private.deals.v3.api.pb"
NOW = 1_700_000_000_000


async def back(on: Stage) -> None:
    """Wait until the exchange serves again."""
    await until(lambda: on.simulator._gate.is_open)


async def is_refused(on: Stage) -> bool:
    parts = urlsplit(on.simulator.rest)
    try:
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # accepted just before the reset
        return False
    writer.close()
    return False


async def test_who_takes_a_restart_for_the_end_of_its_orders_doubles_them() -> None:
    async with market() as on:
        trader = NaiveTrader(on)
        rest = on.simulator.rest
        await trader.place(newClientOrderId="one")
        async with line(on) as wire:
            await wire.send("GET", ORDER, symbol=BTC, origClientOrderId="one")
            before = on.simulator.statement()
            on.simulator.restart(100)
            with pytest.raises(ConnectionError):
                await wire.send("GET", ORDER, symbol=BTC, origClientOrderId="one")
        await trader.place_stubbornly()  # the trader believes that its order was lost with the connection
        assert on.simulator.rest == rest
        assert before.orders[0] in on.simulator.statement().orders
        assert placed(on) == 2
        assert (await trader.cancel("one")).body["status"] == "CANCELED"


async def test_connections_are_refused_meanwhile() -> None:
    async with market() as on:
        assert not await is_refused(on)
        on.simulator.restart(600_000)
        assert on.simulator.restart(1) == 0  # already down
        while not await is_refused(on):
            pass
        with pytest.raises(Lost):
            await NaiveTrader(on).place()


async def test_listen_keys_are_kept_and_their_sockets_are_not() -> None:
    async with market() as on:
        key = await on.listen_key()
        stream = await on.connect(key)
        await stream.subscribe(DEALS)
        assert on.simulator.restart(50) >= 1
        with pytest.raises(Closed):
            await stream.frame()
        await back(on)
        trader = NaiveTrader(on)
        await (again := await on.connect(key)).subscribe(DEALS)
        await trader.place(type="MARKET", side="SELL")
        assert (await again.push()).body.quantity == Decimal("0.001")
        assert (await trader.send("PUT", "/api/v3/userDataStream", listenKey=key)).status == 200


async def test_requests_that_wait_are_lost() -> None:
    async with market(Fault(kind="hold", on="new_order", times=1, delay_ms=600_000)) as on:
        under_way = await held(on, ORDER, "one")
        on.simulator.restart(10)
        with pytest.raises(Lost):
            await under_way
        await back(on)
        assert placed(on) == 0


@pytest.mark.parametrize(("at", "count"), [("unread", 0), ("read", 0), ("processed", 1)])
async def test_it_restarts_at_a_request(at: str, count: int) -> None:
    async with market(Fault(kind="restart", on="new_order", at=at, times=1, delay_ms=10)) as on:  # type: ignore[arg-type]  # `at` is one of the stages
        with pytest.raises(Lost):
            await NaiveTrader(on).place(newClientOrderId="one")
        await back(on)
        assert placed(on) == count
        if count:
            assert order_of(on, "one").is_open


async def test_it_can_restart_again_and_be_closed_while_it_is_down() -> None:
    async with market() as on:
        for _ in range(3):
            on.simulator.restart(1)
            await back(on)
            assert (await NaiveTrader(on).place()).status == 200
        on.simulator.restart(600_000)


async def test_nothing_moves_while_it_is_down() -> None:
    async with market(flow=100) as on:
        versions = [each.version for each in on.exchange.markets.values()]
        await until(lambda: versions != [each.version for each in on.exchange.markets.values()])
        on.simulator.restart(150)
        versions = [each.version for each in on.exchange.markets.values()]
        down = on.simulator._gate
        while not down.is_open:
            assert versions == [each.version for each in on.exchange.markets.values()]
            await asyncio.sleep(0)


def test_a_market_that_paused_goes_on_where_it_was() -> None:
    rules = rules_of("AAA", "USDT", "A", "10.0", 1, "0.01", min_value="0.1")
    moved: list[list[int]] = []
    for pause_ms in (0, 5000):
        exchange = Exchange([rules], seed=1, now_ms=NOW)
        flow = Liquidity(exchange, ["AAAUSDT"], seed=1, now_ms=NOW)
        flow.pause(pause_ms)
        versions = []
        for ms in range(0, 3000, 100):
            flow.advance(NOW + pause_ms + ms)
            versions.append(exchange.market("AAAUSDT").version)
        moved.append(versions)
    assert moved[0] == moved[1]
    assert moved[0][0] < moved[0][-1]
