"""Abusive requests: bodies that are too large, too deep or too slow; odd encodings; a hundred clients at once."""

import asyncio
import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from limits.strategies import MovingWindowRateLimiter
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from fcst.api.app import create_api
from fcst.api.authentication import Authentication, RequestCounts
from fcst.api.request_checks import MAX_BODY, Gate
from tests.api.conftest import ApiServer, is_problem
from tests.conftest import wait_until
from tests.servers import work

JSON = {"Content-Type": "application/json"}
GOOD = {"dataset": "s", "items": 2, "models": ["Naive"], "h": 2}
WAIT_S = 0.5
MAX_UPLOAD = 2_000_000


@pytest.fixture(scope="module")
def strict(place: Any) -> Iterator[int]:
    """The port of an API in this process with small limits."""
    limiter = MovingWindowRateLimiter(RequestCounts())
    gate = Middleware(Gate, max_upload=MAX_UPLOAD, wait_s=WAIT_S)
    authentication = Middleware(Authentication, limiter=limiter)
    app = Starlette(routes=[Mount("/api", app=create_api(), middleware=[authentication])], middleware=[gate])
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
        thread.start()
        wait_until(lambda: server.started, what="for the server")
        yield sock.getsockname()[1]
        server.should_exit = True
        thread.join(10)


# Bodies


@pytest.mark.full
def test_too_large_body_is_rejected(api: ApiServer) -> None:
    body = json.dumps({**GOOD, "note": "x" * 10_000_000}).encode()
    for address in ("/api/jobs", "/api/datasets", "/api/jobs/batch"):
        pieces = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
        for content in (body, pieces):  # with its length, and in chunks
            try:
                answer = api.post(address, content=content, headers=JSON)
            except httpx.WriteError:  # the server has responded and closed the connection early
                continue
            assert is_problem(answer, 413, f"larger than {MAX_BODY:,} bytes")
    assert api.get("/healthz").status_code == 200


@pytest.mark.full
def test_too_large_chunked_body_is_rejected(api: ApiServer) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as sock:
        sock.sendall(head("Transfer-Encoding: chunked"))
        piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
        for _ in range(MAX_BODY // 65_536 + 1):
            sock.sendall(piece)
        assert status_of(sock) == 413


@pytest.mark.parametrize("address", ["/api/jobs", "/api/jobs/batch", "/api/jobs/1/plan/", "/api/datasets/1"])
def test_upload_limit_applies_only_to_upload_routes(api: ApiServer, address: str) -> None:
    """Other routes keep the body in memory, even if its content type is multipart/form-data."""
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Content-Length": str(MAX_BODY + 1)}
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as sock:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        sock.sendall(f"POST {address} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
        assert status_of(sock) == 413


def test_upload_has_its_own_limit(strict: int) -> None:
    for address, least in (("/api/datasets", 422), ("/api/jobs/999/plan", 404)):
        for size, status in ((MAX_UPLOAD - 1_000, least), (MAX_UPLOAD + 1, 413)):
            files = [("file", ("x.csv", b"x" * size))]
            answer = httpx.post(f"http://127.0.0.1:{strict}{address}", files=files)
            assert is_problem(answer, status)


def head(*lines: str, address: str = "/api/jobs") -> bytes:
    text = "\r\n".join([f"POST {address} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *lines])
    return f"{text}\r\n\r\n".encode()


def status_of(sock: socket.socket) -> int:
    return int(sock.recv(65_536).split(b" ")[1])


@pytest.mark.few(1)
@pytest.mark.parametrize("address", ["/api/jobs", "/api/datasets"])
@pytest.mark.parametrize("line", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_missing_body_times_out(strict: int, address: str, line: str) -> None:
    since = time.monotonic()
    with socket.create_connection(("127.0.0.1", strict), timeout=10) as sock:
        sock.sendall(head(line, address=address) + (b"1\r\n{\r\n" if "chunked" in line else b"{"))
        answer = sock.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 408 ") and b"application/problem+json" in answer
    assert b"No data received for 0.5 s." in answer
    assert WAIT_S <= time.monotonic() - since < WAIT_S + 2


def test_missing_upload_times_out(strict: int) -> None:
    upload_head = head("Content-Length: 1000", address="/api/datasets").replace(
        b"application/json", b"multipart/form-data; boundary=b"
    )
    with socket.create_connection(("127.0.0.1", strict), timeout=10) as sock:
        sock.sendall(upload_head + b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\ndate,')
        assert status_of(sock) == 408


def test_slow_clients_do_not_block_others(api: ApiServer) -> None:
    slow = [socket.create_connection(("127.0.0.1", api.port), timeout=10) for _ in range(100)]
    try:
        for sock in slow:
            sock.sendall(head("Content-Length: 100") + b"{")
        assert api.get("/api/jobs").status_code == 200
        assert select.select(slow, [], [], 0)[0] == [], "it was answered after the slow ones had timed out"
    finally:
        for sock in slow:
            sock.close()


@pytest.mark.few(27)
@pytest.mark.parametrize("address", ["/api/jobs", "/api/datasets", "/api/jobs/batch"])
@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"null", b"true", b"1", b'"x"', b"[]", b"[{}]", b"{", b"{]", b"\0", b"\xff\xfe", b"{}{}", b"{'a':1}",
        b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"items":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"items": ' + b"9" * 10_000 + b"}", b'{"job_id": ' + b"9" * 5_000 + b', "batch_id": 1}',
        b'{"job_id": 1e400, "batch_id": 1}', b'{"job_id": NaN, "batch_id": Infinity}', b'{"items": -Infinity}',
        b'{"dataset": "\\ud800"}', b'{"\\ud800": 1}', b'{"\\u0000": 1}', b'{"map": {"\\ud800": "x"}, "path": "/x"}',
        b'{"' + b"x" * 100_000 + b'": 1}', b'{"dataset": "nobody", "dataset": "\\u0000"}',
        '{"dataset": "ä"}'.encode("latin-1"),
        b'{"note": "' + b"x" * 1_001 + b'"}', json.dumps({str(n): n for n in range(1_000)}).encode(),
        b'{"name": "\x00"}', b'{"name": "\n"}', b"<xml/>", b"--b\r\n", b"items=1",
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_invalid_body_is_rejected(api: ApiServer, address: str, body: bytes) -> None:
    answer = api.post(address, content=body, headers=JSON)
    assert answer.status_code in (400, 404, 422), answer.text
    assert is_problem(answer, answer.status_code)
    assert len(answer.content) < 10_000  # the request is not echoed


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_encodings_are_accepted(api: ApiServer, encoding: str) -> None:
    answer = api.post(
        "/api/jobs", content=json.dumps({**GOOD, "note": "ü"}, ensure_ascii=False).encode(encoding), headers=JSON
    )
    assert api.get(answer.headers["location"]).json()["note"] == "ü"


def test_last_of_duplicate_json_keys_is_used(api: ApiServer) -> None:
    body = json.dumps(GOOD)[:-1] + ', "name": "first", "name": "last"}'
    answer = api.post("/api/jobs", content=body, headers=JSON)
    assert api.get(answer.headers["location"]).json()["name"] == "last"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/json", "x", ""]
)
def test_body_of_another_content_type_is_rejected(api: ApiServer, kind: str) -> None:
    """For example content types that a browser sends without a preflight request."""
    assert is_problem(api.post("/api/jobs", content=json.dumps(GOOD), headers={"Content-Type": kind}), 422)


# Addresses and headers


@pytest.mark.parametrize(
    ("address", "statuses"),
    [
        ("/api/jobs?q=%00", {422}),
        ("/api/jobs?q=%ff%fe", {200}),
        ("/api/jobs?q=%ed%a0%80", {200}),
        ("/api/jobs?q=%u0041&q=%", {200}),
        ("/api/jobs?q=" + "x" * 201, {422}),
        ("/api/jobs?status=done", {422}),
        ("/api/jobs?status=completed&status=%00", {422}),
        ("/api/jobs?limit=0", {422}),
        ("/api/jobs?limit=-1", {422}),
        ("/api/jobs?limit=1001", {422}),
        ("/api/jobs?limit=" + "9" * 5_000, {422}),
        ("/api/jobs?offset=10000001", {422}),
        ("/api/jobs?limit=NaN", {422}),
        ("/api/jobs?limit=1&limit=x", {422}),
        ("/api/jobs?limit[]=1", {200}),
        ("/api/jobs?" + "&".join(f"x{n}=1" for n in range(3_000)), {200}),
        ("/api/jobs/1/forecasts?" + "&".join(f"item=x{n}" for n in range(1_001)), {422}),
        ("/api/jobs/1/forecasts?item=%00", {404}),
        ("/api/jobs/1/forecasts?item=%ff", {404}),
        ("/api/jobs/1/forecasts?format=exe", {422}),
        ("/api/jobs/1/forecasts?format=../../etc/passwd", {422}),
        ("/api/jobs/1/metrics?by=item;DROP TABLE x", {422}),
        ("/api/jobs/1/batches?stage=x", {422}),
        ("/api/jobs/1%20", {404}),
        ("/api/jobs/%ff", {404}),
        ("/api/jobs/1;x=1", {404}),
        ("/api/jobs/1/", {404}),
        ("/api/jobs/", {404}),
        ("/api//jobs", {404}),
        ("/api/jobs\\1", {404}),
        ("/api/JOBS", {404}),
        ("/api/jobs/" + "1" * 60_000, {404, 414, 431}),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_odd_url_has_a_response(api: ApiServer, address: str, statuses: set[int]) -> None:
    api.submit()  # run 1, if it is the first
    answer = api.get(httpx.URL(api.url).copy_with(raw_path=address.replace(" ", "%20").encode()))
    assert answer.status_code in statuses, answer.text
    if answer.status_code != 200:
        assert is_problem(answer, answer.status_code)


@pytest.mark.parametrize(
    "address",
    [
        "/api/%2e%2e/app.py", "/api/../app.py", "/api/static-offline-docs/..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd",
        "/api/static-offline-docs/../../../../../../../etc/passwd", "/api/static-offline-docs//etc/passwd",
        "/api/static-offline-docs/%00", "/api/static-offline-docs/%5c..%5c..%5cetc%5cpasswd", "/api/%00",
        "/api/docs/..%00",
    ],
)  # fmt: skip
def test_path_traversal_reaches_no_file(api: ApiServer, address: str) -> None:
    """Sent over a raw socket, because a library would normalise the path."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as sock:
        sock.sendall(f"GET {address} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: sock.recv(65_536), b""))
    assert int(answer.split(b" ")[1]) in (400, 404) and b"root:" not in answer


def test_history_of_an_invalid_item_is_rejected(api: ApiServer) -> None:
    assert is_problem(api.get("/api/datasets/1/history?item=%00"), 404)
    assert is_problem(api.get("/api/datasets/1/history"), 422, "query.item")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "HEAD", "PROPFIND", "OPTIONS"])
def test_other_methods_are_rejected(api: ApiServer, method: str) -> None:
    answer = api.request(method, "/api/jobs")
    assert answer.status_code == 405 and answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"]
    assert method == "HEAD" or is_problem(answer, 405)


@pytest.mark.parametrize("value", [b"\x00", b"a\x00b", b"\xff", b"a\rb", b"\x1b[31m", b"x" * 100_000, b"\xed\xa0\x80"])
def test_odd_header_has_a_response(api: ApiServer, value: bytes) -> None:
    """Sent over a raw socket, because a library would not send it."""
    body = json.dumps(GOOD).encode()
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as sock:
        lines = head(f"Content-Length: {len(body)}").removesuffix(b"\r\n")
        sock.sendall(lines + b"Idempotency-Key: " + value + b"\r\n\r\n" + body)
        assert status_of(sock) in (201, 400, 422, 431)
    assert api.get("/api/jobs").status_code == 200


# Concurrency


@pytest.mark.full
def test_a_hundred_clients_and_the_pages_are_served(api: ApiServer) -> None:
    api.clear()
    job_id = api.submit(items=6, batch_size=6, n_windows=1)
    work(1)
    job = f"/api/jobs/{job_id}"
    reads = [
        "/api/jobs",
        job,
        f"{job}/batches",
        f"{job}/forecasts",
        f"{job}/metrics?by=item",
        "/api/datasets",
        "/metrics",
    ]
    reads += ["/api/datasets/1/items", "/api/datasets/1/history?item=item1", "/healthz"]
    reads += [f"{job}/forecasts?format={name}" for name in ("csv", "parquet", "xlsx")]

    async def call(number: int) -> list[int]:
        async with httpx.AsyncClient(base_url=api.url, timeout=60) as http:
            return [(await http.get(reads[(number + n) % len(reads)])).status_code for n in range(3)]

    async def look() -> int:
        """Number of responses from Streamlit's health route in the meantime."""
        n_answers = 0
        async with httpx.AsyncClient(base_url=api.url, timeout=60) as http:
            while not done.is_set():
                assert (await http.get("/_stcore/health")).status_code == 200
                n_answers += not done.is_set()
                await asyncio.sleep(0.05)
        return n_answers

    async def all_at_once() -> tuple[list[list[int]], int]:
        looking = asyncio.create_task(look())
        statuses = await asyncio.gather(*(call(number) for number in range(100)))
        done.set()
        return statuses, await looking

    done = asyncio.Event()
    statuses, n_answers = asyncio.run(all_at_once())
    assert {status for answers in statuses for status in answers} == {200}
    assert n_answers > 1
