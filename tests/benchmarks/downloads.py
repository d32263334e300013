"""Cost of exported files: seconds, peak memory growth, size; for a run with `--rows` rows, and a tenth of them.

    python tests/benchmarks/downloads.py [--rows 1000000]

Memory that grows with the number of rows shows as a difference between the two.
"""

import argparse
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import psutil  # noqa: E402
import pyarrow.csv  # noqa: E402
import pyarrow.parquet  # noqa: E402

from fcst.export_formats import EXPORT_FORMATS  # noqa: E402
from fcst.services import exports, jobs  # noqa: E402
from fcst.specs import JobSpec  # noqa: E402
from tests.benchmarks.setup_runs import fresh_home, load, make_run  # noqa: E402

MODELS = ("Auto", "AutoETS", "SeasonalNaive", "Naive")
SPEC = JobSpec(models=MODELS, h=10, batch_size=1_000)


def measure(job_id: int, path: Path, file_format: str) -> tuple[float, int]:
    """Seconds, and maximum memory growth of this process in bytes."""
    process, over = psutil.Process(), threading.Event()
    before = process.memory_info().rss
    most = before

    def watch() -> None:
        nonlocal most
        while not over.wait(0.01):
            most = max(most, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    begin = time.perf_counter()
    exports.export_job(job_id, path, file_format)
    seconds = time.perf_counter() - begin
    over.set()
    watcher.join()
    return seconds, most - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    n_items = parser.parse_args().rows // (len(MODELS) * SPEC.h)
    pyarrow.csv, pyarrow.parquet  # noqa: B018  load them before memory is measured
    with fresh_home() as folder:
        dataset = load(n_items, 2)
        for n in (n_items // 10, n_items):
            job_id = make_run(dataset, n, SPEC)
            n_rows = exports.count_rows(jobs.get_job(job_id), n)
            for file_format in EXPORT_FORMATS if n_rows <= exports.MAX_WORKBOOK_ROWS else ("csv", "parquet"):
                path = folder / f"out.{file_format}"
                seconds, growth = measure(job_id, path, file_format)
                print(
                    f"{n_rows:>10,} rows  {file_format:<8}{seconds:5.1f} s  "
                    f"{growth / 1e6:5.0f} MB more memory  {path.stat().st_size / 1e6:6.1f} MB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
