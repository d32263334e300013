"""What nobody may use up: sessions, messages, half-sent requests, open files."""

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

from fcst.ui.connections import HEAD_BYTES, HEAD_S
from fcst.ui.visits import MOST_OF_ADDRESS, MOST_OF_PERSON
from tests.api.conftest import Desk
from tests.conftest import wait_until
from tests.gate.sessions import cookie, session, status_of_session
from tests.gate.test_sessions import SECRET
from tests.servers import free_port, serve_own


@contextlib.contextmanager
def half_sent(port: int, data: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=2 * HEAD_S) as sock:
        sock.sendall(data)
        yield sock


def is_closed(sock: socket.socket) -> bool:
    """Whether the server closes the connection; what it still sends before is read."""
    try:
        while sock.recv(65_536):
            pass
    except TimeoutError:
        return False
    except OSError:  # it was reset
        return True
    return True


def test_head_of_a_request_that_does_not_come_is_not_waited_for(desk: Desk) -> None:
    """Neither one that never begins, nor one whose last line is missing, nor one that goes on for ever."""
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    begun = [b"", b"\r\n", b"GET", b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"POST /api/jobs HTTP/1.1\r\nHost: l"]
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(half_sent(desk.port, data)) for data in begun]
        after = stack.enter_context(half_sent(desk.port, whole))  # the second request of a connection
        assert after.recv(65_536).startswith(b"HTTP/1.1 200")
        after.sendall(b"GET / HTTP/1.1\r\nX-1: ")
        slow = stack.enter_context(half_sent(desk.port, b"GET / HTTP/1.1\r\n"))
        with pytest.raises(OSError, match="Broken pipe|reset"):
            for _ in range(1_000):  # for much longer than a head may take
                slow.sendall(b"X: y\r\n")
                time.sleep(0.2)
        assert all(is_closed(sock) for sock in (*silent, after))
    assert desk.get("/healthz").status_code == 200


def test_connection_that_was_idle_for_as_long_as_clients_keep_theirs_is_still_there(desk: Desk) -> None:
    """Clients keep idle connections for 5 s: were it the same here, a request sent in that moment would be lost."""
    with socket.create_connection(("127.0.0.1", desk.port), timeout=10) as sock:
        for _ in range(2):
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok\n") and (more := sock.recv(65_536)):
                answer += more
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(7)


def test_head_of_a_request_has_a_size(desk: Desk) -> None:
    with half_sent(desk.port, b"GET / HTTP/1.1\r\nHost: localhost\r\n") as sock:
        line = b"X: " + b"y" * 1_000 + b"\r\n"
        with contextlib.suppress(OSError):
            for _ in range(3 * HEAD_BYTES // len(line)):
                sock.sendall(line)
        answer = b""
        with contextlib.suppress(OSError):
            answer = sock.recv(65_536)
        assert not answer.startswith(b"HTTP/1.1 200")
        assert is_closed(sock)
    assert desk.get("/healthz", headers={"X": "y" * 30_000}).status_code == 200


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /static/js/none.js HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["a head behind a request", "what stands behind a body", "an endless line"],
)
def test_what_is_no_body_has_a_size_wherever_it_stands(desk: Desk, begin: bytes) -> None:
    with half_sent(desk.port, begin) as sock, pytest.raises(OSError, match="Broken pipe|reset"):
        for _ in range(1_000):
            sock.sendall(b"X-Y: " + b"y" * 4_000 + (b"" if begin.endswith(b"chunked\r\n\r\n") else b"\r\n"))
    assert desk.get("/healthz").status_code == 200


def test_body_in_small_pieces_is_read(desk: Desk) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"dataset": "nothing", "note": "'
        for _ in range(5_000):
            yield b"x" * 20
        yield b'"}'

    assert desk.post("/api/jobs", content=pieces()).status_code == 422


def test_request_that_takes_long_to_answer_and_a_session_are_not_cut_off(desk: Desk) -> None:
    with session(desk.port) as visitor, half_sent(desk.port, b"") as sock:
        visitor.run()
        body = b'{"dataset": "nothing"}'
        told = f"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        sock.sendall(told)
        for byte in body:  # it takes longer than the head may
            time.sleep((HEAD_S + 2) / len(body))
            sock.sendall(bytes([byte]))
        assert sock.recv(100).startswith(b"HTTP/1.1 422")
        visitor.run()


@pytest.mark.parametrize("size", [1_200_000, 24_000_000])
def test_message_that_is_larger_than_a_page_sends_ends_its_session(desk: Desk, size: int) -> None:
    with session(desk.port) as visitor:
        visitor.run()
        large = WidgetState(id="$$ID-x-None", string_value="x" * size)
        with pytest.raises((ConnectionClosed, ConnectionError, EOFError)):
            visitor.run(widgets=[large])
    with session(desk.port) as visitor:
        visitor.run(widgets=[WidgetState(id="$$ID-x-None", string_value="x" * 500_000)])


def test_one_address_opens_so_many_sessions_and_no_more(desk: Desk, office: Desk) -> None:
    for server in (desk, office):
        with contextlib.ExitStack() as stack:
            for _ in range(MOST_OF_ADDRESS):
                stack.enter_context(session(server.port, "no cookie of ours"))
            assert status_of_session(server.port) == 429
            assert server.get("/healthz").status_code == 200
            if server is office:  # who has signed in is counted apart
                assert status_of_session(server.port, user=cookie(SECRET, "ada@shop.example")) == 101
        wait_until(lambda port=server.port: status_of_session(port) == 101)


@pytest.mark.full
def test_one_person_opens_so_many_sessions_and_no_more(office: Desk) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(MOST_OF_PERSON):
            stack.enter_context(session(office.port, cookie(SECRET, "ada@shop.example")))
        assert status_of_session(office.port, user=cookie(SECRET, "ada@shop.example")) == 429
        assert status_of_session(office.port) == 101


def test_server_may_open_as_many_files_as_it_is_allowed_to(place: Path) -> None:
    """Each page takes four; systems allow 1,024, and more to those who ask."""
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
