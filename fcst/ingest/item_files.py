"""Small files with rows about items: finds the key columns and value columns, reads the rows as text.

The item is one column, or the columns that form the dataset's item keys. All bad rows are refused in one error.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fcst.errors import InputError
from fcst.ingest.columns import normalised
from fcst.ingest.folders import Folders
from fcst.ingest.listed_files import ITEM_NAMES, find_table, read_rows, refuse_bad_rows
from fcst.ingest.sources import Workspace
from fcst.ingest.tables import Table
from fcst.names import KEY_JOINT
from fcst.specs import IngestSpec

MAX_ROWS = 100_000


@dataclass(frozen=True)
class FileForm:
    """The columns that a kind of file accepts.

    Parameters
    ----------
    kind
        the kind of file, such as 'list of lifecycles'.
    names
        value -> accepted column names, normalised.
    known
        all accepted columns, as text for messages.
    groups
        columns that can replace the item, for rows about many items: `family`, `class`.
    takes_parts
        accept a part of the key columns: the row then applies to all items with these key parts.
    """

    kind: str
    names: Mapping[str, Sequence[str]]
    known: str
    groups: Sequence[str] = ()
    takes_parts: bool = False


@dataclass(frozen=True)
class ItemRows:
    """The non-empty rows of a file.

    Parameters
    ----------
    file
        name of the file.
    grouped_by, key_columns
        type of the keys: `item`, `part` (joined from `key_columns`), `family` or `class`.
    rows
        per row: its number from 1, its key, and value -> text, stripped. A key is empty if one of its columns is empty.
    """

    file: str
    grouped_by: str
    key_columns: tuple[str, ...]
    rows: Sequence[tuple[int, str, Mapping[str, str]]]

    def for_each(self, function: Callable[[str, Mapping[str, str]], None]) -> None:
        """Calls a function with the key and cells of each row.

        Raises
        ------
        InputError
            if the function raised InputError for some rows; the message quotes the first ones.
        """
        bad = []
        for number, key, cells in self.rows:
            try:
                if not key:
                    raise InputError(f"The {_kind(self.grouped_by)} is empty.", "Fill all columns of the key.")
                function(key, cells)
            except InputError as exc:
                bad.append(f"row {number}: {exc.message} {exc.hint}")
        refuse_bad_rows(self.file, bad)
        if not self.rows:
            raise InputError(f"{self.file} has no rows.", f"Give a file with at least one {_kind(self.grouped_by)}.")


def read_item_rows(
    spec: IngestSpec, folders: Folders, workspace: Workspace, key_columns: Sequence[str], form: FileForm
) -> ItemRows:
    """Reads all rows of a file.

    Parameters
    ----------
    key_columns
        the columns that form the dataset's item keys.

    Raises
    ------
    InputError
        if the file has unknown columns, or too many rows.
    """
    table = find_table(spec, folders, workspace)
    places, keys, grouped_by, of_part = _find_columns(table, key_columns, form)
    rows = []
    for number, cells in enumerate(read_rows(table, workspace, MAX_ROWS), 1):
        row = {role: (cells[place] or "").strip() for role, place in places.items()}
        parts = [(cells[place] or "").strip() for place in keys]
        if any(row.values()) or any(parts):
            rows.append((number, KEY_JOINT.join(parts) if all(parts) else "", row))
    return ItemRows(table.name, grouped_by, of_part, rows)


def _kind(grouped_by: str) -> str:
    return "item" if grouped_by == "part" else grouped_by


def _find_columns(
    table: Table, key_columns: Sequence[str], form: FileForm
) -> tuple[dict[str, int], list[int], str, tuple[str, ...]]:
    """Value -> column index; the indexes of the key columns in key order; the type of the key and its columns."""
    roles = {"item": ITEM_NAMES, **{name: (name,) for name in form.groups}, **form.names}
    places: dict[str, int] = {}
    unknown = []
    for place, name in enumerate(table.columns):
        role = next((role for role, names in roles.items() if normalised(name) in names), None)
        if role in places:
            raise InputError(f"{table.name} has two columns for {role}.", "Remove one of them.")
        if role is not None:
            places[role] = place
        elif normalised(name) not in map(normalised, key_columns):
            unknown.append(name)
    names = [normalised(name) for name in table.columns]
    parts = [name for name in key_columns if normalised(name) in names]
    groups = [name for name in form.groups if name in places and name not in map(normalised, parts)]
    keys, grouped_by, of_part = list[int](), "item", tuple[str, ...]()
    if len(parts) == len(key_columns) > 0:
        keys = [names.index(normalised(name)) for name in parts]
    elif "item" in places:
        keys = [places["item"]]
    elif form.takes_parts and parts:
        keys, grouped_by, of_part = [names.index(normalised(name)) for name in parts], "part", tuple(parts)
    elif groups:
        keys, grouped_by = [places[groups[0]]], groups[0]
    if keys and len(groups) + (grouped_by not in form.groups) > 1:
        raise InputError(f"{table.name} has columns of items and of {groups[-1]}.", "Give a separate file for each.")
    values = {role: place for role, place in places.items() if role in form.names}
    if not keys or not values:
        raise InputError(
            f"{table.name} is not a {form.kind}. Its columns are {', '.join(table.columns[:20])}.",
            f"Give a file with the columns {form.known}.",
        )
    if unknown:
        raise InputError(f"{table.name} has an unknown column {unknown[0]!r}.", f"Known columns are {form.known}.")
    return values, keys, grouped_by, of_part
