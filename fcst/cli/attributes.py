"""The command `attributes`: list, load and remove attributes of items."""

import argparse
from dataclasses import asdict
from typing import Any

from fcst.errors import InputError
from fcst.terminal import DONE, add_command, add_json_argument, prepare, print_json, print_message, print_table


def add_commands(commands: Any) -> None:
    """Add the command to the command line."""
    sub = add_command(
        commands,
        "attributes",
        _attributes,
        "list, load or remove attributes for filtering and grouping items",
    )
    sub.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        help="file with a key column (item, part of the key, family or class) and one column per attribute",
    )
    sub.add_argument("--dataset", metavar="NAME", help="default: the newest dataset")
    sub.add_argument("--remove", metavar="NAME", help="remove this attribute; it must come from a loaded file")
    add_json_argument(sub)


def _attributes(args: argparse.Namespace) -> int:
    from fcst.services import attributes, datasets
    from fcst.specs import IngestSpec

    if args.path is not None and args.remove is not None:
        raise InputError("A file and --remove cannot be combined.", "Give only one of them.")
    prepare()
    dataset = datasets.find_dataset(args.dataset)
    if args.remove is not None:
        attributes.remove_attribute(dataset.dataset_id, args.remove)
        print_message(f"Removed attribute {args.remove}.")
        return DONE
    if args.path is not None:
        spec = IngestSpec(paths=(args.path,), name=dataset.name, is_from_shell=True, plan_of=dataset.dataset_id)
        file = attributes.read_file(spec)
        saved = attributes.save_attributes(dataset.dataset_id, file)
        if args.json:
            print_json({"names": file.names, "keyed_by": file.keyed_by, "ignored": file.ignored, **asdict(saved)})
        for line in attributes.in_words(file, saved):
            print_message(line)
        return DONE
    known = attributes.find_attributes(dataset.dataset_id)
    if args.json:
        print_json([asdict(row) for row in known])
    else:
        rows = [
            {
                "name": row.name,
                "values": row.n_values,
                "items": row.n_items,
                "by": " and ".join(row.keyed_by) or "item",
                "source": row.source,
                "loaded": "" if row.is_own else "yes",
            }
            for row in known
        ]
        print_table(rows, "name", "values", "items", "by", "source", "loaded")
    return DONE
