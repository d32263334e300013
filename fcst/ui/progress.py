"""A run's progress, its batches and its failures, as the page Runs shows them."""

from typing import Any

import pandas as pd
import streamlit as st

from fcst.services import jobs
from fcst.states import Stage
from fcst.ui import text
from fcst.ui.status import batch_frame, event_frame, stage_words, waiting_reason

MOST_BATCHES = 200
MOST_EVENTS = 500
MOST_LINES = 50


def show_progress(job: dict[str, Any]) -> None:
    """How far a run is, how fast, and why it waits if it does."""
    n_ended = job["n_completed"] + job["n_failed"] + job["n_cancelled"]
    st.progress(n_ended / job["n_items"])
    with st.container(horizontal=True):
        st.metric("Items done", f"{job['n_completed']:,} of {job['n_items']:,}", border=True)
        st.metric("Items failed", f"{job['n_failed']:,}", border=True)
        if job["n_cancelled"]:
            st.metric("Items cancelled", f"{job['n_cancelled']:,}", border=True)
        st.metric("Rate", f"{job['items_per_s']:.1f} items/s" if job["items_per_s"] else "–", border=True)
        if job["is_over"]:
            st.metric("Took", text.duration(job["seconds"]) or "–", border=True)
        else:
            st.metric("Time left, about", text.duration(job["time_left_s"]) or "–", border=True)
    if reason := waiting_reason(job):
        st.caption(text.plain(reason))
    if not job["is_over"]:
        st.caption(
            "Cancelling stops waiting batches at once and running ones within two seconds; what is finished stays."
        )


def show_batches(job: dict[str, Any]) -> None:
    """The batches of a run, with stage, attempt, counts and times."""
    rows = jobs.list_batches(job["job_id"], MOST_BATCHES)
    counts = [f"{job['batches'][stage]:,} {stage_words(stage)}" for stage in Stage if stage in job["batches"]]
    st.subheader(f"Batches: {', '.join(counts)}", anchor=False)
    st.dataframe(
        batch_frame(rows),
        hide_index=True,
        placeholder="",
        key="batches",
        column_config={
            "Batch": st.column_config.NumberColumn(width="small"),
            "Attempt": st.column_config.NumberColumn(width="small"),
            "Done": st.column_config.NumberColumn(width="small"),
            "Failed": st.column_config.NumberColumn(width="small"),
            "Error": st.column_config.TextColumn(width="large"),
        },
    )
    if len(rows) < job["n_batches"]:
        words = f"{len(rows):,} of {job['n_batches']:,} batches are shown, those first that run or have failed items."
        st.caption(f"{words} `python -m fcst batches {job['job_id']}` lists all.")


def show_details(job: dict[str, Any]) -> None:
    """What a run has been through: the log of a batch, and its history; each read only while it is open."""
    history = st.expander("History", key="history", on_change="rerun")
    if history.open:
        with history:
            _show_history(job["job_id"])
    log = st.expander("Log of a batch", key="log", on_change="rerun")
    if log.open:
        with log:
            _show_log(job)


def _show_history(job_id: int) -> None:
    wrong = jobs.list_events(job_id, only_with_reason=True, limit=MOST_EVENTS)
    is_only_wrong = bool(wrong) and st.toggle("Only what went wrong", value=True, key="only_wrong")
    events = wrong if is_only_wrong else jobs.list_events(job_id, limit=MOST_EVENTS)
    st.dataframe(event_frame(events), hide_index=True, placeholder="", key="events")
    if len(events) == MOST_EVENTS:
        st.caption(f"The newest {MOST_EVENTS} are shown.")


def _show_log(job: dict[str, Any]) -> None:
    """The choice is kept in the order of a person's interest: failed batches, then others that have begun."""
    rows = [row for row in jobs.list_batches(job["job_id"], MOST_BATCHES) if row["attempt"]]
    if not rows:
        st.caption("No batch has begun.")
        return
    rows.sort(key=lambda row: (row["stage"] != Stage.FAILED, row["batch_no"]))
    by_number = {row["batch_no"]: row for row in rows}
    number = st.selectbox(
        "Batch",
        list(by_number),
        key="log_batch",
        format_func=lambda number: f"{number} ({stage_words(by_number[number]['stage'])})",
        width=240,
    )
    lines = jobs.list_log_lines(job, by_number[number]["batch_id"], MOST_LINES)
    if lines:
        st.code(
            "\n".join(text.log_line(line.time, line.level, line.event, line.attempt, line.text) for line in lines),
            language=None,
            wrap_lines=True,
        )
        return
    worker = by_number[number]["worker"]
    who = f"Its supervisor, {text.plain(worker)}," if worker else "Its supervisor"
    st.caption(
        f"The log in this home has no line of batch {number}. {who} runs on another machine or from another home, "
        "or was started by hand and writes its log to its own terminal; or the lines are too old to be kept."
    )


def show_failures(job_id: int) -> None:
    """The items of a run that failed, with the reason; nothing where none did."""
    failures = jobs.list_failures(job_id)
    if failures:
        st.subheader(f"{text.count(len(failures), 'item')} failed", anchor=False)
        frame = pd.DataFrame(failures)[["unique_id", "batch_no", "attempt", "reason"]]
        st.dataframe(frame.set_axis(["Item", "Batch", "Attempt", "Reason"], axis=1), hide_index=True)
