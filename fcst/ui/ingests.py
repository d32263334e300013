"""Progress of ingests, with a cancel button; then the dataset, or the reason for a failure."""

import pandas as pd
import streamlit as st

from fcst.dataset_records import Ingest
from fcst.errors import InputError
from fcst.quality_report import BadRowCount, ReadingReport
from fcst.roles import Scope
from fcst.services import loading
from fcst.states import FINAL_INGEST_STATUSES, IngestStatus
from fcst.ui import live, tables, text
from fcst.ui.buttons import destructive_button
from fcst.ui.shell import action_errors, number_in_url, page_errors, show_error
from fcst.ui.signin import may

REFRESH_S = 0.5
THEN, FORECASTS = "then", "forecasts"
"""URL parameter of a run and its value: open the forecasts when the run has ended."""


def show_in_url(ingest_id: int) -> None:
    """Sets the ingest that the page shows."""
    st.query_params.clear()
    st.query_params["ingest"] = str(ingest_id)


def load_sample() -> None:
    """Starts the ingest of the bundled sample; a button callback."""
    with action_errors():
        show_in_url(loading.request_sample())


def sample_button(is_primary: bool, is_loading: bool = False) -> None:
    if not may(Scope.RUN):
        return
    st.button(
        "Load sample",
        key="load_sample",
        type="primary" if is_primary else "secondary",
        icon=":material/science:",
        on_click=load_sample,
        disabled=is_loading,
        help="4.6 years of synthetic retail sales of 200 items. Loads in seconds.",
    )


def load_buttons(is_primary: bool, is_loading: bool = False) -> None:
    """Buttons to load the sample or own sales."""
    with st.container(horizontal=True):
        sample_button(is_primary, is_loading)
        if may(Scope.RUN) and st.button("Load sales", icon=":material/upload_file:", key="load_own"):
            st.switch_page("pages/load.py")


def show_ingests() -> bool:
    """Shows the open ingests and the one in the URL; returns whether any is open."""
    waiting = [row.ingest_id for row in loading.list_open_ingests()]
    in_url = number_in_url("ingest")
    for ingest_id in dict.fromkeys([*([in_url] if in_url is not None else []), *waiting]):
        try:
            show_ingest(ingest_id, is_in_url=ingest_id == in_url)
        except InputError as exc:
            show_error(exc)
    return bool(waiting)


def show_ingest(ingest_id: int, is_in_url: bool) -> None:
    """Shows an ingest, live. With `is_in_url` (it is in the URL) the page opens the dataset when it ends."""
    is_open = loading.get_ingest(ingest_id).status not in FINAL_INGEST_STATUSES

    def watch() -> None:
        with page_errors():
            now = loading.get_ingest(ingest_id)
            if is_open and now.status in FINAL_INGEST_STATUSES:
                _toast_end(now)
                if now.status == IngestStatus.FAILED:
                    st.query_params["ingest"] = str(ingest_id)  # keeps the reason on the page
                st.rerun()
            _show_state(now, is_in_url)

    live.draw(watch, REFRESH_S if is_open else None)


def _title(ingest: Ingest) -> str:
    """The name of the dataset, or of its drivers."""
    return f"Drivers of {ingest.spec.name}" if ingest.spec.plan_of else ingest.spec.name


def _toast_end(ingest: Ingest) -> None:
    name = text.plain(_title(ingest))
    if ingest.status == IngestStatus.COMPLETED:
        st.toast(f"{name} loaded.", icon=":material/check_circle:")
    elif ingest.status == IngestStatus.CANCELLED:
        st.toast(f"Loading {name} was cancelled. No data were saved.", icon=":material/stop_circle:")
    else:
        words = f"{name} was not loaded. See the reason at the top of the page."
        st.toast(words, icon=":material/error:", duration="long")


def _show_state(ingest: Ingest, is_in_url: bool) -> None:
    name = _title(ingest)
    if ingest.status == IngestStatus.FAILED:
        show_error(InputError(f"Not loaded: {name}. {ingest.error}", ingest.hint or ""))
        if ingest.report is not None:
            _show_refusal(ingest.ingest_id, ingest.report)
    elif ingest.status == IngestStatus.CANCELLED and is_in_url:
        st.info(f"Loading {text.plain(name)} was cancelled. No data were saved.", icon=":material/stop_circle:")
    elif ingest.status not in FINAL_INGEST_STATUSES:
        _show_progress(ingest)
    elif is_in_url and (job_id := loading.run_after_load(ingest)) is not None:
        st.switch_page("pages/runs.py", query_params={"job": str(job_id), THEN: FORECASTS})
    elif is_in_url and ingest.dataset_id is not None and not ingest.spec.plan_of:
        st.switch_page("pages/dataset.py", query_params={"dataset": str(ingest.dataset_id)})


def _show_progress(ingest: Ingest) -> None:
    is_cancelling = ingest.cancel_requested_at is not None
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**Loading {text.plain(_title(ingest))}**", width="content")
            if may(Scope.RUN):
                destructive_button(
                    "Cancelling …" if is_cancelling else "Cancel",
                    f"cancel_{ingest.ingest_id}",
                    icon=":material/stop_circle:",
                    disabled=is_cancelling,
                    on_click=_cancel,
                    args=(ingest.ingest_id,),
                )
        share = ingest.done_bytes / ingest.total_bytes if ingest.total_bytes else 0.0
        st.progress(min(share, 1.0), text=text.plain(loading.format_progress(ingest)))


def _cancel(ingest_id: int) -> None:
    with action_errors():
        loading.cancel_ingest(ingest_id)


def _show_refusal(ingest_id: int, report: ReadingReport) -> None:
    """Shows the unreadable rows, and a button to load the others."""
    bad = report.bad_rows
    n_good = report.n_rows - bad.n - report.n_filtered - report.n_totals - report.n_no_records - report.n_odd_dates
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    n = f"{'at least ' if bad.is_at_least else ''}{bad.n:,} of {report.n_rows:,}"
    left.markdown(f"{n} rows cannot be read.")
    label = f"Load {text.count(n_good, 'good row')}"
    is_offered = n_good > 0 and may(Scope.RUN)
    if is_offered and right.button(label, key="good_rows", icon=":material/rule:", width="stretch"):
        show_in_url(loading.request_valid_rows(ingest_id))
        st.rerun()
    show_bad_rows(bad)


def show_bad_rows(bad: BadRowCount) -> None:
    """Counts of unreadable rows by column and reason, each with an example; and a list of the first rows."""
    names = {"file": "File", "line": "Line", "column": "Column", "value": "Value", "reason": "Reason"}
    if bad.kinds:
        frame = pd.DataFrame([kind.first for kind in bad.kinds], columns=list(names)).rename(columns=names)
        frame = frame[["Column", "Reason", "Value", "File", "Line"]].rename(
            columns={"Value": "Example", "File": "in file", "Line": "line"}
        )
        frame.insert(0, "Rows", [kind.n for kind in bad.kinds])
        tables.show(frame, numbers=("Example",), placeholder="", column_config={"Rows": tables.NUMBER})
    rows = pd.DataFrame(bad.first, columns=list(names)).rename(columns=names)
    with st.expander(f"First {text.count(len(rows), 'row')}", type="compact"):
        tables.show(rows, numbers=("Value",), height=280 if len(rows) > 6 else "auto", placeholder="")
