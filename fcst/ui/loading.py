"""Loading sales: the form, and what an ingest does until it has ended."""

from typing import Any

import streamlit as st

from fcst.errors import FcstError, InputError
from fcst.names import WEEKDAYS
from fcst.services import datasets
from fcst.specs import IngestSpec
from fcst.states import FINAL_INGEST_STATUSES, IngestStatus
from fcst.ui import text
from fcst.ui.shell import number_in_url, page_errors, show_error


def show_loader() -> None:
    """The form that asks for a file to be read."""
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
    if file is not None and on_disk.strip():
        show_error(InputError("Both a file and a path were given.", "Remove the one that is not to be loaded."))
        return
    if file is None and not on_disk.strip():
        show_error(InputError("No file was given.", "Upload one, or enter a path."))
        return
    given = file.name if file is not None else on_disk.strip()
    options: dict[str, Any] = {"include_promo": include_promo, "week_end": week_end, **columns}
    saved = None
    try:
        saved = datasets.save_upload(given, file) if file is not None else None
        spec = IngestSpec(
            path=saved or given,
            name=name.strip() or datasets.default_name(given),
            is_upload=saved is not None,
            **options,
        )
        _follow(datasets.request_ingest(spec))
    except FcstError as exc:
        if saved is not None:
            datasets.discard_upload(saved)
        show_error(exc)
    else:
        st.rerun()


def load_sample() -> None:
    """Asks for the bundled sample; for a button."""
    with page_errors():
        _follow(datasets.request_sample())


def show_ingest(ingest_id: int) -> None:
    """What an ingest does, until it has ended; then its dataset, or why there is none."""
    is_open = datasets.get_ingest(ingest_id)["status"] not in FINAL_INGEST_STATUSES

    @st.fragment(run_every=0.5 if is_open else None)
    def watch() -> None:
        with page_errors():
            now = datasets.get_ingest(ingest_id)
            if is_open and now["status"] in FINAL_INGEST_STATUSES:
                if now["status"] == IngestStatus.COMPLETED:
                    st.toast(f"Dataset {text.plain(now['spec']['name'])} is loaded.", icon=":material/check_circle:")
                else:
                    st.query_params["ingest"] = str(ingest_id)  # the reason stays readable, above the page's content
                    words = (
                        f"{text.plain(now['spec']['name'])} was not loaded. The reason stands at the top of the page."
                    )
                    st.toast(words, icon=":material/error:", duration="long")
                st.rerun()
            _show_state(now)

    watch()


def _show_state(ingest: dict[str, Any]) -> None:
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


def _follow(ingest_id: int) -> None:
    st.query_params.clear()
    st.query_params["ingest"] = str(ingest_id)
