"""The socket that a site is served on."""

from __future__ import annotations

import socket


def listen(host: str, port: int, backlog: int = 256) -> socket.socket:
    """A TCP listener whose connections send at once. Raises OSError.

    asyncio does that only for sockets that name their protocol, which those of create_server do
    not: without it every answer of two packets waits 40 ms for the other side's acknowledgement.
    """
    listener = socket.create_server((host, port), backlog=backlog)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited by what it accepts
    return listener
