"""TCP acknowledgements: did the host receive what was written? The kernel counts them for each connection."""

from __future__ import annotations

import asyncio
import socket
import struct

_UNACKED = struct.Struct("=I")
_UNACKED_AT = 24
"""`tcpi_unacked` in Linux' `struct tcp_info`: after eight single bytes and four other counts."""
_INFO = getattr(socket, "TCP_INFO", None)


def is_undelivered(transport: asyncio.BaseTransport | None) -> bool:
    """Return True if written bytes have certainly not reached the host yet.

    Every TCP segment acknowledges what its sender has received. While a request is not acknowledged, every byte that
    can be read was sent before that request arrived, and answers another one. This needs no estimate of the round trip.
    False where the kernel does not know: outside Linux, and on a closed connection.
    """
    sock = transport.get_extra_info("socket") if transport is not None else None
    if _INFO is None or sock is None:
        return False
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _INFO, _UNACKED_AT + _UNACKED.size)
    except OSError:
        return False
    return len(info) == _UNACKED_AT + _UNACKED.size and _UNACKED.unpack_from(info, _UNACKED_AT)[0] > 0
