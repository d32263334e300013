"""Overhead of the engine: cost of a run compared with fitting its models.

    python tests/benchmarks/engine.py MEASUREMENT [--items N] …        `MEASUREMENT --help` lists its options
    python tests/benchmarks/engine.py all [--quick]                    all measurements

    job         the same series, models and processes: a run (sales from Postgres; forecasts, outcomes and events to
                Postgres) compared with StatsForecast.forecast on a frame in memory. Both warm; the order alternates
    naive       a run compared with the simplest design: one item per task, sequential batches, an INSERT per row
    efficiency  CPU time inside fits as a share of the available time, and the tail: how long the last batch ran alone
    scale       CPU time per item, for runs of growing size with a cheap model; share of the supervisor
    latency     time from submit to the first computing batch; from a change of stage to a page that shows it
    write       rows per second of a checkpoint compared with a bare COPY of the same rows

Each measurement starts an embedded server in its own folder. Prints each pair or sample, then medians with minimum and
maximum. Backtests and intervals, which only a run computes, are off.
"""

import argparse
import concurrent.futures
import contextlib
import io
import json
import os
import random
import signal
import sys
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from fcst.dataset_records import Dataset  # noqa: E402
from fcst.settings import limit_compute_threads  # noqa: E402

limit_compute_threads()

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import psycopg2  # noqa: E402

from fcst import supervisor_lock  # noqa: E402
from fcst.records import ForecastRecord, ItemResult  # noqa: E402
from fcst.services import datasets, jobs  # noqa: E402
from fcst.settings import load_settings  # noqa: E402
from fcst.specs import JobSpec  # noqa: E402
from fcst.states import Outcome, Stage  # noqa: E402
from fcst.store import attempts  # noqa: E402
from fcst.store import jobs as stored_jobs  # noqa: E402
from fcst.store.attempts import BatchAttempt  # noqa: E402
from fcst.store.database import connect_kwargs, transaction  # noqa: E402
from tests.benchmarks.setup_runs import (  # noqa: E402
    MODELS,
    H,
    Meter,
    alternate,
    format_range,
    fresh_home,
    load,
    processes,
    read_frame,
    run_job,
    run_statsforecast,
    spin_share,
    submit,
    supervisor,
    timed,
)

CHEAP = ("SeasonalNaive",)
BATCH_OF_NAIVE = 50


def measure_job(items: int, weeks: int, pairs: int) -> None:
    with fresh_home() as folder:
        dataset = load(items, weeks)
        frame = read_frame(dataset, items)
        with supervisor(folder):
            run_job(dataset, min(items, 10 * processes()))
            run_statsforecast(frame.head(10 * weeks), processes())
            ratios = []
            for number in range(pairs):
                job, alone = alternate(
                    number, lambda: timed(run_job, dataset, items), lambda: timed(run_statsforecast, frame, processes())
                )
                ratios.append(job / alone)
                print(f"pair {number + 1}: job {job:.2f} s, statsforecast {alone:.2f} s, ratio {ratios[-1]:.3f}")
        what = f"{items:,} series of {weeks} weeks, {', '.join(MODELS)}, {processes()} processes"
    print(f"{what}: job / statsforecast {format_range(ratios, digits=3)}; goal 1.10 or less")


def measure_naive(items: int, weeks: int, pairs: int) -> None:
    with fresh_home() as folder, concurrent.futures.ProcessPoolExecutor(processes()) as pool:
        dataset = load(items, weeks)
        with transaction() as cur:
            cur.execute(
                "CREATE TABLE fcst_app.naive (unique_id text, model text, wk_end_dt date, forecast float8,"
                " made_by text, PRIMARY KEY (unique_id, model, wk_end_dt))"
            )
        with supervisor(folder):
            run_job(dataset, min(items, 10 * processes()))
            run_naive(pool, dataset, min(items, 10 * processes()))
            ratios = []
            for number in range(pairs):
                job, naive = alternate(
                    number, lambda: timed(run_job, dataset, items), lambda: timed(run_naive, pool, dataset, items)
                )
                ratios.append(naive / job)
                print(f"pair {number + 1}: job {job:.2f} s, naive {naive:.2f} s, naive / job {ratios[-1]:.2f}")
        print(f"{items:,} series, {processes()} processes: the job is {format_range(ratios)} times as fast")


def run_naive(pool: concurrent.futures.Executor, dataset: Dataset, n_items: int) -> None:
    """For each batch: read its sales, run one task per item, wait for all, insert row by row, commit."""
    keys = [item.unique_id for item in datasets.list_items(dataset.dataset_id, limit=n_items)]
    insert = "INSERT INTO fcst_app.naive VALUES (%s, %s, %s, %s, %s)"
    con = psycopg2.connect(**connect_kwargs())
    with contextlib.closing(con), con.cursor() as cur:
        cur.execute("TRUNCATE fcst_app.naive")
        for start in range(0, n_items, BATCH_OF_NAIVE):
            cur.execute(
                "SELECT unique_id, wk_end_dt, unit_sales FROM fcst_app.weekly_sales"
                " WHERE dataset_id = %s AND unique_id = ANY (%s) ORDER BY unique_id, wk_end_dt",
                (dataset.dataset_id, keys[start : start + BATCH_OF_NAIVE]),
            )
            frame = pd.DataFrame(cur.fetchall(), columns=["unique_id", "ds", "y"])
            frame["ds"] = pd.to_datetime(frame["ds"])
            tasks = [pool.submit(run_statsforecast, part, 1) for _, part in frame.groupby("unique_id")]
            for row in [row for task in tasks for row in task.result().to_dict("records")]:
                for model in MODELS:
                    cur.execute(insert, (row["unique_id"], model, row["ds"], max(row[model], 0.0), model))
            con.commit()


def measure_efficiency(items: int, weeks: int) -> None:
    with fresh_home() as folder:
        dataset = load(items, weeks)
        notes = folder / "fitting"
        notes.mkdir()
        patch = {"PYTHONPATH": str(Path(__file__).with_name("fitting")), "FITTING_FOLDER": str(notes)}
        with supervisor(folder, **patch) as process:
            run_job(dataset, min(items, 10 * processes()))
            free = [spin_share()]
            meter, submitted_at = Meter(process), time.time()
            job = run_job(dataset, items)
            cpu = meter.read()
            free.append(spin_share())
            rows = jobs.list_batches(job.job_id)
        lines = [json.loads(line) for path in notes.iterdir() for line in path.read_text().splitlines()]
        ids = {row.batch_id for row in rows}
        lines = [line for line in lines if line[0] in ids]
        assert len(lines) == len(rows), "the log of a batch is missing"
        n = processes()
    fitting_s, batches_s = (sum(line[i] for line in lines) for i in (1, 2))
    finished_at = job.finished_at.timestamp()
    ends = sorted(row.finished_at.timestamp() for row in rows)
    held_s = sum((row.finished_at - row.started_at).total_seconds() for row in rows)
    print(f"{items:,} series, {', '.join(MODELS)}, {len(rows):,} batches, {n} processes")
    print(f"as many busy loops got {free[0]:.1%} of the CPUs before, {free[1]:.1%} after")
    begun_at = min(row.started_at for row in rows).timestamp()
    for name, wall in (("submit", finished_at - submitted_at), ("the first batch", finished_at - begun_at)):
        had = wall * n
        print(
            f"from {name}: {wall:.1f} s; fits took {fitting_s / had:.1%} of the CPU time, batches in total "
            f"{batches_s / had:.1%}; processes had a batch {held_s / had:.1%} of the time"
        )
    had = (finished_at - submitted_at) * n
    print("CPU seconds: " + ", ".join(f"{name} {s:.1f} ({s / had:.1%})" for name, s in cpu.items()))
    idle_s = ends[-1] - ends[-n] if len(ends) >= n else 0.0
    print(f"tail: the first process became idle {idle_s:.2f} s before the last batch ended,", end=" ")
    print(f"which was {finished_at - ends[-1]:.2f} s before the end of the run")


def measure_scale(items: list[int], weeks: int, batch_size: int) -> None:
    with fresh_home() as folder:
        print(f"{max(items):,} items of {weeks} weeks loaded in {timed(load, max(items), weeks):.1f} s", flush=True)
        dataset = datasets.find_dataset(None)
        with supervisor(folder) as process:
            run_job(dataset, min(*items, 10 * processes()), CHEAP)
            for n_items in items:
                meter, begin = Meter(process), time.perf_counter()
                job_id = submit(dataset, n_items, CHEAP, batch_size=batch_size)
                submitted_s = time.perf_counter() - begin
                memory: list[tuple[float, float]] = []
                while True:
                    job = jobs.get_job(job_id)
                    memory.append((job.n_completed / n_items, process.memory_info().rss / 1e6))
                    if job.is_over:
                        break
                    time.sleep(0.2)
                wall = time.perf_counter() - begin
                cpu = meter.read()
                assert job.n_completed == n_items, job
                middle = min(memory, key=lambda seen: abs(seen[0] - 0.5))[1]
                print(
                    f"{n_items:,} items in {job.n_batches:,} batches: {wall:.1f} s, submit {submitted_s:.2f} s; "
                    f"{wall / n_items * 1e3:.2f} ms per item, CPU time: "
                    + ", ".join(f"{name} {s / n_items * 1e3:.2f} ms" for name, s in cpu.items())
                )
                print(
                    f"    the supervisor: {cpu['supervisor'] / wall:.1%} of one CPU; "
                    f"MB at start, middle, end: {memory[0][1]:.1f}, {middle:.1f}, {memory[-1][1]:.1f}",
                    flush=True,
                )


def measure_latency(times: int, starts: int, items: int) -> None:
    with fresh_home() as folder:
        dataset = load(items, 240)
        with supervisor(folder):
            run_job(dataset, min(items, 10 * processes()), CHEAP)
            seconds = []
            for _ in range(times):
                time.sleep(random.uniform(0, 1))
                seconds.append(first_processing(dataset))
            print(f"from submit to processing, with a running supervisor: {format_range(seconds, ' s', 3)}")
            measure_visibility(dataset, items)
        os.environ["FCST_WORKER"] = "auto"
        seconds = []
        for _ in range(starts):
            seconds.append(first_processing(dataset))
            end_supervisor()
        print(f"from submit to processing, without a supervisor: {format_range(seconds, ' s')}")


def first_processing(dataset: Dataset) -> float:
    """Seconds from a submit to the stage change of its only batch, both by the clock of this machine."""
    items, spec = jobs.choose_largest(dataset, 1), jobs.make_spec(1, list(CHEAP), H, [], n_windows=0)
    begin = time.time()
    job_id = jobs.submit_job(dataset.dataset_id, items, spec)
    jobs.wait_for_job(job_id)
    (event,) = (event for event in jobs.list_events(job_id) if event.to_stage == Stage.PROCESSING)
    return event.at.timestamp() - begin


def end_supervisor() -> None:
    """Stop the supervisor that a submit has started."""
    path = supervisor_lock.lock_path(load_settings())
    if (state := supervisor_lock.holder(path)) is not None:
        os.kill(state["pid"], signal.SIGTERM)
    while supervisor_lock.holder(path) is not None:
        time.sleep(0.05)


def measure_visibility(dataset: Dataset, n_items: int) -> None:
    """Poll a run once per second, as the page does, and measure when each completed batch is first visible."""
    job_id = submit(dataset, n_items, batch_size=5)
    polls: list[tuple[float, int]] = []
    queries: dict[str, list[float]] = {"get_job": [], "list_batches": []}
    is_over = False
    while not is_over:
        begin = time.perf_counter()
        job = jobs.get_job(job_id)
        polls.append((time.time(), job.batches.get(Stage.COMPLETED, 0)))
        queries["get_job"].append((time.perf_counter() - begin) * 1e3)
        queries["list_batches"].append(timed(jobs.list_batches, job_id) * 1e3)
        is_over = job.is_over
        time.sleep(max(0.0, begin + 1.0 - time.perf_counter()))
    changes = sorted(e.at.timestamp() for e in jobs.list_events(job_id) if e.to_stage == Stage.COMPLETED)
    seconds = [next(at for at, n in polls if n > number) - change for number, change in enumerate(changes)]
    print(f"from a stage change to a client that polls once per second: {format_range(seconds, ' s')}")
    query_times = ", ".join(f"{name} {format_range(ms, ' ms', 1)}" for name, ms in queries.items())
    print(f"    its queries, for a running run of {len(changes):,} batches: {query_times}")


def measure_write(items: int, models: int, pairs: int) -> None:
    names = ("SeasonalNaive", "AutoETS", "DynamicOptimizedTheta", "AutoCES", "MSTL")[:models]
    n_rows = items * len(names) * H
    rates: dict[str, list[float]] = {"save": [], "COPY": []}
    ratios = []
    with fresh_home():
        dataset = load((pairs + 1) * items, 2)
        spec = JobSpec(models=names, h=H, level=(80, 95), batch_size=items, n_windows=0)
        keys = [item.unique_id for item in datasets.list_items(dataset.dataset_id)]
        stored_jobs.insert(dataset.dataset_id, jobs.choose_largest(dataset, len(keys)), spec, "", "", "benchmark")
        with transaction() as cur:
            cur.execute("CREATE TABLE fcst_app.bare (LIKE fcst_app.forecasts INCLUDING ALL)")
        for number, row in enumerate(attempts.claim(str(uuid.uuid4()), pairs + 1)):
            run = attempts.begin(row.batch_id, row.attempt, str(uuid.uuid4()))
            attempts.move(run, Stage.OBTAINING_SALES, Stage.PROCESSING)
            results = [make_result(run, key) for key in keys[number * items : (number + 1) * items]]
            save_s, copy_s = alternate(
                number,
                lambda run=run, results=results: timed(attempts.save, run, results, Stage.PROCESSING),
                lambda run=run, results=results: copy_bare(run.job_id, results),
            )
            if number:  # the first pair warms up
                rates["save"].append(n_rows / save_s)
                rates["COPY"].append(n_rows / copy_s)
                ratios.append(copy_s / save_s)
    print(f"{items} items, {len(names)} models, {H} weeks: {n_rows:,} rows per checkpoint")
    print("rows/s: " + ", ".join(f"{name} {format_range(found, digits=0)}" for name, found in rates.items()))
    print(f"save / COPY {format_range(ratios)}; goal 0.60 or more")


def make_result(run: BatchAttempt, unique_id: str) -> ItemResult:
    """A result as a task would save it, with numbers of realistic length."""
    first, rng = run.last_wk_end_dt + timedelta(weeks=1), np.random.default_rng()
    records = []
    for model in run.spec.models:
        mean, width = rng.uniform(50, 150, H), np.array([rng.uniform(1, 20, H), rng.uniform(20, 50, H)])
        records.append(ForecastRecord(model, first, mean, mean - width, mean + width, False, model, model))
    return ItemResult(unique_id, Outcome.COMPLETED, None, records)


def copy_bare(job_id: int, results: list[ItemResult]) -> float:
    """Seconds of a transaction with only a COPY of prepared text."""
    lines = (copy_line(job_id, r.unique_id, record) for r in results for record in r.forecasts)
    text = io.StringIO("".join(lines))

    def copy() -> None:
        with transaction() as cur:
            cur.copy_expert("COPY fcst_app.bare FROM STDIN", text)

    return timed(copy)


def copy_line(job_id: int, unique_id: str, f: ForecastRecord) -> str:
    """A row in COPY's text format; no values need escaping."""

    def field(value: Any) -> str:
        return "{" + ",".join(map(field, value)) + "}" if isinstance(value, list) else str(value)

    arrays = (f.forecast.tolist(), f.lo.tolist(), f.hi.tolist())
    row = (job_id, unique_id, f.model, f.first_wk_end_dt, *arrays, f.is_fallback, f.made_by, f.heaviest, *[r"\N"] * 2)
    return "\t".join(map(field, row)) + "\n"


# measurement -> its function, and for each option its default and its value for `all --quick`
MEASUREMENTS: dict[str, tuple[Callable[..., None], dict[str, tuple[Any, Any]]]] = {
    "job": (measure_job, {"items": (2_000, 200), "weeks": (240, 240), "pairs": (5, 3)}),
    "naive": (measure_naive, {"items": (400, 100), "weeks": (240, 240), "pairs": (3, 1)}),
    "efficiency": (measure_efficiency, {"items": (6_000, 400), "weeks": (240, 240)}),
    "scale": (
        measure_scale,
        {"items": ([1_000, 10_000, 100_000], [100, 1_000]), "weeks": (60, 60), "batch_size": (50, 50)},
    ),
    "latency": (measure_latency, {"times": (20, 5), "starts": (3, 1), "items": (1_000, 200)}),
    "write": (measure_write, {"items": (50, 50), "models": (3, 3), "pairs": (40, 10)}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="measurement", required=True)
    for name, (_, options) in MEASUREMENTS.items():
        command = commands.add_parser(name, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        for option, (default, _) in options.items():
            several: dict[str, Any] = {"nargs": "+"} if isinstance(default, list) else {}
            command.add_argument(f"--{option.replace('_', '-')}", type=int, default=default, help=" ", **several)
    everything = commands.add_parser("all")
    everything.add_argument("--quick", action="store_true", help="small sizes, to check that all measurements work")
    args = vars(parser.parse_args())
    chosen = args.pop("measurement")
    if chosen != "all":
        MEASUREMENTS[chosen][0](**args)
        return
    for name, (measure, options) in MEASUREMENTS.items():
        print(f"== {name}", flush=True)
        measure(**{option: values[args["quick"]] for option, values in options.items()})


if __name__ == "__main__":
    main()
