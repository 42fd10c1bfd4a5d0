"""Memory of many ids: the newest stay, and no addition takes long."""

from __future__ import annotations

from mexc_async.runtime.recent import PARTS, Parts, RecentIds
from tests.support.steps import steps_of


def test_the_newest_ids_stay_and_the_oldest_leave() -> None:
    ids = RecentIds(3)
    assert [ids.add(name) for name in ("a", "b", "a", "c", "d")] == [True, True, False, True, True]
    assert list(ids) == ["b", "c", "d"]
    assert "a" not in ids
    assert "d" in ids
    assert len(ids) == 3


def test_an_addition_does_the_same_work_however_many_ids_there_are() -> None:
    ids = RecentIds(2000)
    steps = [steps_of(lambda name=str(number): ids.add(name)) for number in range(6000)]  # type: ignore[misc]
    assert max(steps) < 200
    assert len(ids) == 2000


def test_no_part_holds_much_more_than_its_share() -> None:
    """A part grows by copying itself: of very many ids none may have so many that this takes 100 us."""
    parts, ids = Parts[str, int](), RecentIds(200_000)
    for number in range(50_000):
        name = f"m0123456789ab-{number}"
        ids.add(name)
        parts.of(name)[name] = number
    assert max(len(part) for part in ids._parts) < 2 * 50_000 / PARTS
    assert max(len(part) for part in parts._parts) < 2 * 50_000 / PARTS
    assert len(parts) == 50_000
    assert parts.of("m0123456789ab-7")["m0123456789ab-7"] == 7
