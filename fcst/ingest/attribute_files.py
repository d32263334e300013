"""Attribute files: one row per item, part of the item key, family or class; one column per attribute.

    item, buyer, season
    store_nbr, region
    family, manager

An empty cell removes the value.
"""

from collections.abc import Sequence
from unicodedata import category

from fcst.attributes import ALL, KEY, MAX_NAME, MAX_VALUE, Attribute, AttributeFile
from fcst.errors import InputError
from fcst.ingest.columns import is_placeholder_name, normalised
from fcst.ingest.folders import Folders
from fcst.ingest.listed_files import ITEM_NAMES, find_places, find_table, read_rows, refuse_bad_rows
from fcst.ingest.sources import Workspace, with_file_errors
from fcst.ingest.tables import Table
from fcst.specs import IngestSpec

MAX_ROWS = 500_000
GROUPS = ("family", "class")


@with_file_errors()
def read_attributes(
    spec: IngestSpec,
    folders: Folders,
    workspace: Workspace,
    item_columns: Sequence[str],
    known: Sequence[Attribute],
) -> AttributeFile:
    """Reads an attribute file.

    Parameters
    ----------
    item_columns
        the columns that form the dataset's item keys.
    known
        the dataset's attributes.

    Raises
    ------
    InputError
        if the file has no key or no attribute, too many rows, or bad rows; the message quotes the first ones.
    """
    table = find_table(spec, folders, workspace)
    keyed_by, keys = _find_keys(table, item_columns, known)
    names, ignored = _find_attributes(table, keys, known)
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    bad: list[str] = []
    for number, cells in enumerate(read_rows(table, workspace, MAX_ROWS), 1):
        key = tuple((cells[place] or "").strip() for place in keys)
        values = tuple((cells[place] or "").strip() for place in names)
        if not any(key) and not any(values):
            continue
        if not all(key):
            bad.append(f"row {number}: the key is empty.")
        elif found.get(key, values) != values:
            bad.append(f"row {number}: {'|'.join(key)[:100]!r} is in several rows with different values.")
        elif wrong := next((value for value in values if not _is_usable(value)), None):
            bad.append(f"row {number}: {wrong[:40]!r} is not a valid value.")
        else:
            found[key] = values
    refuse_bad_rows(table.name, bad)
    if not found:
        raise InputError(f"{table.name} has no rows.", "Give a file with at least one row.")
    return AttributeFile(table.name, keyed_by, tuple(names.values()), tuple(found.items()), tuple(ignored))


def _find_keys(
    table: Table, item_columns: Sequence[str], known: Sequence[Attribute]
) -> tuple[tuple[str, ...], list[int]]:
    """The attributes that form the key of a row (none for item keys) and the indexes of the key columns."""
    parts = [attribute.name for attribute in known if attribute.source == KEY]
    items = find_places(table, (*ITEM_NAMES, *(item_columns if len(item_columns) == 1 else ())))
    of_parts = find_places(table, parts)
    if of_parts and (len(of_parts) == len(parts) or not items):
        in_file = {normalised(table.columns[place]) for place in of_parts}
        return tuple(name for name in parts if normalised(name) in in_file), of_parts
    if items:
        return (), items[:1]
    for name in GROUPS:
        if name in {attribute.name for attribute in known} and (places := find_places(table, (name,))):
            return (name,), places
    names = ", ".join(dict.fromkeys(["item", *item_columns, *GROUPS]))
    raise InputError(
        f"{table.name} has no key column. Its columns are {', '.join(table.columns[:20])}.",
        f"Add a key column with one of these names: {names}.",
    )


def _find_attributes(table: Table, keys: Sequence[int], known: Sequence[Attribute]) -> tuple[dict[int, str], list[str]]:
    """Column index -> attribute name; and the ignored columns: attributes loaded with the sales, and keys."""
    own = {normalised(attribute.name) for attribute in known if attribute.is_own} | set(ITEM_NAMES)
    by_name = {normalised(attribute.name): attribute.name for attribute in known if not attribute.is_own}
    found: dict[int, str] = {}
    ignored: list[str] = []
    for place, column in enumerate(table.columns):
        name = by_name.get(normalised(column), column.strip())
        if place in keys:
            continue
        if normalised(column) in own or is_placeholder_name(column):
            ignored.append(column)
        elif name in found.values() or name == ALL or not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise InputError(f"{table.name}: {column[:100]!r} is not a valid attribute name.", "Rename the column.")
        else:
            found[place] = name
    if not found:
        more = f"; {', '.join(ignored)} came with the sales" if ignored else ""
        raise InputError(f"{table.name} has no attribute column{more}.", "Add a column next to the key.")
    return found, ignored


def _is_usable(value: str) -> bool:
    return len(value) <= MAX_VALUE and not any(category(char) in ("Cc", "Cs") for char in value)
