"""How long the pages take: the server's time for a full rerun, warm, with a large run.

    python tests/benchmarks/ui.py [--items N] [--weeks N] [--reruns N]

A run of N items with three models that cost nothing, three backtests and two levels; every page of runs and results is
run by Streamlit's own tester in this process, on an embedded server in a folder of its own. Prints median and 95th
percentile by page. The first run of a page, which fills caches, is told by itself.
"""

import argparse
import logging
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

import numpy as np  # noqa: E402
from streamlit.testing.v1 import AppTest  # noqa: E402

from tests.benchmarks.ground import fresh_home, load, run_job, supervisor  # noqa: E402

MODELS = ("SeasonalNaive", "Naive", "SES")


def measure(name: str, reruns: int, **query: str) -> None:
    at = AppTest.from_file(str(PROJECT / "pages" / f"{name}.py"), default_timeout=120)
    for key, value in query.items():
        at.query_params[key] = value
    seconds = []
    for _ in range(reruns + 1):
        begin = time.perf_counter()
        at.run()
        seconds.append(time.perf_counter() - begin)
        assert not at.exception and not at.error, at
    first, ms = 1e3 * seconds[0], 1e3 * np.array(seconds[1:])
    what = " ".join([name, *(f"{key}={value}" for key, value in query.items())])
    print(f"{what:<44} median {np.median(ms):>5.0f} ms  p95 {np.percentile(ms, 95):>5.0f} ms  first {first:>6.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=4_000, metavar="N")
    parser.add_argument("--weeks", type=int, default=240, metavar="N")
    parser.add_argument("--reruns", type=int, default=20, metavar="N")
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # the tester warns that it is no server
    with fresh_home() as folder:
        dataset = load(args.items, args.weeks)
        with supervisor(folder):
            begin = time.perf_counter()
            job = run_job(dataset, args.items, MODELS, level=[80, 95], n_windows=3)
            print(f"{args.items:,} items, {len(MODELS)} models: ran in {time.perf_counter() - begin:.0f} s")
        item, job_id = f"item{args.items // 2:06}", str(job["job_id"])
        for name, query in (
            ("new_run", {}),
            ("runs", {}),
            ("runs", {"job": job_id}),
            ("forecasts", {"job": job_id}),
            ("forecasts", {"job": job_id, "item": item}),
            ("forecasts", {"job": job_id, "item": item, "show": "Backtest"}),
            ("accuracy", {"job": job_id}),
        ):
            measure(name, args.reruns, **query)


if __name__ == "__main__":
    main()
