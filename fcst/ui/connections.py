"""Connection limits that the ASGI application cannot set: time and size of request heads, message size, keep-alive.

uvicorn waits forever for the rest of a request head, accepts websocket messages as large as the largest that the server
may send, and closes a connection after 5 s without a request. Many clients do the same after 5 s, and a request sent at
that moment is lost. This module patches uvicorn's HTTP classes: Streamlit creates the server and offers no other way.
"""

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 20.0
"""Seconds within which the head of a request must arrive."""
HEAD_BYTES = 65_536
KEEP_ALIVE_S = 75.0
"""Seconds that a connection may be idle between two requests; clients close theirs much earlier."""
MAX_OPEN_FILES = 65_536


class _Head:
    """Limits time and size of the non-body bytes of a connection: request heads, and trailers of chunked bodies."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.n_received = 0
        self.n_body = 0
        self.timer: asyncio.TimerHandle | None = None

    def check(self) -> None:
        """Checks the limits after more bytes arrived."""
        transport, cycle = self.protocol.transport, self.protocol.cycle
        if transport.is_closing() or transport.get_protocol() is not self.protocol:  # closed, or now a websocket
            self.end()
            return
        # Chunked bodies have a length before each chunk. The parser buffers all other bytes, also during a response.
        if self.n_received > HEAD_BYTES + 2 * self.n_body:
            transport.close()
        is_responding = cycle is not None and not cycle.response_complete
        if is_responding:
            self.end()
        elif self.timer is None:
            self.timer = self.protocol.loop.call_later(HEAD_S, self.expire)

    def end(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def expire(self) -> None:
        self.timer = None
        if self.protocol.transport.get_protocol() is self.protocol:
            self.protocol.transport.close()


def limit_connections(most_message_bytes: int) -> None:
    """Limits time and size of request heads, and the size of websocket messages. Call it once per process."""
    for kind in (HttpToolsProtocol, H11Protocol):
        _limit_time(kind, most_message_bytes)
    _count_bytes(HttpToolsProtocol)  # h11 has its own limit


def _limit_time(kind: Any, most_message_bytes: int) -> None:
    connect, receive, lose = kind.connection_made, kind.data_received, kind.connection_lost

    def connection_made(self: Any, transport: asyncio.Transport) -> None:
        self.config.ws_max_size = min(self.config.ws_max_size, most_message_bytes)
        self.timeout_keep_alive = KEEP_ALIVE_S
        connect(self, transport)
        self.head = _Head(self)
        self.head.check()

    def data_received(self: Any, data: bytes) -> None:
        receive(self, data)
        self.head.check()

    def connection_lost(self: Any, exc: Exception | None) -> None:
        self.head.end()
        lose(self, exc)

    kind.connection_made, kind.data_received, kind.connection_lost = connection_made, data_received, connection_lost


def _count_bytes(kind: Any) -> None:
    receive, begin, add = kind.data_received, kind.on_message_begin, kind.on_body

    def data_received(self: Any, data: bytes) -> None:
        self.head.n_received += len(data)
        receive(self, data)

    def on_message_begin(self: Any) -> None:
        self.head.n_received = self.head.n_body = 0
        begin(self)

    def on_body(self: Any, body: bytes) -> None:
        self.head.n_body += len(body)
        add(self, body)

    kind.data_received, kind.on_message_begin, kind.on_body = data_received, on_message_begin, on_body


def raise_file_limit() -> None:
    """Raises the limit of open files of this process to the highest allowed value; few systems do so by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
