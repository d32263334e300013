"""Sales with promotions, and runs that learn their effects."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fcst.dataset_records import Dataset, Ingest
from fcst.engine import task
from fcst.services import drivers, jobs
from fcst.specs import IngestSpec, JobSpec
from fcst.store import attempts, ingests
from tests.engine.tasks import WORKER

SPEC = JobSpec(models=("SeasonalNaive",), h=4, batch_size=4, n_windows=2)
UPLIFT = 2.0


@pytest.fixture
def promoted(load_dataset: Callable[..., Dataset], tmp_path: Path) -> Dataset:
    """Eight items with 60 weeks, double sales in promotion weeks, and a promotion plan for the next weeks."""
    rng, lines, plan = np.random.default_rng(1), ["date,item,qty,promo"], ["week ending,item,promo"]
    first = np.datetime64("2020-01-05")
    for item in range(8):
        for week in range(64):
            is_promo = rng.random() < 0.25
            saturday = first + 7 * week + 6
            if week >= 60:
                plan.append(f"{saturday},item{item},{int(is_promo)}")
                continue
            for day in (saturday - 6, saturday):
                units = round((50 + 10 * item) * (UPLIFT if is_promo else 1) * rng.uniform(0.9, 1.1))
                lines.append(f"{day},item{item},{units},{int(is_promo)}")
    (tmp_path / "sales.csv").write_text("\n".join(lines))
    (tmp_path / "plan.csv").write_text("\n".join(plan))
    dataset = load_dataset(tmp_path / "sales.csv", include_promo=True)
    load_plan(dataset, tmp_path / "plan.csv")
    return dataset


def load_plan(dataset: Dataset, path: Path, **mapping: list[str]) -> None:
    spec = IngestSpec((str(path),), dataset.name, {"date": ["week ending"]} | mapping, plan_of=dataset.dataset_id)
    assert ingest_plan(spec).error is None


def ingest_plan(spec: IngestSpec) -> Ingest:
    """Load a plan and return its ended ingest."""
    ingest_id = drivers.request_plan(spec)
    claimed = ingests.claim(WORKER)
    assert claimed is not None and claimed.ingest_id == ingest_id
    task.run_ingest(claimed.ingest_id, claimed.attempt)
    ingest = ingests.get(ingest_id)
    assert ingest is not None
    return ingest


def submit(dataset: Dataset, spec: JobSpec = SPEC) -> int:
    return jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, dataset.n_items), spec)


def run(job_id: int) -> None:
    while claimed := attempts.claim(WORKER, 1):
        (batch,) = claimed
        (task.run_learning if batch.is_learning else task.run_batch)(batch.batch_id, batch.attempt)
