"""Parts of the page Home: next step, open runs, recent runs, datasets, health."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from fcst.dataset_records import ListedDataset
from fcst.job_records import Job
from fcst.roles import Scope
from fcst.services import datasets, health
from fcst.ui import live, tables, text
from fcst.ui.glossary import MEANING
from fcst.ui.ingests import load_buttons
from fcst.ui.signin import may
from fcst.ui.status import find_stalls, job_columns, job_frame, waiting_reason

SHOWN_RUNS = 5
SHOWN_DATASETS = 5
STEPS = (
    ("Load sales", "Converts sales files to weekly sales per item. The sample loads in seconds."),
    (
        "Run",
        "Choose items. Each gets a weekly forecast with intervals, from the models with the best backtests.",
    ),
    ("Review", "Compare forecasts with past sales, check their accuracy in backtests, download as CSV."),
)


@dataclass(frozen=True)
class Step:
    """The next step: its number among the three steps, and the label and target of its button."""

    number: int
    label: str = ""
    icon: str = ""
    page: str = ""
    query: dict[str, str] | None = None


def next_step(known: list[ListedDataset], found: list[Job]) -> Step:
    """Returns the next step, given all datasets and runs, newest first."""
    if not known:
        return Step(1)
    running = [job for job in found if not job.is_over]
    if running:
        job_id = running[0].job_id
        return Step(3, f"Watch run {job_id}", ":material/visibility:", "pages/runs.py", {"job": str(job_id)})
    newest = known[0]
    done = [job for job in found if job.n_completed]
    if done and any(job.dataset_id == newest.dataset_id for job in found):
        job_id = done[0].job_id
        label = f"View forecasts of run {job_id}"
        return Step(3, label, ":material/query_stats:", "pages/forecasts.py", {"job": str(job_id)})
    before = [job for job in found if job.dataset == newest.name]
    query = {"from": str(before[0].job_id)} if before else {"dataset": str(newest.dataset_id), "take": "all"}
    label = f"Forecast {text.plain(text.dataset_title(newest.name, newest.version))}"
    return Step(2, label, ":material/play_circle:", "pages/new_run.py", query)


def show_steps(step: Step, is_loading: bool) -> None:
    """The three steps to a first forecast."""
    st.write("fcst forecasts the weekly sales of every item, with intervals and measured accuracy.")
    for number, (column, (name, what)) in enumerate(zip(st.columns(3), STEPS, strict=True), 1):
        with column.container(border=True, height="stretch"):
            sign = ":green[:material/check_circle:]" if number < step.number else f":material/counter_{number}:"
            st.markdown(f"{sign} **{name}**")
            st.caption(what)
            if number == step.number == 1:
                load_buttons(is_primary=True, is_loading=is_loading)
            elif number == step.number:
                step_button(step)


def step_button(step: Step) -> None:
    is_for_all = step.number == 3
    if (is_for_all or may(Scope.RUN)) and st.button(step.label, type="primary", icon=step.icon, key="next_step"):
        st.switch_page(step.page, query_params=step.query)


def show_running(found: list[Job]) -> None:
    """Progress of open runs, and why one waits or has stalled."""
    running = [job for job in found if not job.is_over]
    stalls = find_stalls(running[:SHOWN_RUNS])
    for job in running[:SHOWN_RUNS]:
        words = f"{text.job_title(job)}: {job.n_done:,} of {text.count(job.n_items, 'item')}"
        stall = stalls.get(job.job_id)
        if job.time_left_s is not None and stall is None:
            words += f", about {text.duration(job.time_left_s)} left"
        st.progress(job.n_done / job.n_items, text=text.plain(words))
        if stall is not None:
            st.error(text.stalled(stall), icon=":material/error:")
        elif reason := waiting_reason(job):
            st.caption(text.plain(reason))
    if len(running) > SHOWN_RUNS:
        st.caption(
            f"{text.count(len(running) - SHOWN_RUNS, 'more open run')}; see all {len(running):,} on the page Runs."
        )


def show_runs(found: list[Job], n_found: int) -> None:
    """The newest of `n_found` runs; a click opens one."""
    st.header("Recent runs", anchor=False)
    if not found:
        st.caption("No runs yet.")
        return
    rows = found[:SHOWN_RUNS]
    st.session_state["home_jobs"] = [job.job_id for job in rows]
    tables.show(
        job_frame(rows),
        placeholder="",
        key="home_runs",
        on_select=_open_run,
        selection_mode="single-cell",
        column_config=job_columns(),
    )
    all_of_them = f" See all {n_found:,} on the page Runs." if n_found > SHOWN_RUNS else ""
    st.caption(f"Click a run to open it.{all_of_them}")


def show_datasets(known: list[ListedDataset]) -> None:
    """The newest version of each dataset; a click opens one."""
    st.header("Data", anchor=False)
    if not known:
        st.caption("No data yet.")
        return
    newest = datasets.newest_versions(known)
    rows = newest[:SHOWN_DATASETS]
    st.session_state["home_datasets"] = [row.dataset_id for row in rows]
    tables.show(
        pd.DataFrame(
            {
                "Dataset": [text.dataset_title(row.name, row.version) for row in rows],
                "Items": [row.n_items for row in rows],
                "Last week": [row.last_wk_end_dt for row in rows],
            }
        ),
        key="home_data",
        on_select=_open_dataset,
        selection_mode="single-cell",
        column_config={
            "Items": tables.NUMBER,
            "Last week": st.column_config.DateColumn(format="YYYY-MM-DD"),
        },
    )
    all_of_them = f" See all {len(newest):,} on the page Data." if len(newest) > SHOWN_DATASETS else ""
    st.caption(f"Click a dataset to open it.{all_of_them}")


def show_health() -> None:
    """Health checks of database, supervisor and disk, with hints for failed checks."""
    st.header("Health", anchor=False)
    for check in live.read("health", health.brief_checks):
        sign = ":green[:material/check_circle:]" if check.is_ok else ":orange[:material/warning:]"
        st.markdown(f"{sign} **{check.name.capitalize()}** · {text.plain(check.text)}", help=MEANING.get(check.name))
        if check.hint:
            st.caption(text.plain(check.hint))


# A selection is the position of a cell in the table as drawn.


def _open_run() -> None:
    if (row := tables.clicked_row(st.session_state["home_runs"])) is not None:
        st.session_state["opened"] = ("pages/runs.py", "job", st.session_state["home_jobs"][row])


def _open_dataset() -> None:
    if (row := tables.clicked_row(st.session_state["home_data"])) is not None:
        st.session_state["opened"] = ("pages/dataset.py", "dataset", st.session_state["home_datasets"][row])
