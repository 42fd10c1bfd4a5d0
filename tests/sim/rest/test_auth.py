"""Checks of a request's sender, each with a client that fails it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mexc_async.sim.exchange.accounts import AccountSpec
from mexc_async.sim.rest.background import BackgroundSimulator
from mexc_async.sim.rest.routes import ENDPOINTS
from mexc_async.sim.rest.server import SimConfig, main_account
from tests.support.naive_client import NaiveClient, encode, hmac_hex, now_ms

READER = AccountSpec(name="reader", api_key="k-read", api_secret="s-read", permissions=("SPOT_ACCOUNT_READ",))
POWERLESS = AccountSpec(name="powerless", api_key="k-none", api_secret="s-none", permissions=())
REMOTE = AccountSpec(name="remote", api_key="k-remote", api_secret="s-remote", ips=("203.0.113.9",))
ORDER: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "60000"}
TEST, UID = "/api/v3/order/test", "/api/v3/uid"


@pytest.fixture(scope="module")
def simulator() -> Iterator[BackgroundSimulator]:
    accounts = (main_account(), READER, POWERLESS, REMOTE)
    with BackgroundSimulator(SimConfig(limits="none", flow=0, accounts=accounts)) as running:
        yield running


def as_account(simulator: BackgroundSimulator, spec: AccountSpec) -> NaiveClient:
    return NaiveClient(simulator.rest, spec.api_key, spec.api_secret)


# Accepted requests


def test_all_in_the_query(client: NaiveClient) -> None:
    assert client.call("POST", TEST, **ORDER).body == {}


def test_any_order_of_parameters(client: NaiveClient) -> None:
    assert client.call("POST", TEST, **dict(sorted(ORDER.items(), reverse=True))).status == 200


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "application/json;charset=utf-8"])
def test_query_and_body_joined_without_separator(client: NaiveClient, content_type: str | None) -> None:
    query = "symbol=BTCUSDT&side=BUY&type=LIMIT"
    body = f"quantity=0.001&price=60000&recvWindow=5000&timestamp={now_ms()}"
    assert client.call("POST", TEST, query=query, body=body, content_type=content_type).status == 200


def test_all_in_the_body_signature_included(client: NaiveClient) -> None:
    text = encode({**ORDER, "timestamp": now_ms()})
    body = f"{text}&signature={hmac_hex(client.api_secret, text)}"
    headers = {"X-MEXC-APIKEY": client.api_key, "Content-Type": "application/x-www-form-urlencoded"}
    assert client.send("POST", TEST, body, headers).status == 200


@pytest.mark.parametrize("place", [0, 2, 5])
def test_the_signature_may_stand_anywhere(client: NaiveClient, place: int) -> None:
    pairs = encode({**ORDER, "timestamp": now_ms()}).split("&")
    pairs.insert(place, f"signature={hmac_hex(client.api_secret, '&'.join(pairs))}")
    headers = {"X-MEXC-APIKEY": client.api_key}
    assert client.send("POST", f"{TEST}?{'&'.join(pairs)}", "", headers).status == 200


def test_a_json_body(client: NaiveClient) -> None:
    body = '{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","quantity":0.001,"price":"60000"}'
    assert client.call("POST", TEST, query=f"timestamp={now_ms()}", body=body).status == 200


def test_the_query_wins_over_the_body(client: NaiveClient) -> None:
    query = encode({**ORDER, "timestamp": now_ms()})
    assert client.call("POST", TEST, query=query, body="symbol=NOSUCH").status == 200


def test_upper_case_percent_codes_are_signed_as_received(client: NaiveClient) -> None:
    query = f"{encode(ORDER)}&newClientOrderId=a%3Ab&timestamp={now_ms()}"
    assert client.call("POST", TEST, query=query).status == 200


@pytest.mark.parametrize(("shift_ms", "window"), [(-4000, None), (-9000, 10_000), (400, None), (-50_000, 60_000)])
def test_inside_the_window(client: NaiveClient, shift_ms: int, window: int | None) -> None:
    extra: dict[str, Any] = {} if window is None else {"recvWindow": window}
    assert client.call("GET", UID, timestamp=now_ms() + shift_ms, **extra).status == 200


# Refused requests


def refused(client: NaiveClient, code: int, method: str = "GET", path: str = UID, **options: Any) -> None:
    reply = client.call(method, path, **options)
    assert (reply.status, reply.code) == (400, code), reply.body


def test_a_signature_over_other_parameters(client: NaiveClient) -> None:
    refused(client, 700002, "POST", TEST, sign=lambda q, b: hmac_hex(client.api_secret, q + "0"), **ORDER)


def test_parameters_reordered_after_signing(client: NaiveClient) -> None:
    def sign(query: str, body: str) -> str:
        return hmac_hex(client.api_secret, "&".join(sorted(query.split("&"))))

    refused(client, 700002, "POST", TEST, sign=sign, **ORDER)


def test_query_and_body_joined_with_an_ampersand(client: NaiveClient) -> None:
    query, body = encode(ORDER), f"timestamp={now_ms()}"
    sign = lambda q, b: hmac_hex(client.api_secret, f"{q}&{b}")  # noqa: E731
    refused(client, 700002, "POST", TEST, query=query, body=body, sign=sign)


def test_an_upper_case_signature(client: NaiveClient) -> None:
    refused(client, 700002, sign=lambda q, b: hmac_hex(client.api_secret, q + b).upper())


def test_another_secret(client: NaiveClient) -> None:
    refused(client, 700002, sign=lambda q, b: hmac_hex("another", q + b))


def test_a_signature_of_the_decoded_text(client: NaiveClient) -> None:
    query = f"{encode(ORDER)}&newClientOrderId=a%3Ab&timestamp={now_ms()}"
    refused(
        client, 700002, "POST", TEST, query=query, sign=lambda q, b: hmac_hex(client.api_secret, q.replace("%3A", ":"))
    )


@pytest.mark.parametrize("where", ["query", "body"])
def test_lower_case_percent_codes(client: NaiveClient, where: str) -> None:
    odd, plain = "newClientOrderId=a%3ab", encode({**ORDER, "timestamp": now_ms()})
    query, body = (f"{odd}&{plain}", "") if where == "query" else (plain, odd)
    refused(client, 700002, "POST", TEST, query=query, body=body)


def test_a_non_ascii_signature(client: NaiveClient) -> None:
    refused(client, 700002, sign=lambda q, b: "%C3%A4")


@pytest.mark.parametrize(("shift_ms", "window"), [(-6000, None), (-3000, 2000), (1500, None), (1500, 60_000)])
def test_outside_the_window(client: NaiveClient, shift_ms: int, window: int | None) -> None:
    extra: dict[str, Any] = {} if window is None else {"recvWindow": window}
    refused(client, 700003, timestamp=now_ms() + shift_ms, **extra)


def test_seconds_instead_of_milliseconds(client: NaiveClient) -> None:
    refused(client, 700003, timestamp=now_ms() // 1000)


def test_a_window_that_is_too_large(client: NaiveClient) -> None:
    refused(client, 700005, recvWindow=60_001)


@pytest.mark.parametrize("window", ["-1", "0", "abc"])
def test_a_window_that_is_no_number(client: NaiveClient, window: str) -> None:
    refused(client, 700008, recvWindow=window)


def test_no_time_stamp(client: NaiveClient) -> None:
    refused(client, 700004, query="recvWindow=5000")


def test_no_signature(client: NaiveClient) -> None:
    reply = client.send("GET", f"{UID}?timestamp={now_ms()}", "", {"X-MEXC-APIKEY": client.api_key})
    assert reply.code == 700004
    assert "'signature'" in reply.body["msg"]


def test_no_key(client: NaiveClient) -> None:
    assert client.send("GET", UID).code == 400


def test_an_unknown_key(client: NaiveClient) -> None:
    refused(client, 10072, api_key="mx0unknown")


def test_a_key_without_the_permission(simulator: BackgroundSimulator) -> None:
    reader = as_account(simulator, READER)
    assert reader.call("GET", UID).status == 200
    refused(reader, 700007, "POST", TEST, **ORDER)
    reader.close()


def test_an_address_that_the_key_does_not_list(simulator: BackgroundSimulator) -> None:
    remote = as_account(simulator, REMOTE)
    refused(remote, 700006)
    remote.close()


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "multipart/form-data"])
def test_a_wrong_content_type(client: NaiveClient, content_type: str) -> None:
    refused(client, 700013, "POST", TEST, content_type=content_type, **ORDER)


def test_a_body_that_is_no_json(client: NaiveClient) -> None:
    refused(client, 730002, "POST", TEST, query=f"timestamp={now_ms()}", body="{symbol")


def test_no_refusal_repeats_a_secret(client: NaiveClient) -> None:
    reply = client.call("GET", UID, sign=lambda q, b: hmac_hex("another", q))
    assert client.api_secret not in str(reply)
    assert client.api_secret not in repr(main_account())


def test_every_endpoint_wants_its_permission(simulator: BackgroundSimulator) -> None:
    able, unable = as_account(simulator, POWERLESS), as_account(simulator, READER)
    for endpoint in ENDPOINTS:
        if endpoint.permission is not None:
            refused(able, 700007, endpoint.method, endpoint.path)
        if endpoint.permission not in (None, *READER.permissions):
            refused(unable, 700007, endpoint.method, endpoint.path)
    able.close()
    unable.close()


def test_every_signed_endpoint_minds_the_address(simulator: BackgroundSimulator) -> None:
    remote = as_account(simulator, REMOTE)
    for endpoint in ENDPOINTS:
        if endpoint.is_signed:
            refused(remote, 700006, endpoint.method, endpoint.path)
    remote.close()
