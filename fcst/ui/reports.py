"""A dataset's quality report in sentences and tables. Pure."""

from collections.abc import Sequence

import pandas as pd

from fcst.dataset_records import Dataset
from fcst.names import ADI_CUTOFF, CV2_CUTOFF, ENDED_AFTER_WEEKS, HISTORY_BOUNDS, NEW_WITHIN_WEEKS
from fcst.quality_report import CancelledOrders, Duplicates, QualityReport
from fcst.specs import ROLES, WIDE
from fcst.ui.text import count, large, percent, plain, weekday

DROPPED = {
    "bad": "cannot be read",
    "sifted": "do not pass the row filter, or are of cancelled orders",
    "totals": "are totals of other rows",
    "odd_dates": "have dates far from all others",
    "no_records": "are no records: empty, headers, footers, sums",
    "duplicates": "are duplicates, counted once",
    "returns": "are returns, left out",
    "promotions": "are promotional, left out",
    "first_week": "lie in the partial first week",
    "last_week": "lie in the partial last week",
}

CLASSES = {
    "smooth": f"ADI < {ADI_CUTOFF}, CV² < {CV2_CUTOFF}",
    "erratic": f"ADI < {ADI_CUTOFF}, CV² ≥ {CV2_CUTOFF}",
    "intermittent": f"ADI ≥ {ADI_CUTOFF}, CV² < {CV2_CUTOFF}",
    "lumpy": f"ADI ≥ {ADI_CUTOFF}, CV² ≥ {CV2_CUTOFF}",
    "none": "no week with a sale",
}


def report_lines(dataset: Dataset) -> list[str]:
    """What was read, and what the rules of a week did to it; Markdown."""
    report = dataset.report
    lines = [
        f"{plain(report.source)}: {count(report.n_rows, 'row')}, {count(report.n_items_read, 'item')}, "
        f"from {report.first_day} to {report.last_day}.",
        _week_line(dataset),
    ]
    if left_out := report.n_items_read - report.n_items:
        lines.append(f"{count(left_out, 'item')} sold in no whole week and are left out.")
    lines.append(_promo_line(dataset))
    if report.n_flag_missing and report.has_promo_column:
        lines.append(f"{count(report.n_flag_missing, 'row')} without a promotion flag count as not promoted.")
    if report.n_flag_unknown:
        values = ", ".join(plain(value) for value in report.unknown_flags)
        lines.append(
            f"{count(report.n_flag_unknown, 'row')} with a promotion flag of unknown meaning"
            + (f" ({values})" if values else "")
            + " are taken as missing: not promoted."
        )
    if report.n_weeks_emptied:
        lines.append(
            f"{count(report.n_weeks_emptied, 'item-week')} had promotional sales only: missing, not zero; "
            "the models interpolate them."
        )
    lines.append(f"{count(report.n_weeks_zero, 'item-week')} within an item's life had no sale, and are zero.")
    if report.n_returns:
        done = "are left out" if report.dropped.returns else "are netted within the week"
        lines.append(f"{count(report.n_returns, 'row')} are returns (negative units) and {done}.")
    if report.n_fractional:
        lines.append(f"{count(report.n_fractional, 'row')} have fractional units, as goods sold by weight do.")
    if report.n_totals:
        named = ", ".join(map(plain, report.totals))
        lines.append(f"{count(report.n_totals, 'row')} of totals did not count, of what is called {named}.")
    if report.n_no_records:
        examples = ": " + ", ".join(map(plain, report.no_records)) if report.no_records else ""
        lines.append(
            f"{count(report.n_no_records, 'line')} are no records, such as headers, footers and sums{examples}."
        )
    for file in report.files:
        if file.is_day_first_assumed:
            lines.append(
                f"{plain(file.name)}: dates were read with the day first ({plain(file.date_format)}); the values "
                "that were looked at would also fit with the month first."
            )
        lines += [f"{plain(file.name)}: {plain(remark)}" for remark in file.remarks]
        if file.periods:
            (first, first_day), (last, last_day) = file.periods[0], file.periods[-1]
            lines.append(
                f"{plain(file.name)} has a column for each day or week, from {plain(first)} ({first_day}) to "
                f"{plain(last)} ({last_day})."
            )
    lines += map(plain, report.doubts)
    lines += _cancelled_lines(report.cancelled)
    lines += _duplicate_lines(report.duplicates)
    if report.bad_rows.n:
        lines.append(f"{count(report.bad_rows.n, 'row')} could not be read and were left out, as asked.")
    if report.same_as_version:
        lines.append(f"Nothing changed: the weeks are those of version {report.same_as_version}.")
    return lines


def _cancelled_lines(cancelled: CancelledOrders) -> list[str]:
    if not cancelled.n_rows:
        return []
    done = "are left out" if cancelled.is_dropped else "count"
    return [
        f"{count(cancelled.n_rows, 'row')} ({large(cancelled.units)} units) of cancelled or refunded orders {done}: "
        f"{plain(cancelled.column)} is {plain(' or '.join(cancelled.values))}."
    ]


def _week_line(dataset: Dataset) -> str:
    report = dataset.report
    if report.is_weekly:
        return (
            f"The data are weekly already; weeks end on {weekday(dataset.week_end)}: "
            f"{report.first_wk_end_dt} to {report.last_wk_end_dt}."
        )
    return (
        f"Weeks end on {weekday(dataset.week_end)}. The first and last week count only if the data cover them: "
        f"{report.first_wk_end_dt} to {report.last_wk_end_dt}."
    )


def _promo_line(dataset: Dataset) -> str:
    report = dataset.report
    if not report.has_promo_column:
        return "The file has no promotion flag: all rows are kept."
    if dataset.include_promo:
        return f"{count(report.n_promo, 'promotional row')} are kept in the unit sales."
    shares = ", ".join(f"{year}: {percent(share)}" for year, share in report.promo_share_by_year.items())
    return f"{count(report.n_promo, 'promotional row')} are left out. Share of units left out by year: {shares}."


def _duplicate_lines(found: Duplicates) -> list[str]:
    lines = []
    if found.n:
        done = "are counted once" if found.n_dropped else "are added up"
        lines.append(f"{count(found.n, 'row')} stand there more than once (same {found.key}) and {done}.")
        if found.n_differing:
            lines.append(
                f"{count(found.n_differing, 'of them differs', 'of them differ')} in units: the last one counts."
            )
    if found.n_repeated:
        lines.append(
            f"{count(found.n_repeated, 'line')} repeat another of the same receipt and file; they are kept, for a "
            "customer may buy a thing twice."
        )
    return lines


def row_frame(report: QualityReport) -> pd.DataFrame:
    """What became of the rows: each counted once, for the first reason that applies."""
    n = report.n_rows
    dropped = [(f"– {words}", getattr(report.dropped, why)) for why, words in DROPPED.items()]
    rows = [("read", n), *(row for row in dropped if row[1]), ("kept in whole weeks", report.n_kept)]
    return pd.DataFrame(
        {"Rows that": [what for what, _ in rows], "Rows": [k for _, k in rows], "Share": [k / n for _, k in rows]}
    )


def rule_frame(dataset: Dataset) -> pd.DataFrame:
    """What each rule of a week did: to how many rows or item-weeks, and to how many units."""
    report, spec = dataset.report, dataset.spec
    units, dropped = report.units, report.dropped
    promo = "kept" if dataset.include_promo else "left out"
    returns = "left out" if spec.returns == "drop" else "netted"
    rows = [
        (f"promotions {promo}", f"{report.n_promo:,} rows", units.promo_units),
        ("missing flag: not promoted", f"{report.n_flag_missing + report.n_flag_unknown:,} rows", None),
        (f"returns {returns}", f"{report.n_returns:,} rows", units.returned_units),
        ("partial first week dropped", f"{dropped.first_week:,} rows", units.first_week_units),
        ("partial last week dropped", f"{dropped.last_week:,} rows", units.last_week_units),
        ("week without rows: zero", f"{report.n_weeks_zero:,} item-weeks", None),
        ("week emptied of promotions: missing", f"{report.n_weeks_emptied:,} item-weeks", None),
    ]
    return pd.DataFrame(rows, columns=["Rule", "Concerns", "Units"])


def promo_frame(report: QualityReport) -> pd.DataFrame:
    """By year, the units sold on promotion."""
    by_year = report.promo_by_year
    return pd.DataFrame(
        {
            "Year": list(by_year),
            "Promotional units": [row.units for row in by_year.values()],
            "Share of units": [row.share for row in by_year.values()],
        }
    )


def listed_frame(rows: Sequence[object], **names: str) -> pd.DataFrame:
    """A list of records of the report as a table, its columns named for people."""
    return pd.DataFrame(rows, columns=list(names)).rename(columns=names)


def class_frame(report: QualityReport) -> pd.DataFrame:
    """Items by demand class."""
    found = report.demand_classes
    classes = [name for name in CLASSES if found.get(name)]
    return pd.DataFrame(
        {
            "Demand": ["no sales" if name == "none" else name for name in classes],
            "Items": [found[name] for name in classes],
            "Share": [found[name] / report.n_items for name in classes],
            "Cut-offs": [CLASSES[name] for name in classes],
        }
    )


def history_frame(report: QualityReport) -> pd.DataFrame:
    """Items by weeks of history."""
    bounds = sorted(HISTORY_BOUNDS)
    words = [f"{low} to {high - 1}" for low, high in zip(bounds, bounds[1:], strict=False)] + [f"{bounds[-1]} and more"]
    n = [report.history[str(bound)] for bound in bounds]
    return pd.DataFrame({"Weeks of history": words, "Items": n, "Share": [k / report.n_items for k in n]})


def mapping_frame(dataset: Dataset) -> pd.DataFrame:
    """What the columns of each file were taken for."""
    rows = [
        {
            "File": file.name,
            "Meaning": ROLES[role],
            "Column": ", ".join("(columns)" if n == WIDE else n for n in names),
        }
        for file in dataset.report.files
        for role, names in file.mapping.items()
    ]
    return pd.DataFrame(rows, columns=["File", "Meaning", "Column"])


def series_lines(report: QualityReport) -> list[str]:
    """New and ended items, gaps and outliers in sentences; Markdown."""
    gaps, outliers = report.gaps, report.outliers
    lines = [
        f"{count(report.new_items.n, 'item')} sold for the first time in the last {NEW_WITHIN_WEEKS} weeks, "
        f"{report.ended_items.n:,} sold nothing in the last {ENDED_AFTER_WEEKS}.",
        f"{count(gaps.n_items, 'item')} have weeks without a sale between two with one: "
        f"{large(gaps.n_item_weeks)} item-weeks, at most {count(gaps.longest, 'week')} on end. They are zero.",
        f"{count(outliers.n, 'item-week')} of {count(outliers.n_items, 'item')} lie beyond three times the "
        "interquartile range above the upper quartile of their item's weeks with a sale.",
    ]
    if gaps.n_empty_weeks:
        shown = ", ".join(map(str, gaps.empty_weeks[:5])) + (" …" if gaps.n_empty_weeks > 5 else "")
        lines.append(f"In {count(gaps.n_empty_weeks, 'week')} the file has no row at all: {shown}.")
    return lines
