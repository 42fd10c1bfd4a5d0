"""The limiter on real loops with short windows: waits, priorities, and no lost requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from mexc_async.errors import ClientClosed, ConfigError, RateLimited
from mexc_async.limits.limiter import RateLimiter
from mexc_async.limits.profiles import Limit, Limits
from mexc_async.limits.queue import CONNECTIONS
from mexc_async.runtime.clock import SYSTEM
from mexc_async.schema.endpoint import Cost, Priority, Route
from tests.support.manual_time import ManualTime

T = TypeVar("T")


def new_uvloop() -> asyncio.AbstractEventLoop:
    uvloop = pytest.importorskip("uvloop")
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


@pytest.fixture(params=[asyncio.new_event_loop, new_uvloop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, T]], T]:
    """Run a coroutine on either kind of loop."""

    def run_on(work: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(work)

    return run_on


Run = Callable[[Coroutine[Any, Any, Any]], Any]


def table(margin_s: float = 0.0, in_flight: int = 10_000, **budgets: tuple[int, float]) -> Limits:
    rows = tuple(Limit(name, budget, window_s, "client", "test") for name, (budget, window_s) in budgets.items())
    return Limits("test", rows, margin_s, in_flight)


def route(limit: str = "a", weight: int = 1, priority: Priority = Priority.MARKET, path: str = "/x") -> Route:
    return Route("GET", path, costs=(Cost(limit, weight),), priority=priority)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def used(limiter: RateLimiter, name: str) -> int:
    return next(use.used for use in limiter.report().limits if use.limit == name)


def in_flight(limiter: RateLimiter) -> int:
    return used(limiter, CONNECTIONS)


async def spend(limiter: RateLimiter, kind: Route, times: int = 1) -> None:
    for _ in range(times):
        limiter.release(kind, await limiter.acquire(kind))


# --- waiting ---


def test_the_first_burst_passes_at_once_and_the_rest_a_window_later_in_order(run: Run) -> None:
    async def scenario() -> None:
        limiter, passed = RateLimiter(table(a=(5, 0.1)), SYSTEM), []

        async def one(number: int) -> None:
            taken_at = await limiter.acquire(route())
            passed.append((number, taken_at))
            limiter.release(route(), taken_at)

        began = time.monotonic()
        await asyncio.gather(*(one(number) for number in range(12)))
        assert [number for number, _ in passed] == list(range(12))
        times = [at - began for _, at in passed]
        assert times[4] < 0.05
        assert all(times[index + 5] - times[index] >= 0.1 for index in range(7))
        assert times[-1] < 2
        assert in_flight(limiter) == 0

    run(scenario())


def test_a_higher_priority_goes_first_whenever_it_came(run: Run) -> None:
    async def scenario() -> None:
        limiter, passed = RateLimiter(table(a=(1, 0.02)), SYSTEM), []
        await spend(limiter, route())

        async def one(priority: Priority) -> None:
            kind = route(priority=priority)
            limiter.release(kind, await limiter.acquire(kind))
            passed.append(priority)

        came = [Priority.MARKET, Priority.ACCOUNT, Priority.MARKET, Priority.ORDER, Priority.CANCEL, Priority.ACCOUNT]
        await asyncio.gather(*map(one, came))
        assert passed == sorted(came)

    run(scenario())


async def test_other_limits_are_not_held_back() -> None:
    limiter = RateLimiter(table(a=(1, 60.0), b=(1, 60.0)), SYSTEM)
    await spend(limiter, route("a"))
    waiting = asyncio.create_task(limiter.acquire(route("a")))
    await settle()
    async with asyncio.timeout(1):
        await limiter.acquire(route("b"))
    waiting.cancel()
    await settle()


async def test_a_free_connection_lets_the_next_one_go() -> None:
    limiter = RateLimiter(table(in_flight=2), SYSTEM)
    first, _ = await limiter.acquire(route()), await limiter.acquire(route())
    waiting = asyncio.create_task(limiter.acquire(route()))
    await settle()
    assert not waiting.done()
    assert limiter.report().waiting == 1
    limiter.release(route(), first)
    async with asyncio.timeout(1):
        await waiting
    assert limiter.report().binding == CONNECTIONS


# --- not waiting ---


async def test_who_does_not_want_to_wait_is_told_at_once_and_for_how_long() -> None:
    clock = ManualTime()
    limiter = RateLimiter(table(a=(1, 60.0)), clock.clock)
    await spend(limiter, route())
    clock.now += 20
    with pytest.raises(RateLimited, match=r"limit a \(1 per 60 s\) is used up for 40\.000 s") as caught:
        await limiter.acquire(route(), 0)
    assert caught.value.retry_after_s == 40
    with pytest.raises(RateLimited, match="max_wait_s 5"):
        await limiter.acquire(route(), 5)
    assert limiter.report().waiting == 0
    clock.now += 40
    await limiter.acquire(route(), 0)


def test_a_wait_that_fits_is_waited_for(run: Run) -> None:
    async def scenario() -> None:
        limiter = RateLimiter(table(a=(1, 0.05)), SYSTEM)
        await spend(limiter, route())
        await limiter.acquire(route(), 5)
        assert limiter.report().endpoints[0].waited == 1

    run(scenario())


def test_a_wait_that_turns_out_longer_ends_after_max_wait_s(run: Run) -> None:
    async def scenario() -> None:
        limiter = RateLimiter(table(in_flight=1), SYSTEM)
        taken_at = await limiter.acquire(route())
        began = time.monotonic()
        with pytest.raises(RateLimited, match=r"held back by limit connections for all of the max_wait_s 0\.05"):
            await limiter.acquire(route(), 0.05)
        assert 0.04 < time.monotonic() - began < 2
        assert limiter.report().waiting == 0
        limiter.release(route(), taken_at)
        assert in_flight(limiter) == 0

    run(scenario())


async def test_a_line_that_is_full_takes_nobody_in() -> None:
    limiter = RateLimiter(Limits("test", table(a=(1, 60.0)).table, 0.0, 10, max_waiting=2), SYSTEM)
    await spend(limiter, route())
    waiting = [asyncio.create_task(limiter.acquire(route())) for _ in range(2)]
    await settle()
    with pytest.raises(RateLimited, match="2 requests are queued already"):
        await limiter.acquire(route())
    limiter.close()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_route_that_weighs_more_than_its_limit_is_refused() -> None:
    with pytest.raises(ConfigError, match="weighs 2"):
        await RateLimiter(table(a=(1, 1.0)), SYSTEM).acquire(route(weight=2))


# --- giving up ---


async def test_who_gives_up_in_line_takes_nothing_along() -> None:
    clock = ManualTime()
    limiter = RateLimiter(table(a=(1, 60.0)), clock.clock)
    await spend(limiter, route())
    tasks = [asyncio.create_task(limiter.acquire(route())) for _ in range(3)]
    await settle()
    tasks[0].cancel()
    tasks[1].cancel()
    await settle()
    assert limiter.report().waiting == 1
    clock.now += 61
    limiter.serve()
    assert await tasks[2] == clock.now
    assert used(limiter, "a") == 1
    assert in_flight(limiter) == 1


async def test_who_is_cancelled_in_the_very_moment_of_its_turn_hands_it_on() -> None:
    clock = ManualTime()
    limiter = RateLimiter(table(a=(1, 60.0)), clock.clock)
    await spend(limiter, route())
    first, second = (asyncio.create_task(limiter.acquire(route())) for _ in range(2))
    await settle()
    clock.now += 61
    limiter.serve()  # the first is released, but has not run yet
    first.cancel()
    await settle()
    assert first.cancelled()
    assert second.done()
    assert used(limiter, "a") == 1
    assert in_flight(limiter) == 1
    assert limiter.report().waiting == 0


async def test_who_was_cancelled_right_before_its_turn_is_passed_over() -> None:
    clock = ManualTime()
    limiter = RateLimiter(table(a=(1, 60.0)), clock.clock)
    await spend(limiter, route())
    first, second = (asyncio.create_task(limiter.acquire(route())) for _ in range(2))
    await settle()
    first.cancel()  # its future is cancelled, but it is still queued
    clock.now += 61
    limiter.serve()
    await settle()
    assert first.cancelled()
    assert second.done()
    assert used(limiter, "a") == 1
    assert in_flight(limiter) == 1


def test_cancelling_at_random_loses_nothing(run: Run) -> None:
    async def scenario() -> None:
        limiter = RateLimiter(table(in_flight=50, a=(20, 0.02), b=(7, 0.01)), SYSTEM)

        async def one(number: int) -> None:
            kind = route("ab"[number % 2], priority=Priority(number % 4))
            taken_at = await limiter.acquire(kind)
            try:
                await asyncio.sleep(0)
            finally:
                limiter.release(kind, taken_at)

        tasks = [asyncio.create_task(one(number)) for number in range(200)]
        for number, task in enumerate(tasks):
            if number % 3 == 0:
                asyncio.get_running_loop().call_later(number % 40 / 1000, task.cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert in_flight(limiter) == 0
        assert limiter.report().waiting == 0
        assert not limiter._futures

    run(scenario())


# --- closing ---


async def test_closing_fails_everybody_in_line_and_stops_the_timer() -> None:
    limiter = RateLimiter(table(a=(1, 60.0)), SYSTEM)
    await spend(limiter, route())
    tasks = [asyncio.create_task(limiter.acquire(route())) for _ in range(3)]
    await settle()
    tasks[0].cancel()
    limiter.close()
    limiter.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(isinstance(result, ClientClosed) for result in results[1:])
    assert limiter._timer is None or limiter._timer.cancelled()
    with pytest.raises(ClientClosed):
        await limiter.acquire(route())


async def test_releasing_after_the_close_is_harmless() -> None:
    limiter = RateLimiter(table(in_flight=1), SYSTEM)
    taken_at = await limiter.acquire(route())
    waiting = asyncio.create_task(limiter.acquire(route()))
    await settle()
    limiter.close()
    limiter.release(route(), taken_at)
    with pytest.raises(ClientClosed):
        await waiting


# --- 429 and 418 ---


async def test_a_429_closes_the_limits_of_its_route_and_no_others() -> None:
    clock = ManualTime()
    limiter = RateLimiter(table(a=(10, 60.0), b=(10, 60.0)), clock.clock)
    limiter.penalise(route("a"), 429, 7.0)
    with pytest.raises(RateLimited) as caught:
        await limiter.acquire(route("a"), 0)
    assert caught.value.retry_after_s == 7
    await limiter.acquire(route("b"), 0)
    assert {use.limit: use.closed_s for use in limiter.report().limits if use.closed_s} == {"a": 7}
    clock.now += 7
    await limiter.acquire(route("a"), 0)


@pytest.mark.parametrize(("kind", "status"), [(route("a"), 418), (route("nothing"), 429)])
async def test_a_418_or_a_429_without_a_limit_closes_everything(kind: Route, status: int) -> None:
    clock = ManualTime()
    limiter = RateLimiter(table(a=(10, 60.0), b=(10, 60.0)), clock.clock)
    limiter.penalise(kind, status, 7.0)
    for name in "ab":
        with pytest.raises(RateLimited):
            await limiter.acquire(route(name), 0)
    clock.now += 7
    await limiter.acquire(route("a"), 0)


async def test_a_shorter_penalty_does_not_end_a_longer_one() -> None:
    clock = ManualTime()
    limiter = RateLimiter(table(a=(10, 60.0)), clock.clock)
    limiter.penalise(route("a"), 429, 7.0)
    limiter.penalise(route("a"), 429, 1.0)
    clock.now += 2
    with pytest.raises(RateLimited):
        await limiter.acquire(route("a"), 0)


def test_who_waits_while_the_bucket_is_closed_goes_on_when_it_opens(run: Run) -> None:
    async def scenario() -> None:
        limiter = RateLimiter(table(a=(10, 60.0)), SYSTEM)
        began = time.monotonic()
        limiter.penalise(route("a"), 429, 0.05)
        await asyncio.gather(*(limiter.acquire(route("a")) for _ in range(5)))
        assert 0.05 <= time.monotonic() - began < 2

    run(scenario())


# --- when a request counts ---


async def test_what_was_never_sent_is_free_again() -> None:
    clock = ManualTime()
    limiter = RateLimiter(table(in_flight=5, a=(1, 60.0)), clock.clock)
    await limiter.acquire(route())
    waiting = asyncio.create_task(limiter.acquire(route()))
    await settle()
    clock.now += 1
    limiter.put_back(route())
    await settle()
    assert waiting.done()
    assert (used(limiter, "a"), in_flight(limiter)) == (1, 1)
    assert limiter.report().endpoints[0].requests == 1


async def test_a_request_that_is_sent_late_counts_from_then() -> None:
    clock = ManualTime()
    limiter = RateLimiter(table(0.02, a=(1, 10.0)), clock.clock)
    taken_at = await limiter.acquire(route())
    clock.now += 3  # a new connection took its time
    assert limiter.sent(route(), taken_at) == clock.now
    limiter.release(route(), clock.now)
    clock.now += 10.01
    with pytest.raises(RateLimited):
        await limiter.acquire(route(), 0)
    clock.now += 0.02
    await limiter.acquire(route(), 0)


async def test_a_request_that_is_sent_at_once_counts_from_when_it_passed() -> None:
    clock = ManualTime()
    limiter = RateLimiter(table(0.02, a=(1, 10.0)), clock.clock)
    taken_at = await limiter.acquire(route())
    clock.now += 0.004
    assert limiter.sent(route(), taken_at) == taken_at


async def test_what_took_much_longer_than_usual_may_have_arrived_late() -> None:
    clock = ManualTime()
    limiter = RateLimiter(table(0.02, a=(100, 10.0)), clock.clock)
    for _ in range(30):  # the usual: half a second
        taken_at = await limiter.acquire(route())
        clock.now += 0.5
        limiter.release(route(), taken_at)
    clock.now += 20
    assert used(limiter, "a") == 0
    taken_at = await limiter.acquire(route())
    clock.now += 2.5
    limiter.release(route(), taken_at)  # two seconds more than usual: perhaps on the way
    clock.now = taken_at + 10.02 + 1.9
    assert used(limiter, "a") == 1
    clock.now += 0.1
    assert used(limiter, "a") == 0


async def test_what_took_as_long_as_usual_counts_from_its_sending() -> None:
    clock = ManualTime()
    limiter = RateLimiter(table(0.02, a=(100, 10.0)), clock.clock)
    for _ in range(30):
        taken_at = await limiter.acquire(route())
        clock.now += 0.5
        limiter.release(route(), taken_at)
    clock.now = taken_at + 10.03
    assert used(limiter, "a") == 0


async def test_before_the_usual_is_known_all_of_the_time_may_have_been_the_way() -> None:
    """The first requests of a client may all be slow: an exchange that is busy, a cold connection."""
    clock = ManualTime()
    limiter = RateLimiter(table(0.02, a=(100, 10.0)), clock.clock)
    taken_at = await limiter.acquire(route())
    clock.now += 0.5
    limiter.release(route(), taken_at)
    clock.now = taken_at + 10.03
    assert used(limiter, "a") == 1
    clock.now = taken_at + 10.0 + 0.51
    assert used(limiter, "a") == 0


# --- timers ---


@pytest.mark.parametrize("window_s", [0.0123, 0.1, 0.0507])
def test_a_wake_up_finds_something_to_do(run: Run, window_s: float) -> None:
    """Timers rounded down would fire too early, find no work, and be set again and again."""

    async def scenario() -> None:
        limiter = RateLimiter(table(a=(1, window_s)), SYSTEM)
        calls, idle = 0, 0
        serve = limiter.serve

        def counted() -> None:
            nonlocal calls, idle
            calls += 1
            before = limiter.report().waiting
            serve()
            idle += before == limiter.report().waiting

        limiter.serve = counted  # type: ignore[method-assign]  # to count
        await asyncio.gather(*(spend(limiter, route()) for _ in range(10)))
        assert calls <= 2 * 9 + 2  # nine had to wait, each end sets the timer; joining the empty queue asks once more
        assert idle <= 9 + 2

    run(scenario())


def test_nobody_in_line_means_no_timer(run: Run) -> None:
    async def scenario() -> None:
        limiter = RateLimiter(table(a=(2, 0.01)), SYSTEM)
        await asyncio.gather(*(spend(limiter, route()) for _ in range(6)))
        assert limiter._timer is None

    run(scenario())


def test_a_thousand_in_line_never_put_a_window_over_its_budget(run: Run) -> None:
    budget, window_s, margin_s = 100, 0.05, 0.002

    async def scenario() -> None:
        limiter, sent = RateLimiter(table(margin_s, 10_000, a=(budget, window_s)), SYSTEM), []

        async def one(number: int) -> None:
            kind = route(weight=1 + number % 3, priority=Priority(number % 4))
            taken_at = await limiter.acquire(kind)
            counted_at = limiter.sent(kind, taken_at)
            sent.append((counted_at, 1 + number % 3))
            limiter.release(kind, counted_at)

        began = time.monotonic()
        async with asyncio.timeout(20):
            await asyncio.gather(*(one(number) for number in range(1000)))
        assert len(sent) == 1000
        sent.sort()
        for index, (start, _) in enumerate(sent):
            inside = sum(weight for at, weight in sent[index:] if at < start + window_s)
            assert inside <= budget
        windows = sum(weight for _, weight in sent) / budget
        assert time.monotonic() - began < windows * (window_s + margin_s) * 2 + 0.5

    run(scenario())


# --- the report ---


async def test_the_report_tells_who_spent_what_and_which_limit_bound() -> None:
    clock = ManualTime()
    limiter = RateLimiter(table(0.5, a=(3, 10.0), b=(100, 1.0)), clock.clock)
    both = Route("GET", "/both", costs=(Cost("a"), Cost("b", 5)))
    again = Route("GET", "/both", costs=(Cost("b", 2),))
    for kind in (both, both, again):
        limiter.release(kind, await limiter.acquire(kind))
    with pytest.raises(RateLimited):
        await limiter.acquire(route("a", 2), 0)
    waiting = asyncio.create_task(limiter.acquire(route("a", 2)))
    await settle()
    report = limiter.report()
    assert (report.profile, report.waiting) == ("test", 1)
    spent = {use.endpoint: use for use in report.endpoints}["GET /both"]
    assert spent.requests == 3
    assert spent.weights == {"client": 3, "a": 2, "b": 12}
    clock.now += 10.5
    limiter.serve()
    limiter.release(route("a", 2), await waiting)
    report = limiter.report()
    by_name = {use.limit: use for use in report.limits}
    assert report.binding == "a"
    assert (by_name["a"].bound, by_name["a"].waited_s) == (1, 10.5)
    assert (by_name["a"].budget, by_name["a"].window_s, by_name["a"].used) == (3, 10, 2)
    assert by_name["b"].used == 0
    own = {use.endpoint: use for use in report.endpoints}["GET /x"]
    assert (own.requests, own.waited, own.waited_s) == (1, 1, 10.5)
    text = str(report)
    assert "bound by a" in text
    assert "GET /both" in text


async def test_a_report_of_nothing() -> None:
    report = RateLimiter(Limits.named("unlimited"), SYSTEM).report()
    assert report.binding is None
    assert report.endpoints == []
    assert "bound by nothing" in str(report)
