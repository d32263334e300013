"""Limits of each connection to the server, which its ASGI application cannot see: heads of requests, large messages,
and how long it waits for another request.

uvicorn waits for ever for the rest of a request's head, takes messages as large as the largest that the server may
send, and closes a connection that has been idle for 5 s, as many clients do: a request that is sent in that moment is
lost. Its classes for HTTP are changed here in place: Streamlit makes the server, and leaves no other way.
"""

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 20.0
"""Seconds within which the head of a request must have come."""
HEAD_BYTES = 65_536
KEEP_ALIVE_S = 75.0
"""Seconds for which a connection may be idle between two requests; clients close theirs well before."""
MOST_FILES = 65_536


class _Head:
    """Watches one connection for what is no body: heads of requests, and what may stand behind a body in pieces."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.n_received = 0
        self.n_body = 0
        self.timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """After more has come."""
        transport, cycle = self.protocol.transport, self.protocol.cycle
        if transport.is_closing() or transport.get_protocol() is not self.protocol:  # it ends, or is a websocket now
            self.end()
            return
        # Bodies may come in small pieces, each with its length. The parser keeps all else, also while we answer.
        if self.n_received > HEAD_BYTES + 2 * self.n_body:
            transport.close()
        is_answering = cycle is not None and not cycle.response_complete
        if is_answering:
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
    """Gives heads of requests a limit of time and size, and messages of websockets one of size; once for a process."""
    for kind in (HttpToolsProtocol, H11Protocol):
        _limit_time(kind, most_message_bytes)
    _count_bytes(HttpToolsProtocol)  # the other has a limit of its own


def _limit_time(kind: Any, most_message_bytes: int) -> None:
    connect, receive, lose = kind.connection_made, kind.data_received, kind.connection_lost

    def connection_made(self: Any, transport: asyncio.Transport) -> None:
        self.config.ws_max_size = min(self.config.ws_max_size, most_message_bytes)
        self.timeout_keep_alive = KEEP_ALIVE_S
        connect(self, transport)
        self.head = _Head(self)
        self.head.look()

    def data_received(self: Any, data: bytes) -> None:
        receive(self, data)
        self.head.look()

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
    """Lets this process open as many files as it is allowed to: few systems do so by themselves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
