"""A sample shop with drivers (promotions, prices, closed days), a plan for future weeks, and a run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fcst.dataset_records import Dataset
from fcst.job_records import Job
from fcst.services import jobs
from fcst.specs import JobSpec
from fcst.store.jobs import freeze_ended
from tests.engine.learning_runs import load_plan, run

MODEL = "SeasonalNaive"
H = 4
WEEKS = 150


def load_shop(load_dataset: Callable[..., Dataset], folder: Path) -> Dataset:
    """Loads six items in two families. A promotion doubles sales, a price cut of 20 % raises them by 40 %; two past
    weeks and the last future week are closed."""
    rng, lines, plan = np.random.default_rng(3), ["date,item,family,qty"], ["week ending,item,promo,price,open"]
    first = np.datetime64("2019-01-06")
    for item in range(6):
        for week in range(WEEKS + H):
            saturday = first + 7 * week + 6
            promo, price = int(rng.random() < 0.2), 10 * (0.8 if rng.random() < 0.25 else 1.0)
            is_open = 0 if week in (70, 71, WEEKS + 3) else 1
            plan.append(f"{saturday},item{item},{promo},{price},{is_open}")
            if week < WEEKS:
                units = (40 + 10 * item) * 2**promo * (price / 10) ** -1.5 * rng.uniform(0.9, 1.1)
                family = "DAIRY" if item < 3 else "DELI"
                lines += [f"{saturday - days},item{item},{family},{round(units * is_open)}" for days in (6, 0)]
    (folder / "sales.csv").write_text("\n".join(lines))
    (folder / "plan.csv").write_text("\n".join(plan))
    dataset = load_dataset(folder / "sales.csv")
    load_plan(dataset, folder / "plan.csv")
    return dataset


def forecast(dataset: Dataset) -> Job:
    """A completed run of all items with two simple models."""
    items = jobs.choose_largest(dataset, dataset.n_items)
    job_id = jobs.submit_job(dataset.dataset_id, items, JobSpec(models=(MODEL, "Naive"), h=H, n_windows=0))
    run(job_id)
    freeze_ended()
    return jobs.get_job(job_id)
