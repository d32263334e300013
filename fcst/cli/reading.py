"""Shared parts of commands that read files: arguments, the report of the column mapping, the wait for the ingest."""

import argparse
from collections.abc import Iterator, Sequence
from itertools import groupby

from fcst.dataset_records import Dataset
from fcst.errors import InputError
from fcst.filters import ItemFilter
from fcst.quality_report import FileRead
from fcst.specs import DECIMALS, DRIVER_ROLES, ROLES, Mapping
from fcst.terminal import print_message


def add_reading_arguments(sub: argparse.ArgumentParser) -> None:
    """Add the arguments that control how files are read."""
    sub.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="ROLE=COL",
        help=f"role of a column: {', '.join(ROLES)}; item=A,B joins columns; promo= means none; repeatable",
    )
    sub.add_argument(
        "--date-format", default="", metavar="FORMAT", help="strptime format, such as %%d/%%m/%%Y (default: detected)"
    )
    sub.add_argument("--decimal", default="", choices=DECIMALS, help="decimal separator (default: detected)")
    sub.add_argument("--encoding", default="", help="text encoding, such as cp1252 (default: detected)")
    sub.add_argument("--file", default="", metavar="NAME", help="file in an archive or folder, or sheet of a workbook")
    sub.add_argument(
        "--where", action="append", default=[], metavar="COL=VALUE", help="read only rows with this value; repeatable"
    )
    sub.add_argument("--skip-bad", action="store_true", help="load the valid rows of a file that also has bad rows")


def parse_map(pairs: Sequence[str]) -> Mapping:
    """Parse texts such as `item=SKU` into role -> columns.

    Raises
    ------
    InputError
        if a text has another form or an unknown role.
    """
    mapping: Mapping = {}
    for pair in pairs:
        role, is_pair, columns = pair.partition("=")
        if not is_pair or role not in ROLES:
            raise InputError(f"--map {pair!r} is not valid.", f"Write ROLE=COLUMN with one of {', '.join(ROLES)}.")
        # A comma separates the columns of an item; in other roles it may be part of a column name.
        names = [name for name in (columns.split(",") if role == "item" else [columns]) if name]
        is_several = role in DRIVER_ROLES or role == "attribute"
        mapping[role] = [*(mapping.get(role, []) if is_several else []), *names]
    return mapping


def parse_where(pairs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Parse texts such as `state=Guayas` into columns and values.

    Raises
    ------
    InputError
        if a text has another form.
    """
    for pair in pairs:
        column, is_pair, value = pair.partition("=")
        if not is_pair or not column:
            raise InputError(f"--where {pair!r} is not valid.", "Write COLUMN=VALUE.")
        yield column, value


def parse_attributes(pairs: Sequence[str]) -> ItemFilter:
    """Parse texts such as `city=Quito` into an item filter.

    Raises
    ------
    InputError
        if a text has another form.
    """
    wanted: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        name, is_pair, value = pair.partition("=")
        if not is_pair or not name:
            raise InputError(f"--attribute {pair!r} is not valid.", "Write NAME=VALUE.")
        wanted[name] = (*wanted.get(name, ()), value)
    return ItemFilter(attributes=tuple(wanted.items()))


def print_reading(files: Sequence[FileRead]) -> None:
    """Print the column mapping and its reasons, once for all files that share it."""
    from fcst.services import loading

    for words, alike in groupby(files, key=loading.describe_reading):
        names = [file.name for file in alike]
        print_message(f"{names[0]}{f' and {len(names) - 1:,} more' if len(names) > 1 else ''}:")
        for line in words:
            print_message(f"  {line}")


def wait_for_ingest(ingest_id: int) -> Dataset | None:
    """Wait for an ingest and print its progress; Ctrl-C cancels the ingest and returns None.

    Raises
    ------
    InputError
        if the file was refused; the message says why.
    """
    from fcst.services import loading

    try:
        return loading.wait_for_ingest(ingest_id, on_progress=lambda text: print_message(f"… {text}"))
    except KeyboardInterrupt:  # without this, the supervisor would continue the ingest
        loading.cancel_ingest(ingest_id)
        print_message("Cancelled; nothing was loaded.")
        return None
