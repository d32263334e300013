"""What monitors ask: whether the server lives, whether it can work, and its numbers in Prometheus' form."""

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
    """The server answers; of what it needs it says nothing."""
    return PlainTextResponse("ok\n")


async def readyz(_: Request) -> Response:
    """200 when database, schema and supervisor are well, else 503; which is not, without particulars."""
    checks = await anyio.to_thread.run_sync(health.run_checks)
    # A webhook's receiver is not ours, and folders that others may enter keep no work from being done.
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
    """Reads the numbers when they are asked for; without a database those of this process alone."""

    def collect(self) -> Iterator[Metric]:
        errors = CounterMetricFamily(
            "fcst_database_errors", "Transactions of this server that failed, by kind.", labels=["kind"]
        )
        for kind, n in monitoring.count_database_errors().items():
            errors.add_metric([kind], n)
        yield errors
        try:
            now = monitoring.measure_load()
        except FcstError:
            yield GaugeMetricFamily("fcst_database_up", "Whether the database answers.", 0)
            return
        yield GaugeMetricFamily("fcst_database_up", "Whether the database answers.", 1)
        yield _by("fcst_jobs", "Jobs by status.", "status", now.jobs)
        yield _by("fcst_batches", "Batches of jobs that have not ended, by stage.", "stage", now.batches)
        yield GaugeMetricFamily("fcst_items_per_second", "Items that end in a second, in all jobs.", now.items_per_s)
        yield GaugeMetricFamily("fcst_queue_age_seconds", "Since the oldest batch waits.", now.queue_age_s)
        yield GaugeMetricFamily("fcst_pool_processes", "Worker processes of living supervisors.", now.n_processes)
        yield GaugeMetricFamily("fcst_pool_busy", "Of these, those that run a batch.", now.n_busy)


def _by(name: str, text: str, label: str, numbers: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, n in numbers.items():
        family.add_metric([value], n)
    return family
