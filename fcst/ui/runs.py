"""All runs: which of them are shown, what can be done with those, and word of the ones that end."""

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from fcst.job_records import Job
from fcst.roles import Scope
from fcst.services import datasets, jobs
from fcst.states import JobStatus
from fcst.ui import live, tables, text
from fcst.ui.buttons import destructive_button, keep_or
from fcst.ui.shell import PAGE, action_errors, choose, choose_page, choose_some, number_in_url, page_in_url, search
from fcst.ui.signin import may
from fcst.ui.status import job_columns, job_frame

JOBS_A_PAGE = 50


def choose_filter() -> jobs.Filter:
    """The runs to be shown, by state, dataset and words; all of it stands in the URL."""
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
    """A page of the runs that the filter lets through."""
    skip = ((number_in_url(PAGE) or 1) - 1) * JOBS_A_PAGE
    found, n_found = live.read(("runs", which, skip), lambda: jobs.find_jobs(which, JOBS_A_PAGE, skip))
    if skip and not found:  # beyond the end: the last page there is
        found = jobs.list_jobs(which, JOBS_A_PAGE, (page_in_url(n_found, JOBS_A_PAGE) - 1) * JOBS_A_PAGE)
    tell_ends(found)
    st.session_state["shown_jobs"] = [job.job_id for job in found]
    if not found:
        st.caption("No run is like that. Take something out of the filter.")
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
    """A selection is a row's place in the table as it was drawn; the runs drawn there may have moved since."""
    if (row := tables.clicked_row(st.session_state["jobs"])) is not None:
        st.query_params.from_dict({"job": str(st.session_state["shown_jobs"][row])})


@dataclass(frozen=True)
class _Deed:
    """Something that is done to many runs: what it is called, how many items of a run it touches, what it does."""

    is_destructive: bool

    key: str
    button: str
    icon: str
    count: Callable[[Job], int]
    promise: str
    nothing: str
    do: Callable[[list[int]], int]
    told: Callable[[int], str]


_CANCEL = _Deed(
    True,
    "cancel_all",
    "Cancel these runs …",
    ":material/stop_circle:",
    jobs.n_to_cancel,
    "{runs} will be cancelled, with {items} not done yet. What is finished stays.",
    "None of these runs can be cancelled: they have ended, or are stopping.",
    jobs.cancel_jobs,
    lambda n: f"{text.count(n, 'run')} cancelled.",
)
_RETRY = _Deed(
    False,
    "retry_all",
    "Run what failed again …",
    ":material/replay:",
    jobs.n_to_retry,
    "{items} of {runs} that failed or were cancelled will be run again. What is finished stays.",
    "None of these runs has ended with failed or cancelled items.",
    jobs.retry_jobs,
    lambda n: f"{text.count(n, 'item')} run again.",
)


def show_deeds(which: jobs.Filter) -> None:
    """What can be done with all runs that are shown, each after a question that says what it touches."""
    if told := st.session_state.pop("told", ""):
        st.toast(told)
    if not may(Scope.RUN):
        return
    with st.container(horizontal=True):
        for deed in (_CANCEL, _RETRY):
            draw = destructive_button if deed.is_destructive else st.button
            if draw(deed.button, key=deed.key, icon=deed.icon):
                _ask(deed, which)


@st.dialog("Are you sure?")
def _ask(deed: _Deed, which: jobs.Filter) -> None:
    if "told" in st.session_state:
        st.rerun()  # it is done: the whole page, without this
    counts = {job.job_id: n for job in jobs.list_jobs(which) if (n := deed.count(job))}
    if not counts:
        st.markdown(deed.nothing)
        return
    runs, items = text.count(len(counts), "run"), text.count(sum(counts.values()), "item")
    st.markdown(deed.promise.format(runs=f"**{runs}**", items=f"**{items}**"))
    label, key, args = f"Yes, {deed.button.removesuffix(' …').lower()}", f"{deed.key}_now", (deed, list(counts))
    if deed.is_destructive:
        keep_or(label, key, _do, args)
    else:
        st.button(label, key=key, type="primary", on_click=_do, args=args)


def _do(deed: _Deed, job_ids: list[int]) -> None:
    """To the runs that were counted, and not to others that came since."""
    with action_errors():
        st.session_state["told"] = deed.told(deed.do(job_ids))


def tell_ends(found: list[Job]) -> None:
    """A toast for each run that this visitor has seen open and that has ended since."""
    seen: set[int] = st.session_state.setdefault("open_jobs", set())
    for job in found:
        if not job.is_over:
            seen.add(job.job_id)
        elif job.job_id in seen:
            seen.remove(job.job_id)
            is_well = job.status == JobStatus.COMPLETED and not job.n_failed
            st.toast(
                f"**{text.plain(text.job_title(job))}** is {job.status}: "
                f"{job.n_completed:,} of {text.count(job.n_items, 'item')} done.",
                icon=":material/check_circle:" if is_well else ":material/error:",
                duration="long",
            )


def tab_title(job: Job) -> str:
    """What the browser's tab says of a run: how far it is, or how it ended."""
    state = job.status if job.is_over else f"{100 * job.n_done / job.n_items:.0f} %"
    return f"{state} · Run {job.job_id}"
