"""Anomalies in valid rows: dates far from all others, an incomplete last day, a jump in the level.

Odd dates are refused until the spec says whether to keep or drop them; the other anomalies go into the report.
"""

from datetime import date, timedelta

import numpy as np

from fcst.errors import InputError
from fcst.ingest.date_texts import latest_day
from fcst.ingest.duck import Connection, fetch_all, fetch_row, literal
from fcst.ingest.groups import Groups, has_blocks
from fcst.ingest.parts import Part
from fcst.ingest.reading import SIFTED, STORES_PER_MASK, Rows, bits_sql
from fcst.ingest.tallies import Tallies
from fcst.ingest.weekly_sales import Calendar

FAR_WEEKS = 53  # weeks without a row between the odd dates and the others
MAX_ODD_SHARE = 0.001
MAX_ODD_ROWS = 5  # applies in files with few rows
LEAST_OTHERS = 20  # normal rows per odd row, at least
FUTURE_DAYS = 31  # days ahead beyond which a few rows are odd
USUAL_WEEKS = 8  # weeks that the last day or a level is compared with
LEAST_SHARE = 0.6  # share of the usual number of items with a sale on a complete day
JUMP = 4.0  # ratio of levels


def find_odd_weeks(con: Connection) -> list[date]:
    """The weeks in `by_week` with few rows that are more than a year from all others, or in the future."""
    found = fetch_all(
        con,
        f"SELECT wk, sum(n)::BIGINT FROM by_week WHERE NOT is_bad AND pm < {SIFTED} AND ny > 0 GROUP BY 1 ORDER BY 1",
    )
    runs: list[list[tuple[date, int]]] = []
    for week, n in found:
        is_far = bool(runs) and (week - runs[-1][-1][0]).days > 7 * FAR_WEEKS
        is_future = bool(runs) and week - timedelta(days=6) > (latest_day() + timedelta(days=FUTURE_DAYS)).date()
        was_future = is_future and runs[-1][-1][0] - timedelta(days=6) > latest_day().date()
        if not runs or is_far or (is_future and not was_future):
            runs.append([])
        runs[-1].append((week, n))
    if len(runs) < 2:
        return []
    sizes = [sum(n for _, n in run) for run in runs]
    usual = sizes.index(max(sizes))
    n_odd = sum(sizes) - sizes[usual]
    if n_odd > max(MAX_ODD_ROWS, MAX_ODD_SHARE * sum(sizes)) or sizes[usual] < LEAST_OTHERS * n_odd:
        return []
    return [week for number, run in enumerate(runs) for week, _ in run if number != usual]


def odd_dates_error(con: Connection, rows: Rows, odd: list[date]) -> InputError:
    """The error for rows in odd weeks, with an example."""
    weeks = ", ".join(f"DATE '{week}'" for week in odd)
    found = fetch_all(
        con,
        f"SELECT f, date_text FROM ({rows.sql(is_raw=True)}) WHERE wk IN ({weeks}) AND y IS NOT NULL AND pm < {SIFTED}",
    )
    number, text = found[0]
    part: Part = rows.parts[number][0]
    first, last = fetch_row(
        con,
        f"SELECT min(wk), max(wk) FROM by_week WHERE NOT is_bad AND pm < {SIFTED} AND ny > 0 AND wk NOT IN ({weeks})",
    )
    n = f"{len(found):,} row{'s' if len(found) > 1 else ''}"
    return InputError(
        f"{part.table.name} has {n} with a date far from all others, such as {text!r}. The other dates are from"
        f" {first - timedelta(days=6)} to {last}. The year may be mistyped.",
        "Correct the dates, or drop these rows (--odd-dates drop), or keep them (--odd-dates keep).",
    )


def describe_anomalies(con: Connection, groups: Groups, tallies: Tallies) -> tuple[str, ...]:
    """Warnings for the user about the data, a sentence each."""
    found = (_cut_last_day(con, groups, tallies.calendar), _jump(tallies))
    return tuple(warning for warning in found if warning)


def _cut_last_day(con: Connection, groups: Groups, calendar: Calendar) -> str:
    """A warning if far fewer items sold on the last day than on the same weekday before."""
    if calendar.is_weekly or calendar.last_day - calendar.first_day < timedelta(weeks=USUAL_WEEKS):
        return ""
    bit = ((calendar.last_day - calendar.start).days - 1) % 7  # bit of the weekday; 6 is the last day of a week
    rows = groups.rows
    if has_blocks(rows):
        pattern = sum(1 << (7 * store + bit) for store in range(STORES_PER_MASK))
        count = " + ".join(bits_sql(f"(coalesce({mask}, 0)::UHUGEINT & {pattern}::UHUGEINT)") for mask in rows.masks)
    else:
        count = f"((coalesce(m0, 0)::INTEGER & {1 << bit}) <> 0)::INTEGER"
    begin = calendar.last_day - timedelta(weeks=USUAL_WEEKS)
    counts = fetch_all(
        con,
        f"""
        SELECT wk, sum({count})::BIGINT FROM groups
        WHERE NOT is_bad AND pm < {SIFTED} AND ny > 0 AND wk > {literal(str(begin))}::DATE GROUP BY 1 ORDER BY 1
        """,
    )
    *before, last = [n for _, n in counts]
    usual = float(np.median(before)) if before else 0.0
    if last >= LEAST_SHARE * usual:
        return ""
    return (
        f"On the last day, {calendar.last_day}, {last:,} items sold; on the same weekday before, {usual:,.0f}. The file"
        " may have been written before the end of the day."
    )


def _jump(tallies: Tallies) -> str:
    """A warning if the level of all items together rises or falls several times from one week on."""
    calendar = tallies.calendar
    units = (tallies.base + tallies.promo)[calendar.first : calendar.last + 1]
    n_items = tallies.n_existing[calendar.first : calendar.last + 1]
    worst, ratio = 0, 1.0
    for week in range(USUAL_WEEKS, len(units) - USUAL_WEEKS + 1):
        levels = [
            float(np.median(part / np.maximum(n, 1)))
            for part, n in (
                (units[week - USUAL_WEEKS : week], n_items[week - USUAL_WEEKS : week]),
                (units[week : week + USUAL_WEEKS], n_items[week : week + USUAL_WEEKS]),
            )
        ]
        if min(levels) <= 0:
            continue
        change = levels[1] / levels[0]
        if max(change, 1 / change) > max(ratio, 1 / ratio):
            worst, ratio = week, change
    if max(ratio, 1 / ratio) < JUMP:
        return ""
    more, fewer = "times as many units per week as before", "times fewer units per week than before"
    jump = f"{ratio:,.1f} {more}" if ratio > 1 else f"{1 / ratio:,.1f} {fewer}"
    return (
        f"From the week ending {calendar.whole_day(worst)} on, items sell {jump}: the files may use a different unit."
    )
