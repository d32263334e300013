"""Sales with stock-outs, and runs that estimate the lost sales."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from fcst.dataset_records import Dataset
from fcst.job_records import Job
from fcst.services import jobs
from tests.engine.tasks import run_all

N_WEEKS = 80
STOCKOUT_WEEKS = {"item1": range(60, 64), "item2": range(70, 71), "item4": range(0)}


def write_stock_outs(path: Path, has_flag: bool = False) -> None:
    """Writes sales of three items with stock-out weeks, and of `item3`, which sells intermittently."""
    rng, first = np.random.default_rng(2), date(2020, 1, 5)
    lines = ["date,item,units" + (",in_stock" if has_flag else "")]
    for week in range(N_WEEKS):
        for place, (item, out) in enumerate(STOCKOUT_WEEKS.items(), 1):
            is_in = week not in out
            for day in (0, 6):
                units = int(rng.poisson(25 * place)) if is_in else 0
                flag = f",{int(is_in)}" if has_flag else ""
                lines.append(f"{first + timedelta(weeks=week, days=day)},{item},{units}{flag}")
        if rng.random() < 0.4 or week == 0:
            lines.append(f"{first + timedelta(weeks=week)},item3,20" + (",1" if has_flag else ""))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def dataset(load_dataset: Callable[..., Dataset], tmp_path: Path) -> Dataset:
    write_stock_outs(tmp_path / "stock.csv")
    return load_dataset(tmp_path / "stock.csv", name="stock")


def run(dataset: Dataset, skips: bool) -> Job:
    spec = jobs.make_spec(4, ["WindowAverage"], 4, [80], 2, 1, skips)
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, 4), spec)
    run_all(job_id)
    return jobs.get_job(job_id)
