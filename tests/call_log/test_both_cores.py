"""Both cores write the same bytes, and leave old logs of JSON lines as they are."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mexc_async.call_log import client_log
from mexc_async.call_log import log as call_log
from mexc_async.call_log.appender import PureAppender
from mexc_async.call_log.client_log import ClientLog
from mexc_async.call_log.log import CallLog
from mexc_async.errors import ConnectionLost, MexcError
from mexc_async.native.loader import compiled
from mexc_async.orders.record import OrderRecord
from mexc_async.rest.call import Call, Options, call_of
from mexc_async.rest.credentials import Credentials
from mexc_async.rest.server_clock import ServerClock
from mexc_async.runtime.hooks import Hooks
from mexc_async.spot.models import CancelledOrder, OrderAck
from mexc_async.spot.trading import BatchOrders, CancelOrder, NewOrder, OrderQuery
from tests.support.manual_time import ManualTime

KEY = "mx0thekeyitself"
texts = st.text("ab0-_Ä✓😀", min_size=1, max_size=300)
ids = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True), st.just(KEY))
amounts = st.one_of(
    st.decimals(min_value="0.00000001", max_value="1e12", allow_nan=False, places=8),
    st.sampled_from([Decimal("1E+3"), Decimal("1E-9"), Decimal("0.0005"), Decimal(7)]),
)
orders = st.builds(
    NewOrder,
    symbol=st.sampled_from(["BTCUSDT", "XRPUSDC"]),
    side=st.sampled_from(["BUY", "SELL"]),
    type=st.sampled_from(["LIMIT", "IMMEDIATE_OR_CANCEL"]),
    quantity=amounts,
    price=amounts,
    new_client_order_id=st.one_of(st.none(), ids),
    stp_mode=st.sampled_from([None, "", "cancel_taker"]),
)
market = st.builds(
    NewOrder,
    symbol=st.just("BTCUSDT"),
    side=st.just("BUY"),
    type=st.just("MARKET"),
    quote_order_qty=amounts,
    new_client_order_id=ids,
)
cancels = st.builds(
    CancelOrder, symbol=st.just("BTCUSDT"), order_id=st.one_of(st.none(), texts), orig_client_order_id=ids
)
batches = st.builds(
    BatchOrders,
    orders=st.lists(orders, min_size=1, max_size=20).map(
        lambda found: [o for o in found if o.symbol == found[0].symbol]
    ),
)
queries = st.builds(OrderQuery, symbol=st.just("BTCUSDT"), order_id=ids)
big = st.integers(0, 1 << 50)
calls = st.tuples(
    st.one_of(orders, market, cancels, batches, queries),
    st.integers(1, 300),  # attempt
    st.tuples(big, big, st.floats(0, 1e5), st.floats(0, 1e5)),  # stamp, until, wait and latency in seconds
    st.one_of(st.none(), texts, ids),  # id in the answer
    st.sampled_from(["ok", "lost", "not placed"]),
)


def played(log: CallLog, clock: ManualTime, calls: list[Any]) -> None:
    """Record calls as the pipeline and the tracker do."""
    client = ClientLog(log, Credentials(KEY, "secret"), "m", ServerClock(clock.clock), Hooks())
    log.open()
    for request, attempt, (stamp, until, wait_s, latency_s), order_id, outcome in calls:
        clock.now += 0.3
        name = getattr(request, "new_client_order_id", None) or getattr(request, "orig_client_order_id", None)
        call: Call = call_of(request, Options(), name)
        if not request.route.safe:
            client.sending(call, attempt, stamp, until)
        call.stamped_ms = stamp
        error: MexcError | None = ConnectionLost("gone") if outcome == "lost" else None
        status = None if error is not None else 200
        answer: object = {"raw": 1} if order_id is None else OrderAck(symbol="BTCUSDT", order_id=order_id)
        if isinstance(request, CancelOrder) and order_id is not None:
            answer = CancelledOrder(symbol="BTCUSDT", order_id=order_id)
        client.done(call, attempt, wait_s, latency_s, status, error, None if error is not None else answer)
        placing = request.orders if isinstance(request, BatchOrders) else [request]
        for order in placing:
            if outcome == "ok" and isinstance(order, NewOrder) and order.new_client_order_id is not None:
                record = OrderRecord(order.new_client_order_id, order.symbol, order.side, order.type, None, None)
                record.place(order_id)
                client.placed(record, call)
    client.close()


@pytest.mark.skipif(not compiled, reason="needs the compiled core")
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(calls, max_size=8))
async def test_both_cores_write_the_same_bytes(tmp_path: Path, calls: list[Any]) -> None:
    written = []
    for core in ("compiled", "pure"):
        folder = tmp_path / core
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        clock = ManualTime()
        with pytest.MonkeyPatch.context() as patch:
            if core == "pure":
                patch.setattr(call_log, "Appender", PureAppender)
                patch.setattr(client_log, "compiled", None)
            played(CallLog(folder / "calls.log", clock=clock.clock), clock, calls)
        written.append((folder / "calls.log").read_bytes())
    assert written[0] == written[1]
    assert KEY.encode() not in written[0]
