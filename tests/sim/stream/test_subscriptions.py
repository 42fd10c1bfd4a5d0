"""Control messages: accepted, refused and echoed subscriptions, and the names of channels."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mexc_async.sim.stream.subscriptions import Subscriptions
from mexc_async.sim.stream.topics import KLINE_INTERVALS, ZONES, parse_topic
from tests.support import reference
from tests.support.stream_client import stage

SYMBOLS = {"BTCUSDT", "ETHUSDT", "MXUSDT"}
BTC, ETH = (f"spot@public.aggre.depth.v3.api.pb@100ms@{symbol}" for symbol in ("BTCUSDT", "ETHUSDT"))
NOPE = "spot@public.aggre.deals.v3.api.pb@100ms@NOPEUSDT"
REFUSED = f"Not Subscribed successfully! [{NOPE}].  Reason： Blocked! "


def subscriptions(most: int = 30) -> Subscriptions:
    return Subscriptions(lambda name: parse_topic(name, SYMBOLS), most)


def ask(held: Subscriptions, method: str, *names: str, **fields: object) -> Any:
    return json.loads(held.receive(json.dumps({"method": method, "params": names, **fields})).reply)


def test_all_accepted_is_echoed_in_another_order() -> None:
    held = subscriptions()
    assert ask(held, "SUBSCRIPTION", BTC, ETH, id=5) == {"id": 5, "code": 0, "msg": f"{ETH},{BTC}"}
    assert list(held.topics) == [BTC, ETH]


def test_all_refused_has_code_0_and_the_references_words() -> None:
    assert ask(subscriptions(), "SUBSCRIPTION", NOPE) == {"id": 0, "code": 0, "msg": REFUSED}


def test_part_refused() -> None:
    expected = f"Subscribed successful! [{BTC}]. {REFUSED}"
    assert ask(subscriptions(), "SUBSCRIPTION", NOPE, BTC)["msg"] == expected


def test_what_is_subscribed_already_is_not_echoed() -> None:
    held = subscriptions()
    ask(held, "SUBSCRIPTION", BTC)
    assert ask(held, "SUBSCRIPTION", BTC) == {"id": 0, "code": 0, "msg": ""}
    assert ask(held, "SUBSCRIPTION", BTC, ETH)["msg"] == ETH
    assert ask(held, "SUBSCRIPTION", BTC, NOPE)["msg"] == REFUSED


def test_unsubscribing_echoes_what_was_subscribed() -> None:
    held = subscriptions()
    ask(held, "SUBSCRIPTION", BTC)
    outcome = held.receive(json.dumps({"method": "UNSUBSCRIPTION", "params": [BTC, ETH], "id": 2}))
    assert json.loads(outcome.reply) == {"id": 2, "code": 0, "msg": BTC}
    assert [topic.name for topic in outcome.removed] == [BTC]
    assert held.topics == {}


def test_the_31st_subscription_is_refused() -> None:
    held = Subscriptions(lambda name: parse_topic(name, {f"S{number}USDT" for number in range(40)}), 30)
    names = [f"spot@public.deals.v3.api.pb@S{number}USDT" for number in range(32)]
    answer = ask(held, "SUBSCRIPTION", *names)
    assert list(held.topics) == names[:30]
    assert answer["msg"].endswith(f"Not Subscribed successfully! [{names[30]},{names[31]}].  Reason： Blocked! ")
    ask(held, "UNSUBSCRIPTION", names[0])
    assert ask(held, "SUBSCRIPTION", names[31])["msg"] == names[31]


@pytest.mark.parametrize("method", ["PING", "ping"])
def test_ping(method: str) -> None:
    assert json.loads(subscriptions().receive(json.dumps({"method": method})).reply) == {
        "id": 0,
        "code": 0,
        "msg": "PONG",
    }
    assert ask(subscriptions(), method, id=18446744073709551615)["id"] == 18446744073709551615


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        "null",
        '{"params":[]}',
        '{"method":5}',
        '{"method":"SUBSCRIPTION","params":"x"}',
        '{"method":"SUBSCRIPTION","params":[1]}',
        '{"method":"SUBSCRIPTION","params":[],"id":-1}',
        '{"method":"SUBSCRIPTION","params":[],"id":"a"}',
        '{"method":"LOGIN"}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_control_message_has_a_code_and_changes_nothing(message: str | bytes) -> None:
    held = subscriptions()
    outcome = held.receive(message)
    assert json.loads(outcome.reply)["code"] != 0
    assert (outcome.added, held.topics) == ((), {})


def test_an_empty_request_is_acknowledged() -> None:
    assert ask(subscriptions(), "SUBSCRIPTION")["msg"] == ""
    assert json.loads(subscriptions().receive('{"method":"UNSUBSCRIPTION"}').reply)["msg"] == ""


def channel_rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = reference.read("spot-ws.json")["channels"]
    return rows


def test_every_channel_of_the_reference_is_served_but_the_refused_one() -> None:
    values = {"symbol": "BTCUSDT", "level": "20", "timezone": "UTC+4:30"}
    for row in channel_rows():
        for interval in next((part["enum"] for part in row["params"] if part["name"] == "interval"), [""]):
            name = row["channel"].format(**values, interval=interval)
            topic = parse_topic(name, SYMBOLS)
            assert (topic is None) is (row["status"] == "refused"), name
            assert topic is None or topic.name == name


def test_names_of_intervals_and_zones_are_the_references() -> None:
    enums = reference.read("spot-ws.json")["enums"]
    assert list(KLINE_INTERVALS) == enums["kline_interval"]
    assert list(ZONES) == enums["mini_ticker_timezone"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "spot",
        "spot@",
        "public.deals.v3.api.pb@BTCUSDT",
        "spot@public.deals.v3.api@BTCUSDT",
        "spot@public.deals.v3.api.pb",
        "spot@public.deals.v3.api.pb@btcusdt",
        "spot@public.deals.v3.api.pb@BTCUSDT@",
        "spot@public.aggre.deals.v3.api.pb@BTCUSDT",
        "spot@public.aggre.deals.v3.api.pb@50ms@BTCUSDT",
        "spot@public.kline.v3.api.pb@BTCUSDT@Min2",
        "spot@public.kline.v3.api.pb@BTCUSDT@1m",
        "spot@public.limit.depth.v3.api.pb@BTCUSDT@50",
        "spot@public.miniTicker.v3.api.pb@BTCUSDT",
        "spot@public.miniTickers.v3.api.pb",
        "spot@public.miniTickers.v3.api.pb@UTC+14",
        "spot@private.orders.v3.api.pb@BTCUSDT",
        "spot@private.nothing.v3.api.pb",
    ],
)
def test_names_that_are_not_served(name: str) -> None:
    assert parse_topic(name, SYMBOLS) is None


async def test_a_socket_answers() -> None:
    async with stage() as on:
        stream = await on.connect()
        assert await stream.request("SUBSCRIPTION", BTC, id=3) == {"id": 3, "code": 0, "msg": BTC}
        assert await stream.request("PING") == {"id": 0, "code": 0, "msg": "PONG"}
        assert (await stream.ask("{"))["code"] == 1
        assert (await stream.request("SUBSCRIPTION", "spot@private.orders.v3.api.pb"))["msg"].startswith("Not ")
        assert (await stream.request("SUBSCRIPTION", "spot@public.deals.v3.api.pb@LVNUSDT"))["msg"].startswith("Not ")
        await stream.socket.send_bytes(b"\x00")
        assert b'"code":1' in str(await stream.receive()).encode()
        await stream.socket.ping(b"hello")
        assert (await stream.request("UNSUBSCRIPTION", BTC))["msg"] == BTC


async def test_a_plain_request_is_told_to_upgrade() -> None:
    async with stage() as on, on.http.get(on.simulator.rest + "/ws") as response:
        assert response.status == 426
