"""What a file costs: seconds, peak growth of this process's memory, size; for a run of so many rows, and of a tenth.

    python tests/benchmarks/downloads.py [--rows 1000000]

Memory that grows with the rows shows as a difference between the two.
"""

import argparse
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.csv
import pyarrow.parquet
from ground import fresh_home, load

from fcst.names import EXPORT_FORMATS
from fcst.services import exports, jobs
from fcst.specs import JobSpec
from fcst.store.database import transaction

MODELS = ("Auto", "AutoETS", "SeasonalNaive", "Naive")
SPEC = JobSpec(models=MODELS, h=10, batch_size=1_000)


def make_run(dataset: dict[str, Any], n_items: int) -> int:
    """A completed run with forecasts and accuracy of every item, made by the server."""
    job_id = jobs.submit_job(dataset["dataset_id"], jobs.choose_largest(dataset, n_items), SPEC)
    values = {"job_id": job_id, "models": list(MODELS), "last": dataset["last_wk_end_dt"], "h": SPEC.h}
    for statement in (
        """INSERT INTO fcst_app.forecasts (job_id, unique_id, model, wk_end_dt, forecast, lo, hi, is_fallback, made_by)
           SELECT job_id, unique_id, m, %(last)s::date + 7 * w, f, ARRAY[f * 0.8, f * 0.6], ARRAY[f * 1.2, f * 1.4],
                  false, m
           FROM fcst_app.job_items CROSS JOIN unnest(%(models)s) m CROSS JOIN generate_series(1, %(h)s) w
           CROSS JOIN LATERAL (SELECT random() * 100 + w * length(unique_id) AS f) f WHERE job_id = %(job_id)s""",
        """INSERT INTO fcst_app.metrics (job_id, unique_id, model, cutoff, n_weeks, abs_error, error, sq_error, actual,
                                         is_fallback, made_by, coverage, mean_width, msis)
           SELECT job_id, unique_id, m, %(last)s::date - 91 * w, 13, 20, 10, 30, 100, false, m, '{0.8, 0.95}',
                  '{10, 20}', '{3, 4}'
           FROM fcst_app.job_items CROSS JOIN unnest(%(models)s) m CROSS JOIN generate_series(1, 3) w
           WHERE job_id = %(job_id)s""",
        "UPDATE fcst_app.job_items SET outcome = 'completed', finished_at = now() WHERE job_id = %(job_id)s",
        """UPDATE fcst_app.batch_status SET stage = 'completed', finished_at = now(), n_completed = n_items
           WHERE job_id = %(job_id)s""",
        "UPDATE fcst_app.jobs SET status = 'completed', finished_at = now() WHERE job_id = %(job_id)s",
    ):
        with transaction() as cur:
            cur.execute(statement, values)
    return job_id


def measure(job_id: int, path: Path, file_format: str) -> tuple[float, int]:
    """Seconds, and bytes by which this process grew at most."""
    process, over = psutil.Process(), threading.Event()
    before = process.memory_info().rss
    most = before

    def watch() -> None:
        nonlocal most
        while not over.wait(0.01):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    begin = time.perf_counter()
    exports.export_job(job_id, path, file_format)
    seconds = time.perf_counter() - begin
    over.set()
    watcher.join()
    return seconds, most - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    n_items = parser.parse_args().rows // (len(MODELS) * SPEC.h)
    pyarrow.csv, pyarrow.parquet  # noqa: B018  loaded before memory is looked at
    with fresh_home() as folder:
        dataset = load(n_items, 2)
        for n in (n_items // 10, n_items):
            job_id = make_run(dataset, n)
            for file_format in EXPORT_FORMATS:
                path = folder / f"out.{file_format}"
                seconds, growth = measure(job_id, path, file_format)
                print(
                    f"{exports.count_rows(jobs.get_job(job_id)):>9,} rows  {file_format:<8}{seconds:5.1f} s  "
                    f"{growth / 1e6:5.0f} MB more memory  {path.stat().st_size / 1e6:6.1f} MB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
