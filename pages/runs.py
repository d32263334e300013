"""Runs: the list of runs, or with `?job=…` one run; both refresh while a run is open."""

from collections.abc import Callable

import streamlit as st

from fcst.job_records import Job
from fcst.roles import Scope
from fcst.services import jobs
from fcst.ui import live, progress, text
from fcst.ui.buttons import confirm_buttons, destructive_button, toast_slow_action
from fcst.ui.downloads import link_to_forecasts
from fcst.ui.ingests import FORECASTS, THEN
from fcst.ui.runs import choose_filter, show_bulk_actions, show_table, tab_title, toast_ended_runs
from fcst.ui.shell import action_errors, choose_view, number_in_url, page_errors, show_page
from fcst.ui.signin import may
from fcst.ui.status import describe, status_badge

REFRESH_S = 1.0

# views of a run: name in the URL -> label, function that shows it, seconds between refreshes while the run is open
VIEWS: dict[str, tuple[str, Callable[[Job], None], float]] = {
    "batches": ("Batches", progress.show_batches, REFRESH_S),
    "timeline": ("Timeline", progress.show_timeline, 5.0),
    "failures": ("Failures", progress.show_failures, 3.0),
    "history": ("History", progress.show_history, 3.0),
    "log": ("Batch log", progress.show_log, 2.0),
}


def main() -> None:
    job_id = number_in_url("job")
    if job_id is not None:
        show_job(job_id)
    else:
        show_jobs()


def show_jobs() -> None:
    st.title("Runs", anchor=False)
    if not jobs.has_any():
        st.info("No runs yet.", icon=":material/list_alt:")
        if may(Scope.RUN) and st.button("New run", type="primary"):
            st.switch_page("pages/new_run.py")
        return
    which = choose_filter()
    show_bulk_actions(which)
    is_any_open = jobs.has_open()

    def show() -> None:
        with page_errors():
            has_just_ended = is_any_open and not jobs.has_open()
            if has_just_ended or number_in_url("job") is not None:
                st.rerun()
            show_table(which)

    live.draw(show, REFRESH_S if is_any_open else None)


def show_job(job_id: int) -> None:
    if st.button("All runs", icon=":material/arrow_back:", type="tertiary"):
        st.query_params.clear()
        st.rerun()
    job = jobs.get_job(job_id)
    toast_ended_runs([job])
    open_forecasts_when_ended(job)
    show_head(job)
    names = list(VIEWS)
    view = choose_view({name: VIEWS[name][0] for name in names})
    show_live(job, *VIEWS[view][1:], is_part=True)


def open_forecasts_when_ended(job: Job) -> None:
    """Opens the forecasts of an ended run if the URL requests it; only once, so that Back returns to the run."""
    opened: set[int] = st.session_state.setdefault("gone_on", set())
    if st.query_params.get(THEN) == FORECASTS and job.is_over and job.n_completed and job.job_id not in opened:
        opened.add(job.job_id)
        st.switch_page("pages/forecasts.py", query_params={"job": str(job.job_id)})


def show_live(job: Job, show: Callable[[Job], None], seconds: float, is_part: bool = False) -> None:
    """Shows a part that refreshes while the run is open; reruns the whole page when the run opens or ends."""
    drawn = [job]  # the first draw uses the job that the page has read

    def show_now() -> None:
        with page_errors(is_part):
            now = drawn.pop() if drawn else live.read(("job", job.job_id), lambda: jobs.get_job(job.job_id))
            if now.is_over != job.is_over:
                st.rerun()
            show(now)

    live.draw(show_now, None if job.is_over else seconds)


def show_head(job: Job) -> None:
    """Title, actions, settings and progress of the run.

    The buttons are outside the part that refreshes each second: a refresh would close their dialogs.
    """
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        show_live(job, show_title, REFRESH_S, is_part=True)
        show_actions(job)
    st.markdown(describe(job))
    if job.note:
        st.caption(text.plain(job.note))
    show_live(job, progress.show_progress, REFRESH_S)


def show_title(job: Job) -> None:
    st.set_page_config(page_title=tab_title(job))
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        st.title(text.plain(text.job_title(job)), anchor=False, width="content")
        status_badge(job.status)


def show_actions(job: Job) -> None:
    """Actions for the current status: cancel, retry, copy settings, view results."""
    job_id, may_run = job.job_id, may(Scope.RUN)
    with st.container(horizontal=True, width="content"):
        if may_run and not job.is_over:
            is_cancelling = job.cancel_requested_at is not None
            label = "Cancelling …" if is_cancelling else "Cancel run …"
            if destructive_button(label, "cancel", icon=":material/stop_circle:", disabled=is_cancelling):
                ask_to_cancel(job_id)
        if may_run and (n_items := jobs.n_to_retry(job)):
            st.button(
                f"Finish {text.count(n_items, 'item')}",
                key="retry",
                icon=":material/replay:",
                on_click=run_action,
                args=(jobs.retry_job, job_id),
                help="Retries the failed and cancelled items in this run. Finished items stay.",
            )
        links = [("New run with these settings", "new_run", "from", ":material/play_circle:", may_run)]
        has_forecasts = job.is_over and bool(job.n_completed)
        is_measured = has_forecasts and bool(job.spec.n_windows)
        links.append(("View accuracy", "accuracy", "job", ":material/monitoring:", is_measured))
        links.append(("View forecasts", "forecasts", "job", ":material/query_stats:", has_forecasts))
        for label, page, name, icon, is_offered in links:
            if is_offered and st.button(label, key=f"to_{page}", icon=icon):
                st.switch_page(f"pages/{page}.py", query_params={name: str(job_id)})
        if has_forecasts:
            file = link_to_forecasts(job_id, "csv")
            st.link_button("Download CSV", file, icon=":material/download:", type="primary")


@st.dialog("Cancel this run?")
def ask_to_cancel(job_id: int) -> None:
    if st.session_state.pop("cancelled", None) == job_id:
        st.rerun()  # rerun the whole page, which closes the dialog
    n_open = jobs.n_to_cancel(jobs.get_job(job_id))
    if not n_open:
        st.markdown("This run has ended or is being cancelled.")
        return
    st.markdown(f"**{text.count(n_open, 'item')}** will not be forecast. Finished items stay.")
    confirm_buttons("Cancel run", "cancel_now", cancel, (job_id,))


def cancel(job_id: int) -> None:
    with action_errors():
        toast_slow_action("Cancelling", jobs.n_to_cancel(jobs.get_job(job_id)))
        jobs.cancel_job(job_id)
        st.session_state["cancelled"] = job_id


def run_action(action: Callable[[int], object], job_id: int) -> None:
    with action_errors():
        toast_slow_action("Retrying", jobs.n_to_retry(jobs.get_job(job_id)))
        action(job_id)


show_page(main)
