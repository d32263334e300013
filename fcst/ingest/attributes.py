"""What describes the items: family, class, perishable and description, from the file beside the sales, or the sales.

Of several values in the sales the one that most weeks have. The price of an item is what all its units were sold for,
divided by them.
"""

import duckdb

from fcst.errors import InputError
from fcst.ingest import bad_rows
from fcst.ingest.column_roles import recognise_roles
from fcst.ingest.duck import Connection, first_line
from fcst.ingest.groups import IS_VALID, Groups
from fcst.ingest.plan import Plan
from fcst.ingest.reading import Rows
from fcst.ingest.sources import Workspace
from fcst.ingest.tables import Readable, make_readable
from fcst.specs import ATTRIBUTES

PRICE_DIGITS = 6  # after the point


def read_beside(con: Connection, rows: Rows, plan: Plan, workspace: Workspace) -> None:
    """Table `beside`: the attributes in the file beside the sales, where there is one.

    Raises
    ------
    InputError
        if it cannot be read.
    """
    columns = ", ".join(f"{name} VARCHAR" for name in ATTRIBUTES)
    con.execute(f"CREATE TABLE beside (unique_id VARCHAR, {columns})")
    roles = recognise_roles(plan.items.columns) if plan.items is not None else {}
    places = {
        name: f"c{plan.items.columns.index(roles[name][0])}" for name in ATTRIBUTES if plan.items and name in roles
    }
    if plan.items is not None and places and "item" in roles and rows.n_keys == 1:
        table: Readable = make_readable(plan.items, workspace)
        key = f"c{plan.items.columns.index(roles['item'][0])}"
        values = ", ".join(f"min({place}) AS {name}" for name, place in places.items())
        try:
            con.execute(
                f"INSERT INTO beside BY NAME SELECT {key} AS unique_id, {values} FROM {table.sql()} GROUP BY {key}"
            )
        except duckdb.Error as exc:
            raise InputError(
                f"{plan.items.name} beside the sales cannot be read: {first_line(exc)}.", "Correct it or move it away."
            ) from exc
        bad_rows.check_beside(con, table)


def describe_keys(con: Connection, groups: Groups) -> None:
    """Table `described`: the attributes of the items."""
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
    joins, values = "", {}
    for name in ATTRIBUTES:
        values[name] = f"beside.{name}"
        if name in groups.attributes:
            values[name] = f"coalesce(beside.{name}, most_{name}.value, sold_{name}.value)"
            joins += f" LEFT JOIN sold_{name} ON sold_{name}.i = keys.i LEFT JOIN most_{name} ON most_{name}.i = keys.i"
        elif name in groups.rows.attributes:
            values[name] = f"coalesce(beside.{name}, keys.a_{name})"
    price = "NULL"
    if groups.rows.has_value:
        con.execute(f"""
            CREATE TABLE paid AS
            SELECT i, round(sum(v)::DOUBLE / nullif(sum(vs)::DOUBLE, 0), {PRICE_DIGITS}) AS price
            FROM groups WHERE {IS_VALID} GROUP BY i
        """)
        joins += " LEFT JOIN paid ON paid.i = keys.i"
        price = "CASE WHEN paid.price > 0 THEN paid.price END"
    con.execute(f"""
        CREATE TABLE described AS
        SELECT keys.i, keys.unique_id, {_text(values["family"])} AS family, {_text(values["class"])} AS class,
               try_cast({values["perishable"]} AS BOOLEAN) AS is_perishable,
               {_text(values["description"])} AS description, {price}::DOUBLE AS price
        FROM keys LEFT JOIN beside ON beside.unique_id = keys.unique_id{joins} ORDER BY keys.i
    """)


def _text(value: str) -> str:
    """Without zero bytes, which the database does not take."""
    return f"replace({value}, chr(0), '')"
