"""The command `lifecycles`: predecessors and like items of new items, launch dates, last days of sale."""

import argparse
from dataclasses import asdict
from datetime import date
from typing import Any

from fcst.errors import InputError
from fcst.lifecycles import Lifecycle, Origin, Source
from fcst.terminal import DONE, add_command, add_json_argument, prepare, print_json, print_message, print_table


def add_commands(commands: Any) -> None:
    """Add the command to the command line."""
    sub = add_command(
        commands,
        "lifecycles",
        _lifecycles,
        "list, load, set or remove item lifecycles: predecessors, like items, launch dates, last days",
    )
    sub.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        help="file with the columns item, predecessor or like, factor, launch, last day",
    )
    sub.add_argument("--dataset", metavar="NAME", help="default: the newest dataset")
    sub.add_argument("--item", metavar="ID", help="set the lifecycle of this item")
    before = sub.add_mutually_exclusive_group()
    before.add_argument("--predecessor", action="append", metavar="ID", help="item that it replaces; repeatable")
    before.add_argument("--like", metavar="ID", help="existing item with similar expected sales")
    sub.add_argument(
        "--factor",
        type=float,
        metavar="X",
        help="multiplier for the units of the predecessor or like item (default: 1)",
    )
    sub.add_argument("--launch", type=date.fromisoformat, metavar="DAY", help="first day of sale")
    sub.add_argument("--last-day", type=date.fromisoformat, metavar="DAY", help="last day of sale")
    sub.add_argument("--remove", metavar="ID", help="remove the lifecycle of this item")
    add_json_argument(sub)


def _lifecycles(args: argparse.Namespace) -> int:
    from fcst.services import datasets, lifecycles
    from fcst.specs import IngestSpec

    if sum(given is not None for given in (args.path, args.item, args.remove)) > 1:
        raise InputError("A file, --item and --remove cannot be combined.", "Give only one of them.")
    details = (args.predecessor, args.like, args.factor, args.launch, args.last_day)
    if args.item is None and any(given is not None for given in details):
        raise InputError("No item was given.", "Add --item ID.")
    prepare()
    dataset = datasets.find_dataset(args.dataset)
    if args.path is not None:
        spec = IngestSpec(paths=(args.path,), name=dataset.name, is_from_shell=True, plan_of=dataset.dataset_id)
        found = lifecycles.read_file(spec)
        lifecycles.save_lifecycles(dataset.dataset_id, found)
        print_message(f"Saved the lifecycles of {len(found):,} items.")
        return DONE
    if args.item is not None:
        lifecycles.save_lifecycles(dataset.dataset_id, [_parse_lifecycle(args)])
        print_message(f"Saved the lifecycle of {args.item}.")
        return DONE
    if args.remove is not None:
        lifecycles.remove_lifecycle(dataset.dataset_id, args.remove)
        print_message(f"Removed the lifecycle of {args.remove}.")
        return DONE
    stored, _ = lifecycles.find_lifecycles(dataset.dataset_id)
    if args.json:
        print_json([asdict(row.lifecycle) | {"has_sales": row.has_sales} for row in stored])
    else:
        rows = [
            {
                "item": row.lifecycle.unique_id,
                "origin": row.lifecycle.origin,
                "sources": ", ".join(source.unique_id for source in row.lifecycle.sources),
                "factors": ", ".join(f"{source.factor:g}" for source in row.lifecycle.sources),
                "launch": row.lifecycle.launch,
                "last_day": row.lifecycle.last_day,
                "sales": "yes" if row.has_sales else "none yet",
            }
            for row in stored
        ]
        print_table(rows, "item", "origin", "sources", "factors", "launch", "last_day", "sales")
    return DONE


def _parse_lifecycle(args: argparse.Namespace) -> Lifecycle:
    names = args.predecessor or ([args.like] if args.like is not None else [])
    if args.factor is not None and not names:
        raise InputError("--factor needs a predecessor or a like item.", "Add --predecessor ID or --like ID.")
    sources = tuple(Source(name, 1.0 if args.factor is None else args.factor) for name in names)
    origin = Origin.PREDECESSOR if args.predecessor else Origin.LIKE if names else None
    return Lifecycle(args.item, origin, sources, args.launch, args.last_day)
