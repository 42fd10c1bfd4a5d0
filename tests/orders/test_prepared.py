"""Orders prepared and signed ahead: the same checks, texts, errors and tracking as orders made one by one."""

from __future__ import annotations

import hmac
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mexc_async.errors import (
    ConnectionLost,
    GuardRefused,
    InsufficientBalance,
    InvalidRequest,
    MissingCredentials,
    ReadOnlyError,
)
from mexc_async.orders.tracker import OrderSettings
from mexc_async.rest import pipeline
from mexc_async.rest.credentials import Credentials
from mexc_async.schema.answers import Reply
from mexc_async.schema.endpoint import Request
from mexc_async.spot import trading
from mexc_async.spot.trading import NewOrder
from tests.support.fake_transport import (
    ACK,
    PLACE,
    QUERY,
    SECRET,
    FakeClient,
    Sent,
    fake_client,
    refusal,
    reply,
    reported,
)

LIMIT: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT"}
TERMS: dict[str, Any] = {"price": Decimal("60000.5"), "quantity": Decimal("0.25")}
AMOUNTS = st.decimals("1e-12", "1e12", allow_nan=False, places=12) | st.sampled_from(
    [Decimal("1E-9"), Decimal("1E+3"), Decimal("0.10"), Decimal(7), Decimal("100000000000000000000.5")]
)


def is_signed(sent: Sent) -> bool:
    query, _, signature = sent.target.partition("?")[2].rpartition("&signature=")
    return signature == hmac.new(SECRET.encode(), query.encode(), sha256).hexdigest()


def pages(d: FakeClient) -> list[dict[str, str]]:
    assert all(map(is_signed, d.transport.of(PLACE)))
    return [sent.params for sent in d.transport.of(PLACE)]


# --- the text ---


@given(
    symbol=st.sampled_from(["BTCUSDT", "ETHUSDT"]),
    side=st.sampled_from(["BUY", "SELL"]),
    kind=st.sampled_from(["LIMIT", "LIMIT_MAKER", "FILL_OR_KILL"]),
    stp_mode=st.sampled_from([None, "cancel_maker"]),
    price=AMOUNTS,
    quantity=AMOUNTS,
    name=st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=32),
    window=st.sampled_from([None, 1, 5000]),
    stamp=st.none() | st.integers(1, 1 << 45),
)
def test_an_orders_text_is_that_of_any_request(
    symbol: str, side: Any, kind: Any, stp_mode: Any, price: Decimal, quantity: Decimal, name: str | None,
    window: int | None, stamp: int | None,
) -> None:  # fmt: skip
    order = NewOrder(
        symbol=symbol, side=side, type=kind, stp_mode=stp_mode, price=price, quantity=quantity, new_client_order_id=name
    )
    for _ in range(2):  # the first of its form, and a later one
        assert order.query(window, stamp) == Request.query(order, window, stamp)


def test_what_is_kept_of_forms_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trading, "_MOST_FORMS", 5)
    monkeypatch.setattr(trading, "_MOST_WINDOWS", 3)
    monkeypatch.setattr(trading, "FORMS", {})
    for number in range(20):
        order = NewOrder(**LIMIT | TERMS | {"symbol": f"A{number}USDT", "new_client_order_id": "mine"})
        for window in range(1, 9):
            assert f"recvWindow={window}&" in order.query(window, 1)
    assert len(trading.FORMS) <= 5
    assert all(len(texts) <= 3 for texts in trading.FORMS.values())


@pytest.mark.parametrize(
    "fault",
    [
        {"symbol": "btcusdt"}, {"symbol": ["BTCUSDT"]}, {"symbol": True}, {"side": "buy"}, {"side": None},
        {"type": "LIMITED"}, {"type": []}, {"stp_mode": "x"}, {"price": 1.5}, {"price": Decimal(0)},
        {"price": Decimal("NaN")}, {"price": Decimal("-0.1")}, {"price": "1e0"}, {"price": None}, {"quantity": None},
        {"quantity": Decimal("Infinity")}, {"quantity": True}, {"quantity": Decimal("1e21")},
        {"new_client_order_id": ""}, {"new_client_order_id": "a b"}, {"new_client_order_id": "a" * 33},
        {"new_client_order_id": 7}, {"quote_order_qty": Decimal(1)},
    ],
)  # fmt: skip
def test_a_known_form_refuses_what_an_unknown_one_refuses(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    good: dict[str, Any] = LIMIT | TERMS | {"new_client_order_id": "mine", "stp_mode": None}
    NewOrder(**good).query(None, 1)
    with pytest.raises(InvalidRequest) as known:
        NewOrder(**good | fault)
    monkeypatch.setattr(trading, "FORMS", {})
    with pytest.raises(InvalidRequest) as unknown:
        NewOrder(**good | fault)
    assert str(known.value) == str(unknown.value)


# --- prepared ---


async def test_prepared_orders_go_out_as_new_orders_do() -> None:
    async with fake_client() as d:
        prepared = d.view.spot.prepare(**LIMIT)
        first = await prepared.send(**TERMS)
        await prepared.send(price=Decimal(61000), quantity=Decimal(1), new_client_order_id="mine")
        await d.view.spot.new_order(**LIMIT, **TERMS)
        one, two, three = pages(d)
        assert first.order_id
        assert two["newClientOrderId"] == "mine"
        assert (two["price"], two["quantity"]) == ("61000", "1")
        changing = {"newClientOrderId", "timestamp", "signature"}
        assert {k: v for k, v in one.items() if k not in changing} == {
            k: v for k, v in three.items() if k not in changing
        }
        assert list(one) == sorted(one, key=lambda name: (name == "signature", name))
        assert len({page["newClientOrderId"] for page in pages(d)}) == 3


async def test_a_prepared_market_order() -> None:
    async with fake_client() as d:
        prepared = d.view.spot.prepare(symbol="BTCUSDT", side="SELL", type="MARKET")
        await prepared.send(quantity=Decimal(2))
        await prepared.send(quote_order_qty=Decimal(500))
        assert [(page.get("quantity"), page.get("quoteOrderQty")) for page in pages(d)] == [("2", None), (None, "500")]
        with pytest.raises(InvalidRequest, match="type MARKET takes no price"):
            await prepared.send(price=Decimal(1), quantity=Decimal(1))


@pytest.mark.parametrize("fault", [{"symbol": "btcusdt"}, {"side": "HOLD"}, {"type": "LIMITS"}, {"stp_mode": "no"}])
async def test_what_cannot_be_an_order_is_not_prepared(fault: Any) -> None:
    async with fake_client() as d:
        with pytest.raises(InvalidRequest, match=str(*fault.values())):
            d.view.spot.prepare(**LIMIT | fault)


@pytest.mark.parametrize(
    "terms",
    [
        {"price": 60000.5}, {"price": None}, {"quantity": None}, {"quantity": Decimal(-1)}, {"price": Decimal("NaN")},
        {"quote_order_qty": Decimal(1)}, {"new_client_order_id": "a b"},
    ],
)  # fmt: skip
async def test_bad_amounts_are_refused_as_by_new_order(terms: Any) -> None:
    async with fake_client() as d:
        with pytest.raises(InvalidRequest) as expected:
            await d.view.spot.new_order(**LIMIT, **TERMS | terms)
        with pytest.raises(InvalidRequest) as refused:
            await d.view.spot.prepare(**LIMIT).send(**TERMS | terms)
        assert str(refused.value) == str(expected.value)
        assert not d.transport.of(PLACE)


async def test_a_prepared_order_is_held_against_the_symbols_rules_and_a_halt() -> None:
    async with fake_client(check_rules=True) as d:
        prepared = d.view.spot.prepare(**LIMIT)
        with pytest.raises(InvalidRequest, match="not a multiple of the step"):
            await prepared.send(price=Decimal("60000.001"), quantity=Decimal(1))
        d.execution.halt.halt("tested")
        with pytest.raises(GuardRefused, match="halted"):
            await prepared.send(**TERMS)
        assert not d.transport.of(PLACE)


async def test_a_prepared_order_is_followed_and_settled() -> None:
    async with fake_client(orders=OrderSettings(settle_s=5.0, lag_ms=50)) as d:
        d.transport.on(PLACE, refusal(30004), ConnectionLost("gone"))
        prepared = d.view.using(recv_window_ms=100).spot.prepare(**LIMIT)
        with pytest.raises(InsufficientBalance):
            await prepared.send(**TERMS)

        async def found(sent: Sent) -> Reply:
            return reply(reported(sent.params["origClientOrderId"], price="60000.5", origQty="0.25"))

        d.transport.on(QUERY, found)
        ack = await prepared.send(**TERMS)
        assert ack.client_order_id == pages(d)[-1]["newClientOrderId"]
        assert len(d.transport.of(PLACE)) == 2


# --- signed ahead ---


async def test_a_presigned_order_goes_out_as_it_was_signed() -> None:
    async with fake_client() as d:
        prepared = d.view.spot.prepare(**LIMIT)
        rungs = [prepared.order(price=Decimal(60000 + step), quantity=Decimal(1)) for step in range(3)]
        ladder = await d.view.spot.presign(rungs)
        assert not d.transport.of(PLACE)
        signed = [ahead.target for ahead in d.api.ahead.values()]
        for rung in reversed(ladder):
            assert (await rung.send()).order_id
        assert [sent.target for sent in d.transport.of(PLACE)] == signed[::-1]
        assert [page["price"] for page in pages(d)] == ["60002", "60001", "60000"]
        assert len({page["newClientOrderId"] for page in pages(d)}) == 3
        assert not d.api.ahead


async def test_a_presigned_order_is_sent_once() -> None:
    async with fake_client() as d:
        (rung,) = await d.view.spot.presign([NewOrder(**LIMIT, **TERMS)])
        await rung.send()
        with pytest.raises(InvalidRequest, match="was used before"):
            await rung.send()
        assert len(pages(d)) == 1


async def test_a_presigned_order_that_got_old_is_signed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async with fake_client() as d:
        view = d.view.using(recv_window_ms=1000)
        fresh, old = await view.spot.presign([NewOrder(**LIMIT, **TERMS), NewOrder(**LIMIT, **TERMS)])
        signed_ms = d.api.clock.now_ms()
        monkeypatch.setattr(d.api.clock, "now_ms", lambda: signed_ms + 700)
        await fresh.send()
        monkeypatch.setattr(d.api.clock, "now_ms", lambda: signed_ms + 900)
        await old.send()
        stamps = [int(page["timestamp"]) for page in pages(d)]
        assert stamps[0] <= signed_ms
        assert stamps[1] == signed_ms + 900


async def test_a_presigned_order_is_signed_anew_where_anything_changed() -> None:
    async with fake_client() as d:
        sender, other = await d.view.spot.presign([NewOrder(**LIMIT, **TERMS), NewOrder(**LIMIT, **TERMS)])
        await d.view.using(recv_window_ms=777).send(sender.order)
        d.api.sign_with(Credentials("mx0vglANOTHERkey1", "another-secret-of-the-tests-1234"))
        await other.send()
        first, second = d.transport.of(PLACE)
        assert first.params["recvWindow"] == "777"
        assert is_signed(first)
        assert second.headers["X-MEXC-APIKEY"] == "mx0vglANOTHERkey1"
        assert not is_signed(second)  # signed by the former key


async def test_a_presigned_order_with_a_refused_stamp_is_stamped_anew() -> None:
    async with fake_client() as d:
        (rung,) = await d.view.spot.presign([NewOrder(**LIMIT, **TERMS)])
        signed = next(iter(d.api.ahead.values())).target
        d.transport.on(PLACE, refusal(700003), ACK)
        d.transport.skew_ms = 5000  # the refusal reveals it
        await rung.send()
        first, second = d.transport.of(PLACE)
        assert first.target == signed
        assert second.target != signed
        assert is_signed(second)


async def test_what_is_signed_ahead_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MOST_AHEAD", 3)
    async with fake_client() as d:
        ladder = await d.view.spot.presign([NewOrder(**LIMIT, **TERMS) for _ in range(5)])
        assert len(d.api.ahead) == 3
        for rung in ladder:
            await rung.send()
        assert len(pages(d)) == 5


async def test_what_may_not_be_sent_is_not_signed() -> None:
    orders = [NewOrder(**LIMIT, **TERMS)]
    async with fake_client(credentials=False) as d:
        with pytest.raises(MissingCredentials):
            await d.view.spot.presign(orders)
    async with fake_client(read_only=True) as d:
        with pytest.raises(ReadOnlyError):
            await d.view.spot.presign(orders)
    async with fake_client() as d:
        with pytest.raises(InvalidRequest, match="orders must be a list of NewOrder"):
            await d.view.spot.presign(["BTCUSDT"])  # type: ignore[list-item]  # what is tested
        assert not d.transport.sent


async def test_neither_shows_its_signature() -> None:
    async with fake_client() as d:
        (rung,) = await d.view.spot.presign([NewOrder(**LIMIT, **TERMS)])
        signature = next(iter(d.api.ahead.values())).target.rpartition("=")[2]
        assert signature not in f"{rung!r}{d.api.ahead!r}"
        assert "BTCUSDT" in repr(rung)
        assert "BTCUSDT" in repr(d.view.spot.prepare(**LIMIT))
