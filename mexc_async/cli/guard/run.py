"""The guard's client, and its progress on standard output."""

from __future__ import annotations

import orjson

from mexc_async.cli.keys.command import needed_credentials
from mexc_async.client.mexc import Mexc
from mexc_async.client.sweep import sweeper_settings
from mexc_async.errors import MexcError


class Log:
    """Progress on standard output, in words or as JSON lines."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._last_error = ""

    def say(self, event: str, text: str, **facts: object) -> None:
        """Print one line."""
        line = orjson.dumps({"event": event, "text": text, **facts}).decode() if self._as_json else text
        print(line, flush=True)

    def fail(self, error: MexcError) -> None:
        """Report a failed call, once while the failure stays the same."""
        if (text := str(error)) != self._last_error:
            self._last_error = text
            self.say("failed", f"failed, trying again: {text}", error=type(error).__name__)


def open_client(rest: str | None) -> Mexc:
    """Create a client with the environment's key, or the stored one in use. Raises ConfigError."""
    settings = sweeper_settings()
    if rest is not None:
        settings["rest"] = rest
    return Mexc(needed_credentials(), **settings)
