"""Orders without a task: written in the call that starts them, their outcome a future."""

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
    """Operations that a started order needs of the execution that began it."""

    api: Api

    async def conclude(self, record: OrderRecord, call: Call, options: Options, answering: Awaitable[Any]) -> Any:
        """Return the answer to an order that was sent."""
        ...

    def acknowledge(self, record: OrderRecord, call: Call, answer: Any, options: Options) -> bool:
        """Record that the exchange has an order; return False if the answer is to another order."""
        ...

    def failed(
        self, error: BaseException, call: Call, options: Options, records: Sequence[OrderRecord]
    ) -> BaseException:
        """Record a failed call in its orders' records; return the error to raise."""
        ...


class StartedOrder:
    """Order whose request was written; it needs a task only if it fails."""

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
        """Handle the answer, or the failure to get one."""
        try:
            answer = self._started.answer(reply.result)
        except MexcError as error:
            self._go_on(error, partial(self._execution.api.recover, self._call, self._options, error))
        except asyncio.CancelledError:  # the client was closed
            self._fail(ConnectionLost(CLOSED) if self._call.sent_s else ClientClosed(CLOSED))
        except Exception as error:  # no error is known to come here
            self._fail(error)
        else:
            if not self._execution.acknowledge(self._record, self._call, answer, self._options):
                self._go_on(ConnectionLost("the answer is to another order"), partial(_given, answer))
            elif not self._outcome.done():  # otherwise nobody waits any more
                self._outcome.set_result(answer)

    def _go_on(self, error: MexcError, answering: Callable[[], Awaitable[Any]]) -> None:
        """Start a task after a failure: for another attempt, or for a look-up of the order's outcome."""
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
