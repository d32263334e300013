"""Data: the datasets that are loaded, and loading another."""

import io
from typing import Any

import streamlit as st

from fcst import charts
from fcst.errors import FcstError, InputError
from fcst.names import WEEKDAYS, WEEKLY_FILE
from fcst.services import datasets
from fcst.specs import IngestSpec
from fcst.states import IngestStatus
from fcst.ui import text
from fcst.ui.reports import report_lines
from fcst.ui.shell import choose, number_in_url, page_errors, show_error, show_page

ENDED = (IngestStatus.COMPLETED, IngestStatus.FAILED)


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


def show_loader() -> None:
    upload, path = st.tabs(["Upload a file", "A path on this machine"])
    with upload:
        file = st.file_uploader("Sales as CSV, plain or gzip", type=["csv", "gz"], key="upload")
    with path:
        on_disk = st.text_input(
            "File, or folder with train.csv",
            key="path",
            placeholder="/data/favorita",
            help="On the machine fcst runs on",
        )
    left, right = st.columns(2)
    name = left.text_input("Name of the dataset", key="dataset_name", placeholder="as the file")
    week_end = right.selectbox("Weeks end on", WEEKDAYS, index=WEEKDAYS.index("SAT"), key="week_end")
    include_promo = st.checkbox(
        "Keep promotional sales",
        key="include_promo",
        help="By default rows marked as promotional are left out, and forecasts are of baseline demand.",
    )
    with st.popover("Column names", icon=":material/view_column:"):
        st.caption("What the file calls its columns.")
        columns = {
            role: st.text_input(label, value=default, key=f"column_{role}")
            for role, label, default in (
                ("item", "Item", "item_nbr"),
                ("date", "Date", "date"),
                ("sales", "Units sold", "unit_sales"),
                ("promo", "Promotion flag (may be missing)", "onpromotion"),
            )
        }
    if not st.button("Load", key="load", icon=":material/upload:"):
        return
    if file is None and not on_disk.strip():
        show_error(InputError("No file was given.", "Upload one, or enter a path."))
        return
    given = file.name if file is not None else on_disk.strip()
    options = {"include_promo": include_promo, "week_end": week_end, **columns}
    saved = None
    try:
        saved = datasets.save_upload(given, file) if file is not None else None
        spec = IngestSpec(
            path=saved or given,
            name=name.strip() or datasets.default_name(given),
            is_upload=saved is not None,
            **options,
        )
        follow(datasets.request_ingest(spec))
    except FcstError as exc:
        if saved is not None:
            datasets.discard_upload(saved)
        show_error(exc)
    else:
        st.rerun()


def load_sample() -> None:
    with page_errors():
        follow(datasets.request_sample())


def follow(ingest_id: int) -> None:
    st.query_params.clear()
    st.query_params["ingest"] = str(ingest_id)


def show_ingest(ingest_id: int) -> None:
    """What an ingest does, until it has ended; then its dataset, or why there is none."""
    is_open = datasets.get_ingest(ingest_id)["status"] not in ENDED

    @st.fragment(run_every=0.5 if is_open else None)
    def watch() -> None:
        with page_errors():
            now = datasets.get_ingest(ingest_id)
            if is_open and now["status"] in ENDED:
                if now["status"] == IngestStatus.COMPLETED:
                    st.toast(f"Dataset {text.plain(now['spec']['name'])} is loaded.", icon=":material/check_circle:")
                else:
                    st.query_params["ingest"] = str(ingest_id)  # the reason stays readable
                st.rerun()
            show_ingest_state(now)

    watch()


def show_ingest_state(ingest: dict[str, Any]) -> None:
    name = ingest["spec"]["name"]
    if ingest["status"] == IngestStatus.FAILED:
        show_error(InputError(f"{name} was not loaded. {ingest['error']}", ingest["hint"] or ""))
    elif ingest["status"] != IngestStatus.COMPLETED:
        what = ingest["progress"] or "waiting for its turn"
        st.info(f"Loading {text.plain(name)}: {text.plain(what)} …", icon=":material/hourglass_top:")
    elif number_in_url("ingest") is not None and ingest["dataset_id"] is not None:
        st.query_params.clear()
        st.query_params["dataset"] = str(ingest["dataset_id"])
        st.rerun()


show_page(main)
