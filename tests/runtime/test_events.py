"""Events: every listener gets them, and none can break a call."""

from __future__ import annotations

import logging

import pytest

from mexc_async.rest.events import ClockSynced
from mexc_async.runtime.events import Event
from mexc_async.runtime.hooks import Hooks
from mexc_async.runtime.log import logger

EVENT = ClockSynced(1.0, 0.5)


def test_listeners_come_and_go() -> None:
    hooks, seen = Hooks(), list[Event]()
    assert not hooks
    remove = hooks.add(seen.append)
    assert hooks
    hooks.emit(EVENT)
    remove()
    remove()
    hooks.emit(EVENT)
    assert seen == [EVENT]
    assert not hooks


def test_a_listener_may_remove_itself_while_it_is_called() -> None:
    hooks, seen = Hooks(), list[Event]()

    def once(event: Event) -> None:
        seen.append(event)
        remove()

    remove = hooks.add(once)
    hooks.add(seen.append)
    hooks.emit(EVENT)
    hooks.emit(EVENT)
    assert len(seen) == 3


def test_a_listener_that_fails_is_logged_and_the_others_are_called(caplog: pytest.LogCaptureFixture) -> None:
    hooks, seen = Hooks(), list[Event]()

    def broken(event: Event) -> None:
        raise ZeroDivisionError

    hooks.add(broken)
    hooks.add(seen.append)
    hooks.emit(EVENT)
    assert seen == [EVENT]
    (record,) = caplog.records
    assert (record.name, record.getMessage()) == ("mexc_async", "a listener failed on ClockSynced")


def test_a_listener_that_wants_to_end_the_program_does() -> None:
    hooks = Hooks()

    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    hooks.add(interrupt)
    with pytest.raises(KeyboardInterrupt):
        hooks.emit(EVENT)


def test_the_logger_is_silent_unless_asked() -> None:
    assert any(isinstance(handler, logging.NullHandler) for handler in logger.handlers)
    assert logger.level == logging.NOTSET
