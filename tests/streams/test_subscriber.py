"""One consumer's queue by itself: no socket, no clock."""

from __future__ import annotations

from mexc_async.spot.push import Push
from mexc_async.spot.push_models import BookTickerBatch, Unknown
from mexc_async.streams.subscriber import Subscriber


def push(send_time: int | None = None, create_time: int | None = None) -> Push[BookTickerBatch]:
    return Push("c", BookTickerBatch(()), send_time=send_time, create_time=create_time)


def test_lag_is_the_age_of_the_newest_push_that_says_when_it_was_sent() -> None:
    ahead_ms = 300
    subscriber = Subscriber(("c",), 4, "drop_oldest", None, lambda local_s: int(local_s * 1000) + ahead_ms)
    lags = [subscriber.lag_ms]
    for each, now in (
        (Push("c", Unknown()), 1.0),
        (push(send_time=1_250, create_time=1_000), 1.0),
        (push(create_time=2_200), 2.0),
        (push(), 9.0),
    ):
        subscriber.put(each, now)
        lags.append(subscriber.lag_ms)
    ahead_ms = 250  # the exchange's clock was measured meanwhile: the lag uses the present offset
    assert [*lags, subscriber.lag_ms] == [None, None, 50, 100, 100, 50]
    assert subscriber.received == 4


def test_a_closed_inbox_takes_nothing() -> None:
    seen: list[object] = []
    subscriber = Subscriber(("c",), 4, "drop_oldest", seen.append, int)
    subscriber.put(push(), 1.0)
    subscriber.close()
    subscriber.put(push(), 1.0)
    assert (len(seen), subscriber.received) == (1, 1)
