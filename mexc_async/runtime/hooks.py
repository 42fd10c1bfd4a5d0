"""Event listeners. A listener is called synchronously; its errors never reach a call."""

from __future__ import annotations

from collections.abc import Callable

from mexc_async.errors import InvalidRequest
from mexc_async.runtime.events import Event
from mexc_async.runtime.log import logger


class Hooks:
    """Event listeners of a client: `remove = mexc.hooks.add(listener)`; a listener gets every event."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[Event], None]] = []

    def __bool__(self) -> bool:
        return bool(self.listeners)

    def add(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with every event from now on; return a function that removes it. Raises InvalidRequest."""
        if not callable(listener):
            raise InvalidRequest(f"listener must be a function of one event, not {type(listener).__name__}")
        self.listeners.append(listener)

        def remove() -> None:
            if listener in self.listeners:
                self.listeners.remove(listener)

        return remove

    def emit(self, event: Event) -> None:
        """Call every listener with an event. Log the error of a listener that raises, and go on to the next."""
        for listener in tuple(self.listeners):
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed on %s", type(event).__name__)
