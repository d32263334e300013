"""What an ingest does until it has ended: progress and cancel; then its dataset, or why there is none."""

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
"""In the URL of a run: its forecasts are opened when it has ended."""


def follow(ingest_id: int) -> None:
    """The page shows this ingest from now on."""
    st.query_params.clear()
    st.query_params["ingest"] = str(ingest_id)


def load_sample() -> None:
    """Asks for the bundled sample to be read; for a button."""
    with action_errors():
        follow(loading.request_sample())


def sample_button(is_primary: bool, is_loading: bool = False) -> None:
    if not may(Scope.RUN):
        return
    st.button(
        "Load the sample",
        key="load_sample",
        type="primary" if is_primary else "secondary",
        icon=":material/science:",
        on_click=load_sample,
        disabled=is_loading,
        help="200 items of made-up retail sales, 4.6 years; ready in seconds",
    )


def load_buttons(is_primary: bool, is_loading: bool = False) -> None:
    """The two ways to sales, for where there are none yet."""
    with st.container(horizontal=True):
        sample_button(is_primary, is_loading)
        if may(Scope.RUN) and st.button("Load your own sales", icon=":material/upload_file:", key="load_own"):
            st.switch_page("pages/load.py")


def show_ingests() -> bool:
    """What is being loaded, and the ingest that the URL asks for; whether something is being loaded."""
    waiting = [row.ingest_id for row in loading.list_open_ingests()]
    asked = number_in_url("ingest")
    for ingest_id in dict.fromkeys([*([asked] if asked is not None else []), *waiting]):
        try:
            show_ingest(ingest_id, is_asked=ingest_id == asked)
        except InputError as exc:
            show_error(exc)
    return bool(waiting)


def show_ingest(ingest_id: int, is_asked: bool) -> None:
    """An ingest, live; `is_asked` when the URL names it, so that its end leads on to its dataset."""
    is_open = loading.get_ingest(ingest_id).status not in FINAL_INGEST_STATUSES

    def watch() -> None:
        with page_errors():
            now = loading.get_ingest(ingest_id)
            if is_open and now.status in FINAL_INGEST_STATUSES:
                _announce(now)
                if now.status == IngestStatus.FAILED:
                    st.query_params["ingest"] = str(ingest_id)  # the reason stays readable
                st.rerun()
            _show_state(now, is_asked)

    live.draw(watch, REFRESH_S if is_open else None)


def _title(ingest: Ingest) -> str:
    """What is being loaded: a dataset, or drivers of one."""
    return f"Drivers of {ingest.spec.name}" if ingest.spec.plan_of else ingest.spec.name


def _announce(ingest: Ingest) -> None:
    name = text.plain(_title(ingest))
    if ingest.status == IngestStatus.COMPLETED:
        st.toast(f"{name} loaded.", icon=":material/check_circle:")
    elif ingest.status == IngestStatus.CANCELLED:
        st.toast(f"Loading {name} was cancelled. Nothing of it was kept.", icon=":material/stop_circle:")
    else:
        words = f"{name} was not loaded. The reason stands at the top of the page."
        st.toast(words, icon=":material/error:", duration="long")


def _show_state(ingest: Ingest, is_asked: bool) -> None:
    name = _title(ingest)
    if ingest.status == IngestStatus.FAILED:
        show_error(InputError(f"Not loaded: {name}. {ingest.error}", ingest.hint or ""))
        if ingest.report is not None:
            _show_refusal(ingest.ingest_id, ingest.report)
    elif ingest.status == IngestStatus.CANCELLED and is_asked:
        st.info(f"Loading {text.plain(name)} was cancelled. Nothing of it was kept.", icon=":material/stop_circle:")
    elif ingest.status not in FINAL_INGEST_STATUSES:
        _show_progress(ingest)
    elif is_asked and (job_id := loading.run_after_load(ingest)) is not None:
        st.switch_page("pages/runs.py", query_params={"job": str(job_id), THEN: FORECASTS})
    elif is_asked and ingest.dataset_id is not None and not ingest.spec.plan_of:
        st.switch_page("pages/dataset.py", query_params={"dataset": str(ingest.dataset_id)})


def _show_progress(ingest: Ingest) -> None:
    is_stopping = ingest.cancel_requested_at is not None
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**Loading {text.plain(_title(ingest))}**", width="content")
            if may(Scope.RUN):
                destructive_button(
                    "Stopping …" if is_stopping else "Cancel",
                    f"cancel_{ingest.ingest_id}",
                    icon=":material/stop_circle:",
                    disabled=is_stopping,
                    on_click=_cancel,
                    args=(ingest.ingest_id,),
                )
        share = ingest.done_bytes / ingest.total_bytes if ingest.total_bytes else 0.0
        st.progress(min(share, 1.0), text=text.plain(loading.progress_in_words(ingest)))


def _cancel(ingest_id: int) -> None:
    with action_errors():
        loading.cancel_ingest(ingest_id)


def _show_refusal(ingest_id: int, report: ReadingReport) -> None:
    """The rows that cannot be read, and the way on without them."""
    bad = report.bad_rows
    n_good = report.n_rows - bad.n - report.n_sifted - report.n_totals - report.n_no_records - report.n_odd_dates
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    n = f"{'at least ' if bad.is_at_least else ''}{bad.n:,} of {report.n_rows:,}"
    left.markdown(f"{n} rows cannot be read.")
    label = f"Load the {text.count(n_good, 'good row')}"
    is_offered = n_good > 0 and may(Scope.RUN)
    if is_offered and right.button(label, key="good_rows", icon=":material/rule:", width="stretch"):
        follow(loading.request_good_rows(ingest_id))
        st.rerun()
    show_bad_rows(bad)


def show_bad_rows(bad: BadRowCount) -> None:
    """The rows that cannot be read: by column and reason how many, with an example, and the first of all."""
    names = {"file": "File", "line": "Line", "column": "Column", "value": "Value", "reason": "Reason"}
    if bad.kinds:
        frame = pd.DataFrame([kind.first for kind in bad.kinds], columns=list(names)).rename(columns=names)
        frame = frame[["Column", "Reason", "Value", "File", "Line"]].rename(
            columns={"Value": "Such as", "File": "in file", "Line": "line"}
        )
        frame.insert(0, "Rows", [kind.n for kind in bad.kinds])
        tables.show(frame, numbers=("Such as",), placeholder="", column_config={"Rows": tables.NUMBER})
    rows = pd.DataFrame(bad.first, columns=list(names)).rename(columns=names)
    with st.expander(f"The first {text.count(len(rows), 'row')}", type="compact"):
        tables.show(rows, numbers=("Value",), height=280 if len(rows) > 6 else "auto", placeholder="")
