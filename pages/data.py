"""Data: the datasets that are loaded, and loading another."""

import io
from typing import Any

import streamlit as st

from fcst import charts
from fcst.errors import InputError
from fcst.names import WEEKLY_FILE
from fcst.services import datasets
from fcst.ui import text
from fcst.ui.loading import load_sample, show_ingest, show_loader
from fcst.ui.reports import report_lines
from fcst.ui.shell import choose, number_in_url, show_error, show_page


def main() -> None:
    st.title("Data", anchor=False)
    known = datasets.list_datasets()
    waiting = datasets.list_open_ingests()
    asked = number_in_url("ingest")
    if asked is not None or waiting:
        try:
            show_ingest(asked if asked is not None else waiting[0]["ingest_id"])
        except InputError as exc:
            show_error(exc)
    wanted = st.query_params.get("dataset")
    if wanted is not None and wanted not in {str(row["dataset_id"]) for row in known}:
        show_error(InputError(f"There is no dataset {wanted}.", "Choose one from the list."))
    if not known:
        show_welcome(is_loading=bool(waiting))
        return
    show_dataset(known)
    with st.expander("Load more sales", icon=":material/upload_file:", expanded=False):
        show_loader()
        st.button("Load the sample", on_click=load_sample, help="200 items of made-up retail sales, 4.6 years")


def show_welcome(is_loading: bool) -> None:
    st.write(
        "fcst turns retail sales into weekly forecasts of every item, with intervals and measured accuracy. "
        "It begins with sales: take the sample to look around, or load your own."
    )
    st.button(
        "Load the sample",
        type="primary",
        icon=":material/science:",
        on_click=load_sample,
        disabled=is_loading,
        help="200 items of made-up retail sales, 4.6 years; ready in seconds",
    )
    st.subheader("Or load your own sales", anchor=False)
    show_loader()


def dataset_label(row: dict[str, Any]) -> str:
    return text.dataset_title(row["name"], row["version"])


def show_dataset(known: list[dict[str, Any]]) -> None:
    by_id = {row["dataset_id"]: row for row in known}
    chosen_id = choose("Dataset", list(by_id), "dataset", lambda key: dataset_label(by_id[key]), width=420)
    dataset = by_id[chosen_id]
    with st.container(horizontal=True):
        st.metric("Items", f"{dataset['n_items']:,}", border=True)
        st.metric("Whole weeks", f"{dataset['n_weeks']:,}", border=True)
        st.metric(
            "Weeks ending",
            f"{text.day(dataset['first_wk_end_dt'])} – {text.day(dataset['last_wk_end_dt'])}",
            border=True,
        )
        st.metric("Units sold", text.large(dataset["total_units"]), border=True)
    report = dataset["report"]
    has_promo = not dataset["include_promo"] and report["n_promo"] > 0
    st.subheader("Units a week, all items" + (", without promotions" if has_promo else ""), anchor=False)
    totals = datasets.weekly_totals(chosen_id)
    st.plotly_chart(
        charts.sales_chart(totals, has_promo),
        width="stretch",
        key="totals",
        alt="Units sold by week, all items together",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Forecast these items", type="primary", icon=":material/play_circle:"):
            st.switch_page("pages/new_run.py", query_params={"dataset": str(chosen_id)})
        st.download_button(
            "Weekly sales (CSV)",
            lambda: weekly_file(chosen_id),
            file_name=WEEKLY_FILE,
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
    with st.expander("How the file was read", icon=":material/fact_check:"):
        for line in report_lines(dataset):
            st.markdown(f"- {line}")


def weekly_file(dataset_id: int) -> bytes:
    out = io.BytesIO()
    datasets.write_weekly_file(dataset_id, out)
    return out.getvalue()


show_page(main)
