"""A client without any checks: it signs and sends exactly the test's input."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from hashlib import sha256
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import orjson

from mexc_async.runtime.clock import SYSTEM, Clock

JSON = "application/json"


class Reply(NamedTuple):
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: Any
    content: bytes
    """The body as received."""

    @property
    def code(self) -> object:
        """MEXC's code of a refusal."""
        return self.body["code"]


def refused(reply: Reply, code: int) -> None:
    """Check that an answer is a refusal with MEXC's code."""
    assert (reply.status, reply.body.get("code")) == (400, code), reply.body


def now_ms() -> int:
    return SYSTEM.wall_ms()


def encode(parameters: Mapping[str, object]) -> str:
    return "&".join(f"{name}={quote(str(value), safe='')}" for name, value in parameters.items())


def hmac_hex(secret: str, text: str) -> str:
    return hmac.new(secret.encode(), text.encode(), sha256).hexdigest()


class NaiveClient:
    """A client with one keep-alive connection."""

    def __init__(self, rest: str, api_key: str, api_secret: str, timeout_s: float = 10, clock: Clock = SYSTEM) -> None:
        parts = urlsplit(rest)
        self._connection = HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
        self.api_key = api_key
        self.api_secret = api_secret
        self._clock = clock

    def close(self) -> None:
        self._connection.close()

    def send(self, method: str, target: str, body: str = "", headers: Mapping[str, str] | None = None) -> Reply:
        """Send exactly this request."""
        self._connection.request(method, target, body=body or None, headers=dict(headers or {}))
        answer = self._connection.getresponse()
        content = answer.read()
        return Reply(answer.status, dict(answer.getheaders()), orjson.loads(content) if content else None, content)

    def get(self, path: str, **parameters: object) -> Reply:
        """Send a public request."""
        return self.send("GET", f"{path}?{encode(parameters)}" if parameters else path)

    def request(self, method: str, path: str, **parameters: object) -> bytes:
        """Return a signed request as the bytes on the connection."""
        text = encode({**parameters, "timestamp": self._clock.wall_ms()})
        target = f"{path}?{text}&signature={hmac_hex(self.api_secret, text)}"
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nX-MEXC-APIKEY: {self.api_key}\r\n"
        return f"{head}Content-Type: {JSON}\r\nContent-Length: 0\r\n\r\n".encode()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: str | None = None,
        body: str = "",
        content_type: str | None = JSON,
        timestamp: int | None = None,
        sign: Callable[[str, str], str] | None = None,
        api_key: str | None = None,
        **parameters: object,
    ) -> Reply:
        """Send a signed request, valid by default. `sign` computes the signature from query and body."""
        stamp = self._clock.wall_ms() if timestamp is None else timestamp
        text = encode({**parameters, "timestamp": stamp}) if query is None else query
        signature = hmac_hex(self.api_secret, text + body) if sign is None else sign(text, body)
        headers = {"X-MEXC-APIKEY": self.api_key if api_key is None else api_key}
        if content_type is not None:
            headers["Content-Type"] = content_type
        return self.send(method, f"{path}?{text}&signature={signature}", body, headers)
