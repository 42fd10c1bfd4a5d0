"""Signature reports: each common mistake is named."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mexc_async.errors import InvalidRequest
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.signature_report import explain_signature
from mexc_async.schema.query import encode

KEY, SECRET = "mx0aBYs33eIilxBWC5", "45d0b3c26f2644f19bfb98b07741b2f5"
"""Credentials of the examples in MEXC's documents."""
CREDENTIALS = Credentials(KEY, SECRET)
QUERY = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=11&recvWindow=5000&timestamp=1644489390087"
URL = "https://api.mexc.com/api/v3/order?"


def signature(text: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), text.encode(), sha256).hexdigest()


def differences(request: str, body: str = "", **more: object) -> list[str]:
    report = explain_signature(CREDENTIALS, request, body, **more)  # type: ignore[arg-type]  # passed on
    assert report.is_right == (not report.differences)
    assert SECRET not in str(report) + repr(report)
    return report.differences


@pytest.mark.parametrize(
    ("query", "body", "digest"),
    [
        (QUERY, "", "fd3e4e8543c5188531eb7279d68ae7d26a573d0fc5ab0d18eb692451654d837a"),
        (
            "symbol=BTCUSDT&side=BUY&type=LIMIT",
            "quantity=1&price=11&recvWindow=5000&timestamp=1644489390087",
            "d1a676610ceb39174c8039b3f548357994b2a34139a8addd33baadba65684592",
        ),
    ],
)
def test_examples_of_mexcs_documents_are_right(query: str, body: str, digest: str) -> None:
    joined = f"{body}&signature={digest}" if body else ""
    request = query if body else f"{query}&signature={digest}"
    report = explain_signature(CREDENTIALS, f"{URL}{request}", joined)
    assert report.is_right, report
    assert report.signed_text == query + body
    assert str(report).startswith(f"signed text: {query + body}\nthe signature is right")


def test_json_in_a_body_is_signed_behind_the_query() -> None:
    query, body = "recvWindow=5000&timestamp=1644489390087", '{"subAccount":"mexc1","note":"1"}'
    digest = "3397ced0e404ff0a75f22a446c5c71a9e6d229799c62f55beed87ef6d80957b4"
    assert differences(f"{query}&signature={digest}", body) == []
    assert "the body was not signed" in differences(f"{query}&signature={signature(query)}", body)[0]


@given(
    st.dictionaries(st.text("abcdefgh", min_size=1), st.text(max_size=8), max_size=5),
    st.randoms(use_true_random=False),
)
def test_what_this_sdk_sends_is_right_in_any_order(parameters: dict[str, str], random: object) -> None:
    parts = encode({**parameters, "timestamp": "1644489390087"}).split("&")
    random.shuffle(parts)  # type: ignore[attr-defined]  # hypothesis's Random
    query = "&".join(parts)
    assert differences(f"{URL}{query}&signature={signature(query)}") == []
    assert differences(f"signature={signature(query)}&{query}") == []


BATCH = encode({"batchOrders": '[{"symbol":"BTCUSDT"}]', "timestamp": "1644489390087"})
NETWORK = encode({"coin": "USDT", "note": "a b", "network": "BEP20(BSC)", "timestamp": "1644489390087"})


@pytest.mark.parametrize(
    ("sent", "signed", "words"),
    [
        (QUERY, QUERY.replace("&price=11", ""), "price was added after signing"),
        (QUERY, QUERY.replace("&recvWindow=5000&timestamp=1644489390087", ""), "recvWindow and timestamp were added"),
        (QUERY, "&".join(sorted(QUERY.split("&"))), "the parameters were signed sorted by name, and sent in another"),
        (QUERY, "?" + QUERY, "the question mark was signed"),
        (NETWORK, NETWORK.replace("%28", "(").replace("%29", ")"), "encoded in part when it was signed"),
        (NETWORK, NETWORK.replace("%20", " ").replace("%28", "(").replace("%29", ")"), "encoded not at all"),
        (NETWORK, NETWORK.replace("%20", "+"), "with + for spaces"),
        (BATCH, BATCH.replace("%5B", "%5b").replace("%7B", "%7b").replace("%7D", "%7d").replace("%5D", "%5d").replace("%3A", "%3a"), "lower-case escapes"),  # noqa: E501
        (QUERY, QUERY.replace("price=11", "price=12"), "a value was changed after signing, or another"),
    ],
)  # fmt: skip
def test_text_that_was_signed_otherwise_is_recognised(sent: str, signed: str, words: str) -> None:
    (line,) = differences(f"{sent}&signature={signature(signed)}")
    assert words in line


def test_joining_query_and_body_wrongly_is_recognised() -> None:
    query, body = "symbol=BTCUSDT", "price=11&timestamp=1644489390087"
    for signed, words in (
        (f"{query}&{body}", "joined by '&'"),
        (body + query, "the body was signed before the query"),
        (query, "the body was not signed"),
        (body, "the query was not signed"),
    ):
        (line,) = differences(f"{query}&signature={signature(signed)}", body)
        assert words in line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (str.upper, "the signature has upper-case digits: MEXC wants lower case"),
        (lambda text: base64.b64encode(bytes.fromhex(text)).decode(), "not 64 hexadecimal digits"),
        (lambda text: text[:-1], "has 63 characters"),
        (lambda _: "", "has 0 characters"),
    ],
)
def test_a_signature_in_the_wrong_form_is_told(change: Callable[[str], str], words: str) -> None:
    (line,) = differences(f"{QUERY}&signature={change(signature(QUERY))}")
    assert words in line


def test_the_secret_of_another_key_is_recognised() -> None:
    other = Credentials("mx0other0000000", "another")
    request = f"{QUERY}&signature={signature(QUERY, 'another')}"
    assert "the secret of 'grid-1'" in differences(request, others={"grid-1": other})[0]
    assert "another secret signed it" in differences(request)[0]
    assert "the access key itself" in differences(f"{QUERY}&signature={signature(QUERY, KEY)}")[0]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("symbol=BTCUSDT", "the timestamp is missing"),
        ("timestamp=1644489390", "is seconds since 1970"),
        ("timestamp=1644489390087000", "is microseconds since 1970"),
        ("timestamp=now", "timestamp 'now' is not a whole number"),
        ("timestamp=1644489390087&recvWindow=60001", "recvWindow '60001' must be from 1 to 60000"),
        ("timestamp=1644489390087&recvWindow=0", "recvWindow '0'"),
        ("asset=BTC%2cETH&timestamp=1644489390087", "the escape %2c has lower-case digits: MEXC wants %2C"),
        ("asset=BTC,ETH&timestamp=1644489390087", "',' is not encoded: it must be %2C"),
        ("note=a+b&timestamp=1644489390087", "'+' stands for a space or a plus"),
        ("note=5%&timestamp=1644489390087", "a percent sign itself is %25"),
        ("a=1&a=1&timestamp=1644489390087", "parameter a is given more than once"),
    ],
)
def test_what_mexc_refuses_though_it_is_signed_rightly_is_told(query: str, words: str) -> None:
    (line,) = differences(f"{query}&signature={signature(query)}")
    assert words in line


@pytest.mark.parametrize(
    ("now_ms", "words"),
    [
        (1644489390087 - 999, None),
        (1644489390087 - 1000, "1000 ms ahead of the exchange"),
        (1644489390087 + 5000, None),
        (1644489390087 + 5001, "5001 ms old: recvWindow allows 5000 ms"),
    ],
)
def test_the_time_stamp_is_judged_by_the_exchanges_clock(now_ms: int, words: str | None) -> None:
    found = differences(f"{QUERY}&signature={signature(QUERY)}", now_ms=now_ms)
    assert found == [] if words is None else words in found[0]


def test_signatures_stand_once() -> None:
    assert differences(QUERY) == ["the signature is missing"]
    assert differences(f"{QUERY}&signature=a", "signature=b") == ["there are 2 signatures"]


def test_tokens_are_masked() -> None:
    query = "listenKey=abcdef&timestamp=1644489390087&apiKey=mx0secretive"
    body = '{"secretKey": "verysecret"}'
    text = str(explain_signature(CREDENTIALS, f"{query}&signature={signature(query + body)}", body))
    assert "listenKey=***&timestamp=1644489390087&apiKey=***" in text
    assert not {word for word in ("abcdef", "mx0secretive", "verysecret") if word in text}


@pytest.mark.parametrize("request_", ["", "https://api.mexc.com/api/v3/time", "/api/v3/time"])
def test_a_request_without_parameters_has_nothing_to_explain(request_: str) -> None:
    with pytest.raises(InvalidRequest, match="there is nothing to sign"):
        explain_signature(CREDENTIALS, request_)
