"""Client order ids: unique, short enough, and never in place of a user's own."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from mexc_async.errors import ConfigError
from mexc_async.orders.ids import MAX_LENGTH, OrderIds
from mexc_async.runtime.clock import SYSTEM
from mexc_async.spot.trading import NewOrder


def order(own: str | None = None) -> NewOrder:
    return NewOrder(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=Decimal(1), new_client_order_id=own)


def test_ids_are_unique_over_clients_and_calls() -> None:
    makers = [OrderIds("m", SYSTEM) for _ in range(100)]
    ids = [maker.next() for maker in makers for _ in range(100)]
    assert len(set(ids)) == 10_000


@pytest.mark.parametrize("prefix", ["m", "grid-1", "ABCDEFGH"])
def test_ids_begin_with_the_prefix_and_stay_short(prefix: str) -> None:
    ids = OrderIds(prefix, SYSTEM)
    for one in (ids.next() for _ in range(1000)):
        assert one.startswith(prefix)
        assert len(one) + len("0" * 7) <= MAX_LENGTH  # room for ten thousand million orders of one client
        assert re.fullmatch(r"[A-Za-z0-9.\-]+", one)  # what every source allows


@pytest.mark.parametrize("prefix", ["", "-", "ABCDEFGHI", "a b", "a_b", "ü", "a\n"])
def test_a_prefix_that_cannot_be_one_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="id_prefix"):
        OrderIds(prefix, SYSTEM)


def test_an_order_is_named_unless_it_has_an_id_of_its_own() -> None:
    ids = OrderIds("m", SYSTEM)
    assert ids.named(order()).new_client_order_id
    own = order("mine")
    assert ids.named(own) is own
