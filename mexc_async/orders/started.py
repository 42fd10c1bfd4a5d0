"""Orders that go on by themselves: written in the call that starts them, their outcome a future."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Protocol, cast

from mexc_async.errors import ClientClosed, ConnectionLost, MexcError
from mexc_async.orders.record import OrderRecord
from mexc_async.rest.call import Call, Options, final_error
from mexc_async.rest.pipeline import Api, Started
from mexc_async.runtime.tasks import CLOSED, follow
from mexc_async.schema.answers import Reply


class Execution(Protocol):
    """What a started order needs of the execution that began it."""

    api: Api

    async def conclude(self, record: OrderRecord, call: Call, options: Options, answering: Awaitable[Any]) -> Any:
        """Return the answer to an order that is on its way."""
        ...

    def acknowledge(self, record: OrderRecord, call: Call, answer: Any, options: Options) -> bool:
        """Record that the exchange has an order; False, and nothing else, where its answer is to another."""
        ...

    def failed(
        self, error: BaseException, call: Call, options: Options, records: Sequence[OrderRecord]
    ) -> BaseException:
        """Record what a failure means for the orders; returns the error to raise."""
        ...


class StartedOrder:
    """An order whose request was written; no task is needed unless it fails."""

    __slots__ = ("_call", "_execution", "_options", "_outcome", "_record", "_started")

    def __init__(
        self,
        execution: Execution,
        outcome: asyncio.Future[Any],
        started: Started,
        record: OrderRecord,
        call: Call,
        options: Options,
    ) -> None:
        self._execution = execution
        self._outcome = outcome
        self._started = started
        self._record = record
        self._call = call
        self._options = options

    def write(self) -> None:
        """Write its request."""
        try:
            reply = self._started.write()
        except Exception as error:
            reply = asyncio.get_running_loop().create_future()
            reply.set_exception(error)
        if not isinstance(reply, asyncio.Future):  # its connection has just ended, and another is opened
            reply = self._execution.api.tasks.spawn(cast("Coroutine[Any, Any, Reply]", reply))
        reply.add_done_callback(self._on_reply)

    def _on_reply(self, reply: asyncio.Future[Reply]) -> None:
        """Something came back, or nothing will."""
        try:
            answer = self._started.answer(reply.result)
        except MexcError as error:
            self._go_on(error, partial(self._execution.api.recover, self._call, self._options, error))
        except asyncio.CancelledError:  # the client was closed
            self._fail(ConnectionLost(CLOSED) if self._call.sent_s else ClientClosed(CLOSED))
        except Exception as error:  # none is known
            self._fail(error)
        else:
            if not self._execution.acknowledge(self._record, self._call, answer, self._options):
                self._go_on(ConnectionLost("the answer is to another order"), partial(_given, answer))
            elif not self._outcome.done():  # or else nobody cares any more
                self._outcome.set_result(answer)

    def _go_on(self, error: MexcError, answering: Callable[[], Awaitable[Any]]) -> None:
        """What follows a failure takes time: another attempt, or finding out what became of the order."""
        try:
            rest = self._execution.api.tasks.spawn(self._rest(answering))
        except ClientClosed:
            self._fail(error)
        else:
            rest.add_done_callback(self._on_cancelled)
            follow(rest, self._outcome)

    async def _rest(self, answering: Callable[[], Awaitable[Any]]) -> Any:
        return await self._execution.conclude(self._record, self._call, self._options, answering())

    def _on_cancelled(self, rest: asyncio.Task[Any]) -> None:
        if rest.cancelled():  # perhaps before it began
            self._fail(ConnectionLost(CLOSED))

    def _fail(self, error: Exception) -> None:
        if isinstance(error, MexcError):
            error = final_error(self._call, error, self._options)
        self._execution.failed(error, self._call, self._options, [self._record])
        if not self._outcome.done():
            self._outcome.set_exception(error)


async def _given(answer: object) -> object:
    return answer
