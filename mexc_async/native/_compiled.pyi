"""The compiled core, which `_compiled.pyx` builds. Its arguments have the types of its Python twins."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from decimal import Decimal
from typing import Any, TypeGuard

faults: list[str]
"""Assumptions about the interpreter and its libraries that do not hold here; Python does what rests on them."""

has_sha256: bool
"""True if libcrypto's SHA-256 was found and works."""

def escape(text: str) -> str:
    """Percent-encode a text."""

def is_amount(value: object) -> TypeGuard[Decimal]:
    """Return True for a common amount, without a full check."""

def order_text(name: str, price: Decimal, quantity: Decimal, middle: str, timestamp_ms: int, end: str) -> str | None:
    """Return an order's query; None if the order is unusual."""

def names_code(body: bytes) -> bool:
    """Return True if a body contains `"code"`."""

def ordinary_body(data: bytes) -> bytes | None:
    """Return the body of one whole, ordinary answer; None for any other."""

class KnownForms:
    """Quick check of common orders: True if an order certainly passes the checks."""

    def __init__(self, kind: type, forms: object) -> None: ...
    def __call__(self, order: Any) -> bool: ...

class Filler:
    """Maker of orders from a pattern, a price and a quantity; None for an order that needs the full checks."""

    def __init__(self, pattern: Any, new_id: Callable[[], str | None]) -> None: ...
    def __call__(self, price: Decimal | int | str | None, quantity: Decimal | int | str | None) -> Any: ...

class Hmac:
    """HMAC-SHA256 signer from a key's padded inner and outer block."""

    def __init__(self, inner: bytes, outer: bytes) -> None: ...
    def sign(self, message: bytes) -> str: ...
    def signed(self, path: str, query: str) -> str: ...

class Reader:
    """Decoder of a message type."""

    def __init__(self, message: Any, packs: bool = False) -> None: ...
    decode: Callable[[bytes], Any]

class Dispatch:
    """Fast path of an ordinary push of a public channel."""

    def __init__(
        self,
        reader: Reader,
        push_type: type,
        subscribers: dict[str, Any],
        packed: set[bytes],
        on_error: Callable[[Any, Any, Exception], None],
        most_bytes: int,
    ) -> None: ...
    def __call__(self, frame: bytes, now: float) -> bool: ...

class Packed:
    """Levels in their wire format."""

class Side:
    """One side of a book."""

    def __init__(self, sign: int) -> None: ...
    def load(self, levels: Any) -> None: ...
    def apply(self, levels: Any) -> None: ...
    def best_price(self) -> tuple[int, int] | None: ...
    def best(self, numbers: Any) -> Any: ...
    def read(self, numbers: Any) -> Iterator[Any]: ...

Bucket: Any
Duration: Any
Gate: Any

class Wire:
    """The common part of a connection."""

class Call:
    """A request in flight."""

class Started:
    """A call that has passed the limits and is written next, without a task switch in between."""

    def write(self) -> Awaitable[Any]: ...
    def give_up(self) -> None: ...
    def answer(self, reply: Callable[[], Any]) -> Any: ...

class Express:
    """Fast path of a call over the order lane."""

    def __init__(
        self,
        api: object,
        lane: object,
        hmac: Hmac | None,
        order_type: type,
        reply_type: type,
        forms: object,
        decoder_of: object,
        result_type: object,
        window_ms: object,
    ) -> None: ...
    def deliver(self, request: Any, options: Any) -> Coroutine[Any, Any, Any]: ...
    def carry_out(self, call: Any, options: Any) -> Coroutine[Any, Any, Any]: ...
    def begin(self, call: Any, options: Any) -> Started | None: ...

class Appender:
    """Chained entries on their way into a file."""

    fd: int
    size: int
    look_at_ms: int
    most_bytes: int
    held: object
    secrets: tuple[bytes, ...]
    @property
    def last(self) -> tuple[int, str]: ...
    def begin(self, fd: int, size: int, seq: int, digest: str) -> None: ...
    def turn(self, fd: int) -> None: ...
    def end(self) -> None: ...
    def add(self, content: bytes) -> None: ...
    def flush(self, is_synced: bool) -> None: ...
    def take(self) -> list[bytes]: ...

class QuickEntries:
    """Entries of usual orders and cancels of one client; False where Python has to make the entry."""

    def __init__(
        self,
        log: object,
        client: str,
        order_type: type,
        cancel_type: type,
        wall_ms: Callable[[], int] | None,
    ) -> None: ...
    def sending(self, call: object, attempt: int, at: int, until: int) -> bool: ...
    def done(
        self, call: object, attempt: int, wait_s: float, latency_s: float, status: int | None, answer: object
    ) -> bool: ...
    def placed(self, call: object, name: str, order_id: str | None) -> bool: ...
