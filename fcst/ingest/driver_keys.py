"""Keys of driver plans: by item, by a part of the item key, by family or class, or for all items."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fcst.errors import InputError
from fcst.ingest.columns import normalised
from fcst.ingest.duck import Connection, fetch_all
from fcst.ingest.parts import Part, make_part
from fcst.ingest.tables import Readable, Table
from fcst.names import KEY_JOINT
from fcst.specs import PLACEHOLDERS, IngestSpec

GROUPS = ("family", "class")


@dataclass(frozen=True)
class Grouping:
    """Type of the keys of a plan.

    Parameters
    ----------
    grouped_by, key_columns
        as in `DriverLoad`.
    """

    grouped_by: str
    key_columns: tuple[str, ...] = ()


def make_plan_part(table: Table, spec: IngestSpec, item_columns: Sequence[str], is_draft: bool) -> Part:
    """Recognises the columns of a plan's file, with the item columns in the order of the dataset's keys.

    If the spec does not map the item, uses the dataset's key columns by name, even if the file has only some of them.

    Parameters
    ----------
    item_columns
        the columns that form the dataset's item keys.
    is_draft
        allow undecided item columns.

    Raises
    ------
    InputError
        if the file has some of these columns, and another column that looks like the item.
    """
    part = make_part(table, spec, {})
    if len(item_columns) < 2:
        return part
    if "item" not in spec.mapping:
        taken = {name for role, names in spec.mapping.items() if role != "store" for name in names}
        own = [name for name in table.columns if _normalised((name,)) <= _normalised(item_columns)]
        own = [name for name in own if name not in taken]
        others = [name for name in part.proposal.mapping["item"] if name not in (*own, *PLACEHOLDERS)]
        if own and others and not is_draft:
            raise InputError(
                f"{table.name} has {_listed(own)} from the dataset's keys, and also {_listed(others)}.",
                f"Choose the item columns: --map item={','.join(own)}, or --map item={','.join([*own, *others])}.",
            )
        if own and not others:
            part = make_part(table, replace(spec, mapping=spec.mapping | {"item": own}), {})
    mapping = part.proposal.mapping
    ordered = _in_order(mapping["item"], item_columns)
    return replace(part, proposal=replace(part.proposal, mapping=mapping | {"item": ordered}))


def _normalised(names: Sequence[str]) -> set[str]:
    return set(map(normalised, names))


def _listed(names: Sequence[str]) -> str:
    return " and ".join(map(repr, names))


def _in_order(names: list[str], item_columns: Sequence[str]) -> list[str]:
    """Sorts item columns in the order of the dataset's keys; other columns fill the remaining positions."""
    places = {normalised(name): place for place, name in enumerate(item_columns)}
    known = {places[normalised(name)]: name for name in names if normalised(name) in places}
    others = [name for name in names if normalised(name) not in places]
    if len(known) + len(others) < len(names) or len(names) > len(item_columns):
        return names
    if len(names) < len(item_columns) and others:
        return names
    left = iter(others)
    return [known[n] if n in known else next(left) for n in range(len(item_columns)) if n in known or others]


def grouping_of(parts: Sequence[Part], item_columns: Sequence[str]) -> Grouping:
    """Finds the type of the keys of a plan's files.

    Raises
    ------
    InputError
        if the files have different key types, or keys with unknown columns.
    """
    found = {_grouping(part, item_columns) for part in parts}
    if len(found) > 1 or len({len(part.keys) for part in parts}) > 1:
        raise InputError("The files have different key columns.", "Load the files one by one.")
    return found.pop()


def _grouping(part: Part, item_columns: Sequence[str]) -> Grouping:
    mapping = part.proposal.mapping
    names = mapping["item"]
    if not names:
        return Grouping(next((role for role in GROUPS if mapping[role]), "all"))
    if len(names) < len(item_columns):
        known = tuple(name for name in item_columns if normalised(name) in _normalised(names))
        if len(known) == len(names):
            return Grouping("part", known)
        if len(names) > 1:
            unknown = next(name for name in names if normalised(name) not in _normalised(item_columns))
            raise InputError(
                f"{part.table.name}: {unknown!r} is not one of the dataset's key columns {_listed(item_columns)}.",
                "Rename the columns of the file to these names, and map them.",
            )
    return Grouping("item")


def check_part_keys(con: Connection, part: Part, readable: Readable, condition: str) -> None:
    """Refuses a file with keys that are a part of the item key, if a key has rows of several families or classes.

    Parameters
    ----------
    condition
        SQL filter of the rows; empty: all rows.

    Raises
    ------
    InputError
        if a key has several families or classes.
    """
    keys = ", ".join(part.keys)
    for role in GROUPS:
        place = part.place(role)
        if place is None or place in part.keys:
            continue
        found = fetch_all(
            con,
            f"SELECT {keys} FROM {readable.sql(False)} WHERE {condition or 'true'} GROUP BY {keys}"
            f" HAVING count(DISTINCT {place}) > 1 ORDER BY {keys} LIMIT 1",
        )
        for key in found:
            names = _listed(part.proposal.mapping["item"])
            raise InputError(
                f"{part.table.name} has rows of {names} {KEY_JOINT.join(map(str, key))!r} with several values of"
                f" {part.column(role)!r}. A plan is either by a part of the item key or by {role}.",
                f"Give one row per item, or ignore the column (--map {role}=).",
            )
