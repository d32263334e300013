"""Driver checks: refuses a driver that equals the units sold; reports drivers that never change.

check_leaks        refuses a driver that is the units sold
ConstantDrivers    reports drivers that do not change, block by block of their values
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fcst.drivers import DriverKind
from fcst.errors import InputError
from fcst.ingest.driver_columns import ColumnRead
from fcst.ingest.duck import Connection, fetch_all, fetch_row
from fcst.names import HOLDOUT_WEEKS
from fcst.records import FloatArray

MAX_LEAK_KEYS = 1_000  # items or groups whose units are compared
LEAST_LEAK = 0.95  # share of the distinct weekly units of an item that the driver is a multiple of
LEAST_VALUES = 3  # distinct weekly units that an item needs to be evidence
LEAST_WEEKS = 4  # weeks that an item needs before a constant value is reported
MAX_NAMED = 3
SAME = 1e-6  # relative tolerance for equal numbers

KeySales = tuple[str, date, list[float | None]]
"""A key, the last day of the first week of its sales, and its units by week; None is missing."""
FindSales = Callable[[list[str]], list[KeySales]]
"""Keys -> the sales of those keys that have sales."""


def check_leaks(
    con: Connection, columns: Sequence[ColumnRead], first_day: date, last_day: date, find_sales: FindSales | None = None
) -> None:
    """Refuses a driver in table `driver_weeks` that is the units sold, or a multiple of them.

    Compares items one by one, each with its own factor, over the whole weeks from `first_day` to `last_day`. Uses a
    deterministic sample of at most MAX_LEAK_KEYS items.

    Parameters
    ----------
    find_sales
        returns the sales of keys; by default they are column u of the table.

    Raises
    ------
    InputError
        if there is such a driver.
    """
    numbers = [i for i, c in enumerate(columns) if c.kind in (DriverKind.NUMBER, DriverKind.PRICE)]
    if not numbers:
        return
    known = fetch_all(con, f"SELECT DISTINCT key FROM driver_weeks ORDER BY md5(key) LIMIT {MAX_LEAK_KEYS}")
    keys = [key for (key,) in known]
    if find_sales is None:
        units = "SELECT key, wk, u FROM driver_weeks WHERE key IN (SELECT unnest($keys))"
        con.execute(f"CREATE OR REPLACE TABLE driver_units AS {units}", {"keys": keys})
    else:
        _make_units(con, find_sales(keys))
    for i in numbers:
        # The value may be per row, or per week and repeated in each row.
        if any(_is_multiple(con, f"v{i}", weight, first_day, last_day) for weight in ("n", "1")):
            raise InputError(
                f"The driver {columns[i].name!r} is the units sold, or a multiple of them. Future units are unknown.",
                "Map another column, or remove this driver.",
            )
    con.execute("DROP TABLE driver_units")


def _make_units(con: Connection, sales: list[KeySales]) -> None:
    """Creates table `driver_units` (key, wk, u) from sales."""
    schema = pa.schema({"key": pa.string(), "first_wk": pa.date32(), "units": pa.list_(pa.float64())})
    columns = zip(*sales, strict=True) if sales else ([], [], [])
    rows = pa.table(list(map(list, columns)), schema=schema)
    con.register("sales_rows", rows)
    con.execute("""
        CREATE OR REPLACE TABLE driver_units AS
        SELECT key, (first_wk + 7 * (unnest(range(len(units))))::INTEGER)::DATE AS wk, unnest(units) AS u
        FROM sales_rows
    """)
    con.unregister("sales_rows")


def _is_multiple(con: Connection, value: str, weight: str, first_day: date, last_day: date) -> bool:
    """Whether a driver, times a weight, is a multiple of the units for nearly all items with enough values."""
    (share,) = fetch_row(
        con,
        f"""
        WITH weeks AS (
            SELECT key, u.u, {value} AS v, {value} * {weight} AS total
            FROM driver_weeks JOIN driver_units u USING (key, wk)
            WHERE u.u <> 0 AND {value} <> 0 AND wk - 6 >= DATE '{first_day}' AND wk <= DATE '{last_day}'
        ), factors AS (
            SELECT key, median(total / u) AS factor FROM weeks GROUP BY key
            HAVING max(v) - min(v) > {SAME} * max(abs(v))
        ), by_units AS (
            SELECT key, u, avg((abs(total - factor * u) <= {SAME} * abs(total))::INTEGER) AS share
            FROM weeks JOIN factors USING (key) GROUP BY key, u
        ), by_key AS (SELECT avg(share) AS share FROM by_units GROUP BY key HAVING count(*) >= {LEAST_VALUES})
        SELECT avg(share) FROM by_key
        """,
    )
    return share is not None and share > LEAST_LEAK


class ConstantDrivers:
    """Finds drivers that do not change over the weeks of a file.

    Parameters
    ----------
    is_plan
        the file is a plan: weeks that are not listed have no promotion or event.
    """

    def __init__(self, columns: Sequence[ColumnRead], is_plan: bool) -> None:
        self._columns = columns
        self._is_plan = is_plan
        self._n_same = np.zeros(len(columns), int)
        self._n_other = np.zeros(len(columns), int)
        self._named: list[list[str]] = [[] for _ in columns]

    def add(self, number: int, keys: pa.StringArray, grid: FloatArray, is_known: npt.NDArray[np.bool_]) -> None:
        """Adds a block of values of one driver.

        Parameters
        ----------
        number
            index of the driver in the columns.
        grid, is_known
            (K, W) by key and week.
        """
        column = self._columns[number]
        if column.kind.is_listed and self._is_plan:
            grid = np.where(is_known, grid, 0.0)
            is_known = np.broadcast_to(is_known.any(axis=1, keepdims=True), grid.shape)
        low = np.where(is_known, grid, np.inf).min(axis=1)
        high = np.where(is_known, grid, -np.inf).max(axis=1)
        n_weeks = is_known.sum(axis=1)
        is_same = high - low <= SAME * np.abs(high)
        if column.kind is DriverKind.EVENT:
            is_same = low > 0
        if column.kind.is_listed:
            counts, is_same = high > 0, is_same & (low > 0) & (n_weeks >= HOLDOUT_WEEKS)
        else:
            counts = n_weeks >= LEAST_WEEKS
        same = np.flatnonzero(counts & is_same)
        self._n_same[number] += len(same)
        self._n_other[number] += int((counts & ~is_same).sum())
        self._named[number] += keys.take(pa.array(same[:MAX_NAMED])).to_pylist()

    def remarks(self) -> Iterator[str]:
        """Yields a sentence for each driver that does not change."""
        for column, n_same, n_other, named in zip(self._columns, self._n_same, self._n_other, self._named, strict=True):
            if not n_same:
                continue
            if not n_other:
                what = "is in every week" if column.kind.is_listed else "does not change over the weeks"
                yield f"{column.name} {what} of the file: its effect cannot be estimated."
            elif column.kind is DriverKind.PROMOTION:
                names = ", ".join(named[:MAX_NAMED])
                yield (
                    f"{column.name} is in every week of the file for {n_same:,} of {n_same + n_other:,} items or"
                    f" groups, such as {names}: its effect on these cannot be estimated."
                )
