"""Host names and origins: which requests each route and the websocket accept or reject."""

import os
import socket
import threading
from pathlib import Path

import httpx
import pytest

from fcst.settings import PROJECT
from tests.api.conftest import ApiServer, serve_api
from tests.gate.sessions import session, status_of_session, words

ROUTES = (
    "/", "/load?path=/etc/passwd", "/nonsense", "/healthz", "/readyz", "/metrics", "/api/jobs", "/api/docs",
    "/downloads/1/forecasts.csv", "/_stcore/health", "/_stcore/host-config", "/_stcore/metrics",
    "/_stcore/upload_file/x/y", "/_stcore/agent/openapi.json", "/_stcore/agent/mcp", "/_stcore/bidi-components/x/y",
    "/media/x.csv", "/component/x/y", "/static/x.js", "/auth/login", "/auth/logout", "/oauth2callback",
)  # fmt: skip
REFUSED = [
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "http://localhost:1"}, 403),  # another port is another origin
    ({"Origin": "http://127.0.0.1"}, 403),
    ({"Origin": "http://[::1]:{port}"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": ""}, 403),
    ({"Origin": "http://["}, 403),
    ({"Origin": "http://127.0.0.1:{port}.evil.example"}, 403),
    ({"Origin": "http://evil.example@127.0.0.1:{port}"}, 403),
    ({"Origin": "http://127.0.0.1:{port}/"}, 403),
    ({"Origin": "https://x.streamlit.app"}, 403),
    ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),  # DNS rebinding
    ({"Host": "evil.example"}, 421),
    ({"Host": "evil.example:{port}"}, 421),
    ({"Host": "localhost.evil.example"}, 421),
    ({"Host": "127.0.0.1.evil.example:{port}"}, 421),
    ({"Host": "evil.example@localhost"}, 421),
    ({"Host": "localhost/x"}, 421),
    ({"Host": "10.0.0.1"}, 421),
    ({"Host": "["}, 421),
    ({"Host": ""}, 421),
]
FETCHED = [
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
    ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "embed"}, 403),
]
ANSWERED = [
    {},
    {"Origin": "http://127.0.0.1:{port}"},
    {"Host": "localhost"},
    {"Host": "LOCALHOST.:{port}"},
    {"Host": "[::1]:80"},
    {"Host": "localhost:{port}", "Origin": "http://localhost:{port}"},
    {"Host": "localhost", "Origin": "https://localhost"},  # behind a proxy with TLS
    {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},  # a link in an e-mail
]


def filled(headers: dict[str, str], port: int) -> dict[str, str]:
    return {name: value.replace("{port}", str(port)) for name, value in headers.items()}


def check_refused(server: ApiServer, route: str, headers: dict[str, str], status: int) -> None:
    for method in ("GET", "OPTIONS") if "Origin" in headers else ("GET", "PUT"):
        answer = httpx.request(method, f"{server.url}{route}", headers=filled(headers, server.port))
        assert answer.status_code == status, (method, route, answer.text[:200])
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "set-cookie" not in answer.headers and len(answer.text) < 500


def test_each_route_rejects_other_sites_and_host_names(api: ApiServer, secured_api: ApiServer) -> None:
    """Each route with one of the headers, and each of the headers with one route."""
    refused = [*REFUSED, *FETCHED]
    for place in range(max(len(ROUTES), len(refused))):
        server = (api, secured_api)[place % 2]
        check_refused(server, ROUTES[place % len(ROUTES)], *refused[place % len(refused)])


@pytest.mark.full
@pytest.mark.parametrize(("headers", "status"), REFUSED + FETCHED, ids=str)
def test_all_routes_reject_all_other_sites_and_host_names(
    api: ApiServer, secured_api: ApiServer, headers: dict[str, str], status: int
) -> None:
    for server in (api, secured_api):
        for route in ROUTES:
            check_refused(server, route, headers, status)


@pytest.mark.parametrize(("headers", "status"), REFUSED, ids=str)
def test_sessions_reject_other_sites_and_host_names(
    api: ApiServer, secured_api: ApiServer, headers: dict[str, str], status: int
) -> None:
    for server in (api, secured_api):
        sent = filled(headers, server.port)
        if "Host" in sent and not sent["Host"].strip("[") or set("@/") & set(sent.get("Host", "")):
            continue  # the client cannot send it
        host = sent.get("Host", f"127.0.0.1:{server.port}")
        found = status_of_session(server.port, host=host, origin=sent.get("Origin"))
        assert found == status, (host, sent)


@pytest.mark.few(3)
@pytest.mark.parametrize("headers", ANSWERED, ids=str)
def test_own_pages_and_programs_are_accepted(api: ApiServer, headers: dict[str, str]) -> None:
    sent = filled(headers, api.port)
    for route in ("/home", "/healthz", "/api/jobs", "/_stcore/health", "/_stcore/host-config", "/metrics"):
        assert httpx.get(f"{api.url}{route}", headers=sent).status_code == 200, route
    begin = httpx.get(f"{api.url}/?embed=true", headers=sent)
    assert (begin.status_code, begin.headers["location"]) == (307, "/home?embed=true")
    host = sent.get("Host", f"127.0.0.1:{api.port}")
    assert status_of_session(api.port, host=host, origin=sent.get("Origin")) == 101


@pytest.mark.few(1)
@pytest.mark.parametrize("end", ["%0A", "%0D", "%00", "%0A%0A", "%7F"])
def test_path_with_a_control_character_is_rejected(api: ApiServer, secured_api: ApiServer, end: str) -> None:
    """A route regex accepts a trailing line break; a string comparison does not."""
    for server in (api, secured_api):
        for route in ("/_stcore/metrics", "/auth/logout", "/_stcore/script-health-check", "/media/x", "/api/jobs", "/"):
            answer = httpx.get(f"{server.url}{route}{end}")
            assert answer.status_code == 400 and "control character" in answer.text, route


def test_repeated_fetch_site_headers_all_count(api: ApiServer) -> None:
    headers = [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")]
    assert api.get("/_stcore/host-config", headers=headers).status_code == 403


@pytest.mark.parametrize("hosts", [(), ("localhost", "localhost"), ("localhost", "evil.example")], ids=len)
def test_request_without_host_or_with_two_is_rejected(api: ApiServer, hosts: tuple[str, ...]) -> None:
    """Sent over a raw socket, because a library would not send it."""
    for version in ("1.0", "1.1"):
        for path in ("/", "/api/jobs", "/_stcore/host-config"):
            with socket.create_connection(("127.0.0.1", api.port), timeout=10) as sock:
                lines = "".join(f"Host: {host}\r\n" for host in hosts)
                sock.sendall(f"GET {path} HTTP/{version}\r\n{lines}Connection: close\r\n\r\n".encode())
                assert sock.recv(100).split(b" ")[1] in (b"400", b"421"), (version, path)


def test_responses_cannot_be_framed_by_other_sites(api: ApiServer) -> None:
    for route in ("/", "/load", "/_stcore/health", "/api/docs", "/healthz"):
        headers = api.get(route).headers
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["content-security-policy"] == "frame-ancestors 'self'"
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")
    assert api.get("/_stcore/host-config").json()["allowedOrigins"] == []


@pytest.mark.full
def test_configured_host_names_are_accepted(place: Path, api: ApiServer, patch: pytest.MonkeyPatch) -> None:
    """A reverse proxy forwards the host name that browsers use."""
    allowed = "lan.example plan.shop.example *.team.example localhost"  # as Streamlit reads a list
    more = {"STREAMLIT_SERVER_ALLOWED_HOSTS": allowed, "FCST_HOSTS": "Plan.shop.example, *.team.example"}
    with serve_api(place, PROJECT, **more) as server:
        for name in ("plan.shop.example", "a.team.example:443", "lan.example", "localhost"):
            assert server.get("/api/jobs", headers={"Host": name}).status_code == 200, name
            assert status_of_session(server.port, host=name, origin=f"https://{name}") == 101, name
        for name in ("shop.example", "team.example", "plan.shop.example.evil.example", "xlan.example"):
            assert server.get("/api/jobs", headers={"Host": name}).status_code == 421, name
    assert api.get("/api/jobs", headers={"Host": "plan.shop.example"}).status_code == 421


@pytest.mark.full
def test_open_address_accepts_its_ip_address_and_host_name(place: Path) -> None:
    """DNS rebinding can point a name to this server, but not change the IP address."""
    more = {"FCST_OPEN_ADDRESS": "0.0.0.0", "STREAMLIT_SERVER_ADDRESS": "0.0.0.0"}
    with serve_api(place, PROJECT, **more) as server:
        url = f"http://127.0.0.2:{server.port}/api/jobs"  # every loopback address is this machine
        assert httpx.get(url).status_code == 200
        assert server.get("/api/jobs", headers={"Host": socket.gethostname()}).status_code == 200
        assert httpx.get(url, headers={"Host": "127.0.0.3"}).status_code == 421
        assert server.get("/api/jobs", headers={"Host": "evil.example"}).status_code == 421


def test_page_of_another_port_cannot_read_server_files(api: ApiServer) -> None:
    """A script of another local server could open a session on the page that reads files."""
    own = f"127.0.0.1:{api.port}"
    assert status_of_session(api.port, host=own, origin="http://localhost:1") == 403
    with session(api.port, host=own, origin=f"http://{own}") as visitor:
        assert "Load sales" in words(visitor.run("load"))


@pytest.mark.full
def test_server_does_not_look_up_its_external_address(place: Path) -> None:
    """Streamlit does when it compares origins; each lookup blocks the server for a second."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def listen() -> None:
            while True:
                try:
                    connection, _ = proxy.accept()
                except OSError:
                    return
                with connection:
                    requests.append(connection.recv(1_000))

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
        with serve_api(place, PROJECT, **dict.fromkeys(names, address), NO_PROXY="", no_proxy="") as server:
            own = f"127.0.0.1:{server.port}"
            for origin in ("http://evil.example", "https://x.streamlit.app", "http://localhost:1", f"https://{own}.x"):
                assert status_of_session(server.port, host=own, origin=origin) == 403
            with session(server.port, host=own, origin=f"http://{own}") as visitor:
                visitor.run()
        proxy.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    assert requests == []
    assert os.environ.get("HTTP_PROXY") != address
