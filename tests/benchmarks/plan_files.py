"""Round trip of a plan through Excel: write it, edit a tenth of its cells, read it back, save it.

    python tests/benchmarks/plan_files.py [--items 4000] [--weeks 13]

The edit itself is printed but not counted, because users do it in Excel.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parents[2]))

import openpyxl  # noqa: E402
import psutil  # noqa: E402

from fcst.periods import Period  # noqa: E402
from fcst.services import jobs, plan_workbook  # noqa: E402
from fcst.services.plan_upload import read_plan_file, save_plan_file  # noqa: E402
from fcst.specs import JobSpec  # noqa: E402
from tests.benchmarks.setup_runs import fresh_home, load, make_run  # noqa: E402

AIM_S = 15
T = TypeVar("T")


def timed(what: str, work: Callable[[], T]) -> tuple[float, T]:
    begin, computed = time.perf_counter(), time.process_time()
    found = work()
    seconds, computed = time.perf_counter() - begin, time.process_time() - computed
    memory = psutil.Process().memory_info().rss / 1e6
    print(f"  {what:<28}{seconds:6.1f} s, CPU time {computed:5.1f} s   {memory:6.0f} MB", flush=True)
    return seconds, found


def edit(path: Path) -> None:
    """Add one unit to every tenth cell of a period."""
    book = openpyxl.load_workbook(path)
    cells = [cell for row in book["Plan"].iter_rows(min_row=2, min_col=7) for cell in row if cell.value is not None]
    for cell in cells[::10]:
        cell.value += 1
    book.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=4_000)
    parser.add_argument("--weeks", type=int, default=13)
    args = parser.parse_args()
    with fresh_home() as folder:
        dataset = load(args.items, 2)
        job = jobs.get_job(make_run(dataset, args.items, JobSpec(models=("AutoETS",), h=args.weeks)))
        for period in (Period.WEEK, Period.MONTH):
            path = folder / f"{period}.xlsx"
            print(f"{args.items:,} items × {args.weeks} weeks by {period}")
            write_s, _ = timed("write", lambda: plan_workbook.save_plan(job.job_id, path, "xlsx", period))  # noqa: B023
            timed("(edit with openpyxl)", lambda: edit(path))  # noqa: B023
            with path.open("rb") as file:
                read_s, upload = timed("read", lambda: read_plan_file(job, "AutoETS", file, path.name))  # noqa: B023
            save_s, _ = timed("save", lambda: save_plan_file(job, "AutoETS", upload, "test", "Ann"))  # noqa: B023
            seconds = write_s + read_s + save_s
            size = path.stat().st_size / 1e6
            print(
                f"  {len(upload.changes):,} changes, {upload.n_bad} bad, {size:.1f} MB: {seconds:.1f} s (aim {AIM_S} s)"
            )


if __name__ == "__main__":
    main()
