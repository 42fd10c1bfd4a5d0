"""Client order ids: unique, short enough, and never in place of a user's own."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from mexc_async.errors import ConfigError
from mexc_async.net.order_ids import MAX_LENGTH, OrderIds, name_orders, orders_of
from mexc_async.spot.market import Ping
from mexc_async.spot.trading import BatchOrders, NewOrder, TestOrder


def order(own: str | None = None) -> NewOrder:
    return NewOrder(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=Decimal(1), new_client_order_id=own)


def test_ids_are_unique_over_clients_and_calls() -> None:
    makers = [OrderIds() for _ in range(100)]
    ids = [maker.next() for maker in makers for _ in range(100)]
    assert len(set(ids)) == 10_000


@pytest.mark.parametrize("prefix", ["m", "grid-1", "ABCDEFGH"])
def test_ids_begin_with_the_prefix_and_stay_short(prefix: str) -> None:
    ids = OrderIds(prefix)
    for one in (ids.next() for _ in range(1000)):
        assert one.startswith(prefix)
        assert len(one) + len("0" * 7) <= MAX_LENGTH  # room for ten thousand million orders of one client
        assert re.fullmatch(r"[A-Za-z0-9.\-]+", one)  # what every source allows


@pytest.mark.parametrize("prefix", ["", "-", "ABCDEFGHI", "a b", "a_b", "ü", "a\n"])
def test_a_prefix_that_cannot_be_one_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="order id prefix"):
        OrderIds(prefix)


def test_only_orders_that_are_placed_are_named() -> None:
    ids = OrderIds()
    named = name_orders(order(), ids)
    assert isinstance(named, NewOrder)
    assert named.new_client_order_id
    own = order("mine")
    assert name_orders(own, ids) is own
    batch = name_orders(BatchOrders(orders=[order(), own]), ids)
    assert isinstance(batch, BatchOrders)
    assert batch.orders[0].new_client_order_id
    assert batch.orders[1] is own
    test = TestOrder(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=Decimal(1))
    assert name_orders(test, ids) is test
    assert orders_of(test) == (test,)
    ping = Ping()
    assert name_orders(ping, ids) is ping
    assert orders_of(ping) == ()
    assert orders_of(batch) == tuple(batch.orders)
