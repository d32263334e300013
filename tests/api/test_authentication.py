"""Authentication and permissions: tokens and scopes, cross-site requests, rate limits, secrets."""

import hashlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fcst.roles import Scope
from fcst.services import identity, tokens
from tests.api.conftest import (
    PASSWORD,
    SIGN_IN,
    WEBHOOK,
    ApiServer,
    ask_database,
    bearer,
    is_problem,
    make_token,
    serve_api,
)
from tests.servers import work

BODY = {"dataset": "s", "items": 2, "models": ["SeasonalNaive"], "h": 2}

# route -> required scope, request, expected status with that scope
LIKE_NOTHING = {"lifecycles": [{"unique_id": "new", "origin": "like", "sources": [{"unique_id": "nothing"}]}]}
OF_NOTHING = {"names": ["buyer"], "rows": [{"key": ["nothing"], "values": ["Eva"]}]}
OF_PROMOTION = {
    "items": {},
    "driver": "promo",
    "first_wk_end_dt": "2000-01-01",
    "last_wk_end_dt": "2000-01-01",
    "how": "to",
    "value": 1.0,
}
TOO_LATE = {
    "items": {},
    "first_wk_end_dt": "2000-01-01",
    "last_wk_end_dt": "2000-01-01",
    "percent": 1,
    "reason": "late",
    "last_change": None,
}
ROUTES: dict[tuple[str, str], tuple[Scope, dict[str, Any], int]] = {
    ("GET", "/jobs"): (Scope.READ, {}, 200),
    ("POST", "/jobs"): (Scope.RUN, {"json": BODY}, 201),
    ("POST", "/jobs/batch"): (Scope.RUN, {"json": {"job_id": 1, "batch_id": 1}}, 409),
    ("GET", "/jobs/{job_id}"): (Scope.READ, {}, 200),
    ("GET", "/jobs/{job_id}/batches"): (Scope.READ, {}, 200),
    ("POST", "/jobs/{job_id}/cancel"): (Scope.RUN, {}, 200),
    ("POST", "/jobs/{job_id}/retry"): (Scope.RUN, {}, 200),
    ("GET", "/jobs/{job_id}/forecasts"): (Scope.READ, {}, 200),
    ("GET", "/jobs/{job_id}/metrics"): (Scope.READ, {}, 200),
    ("GET", "/jobs/{job_id}/groups"): (Scope.READ, {}, 200),
    ("GET", "/jobs/{job_id}/items"): (Scope.READ, {}, 200),
    ("POST", "/jobs/{job_id}/review"): (Scope.RUN, {"json": {"items": {}}}, 200),
    ("POST", "/jobs/{job_id}/reopen"): (Scope.RUN, {"json": {"items": {}}}, 200),
    ("GET", "/jobs/{job_id}/thresholds"): (Scope.READ, {}, 200),
    ("PUT", "/jobs/{job_id}/thresholds"): (Scope.RUN, {"json": {"plan_change": 0.4}}, 200),
    ("GET", "/jobs/{job_id}/adjustments"): (Scope.READ, {}, 200),
    ("POST", "/jobs/{job_id}/adjustments"): (Scope.RUN, {"json": TOO_LATE}, 422),
    ("POST", "/jobs/{job_id}/adjustments/undo-carried"): (Scope.RUN, {}, 200),
    ("POST", "/adjustments/{adjustment_id}/undo"): (Scope.RUN, {}, 404),
    ("GET", "/jobs/{job_id}/plan"): (Scope.READ, {}, 200),
    ("POST", "/jobs/{job_id}/plan"): (Scope.RUN, {"files": {"file": ("plan.csv", b"Key,2000-01-01\n")}}, 200),
    ("GET", "/datasets"): (Scope.READ, {}, 200),
    ("POST", "/datasets"): (Scope.RUN, {"json": {"path": "/none"}}, 422),
    ("GET", "/ingests/{ingest_id}"): (Scope.READ, {}, 200),
    ("GET", "/datasets/{dataset_id}"): (Scope.READ, {}, 200),
    ("DELETE", "/datasets/{dataset_id}"): (Scope.ADMIN, {}, 204),
    ("GET", "/datasets/{dataset_id}/items"): (Scope.READ, {}, 200),
    ("GET", "/datasets/{dataset_id}/history"): (Scope.READ, {"params": {"item": "item1"}}, 200),
    ("GET", "/datasets/{dataset_id}/drivers"): (Scope.READ, {}, 200),
    ("POST", "/datasets/{dataset_id}/drivers"): (Scope.RUN, {"json": {"path": "/none"}}, 422),
    ("POST", "/datasets/{dataset_id}/holidays"): (Scope.RUN, {"json": {"country": "XX"}}, 422),
    ("DELETE", "/datasets/{dataset_id}/drivers/{load_id}"): (Scope.ADMIN, {}, 404),
    ("GET", "/datasets/{dataset_id}/lifecycles"): (Scope.READ, {}, 200),
    ("PUT", "/datasets/{dataset_id}/lifecycles"): (Scope.RUN, {"json": LIKE_NOTHING}, 422),
    ("DELETE", "/datasets/{dataset_id}/lifecycles"): (Scope.RUN, {"params": {"item": "item1"}}, 404),
    ("GET", "/datasets/{dataset_id}/attributes"): (Scope.READ, {}, 200),
    ("PUT", "/datasets/{dataset_id}/attributes"): (Scope.RUN, {"json": OF_NOTHING}, 422),
    ("DELETE", "/datasets/{dataset_id}/attributes"): (Scope.RUN, {"params": {"name": "none"}}, 404),
    ("POST", "/jobs/{job_id}/publish"): (Scope.RUN, {"json": {}}, 201),
    ("GET", "/published-plans"): (Scope.READ, {}, 200),
    ("GET", "/published-plans/{plan_id}/items"): (Scope.READ, {}, 404),
    ("DELETE", "/published-plans/{plan_id}"): (Scope.ADMIN, {}, 404),
    ("GET", "/sources"): (Scope.READ, {}, 200),
    ("PUT", "/sources"): (Scope.RUN, {"json": {"name": "x", "source": {"kind": "url", "location": "x"}}}, 422),
    ("POST", "/sources/refresh"): (Scope.RUN, {"json": {"name": "no source"}}, 404),
    ("DELETE", "/sources"): (Scope.RUN, {"params": {"name": "no source"}}, 404),
    ("GET", "/jobs/{job_id}/lost-sales"): (Scope.READ, {}, 200),
    ("GET", "/jobs/{job_id}/scenarios"): (Scope.READ, {}, 200),
    ("POST", "/jobs/{job_id}/scenarios"): (Scope.RUN, {"json": {"name": "copy", "copy_of": 99}}, 404),
    ("DELETE", "/jobs/{job_id}/scenarios/{scenario_id}"): (Scope.RUN, {}, 404),
    ("POST", "/jobs/{job_id}/scenarios/{scenario_id}/changes"): (Scope.RUN, {"json": OF_PROMOTION}, 404),
    ("DELETE", "/jobs/{job_id}/scenarios/{scenario_id}/changes/{change_id}"): (Scope.RUN, {}, 404),
    ("GET", "/jobs/{job_id}/scenarios/{scenario_id}/sums"): (Scope.READ, {}, 404),
    ("POST", "/jobs/{job_id}/scenarios/{scenario_id}/apply"): (
        Scope.RUN,
        {"json": {"reason": "why", "last_change": None}},
        404,
    ),
    ("GET", "/jobs/{job_id}/stock"): (Scope.READ, {}, 200),
    ("GET", "/datasets/{dataset_id}/stock"): (Scope.READ, {}, 200),
    ("PUT", "/datasets/{dataset_id}/stock"): (
        Scope.RUN,
        {"json": {"settings": [{"key": "none", "service_level": 0.9}]}},
        422,
    ),
    ("GET", "/../metrics"): (Scope.READ, {}, 200),  # outside /api
}
NUMBERS = {"job_id": 1, "ingest_id": 1, "dataset_id": 1, "load_id": 1, "adjustment_id": 1}
NUMBERS |= {"scenario_id": 1, "change_id": 1, "plan_id": 999}


@pytest.fixture(scope="module")
def secured(secured_api: ApiServer) -> ApiServer:
    """A server with sign-in and an ended run."""
    assert secured_api.submit(batch_size=4) == 1
    work(1)
    return secured_api


@pytest.fixture(scope="module")
def by_scope() -> dict[Scope, str]:
    return {scope: make_token(f"{scope} program", scope) for scope in Scope}


@pytest.fixture
def anonymous(secured: ApiServer) -> Iterator[httpx.Client]:
    """A client without a token."""
    with httpx.Client(base_url=secured.url, timeout=30) as http:
        yield http


# Scopes


def test_every_route_has_its_scope(secured: ApiServer) -> None:
    paths = secured.get("/api/openapi.json").json()["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == set(ROUTES) - {
        ("GET", "/../metrics")
    }


@pytest.mark.few(16)
@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_route_needs_its_scope(
    secured: ApiServer, anonymous: httpx.Client, by_scope: dict[Scope, str], route: Any
) -> None:
    least, request, status = ROUTES[route]
    method, path = route
    address = "/metrics" if ".." in path else f"/api{path.format(**NUMBERS)}"
    if method == "DELETE":
        address = address.replace("1", "2")  # dataset `small`, which is not needed here
    answer = anonymous.request(method, address, **request)
    assert is_problem(answer, 401, "A token is required.") and answer.headers["www-authenticate"] == "Bearer"
    for scope, token in by_scope.items():
        answer = anonymous.request(method, address, headers=bearer(token), **request)
        if scope.includes(least):
            assert answer.status_code == status, (scope, answer.text)
        else:
            assert is_problem(answer, 403, f"token {scope} program may not do this: it needs the scope {least}.")


def test_actions_are_recorded_with_the_token_name(anonymous: httpx.Client, by_scope: dict[Scope, str]) -> None:
    answer = anonymous.post("/api/jobs", json=BODY, headers=bearer(by_scope[Scope.RUN]))
    job_id = answer.json()["job_id"]
    assert anonymous.get(answer.headers["location"], headers=bearer(by_scope[Scope.READ])).json()["submitted_by"] == (
        "token run program"
    )
    (action,) = ask_database("SELECT who, action FROM fcst_app.actions WHERE noun = 'job' AND number = %(n)s", n=job_id)
    assert action == {"who": "token run program", "action": "submit"}


@pytest.mark.parametrize("names", [("first", "second"), ("the same", "the same")], ids=str)
def test_idempotency_keys_are_separate_per_token(anonymous: httpx.Client, names: tuple[str, str]) -> None:
    keyed = [bearer(make_token(name, "run")) | {"Idempotency-Key": "k"} for name in names]
    first, second = (anonymous.post("/api/jobs", json=BODY, headers=headers).json()["job_id"] for headers in keyed)
    assert first != second
    assert anonymous.post("/api/jobs", json=BODY, headers=keyed[0]).json()["job_id"] == first
    assert is_problem(anonymous.post("/api/jobs", json={**BODY, "h": 3}, headers=keyed[1]), 409)


# Tokens


def test_only_open_paths_work_without_a_token(anonymous: httpx.Client) -> None:
    for path in ("/healthz", "/readyz", "/api/docs", "/api/openapi.json"):
        assert anonymous.get(path).status_code in (200, 503), path  # 503: no supervisor runs in these tests
    for path in ("/api/jobs", "/api/", "/api/none", "/api/Docs", "/api/docs/../jobs", "/metrics", "/api/jobs/1"):
        answer = anonymous.get(httpx.URL(f"{anonymous.base_url}").copy_with(raw_path=path.encode()))
        assert answer.status_code in (401, 404), path
        if answer.status_code == 404:
            assert is_problem(answer, 404)


@pytest.mark.parametrize(
    "shown",
    [
        b"", b"Bearer", b"Basic {token}", b"bearer", b"Token {token}", b"{token}",
        b"Bearer fcst_", b"Bearer fcst_made-up", b"Bearer {token}x", b"Bearer {token} {token}", b"Bearer x{token}",
        b"Bearer {token},{token}", b"Bearer " + b"fcst_" + b"x" * 30_000, "Bearer fcst_ä€".encode(), b"Bearer \xff\xfe",
        b"Bearer fcst_' OR 1=1 --", b"Bearer \\x{hash}", b"Bearer {hash}",
    ],
)  # fmt: skip
def test_invalid_token_is_rejected(anonymous: httpx.Client, by_scope: dict[Scope, str], shown: bytes) -> None:
    token = by_scope[Scope.ADMIN]
    hashed = hashlib.sha256(token.encode()).hexdigest()
    value = shown.replace(b"{token}", token.encode()).replace(b"{hash}", hashed.encode())
    answer = anonymous.get("/api/jobs", headers={b"Authorization": value})
    assert is_problem(answer, 401) and answer.headers["www-authenticate"] == "Bearer"
    assert token not in answer.text


@pytest.mark.parametrize("byte", [b"\0", b"\r", b"\n", b"\x0b"])
def test_token_with_a_control_character_is_rejected(
    secured: ApiServer, by_scope: dict[Scope, str], byte: bytes
) -> None:
    """Sent over a raw socket, because a library would not send it."""
    token = by_scope[Scope.ADMIN].encode()
    with socket.create_connection(("127.0.0.1", secured.port), timeout=10) as sock:
        sock.sendall(b"GET /api/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n")
        sock.sendall(b"Authorization: Bearer " + byte + token + b"\r\n\r\n")
        assert sock.recv(100).split(b" ")[1] in (b"400", b"401")


def test_scheme_is_case_insensitive(anonymous: httpx.Client, by_scope: dict[Scope, str]) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert anonymous.get("/api/jobs", headers={"Authorization": f"{scheme}  {by_scope[Scope.READ]}"}).is_success


def test_expired_or_revoked_token_is_rejected(anonymous: httpx.Client) -> None:
    token = make_token("brief", "read", days=1)
    assert anonymous.get("/api/jobs", headers=bearer(token)).status_code == 200
    ask_database("UPDATE fcst_app.tokens SET expires_at = now() - interval '1 second' WHERE name = 'brief'")
    assert is_problem(anonymous.get("/api/jobs", headers=bearer(token)), 401, "This token has expired.")
    token = make_token("lost", "read")
    assert anonymous.get("/api/jobs", headers=bearer(token)).status_code == 200
    with identity.acting_as(identity.operator()):
        tokens.revoke_token(next(row.token_id for row in tokens.list_tokens() if row.name == "lost"))
    assert is_problem(anonymous.get("/api/jobs", headers=bearer(token)), 401, "This token was revoked.")


@pytest.mark.parametrize(
    "name",
    ["'; DROP TABLE fcst_app.tokens; --", "=cmd()", "<b>x</b> **y**", "a\nb", "../../x", "ü 😀", "%s {0}", "x" * 100],
)
def test_token_may_have_any_name(anonymous: httpx.Client, name: str) -> None:
    headers = bearer(make_token(name, "run")) | {
        "Idempotency-Key": name.encode("ascii", "replace").replace(b"\n", b" ")
    }
    first, again = (anonymous.post("/api/jobs", json=BODY, headers=headers) for _ in range(2))
    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    assert anonymous.get(first.headers["location"], headers=headers).json()["submitted_by"] == f"token {name}"
    answer = anonymous.delete("/api/datasets/1", headers=headers)
    assert is_problem(answer, 403, f"token {name} may not do this")


def test_unreadable_settings_deny_access(secured: ApiServer, anonymous: httpx.Client) -> None:
    secrets = secured.project / ".streamlit" / "secrets.toml"
    try:
        # Also while the file is empty or missing: the server must not fall back to the local operator.
        for text in ('[auth]\ncookie_secret = "unfinished', "", None, "FCST_PROCESSES = 2\n"):
            secrets.unlink() if text is None else secrets.write_text(text)
            for path in ("/api/jobs", "/metrics", "/api/docs", "/_stcore/metrics"):
                answer = secured.get(path)
                assert is_problem(answer, 500) and "unfinished" not in answer.text and "secrets" not in answer.text
            assert is_problem(anonymous.delete("/api/datasets/1"), 500)
            assert secured.get("/media/x.csv").status_code == 500
            assert secured.get("/healthz").status_code == 200
            answer = secured.get("/readyz")
            assert (answer.status_code, answer.json()) == (503, {"is_ready": False, "checks": {"settings": False}})
    finally:
        secrets.write_text(SIGN_IN)
    assert secured.get("/api/jobs").status_code == 200
    assert is_problem(anonymous.get("/api/jobs"), 401)


def test_last_use_of_a_token_is_recorded(anonymous: httpx.Client) -> None:
    def used() -> Any:
        (row,) = ask_database(
            "SELECT last_used_at, now() - last_used_at AS age FROM fcst_app.tokens WHERE name = 'noted'"
        )
        return row

    token = make_token("noted", "read")
    assert used()["last_used_at"] is None
    anonymous.get("/api/jobs", headers=bearer(token))
    assert used()["age"].total_seconds() < 5
    ask_database("UPDATE fcst_app.tokens SET last_used_at = now() - interval '2 minutes' WHERE name = 'noted'")
    anonymous.get("/api/jobs", headers=bearer(token))
    assert used()["age"].total_seconds() < 5


def test_cookies_never_authorise(anonymous: httpx.Client, by_scope: dict[Scope, str]) -> None:
    token = by_scope[Scope.ADMIN]
    cookies = "; ".join(
        f"{name}={value}" for name in ("_streamlit_user", "token", "Authorization", "session") for value in (token,)
    )
    assert is_problem(anonymous.get("/api/jobs", headers={"Cookie": cookies}), 401)
    assert is_problem(anonymous.get(f"/api/jobs?token={token}&access_token={token}"), 401)


def test_secrets_are_not_in_database_log_or_responses(
    secured: ApiServer, anonymous: httpx.Client, by_scope: dict[Scope, str]
) -> None:
    seen = [by_scope[Scope.ADMIN], make_token("seen", "admin")]
    for token in seen:
        for path in ("/api/jobs", "/api/jobs/0", "/api/none", f"/api/jobs?q={token}", "/metrics"):
            anonymous.get(path, headers=bearer(token))
        anonymous.post("/api/jobs", content=b"{", headers=bearer(token))
        anonymous.get("/api/jobs", headers=bearer(token + "x"))
    texts = [anonymous.get(path).text for path in ("/healthz", "/readyz", "/api/docs", "/api/openapi.json", "/")]
    texts += [
        anonymous.get(path, headers=bearer(seen[0])).text for path in ("/metrics", "/api/datasets/1", "/api/jobs/1")
    ]
    everything = "\n".join([dump(), secured.log, *texts])
    hashed = hashlib.sha256(seen[0].encode()).hexdigest()
    assert hashed in everything  # proves that the search works
    secrets = [*seen, *(token.removeprefix(tokens.PREFIX) for token in seen), PASSWORD, WEBHOOK]
    for secret in (*secrets, "a secret of sixteen characters or more", "not so secret"):
        assert secret not in everything


def dump() -> str:
    """Every row of every table as text."""
    tables = ask_database("SELECT table_name FROM information_schema.tables WHERE table_schema = 'fcst_app'")
    rows = [ask_database(f"SELECT t::text AS row FROM fcst_app.{table['table_name']} t") for table in tables]
    return "\n".join(row["row"] for found in rows for row in found)


# Cross-site requests


@pytest.mark.few(6)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "{own}"}, 200),
        ({"Origin": "{own}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),  # a link in an e-mail
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "{own}.evil.example"}, 403),
        ({"Origin": "http://evil.example@{host}"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Host": "evil.example"}, 421),  # DNS rebinding
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
        ({"Host": "localhost.evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:8501"}, 421),
        ({"Host": "["}, 421),
        ({"Host": "["  , "Origin": "http://["}, 421),
        ({"Host": ""}, 421),
        ({"Host": "", "Origin": "null"}, 403),
    ],
    ids=str,
)  # fmt: skip
def test_cross_site_requests_and_foreign_hosts_are_rejected(
    api: ApiServer, headers: dict[str, str], status: int
) -> None:
    host = f"127.0.0.1:{api.port}"
    sent = {name: value.format(own=f"http://{host}", host=host) for name, value in headers.items()}
    for method, path in (("GET", "/api/jobs"), ("GET", "/metrics"), ("POST", "/api/jobs/0/cancel")):
        answer = api.request(method, path, headers=sent)
        if status == 200:
            assert answer.status_code == (200 if method == "GET" else 404)
        else:
            assert is_problem(answer, status)
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_host_and_origin_are_checked_also_with_a_token(secured: ApiServer) -> None:
    assert is_problem(secured.get("/api/jobs", headers={"Host": "evil.example"}), 421)
    assert is_problem(secured.get("/api/jobs", headers={"Origin": "http://evil.example"}), 403)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "{own}"])
def test_preflight_is_rejected(api: ApiServer, secured: ApiServer, origin: str) -> None:
    for server in (api, secured):
        headers = {"Origin": origin.format(own=server.url), "Access-Control-Request-Method": "POST"}
        headers["Access-Control-Request-Headers"] = "authorization,content-type"
        answer = server.request("OPTIONS", "/api/jobs", headers=headers)
        assert answer.status_code in (403, 405)
        assert not [name for name in answer.headers if name.startswith("access-control")]


# Rate limits


@pytest.mark.full
def test_rate_limit_is_per_caller(secured: ApiServer, anonymous: httpx.Client) -> None:
    one, other = (bearer(make_token("of one name", "read")) for _ in range(2))
    with serve_api(secured.place, secured.project, FCST_API_RATE="5/minute") as server:
        statuses = [server.get("/api/jobs", headers=one).status_code for _ in range(7)]
        assert statuses == [200] * 5 + [429] * 2
        answer = server.get("/api/jobs", headers=one)
        assert is_problem(answer, 429, "More than 5 requests per minute.")
        assert 50 <= int(answer.headers["retry-after"]) <= 60
        assert server.get("/metrics", headers=one).status_code == 429  # one limit for all routes
        assert server.get("/api/jobs", headers=other).status_code == 200
        # invalid tokens are limited by address
        statuses = [server.get("/api/jobs", headers=bearer(f"fcst_{n}")).status_code for n in range(6)]
        assert statuses == [401] * 5 + [429]
        assert (
            server.get("/api/jobs", headers=bearer(make_token("new", "read"))).status_code == 429
        )  # a new token is not looked up
        assert server.get("/api/jobs", headers=other).status_code == 200  # a token already known as valid
        assert [server.get("/healthz").status_code for _ in range(9)] == [200] * 9


@pytest.mark.full
def test_retry_after_header_is_correct(secured: ApiServer) -> None:
    token = bearer(make_token("patient", "read"))
    with serve_api(secured.place, secured.project, FCST_API_RATE="3/second") as server:
        answers = [server.get("/api/jobs", headers=token) for _ in range(4)]
        assert (answers[-1].status_code, answers[-1].headers["retry-after"]) == (429, "1")
        time.sleep(1)
        assert server.get("/api/jobs", headers=token).status_code == 200
