"""Parser of HTTP/1.1 answers on one connection: bytes go in, in any pieces, and replies come out.

`httptools` (llhttp, strict) frames the messages. It does not pass on header fields one by one, which would cost more
than all the rest; they are read from the head on demand.

The compiled core recognises a whole answer that only its Content-Length frames, and does not parse it. The pure core
parses each kind of head once: the result holds for every head with the same fields in the same order, since the
contents of the other fields (times, ids, lengths) do not frame the answer.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from mexc_async.errors import ProtocolError
from mexc_async.native.loader import compiled
from mexc_async.schema.answers import Headers, Reply

MAX_HEAD_BYTES = 16 << 10
_HEAD_END = b"\r\n\r\n"
_OBJECT = b"{"
_USUAL = b"HTTP/1.1 200 "
_FRAMING = {b"transfer-encoding", b"content-encoding", b"upgrade", b"trailer"}
_FIELD = re.compile(rb"([!-9;-~]+):[ -~]*")
_MOST_KNOWN = 4
_ANY_WRAPPER = 32 + zlib.MAX_WBITS  # gzip or zlib, as the data says


def _without_1xx(raw: bytes) -> bytes:
    """Remove the messages that only announce an answer (100 Continue, 103 Early Hints)."""
    while raw[9:10] == b"1" and raw[9:12] != b"101" and _HEAD_END in raw:
        raw = raw.partition(_HEAD_END)[2]
    return raw


def decompressed(body: bytes, encoding: str | None, max_bytes: int, status: int) -> bytes:
    """Decompress the body of an answer, whatever encoding the request asked for.

    Raises ProtocolError if it is damaged, truncated (the checksum at its end counts), larger than `max_bytes` or in
    another encoding than gzip or deflate.
    """
    encoding = (encoding or "identity").strip().lower()
    if encoding == "identity" or not body:
        return body
    if encoding not in ("gzip", "deflate"):
        raise ProtocolError(f"the answer is encoded in {encoding[:20]!r}, which was not requested", status=status)
    is_bare = encoding == "deflate" and body[0] & 15 != 8  # without zlib's head, as some servers understand deflate
    unpack = zlib.decompressobj(-zlib.MAX_WBITS if is_bare else _ANY_WRAPPER)
    try:
        plain = unpack.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise ProtocolError("the body of the answer cannot be decompressed", status=status) from error
    if len(plain) > max_bytes:
        raise _too_large(max_bytes, status)
    if not unpack.eof:
        raise ProtocolError("the compressed body of the answer is truncated", status=status)
    return plain


def _too_large(max_bytes: int, status: int) -> ProtocolError:
    return ProtocolError(f"the answer is larger than max_response_bytes {max_bytes}", status=status)


class KnownHeads:
    """Patterns of heads whose answers were whole, framed by Content-Length alone, on a keep-alive connection.

    One exchange has few kinds; all others are parsed.
    """

    def __init__(self) -> None:
        self._matches: dict[bytes, Callable[[bytes], re.Match[bytes] | None]] = {}
        """Compiled patterns, by their text."""

    def body_of(self, data: bytes) -> bytes | None:
        """Return the body if `data` is one whole answer with a known head."""
        for match in self._matches.values():
            if found := match(data):
                body = data[found.end() :]
                return body if found[1] == b"%d" % len(body) else None
        return None

    def learn(self, head: bytes) -> None:
        """Add the head of an answer of status 200 that the parser found to be of this kind."""
        first, *lines = head.removesuffix(_HEAD_END).split(b"\r\n")
        if len(self._matches) >= _MOST_KNOWN or not first.startswith(_USUAL):
            return
        pattern, lengths = rb"HTTP/1\.1 200 [ -~]*", 0
        for line in lines:
            field = _FIELD.fullmatch(line)
            name = field[1].lower() if field else b"upgrade"
            if name in _FRAMING:
                return
            if name == b"content-length":
                lengths += 1
                pattern += rb"\r\n" + re.escape(line.partition(b":")[0]) + rb":[ \t]*([0-9]+)[ \t]*"
            elif name in (b"connection", b"proxy-connection"):
                pattern += rb"\r\n" + re.escape(line)
            else:
                pattern += rb"\r\n" + re.escape(line.partition(b":")[0]) + rb":[ -~]*"
        if lengths == 1:
            self._matches[pattern] = re.compile(pattern + rb"\r\n\r\n").match


class ResponseReader:
    """Reader of the answers on one connection, one at a time."""

    __slots__ = (
        "_body",
        "_body_of",
        "_feed",
        "_head",
        "_heads",
        "_is_begun",
        "_is_done",
        "_keeps",
        "_max_bytes",
        "_parser",
        "_parts",
        "_size",
        "_status",
        "_usual_bytes",
        "is_followed",
        "is_reusable",
    )

    def __init__(self, max_bytes: int, heads: KnownHeads | None = None) -> None:
        self._max_bytes = max_bytes
        self._heads = heads or KnownHeads()
        self._body_of = compiled.ordinary_body if compiled and not heads else self._heads.body_of
        self._usual_bytes = min(max_bytes, MAX_HEAD_BYTES)
        self._parser = HttpResponseParser(self)
        self._feed = self._parser.feed_data
        self._clear()
        self.is_followed = False
        """True if unasked bytes came behind an answer."""
        self.is_reusable = True
        """True if the connection can take another request: no unasked bytes, no error, no close by the server."""

    def _clear(self) -> None:
        self._head = b""
        self._body = b""
        self._parts: list[bytes] = []
        self._size = 0
        self._status = 0
        self._is_begun = self._is_done = self._keeps = False

    def feed(self, data: bytes) -> Reply | None:
        """Take bytes; return the answer once it is complete. Raises ProtocolError if it is no answer, or too large."""
        if not self._is_begun and (known := self._body_of(data)) is not None and len(data) <= self._usual_bytes:
            return Reply(200, data, known)
        try:
            self._feed(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self.is_reusable = False
            self.is_followed = self._is_done
            if not self._is_done:
                raise ProtocolError(f"not HTTP: {type(error).__name__}") from error
        if not self._is_done:
            self._remember(data)
            return None
        body = self._body
        if self._head or self._parts or len(data) > self._usual_bytes or not body.startswith(_OBJECT):
            return self._unusual(data)
        self._body = b""
        self._is_begun = self._is_done = False
        if not self._keeps:
            self.is_reusable = False
        elif self.is_reusable and self._status == 200 and self._body_of == self._heads.body_of:
            self._heads.learn(data.partition(_HEAD_END)[0])
        return Reply(self._status, data if data[9:10] != b"1" else _without_1xx(data), body)

    def end(self) -> Reply | None:
        """End the connection; return an answer that lasts until then, or None if something is missing."""
        self.is_reusable = False
        fields = Headers(self._head).keys()
        if not self._is_begun or _HEAD_END not in self._head or fields & {"content-length", "transfer-encoding"}:
            return None
        self._status = self._parser.get_status_code()
        return self._unusual(b"")

    def _remember(self, data: bytes) -> None:
        """Store the part of the head that came, and check the size limits."""
        if _HEAD_END not in self._head:
            self._head = _without_1xx(self._head + data)
            self._check_head(self._head)
        if self._size + len(self._body) > self._max_bytes:
            raise self._too_large()

    def _check_head(self, raw: bytes) -> None:
        if len(raw) > MAX_HEAD_BYTES and _HEAD_END not in raw[:MAX_HEAD_BYTES]:
            self.is_reusable = False
            raise ProtocolError(f"the head of the answer is larger than {MAX_HEAD_BYTES} bytes")

    def _unusual(self, data: bytes) -> Reply:
        """Build a complete answer that is long, came in pieces, is no JSON, or is compressed."""
        raw = self._head if _HEAD_END in self._head else _without_1xx(self._head + data)
        self._check_head(raw)
        status, body = self._status, b"".join([*self._parts, self._body])
        if len(body) > self._max_bytes:
            raise self._too_large()
        body = decompressed(body, Headers(raw).get("content-encoding"), self._max_bytes, status)
        if not self._keeps:
            self.is_reusable = False
        self._clear()
        return Reply(status, raw, body)

    def _too_large(self) -> ProtocolError:
        self.is_reusable = False
        return _too_large(self._max_bytes, self._status or self._parser.get_status_code())

    # What the parser calls

    def on_message_begin(self) -> None:
        """Note the first byte of a message; a second message is unasked."""
        if self._is_done:
            self.is_reusable, self.is_followed = False, True
        else:
            self._is_begun = True

    def on_body(self, part: bytes) -> None:
        """Collect a piece of the body."""
        if self._is_done:
            return
        if not self._body:
            self._body = part
        elif self._size + len(self._body) <= self._max_bytes:
            self._size += len(self._body)
            self._parts.append(self._body)
            self._body = part

    def on_message_complete(self) -> None:
        """Note the end of a message; one of status 1xx only announces the answer."""
        if self._is_done:
            return
        parser = self._parser
        status = parser.get_status_code()
        if status < 200 and status != 101:
            return
        self._status = status
        self._keeps = parser.should_keep_alive()
        self._is_done = True
