"""Transfers and withdrawals whose answer is missing: looked up before their caller gets one, never sent a second time.

A withdrawal carries a client's own id and is looked up by it. MEXC has no client id for transfers: equal transfers in
the history are counted before and after, and equal ones of this client are sent one at a time. If several new ones
appear, they cannot be distinguished, and the caller gets OutcomeUnknown.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from functools import partial
from typing import Any, TypeAlias

import msgspec
from msgspec.structs import replace

from mexc_async.errors import (
    ClientClosed,
    MexcError,
    OutcomeUnknown,
    PermissionDenied,
    TransferNotMade,
    TransferRejected,
)
from mexc_async.orders.ids import OrderIds
from mexc_async.orders.record import may_conclude
from mexc_async.orders.tracker import FIRST_PAUSE_S, LONGEST_PAUSE_S, LOOK_UP, OrderSettings
from mexc_async.rest.call import Call, Options, accepted_until_ms, call_of
from mexc_async.rest.pipeline import Api
from mexc_async.runtime.log import logger
from mexc_async.runtime.recent import RecentIds
from mexc_async.spot.broker import BrokerUniversalTransfer, BrokerUniversalTransferHistoryQuery
from mexc_async.spot.subaccounts import SubUniversalTransfer, SubUniversalTransferHistoryQuery
from mexc_async.spot.wallet import (
    InternalTransferHistoryQuery,
    InternalTransferRequest,
    UniversalTransfer,
    UniversalTransferHistoryQuery,
    Withdraw,
    WithdrawApply,
    WithdrawHistoryQuery,
)
from mexc_async.spot.wallet_models import InternalTransfer, Transfer, TransferId, WithdrawalId

AnyTransfer: TypeAlias = UniversalTransfer | SubUniversalTransfer | BrokerUniversalTransfer | InternalTransferRequest
AnyWithdrawal: TypeAlias = Withdraw | WithdrawApply
Row: TypeAlias = Transfer | InternalTransfer
Found: TypeAlias = WithdrawalId | TransferId
REACH_MS = 60_000
"""Reach of the count of equal transfers before a transfer; histories may cut times to the second."""
WITHDRAWALS_REACH_MS = 6 * 3600_000
"""Reach of the look-up of a withdrawal; its own id distinguishes it from others."""
PAGE = 100
MOST_PAGES = 20
MOST_REMEMBERED = 10_000


class Transfers:
    """Execution of a client's transfers and withdrawals."""

    def __init__(self, api: Api, ids: OrderIds, settings: OrderSettings) -> None:
        self._api = api
        self._monotonic = api.clock.local.monotonic
        self._ids = ids
        self._settings = settings
        self._turns: dict[Hashable, tuple[asyncio.Lock, list[None]]] = {}
        self._made = RecentIds(MOST_REMEMBERED)
        """MEXC's ids of the last transfers that this client made."""

    # Withdrawals

    async def withdraw(self, request: AnyWithdrawal, options: Options) -> Any:
        """Withdraw under a client's own id, or the user's if given.

        Raises TransferNotMade if no answer came and the withdrawal provably was not taken, OutcomeUnknown if this
        cannot be settled.
        """
        self._api.admit(request.route)
        if request.withdraw_order_id is None:
            request = replace(request, withdraw_order_id=self._ids.next())
        name = request.withdraw_order_id
        assert name is not None
        call = call_of(request, options, name)
        try:
            return await self._api.run(call, options)
        except OutcomeUnknown as error:
            found = await self._settle(call, options, error, partial(self._withdrawal, request.coin, name))
        return msgspec.to_builtins(found) if options.raw else found

    async def _withdrawal(self, coin: str, name: str) -> WithdrawalId | None:
        since = self._api.clock.now_ms() - WITHDRAWALS_REACH_MS
        query = WithdrawHistoryQuery(coin=coin, start_time=since, limit=1000)
        for row in await self._api.deliver(query, LOOK_UP):
            if row.withdraw_order_id == name:
                return WithdrawalId(id=row.id)
        return None

    # Transfers

    async def transfer(self, request: AnyTransfer, options: Options) -> Any:
        """Transfer; equal transfers of this client run one after another, so that each can be recognised.

        Raises TransferNotMade if no answer came and the transfer provably was not made, OutcomeUnknown if this cannot
        be settled.
        """
        self._api.admit(request.route)
        key = (type(request), *msgspec.structs.astuple(request))
        turn, waiting = self._turns.setdefault(key, (asyncio.Lock(), []))
        waiting.append(None)
        try:
            async with turn:
                return await self._transfer(request, options)
        finally:
            waiting.pop()
            if not waiting:
                self._turns.pop(key, None)

    async def _transfer(self, request: AnyTransfer, options: Options) -> Any:
        await self._api.clock_sync.ensure()
        since = self._api.clock.now_ms() - REACH_MS
        try:
            before: Counter[str] | None = Counter(row.tran_id for row in await self._equals(request, since))
        except PermissionDenied:
            before = None  # a key may have permission to transfer and not to read: then no look-up is possible
        call = call_of(request, options)
        try:
            answer = await self._api.run(call, options)
        except OutcomeUnknown as error:
            if before is None:
                raise
            found = await self._settle(call, options, error, partial(self._new_one, request, call, since, before))
            answer = msgspec.to_builtins(found) if options.raw else found
        self._remember(answer)
        return answer

    def _remember(self, answer: Any) -> None:
        """Remember a transfer of this client: histories may show it late, as if it were a new one."""
        tran_id = answer.tran_id if isinstance(answer, TransferId) else _raw_id(answer)
        self._made.add(tran_id)

    async def _new_one(self, request: AnyTransfer, call: Call, since: int, before: Counter[str]) -> TransferId | None:
        """Return the one equal transfer that is new. Raises OutcomeUnknown if there are several."""
        earliest = (call.stamped_ms - (self._api.clock.error_ms or 0.0)) // 1000 * 1000  # histories cut to the second
        rows = [row for row in await self._equals(request, since) if row.timestamp >= earliest]
        new = Counter(row.tran_id for row in rows if row.tran_id not in self._made) - before
        if new.total() > 1:
            raise OutcomeUnknown(
                f"no answer came, and {new.total()} equal transfers have appeared: they cannot be distinguished",
                method=call.route.method,
                path=call.route.path,
            )
        for row in rows:
            if row.tran_id in new:
                if row.status == "FAILED":
                    raise TransferRejected(f"transfer {row.tran_id} failed at the exchange")
                return TransferId(tran_id=row.tran_id)
        return None

    async def _equals(self, request: AnyTransfer, since: int) -> list[Row]:
        """Return the history's transfers since then of this asset and amount between these accounts."""
        return [row async for row in self._history(request, since) if _is_equal(request, row)]

    async def _history(self, request: AnyTransfer, since: int) -> AsyncIterator[Row]:
        for page in range(1, MOST_PAGES + 1):
            answer = await self._api.deliver(_query(request, since, page), LOOK_UP)
            rows: list[Row] = answer if isinstance(answer, list) else getattr(answer, answer.list_field)
            for row in rows:
                yield row
            if len(rows) < PAGE:
                return
        raise OutcomeUnknown(f"more than {MOST_PAGES * PAGE} transfers in a minute: too many to look through")

    # Settling

    async def _settle(
        self, call: Call, options: Options, error: OutcomeUnknown, look_up: Callable[[], Awaitable[Found | None]]
    ) -> Found:
        """Look it up until it is found or provably was not taken. Raises TransferNotMade, OutcomeUnknown."""
        clock, settings = self._api.clock, self._settings
        until_ms = accepted_until_ms(call, options)
        started, pause_s = self._monotonic(), FIRST_PAUSE_S
        while not self._api.is_closed:
            margin_ms = settings.lag_ms + (clock.error_ms or 0.0)
            may_end = may_conclude(clock.now_ms(), until_ms, margin_ms)
            try:
                found = await look_up()
            except (OutcomeUnknown, ClientClosed, TransferRejected, PermissionDenied) as failure:
                raise failure if isinstance(failure, OutcomeUnknown | TransferRejected) else error from failure
            except MexcError as failure:
                logger.info("%s %s could not be looked up yet: %s", error.method, error.path, failure)
            else:
                if found is not None:
                    return found
                if may_end:
                    text = "no answer came, and the exchange has no such transfer and cannot accept it any more"
                    raise TransferNotMade(text, client_order_id=call.client_order_id) from error
            if self._monotonic() - started >= settings.settle_s:
                break
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        raise error


def _raw_id(answer: Any) -> str:
    """Return the id in an undecoded answer, which may be an object or an array of one."""
    if isinstance(answer, list) and answer:
        answer = answer[0]
    return str(answer.get("tranId", "")) if isinstance(answer, dict) else ""


def _query(request: AnyTransfer, since: int, page: int) -> Any:
    if isinstance(request, UniversalTransfer):
        return UniversalTransferHistoryQuery(
            from_account_type=request.from_account_type,
            to_account_type=request.to_account_type,
            start_time=since,
            page=page,
            size=PAGE,
        )
    if not isinstance(request, InternalTransferRequest):
        is_brokers = isinstance(request, BrokerUniversalTransfer)
        query = BrokerUniversalTransferHistoryQuery if is_brokers else SubUniversalTransferHistoryQuery
        return query(
            from_account=request.from_account,
            to_account=request.to_account,
            from_account_type=request.from_account_type,
            to_account_type=request.to_account_type,
            start_time=since,
            page=page,
            limit=PAGE,
        )
    return InternalTransferHistoryQuery(start_time=since, page=page, limit=PAGE)


def _is_equal(request: AnyTransfer, row: Row) -> bool:
    """Return True if a row equals the requested transfer; between own accounts the query has named them already."""
    if (row.asset, row.amount) != (request.asset, request.amount):
        return False
    if isinstance(request, InternalTransferRequest) and isinstance(row, InternalTransfer):
        return row.to_account in (None, "", request.to_account)
    return True
