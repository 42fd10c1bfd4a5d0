"""Observer of the requests to the exchange: which orders were sent, and which are being cancelled."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from mexc_async.sim.rest.gateway import MISTAKE
from mexc_async.sim.rest.http import Handler, Listen, Listener, Outcome, Request, Response
from mexc_async.sim.rest.responses import refused

_NAMES = re.compile(r'(?:newClientOrderId|origClientOrderId)(?:=|":\s*")([^&"]+)')
_FAILED = refused(MISTAKE)


class Traffic:
    """Observer between the exchange and its port."""

    def __init__(self, on_request: Callable[[], None], on_failure: Callable[[Request], None]) -> None:
        """`on_request` is called before each request, `on_failure` after one that the exchange fails at by mistake."""
        self.sent: set[str] = set()
        """Client order ids that a request has named."""
        self.cancelling: set[str] = set()
        """Those that a request to cancel has named."""
        self._on_request = on_request
        self._on_failure = on_failure

    def listen(self, build: Listen) -> Listen:
        """Return the builder of a port whose requests are observed."""

        def watched(handler: Handler, host: str, port: int) -> Listener:
            async def handle(request: Request) -> Outcome:
                self._note(request)
                outcome = await handler(request)
                if isinstance(outcome, Response) and outcome.body == _FAILED.body:
                    self._on_failure(request)
                return outcome

            return build(handle, host, port)

        return watched

    def _note(self, request: Request) -> None:
        if "lientOrderId" in request.target:
            names = _NAMES.findall(unquote(request.target))
            self.sent.update(names)
            if request.method == "DELETE":
                self.cancelling.update(names)
        self._on_request()
