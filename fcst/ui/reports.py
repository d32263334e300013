"""Sentences and tables of a dataset's quality report. Pure functions."""

from collections.abc import Sequence

import pandas as pd

from fcst.dataset_records import Dataset
from fcst.names import ADI_CUTOFF, CV2_CUTOFF, ENDED_AFTER_WEEKS, HISTORY_BOUNDS, NEW_WITHIN_WEEKS
from fcst.quality_report import CancelledOrders, Duplicates, QualityReport
from fcst.specs import ROLES, WIDE
from fcst.ui.text import count, large, percent, plain, weekday

DROPPED = {
    "bad": "unreadable",
    "filtered": "excluded by the row filter, or cancelled orders",
    "totals": "totals of other rows",
    "odd_dates": "outlying dates",
    "no_records": "not records: empty, headers, footers, sums",
    "duplicates": "duplicates, counted once",
    "returns": "returns, left out",
    "promotions": "promotions, left out",
    "first_week": "in the partial first week",
    "last_week": "in the partial last week",
}

CLASSES = {
    "smooth": f"ADI < {ADI_CUTOFF}, CV² < {CV2_CUTOFF}",
    "erratic": f"ADI < {ADI_CUTOFF}, CV² ≥ {CV2_CUTOFF}",
    "intermittent": f"ADI ≥ {ADI_CUTOFF}, CV² < {CV2_CUTOFF}",
    "lumpy": f"ADI ≥ {ADI_CUTOFF}, CV² ≥ {CV2_CUTOFF}",
    "none": "no week with a sale",
}


def report_lines(dataset: Dataset) -> list[str]:
    """Summary of the rows read and the effects of the weekly rules; Markdown."""
    report = dataset.report
    lines = [
        *map(plain, report.change_lines()),
        f"{plain(report.source)}: {count(report.n_rows, 'row')}, {count(report.n_items_read, 'item')}, "
        f"from {report.first_day} to {report.last_day}.",
        _week_line(dataset),
    ]
    if left_out := report.n_items_read - report.n_items:
        lines.append(f"{count(left_out, 'item')} without sales in whole weeks left out.")
    lines.append(_promo_line(dataset))
    if report.n_flag_missing and report.has_promo_column:
        lines.append(f"{count(report.n_flag_missing, 'row')} without a promotion flag count as not promoted.")
    if report.n_flag_unknown:
        values = ", ".join(plain(value) for value in report.unknown_flags)
        lines.append(
            f"{count(report.n_flag_unknown, 'row')} with an unknown promotion flag"
            + (f" ({values})" if values else "")
            + " count as not promoted."
        )
    if report.n_weeks_emptied:
        lines.append(
            f"{count(report.n_weeks_emptied, 'item-week')} with promotional sales only are missing, not zero; "
            "models interpolate them."
        )
    lines.append(f"{count(report.n_weeks_zero, 'item-week')} without sales within an item's history count as zero.")
    if report.n_returns:
        done = "left out" if report.dropped.returns else "netted within their week"
        lines.append(f"{count(report.n_returns, 'return')} (negative units) {done}.")
    if report.n_fractional:
        lines.append(f"{count(report.n_fractional, 'row')} with fractional units, such as goods sold by weight.")
    if report.n_totals:
        named = ", ".join(map(plain, report.totals))
        lines.append(f"{count(report.n_totals, 'row')} left out as totals, named {named}.")
    if report.n_no_records:
        examples = ": " + ", ".join(map(plain, report.no_records)) if report.no_records else ""
        lines.append(
            f"{count(report.n_no_records, 'line')} left out: not records, such as headers, footers and sums{examples}."
        )
    for file in report.files:
        if file.is_day_first_assumed:
            lines.append(
                f"{plain(file.name)}: dates were read day first ({plain(file.date_format)}); the checked values also "
                "allow month first."
            )
        lines += [f"{plain(file.name)}: {plain(remark)}" for remark in file.remarks]
        if file.periods:
            (first, first_day), (last, last_day) = file.periods[0], file.periods[-1]
            lines.append(
                f"{plain(file.name)} has a column for each day or week, from {plain(first)} ({first_day}) to "
                f"{plain(last)} ({last_day})."
            )
    lines += map(plain, report.warnings)
    lines += _cancelled_lines(report.cancelled)
    lines += _duplicate_lines(report.duplicates)
    if report.bad_rows.n:
        lines.append(f"{count(report.bad_rows.n, 'unreadable row')} left out, as requested.")
    return lines


def _cancelled_lines(cancelled: CancelledOrders) -> list[str]:
    if not cancelled.n_rows:
        return []
    done = "left out" if cancelled.is_dropped else "included"
    return [
        f"{count(cancelled.n_rows, 'row')} ({large(cancelled.units)} units) of cancelled or refunded orders {done}: "
        f"{plain(cancelled.column)} is {plain(' or '.join(cancelled.values))}."
    ]


def _week_line(dataset: Dataset) -> str:
    report = dataset.report
    if report.is_weekly:
        return (
            f"The data are weekly; weeks end on {weekday(dataset.week_end)}: "
            f"{report.first_wk_end_dt} to {report.last_wk_end_dt}."
        )
    return (
        f"Weeks end on {weekday(dataset.week_end)}. Partial first and last weeks are dropped: "
        f"{report.first_wk_end_dt} to {report.last_wk_end_dt}."
    )


def _promo_line(dataset: Dataset) -> str:
    report = dataset.report
    if not report.has_promo_column:
        return "The file has no promotion flag. All rows are kept."
    if dataset.include_promo:
        return f"{count(report.n_promo, 'promotional row')} are kept in the unit sales."
    shares = ", ".join(f"{year}: {percent(share)}" for year, share in report.promo_share_by_year.items())
    return f"{count(report.n_promo, 'promotional row')} are left out. Share of units left out by year: {shares}."


def _duplicate_lines(found: Duplicates) -> list[str]:
    lines = []
    if found.n:
        done = "counted once" if found.n_dropped else "added up"
        lines.append(f"{count(found.n, 'duplicate row')} (same {found.key}) {done}.")
        if found.n_differing:
            lines.append(
                f"{count(found.n_differing, 'of them differs', 'of them differ')} in units: the last one is used."
            )
    if found.n_repeated:
        lines.append(
            f"{count(found.n_repeated, 'line')} repeated within a receipt and file kept: a customer may buy the same "
            "item twice."
        )
    return lines


def row_frame(report: QualityReport) -> pd.DataFrame:
    """Rows kept and left out, each counted once, for the first reason that applies."""
    n = report.n_rows
    dropped = [(f"– {words}", getattr(report.dropped, why)) for why, words in DROPPED.items()]
    rows = [("read", n), *(row for row in dropped if row[1]), ("kept in whole weeks", report.n_kept)]
    return pd.DataFrame(
        {"Outcome": [what for what, _ in rows], "Rows": [k for _, k in rows], "Share": [k / n for _, k in rows]}
    )


def rule_frame(dataset: Dataset) -> pd.DataFrame:
    """Effect of each weekly rule: rows or item-weeks, and units."""
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
        ("week with promotions only: missing", f"{report.n_weeks_emptied:,} item-weeks", None),
    ]
    return pd.DataFrame(rows, columns=["Rule", "Affected", "Units"])


def promo_frame(report: QualityReport) -> pd.DataFrame:
    """Units sold on promotion, by year."""
    by_year = report.promo_by_year
    return pd.DataFrame(
        {
            "Year": list(by_year),
            "Promotional units": [row.units for row in by_year.values()],
            "Share of units": [row.share for row in by_year.values()],
        }
    )


def listed_frame(rows: Sequence[object], **names: str) -> pd.DataFrame:
    """A list of report records as a table with labelled columns."""
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
    """Column mapping of each file."""
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
    """Sentences on new and ended items, gaps and outliers; Markdown."""
    gaps, outliers = report.gaps, report.outliers
    lines = [
        f"{count(report.new_items.n, 'new item')} (first sale in the last {NEW_WITHIN_WEEKS} weeks), "
        f"{count(report.ended_items.n, 'ended item')} (no sale in the last {ENDED_AFTER_WEEKS} weeks).",
        f"{count(gaps.n_items, 'item')} with gaps: {large(gaps.n_item_weeks)} item-weeks without a sale. The longest "
        f"gap is {count(gaps.longest, 'week')}. Gaps count as zero.",
        f"{count(outliers.n, 'outlier week')} of {count(outliers.n_items, 'item')}: more than three interquartile "
        "ranges above the upper quartile of the item's weeks with a sale.",
    ]
    if gaps.n_empty_weeks:
        shown = ", ".join(map(str, gaps.empty_weeks[:5])) + (" …" if gaps.n_empty_weeks > 5 else "")
        lines.append(f"{count(gaps.n_empty_weeks, 'week')} without any rows in the file: {shown}.")
    return lines
