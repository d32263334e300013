"""What commands that read files share: arguments, how the reading is shown, the wait for its end."""

import argparse
from collections.abc import Iterator, Sequence
from itertools import groupby

from fcst.dataset_records import Dataset
from fcst.errors import InputError
from fcst.filters import ItemFilter
from fcst.quality_report import FileRead
from fcst.specs import DECIMALS, DRIVER_ROLES, ROLES, Mapping
from fcst.terminal import say


def takes_reading(sub: argparse.ArgumentParser) -> None:
    """Adds the arguments that say how files are read."""
    sub.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="ROLE=COL",
        help=f"what a column means: {', '.join(ROLES)}; item=A,B joins two; promo= says that there is none; repeatable",
    )
    sub.add_argument("--date-format", default="", metavar="FORMAT", help="as of strptime, such as %%d/%%m/%%Y")
    sub.add_argument("--decimal", default="", choices=DECIMALS, help="the decimal sign (default: recognised)")
    sub.add_argument("--encoding", default="", help="of text, such as cp1252 (default: recognised)")
    sub.add_argument("--file", default="", metavar="NAME", help="which file of an archive or folder, or which sheet")
    sub.add_argument(
        "--where", action="append", default=[], metavar="COL=VALUE", help="only rows with this value; repeatable"
    )
    sub.add_argument("--skip-bad", action="store_true", help="load the good rows of a file that also has bad ones")


def parse_map(pairs: Sequence[str]) -> Mapping:
    """role -> columns, of texts such as `item=SKU`.

    Raises
    ------
    InputError
        for a text of another form or an unknown role.
    """
    mapping: Mapping = {}
    for pair in pairs:
        role, is_pair, columns = pair.partition("=")
        if not is_pair or role not in ROLES:
            raise InputError(f"--map {pair!r} cannot be read.", f"Write ROLE=COLUMN with one of {', '.join(ROLES)}.")
        # A comma joins columns for an item; elsewhere it may be part of a name.
        names = [name for name in (columns.split(",") if role == "item" else [columns]) if name]
        is_several = role in DRIVER_ROLES or role == "attribute"
        mapping[role] = [*(mapping.get(role, []) if is_several else []), *names]
    return mapping


def parse_where(pairs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Columns and values, of texts such as `state=Guayas`.

    Raises
    ------
    InputError
        for a text of another form.
    """
    for pair in pairs:
        column, is_pair, value = pair.partition("=")
        if not is_pair or not column:
            raise InputError(f"--where {pair!r} cannot be read.", "Write COLUMN=VALUE.")
        yield column, value


def parse_attributes(pairs: Sequence[str]) -> ItemFilter:
    """The items with some attributes, of texts such as `city=Quito`.

    Raises
    ------
    InputError
        for a text of another form.
    """
    wanted: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        name, is_pair, value = pair.partition("=")
        if not is_pair or not name:
            raise InputError(f"--attribute {pair!r} cannot be read.", "Write NAME=VALUE.")
        wanted[name] = (*wanted.get(name, ()), value)
    return ItemFilter(attributes=tuple(wanted.items()))


def say_reading(files: Sequence[FileRead]) -> None:
    """How the columns are read and why, once for all files that are read alike."""
    from fcst.services import loading

    for words, alike in groupby(files, key=loading.reading_in_words):
        names = [file.name for file in alike]
        say(f"{names[0]}{f' and {len(names) - 1:,} more' if len(names) > 1 else ''}:")
        for line in words:
            say(f"  {line}")


def wait_for_ingest(ingest_id: int) -> Dataset | None:
    """Waits for the end of an ingest and says how far it is; None where Ctrl-C stopped the wait and the ingest.

    Raises
    ------
    InputError
        with the reason, if the file was refused.
    """
    from fcst.services import loading

    try:
        return loading.wait_for_ingest(ingest_id, on_progress=lambda text: say(f"… {text}"))
    except KeyboardInterrupt:  # the supervisor would go on without us
        loading.cancel_ingest(ingest_id)
        say("Cancelled; nothing of it was kept.")
        return None
