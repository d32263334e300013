"""The commands `drivers`, `plan` and `holidays`: list, load and remove drivers."""

import argparse
from functools import partial
from typing import Any

from fcst.cli.reading import add_reading_arguments, parse_map, parse_where, print_reading, wait_for_ingest
from fcst.drivers import DriverLoad
from fcst.terminal import DONE, FAILED, add_command, add_json_argument, prepare, print_json, print_message, print_table


def add_commands(commands: Any) -> None:
    """Add the commands to the command line."""
    command = partial(add_command, commands)

    sub = command("drivers", _drivers, "list the driver loads of a dataset: promotions, prices, events, …")
    sub.add_argument("--dataset", metavar="NAME", help="default: the newest dataset")
    sub.add_argument("--remove", type=int, metavar="ID", help="remove this load; no run may have used it")
    add_json_argument(sub)

    sub = command("plan", _plan, "load past and future drivers from files, such as a promotion plan")
    sub.add_argument("paths", metavar="PATH", nargs="+", help="CSV, Excel, Parquet, .gz, .zip, .7z")
    sub.add_argument("--dataset", metavar="NAME", help="default: the newest dataset")
    add_reading_arguments(sub)
    add_json_argument(sub)

    sub = command("holidays", _holidays, "add the public holidays of a country as events for all items")
    sub.add_argument("country", metavar="COUNTRY", help="two-letter country code, such as EC")
    sub.add_argument("--region", default="", help="region code within the country, such as BY in DE")
    sub.add_argument("--dataset", metavar="NAME", help="default: the newest dataset")
    add_json_argument(sub)


def _drivers(args: argparse.Namespace) -> int:
    from fcst.services import datasets, drivers

    prepare()
    dataset_id = datasets.find_dataset(args.dataset).dataset_id
    if args.remove is not None:
        drivers.remove_load(dataset_id, args.remove)
        print_message(f"Removed drivers {args.remove}.")
    loads = drivers.list_loads(dataset_id)
    if args.json:
        print_json(loads)
    else:
        rows = [
            {
                "id": load.driver_load_id,
                "source": load.source,
                "driver": column.name,
                "kind": column.kind.value,
                "of": load.keys_in_words(column),
                "first_day": load.first_day,
                "last_day": load.last_day,
            }
            for load in loads
            for column in load.columns
        ]
        print_table(rows, "id", "source", "driver", "kind", "of", "first_day", "last_day")
    return DONE


def _plan(args: argparse.Namespace) -> int:
    from fcst.services import datasets, drivers
    from fcst.specs import IngestSpec

    mapping = parse_map(args.map)
    prepare()
    dataset = datasets.find_dataset(args.dataset)
    spec = IngestSpec(
        paths=tuple(args.paths),
        name=dataset.name,
        mapping=mapping,
        date_format=args.date_format,
        decimal=args.decimal,
        encoding=args.encoding,
        file=args.file,
        where=tuple(parse_where(args.where)),
        skip_bad=args.skip_bad,
        is_from_shell=True,
        plan_of=dataset.dataset_id,
    )
    inspection = drivers.inspect_plan(spec)
    print_reading(drivers.describe_plan(spec, inspection))
    ingest_id = drivers.request_plan(spec, inspection)
    if wait_for_ingest(ingest_id) is None:
        return FAILED
    return _show(drivers.list_loads(dataset.dataset_id)[-1], args.json)


def _holidays(args: argparse.Namespace) -> int:
    from fcst.services import datasets, drivers

    prepare()
    dataset = datasets.find_dataset(args.dataset)
    return _show(drivers.add_holidays(dataset.dataset_id, args.country, args.region), args.json)


def _show(load: DriverLoad, is_json: bool) -> int:
    """Print the contents of a driver load and the rows that cannot be used."""
    if is_json:
        print_json(load)
    names = ", ".join(column.name for column in load.columns)
    print_message(f"{load.source}: {names}, from {load.first_day} to {load.last_day}.")
    report = load.report
    if report.n_unknown:
        print_message(f"{report.n_unknown:,} keys are not in the dataset, such as {', '.join(report.unknown[:5])}.")
    if report.n_outside:
        print_message(f"{report.n_outside:,} rows are in weeks before the dataset or too far after its end.")
    for words in (*report.bad, *report.remarks):
        print_message(words)
    return DONE
