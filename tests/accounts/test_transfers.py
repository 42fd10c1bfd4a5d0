"""Transfers and withdrawals without an answer, on a fake transport: found, concluded, or unknown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from mexc_async.errors import (
    ConnectionLost,
    InsufficientBalance,
    OutcomeUnknown,
    RequestTimeout,
    TransferNotMade,
    TransferRejected,
)
from mexc_async.orders.tracker import OrderSettings
from mexc_async.schema.answers import Reply
from mexc_async.spot.broker import BrokerUniversalTransfer
from mexc_async.spot.subaccounts import SubUniversalTransfer
from mexc_async.spot.wallet import InternalTransferRequest, UniversalTransfer, Withdraw
from tests.support.fake_transport import Answer, FakeClient, Sent, fake_client, refusal, reply
from tests.support.streams import until

D = Decimal
WINDOW_MS, LAG_MS = 200, 100
QUICK = OrderSettings(settle_s=3.0, lag_ms=LAG_MS)
OWN = UniversalTransfer(from_account_type="SPOT", to_account_type="FUTURES", asset="USDT", amount=D(5))
SUB = SubUniversalTransfer(
    to_account="grid", from_account_type="SPOT", to_account_type="SPOT", asset="USDT", amount=D(5)
)
OTHER = InternalTransferRequest(to_account_type="EMAIL", to_account="a@b.example", asset="USDT", amount=D(5))
BROKER = BrokerUniversalTransfer(
    to_account="grid", from_account_type="SPOT", to_account_type="SPOT", asset="USDT", amount=D(5)
)
KINDS = [OWN, SUB, BROKER, OTHER]
PATHS = {
    OWN: "/api/v3/capital/transfer",
    SUB: "/api/v3/capital/sub-account/universalTransfer",
    BROKER: "/api/v3/broker/sub-account/universalTransfer",
    OTHER: "/api/v3/capital/transfer/internal",
}
EACH = pytest.mark.parametrize("transfer", KINDS, ids=lambda kind: type(kind).__name__)
WITHDRAW, HISTORY = "POST /api/v3/capital/withdraw", "GET /api/v3/capital/withdraw/history"
OUT = Withdraw(coin="USDT", net_work="BSC", address="0xabc", amount=D(20), withdraw_order_id="mine")


def row(
    tran_id: str, amount: str = "5", asset: str = "USDT", status: str = "SUCCESS", at: int | None = None
) -> dict[str, object]:
    return {
        "tranId": tran_id, "asset": asset, "amount": amount, "fromAccountType": "SPOT", "toAccountType": "FUTURES",
        "status": status, "timestamp": int(time.time() * 1000) if at is None else at,
    }  # fmt: skip


def history(transfer: object, *rows: dict[str, object]) -> Reply:
    if transfer is BROKER:
        return reply(list(rows))
    name = {OWN: "rows", SUB: "result", OTHER: "data"}[transfer]  # type: ignore[index]  # frozen Structs are hashable
    return reply({name: list(rows)})


class Exchange:
    """One transfer endpoint and its history, as a script."""

    def __init__(self, d: FakeClient, transfer: Any) -> None:
        self.d = d
        self.transfer = transfer
        self.path = PATHS[transfer]
        self.rows: list[dict[str, object]] = []
        d.transport.on(f"GET {self.path}", self._history)

    async def _history(self, _: Sent) -> Reply:
        return history(self.transfer, *self.rows)

    def answers(self, *answers: Answer) -> None:
        self.d.transport.on(f"POST {self.path}", *answers)

    def makes(self, *tran_ids: str, answer: Exception | Reply) -> None:
        """Execute it, with these rows, and lose the answer."""

        async def carried_out(_: Sent) -> Reply:
            self.rows += [row(tran_id) for tran_id in tran_ids]
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.answers(carried_out)

    @property
    def sent(self) -> int:
        return len(self.d.transport.of(f"POST {self.path}"))

    async def send(self) -> Any:
        return await self.d.view.using(recv_window_ms=WINDOW_MS).send(self.transfer)


def wallet() -> Any:
    return fake_client(orders=QUICK, allow_withdraw=True)


@EACH
@pytest.mark.parametrize("lost", [RequestTimeout("late"), ConnectionLost("gone"), reply(b"", 504)], ids=repr)
async def test_a_transfer_that_was_made_without_an_answer_is_found(transfer: Any, lost: Any) -> None:
    async with wallet() as d:
        exchange = Exchange(d, transfer)
        exchange.rows = [row("old"), row("another", "6"), row("coin", asset="BTC")]
        exchange.makes("new", answer=lost)
        assert (await exchange.send()).tran_id == "new"
        assert exchange.sent == 1


@EACH
async def test_a_transfer_that_was_not_made_is_said_not_to_be_only_when_none_can_come(transfer: Any) -> None:
    async with wallet() as d:
        exchange = Exchange(d, transfer)
        exchange.rows = [row("old")]
        exchange.answers(ConnectionLost("gone"))
        with pytest.raises(TransferNotMade) as caught:
            await exchange.send()
        (sent,) = d.transport.of(f"POST {exchange.path}")
        last = d.transport.of(f"GET {exchange.path}")[-1]
        assert int(last.params["timestamp"]) > int(sent.params["timestamp"]) + WINDOW_MS + LAG_MS
        assert caught.value.retryable
        assert caught.value.outcome_known


async def test_where_several_equal_ones_appear_nobody_can_tell() -> None:
    async with wallet() as d:
        exchange = Exchange(d, OWN)
        exchange.makes("a", "b", answer=ConnectionLost("gone"))
        with pytest.raises(OutcomeUnknown, match="2 equal transfers have appeared"):
            await exchange.send()
        assert exchange.sent == 1


async def test_what_a_slow_history_shows_late_is_not_taken_for_the_transfer() -> None:
    async with wallet() as d:
        exchange = Exchange(d, OWN)
        exchange.answers(reply({"tranId": "first"}), ConnectionLost("gone"))
        assert (await exchange.send()).tran_id == "first"  # not in the history yet
        sending = asyncio.create_task(exchange.send())
        await until(lambda: exchange.sent == 2)
        exchange.rows = [row("first"), row("somebody's", at=int(time.time() * 1000) - 30_000)]
        with pytest.raises(TransferNotMade):
            await sending


async def test_equal_transfers_are_made_one_at_a_time_and_others_are_not_held_up() -> None:
    on_its_way = asyncio.Event()
    let_go = asyncio.Event()

    async def slow(_: Sent) -> Reply:
        on_its_way.set()
        await let_go.wait()
        return reply({"tranId": "x"})

    async with wallet() as d:
        exchange = Exchange(d, OWN)
        exchange.answers(slow)
        both = [asyncio.create_task(exchange.send()) for _ in range(2)]
        await on_its_way.wait()
        larger = UniversalTransfer(from_account_type="SPOT", to_account_type="FUTURES", asset="USDT", amount=D(6))
        third = asyncio.create_task(d.view.send(larger))
        await until(lambda: exchange.sent == 2)  # the third passes, the second equal one waits
        amounts = [sent.params["amount"] for sent in d.transport.of(f"POST {exchange.path}")]
        assert amounts == ["5", "6"]
        let_go.set()
        await asyncio.gather(*both, third)
        assert exchange.sent == 3


async def test_a_transfer_that_failed_at_the_exchange_says_so() -> None:
    async with wallet() as d:
        exchange = Exchange(d, OWN)

        async def failed(_: Sent) -> Reply:
            exchange.rows.append(row("bad", status="FAILED"))
            raise ConnectionLost("gone")

        exchange.answers(failed)
        with pytest.raises(TransferRejected, match="bad failed"):
            await exchange.send()


async def test_a_known_refusal_is_raised_as_it_is() -> None:
    async with wallet() as d:
        exchange = Exchange(d, OWN)
        exchange.answers(refusal(10101))
        with pytest.raises(InsufficientBalance):
            await exchange.send()


async def test_a_key_that_may_not_read_transfers_leaves_the_outcome_unknown() -> None:
    async with wallet() as d:
        exchange = Exchange(d, OWN)
        d.transport.on(f"GET {exchange.path}", refusal(700007))
        exchange.answers(reply({"tranId": "x"}), ConnectionLost("gone"))
        assert (await exchange.send()).tran_id == "x"
        with pytest.raises(OutcomeUnknown):
            await exchange.send()


async def test_a_history_that_does_not_answer_leaves_the_outcome_unknown() -> None:
    async with fake_client(orders=OrderSettings(settle_s=0.3, lag_ms=0)) as d:
        exchange = Exchange(d, OWN)
        count = 0

        async def dies(_: Sent) -> Reply:
            nonlocal count
            count += 1
            return history(OWN) if count == 1 else reply(b"", 502)

        d.transport.on(f"GET {exchange.path}", dies)
        exchange.answers(ConnectionLost("gone"))
        with pytest.raises(OutcomeUnknown):
            await exchange.send()
        assert exchange.sent == 1


async def test_a_long_history_is_read_to_its_end() -> None:
    async with wallet() as d:
        exchange = Exchange(d, OWN)
        old = [row(f"old{number}") for number in range(100)]
        pages: Callable[[Sent], Reply] = lambda sent: history(  # noqa: E731 - two lines
            OWN, *(old if sent.params["page"] == "1" else exchange.rows)
        )

        async def paged(sent: Sent) -> Reply:
            return pages(sent)

        d.transport.on(f"GET {exchange.path}", paged)
        exchange.makes("new", answer=ConnectionLost("gone"))
        assert (await exchange.send()).tran_id == "new"


# --- withdrawals ---


def withdrawn(name: str) -> dict[str, object]:
    return {"id": f"W-{name}", "withdrawOrderId": name, "coin": "USDT", "amount": "20", "status": 2}


async def test_a_withdrawal_without_an_answer_is_found_by_its_id() -> None:
    async with wallet() as d:
        d.transport.on(WITHDRAW, RequestTimeout("late"))
        d.transport.on(HISTORY, reply([]), reply([withdrawn("other"), withdrawn("mine")]))
        assert (await d.view.send(OUT)).id == "W-mine"
        assert len(d.transport.of(WITHDRAW)) == 1


async def test_a_withdrawal_that_was_not_taken_is_safe_to_send_again() -> None:
    async with wallet() as d:
        d.transport.on(WITHDRAW, ConnectionLost("gone"), reply({"id": "W-2"}))
        d.transport.on(HISTORY, reply([withdrawn("other")]))
        view = d.view.using(recv_window_ms=WINDOW_MS)
        with pytest.raises(TransferNotMade) as caught:
            await view.send(OUT)
        assert caught.value.client_order_id == "mine"
        assert (await view.send(OUT)).id == "W-2"


async def test_every_withdrawal_carries_an_id_and_a_raw_view_gets_raw_answers() -> None:
    async with wallet() as d:
        d.transport.on(WITHDRAW, ConnectionLost("gone"))

        async def found(_: Sent) -> Reply:
            return reply([withdrawn(d.transport.of(WITHDRAW)[-1].params["withdrawOrderId"])])

        d.transport.on(HISTORY, found)
        answer: Any = await d.raw.send(Withdraw(coin="USDT", net_work="BSC", address="0xabc", amount=D(20)))
        assert answer["id"].startswith("W-m")
