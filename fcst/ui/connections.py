"""Limits of each connection to the server, which its ASGI application cannot see: heads of requests, large messages.

uvicorn waits for ever for the rest of a request's head, and takes messages as large as the largest that the server
may send. Its classes for HTTP are changed here in place: Streamlit makes the server, and leaves no other way.
"""

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 20.0
"""Seconds within which the head of a request must have come."""
HEAD_BYTES = 65_536
MOST_FILES = 65_536


class _Head:
    """Watches one connection for the head of its next request."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.n_bytes = 0
        self.timer: asyncio.TimerHandle | None = None

    def look(self, n_bytes: int = 0) -> None:
        """After `n_bytes` more have come."""
        transport, cycle = self.protocol.transport, self.protocol.cycle
        is_answering = cycle is not None and not cycle.response_complete
        if is_answering or transport.is_closing() or transport.get_protocol() is not self.protocol:
            self.end()
            return
        self.n_bytes += n_bytes
        if self.n_bytes > HEAD_BYTES:
            transport.close()
        elif self.timer is None:
            self.timer = self.protocol.loop.call_later(HEAD_S, self.expire)

    def end(self) -> None:
        self.n_bytes = 0
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def expire(self) -> None:
        self.timer = None
        if self.protocol.transport.get_protocol() is self.protocol:
            self.protocol.transport.close()


def limit_connections(most_message_bytes: int) -> None:
    """Gives heads of requests a limit of time and size, and messages of websockets one of size; once for a process."""
    for kind in (HttpToolsProtocol, H11Protocol):
        _limit(kind, most_message_bytes)


def _limit(kind: Any, most_message_bytes: int) -> None:
    connect, receive, lose = kind.connection_made, kind.data_received, kind.connection_lost

    def connection_made(self: Any, transport: asyncio.Transport) -> None:
        self.config.ws_max_size = min(self.config.ws_max_size, most_message_bytes)
        connect(self, transport)
        self.head = _Head(self)
        self.head.look()

    def data_received(self: Any, data: bytes) -> None:
        receive(self, data)
        self.head.look(len(data))

    def connection_lost(self: Any, exc: Exception | None) -> None:
        self.head.end()
        lose(self, exc)

    kind.connection_made, kind.data_received, kind.connection_lost = connection_made, data_received, connection_lost


def raise_file_limit() -> None:
    """Lets this process open as many files as it is allowed to: few systems do so by themselves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
