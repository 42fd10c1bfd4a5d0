"""What the compiled core offers; `_compiled.pyx` builds it."""

from collections.abc import Callable
from typing import Any

from mexc_async.core.protobuf import Message

has_sha256: bool
"""Whether libcrypto's SHA-256 was found and does what it should."""

class Hmac:
    """HMAC-SHA256 with a key's padded inner and outer block."""

    def __init__(self, inner: bytes, outer: bytes) -> None: ...
    def sign(self, message: bytes) -> str: ...

class Reader:
    """A message type's decoder."""

    def __init__(self, message: Message[Any]) -> None: ...
    decode: Callable[[bytes], Any]
