"""A dataset's quality report in sentences. Pure."""

from typing import Any

from fcst.ui.text import count, percent, plain


def report_lines(dataset: dict[str, Any]) -> list[str]:
    """What was read, and what the rules of a week did to it; Markdown."""
    report = dataset["report"]
    lines = [
        f"{plain(report['source'])}: {count(report['n_rows'], 'row')}, {count(report['n_items_read'], 'item')}, "
        f"from {report['first_day']} to {report['last_day']}.",
        f"Weeks end on {dataset['week_end']}. The first and last week count only if the data cover them: "
        f"{report['first_wk_end_dt']} to {report['last_wk_end_dt']}.",
    ]
    if left_out := report["n_items_read"] - report["n_items"]:
        lines.append(f"{count(left_out, 'item')} sold in no whole week and are left out.")
    lines.append(_promo_line(dataset))
    if report["n_flag_missing"] and report["has_promo_column"]:
        lines.append(f"{count(report['n_flag_missing'], 'row')} without a promotion flag count as not promoted.")
    if report["n_flag_unknown"]:
        lines.append(f"{count(report['n_flag_unknown'], 'row')} with an unknown promotion flag count as not promoted.")
    if report["n_weeks_emptied"]:
        lines.append(
            f"{count(report['n_weeks_emptied'], 'item-week')} had promotional sales only: missing, not zero; "
            "the models interpolate them."
        )
    lines.append(f"{count(report['n_weeks_zero'], 'item-week')} within an item's life had no sale, and are zero.")
    if report["n_returns"]:
        lines.append(
            f"{count(report['n_returns'], 'row')} are returns (negative units) and are netted within the week."
        )
    if report["n_fractional"]:
        lines.append(f"{count(report['n_fractional'], 'row')} have fractional units, as goods sold by weight do.")
    return lines


def _promo_line(dataset: dict[str, Any]) -> str:
    report = dataset["report"]
    if not report["has_promo_column"]:
        return "The file has no promotion flag: all rows are kept."
    if dataset["include_promo"]:
        return f"{count(report['n_promo'], 'promotional row')} are kept in the unit sales."
    shares = ", ".join(f"{year}: {percent(share)}" for year, share in report["promo_share_by_year"].items())
    return f"{count(report['n_promo'], 'promotional row')} are left out. Share of units left out by year: {shares}."
