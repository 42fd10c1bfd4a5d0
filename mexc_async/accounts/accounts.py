"""Several accounts behind one address: `async with Mexc.accounts({"master": ..., "grid-1": ...}) as accounts`."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeAlias, TypeVar

from msgspec import Struct

from mexc_async.accounts.events import BulkProgress
from mexc_async.errors import InvalidRequest, MexcError, OutcomeUnknown
from mexc_async.limits.limiter import RateLimiter
from mexc_async.runtime.hooks import Hooks
from mexc_async.schema.endpoint import Request
from mexc_async.schema.validation import kind_of, shown
from mexc_async.spot.api import Spot
from mexc_async.spot.models import Account, Done
from mexc_async.spot.subaccounts import SubUniversalTransfer
from mexc_async.spot.wallet import UniversalTransfer

T = TypeVar("T")
C = TypeVar("C", bound="Client")
AnyTransfer: TypeAlias = UniversalTransfer | SubUniversalTransfer


class Client(Protocol):
    """Operations that are needed of one account's client; `Mexc` has them."""

    spot: Spot

    async def send(self, request: Request[T], /) -> T:
        """Send a request value and return its typed answer."""
        ...

    async def open(self) -> Self:
        """Open the client; idempotent."""
        ...

    async def aclose(self) -> None:
        """Close the client; idempotent."""
        ...


class Moved(Struct, frozen=True):
    """Result of one transfer of many."""

    transfer: AnyTransfer
    tran_id: str | None = None
    """MEXC's id; None if no transfer was made, or its id is unknown."""
    error: MexcError | None = None
    """Reason for the failure; OutcomeUnknown if the transfer may have been made."""
    is_skipped: bool = False
    """True if it was not sent, because an earlier one between the same accounts has an unknown outcome."""

    @property
    def is_done(self) -> bool:
        """True if the money has arrived."""
        return self.tran_id is not None


class Accounts(Generic[C]):
    """Clients of several accounts: one IP budget for all, account budgets for each.

    `accounts["grid-1"]` is a `Mexc`. Operations on all accounts return partial results: a failure is an error in its
    place, and the rest is done. `accounts.hooks` reports their progress.
    """

    def __init__(self, clients: Mapping[str, C], limits: RateLimiter) -> None:
        self._clients = dict(clients)
        self.limits = limits
        """Rate limiter of all accounts: `accounts.limits.report()`; an account's limits are named `orders@grid-1`."""
        self.hooks = Hooks()

    def __getitem__(self, name: str) -> C:
        """Return the client of an account. Raises KeyError."""
        return self._clients[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._clients)

    def __len__(self) -> int:
        return len(self._clients)

    async def open(self) -> Self:
        """Open every client; idempotent. A client's first call opens it by itself."""
        for client in self._clients.values():
            await client.open()
        return self

    async def __aenter__(self) -> Self:
        try:
            return await self.open()
        except BaseException:
            await self.aclose()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every client; idempotent."""
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))
        self.limits.close()

    async def each(
        self, operation: str, act: Callable[[C], Coroutine[Any, Any, T]], names: Sequence[str] | None = None
    ) -> dict[str, T | MexcError]:
        """Run an operation on every account, or those named, at the same time; a failure is the error in its place.

        `operation` is its name in the progress events.
        """
        if names is not None and (isinstance(names, str) or not isinstance(names, Sequence)):
            raise InvalidRequest(f"names must be a list of accounts, not {kind_of(names)}")
        chosen = list(self._clients) if names is None else [self._known(name) for name in names]
        results: dict[str, T | MexcError] = {}

        async def one(name: str) -> None:
            try:
                results[name] = await act(self._clients[name])
            except MexcError as error:
                results[name] = error
            failed = sum(isinstance(result, MexcError) for result in results.values())
            self.hooks.emit(BulkProgress(operation, len(results), len(chosen), failed))

        async with asyncio.TaskGroup() as group:
            for name in chosen:
                group.create_task(one(name))
        return {name: results[name] for name in chosen}

    def _known(self, name: str) -> str:
        if not isinstance(name, str) or name not in self._clients:
            raise InvalidRequest(f"account {shown(name)} is none of {', '.join(self._clients)}")
        return name

    async def balances(self, names: Sequence[str] | None = None) -> dict[str, Account | MexcError]:
        """Return every account's balances."""
        return await self.each("balances", lambda mexc: mexc.spot.account(), names)

    async def cancel_everywhere(self, names: Sequence[str] | None = None) -> dict[str, Done | MexcError]:
        """Cancel every open order of every account."""
        return await self.each("cancel_everywhere", lambda mexc: mexc.spot.cancel_all_orders(), names)

    async def transfer_many(self, transfers: Sequence[AnyTransfer], *, via: str) -> list[Moved]:
        """Make many transfers with one account's key, in the order given between each pair of accounts.

        Different pairs run at the same time. A refused transfer is an error in its place and the next one follows;
        after an unknown outcome the rest of that pair is skipped, because the balances are unknown.
        """
        mexc = self._clients[self._known(via)]
        if not isinstance(transfers, list | tuple) or not all(isinstance(one, AnyTransfer) for one in transfers):
            raise InvalidRequest("transfers must be a list of UniversalTransfer or SubUniversalTransfer")
        pairs: dict[object, list[int]] = defaultdict(list)
        for index, transfer in enumerate(transfers):
            pairs[_pair(transfer)].append(index)
        moved: dict[int, Moved] = {}

        async def one_pair(indices: list[int]) -> None:
            unknown: OutcomeUnknown | None = None
            for index in indices:
                result = moved[index] = await _move(mexc, transfers[index], unknown)
                if isinstance(result.error, OutcomeUnknown):
                    unknown = result.error
                failed = sum(not each.is_done for each in moved.values())
                self.hooks.emit(BulkProgress("transfer_many", len(moved), len(transfers), failed))

        async with asyncio.TaskGroup() as group:
            for indices in pairs.values():
                group.create_task(one_pair(indices))
        return [moved[index] for index in range(len(transfers))]


async def _move(mexc: Client, transfer: AnyTransfer, unknown: OutcomeUnknown | None) -> Moved:
    if unknown is not None:
        return Moved(transfer, error=unknown, is_skipped=True)
    try:
        answer = await mexc.send(transfer)
    except MexcError as error:
        return Moved(transfer, error=error)
    return Moved(transfer, answer.tran_id)


def _pair(transfer: AnyTransfer) -> object:
    """Return the two accounts between which money moves, in either direction."""
    own = (getattr(transfer, "from_account", None), transfer.from_account_type)
    other = (getattr(transfer, "to_account", None), transfer.to_account_type)
    return frozenset((own, other))
