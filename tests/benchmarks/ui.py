"""Response times of the pages, with a run of 4,000 items × 13 weeks × 3 models and one of 10,000 batches.

    python tests/benchmarks/ui.py [pages] [items] [crowd] [start] [--reruns 40] [--clicks 20] [--minutes 2] [--starts 5]

    pages   server time of a full warm rerun of every page, in a browser-like session
    items   from a click on an item (a row of the table, or Next) to its painted chart, in Chromium
    crowd   40 sessions on a run's page, which refreshes every second while the run works: refresh time, CPU, memory
    start   from `streamlit run app.py` with a new FCST_HOME and its own Postgres to the first page in Chromium

The app runs in a separate process, on an embedded server; the runs are simulated in SQL. Each measurement is printed
with its goal, and with the CPU share that two busy loops got: less than 100 % if other programs used the machine.
`CPU` is the CPU time of server and Postgres for a rerun, which other programs hardly change. The first run of a page,
which fills caches, is printed separately.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402

from fcst.dataset_records import Dataset  # noqa: E402
from fcst.engine.task import run_ingest  # noqa: E402
from fcst.services import jobs, loading  # noqa: E402
from fcst.services.supervision import log_path  # noqa: E402
from fcst.specs import IngestSpec, JobSpec  # noqa: E402
from fcst.store import ingests  # noqa: E402
from fcst.store.database import transaction  # noqa: E402
from tests.benchmarks.setup_runs import cpu_below, fresh_home, make_run, postgres, processes, spin_share  # noqa: E402
from tests.benchmarks.visitors import App, chromium, running_app, time_crowd, time_item, time_runs  # noqa: E402

N_ITEMS, N_BATCHES, N_WEEKS, N_VISITORS = 4_000, 10_000, 160, 40
MODELS = ("Auto", "AutoETS", "SeasonalNaive")
PAGE_MS, ITEM_MS, REFRESH_MS, START_S = 150, 500, 100, 6


def load(folder: Path, n_weeks: int) -> Dataset:
    """Load a version of a dataset from a file, with families, classes, promotions and slow sellers."""
    path = folder / "sales.csv"
    duckdb.sql(
        f"""COPY (
                SELECT 'item' || lpad(i::VARCHAR, 6, '0') AS item_nbr, DATE '2014-08-09' + 7 * w::INTEGER AS date,
                       round(20000 / i ** 0.8 * (1 + 0.3 * sin(w / 8.3 + i)) * (hash(i, w) % 1000) / 500) AS unit_sales,
                       hash(w, i) % 20 = 0 AS onpromotion, 'FAMILY ' || i % 33 AS family, 1000 + i % 300 AS class
                FROM range(1, {N_BATCHES + 1}) item (i) CROSS JOIN range({n_weeks}) week (w)
            ) TO '{path}'"""
    )
    ingest_id = loading.request_ingest(IngestSpec(paths=(str(path),), name="series", is_from_shell=True))
    claimed = ingests.claim(str(uuid.uuid4()))
    assert claimed is not None
    run_ingest(claimed.ingest_id, claimed.attempt)
    return loading.wait_for_ingest(ingest_id)


def make_runs(folder: Path) -> dict[str, int]:
    """Simulate two large runs, an ended and an open one with many batches, and a hundred small ones."""
    dataset = load(folder, N_WEEKS)
    small = JobSpec(models=("Naive",), batch_size=5, n_windows=0)
    for _ in range(100):
        make_run(dataset, 5, small)
    large, many = JobSpec(models=MODELS, batch_size=50), JobSpec(models=("Auto",), batch_size=1)
    made = {"other": make_run(dataset, N_ITEMS, large), "job": make_run(dataset, N_ITEMS, large)}
    made["many"] = make_run(dataset, N_BATCHES, many, fails_in=20)
    made["open"] = make_run(dataset, N_BATCHES, many, fails_in=20, n_done=N_BATCHES // 4)
    made["newer"] = load(folder, N_WEEKS + 13).dataset_id
    write_log(made["many"])
    with transaction() as cur:
        cur.execute("ANALYZE")  # autovacuum does this within a minute
    return made


def write_log(job_id: int) -> None:
    """Write two files of the supervisor's log with 5 MB each."""
    log_path().parent.mkdir(parents=True, exist_ok=True)
    batches = [row.batch_id for row in jobs.list_batches(job_id)]
    line = 'time={}Z level=info event=stage job={} batch={} attempt=1 pid=77 message="{} of it"\n'
    at = time.strftime("%Y-%m-%dT%H:%M:%S.000", time.gmtime())
    lines = [
        line.format(at, job_id, batch, what) for batch in batches for what in ("obtaining", "processing", "saving")
    ]
    for path in (log_path(), Path(f"{log_path()}.1")):
        path.write_text("".join(lines * 2)[:5_000_000])


def print_times(name: str, seconds: list[float], aim_ms: float, more: str = "") -> None:
    ms = 1e3 * np.array(seconds)
    middle, most = np.median(ms), np.percentile(ms, 95)
    word = "ok  " if most <= aim_ms else "MISS"
    print(
        f"{word} {name:<58} n={len(ms):<6} median {middle:>6.0f} ms  p95 {most:>6.0f} ms  aim {aim_ms:.0f}  {more}",
        flush=True,
    )


def print_machine(what: str) -> None:
    print(f"\n{what}: {processes()} busy loops get {spin_share():.0%} of the CPUs", flush=True)


def measure_pages(app: App, made: dict[str, int], n: int) -> None:
    print_machine("pages")
    item, words = f"item{N_ITEMS // 2:06}", "family 7"
    database = postgres()
    one, many, working = f"job={made['job']}", f"job={made['many']}", f"job={made['open']}"
    dataset = f"dataset={made['newer']}"
    for page, query in (
        ("home", ""),
        ("data", ""),
        ("load", ""),
        *(("dataset", f"{dataset}&view={view}") for view in ("weeks", "quality", "items", "reading", "versions")),
        ("dataset", f"{dataset}&view=items&q={words}"),
        ("new-run", ""),
        ("new-run", "take=all"),
        ("new-run", f"from={made['job']}"),
        ("runs", ""),
        ("runs", "status=completed&q=7"),
        *(("runs", f"{many}&view={view}") for view in ("batches", "timeline", "failures", "history", "log")),
        ("runs", f"{many}&sort=longest&page=50"),
        ("runs", working),
        ("runs", f"{working}&view=timeline"),
        ("forecasts", one),
        ("forecasts", f"{one}&show=Backtest&show=Other models&show=Earlier runs"),
        ("forecasts", f"{one}&item={item}"),
        ("forecasts", f"{one}&item={item}&show=Backtest&show=Other models&show=Earlier runs"),
        ("forecasts", f"{one}&q={words}"),
        ("forecasts", f"{one}&q={words}&show=Backtest&show=Other models"),
        ("accuracy", one),
        ("compare", f"{one}&other={made['other']}"),
        ("glossary", ""),
    ):
        first, seconds, cpu_s = asyncio.run(time_runs(app, page, query, n, lambda: app.cpu_s() + cpu_below(database)))
        more = f"CPU {1e3 * cpu_s:.0f} ms, first run {1e3 * first:,.0f} ms"
        print_times(f"{page} {query.replace('show=', '')}", seconds, PAGE_MS, more)


def measure_items(app: App, made: dict[str, int], n: int) -> None:
    print_machine("items")
    keys = jobs.list_keys(made["job"])
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(app.url("forecasts", f"job={made['job']}&sort=sales"))
        page.locator(".st-key-chart .js-plotly-plot").wait_for()
        time_item(page, keys[0], None)  # warm
        found = [time_item(page, keys[i + 1], None) for i in range(n)]
        print_times("from a click on Next to the chart", found, ITEM_MS)
        found = [time_item(page, keys[i % 8], i % 8) for i in range(n)]
        print_times("from a click on a row of the table to the chart", found, ITEM_MS)


def keep_working(job_id: int, is_over: threading.Event) -> None:
    """Simulate a supervisor with two processes: twice a second a batch ends and another starts."""
    while not is_over.wait(0.5):
        with transaction() as cur:
            cur.execute(
                """UPDATE fcst_app.batch_status SET stage = 'completed', finished_at = now(), n_completed = n_items
                   WHERE job_id = %(job_id)s AND stage = 'processing' AND started_at < now() - interval '0.8 s'""",
                {"job_id": job_id},
            )
            cur.execute(
                """UPDATE fcst_app.batch_status SET stage = 'processing', attempt = 1, started_at = now()
                   WHERE batch_id = (SELECT min(batch_id) FROM fcst_app.batch_status
                                     WHERE job_id = %(job_id)s AND stage = 'submitted')""",
                {"job_id": job_id},
            )


def measure_crowd(app: App, made: dict[str, int], minutes: float) -> None:
    print_machine("crowd")
    is_over = threading.Event()
    threading.Thread(target=keep_working, args=(made["open"], is_over), daemon=True).start()
    memory: list[tuple[float, float]] = []  # seconds, MB
    asyncio.run(time_crowd(app, "runs", f"job={made['open']}", N_VISITORS, 15))  # warm
    begin, cpu = time.perf_counter(), app.cpu_s()

    def watch() -> None:
        while not is_over.wait(2):
            memory.append((time.perf_counter() - begin, app.process.memory_info().rss / 1e6))

    threading.Thread(target=watch, daemon=True).start()
    took = asyncio.run(time_crowd(app, "runs", f"job={made['open']}", N_VISITORS, 60 * minutes))
    share = (app.cpu_s() - cpu) / (time.perf_counter() - begin)
    is_over.set()
    print_times(f"{N_VISITORS} sessions, {minutes:g} minutes: a refresh of a part of a run", took, REFRESH_MS)
    late = [pair for pair in memory if pair[0] > 10]
    slope = 60 * np.polyfit(*zip(*late, strict=True), 1)[0]
    print(
        f"{'ok  ' if share < 1 else 'MISS'} CPU of the server {share:.0%} of a core; memory {late[0][1]:.0f} MB,"
        f" then {late[-1][1]:.0f} MB, {slope:+.2f} MB per minute",
        flush=True,
    )


def measure_start(n: int) -> None:
    print_machine("start")
    found = []
    with chromium() as browser:
        for _ in range(n):
            home = Path(tempfile.mkdtemp(prefix="start"))
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            begin = time.perf_counter()
            app = App(home / "app.log", FCST_HOME=str(home), FCST_WORKER="auto", FCST_IDLE_EXIT_S="1")
            app.wait()
            page.goto(app.url(""))
            page.get_by_role("heading", name="Home").wait_for()
            page.get_by_role("button", name="Load sample").wait_for()
            found.append(time.perf_counter() - begin)
            page.context.close()
            app.stop()
            clean_up(home)
    print_times("a fresh home: from the command to the first page", found, 1e3 * START_S, "better: 4000")


def clean_up(home: Path) -> None:
    """Wait for the processes of a home to end, and delete its data."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(_is_of(process, home) for process in psutil.process_iter()):
        time.sleep(0.2)
    if (place := home / "pg.location").exists():  # under root the database is in another folder
        shutil.rmtree(place.read_text().strip(), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def _is_of(process: psutil.Process, home: Path) -> bool:
    try:
        return process.environ().get("FCST_HOME") == str(home)
    except psutil.Error:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="pages|items|crowd|start", help="default: all")
    parser.add_argument("--reruns", type=int, default=40, metavar="N")
    parser.add_argument("--clicks", type=int, default=20, metavar="N")
    parser.add_argument("--minutes", type=float, default=2, metavar="N")
    parser.add_argument("--starts", type=int, default=5, metavar="N")
    args = parser.parse_args()
    what = args.what or ["pages", "items", "crowd", "start"]
    if set(what) != {"start"}:
        with fresh_home() as folder:
            begin = time.perf_counter()
            made = make_runs(folder)
            print(f"runs made in {time.perf_counter() - begin:.0f} s")
            with running_app(folder) as app:
                if "pages" in what:
                    measure_pages(app, made, args.reruns)
                if "items" in what:
                    measure_items(app, made, args.clicks)
                if "crowd" in what:
                    measure_crowd(app, made, args.minutes)
    if "start" in what:
        measure_start(args.starts)


if __name__ == "__main__":
    main()
