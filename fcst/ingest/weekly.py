"""A file of daily sales -> weekly item sales, by DuckDB: streamed within a memory limit, in one pass over the file.

The rules of a week stand in README.md, 'What a week is'. Nothing here knows the database that the rows go to.
"""

import csv
import gzip
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from fcst.errors import InputError
from fcst.names import WEEKDAYS
from fcst.specs import IngestSpec

TRUE_FLAGS = ("true", "t", "yes", "y", "1", "1.0")
FALSE_FLAGS = ("false", "f", "no", "n", "0", "0.0")
MAX_YEARS = 100
MAX_REJECTS = 1_000  # bad cells that are kept to be told of: each holds its line in memory
MAX_KEY_LENGTH = 500
MAX_UNITS = 1e12  # of one row: beyond it sums lose units, and a number is no number of goods


@dataclass(frozen=True)
class WeeklyFiles:
    """What reading a file has made, in a folder of the caller's: rows as CSV, and the report."""

    items_csv: Path
    weekly_csv: Path
    report: dict[str, Any]


def find_source(path: str) -> Path:
    """The file to read: `path` itself, or the `train.csv` (or `train.csv.gz`) of that folder.

    Raises
    ------
    InputError
        if there is none, it is empty, or it may not be read.
    """
    source = Path(path).expanduser()
    if source.is_dir():
        for name in ("train.csv", "train.csv.gz"):
            if (source / name).is_file():
                return find_source(str(source / name))
        raise InputError(f"The folder {source} holds no train.csv.", "Give the file itself, or a folder with it.")
    if not source.exists():
        raise InputError(f"There is no file {source}.", "Check the path; it is one of the machine fcst runs on.")
    if not source.is_file():
        raise InputError(f"{source} is not a file.", "Give a CSV file, or a folder that holds train.csv.")
    try:
        with source.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{source.name} is empty.", "Give a CSV file with a header and rows.")
    except OSError as exc:
        raise InputError(f"{source} cannot be read: {exc.strerror}.", "Check its permissions.") from exc
    return source.resolve()


def read_header(source: Path) -> list[str]:
    """The names of the file's columns.

    Raises
    ------
    InputError
        if the first line is no header of unique names in UTF-8.
    """
    try:
        with (gzip.open if _is_gzip(source) else open)(source, "rt", encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader([file.readline(1_000_000)]), [])
    except UnicodeDecodeError as exc:
        raise InputError(f"{source.name} is not UTF-8 text.", "Save it as CSV in UTF-8.") from exc
    except (OSError, EOFError, csv.Error) as exc:
        raise InputError(f"{source.name} cannot be read: {exc}.", "Check that the file is whole.") from exc
    if not header or len(set(header)) < len(header):
        raise InputError(
            f"{source.name} has no header of unique column names.", "Its first line must name its columns."
        )
    return header


def check_columns(source: Path, spec: IngestSpec) -> list[str]:
    """The file's header, which has the columns that `spec` maps; the promotion column may be missing.

    Raises
    ------
    InputError
        that names the missing columns and those that are there.
    """
    header = read_header(source)
    wanted = {"item": spec.item, "date": spec.date, "sales": spec.sales}
    missing = [f"{column!r} ({role})" for role, column in wanted.items() if column not in header]
    if missing and len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        raise InputError(f"The columns of {source.name} are not separated by commas.", "Save it as CSV with commas.")
    if missing:
        raise InputError(
            f"{source.name} has no column {' and no column '.join(missing)}.",
            f"Its columns are {', '.join(header[:20])}; name the right ones with --map, as in --map item=SKU.",
        )
    return header


def make_weekly(spec: IngestSpec, dataset_id: int, folder: Path, memory: str, threads: int) -> WeeklyFiles:
    """Reads the file of `spec` and writes `items.csv` and `weekly.csv` into `folder`, each row led by `dataset_id`.

    Parameters
    ----------
    memory
        what DuckDB may take, such as '1GB'; beyond it goes to disk, in `folder`.

    Raises
    ------
    InputError
        if the file cannot be used; the text names the first bad line and how many there are.
    """
    source = find_source(spec.path)
    header = check_columns(source, spec)
    con = duckdb.connect(config={"memory_limit": memory, "threads": threads, "temp_directory": str(folder)})
    try:
        con.execute("SET preserve_insertion_order = false")
        _aggregate(con, source, header, spec)
        report = _report(con, source, spec, has_promo=spec.promo in header)
        _fill_weeks(con, spec, report)
        report |= _dataset_facts(con)
        _read_attributes(con, source.parent / "items.csv")
        files = WeeklyFiles(folder / "items.csv", folder / "weekly.csv", report)
        con.execute(_ITEMS_OUT.format(dataset_id=int(dataset_id)))
        con.sql("SELECT * FROM items_out ORDER BY sales_rank").write_csv(
            str(files.items_csv), header=False, na_rep="\\N"
        )
        con.sql(
            f"SELECT {int(dataset_id)}, unique_id, wk_end_dt, unit_sales, promo_units FROM weeks"
            " ORDER BY unique_id, wk_end_dt"
        ).write_csv(str(files.weekly_csv), header=False, na_rep="\\N")
        return files
    except duckdb.Error as exc:
        raise InputError(
            f"{source.name} cannot be read: {str(exc).splitlines()[0]}",
            "Check that the file is whole and is CSV.",
        ) from exc
    finally:
        con.close()


def _is_gzip(source: Path) -> bool:
    return source.suffix.lower() == ".gz"


def _aggregate(con: duckdb.DuckDBPyConnection, source: Path, header: list[str], spec: IngestSpec) -> None:
    """The one pass: table `sums` with a row per item and week.

    Sums are rounded, because threads add them up in any order: the same file makes the same rows.
    Columns go by their place, c0, c1, …: their names may be empty, or mean something in a statement.
    """
    types = {spec.date: "DATE", spec.sales: "DOUBLE"}
    columns = ", ".join(f"'c{i}': '{types.get(name, 'VARCHAR')}'" for i, name in enumerate(header))
    item, day, units = (f"c{header.index(name)}" for name in (spec.item, spec.date, spec.sales))
    flag = f"lower(trim(c{header.index(spec.promo)}))" if spec.promo in header else "NULL"
    back_to_week_start = (WEEKDAYS.index(spec.week_end) + 1) % 7
    con.execute(
        f"""
        CREATE TABLE sums AS
        SELECT unique_id, wk_end_dt, min(d) AS first_day, max(d) AS last_day, count(*) AS n_rows,
               round(sum(y) FILTER (WHERE NOT is_promo), 6) AS base_units,
               round(coalesce(sum(y) FILTER (WHERE is_promo), 0), 6) AS promo_units,
               count(*) FILTER (WHERE y > 0) > 0 AS is_sold,
               count(*) FILTER (WHERE y < 0) AS n_returns,
               count(*) FILTER (WHERE y <> floor(y)) AS n_fractional,
               count(*) FILTER (WHERE NOT is_promo AND flag IS NULL) AS n_flag_missing,
               count(*) FILTER (WHERE flag IS NOT NULL AND flag NOT IN {(*TRUE_FLAGS, *FALSE_FLAGS)}) AS n_flag_unknown,
               count(*) FILTER (WHERE is_promo) AS n_promo,
               count(*) FILTER (WHERE d IS NULL OR d NOT BETWEEN '0001-01-01' AND '9999-12-31' OR unique_id IS NULL
                                      OR length(unique_id) > {MAX_KEY_LENGTH} OR contains(unique_id, chr(0))
                                      OR y IS NULL OR isnan(y) OR abs(y) > {MAX_UNITS}) AS n_bad
        FROM (
            SELECT {item} AS unique_id, {day} AS d, {units} AS y,
                   nullif({flag}, '') AS flag, coalesce({flag} IN {TRUE_FLAGS}, false) AS is_promo,
                   {day} + ((6 - (dayofweek({day}) - {back_to_week_start} + 7) % 7)::integer) AS wk_end_dt
            FROM read_csv(?, columns = {{{columns}}}, header = true, delim = ',', quote = '"', escape = '"',
                          auto_detect = false, strict_mode = true, max_line_size = 1000000,
                          store_rejects = true, rejects_limit = {MAX_REJECTS},
                          compression = '{"gzip" if _is_gzip(source) else "none"}')
        ) GROUP BY unique_id, wk_end_dt
        """,
        [str(source)],
    )
    _refuse_bad_rows(con, source, header, spec)


def _refuse_bad_rows(con: duckdb.DuckDBPyConnection, source: Path, header: list[str], spec: IngestSpec) -> None:
    rejects = con.execute(
        """SELECT line, column_idx, error_type::text, csv_line, (SELECT count(DISTINCT line) FROM reject_errors),
                  (SELECT count(*) FROM reject_errors)
           FROM reject_errors ORDER BY line, column_idx LIMIT 1"""
    ).fetchone()
    if rejects:
        line, place, kind, text, n, n_rejects = rejects
        column = header[min(place, len(header)) - 1]
        what = {"CAST": f"{column} is not {'a date' if column == spec.date else 'a number'}"}.get(
            kind, f"the line does not fit the header ({kind.lower().replace('_', ' ')})"
        )
        raise InputError(
            f"{source.name}, line {line}: {what}, in {text.strip()[:120]!r}. "
            f"Bad lines in all: {'at least ' if n_rejects >= MAX_REJECTS else ''}{n:,}.",
            "Dates are YYYY-MM-DD, sales are numbers with a decimal point. Mend the file and load it again.",
        )
    counts = con.execute("SELECT coalesce(sum(n_rows), 0), coalesce(sum(n_bad), 0) FROM sums").fetchone()
    n_rows, n_bad = counts or (0, 0)
    if not n_rows:
        raise InputError(f"{source.name} has a header and no rows.", "Give a file with sales in it.")
    if n_bad:
        raise InputError(
            f"{source.name}: {n_bad:,} of {n_rows:,} rows lack a usable item, date or number of units.",
            f"Every row needs {spec.item} (at most {MAX_KEY_LENGTH} characters), {spec.date} and {spec.sales} "
            f"(at most {MAX_UNITS:g}). Mend the file and load it again.",
        )


def _report(con: duckdb.DuckDBPyConnection, source: Path, spec: IngestSpec, has_promo: bool) -> dict[str, Any]:
    """What was read, and what the rules of a week did to it."""
    names = ["n_rows", "n_returns", "n_fractional", "n_flag_missing", "n_flag_unknown", "n_promo"]
    sums = ", ".join(f"sum({name})::bigint AS {name}" for name in names)
    row = con.execute(
        f"""SELECT {sums}, count(DISTINCT unique_id) AS n_items_read, min(first_day) AS first_day,
                   max(last_day) AS last_day FROM sums"""
    )
    report = dict(zip([column[0] for column in row.description], row.fetchone() or (), strict=True))
    by_year = con.execute(
        """SELECT year(wk_end_dt), sum(promo_units) / nullif(sum(coalesce(base_units, 0) + promo_units), 0)
           FROM sums GROUP BY 1 ORDER BY 1"""
    ).fetchall()
    return report | {
        "source": source.name,
        "has_promo_column": has_promo,
        "first_day": report["first_day"].isoformat(),
        "last_day": report["last_day"].isoformat(),
        "promo_share_by_year": {str(year): share for year, share in by_year},
    }


def _fill_weeks(con: duckdb.DuckDBPyConnection, spec: IngestSpec, report: dict[str, Any]) -> None:
    """Table `weeks`: every whole week of every item's life; zero where nothing was sold, NULL where only promotions."""
    first, last = con.execute(
        """SELECT min(wk_end_dt) FILTER (WHERE wk_end_dt - 6 >= (SELECT min(first_day) FROM sums)),
                  max(wk_end_dt) FILTER (WHERE wk_end_dt <= (SELECT max(last_day) FROM sums)) FROM sums"""
    ).fetchone() or (None, None)
    if first is None or last is None or first > last:
        raise InputError(
            f"{report['source']} covers no whole week: {report['first_day']} to {report['last_day']}.",
            f"Weeks end on {spec.week_end}; give a longer file, or another week-ending day.",
        )
    first_day, last_day = (date.fromisoformat(report[name]) for name in ("first_day", "last_day"))
    if (last_day - first_day).days > MAX_YEARS * 366:
        raise InputError(
            f"{report['source']} spans {report['first_day']} to {report['last_day']}, more than {MAX_YEARS} years.",
            "Check its dates for a mistyped year.",
        )
    units = "coalesce(s.base_units, 0) + s.promo_units" if spec.include_promo else "s.base_units"
    con.execute("CREATE TABLE whole AS SELECT * FROM sums WHERE wk_end_dt BETWEEN ? AND ?", [first, last])
    con.execute(
        f"""
        CREATE TABLE weeks AS
        WITH lives AS (
            -- From all rows: a first sale in the partial first week is a sale too.
            SELECT unique_id, greatest(coalesce(min(wk_end_dt) FILTER (WHERE is_sold), min(wk_end_dt)), ?) AS first_wk
            FROM sums WHERE unique_id IN (SELECT unique_id FROM whole) GROUP BY unique_id
        ), calendar AS (
            SELECT unique_id, unnest(range(first_wk, ?::date + 1, INTERVAL 7 DAY))::date AS wk_end_dt FROM lives
        )
        SELECT c.unique_id, c.wk_end_dt, CASE WHEN s.unique_id IS NULL THEN 0 ELSE {units} END AS unit_sales,
               coalesce(s.promo_units, 0) AS promo_units, coalesce(s.is_sold, false) AS is_sold
        FROM calendar c LEFT JOIN whole s ON s.unique_id = c.unique_id AND s.wk_end_dt = c.wk_end_dt
        """,
        [first, last],
    )


def _dataset_facts(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    n_items, n_weeks, first, last, total, n_missing, n_zero = (
        con.execute(
            """SELECT count(DISTINCT unique_id), count(DISTINCT wk_end_dt), min(wk_end_dt), max(wk_end_dt),
                  coalesce(round(sum(unit_sales), 3), 0), count(*) FILTER (WHERE unit_sales IS NULL),
                  count(*) FILTER (WHERE unit_sales = 0) FROM weeks"""
        ).fetchone()
        or ()
    )
    return {
        "n_items": n_items,
        "n_weeks": n_weeks,
        "first_wk_end_dt": first.isoformat(),
        "last_wk_end_dt": last.isoformat(),
        "total_units": total,
        "n_weeks_emptied": n_missing,
        "n_weeks_zero": n_zero,
    }


def _read_attributes(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Table `attributes`: family, class and perishable of the items, if a Favorita `items.csv` lies beside the file."""
    con.execute("CREATE TABLE attributes (unique_id VARCHAR, family VARCHAR, class VARCHAR, is_perishable BOOLEAN)")
    if path.is_file() and {"item_nbr", "family", "class", "perishable"} <= set(read_header(path)):
        try:
            con.execute(
                """INSERT INTO attributes
                   SELECT item_nbr, any_value(family), any_value(class), any_value(try_cast(perishable AS BOOLEAN))
                   FROM read_csv(?, all_varchar = true, header = true, delim = ',') GROUP BY item_nbr""",
                [str(path)],
            )
        except duckdb.Error as exc:
            raise InputError(
                f"{path.name} beside the sales cannot be read: {str(exc).splitlines()[0]}", "Mend it or move it away."
            ) from exc


_ITEMS_OUT = """
CREATE TABLE items_out AS
SELECT {dataset_id}, w.unique_id, row_number() OVER (ORDER BY w.total_units DESC, w.unique_id) AS sales_rank,
       w.total_units, w.first_wk, w.last_sale, w.n_weeks, w.n_missing, a.family, a.class, a.is_perishable
FROM (
    SELECT unique_id, coalesce(round(sum(unit_sales), 3), 0) AS total_units, min(wk_end_dt) AS first_wk,
           max(wk_end_dt) FILTER (WHERE is_sold) AS last_sale, count(*) AS n_weeks,
           count(*) FILTER (WHERE unit_sales IS NULL) AS n_missing
    FROM weeks GROUP BY unique_id
) w LEFT JOIN attributes a USING (unique_id)
"""
