"""The commands `stock` and `stock-settings`: safety stock and reorder points of a run, and their settings."""

import argparse
import io
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fcst.errors import InputError
from fcst.stock import GROUPS, GroupSettings, StockSettings, parse_days, parse_service_level
from fcst.terminal import DONE, add_command, add_json_argument, prepare, print_json, print_message, print_table


def add_commands(commands: Any) -> None:
    """Add the commands to the command line."""
    sub = add_command(commands, "stock", _stock, "compute safety stock and reorder points for the items of a run")
    sub.add_argument("job", type=int, metavar="JOB")
    sub.add_argument("-o", "--output", metavar="FILE", help="output file (default: stdout)")
    sub.add_argument("--format", choices=["csv"], default="csv", help="output format (default: %(default)s)")
    sub.add_argument("--model", metavar="NAME", help="forecast to use (default: the first model of the run)")
    _add_settings(sub, "applies to all items instead of the saved settings")
    add_json_argument(sub)

    sub = add_command(
        commands,
        "stock-settings",
        _stock_settings,
        "list, load, set or remove lead times, review periods and service levels of items",
    )
    sub.add_argument(
        "path",
        metavar="FILE",
        nargs="?",
        help="file with the columns item, family or class, lead_time_days or lead_time_weeks, review_period_days, "
        "service_level",
    )
    sub.add_argument("--dataset", metavar="NAME", help="default: the newest dataset")
    _add_settings(sub, "default for items without a setting of their own")
    sub.add_argument(
        "--remove",
        action="append",
        metavar="GROUP=KEY",
        help="remove the settings of this item=, family= or class=; repeatable",
    )
    add_json_argument(sub)


def _add_settings(sub: argparse.ArgumentParser, scope: str) -> None:
    sub.add_argument("--lead-time", metavar="TIME", help=f"lead time, such as 14d or 2w; {scope}")
    sub.add_argument("--review-period", metavar="TIME", help="time between orders, such as 7d; 0d: order at any time")
    sub.add_argument("--service-level", metavar="PERCENT", help="target service level, such as 95 or 0.95")


def _parse_settings(args: argparse.Namespace) -> StockSettings:
    lead_time, review_period = (
        None if text is None else parse_days(text, what)
        for text, what in ((args.lead_time, "lead time"), (args.review_period, "review period"))
    )
    level = None if args.service_level is None else parse_service_level(args.service_level)
    return StockSettings(lead_time, review_period, level)


def _stock(args: argparse.Namespace) -> int:
    from fcst.services import jobs, stock
    from fcst.services.atomic_files import open_atomic

    settings = _parse_settings(args)
    if args.json and args.output is not None:
        raise InputError("--json and -o cannot be combined.", "Files are CSV. Leave out one of them.")
    prepare()
    job = jobs.get_job(args.job)
    model = jobs.choose_model(job, args.model)
    if args.json:
        print_json([asdict(figures) for found in stock.each_page(job, model, settings) for figures in found])
    elif args.output is None:
        out = io.TextIOWrapper(sys.stdout.buffer, "utf-8", newline="", write_through=True)
        stock.write_stock(job, model, out, settings)
        out.detach()
    else:
        with open_atomic(Path(args.output)) as file, io.TextIOWrapper(file, "utf-8", newline="") as out:
            stock.write_stock(job, model, out, settings)
        print_message(f"Wrote {args.output}.")
    return DONE


def _stock_settings(args: argparse.Namespace) -> int:
    from fcst.services import datasets, stock_settings
    from fcst.specs import IngestSpec

    defaults, removed = _parse_settings(args), [_parse_group(text) for text in args.remove or ()]
    if (args.path is not None) + (not defaults.is_empty) + bool(removed) > 1:
        raise InputError("A file, default settings and --remove cannot be combined.", "Give only one of them.")
    prepare()
    dataset = datasets.find_dataset(args.dataset)
    if args.path is not None:
        spec = IngestSpec(paths=(args.path,), name=dataset.name, is_from_shell=True, plan_of=dataset.dataset_id)
        found = stock_settings.read_file(spec)
        unknown = stock_settings.save_settings(dataset.dataset_id, found)
        print_message(f"Saved the settings of {len(found):,} items or groups.")
        if unknown:
            print_message(stock_settings.unknown_message(unknown))
        return DONE
    if not defaults.is_empty:
        stock_settings.save_defaults(dataset.dataset_id, defaults)
        print_message(f"Saved the default settings of {dataset.name}.")
        return DONE
    if removed:
        stock_settings.remove_settings(dataset.dataset_id, removed)
        print_message(f"Removed the settings of {', '.join(args.remove)}.")
        return DONE
    stored, _ = stock_settings.find_settings(dataset.dataset_id)
    rows = [
        {
            "grouped_by": row.group.grouped_by,
            "key_columns": row.group.key_columns,
            "key": row.group.key,
            **asdict(row.group.settings),
        }
        for row in stored
    ]
    if args.json:
        print_json(rows)
    else:
        table = [{**row, "service_level": _percent(row["service_level"])} for row in rows]
        print_table(table, "grouped_by", "key", "lead_time_days", "review_period_days", "service_level")
    return DONE


def _percent(fraction: Any) -> str:
    return "" if fraction is None else f"{100 * fraction:g} %"


def _parse_group(text: str) -> GroupSettings:
    grouped_by, is_pair, key = text.partition("=")
    if not is_pair or grouped_by not in GROUPS or grouped_by == "part":
        raise InputError(f"--remove {text!r} is not valid.", "Write item=KEY, family=KEY, class=KEY or all=.")
    return GroupSettings(grouped_by, key, StockSettings())
