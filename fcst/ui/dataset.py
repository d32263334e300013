"""Views of one dataset: weeks, quality, items, load settings, versions."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from fcst import charts
from fcst.dataset_records import Dataset
from fcst.filters import LIVES, ItemSort, Selection
from fcst.quality_report import QualityReport
from fcst.services import datasets, jobs
from fcst.ui import reports, tables, text
from fcst.ui.attribute_filter import choose_attributes, has_attributes_in_url
from fcst.ui.cache import read
from fcst.ui.downloads import REPORT, show_dataset_link
from fcst.ui.glossary import MEANING
from fcst.ui.ingests import show_bad_rows
from fcst.ui.run_selection import PAGE_ITEMS, count, item_filter, read_options
from fcst.ui.shell import choose, choose_page, choose_some, page_in_url, search
from fcst.ui.sources import show_source


def has_report(dataset: Dataset) -> bool:
    """Whether the dataset has a full quality report; early versions of fcst did not store it."""
    return dataset.report.version > 1


def show_weeks(dataset: Dataset) -> None:
    """Units by week, with dropped weeks marked."""
    report = dataset.report
    has_promo = not dataset.include_promo and report.n_promo > 0
    st.header("Units per week, all items" + (", without promotions" if has_promo else ""), anchor=False)
    dataset_id = dataset.dataset_id
    totals = read(("weekly totals", dataset_id), lambda: datasets.weekly_totals(dataset_id))
    dropped = pd.DataFrame([week for week in report.weeks if week.is_dropped])
    st.plotly_chart(
        charts.sales_chart(totals, has_promo, dropped),
        width="stretch",
        key="totals",
        alt="Units sold by week, total of all items",
    )
    for line in reports.report_lines(dataset):
        st.markdown(f"- {line}")


def show_quality(dataset: Dataset) -> None:
    """The quality report."""
    report = dataset.report
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Rows", anchor=False)
        tables.show(reports.row_frame(report), shares=["Share"], column_config={"Rows": tables.NUMBER})
        tables.show(reports.rule_frame(dataset).round(0), placeholder="", column_config={"Units": tables.NUMBER})
        if report.bad_rows.n:
            st.markdown("Unreadable rows, left out:")
            show_bad_rows(report.bad_rows)
        st.header("Demand", anchor=False)
        tables.show(reports.class_frame(report), shares=["Share"], column_config={"Items": tables.NUMBER})
        st.caption(
            "ADI: weeks per week with a sale. CV²: variation of units in those weeks. "
            "Classes of Syntetos, Boylan and Croston (2005), doi:10.1057/palgrave.jors.2601841."
        )
        tables.show(reports.history_frame(report), shares=["Share"], column_config={"Items": tables.NUMBER})
    with right:
        _show_promotions(dataset)
        st.header("Series", anchor=False)
        for line in reports.series_lines(report):
            st.markdown(f"- {line}")
    if report.coverage is not None:
        st.header("Coverage", anchor=False)
        st.plotly_chart(
            charts.coverage_chart(report.coverage),
            width="stretch",
            key="coverage",
            alt="Share of weeks with a sale, by items ranked by sales and by time",
        )
    _show_lists(report)
    show_dataset_link("Quality report (JSON)", dataset.dataset_id, REPORT)


def _show_promotions(dataset: Dataset) -> None:
    report = dataset.report
    st.header("Promotions", anchor=False)
    if not report.has_promo_column:
        st.caption("The file has no promotion flag.")
        return
    st.caption("Included in the unit sales." if dataset.include_promo else "Left out of the unit sales, by year:")
    tables.show(
        reports.promo_frame(report).round({"Promotional units": 0}),
        shares=["Share of units"],
        column_config={"Promotional units": tables.NUMBER},
    )
    if report.flags_missing_by_month:
        months = report.flags_missing_by_month
        n_months = text.count(len(months), "month")
        st.markdown(f"Flags are missing or unknown in {n_months}, from {min(months)} to {max(months)}.")
        frame = pd.DataFrame({"Month": list(months), "Rows": list(months.values())})
        tables.show(frame, height=180, column_config={"Rows": tables.NUMBER})
    if report.most_affected:
        st.markdown("Items with the largest share left out:")
        names = {
            "unique_id": "Item",
            "share": "Share left out",
            "units": "Units left out",
            "n_emptied": "Missing weeks",
        }
        tables.show(
            reports.listed_frame(report.most_affected, **names).round({"Units left out": 1}),
            height=215,
            shares=["Share left out"],
            column_config={"Units left out": tables.NUMBER},
        )


def _show_lists(report: QualityReport) -> None:
    lists: dict[str, tuple[Sequence[object], dict[str, str]]] = {
        "Outlier weeks": (
            report.outliers.largest,
            {"unique_id": "Item", "wk_end_dt": "Week ending", "unit_sales": "Units", "fence": "Limit, units"},
        ),
        "Longest gaps": (
            report.gaps.longest_runs,
            {"unique_id": "Item", "n_weeks": "Weeks", "first_wk_end_dt": "From", "last_wk_end_dt": "To"},
        ),
        "New items": (
            report.new_items.first,
            {"unique_id": "Item", "first_wk_end_dt": "First week", "total_units": "Units"},
        ),
        "Ended items": (
            report.ended_items.first,
            {"unique_id": "Item", "last_sale_dt": "Last sale", "total_units": "Units"},
        ),
    }
    boxes = (*st.columns(2, gap="large"), *st.columns(2, gap="large"))
    for box, (title, (rows, names)) in zip(boxes, lists.items(), strict=True):
        with box:
            st.markdown(f"**{title}**")
            if rows:
                tables.show(
                    reports.listed_frame(rows, **names).round(1),
                    height=215,
                    column_config={"Units": tables.NUMBER, "Limit, units": tables.NUMBER},
                )
            else:
                st.caption("None.")


_ORDERS = {
    ItemSort.SALES: "largest sellers first",
    ItemSort.KEY: "by key",
    ItemSort.SHORTEST: "shortest history first",
    ItemSort.MISSING: "most missing weeks first",
    ItemSort.ADI: "largest ADI first",
    ItemSort.CV2: "largest CV² first",
    ItemSort.NEWEST: "newest first",
    ItemSort.LAST_SALE: "longest without a sale first",
}


def _item_columns() -> dict[str, Any]:
    return {
        "sales_rank": st.column_config.NumberColumn("Rank", width="small"),
        "unique_id": st.column_config.TextColumn("Item"),
        "description": st.column_config.TextColumn("Name"),
        "family": st.column_config.TextColumn("Family"),
        "item_class": st.column_config.TextColumn("Class"),
        "total_units": st.column_config.NumberColumn("Units sold", format="localized"),
        "price": st.column_config.NumberColumn("Price", format="localized", help=MEANING["price"]),
        "n_weeks": st.column_config.NumberColumn("Weeks", help=MEANING["history"]),
        "n_missing": st.column_config.NumberColumn("Missing", help=MEANING["missing"]),
        "demand_class": st.column_config.TextColumn("Demand", help=MEANING["demand_class"]),
        "adi": st.column_config.NumberColumn("ADI", help=MEANING["adi"]),
        "cv2": st.column_config.NumberColumn("CV²", help=MEANING["cv2"]),
        "first_wk_end_dt": st.column_config.DateColumn("First week", format="YYYY-MM-DD"),
        "last_sale_dt": st.column_config.DateColumn("Last sale", format="YYYY-MM-DD"),
        "life": st.column_config.TextColumn("Life"),
    }


def show_items(dataset: Dataset) -> None:
    """Shows the items that match in pages, with a choice of order."""
    dataset_id = dataset.dataset_id
    places = st.columns([3, 2, 2, 2])
    with places[0]:
        wanted = search("Search", "q", placeholder="key, description, family or class")
    with places[1]:
        names = read_options(dataset)["demand_class"]
        classes = choose_some("Demand class", names, "demand_class", help=MEANING["demand_class"])
    with places[2]:
        lives = choose_some("Life", LIVES, "life")
    with places[3]:
        sort = choose("Order", list(_ORDERS), "sort", _ORDERS.__getitem__)
    with st.expander("Attributes", type="compact", icon=":material/filter_alt:", expanded=has_attributes_in_url()):
        attributes = choose_attributes(dataset, 6, with_columns=True)
    which = item_filter(wanted, classes, attributes, life=lives)
    selection = Selection(which)
    n_found = count(dataset, selection).n_items
    st.caption(f"{n_found:,} of {text.count(dataset.n_items, 'item')}, {_ORDERS[sort]}.")
    if not n_found:
        return
    page = page_in_url(n_found, PAGE_ITEMS)
    items = pd.DataFrame(
        read(
            ("items", dataset.key, which, sort, page),
            lambda: datasets.list_items(dataset_id, selection, sort, PAGE_ITEMS, (page - 1) * PAGE_ITEMS),
        )
    )
    filled = [name for name in ("description", "family", "item_class") if items[name].notna().any()]
    price = ["price"] if items["price"].notna().any() else []
    chosen = tables.show(
        items.assign(
            total_units=text.round_units(items["total_units"]),
            **{name: pd.to_numeric(items[name]).round(2) for name in ("price", "adi", "cv2")},
        )[
            ["sales_rank", "unique_id", *filled, "total_units", *price, "n_weeks", "n_missing"]
            + ["demand_class", "adi", "cv2", "first_wk_end_dt", "last_sale_dt", "life"]
        ],
        placeholder="",
        height=min(36 + 35 * len(items), 480),
        key=f"dataset_items_{dataset_id}_{page}",
        on_select="rerun",
        selection_mode="single-cell",
        column_config=_item_columns(),
    )
    choose_page(n_found, PAGE_ITEMS)
    st.caption("Click an item to open its newest forecast.")
    if (row := tables.clicked_row(chosen)) is not None:
        _open_item(dataset_id, str(items["unique_id"].iloc[row]))


def _open_item(dataset_id: int, unique_id: str) -> None:
    """Opens the newest forecast of an item; without one, shows a toast."""
    job_id = jobs.newest_of_item(dataset_id, unique_id)
    if job_id is not None:
        st.switch_page("pages/forecasts.py", query_params={"job": str(job_id), "item": unique_id})
    st.toast(f"Item {text.plain(unique_id)} has no forecasts yet.", icon=":material/info:")


def show_reading(dataset: Dataset) -> None:
    """Column mapping, rules and files of the load."""
    spec, report = dataset.spec, dataset.report
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Columns", anchor=False)
        tables.show(reports.mapping_frame(dataset))
        st.caption("Proposed again for files with the same header.")
    with right:
        st.header("Rules", anchor=False)
        filters = "; ".join(f"{column}={value}" for column, value in spec.where)
        rules = {
            "Weeks end on": text.weekday(dataset.week_end) + (", as in the data" if report.is_weekly else ""),
            "Promotional sales": text.promotions(dataset.include_promo, report.has_promo_column),
            "Missing promotion flag": "not promoted",
            "Returns": "left out" if spec.returns == "drop" else "netted within their week",
            "Duplicates": "counted once" if spec.duplicates == "drop" else "added up",
            "Unreadable rows": "skipped" if spec.skip_bad else "none",
            "Row filter": filters or "none",
            "Date format": report.files[0].date_format or "date type",
            "Decimal sign": spec.decimal,
        }
        frame = pd.DataFrame({"Rule": list(rules), "Value": list(rules.values())})
        tables.show(frame)
    st.header("Files", anchor=False)
    tables.show(
        pd.DataFrame(
            {
                "File": [file.name for file in report.files],
                "Kind": [file.kind for file in report.files],
                "Size, MB": [file.n_bytes / 1e6 for file in report.files],
                "Columns": [len(file.columns) for file in report.files],
                "Encoding": [file.encoding for file in report.files],
            }
        ).round(1),
    )
    show_source(dataset)


def show_versions(dataset: Dataset) -> None:
    """What changed in this version, and a table of all versions; a click opens one."""
    _show_changes(dataset.report)
    versions = datasets.list_versions(dataset.name)
    chosen = tables.show(
        pd.DataFrame(
            {
                "Version": [row.version for row in versions],
                "Loaded": [text.moment(row.created_at) for row in versions],
                "Items": [row.n_items for row in versions],
                "Weeks": [row.n_weeks for row in versions],
                "Last week": [row.last_wk_end_dt for row in versions],
                "Units sold": [round(row.total_units) for row in versions],
                "Promotions": [text.promotions(row.include_promo, row.has_promo) for row in versions],
                "New weeks": [row.n_new_weeks for row in versions],
                "New items": [row.n_new_items for row in versions],
                "Items gone": [row.n_gone_items for row in versions],
                "Items revised": [row.n_revised_items for row in versions],
                "Changed": [
                    f"no, same as version {row.same_as_version}" if row.same_as_version else "" for row in versions
                ],
                "Runs": [row.n_jobs for row in versions],
            }
        ),
        placeholder="",
        key="versions",
        on_select="rerun",
        selection_mode="single-cell",
        column_config={"Items": tables.NUMBER, "Units sold": tables.NUMBER},
    )
    if (row := tables.clicked_row(chosen)) is not None and versions[row].dataset_id != dataset.dataset_id:
        st.switch_page("pages/dataset.py", query_params={"dataset": str(versions[row].dataset_id)})


def _show_changes(report: QualityReport) -> None:
    """Sentences on what changed since the version before, and the items whose history was revised."""
    lines = report.change_lines()
    if not lines:
        return
    st.header("Changes in this version", anchor=False)
    for line in lines:
        st.markdown(f"- {text.plain(line)}")
    if report.changes and report.changes.revised_items:
        names = {"unique_id": "Item", "n_weeks": "Weeks revised", "units": "Change, units"}
        with st.expander("Items with the largest revisions", type="compact"):
            tables.show(
                reports.listed_frame(report.changes.revised_items, **names).round({"Change, units": 1}),
                column_config={"Change, units": tables.NUMBER},
            )
    st.header("All versions", anchor=False)
