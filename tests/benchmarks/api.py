"""Response times of the API, with one client and with 100, for a run of 4,000 items × 13 weeks × 3 models.

    python tests/benchmarks/api.py [--requests 200] [--clients 100]

Each request is compared with `/healthz` of the same server at the same time. A file of the run over HTTP is compared
with the same file written in this process by the function of the command line.
"""

import argparse
import asyncio
import io
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import httpx  # noqa: E402

from fcst.services import exports, jobs  # noqa: E402
from fcst.specs import JobSpec  # noqa: E402
from tests.benchmarks.setup_runs import fresh_home, load, make_run  # noqa: E402
from tests.benchmarks.visitors import running_app  # noqa: E402

MODELS = ("Auto", "SeasonalNaive", "AutoETS")
SPEC = JobSpec(models=MODELS, h=13, batch_size=25)


async def ask(client: httpx.AsyncClient, path: str) -> float:
    """Milliseconds until the complete response has arrived."""
    begun = time.perf_counter()
    (await client.get(path)).raise_for_status()
    return 1000 * (time.perf_counter() - begun)


async def alone(base: str, path: str, n: int) -> list[float]:
    async with httpx.AsyncClient(base_url=base, timeout=60) as client:
        return [await ask(client, path) for _ in range(n)]


async def crowd(base: str, paths: list[str], n_clients: int, n: int) -> tuple[list[float], float]:
    """All times, and requests per second; each client requests the paths in turn."""

    async def one(number: int) -> list[float]:
        async with httpx.AsyncClient(base_url=base, timeout=60) as client:
            return [await ask(client, paths[(number + k) % len(paths)]) for k in range(n)]

    begun = time.perf_counter()
    found = await asyncio.gather(*(one(number) for number in range(n_clients)))
    return [ms for times in found for ms in times], n_clients * n / (time.perf_counter() - begun)


def print_times(name: str, times: list[float], base_ms: float) -> None:
    p95 = statistics.quantiles(times, n=20)[18]
    median = statistics.median(times)
    print(f"{name:<34}{median:8.1f} ms  p95 {p95:7.1f} ms  {median / base_ms:6.1f} × /healthz", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=int, default=100)
    args = parser.parse_args()
    with fresh_home() as folder:
        job_id = make_run(load(4_000, 2), 4_000, SPEC)
        with running_app(folder, FCST_API_RATE="1000000/second") as app:
            base = app.url("").rstrip("/?")
            paths = {
                "a job": f"/api/jobs/{job_id}",
                "its batches": f"/api/jobs/{job_id}/batches",
                "forecasts of 100 items": f"/api/jobs/{job_id}/forecasts?limit=100",
                "items, 1,000": "/api/datasets/1/items",
                "metrics for Prometheus": "/metrics",
            }
            asyncio.run(alone(base, "/healthz", 20))
            for name, path in paths.items():
                base_ms = statistics.median(asyncio.run(alone(base, "/healthz", args.requests)))
                print_times(name, asyncio.run(alone(base, path, args.requests)), base_ms)
            times, rate = asyncio.run(crowd(base, list(paths.values()), args.clients, 10))
            print_times(f"{args.clients} clients at once, mixed", times, base_ms)
            print(f"{rate:,.0f} requests per second")
            for file_format in ("csv", "parquet"):
                path = f"/api/jobs/{job_id}/forecasts?format={file_format}"
                over_http = min(asyncio.run(alone(base, path, 3)))
                begun = time.perf_counter()
                exports.write_export(jobs.get_job(job_id), io.BytesIO(), file_format)
                here = 1000 * (time.perf_counter() - begun)
                print(
                    f"{4_000 * 13 * 3:,} rows as {file_format}: {over_http:,.0f} ms, "
                    f"{over_http / here:.2f} × written here"
                )


if __name__ == "__main__":
    main()
