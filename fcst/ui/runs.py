"""List of runs: filter, table, bulk actions, and notifications of ended runs."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from fcst.job_records import Job
from fcst.roles import Scope
from fcst.services import datasets, jobs
from fcst.states import JobStatus
from fcst.ui import live, tables, text
from fcst.ui.buttons import confirm_buttons, destructive_button
from fcst.ui.shell import PAGE, action_errors, choose, choose_page, choose_some, number_in_url, page_in_url, search
from fcst.ui.signin import may
from fcst.ui.status import job_columns, job_frame

JOBS_A_PAGE = 50


def choose_filter() -> jobs.Filter:
    """Filter by text, dataset and status; the URL has the choices."""
    known = {str(row.dataset_id): row for row in datasets.list_datasets()}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = search("Search", "q", placeholder="Name, note or run number", width=280)
        dataset = choose(
            "Dataset",
            ["", *known],
            "dataset",
            lambda key: text.dataset_title(known[key].name, known[key].version) if key else "All datasets",
            width=240,
        )
        statuses = choose_some("Status", list(JobStatus), "status")
    return jobs.Filter(tuple(statuses), int(dataset) if dataset else None, words)


def show_table(which: jobs.Filter) -> None:
    """Shows a page of the runs that match."""
    skip = ((number_in_url(PAGE) or 1) - 1) * JOBS_A_PAGE
    found, n_found = live.read(("runs", which, skip), lambda: jobs.find_jobs(which, JOBS_A_PAGE, skip))
    if skip and not found:  # after the last page: show the last page
        found = jobs.list_jobs(which, JOBS_A_PAGE, (page_in_url(n_found, JOBS_A_PAGE) - 1) * JOBS_A_PAGE)
    toast_ended_runs(found)
    st.session_state["shown_jobs"] = [job.job_id for job in found]
    if not found:
        st.caption("No runs match. Remove a filter.")
        return
    tables.show(
        job_frame(found),
        placeholder="",
        key="jobs",
        on_select=_open_selected,
        selection_mode="single-cell",
        column_config=job_columns(),
    )
    choose_page(n_found, JOBS_A_PAGE)
    st.caption(f"{text.count(n_found, 'run')}. Click one to open it.")


def _open_selected() -> None:
    """Opens the selected run. A selection is a position in the table as drawn; runs may have moved since."""
    if (row := tables.clicked_row(st.session_state["jobs"])) is not None:
        st.query_params.from_dict({"job": str(st.session_state["shown_jobs"][row])})


@dataclass(frozen=True)
class _BulkAction:
    """An action on all runs that match.

    Parameters
    ----------
    count
        number of items of a run that the action affects.
    effect, nothing
        text of the dialog, with `{runs}` and `{items}`; and its text if no run is affected.
    apply
        runs the action; returns a number for `result`, the message afterwards.
    """

    is_destructive: bool
    key: str
    button: str
    icon: str
    title: str
    confirm: str
    count: Callable[[Job], int]
    effect: str
    nothing: str
    apply: Callable[[list[int]], int]
    result: Callable[[int], str]


_CANCEL = _BulkAction(
    True,
    "cancel_all",
    "Cancel runs …",
    ":material/stop_circle:",
    "Cancel these runs?",
    "Cancel runs",
    jobs.n_to_cancel,
    "{runs} with {items} still open will be cancelled. Finished items stay.",
    "None of these runs can be cancelled: they have ended or are being cancelled.",
    jobs.cancel_jobs,
    lambda n: f"{text.count(n, 'run')} cancelled.",
)
_RETRY = _BulkAction(
    False,
    "retry_all",
    "Retry items …",
    ":material/replay:",
    "Retry failed and cancelled items?",
    "Retry",
    jobs.n_to_retry,
    "{items} of {runs} will be retried. Finished items stay.",
    "None of these runs has ended with failed or cancelled items.",
    jobs.retry_jobs,
    lambda n: f"Retrying {text.count(n, 'item')}.",
)


def show_bulk_actions(which: jobs.Filter) -> None:
    """Buttons for actions on all runs that match; each opens a dialog with the number of affected runs."""
    if message := st.session_state.pop("told", ""):
        st.toast(message)
    if not may(Scope.RUN):
        return
    with st.container(horizontal=True):
        for action in (_CANCEL, _RETRY):
            draw = destructive_button if action.is_destructive else st.button
            if draw(action.button, key=action.key, icon=action.icon):
                st.dialog(action.title)(_confirm)(action, which)


def _confirm(action: _BulkAction, which: jobs.Filter) -> None:
    if "told" in st.session_state:
        st.rerun()  # done: rerun the whole page, which closes the dialog
    counts = {job.job_id: n for job in jobs.list_jobs(which) if (n := action.count(job))}
    if not counts:
        st.markdown(action.nothing)
        return
    runs, items = text.count(len(counts), "run"), text.count(sum(counts.values()), "item")
    st.markdown(action.effect.format(runs=f"**{runs}**", items=f"**{items}**"))
    key, args = f"{action.key}_now", (action, list(counts))
    if action.is_destructive:
        confirm_buttons(action.confirm, key, _apply, args)
    else:
        st.button(action.confirm, key=key, type="primary", on_click=_apply, args=args)


def _apply(action: _BulkAction, job_ids: list[int]) -> None:
    """Applies the action to the counted runs only, not to runs added since."""
    with action_errors():
        st.session_state["told"] = action.result(action.apply(job_ids))


def toast_ended_runs(found: list[Job]) -> None:
    """Shows a toast for each run that has ended since this visitor saw it open."""
    seen: set[int] = st.session_state.setdefault("open_jobs", set())
    for job in found:
        if not job.is_over:
            seen.add(job.job_id)
        elif job.job_id in seen:
            seen.remove(job.job_id)
            is_success = job.status == JobStatus.COMPLETED and not job.n_failed
            st.toast(
                f"**{text.plain(text.job_title(job))}** is {job.status}: "
                f"{job.n_completed:,} of {text.count(job.n_items, 'item')} done.",
                icon=":material/check_circle:" if is_success else ":material/error:",
                duration="long",
            )


def tab_title(job: Job) -> str:
    """Title of the browser tab for a run: its progress or final status."""
    state = job.status if job.is_over else f"{100 * job.n_done / job.n_items:.0f} %"
    return f"{state} · Run {job.job_id}"
