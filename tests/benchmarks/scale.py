"""A million items: loading, runs and operations, from file to deletion.

    python tests/benchmarks/scale.py load [--items 200000] [--weeks 156] [--order item] [--described] [--file FILE]
    python tests/benchmarks/scale.py run [--items 1000000] [--weeks 156]
    python tests/benchmarks/scale.py operate [--items 1000000] [--weeks 156]

`load` makes a reproducible Parquet file of weekly sales with one row per item and week, unless one is given. It
measures, each in a separate process with the same memory and threads

    group     DuckDB: SELECT item, date, sum(units) GROUP BY 1, 2 of the file into a table
    read      read_series: file -> the files that the database loads, and the report

It prints seconds, their ratio, CPU seconds, the peak memory of each process and the peak size of its temporary files.
It also prints the progress of `read`, and the longest time between two progress callbacks.

`run` loads such a file through a supervisor and submits runs of `WindowAverage` without backtests immediately after the
load: of 1,000 items, of 100,000 and of all. It prints

    load      seconds from the request to the dataset, and the size of the database
    read      time of the first batch to read its histories, compared with the median of the later ones
    compute   CPU time per item, of the workers, the supervisor and Postgres; the supervisor's peak memory
    delete    seconds to delete the largest run, and the dataset

`operate` loads such a file, simulates two computed runs of all items in SQL, and prints seconds and the peak memory of
this process for operator actions: backup, restore over the existing data, cancel of a third waiting run, prune, and
deletion of the dataset. For backup and restore it also prints the longest time between two progress callbacks.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

import duckdb  # noqa: E402

FAMILIES = 30
SIZES = (1_000, 100_000)


def make_panel(target: Path, n_items: int, n_weeks: int, order: str, is_described: bool) -> None:
    """Write the file with DuckDB: units with a level per item, a season, noise, and 30 % weeks without sales."""
    item, week = {"item": (f"r // {n_weeks}", f"r % {n_weeks}"), "date": (f"r % {n_items}", f"r // {n_items}")}[order]
    more = f", 'family ' || (hash(i) % {FAMILIES}) AS family, 'A thing of size ' || i AS description"
    level, season = "(1 + hash(i) % 1000 / 20.0)", "(1 + 0.3 * sin(2 * pi() * w / 52.0))"
    with duckdb.connect(config={"memory_limit": "1GB", "threads": 2}) as con:
        con.execute("SET preserve_insertion_order = true")
        con.execute(f"""
            COPY (SELECT DATE '2022-01-01' + 7 * w::INTEGER AS date, 'item-' || lpad(i::VARCHAR, 7, '0') AS item,
                         CASE WHEN h % 10 < 3 THEN 0
                              ELSE round({level} * {season} * (0.5 + h // 10 % 1000 / 1000.0)) END::DOUBLE AS units
                         {more if is_described else ""}
                  FROM (SELECT {item} AS i, {week} AS w, hash(r) AS h FROM range({n_items * n_weeks}) AS t (r)))
            TO '{target}' (FORMAT parquet)
        """)


def group_here(file: Path, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    config: dict[str, Any] = {
        "memory_limit": args.memory,
        "threads": args.threads,
        "temp_directory": str(folder / "spill"),
    }
    with duckdb.connect(config=config) as con:
        con.execute("SET preserve_insertion_order = false")
        con.execute(f"CREATE TABLE grouped AS SELECT item, date, sum(units) AS units FROM '{file}' GROUP BY 1, 2")
    return {}


def read_here(file: Path, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    from fcst.ingest.folders import Folders
    from fcst.ingest.pipeline import Resources, read_series
    from fcst.specs import IngestSpec

    begin = last = time.perf_counter()
    shown, longest = ("", -1), 0.0

    def on_progress(what: str, done: int, total: int) -> None:
        nonlocal shown, last, longest
        now, share = time.perf_counter(), (what, 10 * done // max(total, 1))
        if share == shown:
            return
        longest = max(longest, now - last)
        shown, last = share, now
        print(f"  {now - begin:7.1f} s  {what} {done / max(total, 1):.0%}", file=sys.stderr)

    resources = Resources(folder, args.memory, args.threads, 10**12, Folders([Path("/")]))
    files = read_series(IngestSpec(paths=(str(file),), name="scale"), 1, resources, on_progress)
    written = {path.name: path.stat().st_size for path in (files.items_csv, files.sales, files.totals_csv)}
    return {"n_items": files.report.n_items, "written": written, "longest_wait_s": longest}


CHILDREN: dict[str, Callable[[Path, Path, argparse.Namespace], dict[str, Any]]] = {
    "group": group_here,
    "read": read_here,
}


def measure_here(args: argparse.Namespace) -> None:
    """In a child process: run one measurement and print its costs."""
    peak, is_over = 0, threading.Event()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:

        def watch() -> None:
            nonlocal peak
            while not is_over.wait(0.25):
                peak = max(peak, size_of(Path(name)))

        thread = threading.Thread(target=watch)
        thread.start()
        begin, before = time.perf_counter(), time.process_time()
        try:
            found = CHILDREN[args.child](args.file, Path(name), args)
        finally:
            is_over.set()
            thread.join()
        seconds, processor = time.perf_counter() - begin, time.process_time() - before
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak_kb = int(status["VmHWM"].split()[0])
    took = {"seconds": seconds, "processor_s": processor, "peak_gb": peak_kb * 1024 / 1e9, "disk_gb": peak / 1e9}
    print(json.dumps(took | found))


def size_of(folder: Path) -> int:
    """Total size of the files in a folder; files deleted in the meantime are ignored."""
    size = 0
    for path in folder.rglob("*"):
        try:
            size += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return size


def run_child(name: str, file: Path, folder: str, args: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, __file__, "load", "--child", name, "--file", str(file), "--folder", folder]
    command += ["--memory", args.memory, "--threads", str(args.threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def load(args: argparse.Namespace) -> None:
    if args.child:
        measure_here(args)
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        file = args.file or Path(folder) / "panel.parquet"
        if not args.file:
            begin = time.perf_counter()
            make_panel(file, args.items, args.weeks, args.order, args.described)
            print(f"made {args.items:,} items x {args.weeks} weeks in {time.perf_counter() - begin:.0f} s")
        print(f"{file.stat().st_size / 1e9:.2f} GB")
        took = {name: run_child(name, file, folder, args) for name in CHILDREN}
    for name, found in took.items():
        print(
            f"{name}: {found['seconds']:.1f} s, CPU {found['processor_s']:.1f} s,"
            f" peak {found['peak_gb']:.2f} GB of memory, {found['disk_gb']:.2f} GB of disk"
        )
    print(f"read / group: {took['read']['seconds'] / took['group']['seconds']:.2f}")
    print(f"longest time between progress callbacks: {took['read']['longest_wait_s']:.1f} s")
    print(f"written: {took['read']['written']}")


def run(args: argparse.Namespace) -> None:
    from fcst.services import datasets, jobs, loading, pruning
    from fcst.specs import IngestSpec
    from tests.benchmarks.setup_runs import fresh_home, run_job, supervisor
    from tests.benchmarks.setup_runs import load as load_small

    with fresh_home() as folder:
        file = folder / "panel.parquet"
        make_panel(file, args.items, args.weeks, "item", is_described=True)
        with supervisor(folder) as process:
            run_job(load_small(200, 104), 200, ("WindowAverage",))  # warm up the worker processes
            begin = time.perf_counter()
            spec = IngestSpec(paths=(str(file),), name="scale", is_from_shell=True)
            ingest_id = loading.request_ingest(spec)
            dataset = loading.wait_for_ingest(ingest_id, lambda text: print(f"  {text}", file=sys.stderr, flush=True))
            print(f"load: {time.perf_counter() - begin:.1f} s, database {database_bytes() / 1e9:.2f} GB", flush=True)
            for n_items in (*(n for n in SIZES if n < args.items), args.items):
                job_id = measure_run(dataset, n_items, process)
            print(f"database {database_bytes() / 1e9:.2f} GB")
        largest = [job for job in pruning.list_runs(None, 0) if job.job_id == job_id]
        begin = time.perf_counter()
        assert pruning.delete_runs(largest) == largest
        run_s, begin = time.perf_counter() - begin, time.perf_counter()
        assert [job.job_id for job in jobs.list_jobs()] == list(range(job_id - 1, 0, -1))
        datasets.delete_dataset(dataset.dataset_id)
        print(f"delete: the run of {args.items:,} items {run_s:.1f} s, dataset {time.perf_counter() - begin:.1f} s")


def operate(args: argparse.Namespace) -> None:
    from fcst.services import backups, datasets, jobs, loading, pruning
    from fcst.specs import IngestSpec, JobSpec
    from fcst.store import workers
    from tests.benchmarks.setup_runs import ELSEWHERE, fresh_home, make_run, submit, supervisor, timed

    with fresh_home() as folder:
        make_panel(folder / "panel.parquet", args.items, args.weeks, "item", is_described=True)
        with supervisor(folder):
            spec = IngestSpec(paths=(str(folder / "panel.parquet"),), name="scale", is_from_shell=True)
            begin = time.perf_counter()
            dataset = loading.wait_for_ingest(loading.request_ingest(spec))
            print_times("load", time.perf_counter() - begin)
        for _ in range(2):
            job_spec = JobSpec(models=("WindowAverage",), batch_size=1000, n_windows=0)
            print_times("simulated run", timed(make_run, dataset, args.items, job_spec))
        workers.stop(ELSEWHERE)  # the supervisor of the simulated runs
        print(f"database {database_bytes() / 1e9:.2f} GB", flush=True)
        waits: list[float] = []
        file = folder / "backup"
        print_times("backup", timed(backups.write_backup, file, False, False, longest_wait(waits)), waits)
        print(f"backup {file.stat().st_size / 1e9:.2f} GB", flush=True)
        print_times("restore", timed(backups.restore, file, True, longest_wait(waits)), waits)
        begin = time.perf_counter()
        job_id = submit(dataset, args.items, ("WindowAverage",), level=[80])
        print_times("submit", time.perf_counter() - begin)
        print_times("cancel", timed(jobs.cancel_job, job_id))
        runs = pruning.list_runs(None, 0)
        print_times(f"prune of {len(runs)} runs", timed(pruning.delete_runs, runs))
        print_times("delete of the dataset", timed(datasets.delete_dataset, dataset.dataset_id))


def longest_wait(waits: list[float]) -> Callable[[int, int], None]:
    """Return a progress callback that records the seconds between calls in `waits`."""
    waits.clear()
    last = time.perf_counter()

    def on_progress(_done: int, _total: int) -> None:
        nonlocal last
        waits.append(time.perf_counter() - last)
        last = time.perf_counter()

    return on_progress


def print_times(what: str, seconds: float, waits: list[float] | None = None) -> None:
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    wait = f", longest time between progress callbacks {max(waits):.1f} s" if waits else ""
    print(f"{what}: {seconds:.1f} s, peak {peak_mb:.0f} MB{wait}", flush=True)


def measure_run(dataset: Any, n_items: int, process: Any) -> int:
    """Run the largest items, print the costs, and return the job id."""
    from fcst.services import jobs
    from tests.benchmarks.setup_runs import Meter, submit

    meter, peak, is_over = Meter(process), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not is_over.wait(0.5):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    waits_ms = 1e3 * commit_seconds()
    begin = time.perf_counter()
    job_id = submit(dataset, n_items, ("WindowAverage",), level=[80, 95])
    submitted = time.perf_counter() - begin
    job = jobs.wait_for_job(job_id)
    seconds = time.perf_counter() - begin
    is_over.set()
    watcher.join()
    assert job.n_completed == n_items, job
    first, *later = reading_seconds(job_id)
    cpu = ", ".join(f"{name} {1e3 * s / n_items:.2f}" for name, s in meter.read().items())
    print(
        f"run of {n_items:,} items: {seconds:.1f} s (submitted in {submitted:.1f} s); CPU ms per item: {cpu};"
        f" supervisor at most {peak / 1e6:.0f} MB; first batch read in {1e3 * first:.0f} ms, later ones in"
        f" {1e3 * statistics.median(later):.0f} ms ({first / statistics.median(later):.2f}); before, a commit took"
        f" {waits_ms:.0f} ms",
        flush=True,
    )
    return job_id


def commit_seconds() -> float:
    """Seconds of a commit; reading a batch includes one."""
    from fcst.store.database import transaction

    begin = time.perf_counter()
    with transaction() as cur:
        cur.execute("SELECT pg_logical_emit_message(true, 'scale', 'of a few bytes')")
    return time.perf_counter() - begin


def reading_seconds(job_id: int) -> list[float]:
    """Seconds of each batch to read its histories, in order of the claims."""
    from fcst.store.database import transaction

    with transaction() as cur:
        cur.execute(
            """SELECT extract(epoch FROM e.at - b.at)::float8 AS seconds
               FROM fcst_app.batch_events b JOIN fcst_app.batch_events e USING (batch_id, attempt)
               WHERE b.job_id = %(job_id)s AND b.to_stage = 'obtaining_sales' AND e.to_stage = 'processing'
               ORDER BY b.event_id""",
            {"job_id": job_id},
        )
        return [row["seconds"] for row in cur.fetchall()]


def database_bytes() -> int:
    from fcst.store.database import transaction

    with transaction() as cur:
        cur.execute("SELECT pg_database_size(current_database()) AS n")
        return int(cur.fetchone()["n"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("load", help="read a file of weekly sales, compared with a bare scan and grouping")
    command.set_defaults(run=load)
    command.add_argument("--items", type=int, default=200_000)
    command.add_argument("--weeks", type=int, default=156)
    command.add_argument("--order", choices=["item", "date"], default="item", help="order of the rows in the file")
    command.add_argument("--described", action="store_true", help="with columns for family and description")
    command.add_argument("--file", type=Path)
    command.add_argument("--memory", default="1GB")
    command.add_argument("--threads", type=int, default=2)
    command.add_argument("--folder", help="folder for temporary files")
    command.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    command = commands.add_parser("run", help="load a file and run all its items, from file to deletion")
    command.set_defaults(run=run)
    command.add_argument("--items", type=int, default=1_000_000)
    command.add_argument("--weeks", type=int, default=156)
    command = commands.add_parser("operate", help="load a file, back up, restore, cancel, prune and delete")
    command.set_defaults(run=operate)
    command.add_argument("--items", type=int, default=1_000_000)
    command.add_argument("--weeks", type=int, default=156)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
