"""Item attributes: from the parts of the item key, the companion files, and the sales files.

Family, class, perishable and description have their own columns; every other attribute is stored under its column's
name. If an item has several values in the sales, the value in most weeks is used. The price of an item is its total
sales value divided by its total units.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from fcst.attributes import COLUMNS, KEY, MAX_ATTRIBUTES, MAX_LISTED, Attribute, free_name
from fcst.errors import InputError
from fcst.ingest import bad_rows
from fcst.ingest.column_roles import recognise_roles
from fcst.ingest.columns import is_nested, is_placeholder_name, normalised
from fcst.ingest.duck import Connection, fetch_all, fetch_row, first_line, literal
from fcst.ingest.groups import IS_VALID, Groups
from fcst.ingest.plan import Plan
from fcst.ingest.reading import Rows
from fcst.ingest.sources import Workspace
from fcst.ingest.tables import Table, make_readable
from fcst.specs import ATTRIBUTES, ONE_ITEM

PRICE_DIGITS = 6  # after the decimal point


@dataclass(frozen=True)
class AttributeColumn:
    """An item attribute in table `described`.

    Parameters
    ----------
    name, source, keyed_by
        as in `Attribute`.
    column
        its column or expression in `described`.
    """

    name: str
    source: str
    keyed_by: tuple[str, ...]
    column: str


@dataclass(frozen=True)
class Companion:
    """A companion file that describes items or a part of their keys, loaded into a DuckDB table.

    Parameters
    ----------
    role
        what it describes: `item` or `store`.
    part
        index of the key part that its key column matches.
    key
        its key column.
    places
        column of the DuckDB table -> column of the file.
    """

    table: Table
    role: str
    part: int
    key: str
    places: dict[str, str]

    @property
    def name(self) -> str:
        """The name of the DuckDB table."""
        return f"companion_{self.role}"

    def read(self, con: Connection, workspace: Workspace) -> None:
        """Loads the file into its DuckDB table.

        Raises
        ------
        InputError
            if it cannot be read.
        """
        readable = make_readable(self.table, workspace)
        places = {name: f"c{self.table.columns.index(column)}" for name, column in self.places.items()}
        values = "".join(f", min({place}) AS {name}" for name, place in places.items())
        key = f"c{self.table.columns.index(self.key)}"
        try:
            con.execute(f"CREATE TABLE {self.name} AS SELECT {key} AS k{values} FROM {readable.sql()} GROUP BY {key}")
        except duckdb.Error as exc:
            raise InputError(
                f"{self.table.name} next to the sales file cannot be read: {first_line(exc)}.",
                "Correct it or move it away.",
            ) from exc
        bad_rows.check_companion(con, readable)


def read_companions(con: Connection, rows: Rows, plan: Plan, workspace: Workspace) -> list[Companion]:
    """Loads the companion files that describe the items into tables `companion_…`.

    Raises
    ------
    InputError
        if one cannot be read.
    """
    found = [_companion(table, role, rows, plan) for role, table in (("item", plan.items), ("store", plan.stores))]
    used = [file for file in found if file is not None and file.places]
    for file in used:
        file.read(con, workspace)
    return used


def _companion(table: Table | None, role: str, rows: Rows, plan: Plan) -> Companion | None:
    if table is None:
        return None
    roles = recognise_roles(table.columns)
    part = _part_of(roles[role][0], role, key_names(plan)) if role in roles else None
    if part is None and role == "item" and role in roles and rows.n_keys == 1:
        part = 0
    if part is None:
        return None
    key = roles[role][0]
    own = {roles[name][0]: name for name in ATTRIBUTES if role == "item" and name in roles}
    more = [
        name
        for name, kind in zip(table.columns, table.types, strict=True)
        if name not in own and name != key and not is_nested(kind) and not is_placeholder_name(name)
    ]
    places = {name: column for column, name in own.items()} | {f"x{i}": name for i, name in enumerate(more)}
    return Companion(table, role, part, key, places)


def key_names(plan: Plan) -> list[str]:
    """The columns that form the item keys; empty if all rows are one item."""
    names = plan.parts[0].proposal.mapping["item"]
    return [] if names == [ONE_ITEM] else names


def _part_of(key: str, role: str, names: Sequence[str]) -> int | None:
    """The index of the key part that a companion file's key column matches: by name, else by role."""
    alike = [number for number, name in enumerate(names) if normalised(name) == normalised(key)]
    by_role = [names.index(name) for name in recognise_roles(names).get(role, [])]
    return next(iter([*alike, *by_role]), None)


def describe_keys(con: Connection, groups: Groups, plan: Plan, files: Sequence[Companion]) -> list[AttributeColumn]:
    """Creates table `described`, one row per item; returns its attributes."""
    for name in groups.attributes:
        con.execute(f"""
            CREATE TABLE sold_{name} AS
            SELECT i, min(a_{name}) AS value, min(a_{name}) <> max(a_{name}) AS differs
            FROM groups WHERE {IS_VALID} GROUP BY i
        """)
        con.execute(f"""
            CREATE TABLE most_{name} AS
            SELECT i, value FROM (
                SELECT i, value, count(*) AS n FROM (
                    SELECT i, wk, max(a_{name}) AS value FROM groups
                    WHERE {IS_VALID} AND i IN (SELECT i FROM sold_{name} WHERE differs) GROUP BY i, wk
                ) WHERE value IS NOT NULL GROUP BY i, value
            ) QUALIFY row_number() OVER (PARTITION BY i ORDER BY n DESC, value) = 1
        """)
    sold, joins_of_sold = _sold(groups)
    items = next((file for file in files if file.role == "item"), None)
    joins = "".join(f" LEFT JOIN {file.name} ON {file.name}.k = keys.k{file.part}" for file in files) + joins_of_sold
    values = {}
    for name in ATTRIBUTES:
        places = [f"{items.name}.{name}"] if items is not None and name in items.places else []
        places += [sold[name]] if name in sold else []
        values[name] = f"coalesce({', '.join([*places, 'NULL'])})"
    price = "NULL"
    if groups.rows.has_value:
        con.execute(f"""
            CREATE TABLE paid AS
            SELECT i, round(sum(v)::DOUBLE / nullif(sum(vs)::DOUBLE, 0), {PRICE_DIGITS}) AS price
            FROM groups WHERE {IS_VALID} GROUP BY i
        """)
        joins += " LEFT JOIN paid ON paid.i = keys.i"
        price = "CASE WHEN paid.price > 0 THEN paid.price END"
    mapped = {column: sold[name] for name, column in groups.rows.named.items()}
    attributes, places = _attributes(plan, files, mapped)
    columns = "".join(f", {place} AS {found.column}" for found, place in zip(attributes, places, strict=True))
    con.execute(f"""
        CREATE TABLE described AS
        SELECT keys.i, keys.unique_id, {_text(values["family"])} AS family, {_text(values["class"])} AS class,
               try_cast({values["perishable"]} AS BOOLEAN) AS is_perishable,
               {_text(values["description"])} AS description, {price}::DOUBLE AS price{columns}
        FROM keys{joins} ORDER BY keys.i
    """)
    in_key = {attribute.name for attribute in attributes}
    in_columns = [_in_column(name, plan, items) for name in COLUMNS if name not in in_key]
    return [*in_columns, *attributes]


def _in_column(name: str, plan: Plan, items: Companion | None) -> AttributeColumn:
    """The attribute for family, class or perishable."""
    names = key_names(plan)
    if items is None or name not in items.places:
        return AttributeColumn(name, plan.parts[0].table.name, (), _COLUMNS[name])
    keyed_by = (names[items.part],) if len(names) > 1 else ()
    return AttributeColumn(name, items.table.name, keyed_by, _COLUMNS[name])


_COLUMNS = {
    "family": "family",
    "class": "class",
    "perishable": "CASE is_perishable WHEN true THEN 'yes' WHEN false THEN 'no' END",
}
"""Attribute -> SQL for its value in `described`."""


def _sold(groups: Groups) -> tuple[dict[str, str], str]:
    """Attributes in the sales files: attribute -> SQL for its value, and the joins that it needs."""
    places, joins = {}, ""
    for name in groups.rows.attributes:
        if name in groups.attributes:
            places[name] = f"coalesce(most_{name}.value, sold_{name}.value)"
            joins += f" LEFT JOIN sold_{name} ON sold_{name}.i = keys.i LEFT JOIN most_{name} ON most_{name}.i = keys.i"
        else:
            places[name] = f"keys.a_{name}"
    return places, joins


def _attributes(
    plan: Plan, files: Sequence[Companion], mapped: Mapping[str, str]
) -> tuple[list[AttributeColumn], list[str]]:
    """The attributes without their own database column, and SQL for the value of each; at most MAX_ATTRIBUTES.

    Parameters
    ----------
    mapped
        columns of the sales mapped as attributes -> SQL for their values.
    """
    names = key_names(plan)
    found: list[AttributeColumn] = []
    places: list[str] = []

    def add(name: str, source: str, keyed_by: tuple[str, ...], place: str) -> None:
        found.append(AttributeColumn(name, source, keyed_by, f"at_{len(found)}"))
        places.append(place)

    if len(names) > 1:
        for number, name in enumerate(names):
            own = name if name in COLUMNS else free_name(name, KEY, {attribute.name for attribute in found})
            add(own, KEY, (), f"keys.k{number}")
    for column, place in mapped.items():
        own = free_name(column, "sales", {attribute.name for attribute in found})
        add(own, plan.parts[0].table.name, (), f"nullif(trim({_text(place)}), '')")
    for file in files:
        keyed_by = (found[file.part].name,) if len(names) > 1 else ()
        for column, name in file.places.items():
            if column not in ATTRIBUTES and len(found) < MAX_ATTRIBUTES:
                own = free_name(name, file.table.source.bare, {attribute.name for attribute in found})
                add(own, file.table.name, keyed_by, f"nullif(trim({_text(f'{file.name}.{column}')}), '')")
    return found, places


def summarise_attributes(con: Connection, attributes: Sequence[AttributeColumn]) -> list[Attribute]:
    """The attributes that at least one item in table `items_found` has, with counts and their most frequent values."""
    con.execute("CREATE TABLE kept AS SELECT d.* FROM described d SEMI JOIN items_found USING (unique_id)")
    found = []
    for attribute in attributes:
        counted = f"SELECT {attribute.column} AS value, count(*) AS n FROM kept GROUP BY ALL HAVING value IS NOT NULL"
        n_items, n_values = fetch_row(con, f"SELECT coalesce(sum(n), 0)::BIGINT, count(*) FROM ({counted})")
        if not n_values:
            continue
        most = fetch_all(con, f"SELECT value FROM ({counted}) ORDER BY n DESC, value LIMIT {MAX_LISTED}")
        values = tuple(value for (value,) in most)
        found.append(Attribute(attribute.name, attribute.source, attribute.keyed_by, True, n_items, n_values, values))
    con.execute("DROP TABLE kept")
    return found


def attributes_json(attributes: Sequence[AttributeColumn]) -> str:
    """SQL for the attributes of an item in `described` as a JSON object, without missing values."""
    parts = [
        f"CASE WHEN {each.column} IS NOT NULL THEN {literal(json.dumps(each.name) + ':')} || to_json({each.column}) END"
        for each in attributes
        if each.column not in _COLUMNS.values()
    ]
    return "'{' || " + (f"concat_ws(',', {', '.join(parts)}) || " if parts else "") + "'}'"


def _text(value: str) -> str:
    """SQL for a text without zero bytes, which Postgres does not accept."""
    return f"replace({value}, chr(0), '')"
