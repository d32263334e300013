"""Monitoring endpoints: liveness (`/healthz`), readiness (`/readyz`) and Prometheus metrics (`/metrics`)."""

from collections.abc import Iterator

import anyio
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from fcst.errors import FcstError
from fcst.services import health, monitoring


async def healthz(_: Request) -> Response:
    """Liveness: the server responds. Does not check the database or the supervisor."""
    return PlainTextResponse("ok\n")


async def readyz(_: Request) -> Response:
    """Readiness: 200 if database, schema and supervisor are healthy, else 503; names the failed checks, no details."""
    checks = await anyio.to_thread.run_sync(health.run_checks)
    # A failing webhook receiver or open folder permissions do not stop work.
    parts = {check.name: check.is_ok for check in checks if check.name not in ("webhook", "folders")}
    is_ready = all(parts.values())
    return JSONResponse({"is_ready": is_ready, "checks": parts}, 200 if is_ready else 503)


async def metrics(_: Request) -> Response:
    return Response(await anyio.to_thread.run_sync(_exposition), media_type=CONTENT_TYPE_LATEST)


def _exposition() -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector())
    return generate_latest(registry)


class _Collector:
    """Reads the metrics on each scrape; without a database only those of this process."""

    def collect(self) -> Iterator[Metric]:
        errors = CounterMetricFamily(
            "fcst_database_errors", "Failed transactions of this server, by kind.", labels=["kind"]
        )
        for kind, n in monitoring.count_database_errors().items():
            errors.add_metric([kind], n)
        yield errors
        try:
            now = monitoring.measure_load()
        except FcstError:
            yield GaugeMetricFamily("fcst_database_up", "1 if the database is reachable, else 0.", 0)
            return
        yield GaugeMetricFamily("fcst_database_up", "1 if the database is reachable, else 0.", 1)
        yield _by("fcst_jobs", "Runs by status.", "status", now.jobs)
        yield _by("fcst_batches", "Batches of open runs, by stage.", "stage", now.batches)
        yield GaugeMetricFamily("fcst_items_per_second", "Items finished per second, over all runs.", now.items_per_s)
        yield GaugeMetricFamily("fcst_queue_age_seconds", "Age of the oldest waiting batch.", now.queue_age_s)
        yield GaugeMetricFamily("fcst_pool_processes", "Worker processes of active supervisors.", now.n_processes)
        yield GaugeMetricFamily("fcst_pool_busy", "Worker processes that run a batch.", now.n_busy)


def _by(name: str, text: str, label: str, numbers: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, n in numbers.items():
        family.add_metric([value], n)
    return family
