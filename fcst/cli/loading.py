"""`fcst sample`, `ingest` and `datasets`: from files to datasets of weekly sales."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from fcst.cli.reading import add_reading_arguments, add_weekly_arguments, make_spec, print_reading, report_ingest
from fcst.terminal import DONE, add_command, add_json_argument, prepare, print_json, print_message, print_table


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
    add_weekly_arguments(sub)
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

    name = args.name if args.name is not None else loading.default_name(args.paths[0])
    spec = make_spec(args, name, tuple(args.paths))
    look = loading.inspect_files(spec)
    files = loading.check_files(spec, look)  # before the server starts: a typing error must not start it
    prepare()
    spec, remembered = loading.fill_mapping(spec, look)
    if remembered:
        print_message(f"Column mapping reused from dataset {remembered}.")
        files = loading.check_files(spec, look)
    print_reading(files)
    return report_ingest(loading.request_ingest(spec, look), args.json)


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
