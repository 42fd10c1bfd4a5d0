"""The call log: the content of its lines, their chain, and the check of the chain.

A line is one JSON object. It begins with its `kind` and that kind's content. It ends with `seq`, which counts from 1
through all files and restarts, `prev`, the `hash` of the line before, and its own `hash`: the first 32 hex digits of
the SHA-256 of the object without it. So the check finds a line that was changed, removed, inserted or moved. It also
finds a missing end: a closed log ends with a line that says so, and a small file next to it holds the number and the
hash of the last line written. A log that continues after a missing end counts on from there, so that the gap stays
visible.

The chain proves that nothing was lost or altered by accident, and that nobody altered a line without recomputing every
later hash. It is no signature. It contains no secret, so whoever may write the files can write another history with an
intact chain, or remove the oldest files as rotation does. To exclude that, store the last hash where the writer cannot
reach it, such as in a message to somebody else: a history with another last hash is another history.

Nothing here opens a file or reads a clock.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from mexc_async.orders.record import OrderFill
from mexc_async.orders.snapshot import OrderFacts, RecordedError


class _Placed(Struct, kw_only=True, gc=False, omit_defaults=True, tag_field="kind"):
    """Place of a line in the chain; set when it is written."""

    seq: int = 0
    prev: str = ""


class Entry(_Placed, gc=False, omit_defaults=True):
    """Fields of every line."""

    at: int
    """Milliseconds UTC by the exchange's clock, as far as known; for a call that is sent, its time stamp."""
    wall: int
    """Milliseconds UTC by the clock of the machine."""


class Opened(Entry, gc=False, omit_defaults=True, tag="opened"):
    """Start of a process's lines."""

    format: int
    """Format of the lines, 1 so far."""
    pid: int
    cut: int = 0
    """Bytes of an incomplete last line that were removed."""


class Closed(Entry, gc=False, omit_defaults=True, tag="closed"):
    """End of the log: the last client was closed."""


class Lost(Entry, gc=False, omit_defaults=True, tag="lost"):
    """Lines that could not be written, and were too many to buffer."""

    count: int


class Renamed(Entry, gc=False, omit_defaults=True, tag="renamed"):
    """New name of a client, because its key was replaced."""

    client: str
    now: str


class Sending(Entry, gc=False, omit_defaults=True, tag="sending"):
    """Call that changes something and is about to be sent; its `done` line has the result."""

    client: str
    """Prefix of the order ids and a fingerprint of the key: the same after a restart."""
    call: int
    """Number of the call among the client's calls in one process."""
    endpoint: str
    """Method and path."""
    params: dict[str, str]
    """Parameters as sent, without secrets."""
    until: int
    """Last moment, by the exchange's clock, at which it can be accepted."""
    order: str | None = None
    """Client order id; for a batch those of its orders, joined by commas."""
    attempt: int = 1


class Done(Entry, gc=False, omit_defaults=True, tag="done"):
    """End of an attempt of a call."""

    client: str
    endpoint: str
    outcome: str
    """`ok`, `refused` by the exchange, `failed` with nothing changed, or `unknown`."""
    latency_us: int
    """From signing to the decoded answer."""
    waited_us: int
    """Wait in the limiter."""
    call: int = 0
    """Number of its `sending` line; 0 if there is none, because it changes nothing or could not be sent."""
    status: int | None = None
    """HTTP status, if there was an answer."""
    order: str | None = None
    order_id: str | None = None
    """The exchange's id of the order in the answer."""
    attempt: int = 1
    params: dict[str, str] = {}
    """Parameters, if no `sending` line has them."""
    error: RecordedError | None = None
    placed: dict[str, str | None] = {}
    """Orders that the exchange has, by this answer: its ids by the client's."""


class Pushed(Entry, gc=False, omit_defaults=True, tag="push"):
    """Private push, or the REST answer in its place."""

    client: str
    channel: str
    body: object
    symbol: str | None = None
    order: str | None = None
    """Client order id."""
    order_id: str | None = None
    sent: int | None = None
    """Time at which the exchange sent it; None if it came from REST."""


class OrderChanged(Entry, gc=False, omit_defaults=True, tag="order"):
    """News of an order, other than that it was `placed`, with all that is known now."""

    client: str
    facts: OrderFacts
    fill: OrderFill | None = None
    """The new trade, if that is the news."""


class Anomaly(Entry, gc=False, omit_defaults=True, tag="unusual"):
    """Activity that is not this client's own, or unusual for it."""

    client: str
    rule: str
    text: str
    order: str | None = None
    order_id: str | None = None
    symbol: str | None = None


AnyEntry: TypeAlias = Opened | Closed | Lost | Renamed | Sending | Done | Pushed | OrderChanged | Anomaly

_SECRET = re.compile("key|secret|password|passphrase|token|signature", re.IGNORECASE)
_HARMLESS = {"symbol", "side", "type", "quantity", "price", "quoteOrderQty", "newClientOrderId", "stpMode"}
_HARMLESS |= {"orderId", "origClientOrderId"}
"""Names that need no second look: those of orders, whose logging has to be cheap."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AnyEntry).decode


def public(params: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return parameters without the values of keys, listen keys, passwords and the like."""
    found = dict(params)
    if _HARMLESS.issuperset(found):
        return found
    return {name: "***" if _SECRET.search(name) else value for name, value in found.items()}


def decode_entry(line: bytes) -> AnyEntry | None:
    """Decode a line; return None if it is no line of a call log, or of a kind that this release does not know."""
    try:
        entry: AnyEntry = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return entry


# The chain


class ChainLink(Struct, frozen=True, gc=False):
    """Link for the next line: number and hash of the last."""

    seq: int
    hash: str


START = ChainLink(0, "0" * 32)
"""Link before the first line."""
_LINE = re.compile(
    rb'(\{"kind":"[a-z]+",.*,"seq":([0-9]{1,18}),"prev":"([0-9a-f]{32})"),"hash":"([0-9a-f]{32})"\}\n?', re.DOTALL
)


def chained(last: ChainLink, entries: Iterable[Entry], secrets: Iterable[bytes] = ()) -> tuple[bytes, ChainLink]:
    """Return the lines of entries that follow `last`, without `secrets`, and the link for the next one."""
    seq, digest = last.seq, last.hash
    encode, sha256 = _encode, hashlib.sha256
    lines = []
    for entry in entries:
        seq += 1
        entry.seq, entry.prev = seq, digest
        text = encode(entry)
        for secret in secrets:
            if secret in text:
                text = text.replace(secret, b"***")
        digest = sha256(text).hexdigest()[:32]
        lines.append(b'%b,"hash":"%b"}\n' % (text[:-1], digest.encode()))
    return b"".join(lines), ChainLink(seq, digest)


def link_of(line: bytes) -> ChainLink | None:
    """Return number and hash as stated in a line; None if it is no complete line of a call log."""
    found = _LINE.fullmatch(line)
    return None if found is None else ChainLink(int(found[2]), found[4].decode())


def _lines(count: int) -> str:
    return "1 line is" if count == 1 else f"{count} lines are"


class Problem(NamedTuple):
    """Place where the chain is broken."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


class ChainCheck:
    """Check of a log's lines, in their order, for breaks in the chain."""

    def __init__(self) -> None:
        self.lines = 0
        self.first: ChainLink | None = None
        """Link of the first line; if its number is not 1, the lines before it were removed with their files."""
        self.last = START
        self.is_closed = False
        """True if the last line says that the log was closed."""
        self.problems: list[Problem] = []

    def take(self, line: bytes, where: str) -> None:
        """Check the next line; `where` is its place in the problems."""
        self.lines += 1
        self.is_closed = False
        found = _LINE.fullmatch(line)
        if found is None:
            is_cut = not line.endswith(b"\n")
            self._found(where, "the line is cut short" if is_cut else "this is no line of a call log")
            return
        text, seq, prev, digest = found[1], int(found[2]), found[3].decode(), found[4].decode()
        if self.first is None:
            self.first = ChainLink(seq, digest)
            if seq != 1:  # earlier files were removed, or are not checked
                self.last = ChainLink(seq - 1, prev)
        if hashlib.sha256(text + b"}").hexdigest()[:32] != digest:
            self._found(where, f"line number {seq} was changed: its hash does not fit its content")
        elif seq > self.last.seq + 1:
            self._found(where, f"{_lines(seq - self.last.seq - 1)} missing before line number {seq}")
        elif seq <= self.last.seq:
            self._found(where, f"line number {seq} is out of order: it follows number {self.last.seq}")
            return
        elif prev != self.last.hash:
            self._found(where, f"line number {seq} does not follow the line before it, which was replaced")
        self.last = ChainLink(seq, digest)
        if b'"kind":"closed"' in line:
            self.is_closed = isinstance(decode_entry(line), Closed)

    def end(self, head: ChainLink | None, where: str) -> None:
        """Check the end. `head` is the last line written, where that is known."""
        if head is not None and head.seq > self.last.seq:
            missing = _lines(head.seq - self.last.seq)
            self._found(where, f"{missing} missing at the end, after line number {self.last.seq}")
        elif head is not None and head.seq == self.last.seq and head.hash != self.last.hash:
            self._found(where, f"the last line is not the one that was written as number {head.seq}")
        elif head is None and not self.is_closed:
            text = "the log does not end as a closed one does, and its head file does not have the last line"
            self._found(where, f"{text}: lines may be missing at the end")

    def _found(self, where: str, text: str) -> None:
        self.problems.append(Problem(where, text))
