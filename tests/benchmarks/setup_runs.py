"""Shared setup of the benchmarks: a server, series, a supervisor, runs, timing and formatting."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from statsforecast import StatsForecast, models

from fcst import __version__
from fcst.dataset_records import Dataset
from fcst.job_records import Job
from fcst.names import BENCHMARKS, SEASON_LENGTH
from fcst.services import datasets, jobs, supervision
from fcst.settings import PROJECT, load_settings
from fcst.specs import IngestSpec, JobSpec
from fcst.store import accuracy, workers
from fcst.store.database import transaction
from tests.store.old_versions import REPORT

H = 13
MODELS = ("SeasonalNaive", "AutoETS", "DynamicOptimizedTheta")  # about 25 ms per series; AutoETS without season


def processes() -> int:
    return load_settings().processes


@contextlib.contextmanager
def fresh_home() -> Iterator[Path]:
    """An empty database in a new FCST_HOME."""
    with tempfile.TemporaryDirectory() as folder:
        number = os.environ.get("FCST_PROCESSES") or str(len(os.sched_getaffinity(0)))
        os.environ |= {"FCST_HOME": f"{folder}/home", "FCST_WORKER": "external", "FCST_PROCESSES": number}
        os.environ.pop("DATABASE_URL", None)
        supervision.prepare_database()
        yield Path(folder)


@contextlib.contextmanager
def supervisor(folder: Path, **env: str) -> Iterator[psutil.Process]:
    """A running supervisor; its workers are warm after a first run."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "fcst", "worker"], cwd=PROJECT, stderr=log, env=os.environ | env
        )
    try:
        while not workers.list_live():
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def load(n_items: int, n_weeks: int) -> Dataset:
    """Create a reproducible dataset of seasonal series with noise, in SQL."""
    last = date(2017, 8, 12)
    values = {"n_items": n_items, "n_weeks": n_weeks, "last": last, "first": last - timedelta(weeks=n_weeks - 1)}
    values |= {"spec": IngestSpec(paths=("none",), name="series").to_json(), "report": json.dumps(REPORT)}
    with transaction() as cur:
        cur.execute(
            """INSERT INTO fcst_app.datasets (name, version, spec, report, week_end, include_promo, n_items, n_weeks,
                                              first_wk_end_dt, last_wk_end_dt, total_units)
               VALUES ('series', 1, %(spec)s, %(report)s, 'SAT', false, %(n_items)s, %(n_weeks)s, %(first)s, %(last)s,
                       1)
               RETURNING dataset_id""",
            values,
        )
        dataset_id = cur.fetchone()["dataset_id"]
        values["dataset_id"] = dataset_id
        cur.execute(
            """INSERT INTO fcst_app.items (dataset_id, unique_id, sales_rank, total_units, first_wk_end_dt, n_weeks,
                                           n_missing, last_sale_dt, family, class, demand_class, description, adi, cv2,
                                           search_text)
               SELECT %(dataset_id)s, key, i, 1, %(first)s, %(n_weeks)s, 0, %(last)s - mod(i, 250)::integer,
                      'FAMILY ' || mod(i, 33), 1000 + mod(i, 300), (ARRAY['smooth', 'erratic', 'lumpy'])[1 + mod(i, 3)],
                      words, 1 + mod(i, 7), mod(i, 11) / 10.0, lower(key || E'\\x1f' || words)
               FROM generate_series(1, %(n_items)s) i,
                    LATERAL (SELECT 'item' || lpad(i::text, greatest(6, length(i::text)), '0') AS key,
                                    'Sort ' || md5(i::text) AS words) d""",
            values,
        )
        cur.execute("SELECT setseed(0.5)")
        cur.execute(
            """WITH item AS MATERIALIZED (
                   SELECT unique_id, exp(random_normal(4, 1)) AS level, random() AS phase
                   FROM fcst_app.items WHERE dataset_id = %(dataset_id)s
               ), week AS (
                   SELECT unique_id, w, level * (1 + 0.3 * sin(2 * pi() * (w / 52.0 + phase))) AS expected
                   FROM item CROSS JOIN generate_series(0, %(n_weeks)s - 1) w
               )
               INSERT INTO fcst_app.sales (dataset_id, unique_id, first_wk_end_dt, unit_sales)
               SELECT %(dataset_id)s, unique_id, %(first)s,
                      array_agg(greatest(round((expected + sqrt(expected) * random_normal())::numeric), 0) ORDER BY w)
               FROM week GROUP BY unique_id""",
            values,
        )
        cur.execute(
            """INSERT INTO fcst_app.sales_totals (dataset_id, grouped_by, key, first_wk_end_dt, unit_sales, promo_units,
                                                  n_items)
               SELECT %(dataset_id)s, g.by, g.key, %(first)s, array_agg(g.units ORDER BY g.n),
                      array_agg(0 ORDER BY g.n), array_agg(g.n_items ORDER BY g.n)
               FROM (
                   SELECT v.by, v.key, w.n, sum(w.units) AS units, count(*)::integer AS n_items
                   FROM (
                       SELECT i.family, w.n, sum(w.units) AS units, count(*) AS n_items
                       FROM fcst_app.sales s JOIN fcst_app.items i USING (dataset_id, unique_id)
                       CROSS JOIN LATERAL unnest(s.unit_sales) WITH ORDINALITY w (units, n)
                       WHERE s.dataset_id = %(dataset_id)s GROUP BY i.family, w.n
                   ) w CROSS JOIN LATERAL (VALUES ('all', ''), ('family', w.family)) v (by, key)
                   GROUP BY v.by, v.key, w.n
               ) g GROUP BY g.by, g.key""",
            values,
        )
    return datasets.get_dataset(dataset_id)


def read_frame(dataset: Dataset, n_items: int) -> pd.DataFrame:
    """The series as a frame for statsforecast."""
    with transaction() as cur:
        cur.execute(
            """SELECT w.unique_id, w.wk_end_dt AS ds, w.unit_sales AS y FROM fcst_app.weekly_sales w
               JOIN fcst_app.items i USING (dataset_id, unique_id)
               WHERE dataset_id = %(dataset_id)s AND i.sales_rank <= %(n_items)s ORDER BY unique_id, ds""",
            {"dataset_id": dataset.dataset_id, "n_items": n_items},
        )
        frame = pd.DataFrame([tuple(row.values()) for row in cur.fetchall()], columns=["unique_id", "ds", "y"])
    return frame.assign(ds=pd.to_datetime(frame["ds"]))


def submit(dataset: Dataset, n_items: int, models: tuple[str, ...] = MODELS, **options: Any) -> int:
    """Submit a run without levels: with intervals, a run also fits earlier windows, unlike StatsForecast.forecast."""
    options = {"h": H, "level": [], "n_windows": 0} | options
    spec = jobs.make_spec(n_items, list(models), **options)
    return jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, n_items), spec)


def run_job(dataset: Dataset, n_items: int, models: tuple[str, ...] = MODELS, **options: Any) -> Job:
    job = jobs.wait_for_job(submit(dataset, n_items, models, **options))
    assert job.n_completed == n_items, job
    return job


AS_IF_RUN = Path(__file__).with_name("simulated_run.sql")
ELSEWHERE = "0b8ef3a0-53b5-4d0b-9a50-1f8f1f7c0001"  # id of a simulated supervisor on another machine


def make_run(
    dataset: Dataset, n_items: int, spec: JobSpec, fails_in: int | None = None, n_done: int | None = None
) -> int:
    """Create a simulated computed run of the largest items, in SQL.

    Parameters
    ----------
    fails_in
        one item in this many fails.
    n_done
        number of ended batches, the others wait; by default the run has ended.
    """
    job_id = jobs.submit_job(dataset.dataset_id, jobs.choose_largest(dataset, n_items), spec)
    if not workers.is_known(ELSEWHERE):
        workers.register(ELSEWHERE, "elsewhere", 1, __version__, 2, 86_400)
    values = {
        "job_id": job_id,
        "dataset_id": dataset.dataset_id,
        "last": dataset.last_wk_end_dt,
        "models": list(spec.models),
        "measured": list(dict.fromkeys((*spec.models, *BENCHMARKS))),
        "h": spec.h,
        "n_windows": spec.n_windows,
        "fails_in": fails_in or n_items + 1,
        "n_done": -(-n_items // spec.batch_size) if n_done is None else n_done,
        "worker": ELSEWHERE,
    }
    with transaction() as cur:
        cur.execute(AS_IF_RUN.read_text(), values)
        cur.execute(
            "SELECT batch_id FROM fcst_app.batch_status"
            " WHERE job_id = %(job_id)s AND stage = 'completed' AND %(n_windows)s > 0",
            values,
        )
        for row in cur.fetchall():
            accuracy.store_sums(cur, dataset.dataset_id, job_id, row["batch_id"], spec.level)
    return job_id


def run_statsforecast(frame: pd.DataFrame, n_jobs: int) -> pd.DataFrame:
    made = [getattr(models, name)(season_length=1 if name == "AutoETS" else SEASON_LENGTH) for name in MODELS]
    return StatsForecast(models=made, freq="W-SAT", n_jobs=n_jobs).forecast(df=frame, h=H)


def timed(function: Callable[..., object], *args: object) -> float:
    begin = time.perf_counter()
    function(*args)
    return time.perf_counter() - begin


def alternate(number: int, one: Callable[[], float], other: Callable[[], float]) -> tuple[float, float]:
    """The seconds of both; the order alternates with `number`."""
    if number % 2:
        second = other()
        return one(), second
    return one(), other()


def format_range(values: list[float], unit: str = "", digits: int = 2) -> str:
    least, middle, most = (f"{v:,.{digits}f}" for v in (min(values), statistics.median(values), max(values)))
    return f"{middle}{unit} ({least}–{most}, n={len(values)})"


def cpu_below(process: psutil.Process) -> float:
    """CPU seconds of a process and its descendants, including ended ones."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(one.cpu_times()[:4])
    return total


def spin_share(seconds: float = 3.0) -> float:
    """CPU share that as many busy loops get; less than 1 if other programs use the machine."""
    code = f"import time; end = time.perf_counter() + {seconds}\nwhile time.perf_counter() < end: pass\n"
    command = [sys.executable, "-S", "-c", code + "print(time.process_time())"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes())]
    return sum(float(process.communicate()[0]) for process in started) / (seconds * len(started))


def postgres() -> psutil.Process:
    """The server's postmaster process."""
    with transaction() as cur:
        cur.execute("SELECT pg_backend_pid() AS pid")
        return psutil.Process(cur.fetchone()["pid"]).parent()


class Meter:
    """CPU seconds since its creation: of the supervisor, its workers, and Postgres."""

    def __init__(self, process: psutil.Process) -> None:
        self.process = process
        self.postgres = postgres()
        self.before = self._read()

    def _read(self) -> dict[str, float]:
        own = sum(self.process.cpu_times()[:2])
        below = cpu_below(self.process) - own
        return {"supervisor": own, "workers": below, "Postgres": cpu_below(self.postgres)}

    def read(self) -> dict[str, float]:
        return {name: after - self.before[name] for name, after in self._read().items()}
