"""From the sums of a reading to weeks: which end on which day, which are whole, and what an item's life is.

Demand classes are those of Syntetos, Boylan and Croston (2005), 'On the categorization of demand patterns', Journal of
the Operational Research Society 56, 495-503, doi:10.1057/palgrave.jors.2601841: ADI is the average number of weeks
between weeks with a sale, CV² the squared coefficient of variation of the units of those weeks.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from fcst.errors import InputError
from fcst.ingest.cells import FLAGS
from fcst.ingest.duck import Connection, append, fetch_row
from fcst.ingest.plan import Plan
from fcst.ingest.reading import KEY_JOINT, SIFTED, STORES_PER_MASK, Rows
from fcst.names import ADI_CUTOFF, CV2_CUTOFF, WEEKDAYS
from fcst.specs import IngestSpec

MAX_YEARS = 100


def make_sums(
    con: Connection, rows: Rows, plan: Plan, spec: IngestSpec, parts: Sequence[str]
) -> tuple[IngestSpec, bool]:
    """Table `sums`, one row an item and week; the spec with what it left open; whether the data are weekly already.

    Data that are weekly have their weeks end on the day that they have; `groups` then has these weeks too.
    """
    key = f" || '{KEY_JOINT}' || ".join(rows.keys)
    drop, is_promo = int(spec.returns == "drop"), f"pm = {FLAGS['yes']}"
    all_stores = sum(1 << 7 * store for store in range(STORES_PER_MASK))
    if rows.masks == ["m0"] and not (rows.has_store and not rows.is_lines):
        mask, days = "coalesce(m0, 0)", [1 << day for day in range(7)]
    else:
        mask = " | ".join(f"coalesce({mask}::UHUGEINT, 0::UHUGEINT)" for mask in rows.masks)
        days = [all_stores << day for day in range(7)]
    bits = " + ".join(
        f"((({mask}) & {day_mask}{'::UHUGEINT' if day_mask > 64 else ''}) <> 0)::INTEGER * {1 << day}"
        for day, day_mask in enumerate(days)
    )
    usable = f"NOT is_bad AND pm <> {SIFTED} AND ny <> 0"
    day_bits, n_weeks = fetch_row(
        con, f"SELECT bit_or({bits}), count(DISTINCT wk) FROM groups WHERE {usable} AND ny > 0"
    )
    is_weekly = day_bits in {1 << day for day in range(7)} and n_weeks > 1
    week_end = spec.week_end or "SAT"
    shift = 0
    if is_weekly and not spec.week_end:
        shift = day_bits.bit_length() - 1 - 6
        week_end = WEEKDAYS[(WEEKDAYS.index(week_end) + shift) % 7]
    con.execute("ALTER TABLE groups RENAME TO groups_read")
    con.execute(f"CREATE OR REPLACE VIEW groups AS SELECT * REPLACE (wk + ({shift}) AS wk) FROM groups_read")
    day_bits_out = "64" if shift else f"bit_or({bits})"
    attributes = "".join(f", max(a_{name}) AS a_{name}" for name in rows.attributes)
    statement = f"""
        SELECT {key} AS unique_id, wk AS wk_end_dt, {day_bits_out} AS day_bits, sum(ny)::BIGINT AS n_rows,
               CASE WHEN sum(ny - {drop} * nn) FILTER (WHERE NOT {is_promo}) > 0
                    THEN (sum(s - {drop} * sn) FILTER (WHERE NOT {is_promo}))::DOUBLE
                    WHEN sum(ny - {drop} * nn) FILTER (WHERE {is_promo}) > 0 THEN NULL ELSE 0 END AS base_units,
               coalesce(sum(s - {drop} * sn) FILTER (WHERE {is_promo}), 0)::DOUBLE AS promo_units,
               sum(s - sn) > 0 AS is_sold, any_value(part) AS part{attributes}
        FROM groups WHERE {usable} AND {{part}} GROUP BY unique_id, wk_end_dt HAVING sum(ny) > 0
    """
    con.execute(f"CREATE TABLE sums AS {statement.format(part='false')}")
    for part in parts:
        con.execute(f"INSERT INTO sums {statement.format(part=part)}")
    if rows.n_keys > 1:
        _check_joined_keys(con, rows)
    proposal = plan.parts[0].proposal
    found = replace(
        spec, mapping=proposal.mapping, date_format=proposal.date_format, decimal=proposal.decimal, week_end=week_end
    )
    return found, is_weekly


def _check_joined_keys(con: Connection, rows: Rows) -> None:
    by = ", ".join(rows.keys)
    n_parts, n_joined = fetch_row(
        con,
        f"""
        SELECT (SELECT count(*) FROM (SELECT DISTINCT {by} FROM groups WHERE NOT is_bad AND pm <> {SIFTED} AND ny > 0)),
               (SELECT count(DISTINCT unique_id) FROM sums)
        """,
    )
    if n_parts != n_joined:
        raise InputError(
            f"Different items get the same key when their columns are joined with {KEY_JOINT!r}.",
            "Map the item to a column of its own.",
        )


def make_span(con: Connection, spec: IngestSpec, is_weekly: bool, name: str) -> None:
    """Table `span`: the first and last day, and the first and last whole week.

    Raises
    ------
    InputError
        if there is no whole week, or the days are more than a hundred years apart.
    """
    lowest = "CASE " + " ".join(f"WHEN day_bits & {1 << day} <> 0 THEN {day}" for day in range(7)) + " END"
    highest = "CASE " + " ".join(f"WHEN day_bits & {1 << day} <> 0 THEN {day}" for day in reversed(range(7))) + " END"
    con.execute(f"""
        CREATE TABLE span AS
        SELECT min(wk_end_dt - 6 + {lowest}) AS first_day, max(wk_end_dt - 6 + {highest}) AS last_day,
               min(wk_end_dt) AS first_any, max(wk_end_dt) AS last_any FROM sums
    """)
    first_day, last_day, first_any, last_any = fetch_row(con, "FROM span")
    first = first_any if is_weekly or first_day == first_any - timedelta(days=6) else first_any + timedelta(days=7)
    last = last_any if is_weekly or last_day == last_any else last_any - timedelta(days=7)
    if first > last:
        raise InputError(
            f"{name} covers no whole week: {first_day} to {last_day}.",
            f"Weeks end on {spec.week_end}; give a longer file, or another week-ending day.",
        )
    if (last_day - first_day).days > MAX_YEARS * 366:
        raise InputError(
            f"{name} spans {first_day} to {last_day}, more than {MAX_YEARS} years.",
            "Check its dates for a mistyped year.",
        )
    con.execute("ALTER TABLE span ADD COLUMN first DATE")
    con.execute("ALTER TABLE span ADD COLUMN last DATE")
    con.execute("UPDATE span SET first = ?, last = ?", [first, last])


def fill_weeks(con: Connection, spec: IngestSpec, part: str) -> None:
    """Tables `whole` and `weeks` of one part of the items: every whole week of every item's life.

    Its units are zero where nothing was sold, and NULL where all that was sold were promotions.
    """
    units = "coalesce(s.base_units, 0) + s.promo_units" if spec.include_promo else "s.base_units"
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE whole AS
        SELECT sums.* FROM sums, span WHERE {part} AND wk_end_dt BETWEEN span.first AND span.last
    """)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE weeks AS
        WITH lives AS (
            -- From all rows: a first sale in the partial first week is a sale too.
            SELECT unique_id, greatest(coalesce(min(wk_end_dt) FILTER (WHERE is_sold), min(wk_end_dt)),
                                       any_value(span.first)) AS first_wk, any_value(span.last) AS last_wk
            FROM sums, span WHERE {part} AND unique_id IN (SELECT unique_id FROM whole) GROUP BY unique_id
        ), calendar AS (
            SELECT unique_id, unnest(range(first_wk, last_wk + 1, INTERVAL 7 DAY))::date AS wk_end_dt FROM lives
        )
        SELECT c.unique_id, c.wk_end_dt,
               CASE WHEN s.unique_id IS NULL THEN 0 ELSE {units} END AS unit_sales,
               coalesce(s.promo_units, 0) AS promo_units, coalesce(s.is_sold, false) AS is_sold
        FROM calendar c LEFT JOIN whole s ON s.unique_id = c.unique_id AND s.wk_end_dt = c.wk_end_dt
    """)


def add_lives(con: Connection) -> None:
    """Adds the items of `weeks` to the table `lives`, one row an item."""
    append(
        con,
        "lives",
        """
        SELECT unique_id, coalesce(round(sum(unit_sales), 3), 0) AS total_units, min(wk_end_dt) AS first_wk,
               max(wk_end_dt) FILTER (WHERE is_sold) AS last_sale, count(*) AS n_weeks,
               count(*) FILTER (WHERE unit_sales IS NULL) AS n_missing,
               count(unit_sales) / nullif(count(*) FILTER (WHERE unit_sales > 0), 0) AS adi,
               -- Rounded: 0.49 is 0.49, in whichever order it was added up.
               round(pow(stddev_pop(unit_sales) FILTER (WHERE unit_sales > 0)
                         / avg(unit_sales) FILTER (WHERE unit_sales > 0), 2), 9) AS cv2
        FROM weeks GROUP BY unique_id
        """,
    )


def make_items(con: Connection) -> None:
    """Table `items_out`, one row an item, in the order of the database's columns."""
    con.execute(f"""
        CREATE TABLE items_out AS
        WITH described AS (
            SELECT unique_id, {_text("family")}, {_text("class")}, {_text("description")},
                   try_cast(arg_min(perishable, rank) AS BOOLEAN) AS is_perishable
            FROM attributes GROUP BY unique_id
        )
        SELECT unique_id, row_number() OVER (ORDER BY total_units DESC, unique_id) AS sales_rank, total_units, first_wk,
               last_sale, n_weeks, n_missing, family, class, is_perishable, description,
               CASE WHEN adi IS NULL THEN 'none' WHEN adi < {ADI_CUTOFF} AND cv2 < {CV2_CUTOFF} THEN 'smooth'
                    WHEN adi < {ADI_CUTOFF} THEN 'erratic' WHEN cv2 < {CV2_CUTOFF} THEN 'intermittent'
                    ELSE 'lumpy' END AS demand_class, round(adi, 4) AS adi, round(cv2, 4) AS cv2
        FROM lives LEFT JOIN described USING (unique_id)
    """)


def _text(attribute: str) -> str:
    """Without zero bytes, which the database does not take."""
    return f"replace(arg_min({attribute}, rank), chr(0), '') AS {attribute}"
