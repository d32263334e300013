"""Cost of inspecting files, and of recognising their columns in a load.

    python tests/benchmarks/inspection.py [FILE …] [--rows 10000000] [--pairs 3]

Each FILE is inspected three times (sample, proposal, plan); the median is printed. Goal: 0.5 s for any file. Then a
file in Favorita's layout with `--rows` rows is read completely, in pairs: with all columns and formats recognised, and
with all of them given. Goal: at most 5 % more.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from fcst.ingest.folders import Folders  # noqa: E402
from fcst.ingest.pipeline import Resources, read_series  # noqa: E402
from fcst.ingest.plan import look_at  # noqa: E402
from fcst.ingest.sources import Workspace  # noqa: E402
from fcst.specs import IngestSpec  # noqa: E402
from tests.benchmarks.ingest import make_file  # noqa: E402

EVERYWHERE = Folders([Path("/")])
NAMED: dict[str, Any] = {
    "mapping": {"item": ["item_nbr"], "date": ["date"], "sales": ["unit_sales"], "promo": ["onpromotion"]}
    | {"store": ["store_nbr"]}
    | {role: [] for role in ("receipt", "value", "price", "family", "class", "perishable", "description")},
    "date_format": "%Y-%m-%d",
    "decimal": ".",
}


def inspect(path: Path) -> float:
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        spec = IngestSpec(paths=(str(path),), name="inspected")
        look_at(spec, EVERYWHERE, Workspace(Path(folder), 10**11)).plan(spec, is_draft=True)
        return time.perf_counter() - begin


def read(path: Path, **named: Any) -> float:
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        spec = IngestSpec(paths=(str(path),), name="read", **named)
        read_series(spec, 1, Resources(Path(folder), "1GB", 2, 10**11, EVERYWHERE))
        return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    args = parser.parse_args()
    for path in args.files:
        seconds = statistics.median(inspect(path) for _ in range(3))
        print(f"inspect {seconds:6.2f} s  {path.stat().st_size / 1e6:10,.1f} MB  {path.name}", flush=True)
    if not args.rows:
        return
    with tempfile.TemporaryDirectory() as folder:
        file = make_file(Path(folder), args.rows)
        read(file)  # fills the page cache
        ratios = []
        for number in range(args.pairs):
            if number % 2:
                named, recognised = read(file, **NAMED), read(file)
            else:
                recognised, named = read(file), read(file, **NAMED)
            ratios.append(recognised / named)
            print(f"recognised {recognised:6.1f} s, named {named:6.1f} s: {ratios[-1]:.3f}", flush=True)
        print(f"recognised ÷ named, median of {args.pairs}: {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
