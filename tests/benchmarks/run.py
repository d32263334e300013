"""A job against statsforecast itself: the same series, models, levels and number of processes.

    python tests/benchmarks/run.py [--items 200] [--pairs 3]

The job reads its sales from Postgres and leaves forecasts, outcomes and events there; statsforecast has its frame in
memory and returns one. Accuracy on held-out weeks, which only the job measures, is off. Both are warm: each has had
a small run before. Prints the seconds of each pair, their ratio, and how long a first job waits after a start.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from fcst.settings import limit_compute_threads  # noqa: E402

limit_compute_threads()

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from statsforecast import StatsForecast  # noqa: E402
from statsforecast.models import MSTL, AutoCES, AutoETS, DynamicOptimizedTheta, SeasonalNaive  # noqa: E402

from fcst.services import jobs, loading, supervision  # noqa: E402
from fcst.specs import IngestSpec, JobSpec  # noqa: E402

H, WEEKS, LEVELS = 13, 240, (80, 95)
MODELS = ("SeasonalNaive", "AutoETS", "DynamicOptimizedTheta", "AutoCES", "MSTL")


def make_sales(n_items: int) -> pd.DataFrame:
    """Seasonal series with noise, `unique_id, ds, y`; one row a week, on the Saturday that ends it."""
    rng = np.random.default_rng(1)
    week = np.arange(WEEKS)
    level = np.exp(rng.normal(4, 1, n_items))[:, None]
    season = 1 + 0.3 * np.sin(2 * np.pi * (week / 52 + rng.uniform(size=(n_items, 1))))
    y = rng.poisson(level * season).astype(float)
    ds = pd.date_range("2013-01-12", periods=WEEKS, freq="W-SAT")
    keys = np.repeat([f"item{i:05d}" for i in range(n_items)], WEEKS)
    return pd.DataFrame({"unique_id": keys, "ds": np.tile(ds, n_items), "y": y.ravel()})


def run_job(dataset: dict, n_items: int) -> float:
    batch_size = jobs.suggest_batch_size(n_items)
    spec = JobSpec(models=MODELS, h=H, level=LEVELS, batch_size=batch_size, n_windows=0)
    begin = time.perf_counter()
    job = jobs.wait_for_job(jobs.submit_job(dataset["dataset_id"], jobs.choose_largest(dataset, n_items), spec))
    assert job["n_completed"] == n_items, job
    return time.perf_counter() - begin


def run_statsforecast(sales: pd.DataFrame, processes: int) -> float:
    models = [
        SeasonalNaive(season_length=52),
        AutoETS(season_length=1),
        DynamicOptimizedTheta(season_length=52),
        AutoCES(season_length=52),
        MSTL(season_length=52),
    ]
    begin = time.perf_counter()
    StatsForecast(models=models, freq="W-SAT", n_jobs=processes).forecast(df=sales, h=H, level=list(LEVELS))
    return time.perf_counter() - begin


def start_worker(folder: str) -> subprocess.Popen:
    with (Path(folder) / "log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "fcst", "worker"], cwd=PROJECT, stderr=log)


def first_processing(dataset: dict) -> float:
    """Seconds from a submit to the first batch that computes."""
    begin = time.perf_counter()
    job_id = jobs.submit_job(dataset["dataset_id"], jobs.choose_largest(dataset, 1), JobSpec(n_windows=0))
    while not {"processing", "saving", "completed"} & set(jobs.get_job(job_id)["batches"]):
        time.sleep(0.005)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=3)
    args = parser.parse_args()
    processes = len(os.sched_getaffinity(0))
    sales = make_sales(args.items)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"FCST_HOME": f"{folder}/home", "FCST_WORKER": "external", "FCST_PROCESSES": str(processes)}
        os.environ.pop("DATABASE_URL", None)
        file = Path(folder) / "sales.csv"
        # The data reach to the end of the last week, so that no week is dropped as partial.
        padded = pd.concat([sales, sales.head(1).assign(ds=sales["ds"].min() - pd.Timedelta(days=6), y=0.0)])
        padded.set_axis(["item_nbr", "date", "unit_sales"], axis=1).to_csv(file, index=False)
        supervision.prepare_database()
        worker = start_worker(folder)
        try:
            dataset = loading.wait_for_ingest(loading.request_ingest(IngestSpec(paths=(str(file),), name="s")))
            assert dataset["n_weeks"] == WEEKS, dataset
            worker.terminate()
            worker.wait()
            worker = start_worker(folder)
            print(f"first job, submitted as the engine starts: processing after {first_processing(dataset):.2f} s")
            print(f"next job: processing after {first_processing(dataset):.2f} s")
            run_statsforecast(sales.head(10 * WEEKS), processes)
            ratios = []
            for pair in range(1, args.pairs + 1):
                job, alone = run_job(dataset, args.items), run_statsforecast(sales, processes)
                ratios.append(job / alone)
                print(f"pair {pair}: job {job:.1f} s, statsforecast {alone:.1f} s, ratio {ratios[-1]:.2f}")
            print(f"{args.items} items, {processes} processes: median ratio {statistics.median(ratios):.2f}")
        finally:
            worker.terminate()
            worker.wait()


if __name__ == "__main__":
    main()
