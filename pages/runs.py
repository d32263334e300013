"""Runs: all of them, or with ?job=… one, live while it works."""

from typing import Any

import streamlit as st

from fcst.services import jobs
from fcst.ui import text
from fcst.ui.progress import show_batches, show_details, show_failures, show_progress
from fcst.ui.shell import action_errors, number_in_url, page_errors, show_page
from fcst.ui.status import describe, job_frame, status_badge

REFRESH_S = 1.0


def main() -> None:
    job_id = number_in_url("job")
    if job_id is not None:
        show_job(job_id)
    else:
        show_jobs()


def show_jobs() -> None:
    st.title("Runs", anchor=False)
    found = jobs.list_jobs()
    if not found:
        st.info("Nothing has been run yet.", icon=":material/list_alt:")
        if st.button("New run", type="primary"):
            st.switch_page("pages/new_run.py")
        return
    is_any_open = any(not job["is_over"] for job in found)

    @st.fragment(run_every=REFRESH_S if is_any_open else None)
    def live() -> None:
        with page_errors():
            found = jobs.list_jobs()
            st.session_state["shown_jobs"] = [job["job_id"] for job in found]
            st.dataframe(
                job_frame(found),
                hide_index=True,
                placeholder="",
                key="jobs",
                on_select=open_selected,
                selection_mode="single-row",
                column_config={
                    "Items": st.column_config.NumberColumn(format="localized"),
                    "Done": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
                },
            )
            st.caption("Select a run to open it.")
            if number_in_url("job") is not None:
                st.rerun()
            if is_any_open and all(job["is_over"] for job in found):
                st.rerun()

    live()


def open_selected() -> None:
    """A selection is a row's place in the table as it was drawn; the runs drawn there may have moved since."""
    for row in st.session_state["jobs"]["selection"]["rows"]:
        st.query_params["job"] = str(st.session_state["shown_jobs"][row])


def show_job(job_id: int) -> None:
    if st.button("All runs", icon=":material/arrow_back:", type="tertiary"):
        st.query_params.clear()
        st.rerun()
    is_open = not jobs.get_job(job_id)["is_over"]

    @st.fragment(run_every=REFRESH_S if is_open else None)
    def live() -> None:
        with page_errors():
            job = jobs.get_job(job_id)
            if is_open == job["is_over"]:
                st.rerun()  # it has ended, or runs again: the whole page, to stop or start the refresh
            show_head(job)
            show_progress(job)
            show_batches(job)
            show_details(job)

    live()
    if not is_open:
        show_failures(job_id)


def show_head(job: dict[str, Any]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.title(text.plain(text.job_title(job)), anchor=False, width="content")
            status_badge(job["status"])
        show_action(job)
    st.markdown(describe(job))
    if job["note"]:
        st.caption(text.plain(job["note"]))


def show_action(job: dict[str, Any]) -> None:
    """The one thing to do with this run now: stop it, run again what failed, or look at what came out."""
    with st.container(horizontal=True, width="content"):
        if not job["is_over"]:
            is_asked = job["cancel_requested_at"] is not None
            st.button(
                "Stopping …" if is_asked else "Cancel the run",
                key="cancel",
                type="primary",
                icon=":material/stop_circle:",
                disabled=is_asked,
                on_click=cancel,
                args=(job["job_id"],),
            )
            return
        n_again = job["n_failed"] + job["n_cancelled"]
        if n_again:
            st.button(
                f"Run {text.count(n_again, 'item')} again",
                key="retry",
                icon=":material/replay:",
                on_click=retry,
                args=(job["job_id"],),
                help="The items that failed or were cancelled, in this same run. What is finished stays.",
            )
        if (
            job["n_completed"]
            and job["spec"]["n_windows"]
            and st.button("Accuracy", key="accuracy", icon=":material/monitoring:")
        ):
            st.switch_page("pages/accuracy.py", query_params={"job": str(job["job_id"])})
        if job["n_completed"] and st.button(
            "See the forecasts", type="primary", key="see", icon=":material/query_stats:"
        ):
            st.switch_page("pages/forecasts.py", query_params={"job": str(job["job_id"])})


def cancel(job_id: int) -> None:
    with action_errors():
        jobs.cancel_job(job_id)


def retry(job_id: int) -> None:
    with action_errors():
        jobs.retry_job(job_id)


show_page(main)
