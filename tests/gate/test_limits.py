"""Resource limits: sessions, message sizes, incomplete requests, open files."""

import contextlib
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed

from fcst.ui.access_control import MAX_SESSIONS_PER_ADDRESS, MAX_SESSIONS_PER_USER
from fcst.ui.connections import HEAD_BYTES, HEAD_S
from tests.api.conftest import ApiServer
from tests.conftest import wait_until
from tests.gate.sessions import SECRET, cookie, session, status_of_session
from tests.servers import free_port, serve_own


@contextlib.contextmanager
def half_sent(port: int, data: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=2 * HEAD_S) as sock:
        sock.sendall(data)
        yield sock


def is_closed(sock: socket.socket) -> bool:
    """Whether the server closes the connection; reads remaining data first."""
    try:
        while sock.recv(65_536):
            pass
    except TimeoutError:
        return False
    except OSError:  # it was reset
        return True
    return True


@pytest.mark.full
def test_incomplete_request_head_times_out(api: ApiServer) -> None:
    """An empty head, a head without its last line, and an endless head."""
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    begun = [b"", b"\r\n", b"GET", b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"POST /api/jobs HTTP/1.1\r\nHost: l"]
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(half_sent(api.port, data)) for data in begun]
        after = stack.enter_context(half_sent(api.port, whole))  # the second request of a connection
        assert after.recv(65_536).startswith(b"HTTP/1.1 200")
        after.sendall(b"GET / HTTP/1.1\r\nX-1: ")
        slow = stack.enter_context(half_sent(api.port, b"GET / HTTP/1.1\r\n"))
        with pytest.raises(OSError, match="Broken pipe|reset"):
            for _ in range(1_000):  # longer than the timeout of a head
                slow.sendall(b"X: y\r\n")
                time.sleep(0.2)
        assert all(is_closed(sock) for sock in (*silent, after))
    assert api.get("/healthz").status_code == 200


@pytest.mark.full
def test_idle_connection_is_kept_longer_than_clients_keep_it(api: ApiServer) -> None:
    """Clients keep idle connections for 5 s. If the server closed them then, a request sent at that time would fail."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as sock:
        for _ in range(2):
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok\n") and (more := sock.recv(65_536)):
                answer += more
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(7)


@pytest.mark.full
def test_request_head_has_a_size_limit(api: ApiServer) -> None:
    with half_sent(api.port, b"GET / HTTP/1.1\r\nHost: localhost\r\n") as sock:
        line = b"X: " + b"y" * 1_000 + b"\r\n"
        with contextlib.suppress(OSError):
            for _ in range(3 * HEAD_BYTES // len(line)):
                sock.sendall(line)
        answer = b""
        with contextlib.suppress(OSError):
            answer = sock.recv(65_536)
        assert not answer.startswith(b"HTTP/1.1 200")
        assert is_closed(sock)
    assert api.get("/healthz", headers={"X": "y" * 30_000}).status_code == 200


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /static/js/none.js HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["a head after a request", "a trailer after a body", "an endless line"],
)
def test_headers_and_trailers_have_a_size_limit(api: ApiServer, begin: bytes) -> None:
    with half_sent(api.port, begin) as sock, pytest.raises(OSError, match="Broken pipe|reset"):
        for _ in range(1_000):
            sock.sendall(b"X-Y: " + b"y" * 4_000 + (b"" if begin.endswith(b"chunked\r\n\r\n") else b"\r\n"))
    assert api.get("/healthz").status_code == 200


def test_body_in_small_pieces_is_read(api: ApiServer) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"dataset": "nothing", "note": "'
        for _ in range(5_000):
            yield b"x" * 20
        yield b'"}'

    assert api.post("/api/jobs", content=pieces()).status_code == 422


@pytest.mark.full
def test_slow_request_and_open_session_are_not_cut_off(api: ApiServer) -> None:
    with session(api.port) as visitor, half_sent(api.port, b"") as sock:
        visitor.run()
        body = b'{"dataset": "nothing"}'
        head = f"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        sock.sendall(head)
        for byte in body:  # slower than the timeout of a head
            time.sleep((HEAD_S + 2) / len(body))
            sock.sendall(bytes([byte]))
        assert sock.recv(100).startswith(b"HTTP/1.1 422")
        visitor.run()


@pytest.mark.parametrize("size", [1_200_000, 24_000_000])
def test_too_large_message_ends_its_session(api: ApiServer, size: int) -> None:
    with session(api.port) as visitor:
        visitor.run()
        large = WidgetState(id="$$ID-x-None", string_value="x" * size)
        with pytest.raises((ConnectionClosed, ConnectionError, EOFError)):
            visitor.run(widgets=[large])
    with session(api.port) as visitor:
        visitor.run(widgets=[WidgetState(id="$$ID-x-None", string_value="x" * 500_000)])


@pytest.mark.full
def test_sessions_per_address_are_limited(api: ApiServer, secured_api: ApiServer) -> None:
    for server in (api, secured_api):
        with contextlib.ExitStack() as stack:
            for _ in range(MAX_SESSIONS_PER_ADDRESS):
                stack.enter_context(session(server.port, "no cookie of ours"))
            assert status_of_session(server.port) == 429
            assert server.get("/healthz").status_code == 200
            if server is secured_api:  # signed-in users are counted separately
                assert status_of_session(server.port, user=cookie(SECRET, "ada@shop.example")) == 101
        wait_until(lambda port=server.port: status_of_session(port) == 101)


@pytest.mark.full
def test_sessions_per_user_are_limited(secured_api: ApiServer) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_SESSIONS_PER_USER):
            stack.enter_context(session(secured_api.port, cookie(SECRET, "ada@shop.example")))
        assert status_of_session(secured_api.port, user=cookie(SECRET, "ada@shop.example")) == 429
        assert status_of_session(secured_api.port) == 101


@pytest.mark.full
def test_server_raises_its_limit_of_open_files(place: Path) -> None:
    """Each page needs four; the default soft limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, hard))
    try:
        process = serve_own(place, free_port())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        found = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        assert found[0] == min(found[1], 65_536) > 1_024
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)
