"""Settings as values: each field is checked by its declared type when the value is made.

    class Timeouts(CheckedSettings, frozen=True):
        connect_s: Seconds = 5.0

A setting of a wrong type, out of range, or with a control character raises ConfigError: one line with the setting, the
value and the rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeAlias

import msgspec

from mexc_async.errors import ConfigError, InvalidRequest
from mexc_async.schema.codegen import checker
from mexc_async.schema.validation import Check, Rule, number, shown

LONGEST_S = 1e9
"""Upper bound of durations, about 30 years; nothing waits longer."""

Seconds: TypeAlias = Annotated[
    float, Rule(number("must be a number of seconds above 0", lambda value: 0 < value <= LONGEST_S))
]
"""Duration above 0."""
SecondsOrZero: TypeAlias = Annotated[
    float, Rule(number("must be a number of seconds that is not negative", lambda value: 0 <= value <= LONGEST_S))
]
"""Duration that may be 0."""


class CheckedSettings(msgspec.Struct, frozen=True):
    """Base of settings. Raises ConfigError for a field that breaks its type's rule."""

    def __post_init__(self) -> None:
        as_config(checker(type(self)), self)


def as_config(check: Callable[..., object], *arguments: object) -> None:
    """Run a check. Raises ConfigError where it raises InvalidRequest."""
    try:
        check(*arguments)
    except InvalidRequest as error:
        raise ConfigError(error.message) from None


def check_setting(name: str, value: object, check: Check) -> None:
    """Check one setting. Raises ConfigError."""
    as_config(check, name, value)


def check_path(name: str, value: object) -> None:
    """Refuse a path that no file can have. Raises ConfigError."""
    text, as_text = value, getattr(type(value), "__fspath__", None)  # of a Path, and of whatever stands for one
    if as_text is not None:
        try:
            text = as_text(value)
        except Exception:  # of a foreign class
            text = None
    if not isinstance(text, str) or not text or not text.isprintable():
        raise ConfigError(f"{name} {shown(value)} is not a path: text or a Path, without control characters")
