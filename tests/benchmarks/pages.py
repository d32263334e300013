"""How long pages of items take with few items and with many, and what memory the server needs for them.

    python tests/benchmarks/pages.py [--items 4000] [--weeks 104] [--models A,B] [--windows 3] [--reruns 20]

For each page the first run, which reads from the database, and the time of a rerun in the same session; then searches
that were not made before. The runs are not computed but written by the server. `memory` is what the server's process
holds beyond what it held before the first page of items. Aims of a rerun: 100 ms with up to 10,000 items, 150 ms with
up to 100,000, 300 ms beyond.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np  # noqa: E402

from fcst.filters import ItemFilter, ItemSort, RunFilter, RunSort, Selection  # noqa: E402
from fcst.services import datasets, forecasts, jobs  # noqa: E402
from fcst.specs import JobSpec  # noqa: E402
from fcst.store.database import transaction  # noqa: E402
from tests.benchmarks.ground import fresh_home, load, make_run, processes, spin_share, timed  # noqa: E402
from tests.benchmarks.visitors import App, running_app, time_runs  # noqa: E402

SEARCH_MS, MEMORY_MB = 500, 300


def aim_ms(n_items: int) -> int:
    return 100 if n_items <= 10_000 else 150 if n_items <= 100_000 else 300


def set_up(folder: Path, n_items: int, n_weeks: int, spec: JobSpec) -> dict[str, int]:
    begin = time.perf_counter()
    dataset = load(n_items, n_weeks)
    loaded = time.perf_counter()
    job_id = make_run(dataset, n_items, spec)
    other_id = make_run(dataset, n_items, JobSpec(models=spec.models[:1], batch_size=1_000, n_windows=0))
    with transaction() as cur:
        cur.execute("ANALYZE")  # as the server does by itself within a minute
    print(f"made in {loaded - begin:.0f} + {time.perf_counter() - loaded:.0f} s", flush=True)
    return {"dataset": dataset.dataset_id, "job": job_id, "other": other_id}


def measure_pages(app: App, made: dict[str, int], n_items: int, n: int) -> None:
    middle, last = f"item{n_items // 2:06}", -(-n_items // 100)
    one, dataset = f"job={made['job']}", f"dataset={made['dataset']}"
    asyncio.run(time_runs(app, "glossary", "", 5, lambda: 0))
    before = app.process.memory_info().rss
    for page, query in (
        ("dataset", f"{dataset}&view=items"),
        ("dataset", f"{dataset}&view=items&q=family 7&sort=adi"),
        ("dataset", f"{dataset}&view=items&page={last}"),
        ("new-run", ""),
        ("new-run", "take=all"),
        ("new-run", f"take=random&n={n_items // 2}&seed=7"),
        ("new-run", f"from={made['job']}"),
        ("forecasts", one),
        ("forecasts", f"{one}&page={last}"),
        ("forecasts", f"{one}&item={middle}"),
        ("forecasts", f"{one}&item={middle}&sort=forecast"),
        ("forecasts", f"{one}&sort=wape"),
        ("forecasts", f"{one}&sort=rise"),
        ("forecasts", f"{one}&q={middle[:-2]}"),
        ("forecasts", f"{one}&family=FAMILY 7&family=FAMILY 8"),
        ("forecasts", f"{one}&demand_class=smooth"),
        ("forecasts", f"{one}&flags=ended&flags=fallback"),
        ("forecasts", f"{one}&show=Backtest&show=Other models&show=Last year"),
        ("accuracy", one),
        ("compare", f"{one}&other={made['other']}"),
    ):
        first, seconds, _ = asyncio.run(time_runs(app, page, query, n, lambda: 0))
        ms = 1e3 * np.array(seconds)
        most, memory = np.percentile(ms, 95), (app.process.memory_info().rss - before) / 1e6
        word = "ok  " if most <= aim_ms(n_items) and memory <= MEMORY_MB else "MISS"
        print(
            f"{word} {page} {query:<60} first {1e3 * first:>7,.0f} ms, then median {np.median(ms):>5.0f} ms,"
            f" p95 {most:>5.0f} ms; memory {memory:+5.0f} MB",
            flush=True,
        )


def measure_reads(made: dict[str, int], n_items: int) -> None:
    """What a page reads after a search or an order that was not asked for before."""
    job, model = jobs.get_job(made["job"]), "Auto"
    dataset_id = made["dataset"]
    for words in (f"{n_items // 3:06}", "sort abc", "nothing like it", "ITEM 9"):
        which, of_run = Selection(ItemFilter(words)), RunFilter(words)
        found = [
            timed(datasets.count_items, dataset_id, which),
            timed(datasets.list_items, dataset_id, which, ItemSort.SALES, 100),
            timed(forecasts.count_items, job, model, of_run),
            timed(forecasts.list_items, job, model, of_run, RunSort.SALES, 100),
        ]
        word = "ok  " if max(found) <= SEARCH_MS / 1e3 else "MISS"
        names = ("count", "page", "count of run", "page of run")
        told = ", ".join(f"{name} {1e3 * s:,.0f} ms" for name, s in zip(names, found, strict=True))
        print(f"{word} search {words!r}: {told}", flush=True)
    for sort in RunSort:
        page = timed(forecasts.list_items, job, model, RunFilter(), sort, 100)
        place = timed(forecasts.place_of, job, model, RunFilter(), sort, f"item{n_items // 2:06}")
        print(f"     order {sort}: page {1e3 * page:,.0f} ms, place {1e3 * place:,.0f} ms", flush=True)
    for name, ask in (
        ("the sum of all", lambda: forecasts.view(job, model)),
        ("the options of the filters", lambda: forecasts.list_options(job, model)),
        ("the sum of a demand class", lambda: forecasts.view(job, model, RunFilter(demand_classes=("smooth",)))),
        ("the correlation of errors", lambda: forecasts.error_correlation(job.job_id, model)),
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
    with fresh_home() as folder:
        spec = JobSpec(models=tuple(args.models.split(",")), batch_size=1_000, n_windows=args.windows)
        made = set_up(folder, args.items, args.weeks, spec)
        print(f"{args.items:,} items; the machine gives {spin_share():.0%} to {processes()} processes that count")
        measure_reads(made, args.items)
        with running_app(folder) as app:
            measure_pages(app, made, args.items, args.reruns)


if __name__ == "__main__":
    main()
