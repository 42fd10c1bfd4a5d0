"""The reader of HTTP answers: the result does not depend on the pieces, and no input crashes it."""

from __future__ import annotations

import gzip
import zlib
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mexc_async.errors import ProtocolError
from mexc_async.schema.answers import Reply
from mexc_async.transport.http1 import MAX_HEAD_BYTES, KnownHeads, ResponseReader

MOST = 2000
NAMES = st.sampled_from(["X-Request-Id", "Date", "server", "VIA", "X-Cache"])
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
BODIES = st.binary(max_size=300) | st.sampled_from([b"{}", b'{"symbol":"BTCUSDT","orderId":"C02__1"}', b"[]"])


def head(status: int, *fields: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} OK", *fields, "", ""]).encode()


def chunked(body: bytes, size: int) -> bytes:
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, int, bytes]:
    """Make a valid answer with its status and body."""
    body, status = draw(BODIES), draw(st.sampled_from([200, 201, 400, 403, 429, 500, 503]))
    fields = [f"{name}: {value}" for name, value in draw(st.lists(st.tuples(NAMES, VALUES), max_size=4))]
    sent = body
    encoding = draw(st.sampled_from(["", "gzip", "deflate"]))
    if encoding and body:
        sent = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
        fields.append(f"Content-Encoding: {encoding}")
    if draw(st.booleans()):
        return head(status, *fields, f"content-length: {len(sent)}") + sent, status, body
    return head(status, *fields, "Transfer-Encoding: chunked") + chunked(sent, draw(st.integers(1, 90))), status, body


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(at) if start < end]


def read(reader: ResponseReader, pieces: list[bytes]) -> Reply | None:
    *early, last = [reader.feed(piece) for piece in pieces]
    assert not any(early)
    return last


@given(answers(), st.lists(st.integers(0, 5000), max_size=12), st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n"]))
def test_an_answer_is_the_same_however_it_is_cut(
    answer: tuple[bytes, int, bytes], places: list[int], announced: bytes
) -> None:
    data, status, body = answer
    whole = ResponseReader(MOST).feed(announced + data)
    reader = ResponseReader(MOST)
    for _ in range(2):  # and the next one on the same connection
        reply = read(reader, cut(announced + data, places))
        assert reply is not None
        assert whole is not None
        assert (reply.status, reply.body) == (whole.status, whole.body) == (status, body)
        assert dict(reply.headers) == dict(whole.headers)
        assert reader.is_reusable


@given(answers())
def test_an_answer_byte_by_byte(answer: tuple[bytes, int, bytes]) -> None:
    data, status, body = answer
    reply = read(ResponseReader(MOST), [data[at : at + 1] for at in range(len(data))])
    assert reply is not None
    assert (reply.status, reply.body) == (status, body)


@given(st.lists(st.binary(max_size=80) | answers().map(lambda answer: answer[0]), max_size=6))
@example([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"{}"])
@example([b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nabc"])
@example([b"HTTP/1.1 103 Hints\r\n\r\n", b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 100 Go on\r\n\r\n"])
def test_garbage_ends_in_an_error_of_the_tree(pieces: list[bytes]) -> None:
    reader = ResponseReader(MOST)
    try:
        for piece in pieces:
            reader.feed(piece)
            if not reader.is_reusable:  # the connection is closed then
                return
        reader.end()
    except ProtocolError:
        assert not reader.is_reusable


class Unlearned(KnownHeads):
    """Known heads that stay empty: the parser handles every answer."""

    def learn(self, head: bytes) -> None:
        """Learn nothing."""


def outcome(pieces: list[bytes], heads: KnownHeads | None) -> object:
    """Return the reader's result for the pieces."""
    reader = ResponseReader(MOST, heads)
    replies: list[object] = []
    for piece in pieces:
        try:
            reply = reader.feed(piece)
        except ProtocolError as error:
            return replies, str(error)
        replies.append(reply and (reply.status, reply.body, dict(reply.headers), reader.is_reusable))
        if not reader.is_reusable:
            break
    return replies


FIRST_LINES = ["HTTP/1.1 200 OK", "HTTP/1.1 200 0K", "HTTP/1.0 200 OK", "HTTP/1.1 204 OK", "HTTP/1.1 500 OK"]
FRAMINGS = [
    "Content-Length: 2", "Content-Length: 02", "content-length:2", "Content-Length: 0", "Content-Length: 12",
    "Content-Length: 2\r\nContent-Length: 2", "Content-Length: 2\r\nContent-Length: 3", "Content-Length: 2x",
    "Transfer-Encoding: chunked", "Content-Length: 2\r\nTransfer-Encoding: chunked", "X: 1",
    "Content-Length: 2\r\nConnection: close", "Content-Length: 2\r\nConnection: keep-alive",
    "Content-Length: 2\r\nConnection: Keep-Alive ", "Content-Length: 2\r\nProxy-Connection: close",
    "Content-Length: 2\r\nProxy-Connection: keep-alive", "Content-Length: \t2 ", "Content-Length : 2",
    " Content-Length: 2", "Content-Length: 2\r\n folded", "Content-Length:", "Content-Length: +2",
    "Content-Length: 2\r\nX: a\x7fb", "Content-Length: 2\r\nX: a\tb", "Content-Length: 2\r\nX:\x01",
    "Content-Length: 2\r\nX\x00: b", "Content-Length: 2\n", "Content-Length: 2\r\nX: \xe9",
    "Content-Length: 2\r\n: b", "CONTENT-LENGTH: 2\r\nCONNECTION: KEEP-ALIVE",
    "Content-Length: 2\r\nContent-Encoding: gzip", "Content-Length: 2\r\nConnection: Upgrade\r\nUpgrade: h2c",
    "X: Content-Length: 9\r\nContent-Length: 2",
]  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.sampled_from(FIRST_LINES),
            st.sampled_from(["Date: 1", "Date: 22", "date: 1", "X-Id: a\r\nDate: 1", "X-Id: b\r\nDate: 1"]),
            st.sampled_from(FRAMINGS),
            st.sampled_from([b"{}", b"[]", b"", b"{}{}", b"0\r\n\r\n", b'{"code":123}']),
        ),
        max_size=8,
    )
)
def test_what_is_known_of_heads_changes_no_answer(answers: list[tuple[str, str, str, bytes]]) -> None:
    heads = KnownHeads()
    for first_line, other, framing, body in answers:
        data = f"{first_line}\r\n{other}\r\n{framing}\r\n\r\n".encode() + body
        head_ends = len(data) - len(body) - 4
        for pieces in ([data], [data, data], [data[:-1], data[-1:]], [data[:head_ends], data[head_ends:]]):
            parsed = outcome(pieces, Unlearned())
            assert outcome(pieces, heads) == parsed
            assert outcome(pieces, None) == parsed  # by the compiled core, if built


def test_an_answer_of_a_known_head_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = ResponseReader(MOST, KnownHeads())
    for second, body in enumerate([b'{"a":1}', b'{"a":2}', b'{"a":34}']):
        reply = reader.feed(head(200, f"X-Id: {second:x}fe", f"Content-Length: {len(body)}", "Connection: x") + body)
        assert reply is not None
        assert (reply.status, reply.body, reply.headers["x-id"]) == (200, body, f"{second}fe")
        monkeypatch.setattr(reader, "_feed", None)  # not needed from now on


def test_what_is_known_of_heads_is_bounded() -> None:
    reader = ResponseReader(MOST, heads := KnownHeads())
    for number in range(20):
        reply = reader.feed(head(200, f"X{number}: 1", "Content-Length: 2") + b"{}")
        assert reply is not None
    assert len(heads._matches) == 4


@given(answers(), st.integers(0, 400), st.binary(min_size=0, max_size=3))
@example((head(200, "Content-Length: 2") + b"{}", 200, b"{}"), 31, b"\x0d")
def test_a_damaged_answer_is_read_as_the_parser_reads_it(
    answer: tuple[bytes, int, bytes], at: int, damage: bytes
) -> None:
    data = answer[0]
    at %= len(data)
    for pieces in ([data[:at] + damage + data[at:]], [data[:at] + damage + data[at + len(damage) :]], [data[:at]]):
        assert outcome(pieces, None) == outcome(pieces, Unlearned())


@given(answers(), st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_a_damaged_answer_never_crashes(answer: tuple[bytes, int, bytes], at: int, damage: bytes) -> None:
    data = answer[0]
    at %= len(data)
    reader = ResponseReader(MOST)
    try:
        reply = reader.feed(data[:at] + damage + data[at + len(damage) :]) or reader.end()
    except ProtocolError:
        return
    assert reply is None or isinstance(reply.body, bytes)


USUAL = head(200, "Content-Length: 2") + b"{}"


@pytest.mark.parametrize(
    ("data", "is_reusable"),
    [
        (USUAL, True),
        (USUAL + b"\r\n", True),  # some servers end a body so
        (USUAL + b"H", False),
        (USUAL + USUAL, False),
        (USUAL + b"\x00", False),
        (head(200, "Content-Length: 2", "Connection: close") + b"{}", False),
        (USUAL.replace(b"1.1", b"1.0"), False),
        (head(204), True),
    ],
)
def test_a_connection_is_used_again_only_where_nothing_came_unasked(data: bytes, is_reusable: bool) -> None:
    reader = ResponseReader(MOST)
    assert reader.feed(data) is not None
    assert reader.is_reusable is is_reusable


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ([head(200), b"until", b" the end"], b"until the end"),
        ([head(200) + b"{}"], b"{}"),
        ([head(200, "Content-Length: 5") + b"abc"], None),
        ([head(200, "Transfer-Encoding: chunked") + b"5\r\nabc"], None),
        ([head(200)[:-3]], None),
        ([b"HTTP/1.1 100 Continue\r\n\r\n"], None),
        ([b""], None),
    ],
)
def test_the_end_of_the_connection_ends_what_lasts_until_then(pieces: list[bytes], body: bytes | None) -> None:
    reader = ResponseReader(MOST)
    assert not any(reader.feed(piece) for piece in pieces)
    reply = reader.end()
    assert (reply.body if reply else None) == body
    assert not reader.is_reusable


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([head(200, "Content-Length: 3000") + b"x" * 3000], "larger than max_response_bytes 2000"),
        ([head(200, "Content-Length: 3000"), b"x" * 1500, b"x" * 1500], "larger than max_response_bytes 2000"),
        ([head(200), b"x" * 1500, b"x" * 1500], "larger than max_response_bytes 2000"),
        ([head(200, "X: " + "x" * MAX_HEAD_BYTES, "Content-Length: 0")], "the head of the answer is larger"),
        ([head(200, "X: " + "x" * MAX_HEAD_BYTES)[:100], b"x" * MAX_HEAD_BYTES], "the head of the answer is larger"),
        ([head(200, "Content-Encoding: gzip", "Content-Length: 3") + b"abc"], "cannot be decompressed"),
        ([head(200, "Content-Encoding: br", "Content-Length: 3") + b"abc"], "encoded in 'br', which was not requested"),
        ([head(200, "Content-Length: 2", "Content-Length: 3") + b"{}"], "not HTTP"),
        ([head(200, "Content-Length: 2", "Transfer-Encoding: chunked") + b"{}"], "not HTTP"),
        ([b"SSH-2.0-OpenSSH\r\n"], "not HTTP"),
    ],
)
def test_what_is_wrong_is_named(pieces: list[bytes], words: str) -> None:
    reader = ResponseReader(MOST)
    *early, last = pieces
    assert not any(reader.feed(piece) for piece in early)
    with pytest.raises(ProtocolError, match=words):
        reader.feed(last)


def test_a_truncated_compressed_body_and_a_bomb_are_errors() -> None:
    for packed, words in [(gzip.compress(b"x" * 100)[:-9], "truncated"), (gzip.compress(b"x" * 5000), "larger than")]:
        data = head(200, "Content-Encoding: gzip", f"Content-Length: {len(packed)}") + packed
        with pytest.raises(ProtocolError, match=words):
            ResponseReader(MOST).feed(data)


def test_header_names_have_any_case_and_the_first_of_several_counts() -> None:
    reply = ResponseReader(MOST).feed(head(200, "RETRY-after: 7", "retry-after: 8", "Content-Length: 2") + b"{}")
    assert reply is not None
    assert reply.headers["Retry-After"] == "7"
    assert "x-other" not in reply.headers
    assert set(reply.headers) == {"retry-after", "content-length"}
    assert len(reply.headers) == 2
