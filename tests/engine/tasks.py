"""Runs the tasks of a job in this process, and reads what they saved."""

import io
import uuid

import pandas as pd

from fcst.engine import task
from fcst.services import exports, jobs
from fcst.store import attempts

WORKER = str(uuid.uuid4())


def run_all(job_id: int) -> None:
    while claimed := attempts.claim(WORKER, 1):
        task.run_batch(claimed[0].batch_id, claimed[0].attempt)


def exported(job_id: int) -> pd.DataFrame:
    out = io.BytesIO()
    exports.write_export(jobs.get_job(job_id), out, "csv")
    return pd.read_csv(io.BytesIO(out.getvalue()), dtype={"unique_id": str})
