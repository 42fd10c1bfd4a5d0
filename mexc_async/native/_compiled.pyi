"""The compiled core, which `_compiled.pyx` builds. The types of its arguments are those of its Python twins."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from decimal import Decimal
from typing import Any

has_sha256: bool
"""Whether libcrypto's SHA-256 was found and does what it should."""

def escape(text: str) -> str:
    """Percent-encode."""

def is_amount(value: object) -> bool:
    """Whether it surely is an amount."""

def order_text(name: str, price: Decimal, quantity: Decimal, middle: str, timestamp_ms: int, end: str) -> str | None:
    """An order's query, where it is an ordinary one."""

def names_code(body: bytes) -> bool:
    """Whether `"code"` stands anywhere in it."""

def ordinary_body(data: bytes) -> bytes | None:
    """The body, if this is one whole ordinary answer."""

class KnownForms:
    """Whether an order surely passes the checks."""

    def __init__(self, kind: type, forms: object) -> None: ...
    def __call__(self, order: Any) -> bool: ...

class Filler:
    """Makes orders of a pattern, a price and a quantity; None of those that are to be checked."""

    def __init__(self, pattern: Any, new_id: Callable[[], str | None]) -> None: ...
    def __call__(self, price: Decimal | None, quantity: Decimal | None) -> Any: ...

class Hmac:
    """HMAC-SHA256 with a key's padded inner and outer block."""

    def __init__(self, inner: bytes, outer: bytes) -> None: ...
    def sign(self, message: bytes) -> str: ...
    def signed(self, path: str, query: str) -> str: ...

class Reader:
    """A message type's decoder."""

    def __init__(self, message: Any, packs: bool = False) -> None: ...
    decode: Callable[[bytes], Any]

class Dispatch:
    """Hands out an ordinary push of a public channel."""

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
    """Levels as they came."""

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
    """A connection as far as every request needs it."""

class Call:
    """A request on its way."""

class Started:
    """A call that has passed the limits, and is written before anything else happens."""

    def write(self) -> Awaitable[Any]: ...
    def give_up(self) -> None: ...
    def answer(self, reply: Callable[[], Any]) -> Any: ...

class Express:
    """A call by the order lane in one piece."""

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
