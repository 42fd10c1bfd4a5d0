"""The table of orders: both ids, the end of an order, and bounded work however many orders there are."""

from __future__ import annotations

from decimal import Decimal

from mexc_async.errors import InsufficientBalance
from mexc_async.orders.record import OrderRecord
from mexc_async.orders.table import OrderTable
from tests.support.steps import steps_of

PRICE = Decimal(100)


def record(name: str = "mine-1", order_id: str | None = None) -> OrderRecord:
    it = OrderRecord(name, "BTCUSDT", "BUY", "LIMIT", Decimal(10), PRICE)
    if order_id is not None:
        it.place(order_id)
    return it


def ended(number: int) -> OrderRecord:
    it = OrderRecord(f"m-{number}", "BTCUSDT", "BUY", "LIMIT", Decimal(1), PRICE)
    it.report(f"C{number}", Decimal(1), PRICE, is_cancelled=False, is_filled=True)
    return it


def test_an_order_is_found_by_either_id() -> None:
    table, it = OrderTable(), record()
    table.add(it)
    assert table.find(None, "mine-1") is it
    assert table.find("C1", None) is None
    it.place("C1")
    table.index(it)
    assert table.find("C1", None) is it
    assert table.find("C2", None) is None


def test_the_client_order_id_counts_more_than_an_order_id() -> None:
    table, it, other = OrderTable(), record(), record("mine-2")
    it.place("C1")  # as an ack says, which may be another order's
    table.add(it)
    table.add(other)
    assert table.find("C1", "mine-2") is other
    assert table.find("C1", "a stranger's") is None
    table.claim(it, "C1")
    assert table.find("C1", "a stranger's") is it
    assert table.find("C1", "mine-2") is other


def test_finished_orders_leave_after_a_while_and_their_ids_are_remembered() -> None:
    table = OrderTable(keep_s=10)
    for number in range(3):
        it = ended(number)
        table.add(it)
        table.finish(it, float(number))
    assert len(table) == 3
    late = ended(9)
    table.add(late)
    table.finish(late, 11.5)
    assert table.find(None, "m-0") is None
    assert table.find("C1", None) is None
    assert table.find(None, "m-2") is not None
    assert table.knows("m-0")
    assert table.knows("C1")
    assert not table.knows("m-77")


def test_memory_is_bounded_however_many_orders_there_are() -> None:
    table = OrderTable(keep_s=1e9, most_finished=50, most_ids=200)
    for number in range(1000):
        it = ended(number)
        table.add(it)
        table.finish(it, float(number))
    assert len(table) == 50
    assert not table.knows("m-0")
    assert table.knows("m-949")
    assert len(list(table.remembered)) == 200


def test_an_id_under_which_nothing_was_placed_is_not_remembered() -> None:
    table, it = OrderTable(keep_s=0), record()
    table.add(it)
    it.refuse(InsufficientBalance("no funds"))
    table.finish(it, 1.0)
    assert table.find(None, "mine-1") is None
    assert not table.knows("mine-1")


def test_live_orders_are_those_that_can_still_change() -> None:
    table = OrderTable()
    for it in (record(), ended(1)):
        table.add(it)
    assert [it.client_order_id for it in table.live()] == ["mine-1"]


def test_orders_whose_end_nobody_tells_do_not_fill_the_memory() -> None:
    table = OrderTable(most_live=50)
    for number in range(1000):
        table.add(record(f"m-{number}", f"C{number}"))
        assert len(table) <= 54
    assert table.knows("m-0")
    assert table.find("C999", None) is not None


def test_orders_with_unknown_outcome_stay_however_many_come_after_them() -> None:
    table, unknown = OrderTable(most_live=50), record("m-unknown")
    table.add(unknown)
    for number in range(1000):
        table.add(record(f"m-{number}", f"C{number}"))
    assert table.find(None, "m-unknown") is unknown
    assert unknown in list(table.live())


def test_an_order_that_was_taken_for_finished_is_live_again_and_stays() -> None:
    table, it = OrderTable(keep_s=10), record("m-open")
    table.add(it)
    it.refuse(InsufficientBalance("no funds"))
    table.finish(it, 0.0)
    assert list(table.live()) == []
    table.claim(it, "C-open")
    assert list(table.live()) == [it]
    for number in range(3):
        other = ended(number)
        table.add(other)
        table.finish(other, 100.0)
    assert table.find(None, "m-open") is it


def test_an_order_that_ends_a_second_time_leaves_once() -> None:
    table, it = OrderTable(keep_s=10), ended(1)
    table.add(it)
    table.finish(it, 0.0)
    it.release()
    table.index(it)
    assert list(table.live()) == [it]
    it.report("C1", Decimal(1), PRICE, is_cancelled=False, is_filled=True)
    table.index(it)
    table.finish(it, 1.0)
    assert list(table) == [it]
    for number in range(2, 5):
        other = ended(number)
        table.add(other)
        table.finish(other, 50.0)
    assert [one.client_order_id for one in table] == ["m-2", "m-3", "m-4"]
    assert list(table.remembered) == ["m-1", "C1"]


def test_orders_are_listed_in_the_order_of_their_coming() -> None:
    table, first, second = OrderTable(), ended(1), ended(2)
    for it in (first, record(), second):
        table.add(it)
    table.finish(second, 0.0)
    table.finish(first, 1.0)
    assert [it.client_order_id for it in table] == ["m-1", "mine-1", "m-2"]


def test_an_id_that_is_used_again_belongs_to_the_new_order() -> None:
    table, refused, fresh = OrderTable(keep_s=10), record(), record()
    table.add(refused)
    refused.refuse(InsufficientBalance("no funds"))
    table.finish(refused, 0.0)
    table.discard("mine-1")
    table.add(fresh)
    late = ended(1)
    table.add(late)
    table.finish(late, 100.0)
    assert table.find(None, "mine-1") is fresh
    assert list(table) == [fresh, late]


def test_the_orders_of_another_table_come_with_their_ends_and_the_ids_that_it_remembers() -> None:
    before, table = OrderTable(keep_s=10), OrderTable(keep_s=10)
    for number in range(3):
        it = ended(number)
        before.add(it)
        before.finish(it, float(8 * number))
    before.add(record())
    table.take_over(before)
    assert [it.client_order_id for it in table] == ["m-1", "m-2", "mine-1"]
    assert [it.client_order_id for it in table.live()] == ["mine-1"]
    assert table.knows("m-0")
    late = ended(9)
    table.add(late)
    table.finish(late, 18.0)
    assert table.find(None, "m-1") is None  # it ended at 8
    assert table.find(None, "m-2") is not None


# --- bounded work ---


def test_an_addition_does_the_same_work_however_many_live_orders_there_are() -> None:
    table = OrderTable()
    orders = [record(f"m-{number}", f"C{number}") for number in range(4000)]
    steps = [steps_of(lambda it=it: table.add(it)) for it in orders]  # type: ignore[misc]  # bound now
    assert len(table) <= 1504
    assert max(steps) < 2000
    assert sum(steps[2000:]) / 2000 < 500


def test_the_first_end_after_a_pause_does_not_retire_all_earlier_orders_at_once() -> None:
    table = OrderTable(keep_s=10)
    for number in range(2000):
        it = ended(number)
        table.add(it)
        table.finish(it, 0.0)
    for number in range(2000, 4500):
        it = ended(number)
        table.add(it)
        assert steps_of(lambda it=it: table.finish(it, 100.0)) < 1000  # type: ignore[misc]  # bound now
        if number == 2000:
            assert len(table) == 1999
    assert len(table) == 2500
    assert table.find(None, "m-1999") is None


def test_live_orders_are_found_without_a_look_at_those_that_ended() -> None:
    table, it = OrderTable(), record()
    for number in range(5000):
        other = ended(number)
        table.add(other)
        table.finish(other, 0.0)
    table.add(it)
    assert steps_of(lambda: list(table.live())) < 100
    assert list(table.live()) == [it]
