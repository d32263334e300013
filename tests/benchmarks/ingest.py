"""Loading a file into Postgres, compared with a bare scan by DuckDB, pandas, polars and psql.

    python tests/benchmarks/ingest.py [--rows 10000000] [--pairs 3] [--file train.csv] [--no-frames]

The file has Favorita's columns and is made by the project's generator, unless one is given. Each pair measures

    scan      DuckDB: count, sums and extremes of all typed columns, with the same threads and memory
    ingest    the supervisor's task: file -> weeks, report, duplicates -> Postgres, in a separate process
    no store  the same with the store column unmapped, so the check of duplicates ignores stores
    pandas    read, count duplicates, filter, sum by item and week, write a file (no report, no database); also polars
              in streaming mode, if installed

and prints seconds, ratios within the pair, and the peak memory of the ingest's process. Finally it compares COPY of the
weekly rows through psycopg2 with `psql \\copy` of the same file, if psql is installed.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

import duckdb  # noqa: E402

from fcst.samples.favorita import write_sample  # noqa: E402
from fcst.settings import load_settings  # noqa: E402
from fcst.specs import IngestSpec  # noqa: E402

ROWS_A_SERIES = 800  # rows per item and store, over 4.6 years
STORES = 54  # as in Favorita


def make_file(folder: Path, n_rows: int) -> Path:
    """A file of exactly `n_rows` rows."""
    n_items = max(20, round(1.2 * n_rows / ROWS_A_SERIES / STORES))
    whole = write_sample(folder / "whole", n_items=n_items, n_stores=STORES, years=4.6).path
    target = folder / "train.csv"
    with whole.open("rb") as source, target.open("wb") as out:
        for number, line in enumerate(source):
            if number > n_rows:
                break
            out.write(line)
    shutil.rmtree(whole.parent)
    return target


def scan(file: Path) -> None:
    types = {"id": "BIGINT", "date": "DATE", "store_nbr": "VARCHAR", "item_nbr": "VARCHAR"}
    types |= {"unit_sales": "DOUBLE", "onpromotion": "VARCHAR"}
    settings = load_settings()
    with duckdb.connect(config={"memory_limit": settings.ingest_memory, "threads": settings.processes}) as con:
        con.execute(
            """SELECT count(*), sum(unit_sales), min(date), max(date), max(store_nbr), max(item_nbr), max(onpromotion)
               FROM read_csv($file, columns = $types, header = true, delim = ',', quote = '"', auto_detect = false)""",
            {"file": str(file), "types": types},
        ).fetchall()


def ingest_here(file: Path, mapping: dict[str, list[str]]) -> None:
    """In a child process: claim and run one ingest as the supervisor's pool does; print seconds and peak memory."""
    from fcst.engine.task import run_ingest
    from fcst.services.supervision import prepare_database
    from fcst.store import ingests

    prepare_database()
    ingest_id = ingests.insert(
        IngestSpec(paths=(str(file),), name="benchmark", mapping=mapping, is_from_shell=True), "benchmark"
    )
    claimed = ingests.claim(str(uuid.uuid4()))
    assert claimed is not None
    begin = time.perf_counter()
    run_ingest(claimed.ingest_id, claimed.attempt)
    seconds = time.perf_counter() - begin
    ingest = ingests.get(ingest_id)
    assert ingest is not None and ingest.status == "completed", ingest
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak_kb = int(status["VmHWM"].split()[0])  # not ru_maxrss, which includes the parent's memory at the fork
    print(json.dumps({"seconds": seconds, "peak_gb": peak_kb * 1024 / 1e9}))


def run_child(file: Path, *options: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", "--file", str(file), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def with_pandas(file: Path) -> None:
    import pandas as pd

    rows = pd.read_csv(file, dtype={"item_nbr": str, "store_nbr": str, "onpromotion": str}, parse_dates=["date"])
    rows.duplicated(["item_nbr", "store_nbr", "date"]).sum()
    rows = rows[rows["onpromotion"] != "True"]
    week = rows["date"] + pd.to_timedelta((5 - rows["date"].dt.dayofweek) % 7, unit="D")
    weeks = rows.groupby(["item_nbr", week])["unit_sales"].sum().unstack(fill_value=0.0).stack()
    weeks.to_csv(file.with_name("pandas.csv"))


def with_polars(file: Path) -> None:
    import polars as pl

    day, texts = pl.col("date"), dict.fromkeys(("item_nbr", "store_nbr", "onpromotion"), pl.String)
    rows = pl.scan_csv(file, schema_overrides=texts, try_parse_dates=True)
    duplicates = rows.group_by("item_nbr", "store_nbr", "date").len().filter(pl.col("len") > 1).select(pl.len())
    weeks = (
        rows.filter(pl.col("onpromotion").ne_missing("True"))
        .group_by("item_nbr", (day + pl.duration(days=(6 - day.dt.weekday()) % 7)).alias("week"))
        .agg(pl.col("unit_sales").sum())
    )
    pl.collect_all([duplicates, weeks], engine="streaming")[1].write_csv(file.with_name("polars.csv"))


def timed(function: Callable[[Path], None], file: Path) -> float:
    begin = time.perf_counter()
    function(file)
    return time.perf_counter() - begin


def compare_copies() -> None:
    """Write the sales of the newest dataset to a file, and copy it in with psycopg2 and with psql."""
    from fcst.services import datasets
    from fcst.store.database import connect_kwargs, transaction

    dataset = datasets.list_datasets()[0]
    table = "CREATE TABLE fcst_app.copied (LIKE fcst_app.sales INCLUDING ALL)"
    columns = "dataset_id, unique_id, first_wk_end_dt, unit_sales, promo_units"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sales.csv"
        with file.open("wb") as out, transaction() as cur:
            rows = f"SELECT {columns} FROM fcst_app.sales WHERE dataset_id = {dataset.dataset_id}"
            cur.copy_expert(f"COPY ({rows} ORDER BY unique_id) TO STDOUT (FORMAT csv)", out)
        with file.open("rb") as lines:
            n_rows = sum(1 for _ in lines)
        seconds = {}
        for method in ("psycopg2", "psql"):
            with transaction() as cur:
                cur.execute(f"DROP TABLE IF EXISTS fcst_app.copied; {table}")
            begin = time.perf_counter()
            if method == "psycopg2":
                with transaction() as cur, file.open("rb") as lines:
                    cur.copy_expert(f"COPY fcst_app.copied ({columns}) FROM STDIN (FORMAT csv)", lines)
            elif shutil.which("psql"):
                place = connect_kwargs()
                env = os.environ | {"PGHOST": place["host"], "PGPORT": place["port"], "PGUSER": place["user"]}
                env["PGDATABASE"] = place["dbname"]
                command = f"\\copy fcst_app.copied ({columns}) FROM '{file}' (FORMAT csv)"
                subprocess.run(["psql", "-q", "-c", command], env=env, check=True)
            else:
                print("psql is not installed")
                continue
            seconds[method] = time.perf_counter() - begin
        with transaction() as cur:
            cur.execute("DROP TABLE fcst_app.copied")
    print("COPY of the weeks: " + ", ".join(f"{method} {n_rows / s:,.0f} rows/s" for method, s in seconds.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--no-frames", action="store_true", help="leave pandas and polars out")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--no-store", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        ingest_here(args.file, {"store": []} if args.no_store else {})
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FCST_HOME"] = f"{folder}/home"
        os.environ.pop("DATABASE_URL", None)
        file = args.file or make_file(Path(folder), args.rows)
        print(f"{file.stat().st_size / 1e9:.2f} GB")
        frames: dict[str, Callable[[Path], None]] = {} if args.no_frames else {"pandas": with_pandas}
        if not args.no_frames:
            try:
                import polars  # noqa: F401

                frames["polars"] = with_polars
            except ImportError:
                print("polars is not installed")
        run_child(file)  # starts the server, fills the page cache
        found: dict[str, list[float]] = {}
        for number in range(args.pairs):
            bare = timed(scan, file)
            whole = run_child(file)
            times = {"scan": bare, "ingest": whole["seconds"], "no store": run_child(file, "--no-store")["seconds"]}
            times |= {name: timed(function, file) for name, function in frames.items()}
            ratios = {name: s / bare for name, s in times.items() if name in ("ingest", "no store")}
            ratios |= {f"{name} / ingest": times[name] / times["ingest"] for name in frames}
            for name, ratio in ratios.items():
                found.setdefault(name, []).append(ratio)
            print(f"{number + 1}: " + ", ".join(f"{name} {s:.2f} s" for name, s in times.items()), end="; ")
            print(", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()), f"peak {whole['peak_gb']:.2f} GB")
        print("medians: " + ", ".join(f"{name} {statistics.median(ratios):.2f}" for name, ratios in found.items()))
        compare_copies()


if __name__ == "__main__":
    main()
