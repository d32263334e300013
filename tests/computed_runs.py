"""Runs with results that were written without an engine, for tests of what reads them."""

import uuid
from pathlib import Path

import numpy as np

from fcst.dataset_records import Dataset
from fcst.engine.task import run_batch
from fcst.job_records import Job
from fcst.services import jobs
from fcst.specs import JobSpec
from fcst.store import attempts
from fcst.store.database import transaction
from fcst.store.jobs import freeze_ended


def run(dataset: Dataset, n_items: int, **spec: object) -> Job:
    items = jobs.choose_largest(dataset, n_items)
    job_id = jobs.submit_job(dataset.dataset_id, items, JobSpec(**{"models": ("Auto", "AutoETS"), "h": 4, **spec}))
    while claimed := attempts.claim(str(uuid.uuid4()), 1):
        run_batch(claimed[0].batch_id, claimed[0].attempt)
    freeze_ended()
    return jobs.get_job(job_id)


def write_correlated(path: Path) -> Path:
    """Writes sales of four items with a common shock; two of them have a promotion-only week in each window."""
    rng = np.random.default_rng(4)
    together = 100 * rng.lognormal(0, 0.25, 110)
    lines = ["date,item_nbr,unit_sales,onpromotion"]
    for item in range(1, 5):
        for week, level in enumerate(together * item * rng.lognormal(0, 0.05, 110)):
            is_promoted = item in (2, 3) and week in (110 - 4, 110 - 20)
            for offset in (0, 6):
                day = np.datetime64("2020-01-05") + 7 * week + offset
                lines.append(f"{day},item{item},{level / 2:.2f},{is_promoted}")
    path.write_text("\n".join(lines))
    return path


def make_earlier_version(job: Job, items: list[str]) -> None:
    """Reduces items to the rows of a version without backtests."""
    with transaction() as cur:
        values = {"job_id": job.job_id, "items": items}
        cur.execute(
            "UPDATE fcst_app.metrics SET sq_error = NULL, pinball = NULL, smape = NULL, mase = NULL, rmsse = NULL,"
            " scaled_crps = NULL, coverage = '{}', mean_width = '{}', msis = '{}'"
            " WHERE job_id = %(job_id)s AND unique_id = ANY (%(items)s)",
            values,
        )
        for statement in (
            "DELETE FROM fcst_app.metrics"
            " WHERE model = 'Naive' AND job_id = %(job_id)s AND unique_id = ANY (%(items)s)",
            "DELETE FROM fcst_app.backtests WHERE job_id = %(job_id)s AND unique_id = ANY (%(items)s)",
            "UPDATE fcst_app.job_items SET provenance = NULL WHERE job_id = %(job_id)s AND unique_id = ANY (%(items)s)",
            "UPDATE fcst_app.batch_status SET is_summed = false WHERE job_id = %(job_id)s",
            "DELETE FROM fcst_app.accuracy_sums WHERE job_id = %(job_id)s",
        ):
            cur.execute(statement, values)


def statement(text: str, job: Job) -> list[dict]:
    with transaction() as cur:
        cur.execute(text, {"job_id": job.job_id})
        return cur.fetchall() if cur.description else []


def write_rows(path: Path, units: dict[str, list[float]]) -> Path:
    lines = ["date,item_nbr,unit_sales"]
    for item, weeks in units.items():
        for week, sold in enumerate(weeks):
            for offset in (0, 6):
                day = np.datetime64("2020-01-05") + 7 * (week + 80 - len(weeks)) + offset
                lines.append(f"{day},{item},{sold / 2}")
    path.write_text("\n".join(lines))
    return path
