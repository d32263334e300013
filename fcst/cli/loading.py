"""`fcst sample`, `ingest` and `datasets`: from files to datasets of weekly sales."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from fcst.cli.reading import add_reading_arguments, parse_map, parse_where, print_reading, wait_for_ingest
from fcst.errors import BadRows
from fcst.names import WEEKDAYS
from fcst.quality_report import QualityReport
from fcst.specs import CANCELLED, DUPLICATES, ODD_DATES, RETURNS
from fcst.terminal import DONE, FAILED, add_command, add_json_argument, prepare, print_json, print_message, print_table


def add_commands(commands: Any) -> None:
    command = partial(add_command, commands)

    sub = command("sample", _sample, "write a sample dataset in the Favorita format")
    sub.add_argument("dir", metavar="DIR", help="target folder; must not contain a train.csv")
    sub.add_argument("--items", type=int, default=200, metavar="N")
    sub.add_argument("--stores", type=int, default=2, metavar="N")
    sub.add_argument("--years", type=float, default=4.6, metavar="N")
    sub.add_argument("--seed", type=int, default=1, metavar="N")
    sub.add_argument(
        "--drivers",
        action="store_true",
        help="instead write weekly sales with promotions, prices, events and stock-outs, a plan, and the true effects",
    )

    sub = command("ingest", _ingest, "load sales files into a dataset of weekly sales per item")
    sub.add_argument(
        "paths", metavar="PATH", nargs="+", help="CSV, Excel, Parquet, .gz, .zip, .7z, or a folder of these"
    )
    sub.add_argument("--name", help="dataset name (default: the file name)")
    sub.add_argument("--include-promo", action="store_true", help="count promotional rows as sales")
    sub.add_argument("--week-end", choices=WEEKDAYS, help="last day of the week (default: SAT, or as in weekly data)")
    sub.add_argument(
        "--zone", default="", help="time zone that sets the day of timestamps with a zone, such as Europe/Paris"
    )
    sub.add_argument(
        "--returns", default="net", choices=RETURNS, help="negative units: subtract or drop (default: %(default)s)"
    )
    sub.add_argument(
        "--duplicates",
        default="",
        choices=DUPLICATES,
        help="duplicate rows: keep (add up) or drop (count once); default: drop only receipt lines in several files",
    )
    sub.add_argument(
        "--cancelled",
        default="keep",
        choices=CANCELLED,
        help="cancelled or refunded orders: keep or drop (default: %(default)s)",
    )
    sub.add_argument(
        "--odd-dates",
        default="",
        choices=ODD_DATES,
        help="rows with dates far from all others: keep or drop (default: refuse the files)",
    )
    add_reading_arguments(sub)
    add_json_argument(sub)

    sub = command("datasets", _datasets, "list datasets")
    add_json_argument(sub)


def _sample(args: argparse.Namespace) -> int:
    from fcst.samples.drivers import write_driver_sample
    from fcst.samples.favorita import write_sample

    folder = Path(args.dir)
    if args.drivers:
        write_driver_sample(folder, n_items=args.items, n_weeks=round(args.years * 52), seed=args.seed)
        print_message(f"Wrote sales.csv, plan.csv, actual.csv and truth.csv to {folder}.")
        return DONE
    write_sample(folder, n_items=args.items, n_stores=args.stores, years=args.years, seed=args.seed)
    print_message(f"Wrote train.csv, items.csv and stores.csv to {folder}.")
    return DONE


def _ingest(args: argparse.Namespace) -> int:
    from fcst.services import loading
    from fcst.specs import IngestSpec

    spec = IngestSpec(
        paths=tuple(args.paths),
        name=args.name if args.name is not None else loading.default_name(args.paths[0]),
        mapping=parse_map(args.map),
        date_format=args.date_format,
        decimal=args.decimal,
        zone=args.zone,
        encoding=args.encoding,
        file=args.file,
        where=tuple(parse_where(args.where)),
        include_promo=args.include_promo,
        returns=args.returns,
        duplicates=args.duplicates,
        cancelled=args.cancelled,
        odd_dates=args.odd_dates,
        week_end=args.week_end or "",
        skip_bad=args.skip_bad,
        is_from_shell=True,
    )
    look = loading.inspect_files(spec)
    files = loading.check_files(spec, look)  # before the server starts: a typing error must not start it
    prepare()
    spec, remembered = loading.fill_mapping(spec, look)
    if remembered:
        print_message(f"Column mapping reused from dataset {remembered}.")
        files = loading.check_files(spec, look)
    print_reading(files)
    ingest_id = loading.request_ingest(spec, look)
    try:
        dataset = wait_for_ingest(ingest_id)
    except BadRows as exc:
        if args.json:
            print_json({"error": exc.message, "hint": exc.hint, "report": exc.report})
        for kind in exc.report.bad_rows.kinds:
            row = kind.first
            what = f"{row.column} {row.reason}".strip()
            print_message(f"{kind.n:,} rows: {what}; first in {row.file}, line {row.line}: {row.value!r}")
        raise
    if dataset is None:
        return FAILED
    print_message(
        f"Dataset {dataset.name!r} version {dataset.version}: {dataset.n_items:,} items, "
        f"{dataset.n_weeks:,} weeks to {dataset.last_wk_end_dt}, {dataset.total_units:,.0f} units."
    )
    _say_report(dataset.report)
    if args.json:
        print_json(dataset)
    return DONE


def _say_report(report: QualityReport) -> None:
    """Print the main findings of a quality report; `--json` prints all of it."""
    for line in report.change_lines():
        print_message(line)
    if report.n_totals:
        print_message(f"Left out {report.n_totals:,} rows of totals: {', '.join(report.totals)}.")
    for warning in report.warnings:
        print_message(warning)
    cancelled = report.cancelled
    if cancelled.n_rows:
        done = "were left out" if cancelled.is_dropped else "were counted (--cancelled drop leaves them out)"
        print_message(
            f"{cancelled.n_rows:,} rows of cancelled or refunded orders, {cancelled.units:,.0f} units, {done}."
        )
    if n := report.n_odd_dates:
        print_message(f"Left out {n:,} rows with dates far from all others.")
    if n := report.n_no_records:
        example = f", such as {report.no_records[0]!r}" if report.no_records else ""
        print_message(f"Left out {n:,} lines that are not records{example}.")
    if n := report.bad_rows.n:
        print_message(f"Left out {n:,} bad rows.")
    duplicates = report.duplicates
    if duplicates.n:
        done = "were counted once" if duplicates.n_dropped else "were added up (--duplicates drop counts them once)"
        print_message(f"{duplicates.n:,} duplicates ({duplicates.key}) {done}.")
    if n := report.n_flag_unknown:
        values = ", ".join(map(repr, report.unknown_flags))
        print_message(f"{n:,} rows have an unknown promotion flag ({values}). They count as not promoted.")


def _datasets(args: argparse.Namespace) -> int:
    from fcst.services import datasets

    prepare()
    rows = datasets.list_datasets()
    if args.json:
        print_json(rows)
    else:
        print_table(
            [vars(row) for row in rows],
            "dataset_id",
            "name",
            "version",
            "n_items",
            "n_weeks",
            "last_wk_end_dt",
            "total_units",
            "created_at",
        )
    return DONE
