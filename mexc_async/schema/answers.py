"""Decoding of answers: (status, headers, body) to a typed value or an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, get_origin

import msgspec

from mexc_async.error_codes import CODES
from mexc_async.errors import (
    ApiError,
    ExchangeUnavailable,
    IpBanned,
    MexcError,
    PermissionDenied,
    ProtocolError,
    TooManyRequests,
)
from mexc_async.native.loader import compiled
from mexc_async.schema.endpoint import Json, Route
from mexc_async.schema.fields import Unspecified
from mexc_async.schema.lenient import decoder, other_shapes, read

SUCCESS_CODES = frozenset({0, 200})
"""Success codes of envelopes, which depend on endpoint and source (reference: `envelopes`)."""
DEFAULT_BAN_S = 120.0
"""Seconds to wait after a 418 without Retry-After: MEXC's bans begin at two minutes."""
DEFAULT_WAIT_S = 1.0
"""Seconds to wait after a 429 without Retry-After."""
_NOTHING_ODD: list[str] = []
_ERROR_BODY_MAX = 4096
_SECRETS = re.compile(
    r"(?i)(signature|secret\w*|api_?key|access_?key|x-mexc-apikey|listen_?key|token)([\"']?\s*[:=]\s*[\"']?)([\w\-%+/=]{6,})"
    r"|\b[0-9a-f]{64}\b|\bmx0\w{8,}"
)


class Reply(msgspec.Struct, frozen=True, gc=False):
    """An HTTP answer."""

    status: int
    head: Mapping[str, str] | bytes
    """The header fields, or the bytes from which they are read on demand."""
    body: bytes

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields; names ignore case."""
        return Headers(self.head) if isinstance(self.head, bytes) else self.head

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("status", self.status), ("bytes", len(self.body))]  # the body may hold a new key

    def __repr__(self) -> str:
        return f"Reply(status={self.status}, bytes={len(self.body)})"


class Headers(Mapping[str, str]):
    """Header fields, read from the bytes of an answer with its first line. Of equal names the first counts."""

    __slots__ = ("_fields",)

    def __init__(self, head: bytes) -> None:
        self._fields: dict[str, str] = {}
        for line in head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            self._fields.setdefault(name.lower(), value.strip())

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


_NULL = msgspec.Raw(b"null")


class _Refusal(msgspec.Struct):
    """Raw parts of an error body; a success in an envelope has them too."""

    code: msgspec.Raw = _NULL
    msg: msgspec.Raw = _NULL
    message: msgspec.Raw = _NULL


_refusal = msgspec.json.Decoder(_Refusal)
_raw = msgspec.json.Decoder(float_hook=Decimal)
_any = msgspec.json.Decoder(msgspec.Raw)


def scrub(text: str) -> str:
    """Remove everything that looks like a key, secret or signature."""
    return _SECRETS.sub(lambda found: f"{found[1]}{found[2]}***" if found[1] else "***", text)


def first_bytes(body: bytes) -> str:
    """Return the beginning of a body for an error message: one line, no secrets."""
    text = " ".join(body[:400].decode("utf-8", "replace").split())
    text = "".join(char if char.isprintable() else "?" for char in text)
    return scrub(text)[:160] or "empty"


def names_code_pure(body: bytes) -> bool:
    """Return True if a body contains `"code"`."""
    return body.partition(b'"code"')[1] != b""  # half the cost of `find`, and of `in` with its type check


names_code = compiled.names_code if compiled else names_code_pure


def is_refusal(reply: Reply) -> bool:
    """Return True if an answer refuses any request, or one item of a batch."""
    if not 200 <= reply.status < 300:
        return True
    if not names_code(reply.body):
        return False
    if reply.body.lstrip()[:1] == b"[":
        return True
    refusal = _refusal_of(reply.body)
    return refusal is not None and refusal.code != _NULL and _code(refusal) not in SUCCESS_CODES


def error_of(route: Route, reply: Reply) -> MexcError | None:
    """Return the error in a reply; None if it is a success."""
    status, body = reply.status, reply.body
    if status == 200 and (len(body) > _ERROR_BODY_MAX or not names_code(body)):
        return None  # nearly all
    refusal = _refusal_of(body)
    if status in (418, 429):
        retry_after = _retry_after(reply.headers)
        if status == 418:
            text = _message(refusal, "this address is banned for a while")
            return IpBanned(text, code=_code(refusal), status=status, retry_after_s=retry_after or DEFAULT_BAN_S)
        text = _message(refusal, "too many requests")
        return TooManyRequests(text, code=_code(refusal), status=status, retry_after_s=retry_after or DEFAULT_WAIT_S)
    if status >= 500:
        text = _message(refusal, f"the exchange failed: {first_bytes(body)}")
        return ExchangeUnavailable(text, code=_code(refusal), status=status)
    code = _code(refusal)
    if refusal is not None and refusal.code != _NULL and not (200 <= status < 300 and code in SUCCESS_CODES):
        known = CODES[route.product].get(code) if code is not None else None
        text = _message(refusal, known.meaning if known else "refused without a reason")
        error = (known.error if known else ApiError)(text, code=code, status=status)
        if isinstance(error, TooManyRequests):
            error.retry_after_s = _retry_after(reply.headers) or DEFAULT_WAIT_S
        return error
    if 200 <= status < 300:
        return None
    return _without_code(status, reply)


def _without_code(status: int, reply: Reply) -> MexcError:
    if status == 401:
        return PermissionDenied("no authority", status=status)
    if status in (404, 405):
        return ApiError(
            "the host has no such path, so nothing was done; MEXC's own paths are the default (paths='default')",
            status=status,
        )
    if 300 <= status < 400:
        return ProtocolError("the answer is a redirect, which the client never follows", status=status)
    return ProtocolError(f"not an answer of the exchange: {first_bytes(reply.body)}", status=status)


def _refusal_of(body: bytes) -> _Refusal | None:
    if len(body) > _ERROR_BODY_MAX or body.lstrip()[:1] != b"{" or b'"code"' not in body:
        return None
    try:
        return _refusal.decode(body)
    except msgspec.MsgspecError:
        return None


def _code(refusal: _Refusal | None) -> int | None:
    """Return the code, sent as a number or as text."""
    try:
        return None if refusal is None else read(int | None, bytes(refusal.code), [])
    except msgspec.MsgspecError:
        return None


def _message(refusal: _Refusal | None, otherwise: str) -> str:
    """Return the message; a number as it was written."""
    for raw in (refusal.msg, refusal.message) if refusal is not None else ():
        try:
            text = " ".join(read(str, bytes(raw), []).split())
        except msgspec.MsgspecError:
            continue
        if text:
            return scrub(text)
    return otherwise


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return None
    return min(seconds, 7 * 86400.0) if seconds > 0 else None


def decode_json(body: bytes) -> Json:
    """Decode an answer without types. Raises ProtocolError if it is not JSON."""
    try:
        value: Json = _raw.decode(body)
    except msgspec.DecodeError as error:
        raise _not_json(body) from error
    return value


def decode(kind: object, body: bytes) -> tuple[Any, list[str]]:
    """Decode a typed answer; return it with descriptions of the malformed items left out of its lists.

    Sources differ on outer shapes. An object is accepted for a list of one, a list of one for its object, and bare rows
    for a page (a class that has a `list_field`). Raises ProtocolError if the answer cannot be decoded.
    """
    if kind is Unspecified:
        return decode_json(body), []
    try:
        return _decode(kind)(body), _NOTHING_ODD
    except msgspec.ValidationError as error:
        if get_origin(kind) is list and body[:1] == b"{":
            return decode(kind, b"[" + body + b"]")
        return _differing(kind, body, error)
    except msgspec.DecodeError as error:
        raise _not_json(body) from error


def _differing(kind: object, body: bytes, error: msgspec.ValidationError) -> tuple[Any, list[str]]:
    """Decode an answer that differs from its declaration."""
    try:
        for shape in (bytes(_any.decode(body)), *other_shapes(kind, body)):
            odd: list[str] = []
            try:
                return read(kind, shape, odd), odd
            except msgspec.ValidationError:
                continue
    except msgspec.DecodeError as broken:
        raise _not_json(body) from broken
    raise ProtocolError(f"unexpected shape, {error}: {first_bytes(body)}") from error


def _not_json(body: bytes) -> ProtocolError:
    return ProtocolError(f"truncated or not JSON: {first_bytes(body)}")


@cache
def _decode(kind: Any) -> Callable[[bytes], Any]:
    return decoder(kind).decode
