"""The session, its pauses and the handover, as tables: no socket, no clock."""

from __future__ import annotations

import json
import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mexc_async.streams.handover import Handover
from mexc_async.streams.session import (
    MAX_MESSAGES,
    MAX_REQUEST_BYTES,
    Acknowledgement,
    Backoff,
    Session,
    Timing,
    Verdict,
)

A = "spot@public.aggre.deals.v3.api.pb@100ms@BTCUSDT"
B = "spot@public.aggre.deals.v3.api.pb@100ms@ETHUSDT"
NOPE = "spot@public.aggre.deals.v3.api.pb@100ms@NOPEUSDT"
NO = "Not Subscribed successfully! [{}].  Reason： Blocked! "
YES = "Subscribed successful! [{}]. "


def reply(msg: str | None, number: int | None = 1, code: int = 0) -> str:
    return json.dumps({"id": number, "code": code, "msg": msg})


@pytest.mark.parametrize(
    ("text", "accepted", "refused", "reason"),
    [
        (reply(f"{A},{B},{NOPE}"), (A, B, NOPE), (), ""),
        (reply(f"{NOPE},{B},{A}"), (A, B, NOPE), (), ""),
        (reply(f" {B} , {A}, {NOPE} "), (A, B, NOPE), (), ""),
        (reply(""), (A, B, NOPE), (), ""),
        (reply(None), (A, B, NOPE), (), ""),
        (reply(NO.format(f"{A},{B},{NOPE}")), (), (A, B, NOPE), "Blocked"),
        (reply(YES.format(f"{B},{A}") + NO.format(NOPE)), (A, B), (NOPE,), "Blocked"),
        (reply(YES.format(A) + NO.format(f"{NOPE},{B}")), (A,), (B, NOPE), "Blocked"),
        (reply(f"{A},{B}"), (A, B), (NOPE,), "the answer does not name it"),
        (reply("msg of another kind"), (), (A, B, NOPE), "the answer does not name it"),
        (reply(f"{A},{B},{NOPE}", code=1), (), (A, B, NOPE), f"code 1: {A},{B},{NOPE}"),
        (reply("", code=2), (), (A, B, NOPE), "code 2: "),
        (reply(f"{B},{A},{NOPE}", number=0), (A, B, NOPE), (), ""),
        (reply(f"{B},{A},{NOPE}", number=None), (A, B, NOPE), (), ""),
        (json.dumps({"code": 0, "msg": f"{A},{B},{NOPE}"}), (A, B, NOPE), (), ""),
        (json.dumps({"id": "1", "code": "0", "msg": f"{A},{B},{NOPE}", "new": 1}), (A, B, NOPE), (), ""),
        (reply(NO.format(NOPE), number=0), (), (A, B, NOPE), "Blocked"),
        (reply("", number=0), (A, B, NOPE), (), ""),
    ],
)
def test_acks(text: str, accepted: tuple[str, ...], refused: tuple[str, ...], reason: str) -> None:
    session = Session(Timing(), 0.0)
    session.subscribe([A, B, NOPE], 0.0)
    answer = session.receive(text, 1.0)
    assert (set(answer.accepted), set(answer.refused)) == (set(accepted), set(refused))
    assert answer.reason == reason
    assert session.active == set(accepted)
    assert session.tick(11.0)[1] is Verdict.GO_ON  # no request is left waiting


def test_an_answer_without_id_goes_to_the_request_that_it_names() -> None:
    session = Session(Timing(), 0.0)
    session.subscribe([A + "X"], 0.0)  # a name that begins like another
    session.subscribe([A], 0.0)
    assert session.receive(reply(A, 0), 0.0).accepted == (A,)
    assert session.receive(reply(A + "X", 0), 0.0).accepted == (A + "X",)
    assert not session.receive(reply(A, 0), 0.0).is_understood


@pytest.mark.parametrize("text", ["Invalid listen key", "", "[]", "7", '{"id":', reply(A, 99), "\0"])
def test_what_is_not_understood_is_said(text: str) -> None:
    session = Session(Timing(), 0.0)
    assert session.receive(text, 1.0) == Acknowledgement(reason=text, is_understood=False)
    assert not session.active


@pytest.mark.parametrize("text", [reply("PONG", 0), reply("pong", 0), reply("success", 0), reply("PONG", None)])
def test_pong_answers_the_oldest_ping(text: str) -> None:
    session = Session(Timing(), 0.0)
    session.ping(0.0)
    session.ping(1.0)
    assert session.receive(text, 1.0) == Acknowledgement(is_pong=True)
    assert session.pings_unanswered == 1
    session.receive(text, 1.0)
    session.receive(text, 1.0)
    assert session.pings_unanswered == 0


@pytest.mark.parametrize(
    "text",
    [
        f'{{"id":"1","code":"0","msg":"{A}"}}',
        f'{{"id":1,"code":null,"msg":"{A}"}}',
        f'{{"id":1.0,"msg":"{A}"}}',
        f'{{"id":null,"code":0,"msg":"{A}"}}',
        f'{{"id":"","code":"","msg":"{A}"}}',
    ],
)
def test_a_control_frame_has_numbers_as_text_or_none(text: str) -> None:
    session = Session(Timing(), 0.0)
    session.subscribe([A], 0.0)
    assert session.receive(text, 0.0).accepted == (A,)


@pytest.mark.parametrize("message", ["1.10", "123456789012345678901", "-0"])
def test_a_refusal_of_channels_may_have_a_number_for_its_text(message: str) -> None:
    session = Session(Timing(), 0.0)
    session.subscribe([A], 0.0)
    answer = session.receive(f'{{"id":"1","code":"30002","msg":{message}}}', 0.0)
    assert answer == Acknowledgement(refused=(A,), reason=f"code 30002: {message}")


def test_requests_are_cut_to_size_and_numbered() -> None:
    session = Session(Timing(), 0.0)
    names = [f"spot@public.aggre.bookTicker.v3.api.pb@100ms@COIN{number}USDT" for number in range(60)]
    frames = session.subscribe(names, 0.0)
    assert len(frames) > 3
    assert all(len(frame.encode()) <= MAX_REQUEST_BYTES for frame in frames)
    requests = [json.loads(frame) for frame in frames]
    assert [name for request in requests for name in request["params"]] == names
    assert [request["id"] for request in requests] == list(range(1, len(frames) + 1))
    assert {request["method"] for request in requests} == {"SUBSCRIPTION"}
    long = "spot@" + "x" * MAX_REQUEST_BYTES
    assert [json.loads(frame)["params"] for frame in session.subscribe([A, long, B], 0.0)] == [[A], [long], [B]]
    assert session.subscribe([], 0.0) == []


def test_a_channel_given_up_is_not_accepted_late() -> None:
    session = Session(Timing(), 0.0)
    session.subscribe([A, B], 0.0)
    frames = session.unsubscribe([A], 0.0)
    assert json.loads(frames[0]) == {"method": "UNSUBSCRIPTION", "params": [A], "id": 2}
    assert session.receive(reply(f"{A},{B}", 1), 0.0).accepted == (B,)
    assert session.receive(reply(A, 2), 0.0) == Acknowledgement()
    assert session.active == {B}


def requests(frames: list[str]) -> list[tuple[str, list[str]]]:
    return [(asked["method"], asked.get("params", [])) for asked in map(json.loads, frames)]


@pytest.mark.parametrize("seed", range(20))
def test_no_second_holds_more_messages_than_allowed_and_all_are_sent_in_the_end(seed: int) -> None:
    """Channels come and go at any pace; the exchange ends up with the wanted ones."""
    session, now, wanted = Session(Timing(ping_s=1000.0, silence_s=1000.0), 0.0), 0.0, set[str]()
    sent: list[tuple[float, str]] = []
    at_exchange: set[str] = set()

    def send(frames: list[str]) -> None:
        sent.extend((now, frame) for frame in frames)
        for method, names in requests(frames):
            at_exchange.update(names) if method == "SUBSCRIPTION" else at_exchange.difference_update(names)

    def tick_until(end: float) -> None:
        nonlocal now
        while session.next_tick() <= end:
            now = max(session.next_tick(), now)
            frames, verdict = session.tick(now)
            assert frames or verdict is not Verdict.GO_ON
            send(frames)
            answer(frames)
        now = end

    def answer(frames: list[str]) -> None:
        for frame in frames:
            asked = json.loads(frame)
            session.receive(reply(",".join(asked.get("params", ())) or "PONG", asked.get("id", 0)), now)

    rng = random.Random(seed)
    for _ in range(300):
        is_wanted, pause = rng.random() < 0.5, rng.choice([0.0, 0.001, 0.1])
        names = [f"spot@{number}" for number in rng.sample(range(8), rng.randint(1, 3))]
        wanted.update(names) if is_wanted else wanted.difference_update(names)
        frames = session.subscribe(names, now) if is_wanted else session.unsubscribe(names, now)
        send(frames)
        answer(frames)
        tick_until(now + pause)
    tick_until(now + 10.0)
    assert at_exchange == wanted == session.active
    times = [at for at, _ in sent]
    assert all(times[i + MAX_MESSAGES] >= times[i] + 1.0 for i in range(len(times) - MAX_MESSAGES))


def test_what_waits_for_its_turn_goes_out_with_a_tick() -> None:
    session = Session(Timing(), 0.0)
    frames = [frame for number in range(MAX_MESSAGES) for frame in session.subscribe([f"spot@{number}"], 0.0)]
    assert len(frames) == MAX_MESSAGES
    assert session.subscribe([A], 0.2) == session.subscribe([B], 0.4) == session.unsubscribe([NOPE], 0.5) == []
    assert session.next_tick() == 1.0
    assert session.tick(0.9) == ([], Verdict.GO_ON)
    later, _ = session.tick(1.0)
    assert requests(later) == [("SUBSCRIPTION", [A, B]), ("UNSUBSCRIPTION", [NOPE])]
    assert session.next_tick() == 10.0  # an answer to the first request
    session.ping(1.5)
    assert len([frame for n in range(99) for frame in session.subscribe([f"spot@2{n}"], 1.5)]) == MAX_MESSAGES - 3


def test_a_ping_is_never_held_back() -> None:
    session = Session(Timing(), 0.0)
    for number in range(MAX_MESSAGES + 1):
        session.subscribe([f"spot@{number}"], 19.5)
    frames, _ = session.tick(20.0)
    assert requests(frames) == [("PING", [])]


def test_old_age_can_wait() -> None:
    session = Session(Timing(lifetime_s=30), 0.0)
    session.heard_at = 30.0
    assert session.tick(30.0)[1] is Verdict.OLD
    session.postpone(5.0, 30.0)
    assert (session.next_tick(), session.tick(34.0)[1]) == (35.0, Verdict.GO_ON)
    assert session.tick(35.0)[1] is Verdict.OLD


def test_time() -> None:
    timing = Timing(ping_s=20, silence_s=45, ack_s=10, lifetime_s=1000)
    session = Session(timing, 100.0)
    assert session.next_tick() == 120.0
    assert session.tick(119.9) == ([], Verdict.GO_ON)
    assert session.tick(120.0) == (['{"method":"PING"}'], Verdict.GO_ON)
    assert session.next_tick() == 140.0
    assert session.tick(140.0)[0]
    assert session.next_tick() == 145.0
    assert session.tick(145.0) == ([], Verdict.SILENT)
    session.heard_at = 150.0
    assert session.tick(150.0)[1] is Verdict.GO_ON
    session.subscribe([A], 151.0)
    assert session.next_tick() == 160.0
    session.ping(160.0)
    assert session.next_tick() == 161.0
    session.heard_at = 161.0  # frames arrive, but no answers
    assert session.tick(161.0) == ([], Verdict.SILENT)
    session.receive(reply(A), 161.0)
    assert session.tick(162.0) == ([], Verdict.GO_ON)
    session.heard_at = 1100.0
    session.ping(1100.0)
    assert session.tick(1100.0) == ([], Verdict.OLD)
    assert session.age(1100.0) == 1000.0
    assert repr(session) == "Session(1 active, 0 requests under way)"


def test_pauses_grow_to_a_cap_and_are_jittered() -> None:
    backoff = Backoff(0.2, 30.0)
    longest = [backoff.pause(1.0) for _ in range(12)]
    assert longest[:4] == [0.2, 0.4, 0.8, 1.6]
    assert longest[-1] == 30.0
    assert backoff.pause(0.0) == 15.0
    backoff.succeeded()
    assert backoff.pause(0.5) == pytest.approx(0.15)
    for _ in range(3000):
        assert backoff.pause(random.random()) <= 30.0


@settings(max_examples=300, deadline=None)
@given(
    count=st.integers(0, 40),
    start=st.integers(0, 40),
    lag=st.integers(0, 10),
    choices=st.lists(st.booleans(), max_size=200),
    channels=st.integers(1, 3),
)
def test_a_handover_neither_repeats_nor_loses_nor_reorders(
    count: int, start: int, lag: int, choices: list[bool], channels: int
) -> None:
    """The exchange sends one sequence a channel; the new socket has it from `start` on, the old one all of it.

    The ping reaches the exchange `lag` pushes after the new socket was subscribed, so the pong comes behind that push
    on the old socket. Each socket is read at its own pace, which `choices` draw.
    """
    sequence = [(f"c{number % channels}", number) for number in range(count)]
    start = min(start, count)
    pong = min(start + lag, count)
    old: deque[tuple[str, int] | None] = deque([*sequence[:pong], None, *sequence[pong:]])
    new = deque(sequence[start:])
    handover: Handover[int] = Handover()
    out: list[tuple[str, int]] = []
    moves = iter(choices)
    while old or new:
        if (next(moves, True) and old) or not new:
            item = old.popleft()
            if item is None:
                out += [sequence[number] for number in handover.switch()]
            elif handover.from_old(*item):
                out.append(item)
        else:
            channel, number = new.popleft()
            if handover.from_new(channel, number, number):
                out.append((channel, number))
    for channel in {name for name, _ in sequence}:
        assert [number for name, number in out if name == channel] == [n for name, n in sequence if name == channel]


def test_a_handover_forgets_in_time() -> None:
    handover: Handover[int] = Handover(remember=2)
    assert all(handover.from_old("c", number) for number in range(3))
    handover.switch()
    assert [handover.from_new("c", number, number) for number in range(3)] == [True, False, False]
    assert not handover.from_old("c", 9)
