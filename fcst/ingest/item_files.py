"""Small files of rows about items: which columns hold the keys, which say what, and the rows as text.

The item is one column, or those of which the dataset's keys are joined. Rows that cannot be used are refused together.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fcst.errors import InputError
from fcst.ingest.columns import normalised
from fcst.ingest.folders import Folders
from fcst.ingest.listed_files import ITEM_NAMES, look_at_one, read_rows, refuse_bad
from fcst.ingest.sources import Workspace
from fcst.ingest.tables import Table
from fcst.names import KEY_JOINT
from fcst.specs import IngestSpec

MAX_ROWS = 100_000


@dataclass(frozen=True)
class FileForm:
    """What the columns of a kind of file may be.

    Parameters
    ----------
    called
        the kind, as in 'list of lifecycles'.
    names
        what a column says -> how it may be called, small and without spaces and signs.
    known
        all that may stand in the file, in words.
    groups
        columns by which rows may be of many items, in place of the item: `family`, `class`.
    takes_parts
        rows may be of all items that share some of the columns of which their keys are joined.
    """

    called: str
    names: Mapping[str, Sequence[str]]
    known: str
    groups: Sequence[str] = ()
    takes_parts: bool = False


@dataclass(frozen=True)
class ItemRows:
    """The rows of a file, without empty ones.

    Parameters
    ----------
    file
        its name.
    grouped_by, key_columns
        what the keys are: `item`, `part` with the columns of which it is joined, `family` or `class`.
    rows
        of each its number from 1, its key, and what its columns say -> text, without spaces at the ends. A key is empty
        where a column of it is.
    """

    file: str
    grouped_by: str
    key_columns: tuple[str, ...]
    rows: Sequence[tuple[int, str, Mapping[str, str]]]

    def use(self, take: Callable[[str, Mapping[str, str]], None]) -> None:
        """Gives each row's key and cells to a function.

        Raises
        ------
        InputError
            if it raised one for some rows; the text names the first of these.
        """
        bad = []
        for number, key, cells in self.rows:
            try:
                if not key:
                    raise InputError(f"It names no {_kind(self.grouped_by)}.", "Give all columns of the key.")
                take(key, cells)
            except InputError as exc:
                bad.append(f"row {number}: {exc.message} {exc.hint}")
        refuse_bad(self.file, bad)
        if not self.rows:
            raise InputError(f"{self.file} has no rows.", f"Give a file with at least one {_kind(self.grouped_by)}.")


def read_item_rows(
    spec: IngestSpec, folders: Folders, workspace: Workspace, key_columns: Sequence[str], form: FileForm
) -> ItemRows:
    """Reads a file whole.

    Parameters
    ----------
    key_columns
        the columns of which the dataset's keys are joined.

    Raises
    ------
    InputError
        if it has other columns, or too many rows.
    """
    table = look_at_one(spec, folders, workspace)
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
    """What a column says -> its place; the places of the columns that make the key, in its order; what the key is."""
    roles = {"item": ITEM_NAMES, **{name: (name,) for name in form.groups}, **form.names}
    places: dict[str, int] = {}
    unknown = []
    for place, name in enumerate(table.columns):
        role = next((role for role, names in roles.items() if normalised(name) in names), None)
        if role in places:
            raise InputError(f"{table.name} has two columns for {role}.", "Remove one.")
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
        raise InputError(
            f"{table.name} has columns of items and of {groups[-1]}.", "Give a file for each, with one of them."
        )
    said = {role: place for role, place in places.items() if role in form.names}
    if not keys or not said:
        raise InputError(
            f"{table.name} is no {form.called}: it has the columns {', '.join(table.columns[:20])}.",
            f"Give a file with columns of {form.known}.",
        )
    if unknown:
        raise InputError(f"{table.name} has a column {unknown[0]!r} that is not known.", f"Known are {form.known}.")
    return said, keys, grouped_by, of_part
