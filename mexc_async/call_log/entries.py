"""Entries of the call log: the content of each kind, and their encodings.

Files hold entries as MessagePack maps (`records.py`); a JSON line is the same map in text. Both have the same names,
and omit fields that have their default. Nothing here opens a file or reads a clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

import msgspec
from msgspec import Struct

from mexc_async.orders.record import OrderFill
from mexc_async.orders.snapshot import OrderFacts, RecordedError


class _Chained(Struct, kw_only=True, gc=False, omit_defaults=True, tag_field="kind"):
    """Place of an entry in the chain, where it is shown as JSON."""

    seq: int = 0
    prev: str = ""


class Entry(_Chained, gc=False, omit_defaults=True):
    """Fields of every entry."""

    at: int
    """Milliseconds UTC by the exchange's clock, as far as known; for a call that is sent, its time stamp."""
    wall: int
    """Milliseconds UTC by the clock of the machine."""


class Opened(Entry, gc=False, omit_defaults=True, tag="opened"):
    """Start of a process's entries."""

    format: int
    """Format of the entries: `FORMAT`, or 1 for JSON lines."""
    pid: int
    cut: int = 0
    """Bytes of an incomplete last entry that a crash of the machine left, and that are no part of the log."""


class Closed(Entry, gc=False, omit_defaults=True, tag="closed"):
    """End of the log: the last client was closed."""


class Lost(Entry, gc=False, omit_defaults=True, tag="lost"):
    """Entries that could not be written, and were too many to buffer."""

    count: int


class Renamed(Entry, gc=False, omit_defaults=True, tag="renamed"):
    """New name of a client, because its key was replaced."""

    client: str
    now: str


class Sending(Entry, gc=False, omit_defaults=True, tag="sending"):
    """Call that changes something and is about to be sent; its `done` entry has the result."""

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
    """Number of its `sending` entry; 0 if there is none, because it changes nothing or could not be sent."""
    status: int | None = None
    """HTTP status, if there was an answer."""
    order: str | None = None
    order_id: str | None = None
    """The exchange's id of the order in the answer."""
    attempt: int = 1
    params: dict[str, str] = {}
    """Parameters, if no `sending` entry has them."""
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
FORMAT = 2
"""Present format of the files: records of `records.py`. Format 1 was JSON lines."""
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(AnyEntry).decode
_to_json = msgspec.json.Encoder().encode
_of_json = msgspec.json.Decoder(AnyEntry).decode


def public(params: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return parameters without the values of keys, listen keys, passwords and the like."""
    found = dict(params)
    if _HARMLESS.issuperset(found):
        return found
    return {name: "***" if _SECRET.search(name) else value for name, value in found.items()}


def packed(entry: Entry, secrets: Iterable[bytes] = ()) -> bytes:
    """Return an entry as a MessagePack map, with every secret in it replaced by `***`."""
    data = _pack(entry)
    for secret in secrets:
        if secret in data:
            data = _pack(_masked(msgspec.msgpack.decode(data), secret.decode()))
    return data


def _masked(value: object, secret: str) -> object:
    """Replace a secret in every text of a value."""
    if isinstance(value, str):
        return value.replace(secret, "***")
    if isinstance(value, dict):
        return {_masked(name, secret): _masked(item, secret) for name, item in value.items()}
    return [_masked(item, secret) for item in value] if isinstance(value, list) else value


def unpacked(data: bytes) -> AnyEntry | None:
    """Decode a MessagePack map; return None if it is no entry, or of a kind that this release does not know."""
    try:
        entry: AnyEntry = _unpack(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return entry


def of_json(line: bytes) -> AnyEntry | None:
    """Decode a JSON line; return None if it is no entry, or of a kind that this release does not know."""
    try:
        entry: AnyEntry = _of_json(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return entry


def json_line(entry: Entry, seq: int, prev: str, digest: str) -> bytes:
    """Return an entry as a JSON line, with its number, the hash of the entry before it, and its own."""
    entry.seq, entry.prev = seq, prev
    return b'%b,"hash":"%b"}\n' % (_to_json(entry)[:-1], digest.encode())
