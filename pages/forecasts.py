"""Forecasts: of all items together, or of one; with what was sold, how sure they are, and how they did."""

import io
from collections.abc import Iterable
from typing import Any

import pandas as pd
import streamlit as st

from fcst import charts
from fcst.names import ENDED_AFTER_WEEKS, HOLDOUT_WEEKS
from fcst.services import forecasts, jobs
from fcst.states import Outcome
from fcst.ui import text
from fcst.ui.shell import choose, show_page

ALL_ITEMS = ""  # no key of an item is empty
BENCHMARK = "SeasonalNaive"


def main() -> None:
    st.title("Forecasts", anchor=False)
    found = {job["job_id"]: job for job in jobs.list_jobs() if job["n_completed"]}
    if not found:
        st.info("There are no forecasts yet.", icon=":material/query_stats:")
        if st.button("New run", type="primary"):
            st.switch_page("pages/new_run.py")
        return
    notices = st.container()
    left, middle, right = st.columns([2, 3, 2])
    with notices:
        warn_of_unknown("job", map(str, found), "Run {} has no forecasts; this is the newest run that has.")
    with left:
        job = found[choose("Run", list(found), "job", lambda key: text.job_title(found[key]))]
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
    view = forecasts.total_view(job, model) if row is None else forecasts.item_view(job, unique_id, model)
    show_title(job, row, view)
    show_numbers(job, view, model)
    st.plotly_chart(
        charts.forecast_chart(view.history, view.forecast, job["spec"]["level"]),
        width="stretch",
        key="chart",
        alt="Units a week: history, forecast and its intervals",
    )
    show_notes(job, row, view)
    show_table(view, job["spec"]["level"])
    show_downloads(job, row)


def warn_of_unknown(name: str, known: Iterable[str], words: str) -> None:
    wanted = st.query_params.get(name)
    if wanted is not None and wanted not in set(known):
        st.warning(words.format(text.plain(wanted)))


def choose_item(items: pd.DataFrame) -> str:
    families = dict(zip(items["unique_id"], items["family"], strict=True))

    def label(key: str) -> str:
        if key == ALL_ITEMS:
            return "All chosen items"
        return f"{key} · {families[key]}" if families[key] else key

    return choose("Item (type to search)", [ALL_ITEMS, *families], "item", label)


def show_title(job: dict[str, Any], row: pd.Series | None, view: forecasts.View) -> None:
    if row is None:
        what = f"All chosen items: the sum of {text.count(view.n_items, 'forecast')}"
    else:
        what = f"Item {text.plain(row['unique_id'])}" + (f", {text.plain(row['family'])}" if row["family"] else "")
    st.subheader(
        what + ("" if job["include_promo"] or not view.history["promo_units"].any() else ", without promotions"),
        anchor=False,
    )


def show_numbers(job: dict[str, Any], view: forecasts.View, model: str) -> None:
    recent = view.history["unit_sales"].tail(HOLDOUT_WEEKS)
    own, naive = view.metrics.get(model, {}), view.metrics.get(BENCHMARK, {})
    benchmark = naive.get("made_by", BENCHMARK)
    with st.container(horizontal=True):
        st.metric(
            f"Forecast, next {text.count(job['spec']['h'], 'week')}",
            f"{text.large(view.forecast['forecast'].sum())} units",
            border=True,
            height="stretch",
        )
        st.metric(
            f"Sold, last {text.count(len(recent), 'week')}",
            f"{text.large(recent.sum())} units",
            border=True,
            height="stretch",
        )
        for name, signed, meaning in (
            ("wape", False, "Sum of absolute errors, divided by units sold. Smaller is better."),
            ("bias", True, "Sum of errors, divided by units sold. Positive: the forecast was too high."),
        ):
            st.metric(
                f"{name.upper() if name == 'wape' else 'Bias'}, last {HOLDOUT_WEEKS} weeks held out",
                text.percent(own.get(name), signed),
                f"{benchmark}: {text.percent(naive.get(name), signed)}",
                delta_color="off",
                delta_arrow="off",
                border=True,
                height="stretch",
                help=f"{meaning} Measured by forecasting the last {HOLDOUT_WEEKS} weeks from the weeks before them.",
            )


def show_notes(job: dict[str, Any], row: pd.Series | None, view: forecasts.View) -> None:
    if row is None:
        st.caption(
            "The intervals are those of the items added up, as if all erred together; the true ones are narrower. "
            "Accuracy is over items and weeks: item errors are added up, not netted."
        )
        if n_naive := view.metrics.get(BENCHMARK, {}).get("n_fallback"):
            n = text.count(n_naive, "item")
            st.caption(f":material/info: {BENCHMARK} is Naive for {n} without a full year before the held-out weeks.")
        if view.n_fallback:
            n = text.count(view.n_fallback, "item")
            st.caption(f":material/info: For {n} a simpler model than the one asked for had to stand in.")
        return
    st.caption(f"Made by {text.plain(view.made_by)}.")
    if view.n_fallback:
        st.caption(
            f":material/info: A fallback: {text.plain(row['reason'] or 'the model asked for gave no forecast')}."
        )
    if view.history["unit_sales"].isna().any():
        st.caption("Gaps in the line are weeks with promotional sales only: not known, interpolated for the models.")
    if not view.metrics and job["spec"]["n_windows"]:
        st.caption(
            f":material/info: The history is too short to hold {HOLDOUT_WEEKS} weeks out: accuracy is not defined."
        )
    last = job["last_wk_end_dt"]
    if row["last_sale_dt"] is None or (last - row["last_sale_dt"]).days >= 7 * ENDED_AFTER_WEEKS:
        st.caption(f":material/info: No sale in the last {ENDED_AFTER_WEEKS} weeks: this item seems to have ended.")


def show_table(view: forecasts.View, levels: list[int]) -> None:
    numbers = {"forecast": "Forecast, units"}
    for level in sorted(levels):
        numbers |= {f"lo_{level}": f"{level} % low", f"hi_{level}": f"{level} % high"}
    is_large = view.forecast["forecast"].max() >= 1000
    st.dataframe(
        view.forecast[["wk_end_dt", *numbers]].round(0 if is_large else 1),
        hide_index=True,
        column_config={
            "wk_end_dt": st.column_config.DateColumn("Week ending", format="YYYY-MM-DD"),
            **{
                key: st.column_config.NumberColumn(label, format="localized" if is_large else "%.1f")
                for key, label in numbers.items()
            },
        },
    )


def show_downloads(job: dict[str, Any], row: pd.Series | None) -> None:
    job_id = job["job_id"]
    with st.container(horizontal=True):
        if row is not None:
            safe = "".join(char if char.isalnum() else "-" for char in row["unique_id"])[:60]
            st.download_button(
                "This item (CSV)",
                lambda: csv_file(job_id, row["unique_id"]),
                file_name=f"forecast_run{job_id}_item_{safe}.csv",
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
