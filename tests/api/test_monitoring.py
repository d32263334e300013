"""Monitoring routes with the database in several states and unreachable; error responses; API documentation."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import psycopg2
import pytest
from playwright.sync_api import Browser, Route
from prometheus_client.parser import text_string_to_metric_families

from fcst.services import jobs
from fcst.store import attempts, workers
from fcst.store import jobs as store
from tests.api.conftest import PASSWORD, ApiServer, ask_database, is_problem
from tests.conftest import fail_batch, wait_until
from tests.databases import admin
from tests.e2e.conftest import CHROMIUM
from tests.e2e.conftest import browser as browser
from tests.servers import WORKER, work


def numbers(api: ApiServer) -> dict[tuple[str, str], float]:
    """(metric, label value) -> number."""
    answer = api.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation.endswith(".") and family.type in ("gauge", "counter"), family
        for sample in family.samples:
            found[(sample.name, "".join(sample.labels.values()))] = sample.value
    return found


def one(statement: str) -> Any:
    return next(iter(ask_database(statement)[0].values()))


def check(api: ApiServer) -> dict[tuple[str, str], float]:
    """Compares each metric with the tables; returns the metrics."""
    found = numbers(api)
    for status in ("completed", "failed", "cancelled"):
        assert found["fcst_jobs", status] == one(f"SELECT count(*) FROM fcst_app.jobs WHERE status = '{status}'")
    opened = "SELECT DISTINCT job_id FROM fcst_app.batch_status WHERE started_at IS NOT NULL"
    for status, sign in (("submitted", "NOT IN"), ("running", "IN")):
        statement = f"SELECT count(*) FROM fcst_app.jobs WHERE status IS NULL AND job_id {sign} ({opened})"
        assert found["fcst_jobs", status] == one(statement)
    of_open = "FROM fcst_app.batch_status JOIN fcst_app.jobs USING (job_id) WHERE status IS NULL"
    stages = ("submitted", "obtaining_sales", "processing", "saving", "completed", "failed", "cancelled")
    for stage in stages:
        assert found["fcst_batches", stage] == one(f"SELECT count(*) {of_open} AND stage = '{stage}'")
    age = one(f"SELECT extract(epoch FROM now() - min(batch_status.submitted_at)) {of_open} AND stage = 'submitted'")
    assert found["fcst_queue_age_seconds", ""] == pytest.approx(float(age or 0), abs=1)
    rates = [job.items_per_s or 0 for job in jobs.list_jobs(jobs.OPEN)]
    assert found["fcst_items_per_second", ""] == pytest.approx(sum(rates), rel=0.5)
    assert found["fcst_pool_processes", ""] == sum(row.processes for row in workers.list_live())
    assert found["fcst_pool_busy", ""] == sum(found["fcst_batches", stage] for stage in stages[1:4])
    assert found["fcst_database_up", ""] == 1
    assert {name for name, _ in found} == {
        "fcst_jobs", "fcst_batches", "fcst_queue_age_seconds", "fcst_items_per_second", "fcst_pool_processes",
        "fcst_pool_busy", "fcst_database_up", "fcst_database_errors_total",
    }  # fmt: skip
    return found


def ready(api: ApiServer) -> tuple[int, dict[str, bool]]:
    answer = api.get("/readyz")
    parts = answer.json()["checks"]
    assert answer.json() == {"is_ready": answer.status_code == 200, "checks": parts}
    assert {*parts.values()} <= {True, False}
    return answer.status_code, {name: is_ok for name, is_ok in parts.items() if not is_ok}


def test_metrics_match_the_database_in_every_state(api: ApiServer) -> None:
    found = check(api)
    assert (found["fcst_jobs", "submitted"], found["fcst_queue_age_seconds", ""]) == (0, 0)
    assert ready(api) == (200, {})
    job_id = api.submit(items=6)
    ask_database("UPDATE fcst_app.batch_status SET submitted_at = now() - interval '90 seconds' WHERE batch_no = 1")
    found = check(api)
    assert (found["fcst_jobs", "submitted"], found["fcst_batches", "submitted"]) == (1, 3)
    assert 90 <= found["fcst_queue_age_seconds", ""] < 100
    assert ready(api) == (503, {"supervisor": False})  # no supervisor runs
    workers.register(WORKER, "elsewhere", 1, "0", 3, 3600)
    assert check(api)["fcst_pool_processes", ""] == 3 and ready(api) == (200, {})
    work(1)
    (batch,) = attempts.claim(WORKER, 1)
    found = check(api)
    assert (found["fcst_jobs", "running"], found["fcst_pool_busy", ""]) == (1, 1)
    assert found["fcst_items_per_second", ""] > 0 and found["fcst_queue_age_seconds", ""] < 90
    fail_batch(batch, "its process died")
    work(1)
    store.freeze_ended()
    found = check(api)
    assert (found["fcst_jobs", "completed"], found["fcst_batches", "failed"]) == (1, 0)  # batches of open runs only
    api.submit()
    api.clear()
    found = check(api)
    assert (found["fcst_jobs", "cancelled"], found["fcst_batches", "submitted"]) == (1, 0)
    workers.stop(WORKER)
    assert check(api)["fcst_pool_processes", ""] == 0 and ready(api) == (200, {})
    assert api.get(f"/api/jobs/{job_id}").json()["n_failed"] == 2


def test_healthz_returns_only_ok(api: ApiServer) -> None:
    answer = api.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


# Database outage


@contextmanager
def without_database(api: ApiServer, server: dict[str, str]) -> Iterator[None]:
    """Blocks all connections to the database."""
    name = psycopg2.extensions.parse_dsn(str(api.database))["dbname"]
    with admin(server) as cur:
        cur.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        cur.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            yield
        finally:
            cur.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def test_database_outage_is_reported_and_recovered_from(api: ApiServer, server: dict[str, str]) -> None:
    job_id = api.submit()
    before = numbers(api)["fcst_database_errors_total", "away"]
    texts = []
    with without_database(api, server):
        assert api.get("/healthz").status_code == 200
        assert api.get("/_stcore/health").status_code == 200
        for method, path, body in (
            ("GET", "/api/jobs", None),
            ("GET", f"/api/jobs/{job_id}/forecasts?format=xlsx", None),
            ("POST", "/api/jobs", {"dataset": "s", "items": 2}),
            ("DELETE", "/api/datasets/1", None),
        ):
            answer = api.request(method, path, json=body)
            assert is_problem(answer, 503, "The database is unreachable.") and answer.headers["retry-after"] == "2"
            texts.append(answer.text)
        answer = api.get("/readyz")
        assert (answer.status_code, answer.json()["is_ready"], answer.json()["checks"]["database"]) == (
            503,
            False,
            False,
        )
        texts.append(answer.text)
        found = numbers(api)
        assert found["fcst_database_up", ""] == 0 and found["fcst_database_errors_total", "away"] >= before + 5
        texts.append(api.get("/metrics").text)
    since = time.monotonic()
    wait_until(lambda: api.get("/api/jobs").status_code == 200, 10)
    assert time.monotonic() - since < 5 and ready(api)[1].get("database") is None
    assert numbers(api)["fcst_database_up", ""] == 1
    inside = [PASSWORD, server["host"], str(api.place), "postgres", "psycopg2", "FATAL", "DATABASE_URL"]
    for text in texts:
        assert not [word for word in inside if word in text], text
    assert PASSWORD not in api.log


# Errors


def test_known_internal_error_has_a_reference_into_the_log(api: ApiServer) -> None:
    job_id = api.submit()
    ask_database("ALTER TABLE fcst_app.metrics RENAME TO metrics_gone")
    try:
        answer = api.get(f"/api/jobs/{job_id}/metrics")
    finally:
        ask_database("ALTER TABLE fcst_app.metrics_gone RENAME TO metrics")
    check_reference(
        api, answer, 'StoreError: The database refused the statement: relation "fcst_app.metrics" does not exist'
    )
    assert api.get(f"/api/jobs/{job_id}/metrics").status_code == 200


def test_unexpected_error_has_a_reference_into_the_log(api: ApiServer) -> None:
    job_id = api.submit()
    ask_database("UPDATE fcst_app.jobs SET spec = '{\"h\": 1}' WHERE job_id = %(job)s", job=job_id)
    try:
        answer = api.get(f"/api/jobs/{job_id}/forecasts?format=csv")
    finally:
        ask_database("DELETE FROM fcst_app.job_items WHERE job_id = %(job)s", job=job_id)
        ask_database("DELETE FROM fcst_app.batch_status WHERE job_id = %(job)s", job=job_id)
        ask_database("DELETE FROM fcst_app.jobs WHERE job_id = %(job)s", job=job_id)
    check_reference(api, answer, "KeyError: 'models'")
    for _ in range(20):  # on the same connection
        assert api.get("/api/jobs").status_code == 200


def check_reference(api: ApiServer, answer: httpx.Response, logged: str) -> None:
    assert is_problem(answer, 500, "Internal error.")
    reference = re.fullmatch(r"See the server log, reference (\w{8})\.", answer.json()["hint"])
    assert reference and set(answer.json()) == {"type", "title", "status", "detail", "hint"}
    entry = api.log.partition(f"API error {reference[1]}")[2]
    assert entry.startswith("\nTraceback (most recent call last)") and logged in entry


def test_every_kind_of_error_is_a_problem(api: ApiServer) -> None:
    assert is_problem(api.get("/api/none"), 404, "This path does not exist.")
    assert is_problem(api.get("/api/"), 404)
    assert is_problem(api.get("/api/jobs%0A/1"), 400) and is_problem(api.get("/api/%0Ajobs/1"), 400)
    assert is_problem(api.put("/api/jobs"), 405, "This path does not support the method.")
    assert is_problem(api.post("/api/jobs", content=b"\xff"), 422)
    answer = api.post("/api/jobs", json={"h": 0, "level": "x"})
    assert is_problem(answer, 422) and [error["in"] for error in answer.json()["errors"]] == [
        "body.h",
        "body.level",
    ]
    answer = api.post("/api/jobs", json={"dataset": "nobody"})
    assert is_problem(answer, 422, "There is no dataset 'nobody'.")
    assert answer.json()["hint"] == "Loaded datasets: s, small."  # the messages of the services


# API documentation


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


def test_docs_need_no_other_server(api: ApiServer) -> None:
    page = api.get("/api/docs")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    links = _Links()
    links.feed(page.text)
    named = [*links.found, *re.findall(r"url: '([^']+)'", page.text)]
    assert len(named) >= 2
    for link in named:
        address = urlsplit(urljoin(f"{api.url}/api/docs", link))
        assert f"{address.scheme}://{address.netloc}" == api.url, link
        assert api.get(address.path).status_code == 200, link
    assert not re.findall(r"https?://(?!127\.0\.0\.1)[^\s\"'<]+\.(?:js|css|png|ico|woff2?)", page.text)


@pytest.mark.full
@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium at /usr/bin/chromium")
def test_docs_render_without_other_servers(api: ApiServer, browser: Browser) -> None:
    external_requests = []

    def answer(route: Route) -> None:
        if route.request.url.startswith((api.url, "data:", "blob:")):
            route.continue_()
        else:
            external_requests.append(route.request.url)
            route.abort()

    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.route("**/*", answer)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{api.url}/api/docs")
        page.locator(".opblock-summary", has_text="Submit a run").wait_for(timeout=20_000)
        assert errors == []
        assert external_requests == []
    finally:
        context.close()
