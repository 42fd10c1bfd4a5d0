"""Listeners for events. A listener is called synchronously and cannot break a call."""

from __future__ import annotations

from collections.abc import Callable

from mexc_async.runtime.events import Event
from mexc_async.runtime.log import logger


class Hooks:
    """`remove = mexc.hooks.add(listener)`; the listener gets every event of this client."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[Event], None]] = []

    def __bool__(self) -> bool:
        return bool(self.listeners)

    def add(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with every event from now on; returns what takes it out again."""
        self.listeners.append(listener)

        def remove() -> None:
            if listener in self.listeners:
                self.listeners.remove(listener)

        return remove

    def emit(self, event: Event) -> None:
        """Hand an event to every listener; one that raises is logged, the others are still called."""
        for listener in tuple(self.listeners):
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed on %s", type(event).__name__)
