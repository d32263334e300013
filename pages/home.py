"""Home: next step, open runs, recent runs, datasets, health."""

import streamlit as st

from fcst.roles import Scope
from fcst.services import datasets, jobs
from fcst.ui import live
from fcst.ui.home import next_step, show_datasets, show_health, show_running, show_runs, show_steps, step_button
from fcst.ui.ingests import show_ingests
from fcst.ui.shell import page_errors, show_page
from fcst.ui.signin import may

REFRESH_S = 1.0
NEWEST = 50  # runs that the page reads


def main() -> None:
    open_selected()
    st.title("Home", anchor=False)
    known = datasets.list_datasets()
    found = jobs.list_jobs(limit=NEWEST)
    is_loading = show_ingests()
    step, may_run = next_step(known, found), may(Scope.RUN)
    if any(job.n_completed and job.is_over for job in found):
        with st.container(horizontal=True):
            step_button(step)
            if step.number != 2 and may_run and st.button("New run", icon=":material/play_circle:"):
                st.switch_page("pages/new_run.py")
            if may_run and st.button("Load sales", icon=":material/upload_file:", key="load_own"):
                st.switch_page("pages/load.py")
    else:
        show_steps(step, is_loading)
    is_any_open = any(not job.is_over for job in found)

    def show() -> None:
        with page_errors():
            now, n_found = live.read("newest runs", lambda: jobs.find_jobs(limit=NEWEST))
            if "opened" in st.session_state or is_any_open and all(job.is_over for job in now):
                st.rerun()
            show_running(now)
            show_runs(now, n_found)
            left, right = st.columns(2, gap="large")
            with left:
                show_datasets(known)
            with right:
                show_health()

    live.draw(show, REFRESH_S if is_any_open else None)  # no refresh, and no database load, without open runs


def open_selected() -> None:
    """Opens the page of the row that was clicked in a table."""
    if "opened" in st.session_state:
        page, name, value = st.session_state.pop("opened")
        st.switch_page(page, query_params={name: str(value)})


show_page(main)
