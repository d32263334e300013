"""Response times and memory of the pages, with few items and with many.

    python tests/benchmarks/pages.py [--items 4000] [--weeks 104] [--models A,B] [--windows 3] [--reruns 20]

The runs are simulated in SQL. First it measures single uncached reads: searches by a part of a key or description, sort
orders, sums. Then for each page, run by Streamlit's AppTest in this process: the first run, which reads from the
database, and the median and 95th percentile of reruns in the same session; and searches for new words. `memory` is the
growth of this process since before the first page. Goals of a rerun: 100 ms with up to 10,000 items, 150 ms with up to
100,000, 300 ms with more.
"""

import argparse
import hashlib
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np  # noqa: E402
import psutil  # noqa: E402
from streamlit.testing.v1 import AppTest  # noqa: E402

from fcst.filters import ItemFilter, ItemSort, RunFilter, RunOrder, RunSort, Selection  # noqa: E402
from fcst.services import accuracy, adjustments, attention, datasets, forecasts, jobs  # noqa: E402
from fcst.services.adjustments import Change  # noqa: E402
from fcst.settings import PROJECT  # noqa: E402
from fcst.specs import JobSpec  # noqa: E402
from fcst.store.database import transaction  # noqa: E402
from tests.benchmarks.setup_runs import fresh_home, load, make_run, processes, spin_share, timed  # noqa: E402

SEARCH_MS, MEMORY_MB = 500, 300


def aim_ms(n_items: int) -> int:
    return 100 if n_items <= 10_000 else 150 if n_items <= 100_000 else 300


def set_up(n_items: int, n_weeks: int, spec: JobSpec) -> dict[str, int]:
    begin = time.perf_counter()
    dataset = load(n_items, n_weeks)
    loaded = time.perf_counter()
    job_id = make_run(dataset, n_items, spec)
    other_id = make_run(dataset, n_items, JobSpec(models=spec.models[:1], batch_size=1_000, n_windows=0))
    with transaction() as cur:
        cur.execute("ANALYZE")  # autovacuum does this within a minute
    print(f"made in {loaded - begin:.0f} + {time.perf_counter() - loaded:.0f} s", flush=True)
    return {"dataset": dataset.dataset_id, "job": job_id, "other": other_id}


def measure_pages(made: dict[str, int], n_items: int, n: int) -> None:
    middle, last = f"item{n_items // 2:06}", str(-(-n_items // 100))
    one, dataset = {"job": made["job"]}, {"dataset": made["dataset"]}
    open_page("glossary", {})
    process = psutil.Process()
    before = process.memory_info().rss
    for page, query in (
        ("home", {}),
        ("dataset", dataset | {"view": "items"}),
        ("dataset", dataset | {"view": "items", "q": "family 7", "sort": "adi"}),
        ("dataset", dataset | {"view": "items", "page": last}),
        ("new_run", {}),
        ("new_run", {"take": "all"}),
        ("new_run", {"take": "random", "n": n_items // 2, "seed": 7}),
        ("new_run", {"from": made["job"]}),
        ("runs", {}),
        ("runs", one),
        ("forecasts", one),
        ("forecasts", one | {"page": last}),
        ("forecasts", one | {"item": middle}),
        ("forecasts", one | {"item": middle, "sort": "forecast"}),
        ("forecasts", one | {"sort": "wape"}),
        ("forecasts", one | {"sort": "change"}),
        ("forecasts", one | {"q": middle[:-2]}),
        ("forecasts", one | {"family": ["FAMILY 7", "FAMILY 8"]}),
        ("forecasts", one | {"demand_class": "smooth"}),
        ("forecasts", one | {"reason": ["ended", "fallback"]}),
        ("forecasts", one | {"show": ["Backtest", "Other models", "Earlier runs"]}),
        ("accuracy", one),
        ("compare", one | {"other": made["other"]}),
    ):
        at, first = open_page(page, query)
        ms = 1e3 * np.array([timed(at.run) for _ in range(n)])
        memory = (process.memory_info().rss - before) / 1e6
        word = "ok  " if np.percentile(ms, 95) <= aim_ms(n_items) and memory <= MEMORY_MB else "MISS"
        shown = " ".join(f"{name}={value}" for name, value in query.items())
        print(
            f"{word} {page + ' ' + shown:<72} first {1e3 * first:>7,.0f} ms, then {percentiles(ms)};"
            f" memory {memory:+5.0f} MB",
            flush=True,
        )
    for page, query in (("forecasts", one), ("dataset", dataset | {"view": "items"})):
        at, _ = open_page(page, query)
        seconds = []
        for number in range(n):
            key, words = number * n_items // n, hashlib.md5(str(number + 1).encode()).hexdigest()
            at.query_params["q"] = f"{key:06}"[1:] if number % 2 else words[:5]
            seconds.append(timed(at.run))
        print(f"     {page} after a search by a part of a key or description: {percentiles(1e3 * np.array(seconds))}")


def open_page(name: str, query: dict[str, Any]) -> tuple[AppTest, float]:
    """Open a page in a new session; return it and the seconds."""
    at = AppTest.from_file(str(PROJECT / "pages" / f"{name}.py"), default_timeout=600)
    for key, value in query.items():
        at.query_params[key] = value if isinstance(value, list) else str(value)
    seconds = timed(at.run)
    assert not at.exception and not at.error, (name, query)
    return at, seconds


def percentiles(ms: np.ndarray) -> str:
    return f"p50 {np.percentile(ms, 50):,.0f} ms, p95 {np.percentile(ms, 95):,.0f} ms"


def measure_reads(made: dict[str, int], n_items: int) -> None:
    """Measure the reads of a page after a new search or sort order."""
    job, model = jobs.get_job(made["job"]), "Auto"
    dataset_id = made["dataset"]
    print(f"     what needs attention, of the whole run: {timed(attention.prepare, job):,.1f} s", flush=True)
    week = job.last_wk_end_dt + timedelta(weeks=1)
    for which, words in ((RunFilter(families=("FAMILY 7",)), "a family"), (RunFilter(), "all items")):
        n_found, change = forecasts.count_items(job, model, which), Change(week, week + timedelta(weeks=1), percent=8)
        seconds = timed(adjustments.adjust, job, model, which, change, "why", "Ann")
        print(f"     plan of {words} ({n_found:,} items) raised in two weeks: {seconds:,.2f} s", flush=True)
    for words in (f"{n_items // 3:06}", "sort abc", "nothing like it", "ITEM 9"):
        which, of_run = Selection(ItemFilter(words)), RunFilter(words)
        found = [
            timed(datasets.count_items, dataset_id, which),
            timed(datasets.list_items, dataset_id, which, ItemSort.SALES, 100),
            timed(forecasts.count_items, job, model, of_run),
            timed(forecasts.list_items, job, model, of_run, RunOrder(RunSort.SALES), 100),
        ]
        word = "ok  " if max(found) <= SEARCH_MS / 1e3 else "MISS"
        names = ("count", "page", "count of run", "page of run")
        times = ", ".join(f"{name} {1e3 * s:,.0f} ms" for name, s in zip(names, found, strict=True))
        print(f"{word} search {words!r}: {times}", flush=True)
    for sort in RunSort:
        page = timed(forecasts.list_items, job, model, RunFilter(), RunOrder(sort), 100)
        place = timed(forecasts.place_of, job, model, RunFilter(), RunOrder(sort), f"item{n_items // 2:06}")
        print(f"     order {sort}: page {1e3 * page:,.0f} ms, place {1e3 * place:,.0f} ms", flush=True)
    for name, ask in (
        ("the sum of all", lambda: forecasts.view(job, model)),
        ("the options of the filters", lambda: forecasts.list_options(job, model)),
        ("the sum of a demand class", lambda: forecasts.view(job, model, RunFilter(demand_classes=("smooth",)))),
        ("the correlation of errors", lambda: accuracy.error_correlation(job, model)),
    ):
        print(f"     {name}: {1e3 * timed(ask):,.0f} ms", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=4_000, metavar="N")
    parser.add_argument("--weeks", type=int, default=104, metavar="N")
    parser.add_argument("--models", default="Auto,SeasonalNaive", metavar="A,B")
    parser.add_argument("--windows", type=int, default=3, metavar="N")
    parser.add_argument("--reruns", type=int, default=20, metavar="N")
    args = parser.parse_args()
    with fresh_home():
        spec = JobSpec(models=tuple(args.models.split(",")), batch_size=1_000, n_windows=args.windows)
        made = set_up(args.items, args.weeks, spec)
        print(f"{args.items:,} items; {processes()} busy loops get {spin_share():.0%} of the CPUs")
        measure_reads(made, args.items)
        measure_pages(made, args.items, args.reruns)


if __name__ == "__main__":
    main()
