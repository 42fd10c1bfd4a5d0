"""The host's own acknowledgement of what was written, as the kernel keeps it for each TCP connection."""

from __future__ import annotations

import asyncio
import socket
import struct

_UNACKED = struct.Struct("=I")
_UNACKED_AT = 24
"""`tcpi_unacked` in Linux' `struct tcp_info`: eight single bytes and four other counts stand before it."""
_INFO = getattr(socket, "TCP_INFO", None)


def is_undelivered(transport: asyncio.BaseTransport | None) -> bool:
    """Return whether bytes that were written have certainly not reached the host yet.

    Every TCP segment says how far its sender has received. So while a request is not acknowledged, whatever can be read
    was sent before that request arrived, and answers something else. No round trip has to be guessed for this. False
    where the kernel cannot say: outside Linux, and on a connection that is closed.
    """
    sock = transport.get_extra_info("socket") if transport is not None else None
    if _INFO is None or sock is None:
        return False
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _INFO, _UNACKED_AT + _UNACKED.size)
    except OSError:
        return False
    return len(info) == _UNACKED_AT + _UNACKED.size and _UNACKED.unpack_from(info, _UNACKED_AT)[0] > 0
