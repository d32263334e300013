"""Forecasts: of all items together, or of one; with what was sold, how sure they are, and how they did."""

import io
from typing import Any

import pandas as pd
import streamlit as st

from fcst import charts
from fcst.compute.models import AUTO
from fcst.services import accuracy, forecasts
from fcst.states import Outcome
from fcst.ui import text
from fcst.ui.accuracy import show_provenance
from fcst.ui.results import choose_run, find_runs, show_notes, show_numbers, show_table
from fcst.ui.shell import choose, choose_some, show_page, warn_of_unknown

ALL_ITEMS = ""  # no key of an item is empty
BACKTEST, OTHERS = "Backtest", "Other models"
SHOWN_CANDIDATES = 5


def main() -> None:
    st.title("Forecasts", anchor=False)
    found = find_runs("There are no forecasts yet.", ":material/query_stats:")
    if not found:
        return
    notices = st.container()
    left, middle, right = st.columns([2, 3, 2])
    with left:
        job = choose_run(found, notices)
    items = forecasts.list_items(job["job_id"])
    with notices:
        warn_of_unknown("item", items["unique_id"], "This run has no item {}; this is the sum of all.")
    with middle:
        unique_id = choose_item(items)
    with right:
        models = job["spec"]["models"]
        model = choose("Model", models, "model", str, disabled=len(models) == 1)
    if unique_id != ALL_ITEMS:
        st.query_params["job"] = str(job["job_id"])  # an item is one of this run, also when a newer one ends
    row = None if unique_id == ALL_ITEMS else items[items["unique_id"] == unique_id].iloc[0]
    if row is not None and row["outcome"] != Outcome.COMPLETED:
        st.warning(f"This item has no forecast: it is {row['outcome']}. {text.plain(row['reason'] or '')}")
        return
    if row is None:
        view = total_view(job["job_id"], job["n_completed"], model, job)
    else:
        view = forecasts.item_view(job, unique_id, model)
    show_title(job, row, view)
    show_numbers(job, view, model)
    shown = choose_some("Show in the chart", [BACKTEST, OTHERS], "show")
    st.plotly_chart(
        charts.forecast_chart(
            view.history,
            view.forecast,
            job["spec"]["level"],
            accuracy.list_backtests(job["job_id"], model, unique_id or None) if BACKTEST in shown else None,
            other_forecasts(job, unique_id, model, view) if OTHERS in shown else None,
        ),
        width="stretch",
        key="chart",
        alt="Units a week: history, forecast and its intervals",
    )
    show_notes(job, row, view)
    if row is not None and (provenance := accuracy.item_provenance(job["job_id"], unique_id)):
        show_provenance(provenance, model, job)
    show_table(view, job["spec"]["level"])
    show_downloads(job, row)


def choose_item(items: pd.DataFrame) -> str:
    families = dict(zip(items["unique_id"], items["family"], strict=True))

    def label(key: str) -> str:
        if key == ALL_ITEMS:
            return "All chosen items"
        return f"{key} · {families[key]}" if families[key] else key

    return choose("Item (type to search)", [ALL_ITEMS, *families], "item", label)


def other_forecasts(job: dict[str, Any], unique_id: str, model: str, view: forecasts.View) -> dict[str, pd.DataFrame]:
    """What the run's other models say; of an item of Auto also what the heaviest of its candidates do."""
    names = [name for name in job["spec"]["models"] if name != model]
    others = {name: forecasts.list_forecasts(job["job_id"], name, unique_id or None) for name in names}
    if model == AUTO and unique_id != ALL_ITEMS:
        found = accuracy.item_provenance(job["job_id"], unique_id).get("models", {}).get(AUTO, {})
        for candidate in found.get("candidates", [])[:SHOWN_CANDIDATES]:
            weeks = view.forecast[["wk_end_dt"]].assign(forecast=candidate["forecast"])
            others.setdefault(f"{candidate['model']} ({candidate['weight']:.0%})", weeks)
    return others


@st.cache_data(max_entries=10, show_spinner="Adding up the items …")
def total_view(job_id: int, n_completed: int, model: str, _job: dict[str, Any]) -> forecasts.View:
    """The sum of all, which changes only with the number of completed items."""
    return forecasts.total_view(_job, model)


def show_title(job: dict[str, Any], row: pd.Series | None, view: forecasts.View) -> None:
    if row is None:
        what = f"All chosen items: the sum of {text.count(view.n_items, 'forecast')}"
        if view.n_items < job["n_items"]:
            what = f"The sum of {view.n_items:,} of {job['n_items']:,} chosen items; the others have no forecast"
    else:
        what = f"Item {text.plain(row['unique_id'])}" + (f", {text.plain(row['family'])}" if row["family"] else "")
    st.subheader(
        what + ("" if job["include_promo"] or not view.history["promo_units"].any() else ", without promotions"),
        anchor=False,
    )


def show_downloads(job: dict[str, Any], row: pd.Series | None) -> None:
    job_id = job["job_id"]
    with st.container(horizontal=True):
        if row is not None:
            st.download_button(
                "This item (CSV)",
                lambda: csv_file(job_id, row["unique_id"]),
                file_name=f"forecast_run{job_id}_item_{text.in_file_name(row['unique_id'])}.csv",
                mime="text/csv",
                icon=":material/download:",
                on_click="ignore",
            )
        st.download_button(
            "All items of this run (CSV)",
            lambda: csv_file(job_id, None),
            file_name=f"forecasts_run{job_id}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            type="primary",
        )


def csv_file(job_id: int, unique_id: str | None) -> bytes:
    out = io.BytesIO()
    forecasts.write_csv(job_id, out, unique_id)
    return out.getvalue()


show_page(main)
